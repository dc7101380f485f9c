"""Where an object may end: nested cuts through the picture's pieces, each in one part with its points.

Cuts are what belongs to the clicks at some odds (``belonging``), and the first so many pieces of the picture in the
order of belief or of one of the walks (as for the figure-ground
proposals of Carreira & Sminchisescu 2010, and the sweep cuts of Andersen, Chung & Lang 2006). Before it is cut, an
order is flooded from the points: a piece counts no more than the weakest on the best way to it, so that whatever is
cut hangs together.
"""

from __future__ import annotations

import math

import torch

from .superpixels import Superpixels

CUTS = 24
"""Tried in each order, of sizes in a geometric series."""
LARGEST = 0.6
"""Share of the pieces that the largest cut takes."""
SMALLEST = 3.0
"""Pieces that the smallest one takes."""

LEVELS = (-3.0, -2.0, -1.2, -0.6, 0.0, 0.6, 1.2, 2.0, 3.0)
"""Logarithms of odds at which what belongs is cut."""

ROUNDS = 64
"""Pieces that a part is followed along, at most: twice the side of the lattice that pieces start from."""


def tried(orders: torch.Tensor, allowed: torch.Tensor, needed: torch.Tensor, pieces: Superpixels) -> torch.Tensor:
    """The cuts (C, N) of 0 and 1 in all orders: of what is allowed, what is needed and hangs together with it.

    Args:
        orders: (K, N) in each of which the pieces of the object come first.
        allowed: (N,) of 0 and 1, pieces that may belong to it.
        needed: (N,) of 0 and 1, those that must.
        pieces: of the picture.
    """
    allowed = torch.maximum(allowed * (pieces.area > 0), needed)
    levels = flooded(torch.where(allowed > 0, orders, -torch.inf), needed, pieces)
    largest = max(LARGEST * orders.shape[-1], 1.0)
    sizes = [max(1, math.floor(largest * (SMALLEST / largest) ** (index / (CUTS - 1)))) for index in range(CUTS)]
    ends = levels.sort(-1, descending=True).values[:, [size - 1 for size in sizes]]
    inside = (levels[:, None] >= ends[..., None]) & (allowed > 0)
    return torch.maximum(inside.float().flatten(0, 1), needed)


def candidates(
    odds: torch.Tensor, orders: torch.Tensor, allowed: torch.Tensor, needed: torch.Tensor, pieces: Superpixels
) -> torch.Tensor:
    """The cuts (C, N) that what belongs to the clicks is chosen from: at some odds, and those ``tried``.

    Args:
        odds: (N,) logarithm of those that each piece belongs.
        orders, allowed, needed, pieces: as for ``tried``.
    """
    levels = flooded(torch.where(torch.maximum(allowed, needed) > 0, odds, -torch.inf)[None], needed, pieces)
    # As with the others, the rest of the picture must be something.
    last = levels.sort(-1, descending=True).values[:, int(LARGEST * levels.shape[-1])]
    own = ((levels > odds.new_tensor(LEVELS)[:, None]) & (levels > last)).float()
    return torch.cat([torch.maximum(own, needed), tried(orders, allowed, needed, pieces)])


def flooded(orders: torch.Tensor, seeds: torch.Tensor, pieces: Superpixels) -> torch.Tensor:
    """(K, N): the level of each of the orders (K, N) down to which a piece hangs together with ``seeds`` (N,)."""
    near = pieces.neighbours
    levels = torch.where(seeds > 0, torch.inf, -torch.inf).expand_as(orders)
    for _ in range(ROUNDS):
        before, levels = levels, torch.maximum(levels, torch.minimum(orders, levels[:, near].amax(-1)))
        # Elsewhere to look would be to wait.
        if levels.device.type == "cpu" and torch.equal(before, levels):
            break
    return levels


def connected(inside: torch.Tensor, seeds: torch.Tensor, pieces: Superpixels) -> torch.Tensor:
    """What of the pieces inside (..., N) hangs together with ``seeds`` (N,), each of 0 and 1."""
    levels = flooded(inside.view(-1, inside.shape[-1]), seeds, pieces)
    return ((levels > 0).float() * inside).view(inside.shape)
