"""Freeze the encoder at unit variance (``--freeze``) and encode rendered scenes into latents for the U-Net."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .autoencoder import Autoencoder
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True, help="autoencoder.pt, or a folder of shipped weights")
    parser.add_argument("--scenes", type=Path, required=True, help=".npy of scenes")
    parser.add_argument("--freeze", type=Path, help="write the normalised weights here, encode nothing")
    parser.add_argument("--out", type=Path, help=".npy of float16 latents to write")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=None)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    scenes = np.load(args.scenes, mmap_mode="r")
    model = load(args.checkpoint)
    if args.freeze is not None:
        normalise(model, scenes[:384])
        torch.save({"ema": model.state_dict()}, args.freeze)
        return
    last = None if args.count is None else args.first + args.count
    np.save(args.out, encode(model, scenes[args.first : last]).half().numpy())


if __name__ == "__main__":
    with torch.inference_mode(False), torch.no_grad():
        main()
