"""(a) Holes: what lies behind a thing, and how the ground looks without its shadow; against a classical fill.

(b) Shadows: the new shadow cut out of the true picture, and painted.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from torch import Tensor

from benchmarks.pasting import hole_of, inpainted
from benchmarks.scene import Scene
from tools.worlds.truth import light_masks

from ..load import NarrowModel
from .figures import psnr, textured
from .painting import painted

STRENGTHS = (0.4, 0.6)
"""Of a start from the classical fill; the better one in the mean over the scenes is told."""
SEEDS = 4
LEAST = 64
"""Pixels that a place must have to be measured."""
GROW = 2


def tensor(picture: np.ndarray) -> Tensor:
    """(H, W, 3) in 0..1 as (1, 3, H, W) float32."""
    return torch.from_numpy(np.ascontiguousarray(picture, np.float32)).permute(2, 0, 1)[None]


def array(pictures: Tensor) -> list[np.ndarray]:
    """(B, 3, H, W) as B times (H, W, 3)."""
    return list(pictures.permute(0, 2, 3, 1).numpy())


def grown(mask: np.ndarray) -> np.ndarray:
    """A bool mask widened by the pixels that are left round an object."""
    return ndimage.binary_dilation(mask, iterations=GROW)


def paintings(
    model: NarrowModel, picture: np.ndarray, hole: np.ndarray, steps: int, seeds: int
) -> dict[str, list[np.ndarray]]:
    """The hole of a picture (H, W, 3) filled in every way: "fill" (one), "noise" and "fill at S" (one a seed)."""
    fill = inpainted(picture, hole)
    given, where = tensor(fill), torch.from_numpy(hole)
    found = {"fill": [fill], "noise": array(painted(model, given, where, steps, 1.0, seeds))}
    for strength in STRENGTHS:
        found[f"fill at {strength}"] = array(painted(model, given, where, steps, strength, seeds))
    return found


def hole_figures(
    model: NarrowModel, scene: Scene, folder: Path, steps: int, seeds: int = SEEDS
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """(figures, pictures for the sheet) of one rendered pair; needs ``without.png`` and ``whole.png``.

    Figures are "PLACE, HOLE, WAY": PSNR (dB, mean over seeds) in the "object"'s or the "shadow"'s place, with the
    "alone" or the "both" hole painted. The places don't overlap: the shadow's is farther than a rim from the object.
    """
    truth = np.asarray(Image.open(folder / "without.png").convert("RGB"), np.float32) / 255
    whole = np.asarray(Image.open(folder / "whole.png").convert("L"))
    source = np.rint(scene.source * 255).astype(np.uint8)
    known = light_masks(source, np.rint(truth * 255).astype(np.uint8), whole, np.zeros_like(whole))
    places = {"object": whole > 127, "shadow": known["old_shadow"]}
    alone = hole_of(whole / 255)
    holes = {"alone": alone, "both": alone | grown(known["light"])}
    figures: dict[str, float] = {}
    shown = {"source": scene.source, "truth": truth}
    for name, hole in holes.items():
        ways = paintings(model, scene.source, hole, steps, seeds)
        shown[f"{name}: fill"], shown[f"{name}: model"] = ways["fill"][0], ways[f"fill at {STRENGTHS[-1]}"][0]
        for place, where in places.items():
            if where.sum() < LEAST or (place == "shadow" and name == "alone"):
                continue
            for way, pictures in ways.items():
                figures[f"{place}, {name}, {way}"] = float(np.mean([psnr(one, truth, where) for one in pictures]))
    figures["textured"] = float(textured(scene.meta))
    return figures, shown


def shadow_figures(model: NarrowModel, scene: Scene, steps: int, seeds: int = SEEDS) -> dict[str, float]:
    """Squared errors in the new shadow's place, cut out of the true picture and painted; {} where there is none.

    "without": of the same place as it is in the source, where the shadow has not come; "noise" and "start at 0.6": of
    the painted ones, from noise or from that place without a shadow; mean over seeds. "autoencoder": of the true
    picture after the autoencoder, which bounds them.
    """
    place = scene.areas.get("new_shadow")
    if place is None or place.sum() < LEAST:
        return {}
    hole = grown(place)
    bare = np.where(hole[..., None], scene.source, scene.target)
    (coded,) = array(model.vae.decode(model.vae.encode(tensor(scene.target))))
    figures = {
        "without": float(((bare - scene.target)[place] ** 2).mean()),
        "autoencoder": float(((coded - scene.target)[place] ** 2).mean()),
    }
    for name, strength in (("noise", 1.0), ("start at 0.6", 0.6)):
        pictures = array(painted(model, tensor(bare), torch.from_numpy(hole), steps, strength, seeds))
        figures[name] = float(np.mean([((one - scene.target)[place] ** 2).mean() for one in pictures]))
    return figures
