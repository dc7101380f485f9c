"""Measure the demo model on scene folders: the autoencoder's PSNR and the U-Net's noise-prediction error.

    python -m tools.scenes --split test --count 32 --seed 0 --out SCENES
    python -m tools.demo_model.evaluate --scenes SCENES
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from torch import Tensor

from tools.scenes.files import read_image

from .load import NarrowModel, load_narrow
from .train_unet import loss_per_image
from .weights import FOLDER

TIMESTEPS = (100, 300, 500, 700, 900)


def summary(values: list[float]) -> dict[str, float]:
    """Mean, its 95 % interval (normal approximation) and the number of values."""
    tensor = torch.tensor(values, dtype=torch.float64)
    half = 1.96 * float(tensor.std(correction=1)) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    mean = float(tensor.mean())
    return {"mean": mean, "ci_low": mean - half, "ci_high": mean + half, "n": len(values)}


@torch.no_grad()
def psnr(model: NarrowModel, image: Tensor) -> float:
    """PSNR (dB) of one image (1, 3, H, W) in [0, 1] after encoding and decoding."""
    error = (model.vae.decode(model.vae.encode(image)) - image).square().mean()
    return float(-10 * torch.log10(error))


@torch.no_grad()
def noise_error(model: NarrowModel, latents: Tensor, timestep: int) -> list[float]:
    """Mean squared error of the predicted noise for each latent, noise drawn from a fixed seed."""
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(timestep))
    steps = torch.full((len(latents),), timestep)
    return loss_per_image(model.unet, latents, steps, noise, model.alphas_cumprod).tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=Path, required=True, help="folder of scene folders (source.png, meta.json)")
    parser.add_argument("--weights", type=Path, default=FOLDER)
    args = parser.parse_args()
    model = load_narrow(args.weights)
    folders = sorted(path.parent for path in args.scenes.glob("*/source.png"))
    kinds: dict[str, list[float]] = {"all": []}
    latents = []
    for folder in folders:
        image = read_image(folder / "source.png")
        value = psnr(model, image)
        meta = json.loads((folder / "meta.json").read_text("utf-8"))
        kinds["all"].append(value)
        kinds.setdefault(meta["background_class"], []).append(value)
        latents.append(model.vae.encode(image))
    joined = torch.cat(latents)
    errors = {str(step): noise_error(model, joined, step) for step in TIMESTEPS}
    report = {
        "autoencoder_psnr_db": {kind: summary(values) for kind, values in kinds.items()},
        "latent_mean": joined.mean().item(),
        "latent_std": joined.std().item(),
        "noise_error": {
            "all": sum(sum(values) for values in errors.values()) / (len(errors) * len(joined)),
            **{step: sum(values) / len(values) for step, values in errors.items()},
        },
    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
