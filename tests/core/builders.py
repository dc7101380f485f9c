"""Inversions, movements and scores made up for tests."""

from __future__ import annotations

import torch

from core.attention.plan import CapturePlan, Footprint
from core.diffusion.inversion import Inversion
from core.motion.movement import Movement
from core.space.grid import Grid
from core.space.points import DragPair, DragPoints


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    """Gaussian values."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def uniform(*shape: int, seed: int = 0) -> torch.Tensor:
    """Values in 0..1."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def cell_point(grid: Grid, x: float, y: float) -> tuple[float, float]:
    """The normalised point at (x, y) in cells."""
    return (
        (x * grid.cell + grid.offset_x) / grid.image_width,
        (y * grid.cell + grid.offset_y) / grid.image_height,
    )


def drags(grid: Grid, *pairs, radius: float | None = None) -> DragPoints:
    """Drags from ((handle x, y), (target x, y)) in cells."""
    return DragPoints(
        tuple(DragPair(cell_point(grid, *handle), cell_point(grid, *target), radius) for handle, target in pairs)
    )


def box(grid: Grid, top: int, left: int, bottom: int, right: int) -> torch.Tensor:
    """A mask (1, H, W) at image size over whole cells, ends excluded."""
    mask = torch.zeros(1, *grid.image_size)
    cell = grid.cell
    mask[:, top * cell : bottom * cell, left * cell : right * cell] = 1
    return mask


def inversion(sigmas, clean: torch.Tensor, noise: torch.Tensor | None = None) -> Inversion:
    """An inversion whose latents are ``clean + sigma * noise`` with a noise of each level's own.

    Args:
        sigmas: descending, closing with 0.
        clean: (B, C, h, w).
        noise: (n + 1, B, C, h, w), or None for random ones.
    """
    levels = torch.as_tensor(sigmas, dtype=torch.float32)
    if noise is None:
        noise = normal(len(levels), *clean.shape, seed=5)
    return Inversion(
        sigmas=levels,
        trajectory=clean + levels[:, None, None, None, None] * noise,
        maps={},
        tokens=None,
        plan=CapturePlan(storage="off"),
        footprint=Footprint(0, 0, "off"),
        layers=(),
        source_layers=(),
    )


def still(grid: Grid, batch: int = 1) -> Movement:
    """A movement of nothing."""
    zeros = torch.zeros(batch, *grid.latent_size)
    nothing = torch.zeros(batch, *grid.image_size)
    way = zeros[:, None].repeat(1, 2, 1, 1)
    return Movement(grid, nothing, zeros, zeros, way, way, zeros)
