"""From drags and an element to a movement (step 4).

Objects are moved or reshaped as one piece (``pieces``). A single handle moves all of its element by its drag V; that,
the published v[p] = A[h, p] / A[h, h] V where the ratio is above tau ("paper"), and handles that each move their own
surroundings ("apart") are one rule here: each cell of the element follows one handle, ways are splatted forward to
find what each cell receives, and contents are looked up backward at that sub-cell position.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch

from ..options import check_choice, check_not_negative
from ..planes.morphology import dilate
from ..space.grid import Grid
from ..space.points import DragPair, DragPoints, PairMotion
from .movement import TOUCHED, Movement
from .objects import renumbered
from .outline import Outline
from .ownership import canonical_order, owners, winners
from .pieces import plan_pieces
from .splat import splat

Falloff = Literal["rigid", "correlation"]
Motion = Literal["auto", "move", "reshape", "push", "paper", "apart"]
Start = Literal["latents", "pixels", "inverted"]


@dataclass(frozen=True, kw_only=True)
class MoveSettings:
    """How the element moves.

    Attributes:
        motion: "move" moves each object as one piece: a handle moves it, several turn, scale and bend it, anchors hold
            it; "reshape" lets its far rim stay and stretches what lies between; "push" moves it, and what lies round it
            gives way; "auto" moves things and pushes parts
            of things (``telling``), but for drags that say otherwise themselves, and handles that go apart within an
            object, which reshape it. "paper": every cell goes
            A[h, p] / A[h, h] of the way where that is above tau (AttentionDrag, arXiv 2506.13301). "apart": every
            handle moves its own surroundings, whole, whoever they belong to.
        falloff: with "auto", "correlation" is "paper" without a tau; "rigid" leaves it to ``motion``.
        perspective: the size of what a single handle moves follows the drag, smaller up and larger down the picture.
        transition: cells round where it leaves and arrives that sampling may change, too.
        start: what is moved, the inverted "latents", or the picture's "pixels", which are then encoded: a valid latent
            at ways of any length, where moved latents lie between cells. "inverted": the same, inverted again, so that
            its noise is its own; as many evaluations more as there are steps. Without a picture and an autoencoder,
            latents.
    """

    falloff: Falloff = "rigid"
    transition: int = 1
    motion: Motion = "auto"
    perspective: bool = False
    start: Start = "latents"

    def __post_init__(self):
        check_choice("falloff", self.falloff, Falloff)
        check_choice("start", self.start, Start)
        check_choice("motion", self.motion, Motion)
        check_not_negative("transition", self.transition, "cells")


def plan_movement(
    correlation: torch.Tensor,
    element: torch.Tensor,
    grid: Grid,
    points: DragPoints,
    settings: MoveSettings | None = None,
    objects: tuple[int, ...] | None = None,
    tau: torch.Tensor | None = None,
    outlines: tuple[Outline, ...] | None = None,
    told: Sequence[PairMotion | None] | None = None,
    going: torch.Tensor | None = None,
) -> Movement:
    """Turns drags and an element into a movement.

    Args:
        correlation: (B, P, h, w) in 0..1 (``attention.correlation``).
        element: (B, H, W) at image size in 0..1, what is to move.
        grid, points: as for the correlation.
        settings: how it moves.
        objects: the object of every pair (``objects.objects_of``); None moves them "apart".
        tau: (B, P) correlation above which "paper" moves a cell; None moves all of the element.
        outlines: of every pair, what the picture says of its object's outline (``outline.outlines_of``), by which
            what is reshaped stays on what it hangs on; None where nobody knows.
        told: of every pair, what "auto" takes its object's motion for (``telling``); None where nobody knows.
        going: (B, H, W) in 0..1, what of the element goes where anchors hold the rest (``region.anchored``); None: all.
    """
    settings = settings or MoveSettings()
    apart = objects is None or settings.motion == "apart"
    objects = tuple(range(len(points))) if objects is None else objects
    order = canonical_order(points)
    points = DragPoints(tuple(points.pairs[index] for index in order), points.image_size)
    ordered = torch.stack([correlation[:, index] for index in order], 1)
    correlation, element = ordered.float(), element.to(correlation.device, torch.float32)
    objects = renumbered([objects[index] for index in order])
    published = settings.motion == "paper" or (settings.motion == "auto" and settings.falloff == "correlation")
    each: list[Outline | None] = [None] * (max(objects) + 1)
    if outlines is not None:
        each = [outlines[order[objects.index(number)]] for number in range(len(each))]
    own = [None if told is None else told[order[objects.index(number)]] for number in range(len(each))]
    motions = tuple(_motion_of(points, objects, number, settings.motion, one) for number, one in enumerate(own))
    alone = len(points) == 1 and motions[0] in (None, "move") and not settings.perspective
    if published or apart or alone or all(pair.is_anchor for pair in points.pairs):
        above = tau[:, order] if tau is not None and settings.motion == "paper" else None
        movement = _each_by_itself(correlation, element, grid, points, published, above, settings.transition)
        return movement if published or apart else replace(movement, motions=_of_pairs(points, objects, motions, order))
    movement = plan_pieces(correlation, element, grid, points, objects, motions, settings.perspective,
                           settings.transition, each, going)  # fmt: skip
    return replace(movement, motions=_of_pairs(points, objects, motions, order))


def _motion_of(
    points: DragPoints, objects: tuple[int, ...], number: int, motion: Motion, told: PairMotion | None
) -> PairMotion | None:
    """How an object moves, None where its drags tell: their own motion counts before the setting."""
    own = {pair.motion for pair, object in zip(points.pairs, objects, strict=True) if object == number}
    for one in ("reshape", "push", "move"):
        if one in own or motion == one and own == {None}:
            return one
    return told if motion == "auto" else None


def _of_pairs(
    points: DragPoints, objects: tuple[int, ...], motions: tuple[PairMotion | None, ...], order: Sequence[int]
) -> tuple[PairMotion | None, ...]:
    """How each pair's object moves, in the order that the pairs were given in; pairs are in ``order`` here."""
    found: list[PairMotion | None] = [None] * len(points)
    for index, (pair, number) in enumerate(zip(points.pairs, objects, strict=True)):
        if not pair.is_anchor:
            # A handle alone has nothing else to tell.
            alone = objects.count(number) == 1
            found[order[index]] = motions[number] or ("move" if alone else None)
    return tuple(found)


def _each_by_itself(
    correlation: torch.Tensor,
    element: torch.Tensor,
    grid: Grid,
    points: DragPoints,
    published: bool,
    tau: torch.Tensor | None,
    transition: int,
) -> Movement:
    """Every cell follows one handle, by all of its drag or by the published share of it."""
    cells = grid.image_mask_to_cells(element)
    owned = owners(correlation, cells, grid, points)
    if tau is not None:
        owned = owned * (correlation > tau[..., None, None].to(correlation))
    moving = torch.tensor([not pair.is_anchor for pair in points.pairs], device=correlation.device)

    fields = _fields(correlation, grid, points.pairs, published)
    way = torch.zeros_like(fields[0])
    for index, field in enumerate(fields):
        way = torch.where(owned[:, index, None] > 0, field, way)
    arriving, way_in = _arrivals(owned, fields, correlation, moving)

    leaving, anchored = _share_of(owned, moving), _share_of(owned, ~moving)
    free = _free(leaving, arriving, anchored, transition)
    leaves, stays = (grid.spread_cells(share / cells.clamp_min(1e-6)) > 0.5 for share in (leaving, anchored))
    return Movement(grid, element * leaves, leaving, arriving, way, way_in, free, element * stays)


def _fields(correlation: torch.Tensor, grid: Grid, pairs: tuple[DragPair, ...], published: bool) -> list[torch.Tensor]:
    """Each handle's displacement field (B, 2, h, w) in cells: v[p] of the method, for all p."""
    batch = correlation.shape[0]
    fields = []
    for index, pair in enumerate(pairs):
        drag = torch.tensor(grid.displacement(pair), device=correlation.device, dtype=correlation.dtype)
        field = drag[None, :, None, None].expand(batch, 2, *grid.latent_size)
        fields.append(field * correlation[:, index, None] if published else field)
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
