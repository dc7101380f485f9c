"""What of an element goes where anchors say that something of it stays.

An anchor on the frame of a door means the frame, one on what turns or is stretched means the point about which it does.
What belongs to a handle is asked with the anchors told (``belonging``), and the answer is what goes as one piece where
that is asked for; the rest of the element stays, and where the two join is a joint (``motion.joint``).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from ..planes.guided_filter import box_mean
from ..space.grid import Grid
from ..space.points import DragPoints
from .asking import objects_in
from .sight import Sight

SOFT = 1
"""Half width in small pixels of the seam between what goes and what stays."""


def parts_ways(points: DragPoints) -> bool:
    """Whether there is something to ask: an anchor beside a handle that moves."""
    return len({pair.is_anchor for pair in points.pairs}) == 2


def going(sights: Sequence[Sight], element: torch.Tensor, grid: Grid, points: DragPoints) -> torch.Tensor:
    """(B, H, W) float32 in 0..1, on the sights' device: what of the element goes by itself; no waiting.

    Args:
        sights: at each picture, of the handles and then the clicks of ``points``.
        element: (B, H, W) in 0..1, whoever found it.
        grid: of the picture.
        points: the drags; ``parts_ways`` of them.
    """
    places = [grid.pixel_at(pair.handle) for pair in points.pairs if pair.is_anchor]
    element = element.to(sights[0].pieces.area)
    found = []
    for whole, own in zip(element, moving(sights, element, grid, points), strict=True):
        # Of a mask beside which all anchors lie, nothing stays: whoever drew it has said what goes.
        holds = torch.stack([whole[y, x] > 0.5 for y, x in places]).any()
        found.append(torch.where(holds, own, whole))
    return torch.stack(found)


def moving(sights: Sequence[Sight], element: torch.Tensor, grid: Grid, points: DragPoints) -> torch.Tensor:
    """(B, H, W) in 0..1: what of the element belongs to the handles that are no anchors; arguments as for ``going``."""
    numbers = [number for number, pair in enumerate(points.pairs) if not pair.is_anchor]
    planes = []
    for sight, whole in zip(sights, element.to(sights[0].pieces.area), strict=True):
        each = objects_in(sight, points, keep_connected=True)
        goes = torch.stack([each[number] for number in numbers]).amax(0)
        soft = box_mean(sight.pieces.spread(goes)[None, None], SOFT)
        share = F.interpolate(soft, size=whole.shape, mode="bilinear", align_corners=False)[0, 0].clamp(0, 1)
        for y, x in (grid.pixel_at(points.pairs[number].handle) for number in numbers):
            share[y, x] = 1
        planes.append(share * whole)
    return torch.stack(planes)
