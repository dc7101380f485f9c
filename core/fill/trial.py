"""Which continuation suits a picture: tried on known parts of it.

Copies of the hole, shifted to where the picture is known, are cut out as well and filled by each method at a small
size. What was there is known, so the errors can be compared. The method with the least fills the hole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch

from ..planes.morphology import dilate
from .biharmonic import biharmonic
from .harmonic import harmonic
from .patches import patches
from .pyramid import halved

Method = Literal["smooth", "curved", "patches"]
Filling = Literal["auto", "smooth", "curved", "patches"]

METHODS: dict[Method, Callable[..., torch.Tensor]] = {
    "smooth": harmonic,
    "curved": biharmonic,
    "patches": patches,
}

TRIAL_SIDE = 128
"""Largest shorter side of the picture at which methods are tried."""

TRIAL_SEARCHED = 64 * 64
"""As ``patches.SEARCHED``, in trials: a quarter of the time, and the choice is hardly another."""

COPIES = 2
"""Cut-out copies of the hole, at most."""

LEAST_COPY = 0.25
"""Share of the hole's size that a copy must have of known pixels to tell anything."""

CLEARLY = 0.9
"""Share of the smooth continuation's error that another's must stay below: smooth is never badly wrong."""

_REACH = (-1.3, -0.87, -0.43, 0.0, 0.43, 0.87, 1.3)
_GAP = 4


def continued(planes: torch.Tensor, hole: torch.Tensor, method: Filling = "auto") -> torch.Tensor:
    """Fills holes from their surroundings.

    Args:
        planes: (B, C, h, w) float32 in 0..1.
        hole: (B, h, w) bool, cells to fill; nothing is read from them.
        method: "smooth" (``harmonic``), "curved" (``biharmonic``), "patches", or "auto": what does best on copies of
            the hole elsewhere in the same picture, image by image.

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
        filled.append(METHODS[chosen](known, gap))
    return torch.where(hole[:, None], torch.cat(filled), planes)


def best_method(planes: torch.Tensor, hole: torch.Tensor) -> Method:
    """The method that fills copies of the hole with the least squared error; "smooth" where none can be made.

    Args:
        planes: (1, C, h, w) float32 in 0..1.
        hole: (1, h, w) bool.
    """
    if not bool(hole.any()):
        return "smooth"
    while min(planes.shape[-2:]) > TRIAL_SIDE:
        planes, hole = halved(planes, hole)
    copies = _copies(hole[0])
    if copies is None:
        return "smooth"
    unknown = hole | copies
    errors: dict[Method, float] = {}
    for name, fill in METHODS.items():
        options = {"searched": TRIAL_SEARCHED} if name == "patches" else {}
        difference = (fill(planes, unknown, **options) - planes)[0][:, copies[0]]
        errors[name] = float(difference.square().mean())
    best = min(errors, key=errors.__getitem__)
    return best if errors[best] < CLEARLY * errors["smooth"] else "smooth"


def _copies(hole: torch.Tensor) -> torch.Tensor | None:
    """(1, h, w) bool: shifted copies of a hole (h, w), clear of it and of each other; None where there is no room."""
    height, width = hole.shape
    where = hole.nonzero()
    if not len(where):
        return None
    extent = (where.amax(0) - where.amin(0) + 1).tolist()
    taken = _near(hole)
    candidates = []
    for share_y in _REACH:
        for share_x in _REACH:
            dy, dx = round(share_y * extent[0]), round(share_x * extent[1])
            shifted = _shifted(hole, dy, dx)
            size = float((shifted & ~taken).sum()) / len(where)
            # Near copies see what the hole sees.
            candidates.append((size - 0.1 * (share_y**2 + share_x**2) ** 0.5, dy, dx, shifted))
    candidates.sort(key=lambda one: (-one[0], one[1], one[2]))
    chosen = torch.zeros_like(hole)
    count = 0
    for worth, _, _, shifted in candidates:
        if worth < LEAST_COPY or count == COPIES:
            break
        copy = shifted & ~_near(hole)
        if bool((copy & _near(chosen)).any()):
            continue
        chosen |= copy
        count += 1
    return chosen[None] if count else None


def _near(mask: torch.Tensor) -> torch.Tensor:
    return dilate(mask[None].float(), _GAP)[0] > 0


def _shifted(mask: torch.Tensor, dy: int, dx: int) -> torch.Tensor:
    """The mask moved by whole pixels; what leaves the picture is lost."""
    height, width = mask.shape
    moved = torch.zeros_like(mask)
    if abs(dy) >= height or abs(dx) >= width:
        return moved
    moved[max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)] = mask[
        max(-dy, 0) : height + min(-dy, 0), max(-dx, 0) : width + min(-dx, 0)
    ]
    return moved
