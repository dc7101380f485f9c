"""Anchors outside of the element: what stays is beside it, and where it joins on is a joint.

Where a part alone is masked (an arm, a lid), an anchor on the rest says that the part hangs on there. A handle at the
part's far end then turns it about its point nearest to the anchor; a handle in its middle moves it, as a drawer.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from ..planes.warp import coordinates, look_up

LATTICE = 128
"""Elements along the longer side, about, of the version of the element on which its points are told."""

FAR_END = 0.7
"""Of the distance from the joint to the element's farthest point, from which a handle turns the part about it."""


def joined(
    element: torch.Tensor, handles: torch.Tensor, targets: torch.Tensor, moves: list[int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Handles and targets (B, n, 2) with every anchor outside of the element on its joint.

    Args:
        element: (B, H, W) in 0..1, one object.
        handles, targets: (B, n, 2) px.
        moves: indices of the pairs that are no anchors, at least one.

    Returns:
        As given, but anchors outside are replaced: by the joint, the element's point nearest to the nearest of them, or
        where the first moving handle is not at the part's far end from there, by that handle, as if they weren't there.
    """
    anchors = [index for index in range(handles.shape[1]) if index not in moves]
    if not anchors:
        return handles, targets
    height, width = element.shape[-2:]
    step = max(max(height, width) // LATTICE, 1)
    small = F.avg_pool2d(element[:, None], step, ceil_mode=True)[:, 0].flatten(1) > 0.5
    rows, columns = -(-height // step), -(-width // step)
    y, x = ((places + 0.5) * step for places in coordinates(rows, columns, element.device))
    points = torch.stack([x.clamp(max=width - 0.5), y.clamp(max=height - 0.5)], -1).flatten(0, 1)
    held = handles[:, anchors]
    there = look_up(element[:, None], held[..., 0][:, None] - 0.5, held[..., 1][:, None] - 0.5, "nearest")[:, 0, 0]
    outside = there < 0.5
    distance = torch.linalg.vector_norm(points - held[:, :, None], dim=-1)
    beyond = torch.where(small[:, None] & outside[..., None], distance, torch.full_like(distance, torch.inf)).amin(1)
    joint = points[beyond.argmin(1)][:, None]
    first, target = handles[:, moves[:1]], targets[:, moves[:1]]
    reach = torch.linalg.vector_norm(points - joint, dim=-1)
    farthest = torch.where(small, reach, torch.zeros_like(reach)).amax(1)
    turns = torch.linalg.vector_norm(first - joint, dim=-1) >= FAR_END * farthest[:, None]
    from_place, to_place = (torch.where(turns[..., None], joint, end) for end in (first, target))
    handles, targets = handles.clone(), targets.clone()
    handles[:, anchors] = torch.where(outside[..., None], from_place, held)
    targets[:, anchors] = torch.where(outside[..., None], to_place, held)
    return handles, targets
