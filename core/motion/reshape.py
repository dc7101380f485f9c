"""Reshaping: the far rim of an object stays, what the handle holds goes all the way, between them it stretches.

A point p of the object goes the share f(p) of its way, f falling in a straight line from 1 at the nearest moving handle
to 0 at the object's point that is farthest from all of them, and where attention is unsure (``UNSURE``). Backwards that
is one number a place: what arrives at q was at q - s w(q), w being the whole way that brought it, with s = f(q - s w).
Whatever w and f, there is an s in 0..1, found by halving: no stretch is too strong for it.
"""

from __future__ import annotations

import torch

from ..planes.warp import look_up

HELD = 0.1
"""Of the distance to the far rim, the radius round a handle that goes all the way with it."""

UNSURE = 0.5
"""Of an object's mean correlation: below it attention is unsure, and ways fall off with it."""

HALVINGS = 14


def falloff(
    inside: torch.Tensor, correlation: torch.Tensor, handles: torch.Tensor, x: torch.Tensor, y: torch.Tensor
) -> torch.Tensor:
    """The share f of its way that what is at every node goes, (B, n, m) in 0..1.

    Args:
        inside: (B, n, m) share of the object at the nodes.
        correlation: (B, n, m) the strongest with the object's moving handles.
        handles: (B, k, 2) those handles, px.
        x, y: (n, m) the nodes, px.
    """
    across = x - handles[..., 0, None, None]
    distance = torch.hypot(across, y - handles[..., 1, None, None]).amin(1)
    own = inside > 0.5
    far = torch.where(own, distance, torch.zeros_like(distance)).amax((-2, -1), keepdim=True).clamp_min(1)
    near = HELD * far
    straight = 1 - ((distance - near) / (far - near)).clamp(0, 1)
    count = own.sum((-2, -1), keepdim=True).clamp_min(1)
    mean = torch.where(own, correlation, torch.zeros_like(correlation)).sum((-2, -1), keepdim=True) / count
    sure = (correlation / (UNSURE * mean).clamp_min(1e-6)).clamp(0, 1)
    # The handle's own surroundings are its own, however attention sees them.
    return straight * torch.where(distance <= near, torch.ones_like(sure), sure)


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
    place = torch.stack([x, y])
    distance = torch.hypot(x - targets[..., 0, None, None], y - targets[..., 1, None, None])
    weight = 1 / (distance**2 + 1)
    weight = weight / weight.sum(1, keepdim=True)
    way = torch.einsum("bknm,bkc->bcnm", weight, targets - handles)
    low, high = torch.zeros_like(share), torch.ones_like(share)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        from_x, from_y = (place - middle[:, None] * way).unbind(1)
        farther = look_up(share[:, None], from_x / step, from_y / step)[:, 0] >= middle
        low, high = torch.where(farther, middle, low), torch.where(farther, high, middle)
    return place - ((low + high) / 2)[:, None] * way
