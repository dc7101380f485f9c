"""The element by walks: what belongs to the handles and clicks of one edit, on the pieces of the picture.

The picture is cut into pieces (``superpixels``), the attention says how they belong together (``walk``), a handle's
clues say how far each belongs to it (``evidence``), what all clicks tell together how likely (``belonging``), and the
best supported cut is the object (``cut``, ``choice``). At its border the picture's own pixels decide (``colours``), and
the border is soft where they don't tell.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..planes.guided_filter import box_mean
from ..space.grid import Grid
from ..space.points import Click, DragPair, DragPoints
from .belonging import NEAREST, belonging
from .choice import best, figures_of
from .colours import refine
from .cut import candidates, connected
from .sight import Sight, smaller

UNSURE = 3
"""Half width in small pixels of the band round a cut in which the picture decides."""

SURE = 0.96
"""Share of belief that a cut gives the pixels beyond the band."""

COLOUR, COLOURED = 9, 0.3
"""The clue that is a difference in colour, and what it counts for beside the walk where two clicks contend."""

CERTAIN = 0.1
"""Belief below which a pixel is none of the element, and within which of 1 it is all of it; it is soft between."""


def walked(
    sights: Sequence[Sight],
    grid: Grid,
    points: DragPoints,
    image: torch.Tensor,
    keep_connected: bool,
) -> torch.Tensor:
    """The union of what belongs to each pair within its radius, (B, H, W) float32 in 0..1, on the sights' device.

    Args:
        sights: at each picture (``sight.sights_of``).
        grid, points: of the picture.
        image: (B, H, W, 3) in 0..1.
        keep_connected: leave out what does not hang together with a handle or an added click.
    """
    image = image.to(sights[0].pieces.area)
    planes, small = image.movedim(-1, 1), smaller(image)
    # What no radius bounds has one outline; this costs most, and so costs the same for any number of handles.
    outlines = [[number for number, pair in enumerate(points.pairs) if pair.radius is None]]
    outlines += [[number] for number, pair in enumerate(points.pairs) if pair.radius is not None]
    outlines = [numbers for numbers in outlines if numbers]
    found = []
    for index in range(len(small)):
        each, pieces = _objects(sights[index], points, keep_connected), sights[index].pieces
        inside = torch.stack([torch.stack([each[number] for number in numbers]).amax(0) for numbers in outlines])
        prior = box_mean(pieces.spread(inside)[:, None], UNSURE)[:, 0] * SURE + (1 - SURE) / 2
        count = len(prior)
        picture, whole = (one[index : index + 1].expand(count, -1, -1, -1).movedim(1, -1) for one in (small, planes))
        found.append(((refine(prior, picture, whole) - CERTAIN) / (1 - 2 * CERTAIN)).clamp(0, 1))
    every = torch.stack(found)
    for at, numbers in enumerate(outlines):
        for pair in (points.pairs[number] for number in numbers):
            # The clicked pixel belongs to its own element whatever the picture says.
            y, x = grid.pixel_at(pair.handle)
            every[:, at, y, x] = 1
        every[:, at] *= grid.reach(points.pairs[numbers[0]], pixels=True).to(every)
    return every.amax(1)


def _objects(sight: Sight, points: DragPoints, keep_connected: bool) -> torch.Tensor:
    """(P, N) of 0 and 1: the pieces that belong to each pair."""
    pieces, views = sight.pieces, sight.views
    numbers = range(len(points.pairs))
    others = [_handles_of_others(points.pairs[index], points) for index in numbers]
    clicks = [_clicks_of(index, points.pairs[index], points) for index in numbers]
    kinds = {number: click.kind for number, click in enumerate(points.clicks, start=len(points.pairs))}
    adds = [[index, *(one for one in clicks[index] if kinds[one] == "add")] for index in numbers]
    leaves = [[*others[index], *(one for one in clicks[index] if kinds[one] != "add")] for index in numbers]
    # Where a click leaves out, what belongs to that is asked as well.
    refused = [index for index in numbers if len(leaves[index]) > len(others[index])]
    questions = [*zip(adds, leaves, strict=True), *((leaves[index], adds[index]) for index in refused)]
    odds = belonging(sight, questions)
    against = dict(zip(refused, odds[len(numbers) :], strict=True))
    found = []
    for index in numbers:
        needed = _most(adds[index], sight.points)
        # Where two clicks lie on one piece, the one that adds has it.
        allowed = torch.maximum(_allowed(sight, adds[index], leaves[index], others[index], against.get(index)), needed)
        cuts = candidates(odds[index], views[index].orders, allowed, needed, pieces)
        figures = figures_of(cuts, odds[index], views[index], sight.related, pieces)
        inside = best(cuts, figures, pieces, points.pairs[index].size)
        found.append(connected(inside, needed, pieces) if keep_connected else inside)
    return torch.stack(found)


def _allowed(
    sight: Sight, adds: list[int], leaves: list[int], others: list[int], against: torch.Tensor | None
) -> torch.Tensor:
    """(N,) of 0 and 1: the pieces that may belong to a pair.

    Args:
        sight: of the picture.
        adds, leaves: numbers of the points that say what belongs to it, its handle first, and what does not.
        others: of those that leave out, the handles on other objects.
        against: (N,) logarithm of the odds that a piece belongs to what is left out; None where no click says so.
    """
    walk = torch.stack([view.clue[:, NEAREST] for view in sight.views])
    allowed = torch.ones_like(walk[0])
    if others:
        # A piece is the nearer handle's, by the walk.
        allowed = (walk[adds[0]] < _least(others, walk)).to(walk)
    if leaves:
        allowed = allowed * (1 - _most(leaves, sight.points))
    if against is not None:
        # What would be either's is the nearer click's, by the walk and by colour.
        near = walk + COLOURED * torch.stack([view.clue[:, COLOUR] for view in sight.views])
        allowed = allowed * (1 - ((against > 0) & (_least(leaves, near) < _least(adds, near))).to(walk))
    return allowed


def _least(numbers: Sequence[int], planes: torch.Tensor) -> torch.Tensor:
    """(N,) the smallest of some of the planes (K, N)."""
    return torch.stack([planes[number] for number in numbers]).amin(0)


def _most(numbers: Sequence[int], planes: torch.Tensor) -> torch.Tensor:
    """(N,) the largest of some of the planes (K, N)."""
    return torch.stack([planes[number] for number in numbers]).amax(0)


def _handles_of_others(pair: DragPair, points: DragPoints) -> list[int]:
    """Numbers of the handles that are said to be on another object than a pair's."""
    if pair.group is None:
        return []
    return [number for number, other in enumerate(points.pairs) if other.group not in (None, pair.group)]


def _clicks_of(index: int, pair: DragPair, points: DragPoints) -> list[int]:
    """Numbers, among handles and then clicks, of the clicks that mend a pair's object, in their order.

    A click without a group is the nearest handle's where it adds, and everybody's where it leaves out.
    """
    numbers = []
    for number, click in enumerate(points.clicks, start=len(points.pairs)):
        named = click.group is not None and any(other.group == click.group for other in points.pairs)
        if click.kind == "leave_out":
            own = click.group is None or click.group == pair.group
        else:
            own = click.group == pair.group if named else _nearest(click, points) == index
        if own:
            numbers.append(number)
    return numbers


def _nearest(click: Click, points: DragPoints) -> int:
    height, width = points.image_size or (1, 1)
    away = [
        ((click.at[0] - pair.handle[0]) * width) ** 2 + ((click.at[1] - pair.handle[1]) * height) ** 2
        for pair in points.pairs
    ]
    return min(range(len(away)), key=away.__getitem__)
