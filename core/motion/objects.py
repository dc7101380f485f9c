"""Whose is whose: which handles drag one object, and which part of the element is each object's.

Different objects share nothing: every pixel follows one object (a hard partition, as in GeoDrag, arXiv 2509.25740;
averaging would let opposing drags cancel, soft weights would show the element twice).
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
import torch.nn.functional as F

from ..planes.flood import flood
from ..planes.warp import coordinates, look_up
from ..space.grid import Grid
from ..space.points import DragPoints
from .ownership import canonical_order

LATTICE = 192
"""Elements along the longer side, at most, of the picture's small version on which connected parts are told."""

INSIDE = 0.25
"""Share of such an element from which it belongs to the element."""

ALIKE = 0.02
"""Correlation below which, in both directions, two handles of one connected part are on different objects."""

SAME = 0.5
"""Correlation above which, in either direction, two handles are on one object, though something covers its middle."""

NEARER = 1e-4
"""Correlation that a picture's side of distance is worth: it settles ties only."""


def objects_of(element: torch.Tensor, correlation: torch.Tensor, grid: Grid, points: DragPoints) -> tuple[int, ...]:
    """The object of every pair, numbered from 0 in the order of the pairs.

    Pairs of one group share an object, pairs of different groups never do. For the rest: two handles share an object
    where each lies in what belongs to the other: in one connected part of the element and not foreign to the other by
    the attention, or hardly told from the other by it. A handle outside the element counts as on its nearest part.

    Args:
        element: (B, H, W) in 0..1, what is to move.
        correlation: (B, P, h, w) in 0..1 of every cell with every handle.
        grid, points: of the picture.

    Waits once for the tensors' device, and not at all for a single drag or where every pair has a group.
    """
    groups = [pair.group for pair in points.pairs]
    if len(groups) == 1 or None not in groups:
        together = [[one == two for two in groups] for one in groups]
    else:
        parts, seeds = _parts(element, grid, points)
        connected = torch.einsum("bpnm,bqnm->bpq", parts, seeds) > 0
        x, y = torch.tensor([grid.to_cells(pair.handle) for pair in points.pairs], device=element.device).T
        batch = correlation.shape[0]
        x, y = (places.view(1, 1, -1).expand(batch, -1, -1) - 0.5 for places in (x, y))
        known = look_up(correlation, x, y)[:, :, 0]
        known = torch.maximum(known, known.transpose(1, 2))
        together = ((connected & (known >= ALIKE)) | (known >= SAME)).all(0).tolist()
    return _united(together, groups, canonical_order(points))


def parted(
    element: torch.Tensor, correlation: torch.Tensor, grid: Grid, points: DragPoints, objects: tuple[int, ...]
) -> torch.Tensor:
    """Each object's part of the element, (B, O, H, W) in 0..1; they share no pixel.

    A pixel belongs to an object whose handle lies in its connected part, among several to the one that it correlates
    with most, and of handles that tie to the nearest. What lies beyond every radius of its object's handles is left
    out.
    """
    whole = torch.ones(grid.image_size, device=element.device)
    each = [whole if pair.radius is None else grid.reach(pair, pixels=True).to(element) for pair in points.pairs]
    reach = torch.stack(each)[None]
    within = _by_object(reach, objects)
    if max(objects) == 0:
        return element[:, None] * within
    height, width = grid.image_size
    y, x = grid.pixel_centres_in_cells(element.device)
    batch = (element.shape[0], -1, -1)
    share = look_up(correlation, (x - 0.5).expand(*batch), (y - 0.5).expand(*batch))
    distance = torch.stack([torch.hypot(x - hx, y - hy) for hx, hy in (grid.to_cells(p.handle) for p in points.pairs)])
    parts, _ = _parts(element, grid, points)
    step = math.ceil(max(grid.image_size) / LATTICE)
    parts = parts.repeat_interleave(step, -1).repeat_interleave(step, -2)[..., :height, :width]
    score = share - NEARER * distance / max(grid.latent_size) + 2 * reach + 4 * parts
    winner = _by_object(score, objects).argmax(1, keepdim=True)
    own = element.new_zeros(element.shape[0], max(objects) + 1, height, width).scatter_(1, winner, 1.0)
    return own * element[:, None] * within


def renumbered(objects: Iterable[int]) -> tuple[int, ...]:
    """Objects numbered from 0 in the order in which they come."""
    numbers: dict[int, int] = {}
    return tuple(numbers.setdefault(number, len(numbers)) for number in objects)


def _by_object(planes: torch.Tensor, objects: tuple[int, ...]) -> torch.Tensor:
    """The largest over each object's handles of planes (B, P, ...), (B, O, ...)."""
    numbers = range(max(objects) + 1)
    own = [[index for index, object in enumerate(objects) if object == number] for number in numbers]
    return torch.stack([torch.stack([planes[:, index] for index in indices]).amax(0) for indices in own], 1)


def _parts(element: torch.Tensor, grid: Grid, points: DragPoints) -> tuple[torch.Tensor, torch.Tensor]:
    """Of a small version of the element, each (B, P, n, m) of 0 and 1: the connected part that every handle lies on,
    and the place in it that is the handle's own or nearest to it."""
    step = math.ceil(max(grid.image_size) / LATTICE)
    inside = F.avg_pool2d(element[:, None].float(), step, ceil_mode=True)[:, 0] >= INSIDE
    y, x = coordinates(inside.shape[-2], inside.shape[-1], element.device)
    seeds = []
    for handle_x, handle_y in (pair.handle for pair in points.pairs):
        across, down = handle_x * grid.image_width / step, handle_y * grid.image_height / step
        distance = torch.hypot(x + 0.5 - across, y + 0.5 - down)
        # Where there is no element at all, every handle has its own place.
        distance = distance + torch.where(inside, 0.0, float(2 * LATTICE))
        nearest = distance.flatten(1).argmin(1, keepdim=True)
        seeds.append(torch.zeros_like(distance).flatten(1).scatter_(1, nearest, 1.0).view_as(distance))
    own = torch.stack(seeds, 1)
    return flood(own, inside[:, None]), own


def _united(together: list[list[bool]], groups: list[int | None], order: list[int]) -> tuple[int, ...]:
    """Numbers of the objects that relations of pairs make, never uniting two different groups."""
    member = {index: {index} for index in order}
    for one in order:
        for two in order:
            union = member[one] | member[two]
            same = groups[one] is not None and groups[one] == groups[two]
            if (together[one][two] or same) and len({groups[index] for index in union} - {None}) <= 1:
                for index in union:
                    member[index] = union
    return renumbered([min(member[index]) for index in range(len(groups))])
