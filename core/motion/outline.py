"""Whether an element is a thing or a part of one: along a thing's outline the picture changes, a part's it goes across.

A masked nose, sleeve or stretch of hair that goes as one piece is torn off what it is a part of; reshaped, it stays
on it, and most surely where its outline is held in the places that the picture goes across. Measured on people's own
masks and drags and on scenes whose things are known (``benchmarks/FIELD.md``).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from ..planes.morphology import blurred
from ..planes.warp import coordinates, look_up
from ..space.grid import Grid
from ..space.points import DragPoints
from .objects import parted

SIDE = 256
"""px of the shorter side, at most, at which a picture is looked at."""

ACROSS = 3
"""px there to either side of the outline, and by how much it may lie beside an edge."""

BLUR = 1.2
"""px there over which the picture is averaged: grain is no edge."""

FAINT, PLAIN = 0.06, 0.2
"""Least and largest difference, summed over the channels, from which there is an edge; between them the picture's own
upper quartile counts."""

ROUGHER = 1.0
"""Difference in log2 of how rough either side is from which there is an edge, too: a box on gravel of its colour."""

LEVEL = 0.02
"""Added to roughness: what is smoother is plain."""

PART = 0.18
"""Share of its outline without an edge from which an element is a part of something."""


@dataclass(frozen=True, eq=False)
class Outline:
    """What the picture says along the outline of one object.

    Attributes:
        goes_on: (B, H, W) 1 at the pixels of the outline across which the picture goes on without an edge.
        share: (B,) of the outline, in 0..1; 0 where there is none.
    """

    goes_on: torch.Tensor
    share: torch.Tensor

    @property
    def is_part(self) -> bool:
        """Whether it is a part of a thing, in the mean of a batch. Waits for the tensors' device."""
        return bool(self.share.mean() >= PART)


def outlines_of(
    element: torch.Tensor,
    image: torch.Tensor,
    correlation: torch.Tensor,
    grid: Grid,
    points: DragPoints,
    objects: tuple[int, ...],
) -> tuple[Outline, ...]:
    """Of every pair, its object's outline.

    Args:
        element: (B, H, W) in 0..1, what is to move.
        image: (B, H, W, 3) in 0..1, the source.
        correlation, grid, points, objects: as for ``objects.parted``.
    """
    each = element[:, None] if max(objects) == 0 else parted(element, correlation, grid, points, objects)
    found = [outline_of(one, image) for one in each.unbind(1)]
    return tuple(found[number] for number in objects)


def outline_of(element: torch.Tensor, image: torch.Tensor) -> Outline:
    """The outline of an element (B, H, W) on a picture (B, H, W, 3); there is none along the picture's border."""
    batch, size = max(len(element), len(image)), (element.shape[-2], element.shape[-1])
    if min(size) <= 4 * ACROSS:
        return Outline(element.new_zeros(batch, *size), element.new_zeros(batch))
    picture = image.to(element).movedim(-1, 1)
    factor = min(SIDE / min(size), 1.0)
    if factor < 1:
        small = (round(size[0] * factor), round(size[1] * factor))
        picture = F.interpolate(picture, size=small, mode="area")
        element = F.interpolate(element[:, None], size=small, mode="area")[:, 0]
    picture, element = blurred(picture, BLUR, 4).expand(batch, -1, -1, -1), element.expand(batch, -1, -1)
    inside = (element > 0.5).float()[:, None]
    slope_y, slope_x = torch.gradient(blurred(inside, ACROSS, 3 * ACROSS)[:, 0], dim=(-2, -1))
    length = torch.hypot(slope_x, slope_y).clamp_min(1e-6)
    rim = (inside - -F.max_pool2d(-inside, 3, stride=1, padding=1))[:, 0] * _far_from_border(inside)
    height, width = inside.shape[-2:]
    y, x = coordinates(height, width, inside.device)

    def at(planes: torch.Tensor, distance: float) -> torch.Tensor:
        return look_up(planes, x + distance * slope_x / length, y + distance * slope_y / length)

    steps = [(at(picture, by + ACROSS) - at(picture, by - ACROSS)).abs().sum(1) for by in (-ACROSS, 0, ACROSS)]
    rough = _rough(picture)
    rougher = (at(rough, 2 * ACROSS) - at(rough, -2 * ACROSS)).abs()[:, 0]
    faint = rim * (torch.stack(steps).amax(0) < _edge_of(picture)[:, None, None]) * (rougher < ROUGHER)
    share = faint.sum((-2, -1)) / rim.sum((-2, -1)).clamp_min(1)
    return Outline(F.interpolate(faint[:, None], size=size, mode="nearest-exact")[:, 0], share)


def _rough(picture: torch.Tensor) -> torch.Tensor:
    """(B, 1, H, W) log2 of how steep a picture (B, 3, H, W) is round every pixel."""
    down, across = torch.gradient(picture, dim=(-2, -1))
    return (blurred((down.abs() + across.abs()).sum(1, keepdim=True), ACROSS, 3 * ACROSS) + LEVEL).log2()


def _far_from_border(planes: torch.Tensor) -> torch.Tensor:
    """(H, W) 1 where both sides of an outline lie within the picture."""
    far = torch.zeros_like(planes[0, 0])
    margin = 2 * ACROSS
    far[margin:-margin, margin:-margin] = 1
    return far


def _edge_of(picture: torch.Tensor) -> torch.Tensor:
    """(B,) the difference from which there is an edge in each picture (B, 3, H, W)."""
    apart = 2 * ACROSS
    across = (picture[..., apart:] - picture[..., :-apart]).abs().sum(1).flatten(1)
    down = (picture[..., apart:, :] - picture[..., :-apart, :]).abs().sum(1).flatten(1)
    return torch.cat([across, down], 1).quantile(0.75, dim=1).clamp(FAINT, PLAIN)
