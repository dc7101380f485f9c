"""Train the autoencoder on rendered scenes; resumable, scheduled by minutes of training."""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .autoencoder import Autoencoder, start_from
from .weights import autoencoder_state


def batch_of_crops(scenes: np.ndarray, rng: np.random.Generator, count: int, side: int) -> Tensor:
    """Random crops (count, 3, side, side) in [0, 1], flipped and with colour channels swapped at random."""
    full = scenes.shape[1]
    crops = np.empty((count, side, side, 3), np.uint8)
    for row in range(count):
        top, left = rng.integers(0, full - side + 1, 2)
        crop = scenes[int(rng.integers(len(scenes))), top : top + side, left : left + side]
        if rng.random() < 0.5:
            crop = crop[:, ::-1]
        if rng.random() < 0.3:
            crop = crop[..., rng.permutation(3)]
        crops[row] = crop
    return torch.from_numpy(crops).permute(0, 3, 1, 2).float().div_(255.0)


@torch.no_grad()
def psnr(model: Autoencoder, scenes: np.ndarray, batch: int = 8) -> tuple[float, float, float]:
    """Mean over scenes of the PSNR (dB) at full size, and mean and standard deviation of the latents."""
    values, latents = [], []
    for start in range(0, len(scenes), batch):
        image = torch.from_numpy(np.asarray(scenes[start : start + batch])).permute(0, 3, 1, 2).float() / 255.0
        image = image.contiguous(memory_format=torch.channels_last)
        latent = model.encode(image)
        error = (model.decode(latent).clamp(0, 1) - image).square().mean((1, 2, 3))
        values.append(-10 * torch.log10(error))
        latents.append(latent.flatten())
    joined = torch.cat(latents)
    return float(torch.cat(values).mean()), float(joined.mean()), float(joined.std())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", required=True, help=".npy of training scenes (tools.demo_model.render)")
    parser.add_argument("--validation", required=True, help=".npy of validation scenes")
    parser.add_argument("--out", required=True, help="folder for checkpoints and the log")
    parser.add_argument("--minutes", type=float, default=22.0, help="training time that the schedule spans")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--log-error", action="store_true", help="logarithm of each crop's squared error: equal in dB")
    parser.add_argument("--decoder-only", action="store_true", help="keep the encoder as it is")
    parser.add_argument(
        "--start", type=Path,
        help="checkpoint, or folder of shipped weights, to begin from with a fresh schedule; it may have fewer blocks",
    )  # fmt: skip
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    checkpoint = out / "autoencoder.pt"
    scenes, held_out = np.load(args.scenes, mmap_mode="r"), np.load(args.validation, mmap_mode="r")[:48]
    model = Autoencoder().to(memory_format=torch.channels_last)
    state: dict = {"step": 0, "seconds": 0.0}
    if args.start:
        start_from(model, autoencoder_state(args.start))
    if args.decoder_only:
        model.encoder.requires_grad_(False)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, args.rate, betas=(0.9, 0.98), weight_decay=1e-4, fused=True)
    average = copy.deepcopy(model).requires_grad_(False)
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        average.load_state_dict(state["ema"])
        optimiser.load_state_dict(state["optimiser"])
    step, spent = int(state["step"]), float(state["seconds"])
    rng = np.random.default_rng([11, step])
    last, saved, running = time.monotonic(), time.monotonic(), 0.0
    while spent < args.minutes * 60:
        progress = spent / (args.minutes * 60)
        rate = args.rate * min(1.0, (step + 1) / 60) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))
        for group in optimiser.param_groups:
            group["lr"] = rate
        image = batch_of_crops(scenes, rng, args.batch, args.side).contiguous(memory_format=torch.channels_last)
        latent = model.encode(image)
        # Unit variance and a little noise keep the latent space compact and smooth for the diffusion model.
        mean, std = latent.mean((0, 2, 3)), latent.std((0, 2, 3))
        noisy = latent + torch.randn_like(latent) * (0.08 * torch.rand(len(latent), 1, 1, 1))
        error = model.decode(noisy) - image
        squared = error.square().mean((1, 2, 3))
        fidelity = squared.mean()
        compact = (mean.square() + (std - 1).square()).mean()
        if args.log_error:
            # The floor, 37 dB, keeps empty crops from outweighing everything else.
            loss = (squared + 2e-4).log().mean() + 0.1 * compact
        else:
            loss = fidelity + 0.02 * error.abs().mean() + 1e-3 * compact
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 0.5)
        optimiser.step()
        decay = min(0.995, (step + 1) / (step + 20))
        with torch.no_grad():
            for slow, fast in zip(average.parameters(), model.parameters(), strict=True):
                slow.lerp_(fast, 1 - decay)
        step += 1
        running += fidelity.item()
        now = time.monotonic()
        spent, last = spent + now - last, now
        if step % 50 == 0:
            row = {"step": step, "seconds": round(spent), "rate": rate, "train_psnr": -10 * math.log10(running / 50)}
            if step % 400 == 0:
                row["validation_psnr"], row["latent_mean"], row["latent_std"] = psnr(average, held_out)
            running = 0.0
            with (out / "autoencoder.jsonl").open("a") as log:
                log.write(json.dumps(row) + "\n")
        if now - saved > 150 or spent >= args.minutes * 60:
            saved = now
            state = {"model": model.state_dict(), "ema": average.state_dict(), "optimiser": optimiser.state_dict(),
                     "step": step, "seconds": spent, "config": model.config.to_dict()}  # fmt: skip
            temporary = checkpoint.with_suffix(".tmp")
            torch.save(state, temporary)
            temporary.replace(checkpoint)
    print(json.dumps({"step": step, "psnr, mean, std": psnr(average, held_out)}))


if __name__ == "__main__":
    main()
