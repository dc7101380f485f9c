"""The continuation that bends least: it carries on slopes, not only values, over the hole."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage

from ..planes.morphology import dilate
from .harmonic import harmonic
from .pyramid import halved

MOST_UNKNOWNS = 1200
"""The equation is solved densely at the finest halving of the picture that leaves no more unknowns than these."""

SURROUNDINGS, NEAREST = 0.25, 4
"""What surrounds a hole: so much of its size (the root of its cells) round it, and no fewer cells than that."""


def biharmonic(planes: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
    """Fills holes with what has the least squared Laplacian over the hole and its rim.

    Args:
        planes: (B, C, h, w) float32, finite outside the hole.
        hole: (B, h, w) bool, cells to fill; nothing is read from them.

    Returns:
        (B, C, h, w); cells outside the hole unchanged. Filled values stay within the range of what surrounds each
        connected hole, channel by channel: a slope carried on over a large hole would end in white or black. An image
        that is all hole is filled as ``harmonic`` does.

    A large hole is solved at a smaller size; the difference that this leaves to the picture is continued harmonically,
    so that there is no step at the rim.
    """
    return torch.cat([_one(planes[i : i + 1], hole[i : i + 1]) for i in range(len(planes))])


def _one(planes: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
    if not bool(hole.any()) or bool(hole.all()):
        return harmonic(planes, hole)
    small, small_hole = planes.masked_fill(hole[:, None], 0), hole
    while int(small_hole.sum()) > MOST_UNKNOWNS:
        small, small_hole = halved(small, small_hole)
    solved = _solve(small[0], small_hole[0])[None]
    if small_hole is not hole:
        solved = F.interpolate(solved, size=planes.shape[-2:], mode="bicubic", align_corners=False)
    known = planes.masked_fill(hole[:, None], 0)
    filled = solved + harmonic((known - solved).masked_fill(hole[:, None], 0), hole)
    low, high = _surrounding_range(planes[0], hole[0])
    return torch.where(hole[:, None], filled[0].clamp(low, high), planes)


def _surrounding_range(planes: torch.Tensor, hole: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Least and largest known value (C, h, w) round the connected hole that each cell belongs to; 0 elsewhere."""
    labels, _ = ndimage.label(hole.cpu().numpy(), structure=np.ones((3, 3)))
    low, high = torch.zeros_like(planes), torch.zeros_like(planes)
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels), 1):
        own = labels[rows, columns] == number
        reach = max(NEAREST, round(SURROUNDINGS * math.sqrt(own.sum())))
        rows, columns = (slice(max(side.start - reach, 0), side.stop + reach) for side in (rows, columns))
        own = torch.from_numpy(labels[rows, columns] == number).to(hole.device)
        round_it = (dilate(own[None].float(), reach)[0] > 0) & ~hole[rows, columns]
        if not bool(round_it.any()):
            # Nothing but other holes beside it.
            round_it = ~hole[rows, columns]
        known = planes[:, rows, columns][:, round_it]
        for bound, side in ((known.amin(1), low), (known.amax(1), high)):
            side[:, rows, columns] = torch.where(own, bound[:, None, None], side[:, rows, columns])
    return low, high


def _solve(planes: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
    """Least squares of the Laplacian's values at the hole and the cells next to it, (C, h, w).

    On the CPU in float64, where the system's condition (the fourth power of the hole's width) leaves digits.
    """
    if not bool(hole.any()):
        return planes
    device = planes.device
    values, unknown = planes.detach().cpu().double(), hole.cpu()
    height, width = unknown.shape
    rows = (dilate(unknown[None].float(), 1)[0] > 0).nonzero()
    column = torch.full((height, width), -1, dtype=torch.long)
    column[unknown] = torch.arange(int(unknown.sum()))
    matrix = torch.zeros(len(rows), int(unknown.sum()), dtype=torch.float64)
    right = torch.zeros(len(rows), len(values), dtype=torch.float64)
    number = torch.arange(len(rows))
    degree = torch.zeros(len(rows), dtype=torch.float64)

    def add(y: torch.Tensor, x: torch.Tensor, which: torch.Tensor, weight: torch.Tensor) -> None:
        inside = unknown[y, x]
        matrix.index_put_((which[inside], column[y, x][inside]), weight[inside], accumulate=True)
        right.index_add_(0, which[~inside], -weight[~inside, None] * values[:, y, x].T[~inside])

    for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        y, x = rows[:, 0] + dy, rows[:, 1] + dx
        there = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        degree += there
        add(y[there], x[there], number[there], -torch.ones(int(there.sum()), dtype=torch.float64))
    add(rows[:, 0], rows[:, 1], number, degree)
    normal = matrix.T @ matrix
    # Far less than the smallest eigenvalue of a hole that has known cells beside it.
    normal.diagonal().add_(1e-9)
    solution = torch.linalg.solve(normal, matrix.T @ right)
    filled = values.clone()
    filled[:, unknown] = solution.T
    return filled.to(device, planes.dtype)
