"""(c) Noise error and round trip, (d) the autoencoder and its letters, (e) what attention tells from one click."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from benchmarks import metrics, roundtrip
from benchmarks.model import Model
from benchmarks.scene import Scene
from core.edit import find, invert
from core.settings import EditSettings
from core.space.grid import Grid

from .. import lettering
from ..load import NarrowModel
from ..train_unet import THIRDS, loss_per_image
from .figures import psnr

TIMESTEPS = (83, 167, 250, 416, 500, 583, 749, 833, 916)
"""Three from each third of the schedule."""


@torch.no_grad()
def noise_figures(model: NarrowModel, latent: Tensor) -> dict[str, float]:
    """Mean squared error of the predicted noise of one latent (1, 4, h, w), by thirds of the timesteps."""
    steps = torch.tensor(TIMESTEPS)
    noise = torch.randn(len(steps), *latent.shape[1:], generator=torch.Generator().manual_seed(7))
    losses = loss_per_image(model.unet, latent.expand(len(steps), -1, -1, -1), steps, noise, model.alphas_cumprod)
    parts = {f"below {top}": float(losses[(steps >= top - 333) & (steps < top)].mean()) for top in THIRDS}
    return {"all": float(losses.mean()), **parts}


def picture_figures(model: NarrowModel, image: Tensor) -> dict[str, float]:
    """PSNR (dB) of (1, 3, H, W) after the autoencoder, and mean and deviation of its latent."""
    latent = model.vae.encode(image)
    shown = model.vae.decode(latent)[0].permute(1, 2, 0).numpy()
    return {"psnr": psnr(shown, image[0].permute(1, 2, 0).numpy()), "mean": float(latent.mean()),
            "std": float(latent.std())}  # fmt: skip


def lettering_figures(
    model: NarrowModel, number: int, split: str, capital: float = lettering.HEIGHT
) -> dict[str, float]:
    """Of one picture with capitals of ``capital`` px: PSNR, and the share of letters read right after the autoencoder.

    "before": the share that is read right in the picture itself, which the rule of reading bounds.
    """
    given = lettering.lettered(np.random.default_rng([lettering.SEEDS[split], 9, number]), capital=capital)
    image = torch.from_numpy(given.picture.copy()).permute(2, 0, 1)[None].float() / 255
    shown = model.vae.decode(model.vae.encode(image))[0].permute(1, 2, 0).numpy()
    return {
        "psnr": psnr(shown, given.picture / 255),
        "read": lettering.read_right(given, shown * 255),
        "before": lettering.read_right(given, given.picture),
    }


def roundtrip_figures(loaded: Model, scene: Scene, settings: EditSettings | None = None) -> dict[str, float]:
    """Inverted and sampled back with nothing dragged, at the settings' strength and refinements."""
    settings = settings or EditSettings()
    case = roundtrip.Case(settings.strength, settings.refinements, roundtrip.GUESSES[0])
    measured = roundtrip.measure(roundtrip.Pictures(scene, loaded), loaded, settings, case)
    return {"to autoencoder": measured["to_autoencoder_off"], "latent error": measured["latent_error_off"]}


def attention_figures(loaded: Model, scene: Scene, settings: EditSettings | None = None) -> dict[str, float]:
    """IoU of what the first drag's click finds with the true mask: by the present rule, and without picture edges.

    Scenes in which several things move are left to a click each, that is to the benchmarks: {}.
    """
    if scene.family == "several":
        return {}
    settings = settings or EditSettings()
    grid = Grid.padded(*scene.size)
    # One click: the first drag alone.
    points = replace(scene.points, pairs=scene.points.pairs[:1])
    inversion = invert(loaded.host, loaded.host.encode(grid.pad_image(scene.image)), settings)
    figures = {}
    for name, refined in (("rule", True), ("no edges", False)):
        chosen = replace(settings, element=replace(settings.element, refined=refined))
        element = find(inversion, grid, points, chosen, scene.image).element
        figures[name] = metrics.iou(element[0].numpy(), scene.object_mask)
    return figures
