"""Train the autoencoder on packs of pictures, in pieces: exactly resumable, on any device.

    python -m tools.demo_model.train_autoencoder --packs PICTURES --validation VALIDATION --out RUN \
        --start tools/demo_model/weights --decoder-only --log-error --until 200000 --minutes 9

With ``--decoder-only`` the latents stay what they are, and so the U-Net that was trained on them.
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from . import balance, running
from .autoencoder import Autoencoder, start_from
from .packs import read_packs

LETTERS = {"lettering": 0.1}


def batch_of_crops(pictures: Tensor, weights: Tensor, count: int, side: int, generator: torch.Generator) -> Tensor:
    """Random crops (count, 3, side, side) in 0..1 of pictures (N, H, W, 3) uint8, some with their colours exchanged."""
    device, full = generator.device, pictures.shape[1]
    rows = torch.multinomial(weights, count, True, generator=generator).tolist()
    places = torch.randint(0, full - side + 1, (count, 2), generator=generator, device=device).tolist()
    swaps = torch.rand(count, generator=generator, device=device).tolist()
    crops = []
    for row, (top, left), swap in zip(rows, places, swaps, strict=True):
        crop = pictures[row, top : top + side, left : left + side]
        if swap < 0.3:
            crop = crop[..., torch.randperm(3, generator=generator, device=device)]
        crops.append(crop)
    return torch.stack(crops).permute(0, 3, 1, 2).float() / 255


def detail_error(shown: Tensor, image: Tensor) -> Tensor:
    """Mean absolute error (B,) of the differences between neighbours: texture, outlines, letters."""
    error = shown - image
    across, down = error[..., 1:] - error[..., :-1], error[..., 1:, :] - error[..., :-1, :]
    return across.abs().mean((1, 2, 3)) + down.abs().mean((1, 2, 3))


@torch.no_grad()
def psnr(model: Autoencoder, pictures: Tensor, batch: int = 8) -> tuple[Tensor, float, float]:
    """PSNR (dB) of each of (N, H, W, 3) uint8 at full size, and mean and standard deviation of the latents."""
    values, latents = [], []
    for start in range(0, len(pictures), batch):
        image = pictures[start : start + batch].permute(0, 3, 1, 2).float() / 255
        latent = model.encode(image)
        error = (model.decode(latent).clamp(0, 1) - image).square().mean((1, 2, 3))
        values.append(-10 * torch.log10(error))
        latents.append(latent.flatten())
    joined = torch.cat(latents)
    return torch.cat(values).cpu(), float(joined.mean()), float(joined.std())


def loss_of(model: Autoencoder, image: Tensor, noise: Tensor, log_error: bool, detail: float) -> tuple[Tensor, Tensor]:
    """(loss, mean squared error). ``noise`` (as the latents) is added to them.

    Unit variance and a little noise keep the latent space compact and smooth for the diffusion model.
    """
    latent = model.encode(image)
    mean, std = latent.mean((0, 2, 3)), latent.std((0, 2, 3))
    shown = model.decode(latent + noise)
    squared = (shown - image).square().mean((1, 2, 3))
    compact = (mean.square() + (std - 1).square()).mean()
    if log_error:
        # Equal in dB; the floor, 37 dB, keeps empty crops from outweighing everything else.
        loss = (squared + 2e-4).log().mean() + 0.1 * compact
    else:
        loss = squared.mean() + 0.02 * functional.l1_loss(shown, image) + 1e-3 * compact
    if detail:
        loss = loss + detail * detail_error(shown, image).mean()
    return loss, squared.detach().mean()


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """The command's."""
    parser = argparse.ArgumentParser(prog="python -m tools.demo_model.train_autoencoder", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument(
        "--packs", type=Path, required=True, help="training pictures (tools.demo_model.pack --pictures)"
    )
    parser.add_argument("--validation", type=Path, required=True, help="packs of validation pictures")
    parser.add_argument("--validation-count", type=int, default=48)
    running.add_arguments(parser, until=200_000, batch=8, rate=6e-4, average=0.998)
    parser.add_argument("--side", type=int, default=128, help="px of a crop")
    parser.add_argument("--shares", nargs="*", default=[], metavar="DOMAIN=SHARE", help="over those of balance.py")
    parser.add_argument("--log-error", action="store_true", help="logarithm of each crop's squared error: equal in dB")
    parser.add_argument("--detail", type=float, default=0.0, help="weight of the error of differences of neighbours")
    parser.add_argument("--decoder-only", action="store_true", help="keep the encoder as it is")
    parser.add_argument("--start", type=Path, help="folder of weights, or a checkpoint; it may have fewer blocks")
    return parser.parse_args(given)


def begun(args: argparse.Namespace) -> Autoencoder:
    """The autoencoder that training begins with."""
    torch.manual_seed(args.seed)
    model = Autoencoder()
    if args.start:
        from .weights import autoencoder_state

        start_from(model, autoencoder_state(args.start))
    if args.decoder_only:
        model.encoder.requires_grad_(False)
    return model


def main(given: list[str] | None = None) -> None:
    args = arguments(given)
    torch.set_num_threads(args.threads)
    device = running.device_of(args.device)
    packed, held_out = read_packs(args.packs, "pictures"), read_packs(args.validation, "pictures").data
    held_out = held_out[:: max(1, len(held_out) // args.validation_count)][: args.validation_count].to(device)
    pictures = packed.data.to(device)
    shares = balance.parse_shares([f"{name}={share}" for name, share in LETTERS.items()] + args.shares)
    weights = balance.weights(packed.rows, shares).float().to(device)
    model = begun(args).to(device, memory_format=torch.channels_last)
    average = copy.deepcopy(model).requires_grad_(False)
    parameters = running.trainable(model)
    optimiser = torch.optim.AdamW(parameters, args.rate, betas=(0.9, 0.98), weight_decay=1e-4, fused=True)
    progress, clock = running.Progress(args.out, "autoencoder"), running.Clock(args.minutes)
    progress.resume(model, average, optimiser)
    total, counted, mark = torch.zeros((), device=device), 0, (progress.samples, time.monotonic())
    stop = progress.samples >= args.until
    while not stop:
        rate = progress.rate(args)
        for group in optimiser.param_groups:
            group["lr"] = rate
        generator = running.generator_of(device, args.seed, progress.step)
        image = batch_of_crops(pictures, weights, args.batch, args.side, generator)
        image = image.contiguous(memory_format=torch.channels_last)
        strength = 0.08 * torch.rand(args.batch, 1, 1, 1, generator=generator, device=device)
        noise = torch.randn(args.batch, 4, args.side // 8, args.side // 8, generator=generator, device=device)
        with running.autocast(device, args.precision):
            loss, squared = loss_of(model, image, strength * noise, args.log_error, args.detail)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 0.5)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        progress.step, progress.samples = progress.step + 1, progress.samples + args.batch
        running.average_into(average, model, args.average, progress.step)
        total, counted = total + squared, counted + 1
        stop = clock.over or progress.samples >= args.until
        if progress.step % args.log_every == 0 or stop:
            before, then = mark
            mark = progress.samples, time.monotonic()
            row = {"seconds": round(progress.seconds + clock.seconds), "rate": rate,
                   "samples_a_second": round((mark[0] - before) / (mark[1] - then), 2),
                   "train_psnr": -10 * math.log10(total.item() / counted)}  # fmt: skip
            total, counted = torch.zeros((), device=device), 0
            if stop or clock.due("validation", args.validate_every):
                values, row["latent_mean"], row["latent_std"] = psnr(average, held_out)
                row["validation_psnr"] = float(values.mean())
                mark = progress.samples, time.monotonic()
            progress.write(**row)
        if stop or clock.due("checkpoint", args.save_every):
            progress.save(model, average, optimiser, clock.seconds)


if __name__ == "__main__":
    main()
