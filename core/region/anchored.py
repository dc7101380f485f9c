"""What of an element goes where anchors say that something of it stays.

An anchor on the frame of a door means the frame, one on what turns or is stretched means the point about which it does.
What belongs to a handle is asked with the anchors told (``belonging``), and the answer is what goes. Where a good part
of its outline lies on the rest of the element, that stays, and where the two join is a joint (``motion.joint``);
where little does, the element is one object that bends between handle and anchors (``motion.piece``).
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

ATTACHED = 0.2
"""Share of the outline of what goes that lies on what stays from which the two part: a drawer and its chest. What hangs
on by less, as a head by its neck, bends with the rest as one object. Of 31 validation scenes with anchors, where the
truth changed, parting them lost 0.5 dB and more in seven, four of which have 0.00 to 0.07, and gained as much in seven,
six of which have 0.25 and more."""

INSIDE = 0.5
"""Share of a piece from which it belongs."""

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
    moved, each = moving(sights, element, grid, points)
    found = []
    for sight, whole, own, goes in zip(sights, element, moved, each, strict=True):
        pieces = sight.pieces
        small = F.interpolate(whole[None, None], size=pieces.labels.shape, mode="area")[0, 0]
        stays = (pieces.average(small) > INSIDE).to(goes) * (1 - goes)
        outline = goes @ pieces.shared
        attached = outline @ stays >= ATTACHED * (outline @ (1 - goes)).clamp_min(1)
        # Of a mask beside which all anchors lie, nothing stays: whoever drew it has said what goes.
        holds = torch.stack([whole[y, x] > 0.5 for y, x in places]).any()
        found.append(torch.where(holds & attached, own, whole))
    return torch.stack(found)


def moving(
    sights: Sequence[Sight], element: torch.Tensor, grid: Grid, points: DragPoints
) -> tuple[torch.Tensor, torch.Tensor]:
    """What of the element belongs to the handles that are no anchors, whether it goes by itself or not.

    Args:
        sights, element, grid, points: as for ``going``.

    Returns:
        (B, H, W) in 0..1, and (B, N) of 0 and 1, the pieces.
    """
    numbers = [number for number, pair in enumerate(points.pairs) if not pair.is_anchor]
    planes, every = [], []
    for sight, whole in zip(sights, element.to(sights[0].pieces.area), strict=True):
        each = objects_in(sight, points, keep_connected=True)
        goes = torch.stack([each[number] for number in numbers]).amax(0)
        soft = box_mean(sight.pieces.spread(goes)[None, None], SOFT)
        share = F.interpolate(soft, size=whole.shape, mode="bilinear", align_corners=False)[0, 0].clamp(0, 1)
        for y, x in (grid.pixel_at(points.pairs[number].handle) for number in numbers):
            share[y, x] = 1
        planes.append(share * whole)
        every.append(goes)
    return torch.stack(planes), torch.stack(every)
