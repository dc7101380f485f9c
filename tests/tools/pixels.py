"""What tests of scenes do to pictures and masks, apart from the code under test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter


def load(path: Path) -> np.ndarray:
    """A picture's values as int64."""
    return np.asarray(Image.open(path)).astype(int)


def shifted(mask: np.ndarray, dx: int, dy: int) -> np.ndarray:
    """``mask`` moved right and down; what leaves the image is dropped."""
    out = np.zeros_like(mask)
    ys, xs = np.nonzero(mask)
    keep = (xs + dx >= 0) & (xs + dx < mask.shape[1]) & (ys + dy >= 0) & (ys + dy < mask.shape[0])
    out[ys[keep] + dy, xs[keep] + dx] = True
    return out


def grown(mask: np.ndarray, by: int) -> np.ndarray:
    """A bool mask widened by a square."""
    image = Image.fromarray(mask.astype(np.uint8) * 255)
    return np.asarray(image.filter(ImageFilter.MaxFilter(2 * by + 1))) > 0


def shrunk(mask: np.ndarray, by: int) -> np.ndarray:
    """A bool mask narrowed by a square; the picture's edge counts as inside."""
    return ~grown(~mask, by)
