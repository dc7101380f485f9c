"""Whose is whose: which handle each cell of the element follows, and who wins where two arrive."""

from __future__ import annotations

import math

import torch

from ..space.grid import Grid
from ..space.points import DragPair, DragPoints


def canonical_order(points: DragPoints) -> list[int]:
    """Indices of the pairs in an order that does not depend on the one in which the user drew them."""
    return sorted(range(len(points)), key=lambda index: _rank(points.pairs[index]))


def owners(correlation: torch.Tensor, cells: torch.Tensor, grid: Grid, points: DragPoints) -> torch.Tensor:
    """Which handle each cell of the element follows: the one it correlates with most.

    Winner takes all (LazyDrag, arXiv 2509.12203): averaging would let opposing drags cancel.

    Args:
        correlation: (B, P, h, w).
        cells: (B, h, w) share of each cell that belongs to the element.

    Returns:
        (B, P, h, w): ``cells`` in the plane of the winner, 0 elsewhere and beyond a winner's radius.
    """
    within = torch.stack([grid.reach(pair) for pair in points.pairs]).to(correlation)
    winner = (correlation + 2 * within).argmax(1, keepdim=True)
    one_hot = torch.zeros_like(correlation).scatter_(1, winner, 1.0)
    return one_hot * within * cells[:, None].to(correlation)


def winners(coverage: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Which handle's content comes to rest on each cell, (B, 1, h, w) long: the strongest correlation.

    Args:
        coverage: (B, P, h, w) share of each cell that each handle's content covers.
        strength: (B, P, h, w) its correlation.
    """
    # A sliver of a strong handle must not outbid another's full cell.
    bid = torch.where(coverage > 0, (strength + 1e-6) * (coverage >= 0.5).float() + 1e-3 * coverage, coverage)
    return bid.argmax(1, keepdim=True)


def _rank(pair: DragPair) -> tuple:
    radius = math.inf if pair.radius is None else pair.radius
    return pair.target, pair.handle, radius, pair.group or 0, pair.motion or "", pair.size
