"""Which continuation suits a picture: tried on what surrounds the hole.

The hole is made wider, and filled by each method at a small size. What was there is known, so they can be compared: by
how far colours are off in the mean of a few pixels. Single pixels of a texture nobody can foretell, and an error that
counts them prefers a blur to any texture.

Texture is not at stake: what fills the hole has that of ``patches``, whichever method gives it its shape (``grain``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F

from ..planes.morphology import dilate
from .biharmonic import biharmonic
from .grain import grained
from .harmonic import harmonic
from .patches import patches, textured
from .pyramid import halved
from .texture import CHANNELS, texture

Method = Literal["smooth", "curved", "patches"]
Filling = Literal["auto", "smooth", "curved", "patches"]

METHODS: dict[Method, Callable[..., torch.Tensor]] = {
    "smooth": harmonic,
    "curved": biharmonic,
    "patches": patches,
}

TRIAL_SIDE = 128
"""Largest shorter side of the picture at which methods are tried."""

RIM = 5
"""Pixels of that size round the hole that are filled as well, to compare."""

GRAIN = 1
"""Colours are compared by their means within so many pixels."""

CLEARLY = 0.5
"""Share of the smooth continuation's error that the curved one's must stay below: smooth is never badly wrong far from
the rim, where nothing can be compared."""

TRUSTED = 1.3
"""So much of the better of the other two's error patches may be off: they alone keep edges."""


def continued(planes: torch.Tensor, hole: torch.Tensor, method: Filling = "auto") -> torch.Tensor:
    """Fills holes from their surroundings.

    Args:
        planes: (B, C, h, w) float32 in 0..1.
        hole: (B, h, w) bool, cells to fill; nothing is read from them.
        method: "smooth" (``harmonic``), "curved" (``biharmonic``), "patches", or "auto": what does best on the
            hole's surroundings, image by image, with the grain of "patches" (``grained``).

    Returns:
        (B, C, h, w); cells outside the hole unchanged. Values that aren't finite are not read.
    """
    unread = hole | ~planes.isfinite().all(1)
    if method == "smooth":
        return harmonic(planes, hole)
    filled = []
    for index in range(len(planes)):
        one, gap = planes[index : index + 1], unread[index : index + 1]
        known = one.masked_fill(gap[:, None], 0)
        chosen = best_method(known, gap) if method == "auto" else method
        own = METHODS[chosen](known, gap)
        if method == "auto" and chosen != "patches":
            own = grained(own, patches(known, gap), gap)
        filled.append(own)
    return torch.where(hole[:, None], torch.cat(filled), planes)


def best_method(planes: torch.Tensor, hole: torch.Tensor) -> Method:
    """The method whose colours are nearest to what surrounds the hole (``errors``); "smooth" where nothing is known.

    Args:
        planes: (1, C, h, w) float32 in 0..1.
        hole: (1, h, w) bool.
    """
    found = errors(planes, hole)
    if not found:
        return "smooth"
    shape: Method = "curved" if found["curved"] < CLEARLY * found["smooth"] else "smooth"
    return "patches" if found["patches"] < TRUSTED * found[shape] else shape


def errors(planes: torch.Tensor, hole: torch.Tensor) -> dict[Method, float]:
    """Mean squared error of each method's colours, but for grain, round the hole; nothing where that isn't known.

    Args:
        planes: (1, C, h, w) float32 in 0..1.
        hole: (1, h, w) bool.
    """
    if not bool(hole.any()):
        return {}
    # The texture is the full picture's, which the small one does not show.
    seen = torch.cat([planes.masked_fill(hole[:, None], 0), texture(planes, hole)], 1)
    while min(seen.shape[-2:]) > TRIAL_SIDE:
        seen, hole = halved(seen, hole)
    unknown = dilate(hole.float(), RIM) > 0
    rim = unknown & ~hole
    if not bool(rim.any()) or bool(unknown.all()):
        return {}
    known = seen.masked_fill(unknown[:, None], 0)
    colours = known[:, :-CHANNELS]
    filled: dict[Method, torch.Tensor] = {
        "smooth": harmonic(colours, unknown),
        "curved": biharmonic(colours, unknown),
        "patches": textured(known, unknown)[:, :-CHANNELS],
    }
    return {name: _error(one - seen[:, :-CHANNELS], rim) for name, one in filled.items()}


def _error(off: torch.Tensor, where: torch.Tensor) -> float:
    """Mean square of a difference (1, C, h, w) over a mask (1, h, w) bool, but for its grain."""
    inside = where[:, None].to(off.dtype)
    summed, share = (F.avg_pool2d(one, 2 * GRAIN + 1, 1, GRAIN) for one in (off * inside, inside))
    return float((summed / share.clamp_min(1e-6))[0][:, where[0]].square().mean())
