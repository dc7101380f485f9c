"""The element by walks: what belongs to the handles and clicks of one edit, on the pieces of the picture.

The picture is cut into pieces (``superpixels``), the attention says how they belong together (``walk``), a handle's
clues say how far each belongs to it (``evidence``), and the best supported cut is the object (``cut``). At its border
the picture's own pixels decide (``colours``), and the border is soft where they don't tell.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..planes.guided_filter import box_mean
from ..space.grid import Grid
from ..space.points import Click, DragPair, DragPoints
from .choice import added, best, left_out
from .colours import refine
from .cut import connected, tried
from .sight import Sight, smaller

UNSURE = 3
"""Half width in small pixels of the band round a cut in which the picture decides."""

SURE = 0.96
"""Share of belief that a cut gives the pixels beyond the band."""

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


def _objects(
    sight: Sight, points: DragPoints, keep_connected: bool
) -> torch.Tensor:
    """(P, N) of 0 and 1: the pieces that belong to each pair."""
    pieces, related, views = sight.pieces, sight.related, sight.views
    clue = torch.stack([view.clue for view in views])
    points_of = sight.points
    found = []
    for index, pair in enumerate(points.pairs):
        allowed, needed = torch.ones_like(points_of[index]), points_of[index]
        others = _handles_of_others(pair, points)
        if others:
            # A piece is the nearer handle's, by the walk.
            allowed = (clue[index, :, 1] < clue[others][..., 1].amin(0)).to(clue) * (1 - points_of[others].amax(0))
            allowed = torch.maximum(allowed, needed)
        cuts = tried(views[index].orders, allowed, needed, pieces)
        inside = best(cuts, views[index], related, pieces, pair.size)
        adding: list[int] = []
        leaving: list[int] = []
        for number in _clicks_of(index, pair, points):
            both, ways = (views[index], views[number]), clue[number, :, 1]
            # What another click has said holds for what lies nearer to it, by the walk.
            if points.clicks[number - len(points.pairs)].kind == "add":
                needed = torch.maximum(needed, points_of[number])
                near = torch.stack([(clue[other, :, 1] >= ways).to(clue) for other in leaving] or [allowed])
                within = torch.maximum(allowed * near.amin(0), inside)
                inside = added(inside, cuts, needed, within, both, related, pieces)
                adding.append(number)
            else:
                allowed = allowed * (1 - points_of[number])
                near = torch.stack([(clue[other, :, 1] < ways).to(clue) for other in adding] or [0 * allowed])
                held = torch.maximum(needed, near.amax(0) * inside * allowed)
                inside = left_out(inside, cuts, held, allowed, both, related, pieces)
                leaving.append(number)
            # What a click has mended is mostly right: from then on it is added to and taken from, never replaced.
            cuts = cuts[:0]
        found.append(connected(inside, needed, pieces) if keep_connected else inside)
    return torch.stack(found)


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
