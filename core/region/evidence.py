"""What tells the pieces of a picture that belong to a point from those that don't.

Each clue is put on a scale of its own picture: 0 at the point, 1 in the middle of what lies along the picture's
border, so that no threshold depends on the model's or the picture's own range.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from ..space.grid import Grid
from . import fitted
from .superpixels import Superpixels
from .threshold import automatic_tau
from .walk import Relations, reached

LOCALS = (4.0, 16.0, 64.0)
"""What likeness of colour counts for against attention in the three walks."""

NEAR_TO = 0.02
"""Square of a difference in colour, in units of ``superpixels``, up to which two pieces are alike."""

FAR = 6.0
"""Largest value of a clue: what is farther off tells no more."""


def belief(clue: torch.Tensor) -> torch.Tensor:
    """Logarithm (K, N) of the odds that a piece belongs to a point, by its clues (K, N, F)."""
    return clue @ clue.new_tensor(fitted.BELIEF) + fitted.OFFSET


def clues(
    related: Relations, pieces: Superpixels, seeds: torch.Tensor, correlation: torch.Tensor, grid: Grid
) -> torch.Tensor:
    """(K, N, F) clues of every piece for each of K points; see the body for their order.

    Args:
        related: of the pieces.
        pieces: of the picture.
        seeds: (K,) long, the piece that each point lies in.
        correlation: (K, h, w) of every cell with each point.
        grid: of the picture.
    """
    outer = (pieces.border > 0).float()
    lattice = (pieces.shared > 0).float() + torch.eye(pieces.count, device=outer.device)
    lattice = lattice / lattice.sum(-1, keepdim=True)
    around = lattice[seeds]
    known = (around @ related.related).clamp_min(1e-4)
    own = known.gather(1, seeds[:, None])
    logarithm = known.log()
    found = [_scaled(reached(related, pieces, seeds, local).log(), pieces, seeds) for local in LOCALS]
    scaled = _scaled(logarithm, pieces, seeds)
    above = torch.stack([_above_threshold(one, grid, pieces) for one in correlation])
    # What lies along the border and is foreign to the point is the ground, or other things.
    foreign = outer * (-3 * known / own).exp()
    foreign = foreign / foreign.sum(-1, keepdim=True).clamp_min(1e-6)
    against = logarithm - (foreign @ related.related).clamp_min(1e-4).log()
    colour = around @ pieces.mean
    apart = (pieces.mean[None] - colour[:, None]).square().sum(-1).sqrt()
    alike = (-pieces.apart / NEAR_TO).exp()
    ground = (foreign @ alike + 1e-3).log()
    away = (pieces.places - pieces.places[seeds][:, None]).norm(dim=-1)
    every = [
        *found,
        scaled,
        scaled @ lattice.T @ lattice.T,
        above,
        against,
        _scaled(against, pieces, seeds),
        apart,
        apart / _border_mean(apart, pieces)[:, None].clamp_min(1e-3),
        ground,
        4 * away,
        outer.expand_as(away),
    ]
    return torch.stack(every, -1).clamp(-FAR, FAR)


def _above_threshold(correlation: torch.Tensor, grid: Grid, pieces: Superpixels) -> torch.Tensor:
    """(N,) logarithm of each piece's correlation over the automatic threshold of it."""
    logarithm = grid.cells_to_image_mask(correlation[None]).clamp_min(1e-4).log()[None]
    logarithm = F.interpolate(logarithm, size=pieces.labels.shape, mode="bilinear", align_corners=False)[0, 0]
    return pieces.average(logarithm) - automatic_tau(correlation).log()


def _scaled(values: torch.Tensor, pieces: Superpixels, seeds: torch.Tensor) -> torch.Tensor:
    """Values (K, N) as 0 at the seed and 1 at the border's median."""
    outer = torch.where(pieces.border > 0, values, torch.nan)
    far = outer.nanmedian(-1, keepdim=True).values
    top = values.gather(1, seeds[:, None])
    return (top - values) / (top - far).clamp_min(1e-3)


def _border_mean(values: torch.Tensor, pieces: Superpixels) -> torch.Tensor:
    return (values * pieces.border).sum(-1) / pieces.border.sum()
