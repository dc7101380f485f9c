"""Reshaping: the far rim of an object stays, what the handle holds goes all the way, between them it stretches.

A point p of the object goes the share f(p) of its way. f falls in a straight line from 1 at the nearest moving handle,
or line between two of them, at distance h, to 0 at the object's point that is farthest from all; where the object goes
on beyond its rim as attention or the picture sees it (a mask of a part alone), the rim there stays, too: at distance a
from it f is a / (a + h) at most. And f falls off where attention is unsure (``UNSURE``). Backwards all that is one
number a place: what arrives at q was at q - s w(q), w being the whole way that brought it (of several handles, the
mean of their drags with weights 1 / (d^2 + 1 px^2), d from q to their targets), with s = f(q - s w). There is an s in
0..1 whatever w and f, found by halving: no stretch is too strong for it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from ..planes.morphology import dilate
from ..planes.warp import look_up

HELD = 0.1
"""Of the distance to the far rim, the radius round a handle that goes all the way with it."""

UNSURE = 0.5
"""Of an object's mean correlation: below it attention is unsure, and ways fall off with it."""

LINED = 8
"""Most handles between which lines count."""

RINGS = 6
"""Nodes beyond the rim to which the share is continued step by step, before it is continued at once."""

HALVINGS = 14

HOLD = 0.25
"""Of the way between an anchor and a handle, how much at either end goes with it."""

COARSE = 128
"""Elements a side, at most, of the lattice on which distances from what goes on are told."""


def falloff(
    inside: torch.Tensor,
    correlation: torch.Tensor,
    handles: torch.Tensor,
    x: torch.Tensor,
    y: torch.Tensor,
    step: int,
    blurred: int,
    held: torch.Tensor | None = None,
) -> torch.Tensor:
    """The share f of its way that what is at every node goes, (B, n, m) in 0..1.

    Args:
        inside: (B, n, m) share of the object at the nodes.
        correlation: (B, n, m) the strongest with the object's moving handles.
        handles: (B, k, 2) those handles, px.
        x, y: (n, m) the nodes, px.
        step: px between them.
        blurred: px over which attention is blurred.
        held: (B, n, m) bool, nodes along the rim where the picture goes on beyond it; None where nobody knows.
    """
    distance = distance_between(handles, x, y)
    own = inside > 0.5
    far = torch.where(own, distance, torch.zeros_like(distance)).amax((-2, -1), keepdim=True).clamp_min(1)
    near = HELD * far
    beyond = (distance - near).clamp_min(0)
    straight = 1 - (beyond / (far - near)).clamp(max=1)
    count = own.sum((-2, -1), keepdim=True).clamp_min(1)
    mean = torch.where(own, correlation, torch.zeros_like(correlation)).sum((-2, -1), keepdim=True) / count
    sure = (correlation / (UNSURE * mean).clamp_min(1e-6)).clamp(0, 1)
    # Attention is blurred over a rim: whether the object goes on is read beyond that.
    margin = -(-blurred // step)
    goes_on = (dilate(own.float(), margin) == 0) & (sure > 0.5)
    rim = ((coarse_distance(goes_on) - margin - 1) * step).clamp_min(0)
    if held is not None:
        rim = torch.minimum(rim, coarse_distance(held) * step)
    bound = (rim + 0.5) / (rim + beyond + 0.5)
    # The handle's own surroundings are its own, however attention sees them.
    share = torch.minimum(straight, bound) * torch.where(distance <= near, torch.ones_like(sure), sure)
    # Beyond the rim nothing is shown; the share is continued there, so that what crosses the rim is found. Where it is
    # held, a node may lie beyond.
    known = own if held is None else own | held
    share, known = share[:, None], known[:, None].float()
    for _ in range(RINGS):
        weight = F.avg_pool2d(known, 3, stride=1, padding=1)
        around = F.avg_pool2d(share * known, 3, stride=1, padding=1) / weight.clamp_min(1e-6)
        share = torch.where(known > 0, share, around)
        known = (weight > 0).float()
    return _continued(share, known)[:, 0]


def _continued(values: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Values (B, 1, n, m) where ``known`` is 1, and what is around them, from ever coarser versions, where it is 0."""
    if max(values.shape[-2:]) == 1:
        return values
    weight = F.avg_pool2d(known, 2, ceil_mode=True)
    means = F.avg_pool2d(values * known, 2, ceil_mode=True) / weight.clamp_min(1e-6)
    coarse = _continued(means, (weight > 0).float())
    smooth = F.interpolate(coarse, size=values.shape[-2:], mode="bilinear", align_corners=False)
    return torch.where(known > 0, values, smooth)


def distance_between(handles: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """(B, n, m) px from the nodes to the nearest handle (B, k, 2), or straight line between two of them.

    Handles side by side pull what lies between them along; beyond ``LINED`` of them only the handles count.
    """
    count = handles.shape[1]
    ends = [(one, two) for one in range(count) for two in range(one, count if count <= LINED else one + 1)]
    nearest = torch.full((handles.shape[0], *x.shape), float("inf"), device=x.device)
    for one, two in ends:
        first, along = handles[:, one, :, None, None], (handles[:, two] - handles[:, one])[..., None, None]
        dx, dy = x - first[:, 0], y - first[:, 1]
        length = (along**2).sum(1).clamp_min(1e-6)
        share = ((dx * along[:, 0] + dy * along[:, 1]) / length).clamp(0, 1)
        nearest = torch.minimum(nearest, torch.hypot(dx - share * along[:, 0], dy - share * along[:, 1]))
    return nearest


def distance_to(there: torch.Tensor) -> torch.Tensor:
    """(B, n, m) distance in elements to the nearest of ``there`` (B, n, m) bool; n + m and no more if there is none.

    The squares' least sums, down every column and then along every row: n + m times the work of looking at them once.
    """
    height, width = there.shape[-2:]
    most = float(height + width)
    squares = torch.where(there, 0.0, most**2)
    for axis, length in ((-2, height), (-1, width)):
        place = torch.arange(length, device=there.device, dtype=torch.float32)
        apart = (place[:, None] - place) ** 2
        lines = squares.transpose(axis, -1)
        squares = (lines[..., None, :] + apart).amin(-1).transpose(axis, -1)
    return squares.sqrt().clamp(max=most)


def coarse_distance(there: torch.Tensor) -> torch.Tensor:
    """As ``distance_to``, to half an element of a lattice with at most ``COARSE`` elements a side."""
    step = -(-max(there.shape[-2:]) // COARSE)
    if step == 1:
        return distance_to(there)
    coarse = distance_to(F.max_pool2d(there.float()[:, None], step, ceil_mode=True)[:, 0] > 0)
    fine = F.interpolate(coarse[:, None] * step, scale_factor=step, mode="bilinear", align_corners=False)
    return fine[:, 0, : there.shape[-2], : there.shape[-1]]


def stretched(
    handles: torch.Tensor,
    targets: torch.Tensor,
    share: torch.Tensor,
    x: torch.Tensor,
    y: torch.Tensor,
    step: int,
) -> torch.Tensor:
    """A map in which everything goes its share of the way.

    Args:
        handles, targets: (B, k, 2) px; an anchor's are the same.
        share: (B, n, m) of ``falloff``.
        x, y: (n, m) the nodes, px.
        step: px between them.

    Returns:
        (B, 2, n, m) where what arrives was.
    """
    return partly(torch.stack([x, y]), mean_way(handles, targets, x, y), share, step)


def mean_way(handles: torch.Tensor, targets: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """(B, 2, n, m) px: the mean of drags (B, k, 2), by how near their targets are to each node."""
    distance = torch.hypot(x - targets[..., 0, None, None], y - targets[..., 1, None, None])
    weight = 1 / (distance**2 + 1)
    weight = weight / weight.sum(1, keepdim=True)
    return torch.einsum("bknm,bkc->bcnm", weight, targets - handles)


def partly(place: torch.Tensor, way: torch.Tensor, share: torch.Tensor, step: int) -> torch.Tensor:
    """The map (B, 2, n, m) in which everything goes its share of a way.

    Args:
        place: (2, n, m) the nodes, px.
        way: (B, 2, n, m) that would bring what arrives there.
        share: (B, n, m) in 0..1 of it that what is at a node goes.
        step: px between nodes.
    """
    low, high = torch.zeros_like(share), torch.ones_like(share)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        from_x, from_y = (place - middle[:, None] * way).unbind(1)
        farther = look_up(share[:, None], from_x / step, from_y / step)[:, 0] >= middle
        low, high = torch.where(farther, middle, low), torch.where(farther, high, middle)
    return place - ((low + high) / 2)[:, None] * way


def unheld(handles: torch.Tensor, anchors: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """(B, n, m) share of its way that an object of which anchors hold a part goes at every node.

    None of it within ``HOLD`` of the way from an anchor (B, a, 2) to a handle (B, k, 2), all of it within as much of
    the handle, in a straight line between.
    """
    moving, still = (
        torch.hypot(x - ends[..., 0, None, None], y - ends[..., 1, None, None]).amin(1) for ends in (handles, anchors)
    )
    share = still / (still + moving).clamp_min(1e-3)
    return ((share - HOLD) / (1 - 2 * HOLD)).clamp(0, 1)
