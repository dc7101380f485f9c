"""Where an object ends: many cuts are tried, and the one that is best supported is taken.

Cuts are the first so many pieces of the picture in the order of belief or of one of the walks (as for the figure-ground
proposals of Carreira & Sminchisescu 2010, and the sweep cuts of Andersen, Chung & Lang 2006). What supports a cut is
how few like neighbours it parts, how much denser the attention is within than across it, how well it agrees with
belief, and how belief falls at its border; its size, roundness and share of the picture's border count as well.
"""

from __future__ import annotations

import math

import torch

from .superpixels import Superpixels
from .walk import Relations

CUTS = 24
"""Tried in each order, of sizes in a geometric series."""
LARGEST = 0.6
"""Share of the pieces that the largest cut takes."""
SMALLEST = 3.0
"""Pieces that the smallest one takes."""

SUPPORT = (-1.948, 1.062, 18.804, 3.982, 0.493, -8.301, 2.901, -1.773)
"""What each of the figures of ``support`` counts for; fitted, see ``benchmarks/ABLATION.md``."""

CONNECTED_ROUNDS = 64
"""Pieces that a part is followed along, at most."""


def best_cut(
    orders: torch.Tensor,
    belief: torch.Tensor,
    allowed: torch.Tensor,
    needed: torch.Tensor,
    related: Relations,
    pieces: Superpixels,
) -> torch.Tensor:
    """(N,) of 0 and 1, the pieces inside the best cut; no waiting.

    Args:
        orders: (K, N) in each of which the pieces of the object come first.
        belief: (N,) logarithm of the odds that each belongs to the object.
        allowed: (N,) of 0 and 1, pieces that may belong to it.
        needed: (N,) of 0 and 1, those that must.
    """
    cuts = tried(orders, allowed * (pieces.area > 0), needed)
    figures = support(cuts, belief, related, pieces)
    score = figures @ figures.new_tensor(SUPPORT)
    return cuts.index_select(0, score.argmax(0, keepdim=True))[0]


def tried(orders: torch.Tensor, allowed: torch.Tensor, needed: torch.Tensor) -> torch.Tensor:
    """The cuts (C, N) of 0 and 1 in all orders, of what is allowed and with what is needed."""
    count = orders.shape[-1]
    largest = max(LARGEST * count, 1.0)
    sizes = [max(1, math.floor(largest * (SMALLEST / largest) ** (index / (CUTS - 1)))) for index in range(CUTS)]
    ranks = torch.where(allowed > 0, orders, -torch.inf).argsort(-1, descending=True).argsort(-1)
    inside = (ranks[:, None] < torch.tensor(sizes, device=orders.device)[None, :, None]) & (allowed > 0)
    return torch.maximum(inside.float().flatten(0, 1), needed)


def connected(inside: torch.Tensor, seeds: torch.Tensor, pieces: Superpixels) -> torch.Tensor:
    """What of the pieces inside (N,) hangs together with ``seeds`` (N,), each of 0 and 1."""
    touching = (pieces.shared > 0).float()
    reached = seeds
    for _ in range(CONNECTED_ROUNDS):
        reached = torch.maximum(reached, ((reached @ touching) > 0).float() * inside)
    return reached


def support(cuts: torch.Tensor, belief: torch.Tensor, related: Relations, pieces: Superpixels) -> torch.Tensor:
    """(C, 8) figures of cuts (C, N)."""
    area = pieces.area / pieces.area.mean()
    total, rest = area.sum(), (1 - cuts) * (pieces.area > 0)
    size = (cuts @ area).clamp_min(1e-3)
    inner = cuts @ pieces.shared
    outer = pieces.shared.sum(-1) - inner
    length = (inner * rest).sum(-1).clamp_min(1e-3)
    parted = ((cuts @ related.colour) * rest).sum(-1) / length
    ways = cuts @ related.attention
    within = (ways * cuts).sum(-1) / size**2
    across = (ways * rest).sum(-1) / (size * (total - size).clamp_min(1e-3))
    odds = belief.sigmoid() * area
    agreement = (cuts @ odds) / (size + rest @ odds)
    fall = ((outer * cuts) @ belief - (inner * rest) @ belief) / length
    return torch.stack(
        [
            parted.clamp_min(1e-6).log(),
            (within / across.clamp_min(1e-9)).clamp_min(1e-4).log(),
            agreement,
            agreement.clamp_min(1e-4).log(),
            (size / total).log(),
            (cuts @ pieces.border) / pieces.border.sum(),
            fall,
            (length / size.sqrt()).log(),
        ],
        -1,
    )
