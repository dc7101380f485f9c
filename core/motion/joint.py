"""Anchors outside of the element: what stays is beside it, and where it joins on is a joint.

Where a part alone is masked (an arm, a lid), an anchor on the rest says that the part hangs on there. The joint is
taken to lie where the part is near to an anchor and far from the handle, in the middle of such places and not on the
rim. A handle whose distance from it stays turns the part about it, as an arm; one that goes to or from it moves it, as
a drawer.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from ..planes.warp import coordinates, look_up
from .changes import turned_by

LATTICE = 128
"""Elements along the longer side, about, of the version of the element on which its points are told."""

FAR = 0.4
"""px nearer to an anchor that a px farther from the handle is worth, for a place to be the joint."""

SPREAD = 0.15
"""Of the root of the part's area, how much farther a place may be and still count by a third."""

LENIENCE = 0.6
"""Of a drag's length, how much its distance from the joint may change and it still turns the part."""


@dataclass(frozen=True, eq=False)
class Joined:
    """Handles and targets (B, n, 2) with every anchor outside of the element on its joint.

    Attributes:
        handles, targets: as given, but anchors outside are replaced by the joint; where the first moving handle does
            not turn the part about it, by that handle, as if they weren't there.
        hinge: (B, 2, 2) map of a part that one handle moves, about that handle; None where several handles move.
        hangs: (B,) whether every anchor lies outside, so that the hinge alone counts.
    """

    handles: torch.Tensor
    targets: torch.Tensor
    hinge: torch.Tensor | None = None
    hangs: torch.Tensor | None = None


def joined(element: torch.Tensor, handles: torch.Tensor, targets: torch.Tensor, moves: list[int]) -> Joined:
    """Where anchors outside of the element belong.

    Args:
        element: (B, H, W) in 0..1, one object.
        handles, targets: (B, n, 2) px.
        moves: indices of the pairs that are no anchors, at least one.
    """
    anchors = [index for index in range(handles.shape[1]) if index not in moves]
    if not anchors:
        return Joined(handles, targets)
    held = torch.stack([handles[:, index] for index in anchors], 1)
    there = look_up(element[:, None], held[..., 0][:, None] - 0.5, held[..., 1][:, None] - 0.5, "nearest")[:, 0, 0]
    outside = there < 0.5
    first, target = handles[:, moves[0]], targets[:, moves[0]]
    joint = _joint(element, held, outside, first)
    before, after = (torch.linalg.vector_norm(end - joint, dim=-1) for end in (first, target))
    turns = ((after - before).abs() < LENIENCE * torch.linalg.vector_norm(target - first, dim=-1))[:, None]
    from_place, to_place = (torch.where(turns, joint, end) for end in (first, target))
    starts, ends = list(handles.unbind(1)), list(targets.unbind(1))
    for at, index in enumerate(anchors):
        beside = outside[:, at, None]
        starts[index] = torch.where(beside, from_place, held[:, at])
        ends[index] = torch.where(beside, to_place, held[:, at])
    handles, targets = torch.stack(starts, 1), torch.stack(ends, 1)
    if len(moves) > 1:
        return Joined(handles, targets)
    still = torch.eye(2, device=joint.device)
    hinge = torch.where(turns[..., None], turned_by(first - joint, target - joint), still)
    return Joined(handles, targets, hinge, outside.all(1))


def _joint(element: torch.Tensor, held: torch.Tensor, outside: torch.Tensor, handle: torch.Tensor) -> torch.Tensor:
    """(B, 2) px: the joint of a part with what anchors (B, k, 2) hold, those (B, k) outside of it; (B, 2) drags it."""
    height, width = element.shape[-2:]
    step = max(max(height, width) // LATTICE, 1)
    small = F.avg_pool2d(element[:, None], step, ceil_mode=True)[:, 0].flatten(1) > 0.5
    rows, columns = -(-height // step), -(-width // step)
    y, x = ((places + 0.5) * step for places in coordinates(rows, columns, element.device))
    points = torch.stack([x.clamp(max=width - 0.5), y.clamp(max=height - 0.5)], -1).flatten(0, 1)
    distance = torch.linalg.vector_norm(points - held[:, :, None], dim=-1)
    nearest = torch.where(outside[..., None], distance, torch.full_like(distance, 2.0 * (height + width))).amin(1)
    away = nearest - FAR * torch.linalg.vector_norm(points - handle[:, None], dim=-1)
    away = torch.where(small, away, torch.full_like(away, 4.0 * (height + width)))
    scale = SPREAD * step * small.sum(1, keepdim=True).clamp_min(1).sqrt()
    weight = (-(away - away.amin(1, keepdim=True)) / scale).exp()
    return (weight[..., None] * points).sum(1) / weight.sum(1, keepdim=True)
