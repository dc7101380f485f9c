"""GeoDrag's plane field and partition, from the paper's formulas (Pu et al., ICLR 2026, arXiv 2509.25740).

*Plane-aware field.* In the part of the region that belongs to a handle h with drag d, a position p moves by::

    f(p) = (1 - (P / L)^beta) d      P = |p - h|      L = |q - h|

with q where the ray from h through p leaves the region for the last time, and beta = 1, the authors' published setting.

*Conflict-free partition.* Every position belongs to the nearest handle and follows that one alone.

*Filling.* Positions of the region that were left and not taken again get the weighted mean of their four nearest
occupied neighbours, as FastDrag has it (``benchmarks.fastdrag``), and there alone fresh noise: the share of noise in
the interpolated latent, n = (z - z0) / sigma, becomes sqrt(1 - eta^2) n + eta * fresh with eta = 0.3, the authors'.

What is left out: the depth field that the paper mixes in, which needs a network for depth; and the paper's program
mixes noise in at every step, this at the first. Strength 0.7 of 10 steps, guidance 1; the rest as in FastDrag's
reconstruction. """

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from .fastdrag import Point, fill_null, from_handles, positions_of, relocate

BETA = 1.0
ETA = 0.3
STEPS = 10
STRENGTH = 0.7
RAY_STEP = 0.25
"""Cells between the places where a ray is looked up."""


def field(
    mask: np.ndarray, handles: Sequence[Point], targets: Sequence[Point], beta: float = BETA
) -> tuple[np.ndarray, np.ndarray]:
    """The positions of the region and their displacements.

    Args:
        mask: (h, w) bool.
        handles, targets: (x, y) in cells as indices (the centre of cell 3 is 3.0).
        beta: how fast the field falls off.

    Returns:
        positions (n, 2) int and displacements (n, 2) float64, both (x, y), in reading order.
    """
    positions = positions_of(mask)
    if not len(positions):
        return positions, np.zeros((0, 2))
    starts, ways, difference, distance = from_handles(positions, handles, targets)
    owner = distance.argmin(1)
    rows = np.arange(len(positions))
    distance = distance[rows, owner]
    direction = difference[rows, owner] / np.maximum(distance, 1e-9)[:, None]
    share = np.clip(distance / np.maximum(_to_edge(mask, starts[owner], direction), 1e-9), 0, 1)
    share[distance < 1e-9] = 0
    return positions, (1 - share**beta)[:, None] * ways[owner]


def warp(
    noisy: torch.Tensor, clean: torch.Tensor, sigma: float, mask: np.ndarray, handles: Sequence[Point],
    targets: Sequence[Point], seed: int = 0,
) -> torch.Tensor:
    """The one-step edit of an inverted latent.

    Args:
        noisy: (B, C, h, w) at noise level ``sigma``.
        clean: (B, C, h, w) what it was inverted from.
        mask, handles, targets: as for ``field``.
        seed: of the fresh noise.
    """
    positions, displacements = field(mask, handles, targets)
    moved, null = relocate(noisy, positions, displacements)
    filled = fill_null(moved, null)
    moved_clean, _ = relocate(clean, positions, displacements)
    filled_clean = fill_null(moved_clean, null)
    fresh = torch.randn(noisy.shape, generator=torch.Generator("cpu").manual_seed(seed)).to(noisy)
    noise = (filled - filled_clean) / sigma
    mixed = filled_clean + sigma * ((1 - ETA**2) ** 0.5 * noise + ETA * fresh)
    return torch.where(torch.from_numpy(null).to(noisy.device), mixed, filled)


def _to_edge(mask: np.ndarray, starts: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """(n,) distance along each ray to where it is last inside the region, half a cell beyond that cell's centre."""
    height, width = mask.shape
    lengths = np.arange(0, float(np.hypot(height, width)) + RAY_STEP, RAY_STEP)
    along = starts[:, None] + lengths[None, :, None] * direction[:, None]
    x, y = (np.floor(along[..., axis] + 0.5).astype(int) for axis in (0, 1))
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    inside &= mask[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
    return (inside * lengths[None]).max(1) + RAY_STEP
