"""From drags and an element to a movement (step 4): v[p] = V, or v[p] = A[h, p] / A[h, h] V as published.

Each cell of the element follows one handle. Displacements are splatted forward to find what each cell receives, then
contents are looked up backward at that sub-cell position.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from ..options import check_choice, check_not_negative
from ..planes.morphology import dilate
from ..space.grid import Grid
from ..space.points import DragPair, DragPoints
from .movement import TOUCHED, Movement
from .ownership import canonical_order, owners, winners
from .splat import splat

Falloff = Literal["rigid", "correlation"]


@dataclass(frozen=True, kw_only=True)
class MoveSettings:
    """How the element moves.

    Attributes:
        falloff: "rigid" moves all of its cells by the whole drag; "correlation" scales each cell's way by its
            correlation with the handle (AttentionDrag's v = A[h, p] / A[h, h] * V), which stretches.
        transition: cells round where it leaves and arrives that sampling may change, too.
    """

    falloff: Falloff = "rigid"
    transition: int = 1

    def __post_init__(self):
        check_choice("falloff", self.falloff, Falloff)
        check_not_negative("transition", self.transition, "cells")


def plan_movement(
    correlation: torch.Tensor,
    element: torch.Tensor,
    grid: Grid,
    points: DragPoints,
    settings: MoveSettings | None = None,
) -> Movement:
    """Turns drags and an element into a movement.

    Args:
        correlation: (B, P, h, w) in 0..1 (``attention.correlation``).
        element: (B, H, W) at image size in 0..1, what is to move.
        grid, points: as for the correlation.
        settings: falloff and transition.
    """
    settings = settings or MoveSettings()
    order = canonical_order(points)
    pairs = [points.pairs[index] for index in order]
    correlation = correlation[:, order].float()
    cells = grid.image_mask_to_cells(element).to(correlation)
    owned = owners(correlation, cells, grid, DragPoints(tuple(pairs), points.image_size))
    moving = torch.tensor([not pair.is_anchor for pair in pairs], device=correlation.device)

    fields = _fields(correlation, grid, pairs, settings.falloff)
    way = torch.zeros_like(fields[0])
    for index, field in enumerate(fields):
        way = torch.where(owned[:, index, None] > 0, field, way)
    arriving, way_in = _arrivals(owned, fields, correlation, moving)

    leaving = _share_of(owned, moving)
    free = _free(leaving, arriving, _share_of(owned, ~moving), settings.transition)
    seen_leaving = grid.spread_cells(leaving / cells.clamp_min(1e-6)) > 0.5
    return Movement(grid, element.to(correlation) * seen_leaving, leaving, arriving, way, way_in, free)


def _fields(correlation: torch.Tensor, grid: Grid, pairs: list[DragPair], falloff: Falloff) -> list[torch.Tensor]:
    """Each handle's displacement field (B, 2, h, w) in cells: v[p] of the method, for all p."""
    batch = correlation.shape[0]
    fields = []
    for index, pair in enumerate(pairs):
        drag = torch.tensor(grid.displacement(pair), device=correlation.device, dtype=correlation.dtype)
        field = drag[None, :, None, None].expand(batch, 2, *grid.latent_size)
        fields.append(field * correlation[:, index, None] if falloff == "correlation" else field)
    return fields


def _arrivals(
    owned: torch.Tensor, fields: list[torch.Tensor], correlation: torch.Tensor, moving: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """(B, h, w) share of each cell that is covered by what arrived, and (B, 2, h, w) the way that brought it."""
    parts = [splat(owned[:, index], field, correlation[:, index]) for index, field in enumerate(fields)]
    coverage, ways, strength = (torch.stack(part, 1) for part in zip(*parts, strict=True))
    winner = winners(coverage, strength)
    # Other handles' shares count as well: where two drag one element alike, no seam of background opens between.
    arriving = _share_of(coverage, moving).clamp(max=1)
    way_in = ways.gather(1, winner[:, :, None].expand(-1, 1, 2, -1, -1))[:, 0]
    arrives = moving[winner[:, 0]]
    return arriving * arrives, way_in * arrives[:, None]


def _free(leaving: torch.Tensor, arriving: torch.Tensor, anchored: torch.Tensor, transition: int) -> torch.Tensor:
    """(B, h, w) share that sampling may change; what an anchor holds stays unless something leaves or arrives."""
    changed = torch.maximum(leaving, arriving)
    free = dilate((changed > TOUCHED).float(), transition)
    return torch.where((anchored > 0.5) & (changed == 0), torch.zeros_like(free), free)


def _share_of(planes: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
    """Sum (B, h, w) over the handles (P,) bool of planes (B, P, h, w)."""
    return (planes * which.float()[None, :, None, None]).sum(1)
