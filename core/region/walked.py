"""The element by walks: what belongs to the handles and clicks of one edit, on the pieces of the picture.

The picture is cut into pieces (``superpixels``), the attention says how they belong together (``walk``), a handle's
clues say how far each belongs to it (``evidence``), what all clicks tell together how likely (``asking``,
``belonging``), and the best supported cut is the object (``cut``, ``choice``). At its border the picture's own pixels
decide (``colours``), and the border is soft where they don't tell.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..planes.guided_filter import box_mean
from ..space.grid import Grid
from ..space.points import DragPoints
from .asking import objects_in
from .colours import refine
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
        each, pieces = objects_in(sights[index], points, keep_connected), sights[index].pieces
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
