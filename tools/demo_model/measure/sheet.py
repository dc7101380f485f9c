"""Pictures of a model to look at: some out of noise alone, and holes painted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ..layout import NATIVE_SIZE
from ..load import NarrowModel
from . import painting

SIDE, COLUMNS, GAP = 128, 8, 2
HOLES = 32


def row(pictures: Sequence[np.ndarray], side: int = SIDE) -> Image.Image:
    """(H, W, 3) in 0..1 each, side by side."""
    line = Image.new("RGB", (len(pictures) * (side + GAP) - GAP, side), "white")
    for number, picture in enumerate(pictures):
        tile = Image.fromarray(np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8))
        line.paste(tile.resize((side, side), Image.Resampling.LANCZOS), (number * (side + GAP), 0))
    return line


def stacked(lines: Sequence[Image.Image]) -> Image.Image:
    """Rows one below the other."""
    sheet = Image.new(
        "RGB", (max(line.width for line in lines), sum(line.height + GAP for line in lines) - GAP), "white"
    )
    top = 0
    for line in lines:
        sheet.paste(line, (0, top))
        top += line.height + GAP
    return sheet


def samples(model: NarrowModel, count: int, steps: int) -> Image.Image:
    """Pictures out of noise alone, at the model's native size."""
    side = NATIVE_SIZE // painting.CELL
    noise = painting.noises(count, torch.Size((1, 4, side, side)), seed=100)
    shown = model.vae.decode(painting.sampled(model, torch.zeros_like(noise), noise, steps))
    pictures = list(shown.permute(0, 2, 3, 1).numpy())
    return stacked([row(pictures[start : start + COLUMNS]) for start in range(0, count, COLUMNS)])


def write(model: NarrowModel, out: Path, count: int, steps: int) -> None:
    """``samples.png``, and ``holes.png`` of what the holes' part left: source, truth, and each hole by fill and model.

    A broken-off call finds what it made before.
    """
    if count and not (out / "samples.png").exists():
        samples(model, count, steps).save(out / "samples.png")
    # Two holes a row: the object alone, and with its shadow.
    rows = sorted((out / "holes").glob("*.png"))[: HOLES // 2]
    if rows:
        stacked([Image.open(path).convert("RGB") for path in rows]).save(out / "holes.png")
