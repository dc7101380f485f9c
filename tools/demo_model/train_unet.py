"""Train the narrow U-Net on cached latents; resumable, scheduled by minutes of training.

The first part of the time goes to 16x16 crops of the 32x32 latents (objects keep their size in cells), the rest
to whole latents. Latents are read from every ``latents*.npy`` of a folder.
``--workers`` processes share a batch and average their gradients once a step: on a
busy machine this loses less to waiting than threads that meet after every operation.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import time
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing
from torch import Tensor, nn

from .schedule import TIMESTEPS, alphas_cumprod
from .unet import build_narrow
from .weights import read_unet


def stratified_timesteps(count: int, generator: torch.Generator) -> Tensor:
    """One timestep from each of ``count`` equal slices of 0..999, shuffled: less variance than free draws."""
    slots = (torch.arange(count) + torch.rand(count, generator=generator)) / count
    return (slots * TIMESTEPS).long()[torch.randperm(count, generator=generator)]


def loss_per_image(unet: nn.Module, clean: Tensor, timestep: Tensor, noise: Tensor, alphas: Tensor) -> Tensor:
    """Mean squared error (B,) of the predicted noise."""
    alpha = alphas[timestep][:, None, None, None]
    noisy = alpha.sqrt() * clean + (1 - alpha).sqrt() * noise
    return (unet(noisy, timestep, None).sample - noise).square().mean((1, 2, 3))


@torch.no_grad()
def validation_loss(unet: nn.Module, latents: Tensor, alphas: Tensor, batch: int = 16) -> dict[str, float]:
    """Noise-prediction error over fixed noises and timesteps, in all and for thirds of the timesteps."""
    generator = torch.Generator().manual_seed(5)
    losses, steps = [], []
    for start in range(0, len(latents), batch):
        clean = latents[start : start + batch]
        timestep = stratified_timesteps(len(clean), generator)
        noise = torch.randn(clean.shape, generator=generator)
        losses.append(loss_per_image(unet, clean, timestep, noise, alphas))
        steps.append(timestep)
    loss, step = torch.cat(losses), torch.cat(steps)
    parts = {f"below_{top}": loss[(step >= top - 333) & (step < top)].mean().item() for top in (333, 666, 999)}
    return {"all": loss.mean().item(), **parts}


class Latents:
    """Every latent of a folder in memory, (N, 4, 32, 32) float16."""

    def __init__(self, folder: Path) -> None:
        self.arrays = [np.load(path) for path in sorted(folder.glob("latents*.npy"))]
        self.total = sum(len(array) for array in self.arrays)

    def batch(self, rng: np.random.Generator, count: int, side: int) -> Tensor:
        """Random latents (count, 4, side, side) float32, cropped at random."""
        rows = []
        for number in rng.integers(0, self.total, count):
            for array in self.arrays:
                if number < len(array):
                    top, left = rng.integers(0, array.shape[2] - side + 1, 2)
                    rows.append(array[number, :, top : top + side, left : left + side])
                    break
                number -= len(array)
        return torch.from_numpy(np.stack(rows)).float()


def learning_rate(step: int, progress: float, peak: float, hold: float = 0.6) -> float:
    """Warm-up over 100 steps, the peak until ``hold`` of the time, then a cosine down to 2 %."""
    fall = max(0.0, (progress - hold) / (1 - hold))
    return peak * min(1.0, (step + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(fall, 1.0))))


def average_over_workers(parameters: list[Tensor], extra: list[float]) -> list[float]:
    """Replace gradients by their mean over the workers; returns the mean of ``extra`` as well."""
    if not dist.is_initialized():
        return extra
    gradients = [p.grad for p in parameters]
    flat = torch.cat([gradient.flatten() for gradient in gradients] + [torch.tensor(extra)])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    start = 0
    for gradient in gradients:
        gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
        start += gradient.numel()
    return flat[start:].tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latents", type=Path, required=True, help="folder of latents*.npy (tools.demo_model.encode)")
    parser.add_argument("--validation", type=Path, required=True, help=".npy of validation latents")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints and the log")
    parser.add_argument("--minutes", type=float, default=70.0, help="training time that the schedule spans")
    parser.add_argument("--crop-share", type=float, default=0.35, help="share of the time at 16x16")
    parser.add_argument("--crop-batch", type=int, default=32)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=8e-4)
    parser.add_argument("--threads", type=int, default=1, help="threads of a worker")
    parser.add_argument("--workers", type=int, default=2, help="processes that share a batch")
    parser.add_argument("--start", type=Path, help="folder of shipped weights to begin from, with a fresh schedule")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    multiprocessing.spawn(train, (args,), nprocs=args.workers)


def train(rank: int, args: argparse.Namespace) -> None:
    """One worker. The first keeps the averaged weights, the clock, the log and the checkpoint."""
    if args.workers > 1:
        store = dist.FileStore(str(args.out / f"store-{os.getppid()}"), args.workers)
        dist.init_process_group("gloo", store=store, rank=rank, world_size=args.workers)
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    checkpoint = args.out / "unet.pt"
    alphas, data = alphas_cumprod(), Latents(args.latents)
    held_out = torch.from_numpy(np.load(args.validation)[:64]).float()
    unet = build_narrow()
    if args.start:
        unet.load_state_dict(read_unet(args.start))
    average = copy.deepcopy(unet).requires_grad_(False)
    optimiser = torch.optim.AdamW(unet.parameters(), args.rate, betas=(0.9, 0.99), weight_decay=1e-3, fused=True)
    state: dict = {"step": 0, "seconds": 0.0, "samples": 0}
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        unet.load_state_dict(state["model"])
        average.load_state_dict(state["ema"])
        optimiser.load_state_dict(state["optimiser"])
    step, spent, samples = int(state["step"]), float(state["seconds"]), int(state["samples"])
    rng = np.random.default_rng([17, step, rank])
    generator = torch.Generator().manual_seed(1000 + step + 100_000 * rank)
    parameters = list(unet.parameters())
    saved, measured, running, counted = time.monotonic(), time.monotonic(), 0.0, 0
    last = time.monotonic()
    while spent < args.minutes * 60:
        progress = spent / (args.minutes * 60)
        whole = progress >= args.crop_share
        rate = learning_rate(step, progress, args.rate)
        for group in optimiser.param_groups:
            group["lr"] = rate
        total, side = (args.batch, 32) if whole else (args.crop_batch, 16)
        count = total // args.workers
        clean = data.batch(rng, count, side)
        noise = torch.randn(clean.shape, generator=generator)
        loss = loss_per_image(unet, clean, stratified_timesteps(count, generator), noise, alphas).mean()
        optimiser.zero_grad()
        loss.backward()
        now = time.monotonic()
        spent, last = spent + now - last, now
        # The first worker's clock is everybody's.
        value, clock = average_over_workers(parameters, [loss.item(), spent if rank == 0 else 0.0])
        spent = clock * args.workers if args.workers > 1 else spent
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        step, samples = step + 1, samples + count * args.workers
        if rank:
            continue
        decay = min(0.996, step / (step + 9))
        with torch.no_grad():
            for slow, fast in zip(average.parameters(), unet.parameters(), strict=True):
                slow.lerp_(fast, 1 - decay)
        running, counted = running + value, counted + 1
        done = spent >= args.minutes * 60
        if step % 50 == 0 or done:
            row = {"step": step, "seconds": round(spent), "samples": samples, "side": side, "latents": data.total,
                   "rate": rate, "train_loss": running / counted}  # fmt: skip
            running, counted = 0.0, 0
            if now - measured > 300 or done:
                measured = now
                row["validation_loss"] = validation_loss(average, held_out, alphas)
            with (args.out / "unet.jsonl").open("a") as log:
                log.write(json.dumps(row) + "\n")
        if now - saved > 150 or done:
            saved = now
            state = {"model": unet.state_dict(), "ema": average.state_dict(), "optimiser": optimiser.state_dict(),
                     "step": step, "seconds": spent, "samples": samples}  # fmt: skip
            temporary = checkpoint.with_suffix(".tmp")
            torch.save(state, temporary)
            temporary.replace(checkpoint)


if __name__ == "__main__":
    main()
