"""Freeze the encoder at unit variance, before a U-Net is trained on its latents."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .autoencoder import Autoencoder
from .packs import read_packs
from .weights import autoencoder_state


def load(checkpoint: Path) -> Autoencoder:
    """The averaged weights of a training checkpoint, or the shipped ones of a folder, ready to run."""
    model = Autoencoder()
    model.load_state_dict(autoencoder_state(checkpoint))
    return model.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def encode(model: Autoencoder, scenes: np.ndarray, batch: int = 16) -> Tensor:
    """Latents (N, 4, H/8, W/8) float32 of scenes (N, H, W, 3) uint8."""
    parts = []
    for start in range(0, len(scenes), batch):
        image = torch.from_numpy(np.array(scenes[start : start + batch])).permute(0, 3, 1, 2).float() / 255.0
        parts.append(model.encode(image.contiguous(memory_format=torch.channels_last)).contiguous())
    return torch.cat(parts)


def normalise(model: Autoencoder, scenes: np.ndarray) -> None:
    """Fold each latent channel's mean and standard deviation over ``scenes`` into the weights, in place.

    The encoder is exact. The decoder's clamp now acts on the new scale, so its first layer only nearly undoes the
    change: train the decoder a little afterwards.
    """
    latent = encode(model, scenes)
    mean, std = latent.mean((0, 2, 3)), latent.std((0, 2, 3))
    last, first = model.encoder[-1], model.decoder[1]
    last.weight.data /= std[:, None, None, None]
    last.bias.data = (last.bias.data - mean) / std
    first.bias.data += (first.weight.data * mean[None, :, None, None]).sum((1, 2, 3))
    first.weight.data *= std[None, :, None, None]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.demo_model.freeze", description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True, help="autoencoder.pt, or a folder of shipped weights")
    parser.add_argument("--packs", type=Path, required=True, help="packs of pictures (tools.demo_model.pack)")
    parser.add_argument("--count", type=int, default=384, help="pictures to measure the latents on")
    parser.add_argument("--out", type=Path, required=True, help="the normalised weights")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args(arguments)
    torch.set_num_threads(args.threads)
    pictures = read_packs(args.packs, "pictures").data
    model = load(args.checkpoint)
    normalise(model, pictures[:: max(1, len(pictures) // args.count)][: args.count].numpy())
    torch.save({"ema": model.state_dict()}, args.out)


if __name__ == "__main__":
    with torch.no_grad():
        main()
