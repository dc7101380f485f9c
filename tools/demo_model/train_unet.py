"""Train the narrow U-Net on packs of latents, in pieces: exactly resumable, on any device.

    python -m tools.demo_model.train_unet --packs PACKS --validation VALIDATION --start tools/demo_model/weights \
        --layout wide --out RUN --until 500000 --minutes 9

With ``--painter`` it is the inpainting twin (``painter``), which is shown what surrounds the covered part of a picture.

On processors ``--workers 2`` processes of one thread share a batch and average their gradients once a step: this loses
less to waiting than threads that meet after every operation.
"""

from __future__ import annotations

import argparse
import copy
import os
import time
from dataclasses import replace
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing
from torch import Tensor, nn

from . import balance, grouping, painter, running
from .covers import covers
from .grow import grown
from .layout import LAYOUTS, Layout, layout_of
from .network import Network
from .optimisers import OPTIMISERS
from .packs import Packed, read_packs
from .schedule import TIMESTEPS, alphas_cumprod
from .weights import FOLDER

THIRDS = (333, 666, 999)


def stratified_timesteps(count: int, generator: torch.Generator) -> Tensor:
    """One timestep from each of ``count`` equal slices of 0..999, shuffled: less variance than free draws."""
    device = generator.device
    slots = torch.arange(count, device=device) + torch.rand(count, generator=generator, device=device)
    return (slots / count * TIMESTEPS).long()[torch.randperm(count, generator=generator, device=device)]


def favoured(timestep: Tensor, share: float | None) -> Tensor:
    """Timesteps of 0..999, drawn evenly, so that ``share`` of them lies where attention is told (``grouping``)."""
    if share is None:
        return timestep
    place, edge = timestep / TIMESTEPS, grouping.LATEST
    late = edge + (place - share) / max(1 - share, 1e-6) * (TIMESTEPS - edge)
    return torch.where(place < share, place / max(share, 1e-6) * edge, late).long().clamp(0, TIMESTEPS - 1)


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


class Plain:
    """The error of the noise in whole pictures."""

    def __init__(self, alphas: Tensor, gamma: float | None) -> None:
        self.alphas, self.gamma = alphas, gamma

    def losses(
        self, unet: nn.Module, clean: Tensor, whose: Tensor, timestep: Tensor, noise: Tensor, chance: torch.Generator
    ) -> Tensor:
        """(B,) float32; ``whose`` (B, 2 h, 2 w) says whose each quarter of a cell is, ``chance`` is the processor's."""
        return loss_per_image(unet, clean, timestep, noise, self.alphas)

    def weights(self, timestep: Tensor) -> Tensor:
        """(B,) of the losses."""
        return snr_weights(timestep, self.alphas, self.gamma)


class Painting(Plain):
    """The error of v where a picture is covered, by any of the greys (N, 4)."""

    def __init__(self, alphas: Tensor, gamma: float | None, greys: Tensor) -> None:
        super().__init__(alphas, gamma)
        self.greys = greys.to(alphas)

    def losses(
        self, unet: nn.Module, clean: Tensor, whose: Tensor, timestep: Tensor, noise: Tensor, chance: torch.Generator
    ) -> Tensor:
        covered = covers(whose, chance).to(clean)
        grey = self.greys[torch.randint(len(self.greys), (len(clean),), generator=chance).to(clean.device)]
        return painter.loss_per_image(unet, clean, covered, grey[:, :, None, None], timestep, noise, self.alphas)

    def weights(self, timestep: Tensor) -> Tensor:
        return painter.level_weights(timestep, self.alphas, self.gamma or float("inf"))


def objective(args: argparse.Namespace, alphas: Tensor) -> Plain:
    """What is learned."""
    gamma = args.min_snr or None
    if not args.painter:
        return Plain(alphas, gamma)
    from .weights import read_autoencoder

    grey = painter.grey_of(read_autoencoder(args.autoencoder).encode).flatten()
    return Painting(alphas, gamma, torch.stack([grey, torch.tensor(painter.BLANK)]))


@torch.no_grad()
def validation_loss(unet: nn.Module, held: Packed, learned: Plain, batch: int = 16) -> dict[str, float]:
    """The error over fixed noises, timesteps and covers, in all and for thirds of the timesteps."""
    generator = torch.Generator().manual_seed(5)
    chance = torch.Generator().manual_seed(6)
    losses, steps = [], []
    assert held.whose is not None
    for start in range(0, len(held.data), batch):
        clean = held.data[start : start + batch]
        timestep = stratified_timesteps(len(clean), generator)
        noise = torch.randn(clean.shape, generator=generator)
        losses.append(
            learned.losses(
                unet, clean, held.whose[start : start + batch], timestep.to(clean.device), noise.to(clean.device),
                chance,
            ).cpu()
        )  # fmt: skip
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
        assert packed.whose is not None
        self.latents, self.whose = packed.data.to(device), packed.whose
        self.weights = balance.weights(packed.rows, shares).float().to(device)

    def batch(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Latents (count, 4, h, w) float32 on the device, and whose they are (count, 2 h, 2 w) on the processor."""
        drawn = torch.multinomial(self.weights, count, True, generator=generator)
        return self.latents[drawn].float(), self.whose[drawn.cpu()]


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """The command's."""
    parser = argparse.ArgumentParser(prog="python -m tools.demo_model.train_unet", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--packs", type=Path, required=True, help="training latents (tools.demo_model.pack)")
    parser.add_argument("--validation", type=Path, required=True, help="packs of validation latents")
    parser.add_argument("--validation-count", type=int, default=192)
    running.add_arguments(parser, until=500_000, batch=16, rate=4e-4, average=0.999)
    parser.add_argument("--min-snr", type=float, default=5.0, metavar="GAMMA", help="0 weighs all levels the same")
    parser.add_argument("--grouping", type=float, default=0.0, metavar="WEIGHT",
                        help="what attention is told of things (grouping) counts beside the noise")
    parser.add_argument("--told", type=float, metavar="SHARE", help="share of the samples at levels where it is told")
    parser.add_argument("--shares", nargs="*", default=[], metavar="DOMAIN=SHARE", help="over those of balance.py")
    parser.add_argument("--optimiser", choices=tuple(OPTIMISERS), default="adamw")
    parser.add_argument("--layout", choices=tuple(LAYOUTS), default="small")
    parser.add_argument("--start", type=Path, help="weights to begin from: a folder, or a checkpoint; grown if smaller")
    parser.add_argument("--painter", action="store_true", help="train the inpainting twin")
    parser.add_argument("--autoencoder", type=Path, default=FOLDER, help="folder of weights, whose grey covers are")
    parser.add_argument("--workers", type=int, default=1, help="processes that share a batch, on processors alone")
    args = parser.parse_args(given)
    if args.workers > 1 and running.device_of(args.device).type != "cpu":
        parser.error("--workers: only with --device cpu")
    if args.compile and args.grouping > 0:
        parser.error("--grouping: reads the attention of single layers, which --compile takes apart")
    if args.batch % args.workers:
        parser.error(f"--batch {args.batch} does not divide by --workers {args.workers}")
    return args


def begun(start: Path | None, layout: Layout, seed: int, shown: int = 0) -> Network:
    """A network that begins at ``start``, or at random; a painter from a painter or from a plain one."""
    torch.manual_seed(seed)
    network = Network(layout, shown)
    if start is not None:
        if start.is_dir():
            from .weights import PAINTER_FILE, read_painter, read_unet

            state = (read_painter if shown and (start / PAINTER_FILE).exists() else read_unet)(start)
        else:
            state = running.start_state(start)
        if layout_of(state) != layout:
            state = grown(state, layout, seed)
        if state["conv_in.weight"].shape[1] < network.conv_in.in_channels:
            state = painter.conditioned(state)
        network.load_state_dict(state)
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
    parent = os.getppid()
    if args.workers > 1:
        store = dist.FileStore(str(args.out / f"store-{parent}"), args.workers)
        dist.init_process_group("gloo", store=store, rank=rank, world_size=args.workers)
    torch.set_num_threads(args.threads)
    device = running.device_of(args.device)
    alphas = alphas_cumprod().to(device)
    data = Drawn(read_packs(args.packs, "latents"), balance.parse_shares(args.shares), device)
    learned = objective(args, alphas)
    held = read_packs(args.validation, "latents")
    assert held.whose is not None
    # Spread over all of it, since packs are sorted by domain.
    few = slice(None, None, max(1, len(held.data) // args.validation_count))
    held = replace(
        held, data=held.data[few][: args.validation_count].float().to(device),
        whose=held.whose[few][: args.validation_count],
    )  # fmt: skip
    network = begun(args.start, LAYOUTS[args.layout], args.seed, painter.SHOWN if args.painter else 0).to(device)
    average = copy.deepcopy(network).requires_grad_(False)
    optimiser = OPTIMISERS[args.optimiser](network, args.rate)
    progress, clock = running.Progress(args.out, "unet"), running.Clock(args.minutes)
    progress.resume(network, average, optimiser)
    shown = torch.compile(network) if args.compile else network
    looking = grouping.Looking(network)
    parameters, count = list(network.parameters()), args.batch // args.workers
    total, grouped = torch.zeros((), device=device), torch.zeros((), device=device)
    counted, mark = 0, (progress.samples, time.monotonic())
    stop = progress.samples >= args.until
    while not stop:
        rate = progress.rate(args)
        optimiser.set_rate(rate)
        generator = running.generator_of(device, args.seed, progress.step, rank)
        clean, whose = data.batch(count, generator)
        noise = torch.randn(clean.shape, generator=generator, device=device)
        timestep = favoured(stratified_timesteps(count, generator), args.told)
        chance = running.generator_of(torch.device("cpu"), args.seed + 1, progress.step, rank)
        with running.autocast(device, args.precision), looking.listening(args.grouping > 0):
            losses = learned.losses(shown, clean, whose, timestep, noise, chance)
        loss = (losses * learned.weights(timestep)).mean()
        if args.grouping > 0:
            told = grouping.told(looking, whose, timestep, chance)
            loss = loss + args.grouping * told.mean()
            grouped = grouped + told.detach().mean()
        loss.backward()
        # The first worker's clock is everybody's; and where who began them is gone, they end as by the clock.
        ends = clock.over or (args.workers > 1 and os.getppid() != parent)
        over = average_over_workers(parameters, [float(ends) if rank == 0 else 0.0])[0]
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
            if args.grouping > 0:
                row["grouping"] = grouped.item() / counted
            total, grouped, counted = torch.zeros_like(total), torch.zeros_like(total), 0
            if stop or clock.due("validation", args.validate_every):
                with running.autocast(device, args.precision):
                    row["validation_loss"] = validation_loss(average, held, learned)
                mark = progress.samples, time.monotonic()
            progress.write(**row)
        if stop or clock.due("checkpoint", args.save_every):
            progress.save(network, average, optimiser, clock.seconds)
    if dist.is_initialized():
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
