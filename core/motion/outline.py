"""Whether an element is a thing or a part of one: along a thing's outline the picture changes, a part's it goes across.

A masked nose, sleeve or stretch of hair that goes as one piece is torn off what it is a part of; reshaped, it stays on
it. Measured on people's own masks and drags and on scenes whose things are known (``benchmarks/FIELD.md``).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

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

PART = 0.2
"""Share of its outline without an edge from which an element is a part of something."""


def parts_of(
    element: torch.Tensor,
    image: torch.Tensor,
    correlation: torch.Tensor,
    grid: Grid,
    points: DragPoints,
    objects: tuple[int, ...],
) -> tuple[bool, ...]:
    """Of every pair, whether its object is a part of a thing.

    Args:
        element: (B, H, W) in 0..1, what is to move.
        image: (B, H, W, 3) in 0..1, the source.
        correlation, grid, points, objects: as for ``objects.parted``.
    """
    each = element[:, None] if max(objects) == 0 else parted(element, correlation, grid, points, objects)
    found = [is_part(one, image) for one in each.unbind(1)]
    return tuple(found[number] for number in objects)


def is_part(element: torch.Tensor, image: torch.Tensor) -> bool:
    """Whether an element (B, H, W) in 0..1 on a picture (B, H, W, 3) is a part of a thing; in the mean of a batch.

    Where all of its outline lies along the picture's border, nothing says so. Waits for the tensors' device.
    """
    return bool(gone_on(element, image).mean() >= PART)


def gone_on(element: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """(B,) share of each outline along which the picture goes on without an edge; 0 where there is no outline."""
    batch = max(len(element), len(image))
    if min(element.shape[-2:]) <= 4 * ACROSS:
        return element.new_zeros(batch)
    picture = image.to(element).movedim(-1, 1)
    height, width = element.shape[-2:]
    factor = min(SIDE / min(height, width), 1.0)
    if factor < 1:
        size = (max(round(height * factor), 1), max(round(width * factor), 1))
        picture = F.interpolate(picture, size=size, mode="area")
        element = F.interpolate(element[:, None], size=size, mode="area")[:, 0]
    picture, element = blurred(picture, BLUR).expand(batch, -1, -1, -1), element.expand(batch, -1, -1)
    inside = (element > 0.5).float()[:, None]
    slope_y, slope_x = torch.gradient(blurred(inside, ACROSS)[:, 0], dim=(-2, -1))
    length = torch.hypot(slope_x, slope_y).clamp_min(1e-6)
    outline = (inside - -F.max_pool2d(-inside, 3, stride=1, padding=1))[:, 0] * _far_from_border(inside)
    height, width = inside.shape[-2:]
    y, x = coordinates(height, width, inside.device)

    def at(distance: float) -> torch.Tensor:
        return look_up(picture, x + distance * slope_x / length, y + distance * slope_y / length)

    steps = [(at(shift + ACROSS) - at(shift - ACROSS)).abs().sum(1) for shift in (-ACROSS, 0, ACROSS)]
    faint = torch.stack(steps).amax(0) < _edge_of(picture)[:, None, None]
    return (faint * outline).sum((-2, -1)) / outline.sum((-2, -1)).clamp_min(1)


def blurred(planes: torch.Tensor, sigma: float) -> torch.Tensor:
    """Planes (B, C, H, W) averaged by a Gaussian of ``sigma`` px, borders repeated."""
    reach = math.ceil(3 * sigma)
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, device=planes.device) / sigma) ** 2)
    weights = (weights / weights.sum()).to(planes)
    channels = planes.shape[1]
    wide = F.pad(planes, (reach, reach, reach, reach), mode="replicate")
    wide = F.conv2d(wide, weights.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)
    return F.conv2d(wide, weights.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels)


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
