"""Train the narrow U-Net on packs of latents, in pieces: exactly resumable, on any device.

    python -m tools.demo_model.train_unet --packs PACKS --validation VALIDATION --start tools/demo_model/weights \
        --layout wide --out RUN --until 500000 --minutes 9

On processors ``--workers 2`` processes of one thread share a batch and average their gradients once a step: this loses
less to waiting than threads that meet after every operation.
"""

from __future__ import annotations

import argparse
import copy
import os
import time
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing
from torch import Tensor, nn

from . import balance, running
from .grow import grown
from .layout import LAYOUTS, Layout
from .network import Network
from .optimisers import OPTIMISERS
from .packs import Packed, read_packs
from .schedule import TIMESTEPS, alphas_cumprod

THIRDS = (333, 666, 999)


def stratified_timesteps(count: int, generator: torch.Generator) -> Tensor:
    """One timestep from each of ``count`` equal slices of 0..999, shuffled: less variance than free draws."""
    device = generator.device
    slots = torch.arange(count, device=device) + torch.rand(count, generator=generator, device=device)
    return (slots / count * TIMESTEPS).long()[torch.randperm(count, generator=generator, device=device)]


def loss_per_image(unet: nn.Module, clean: Tensor, timestep: Tensor, noise: Tensor, alphas: Tensor) -> Tensor:
    """Mean squared error (B,) of the predicted noise, float32."""
    alpha = alphas[timestep][:, None, None, None]
    noisy = alpha.sqrt() * clean + (1 - alpha).sqrt() * noise
    return (unet(noisy, timestep, None).sample.float() - noise).square().mean((1, 2, 3))


def snr_weights(timestep: Tensor, alphas: Tensor, gamma: float | None) -> Tensor:
    """Weights (B,) of the noise's error, min(SNR, gamma) / SNR (min-SNR, arXiv 2303.09556); ones without ``gamma``.

    The lowest noise levels, where all that is left to learn is grain, weigh less. Their sum over the levels stays
    what it was: the learning rate means the same with and without.
    """
    if gamma is None:
        return torch.ones_like(timestep, dtype=torch.float32)
    weights = (gamma * (1 - alphas) / alphas).clamp(max=1.0)
    return (weights / weights.mean())[timestep]


@torch.no_grad()
def validation_loss(unet: nn.Module, latents: Tensor, alphas: Tensor, batch: int = 16) -> dict[str, float]:
    """Noise-prediction error over fixed noises and timesteps, in all and for thirds of the timesteps."""
    generator = torch.Generator().manual_seed(5)
    losses, steps = [], []
    for start in range(0, len(latents), batch):
        clean = latents[start : start + batch]
        timestep = stratified_timesteps(len(clean), generator)
        noise = torch.randn(clean.shape, generator=generator)
        losses.append(loss_per_image(unet, clean, timestep.to(clean.device), noise.to(clean.device), alphas).cpu())
        steps.append(timestep)
    loss, step = torch.cat(losses), torch.cat(steps)
    parts = {f"below_{top}": loss[(step >= top - 333) & (step < top)].mean().item() for top in THIRDS}
    return {"all": loss.mean().item(), **parts}


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


class Drawn:
    """Batches of a training's latents, drawn by their weights."""

    def __init__(self, packed: Packed, shares: dict[str, float], device: torch.device) -> None:
        self.latents = packed.data.to(device)
        self.weights = balance.weights(packed.rows, shares).float().to(device)

    def batch(self, count: int, generator: torch.Generator) -> Tensor:
        """(count, 4, h, w) float32."""
        return self.latents[torch.multinomial(self.weights, count, True, generator=generator)].float()


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """The command's."""
    parser = argparse.ArgumentParser(prog="python -m tools.demo_model.train_unet", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--packs", type=Path, required=True, help="training latents (tools.demo_model.pack)")
    parser.add_argument("--validation", type=Path, required=True, help="packs of validation latents")
    parser.add_argument("--validation-count", type=int, default=192)
    running.add_arguments(parser, until=500_000, batch=16, rate=4e-4, average=0.999)
    parser.add_argument("--min-snr", type=float, default=5.0, metavar="GAMMA", help="0 weighs all levels the same")
    parser.add_argument("--shares", nargs="*", default=[], metavar="DOMAIN=SHARE", help="over those of balance.py")
    parser.add_argument("--optimiser", choices=tuple(OPTIMISERS), default="adamw")
    parser.add_argument("--layout", choices=tuple(LAYOUTS), default="small")
    parser.add_argument("--start", type=Path, help="weights to begin from: a folder, or a checkpoint; grown if smaller")
    parser.add_argument("--workers", type=int, default=1, help="processes that share a batch, on processors alone")
    args = parser.parse_args(given)
    if args.workers > 1 and running.device_of(args.device).type != "cpu":
        parser.error("--workers: only with --device cpu")
    if args.batch % args.workers:
        parser.error(f"--batch {args.batch} does not divide by --workers {args.workers}")
    return args


def begun(start: Path | None, layout: Layout, seed: int) -> Network:
    """A network that begins at ``start``, or at random."""
    torch.manual_seed(seed)
    network = Network(layout)
    if start is not None:
        if start.is_dir():
            from .weights import read_unet

            state = read_unet(start)
        else:
            state = running.start_state(start)
        network.load_state_dict(grown(state, layout, seed))
    return network


def main(given: list[str] | None = None) -> None:
    args = arguments(given)
    args.out.mkdir(parents=True, exist_ok=True)
    if args.workers > 1:
        multiprocessing.spawn(train, (args,), nprocs=args.workers)
    else:
        train(0, args)


def train(rank: int, args: argparse.Namespace) -> None:
    """One worker. The first keeps the averaged weights, the clock, the log and the checkpoint."""
    if args.workers > 1:
        store = dist.FileStore(str(args.out / f"store-{os.getppid()}"), args.workers)
        dist.init_process_group("gloo", store=store, rank=rank, world_size=args.workers)
    torch.set_num_threads(args.threads)
    device = running.device_of(args.device)
    alphas = alphas_cumprod().to(device)
    data = Drawn(read_packs(args.packs, "latents"), balance.parse_shares(args.shares), device)
    held_out = read_packs(args.validation, "latents").data
    # Spread over all of it, since packs are sorted by domain.
    held_out = held_out[:: max(1, len(held_out) // args.validation_count)][: args.validation_count].float().to(device)
    network = begun(args.start, LAYOUTS[args.layout], args.seed).to(device)
    average = copy.deepcopy(network).requires_grad_(False)
    optimiser = OPTIMISERS[args.optimiser](network, args.rate)
    progress, clock = running.Progress(args.out, "unet"), running.Clock(args.minutes)
    progress.resume(network, average, optimiser)
    shown = torch.compile(network) if args.compile else network
    parameters, count = list(network.parameters()), args.batch // args.workers
    total, counted, mark = torch.zeros((), device=device), 0, (progress.samples, time.monotonic())
    stop = progress.samples >= args.until
    while not stop:
        rate = progress.rate(args)
        optimiser.set_rate(rate)
        generator = running.generator_of(device, args.seed, progress.step, rank)
        clean = data.batch(count, generator)
        noise = torch.randn(clean.shape, generator=generator, device=device)
        timestep = stratified_timesteps(count, generator)
        with running.autocast(device, args.precision):
            losses = loss_per_image(shown, clean, timestep, noise, alphas)
        (losses * snr_weights(timestep, alphas, args.min_snr or None)).mean().backward()
        # The first worker's clock is everybody's.
        over = average_over_workers(parameters, [float(clock.over) if rank == 0 else 0.0])[0]
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        progress.step, progress.samples = progress.step + 1, progress.samples + args.batch
        stop = over > 0 or progress.samples >= args.until
        if rank:
            continue
        running.average_into(average, network, args.average, progress.step)
        total, counted = total + losses.detach().mean(), counted + 1
        if progress.step % args.log_every == 0 or stop:
            before, then = mark
            mark = progress.samples, time.monotonic()
            row = {"seconds": round(progress.seconds + clock.seconds), "rate": rate,
                   "samples_a_second": round((mark[0] - before) / (mark[1] - then), 2),
                   "train_loss": total.item() / counted}  # fmt: skip
            total, counted = torch.zeros((), device=device), 0
            if stop or clock.due("validation", args.validate_every):
                with running.autocast(device, args.precision):
                    row["validation_loss"] = validation_loss(average, held_out, alphas)
                mark = progress.samples, time.monotonic()
            progress.write(**row)
        if stop or clock.due("checkpoint", args.save_every):
            progress.save(network, average, optimiser, clock.seconds)
    if dist.is_initialized():
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
