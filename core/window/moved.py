"""What a full-size pixel of a window shows: its own detail as it arrives, and on top of it what the model changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from ..motion.lookup import carry, origins
from ..motion.movement import Movement
from ..planes.guided_filter import guided_upsample
from ..planes.morphology import dilate, soften
from ..planes.warp import coordinates, look_up
from .enlarged import Part, enlarged

HOLE = 4
"""px at the edited size round the element that show what is behind it, as far as the edit is shown at all: antialiasing
and shadow let its colours bleed that far (``fill.background``)."""

CHANGED = 8 / 255
"""From which difference on what an unknown edit made of a pixel replaces it, detail and all."""

RADIUS, EPSILON = 4, 1e-4
"""Of the guided filter that draws the element's outline at full size, in edited px and squared colour."""


@dataclass(frozen=True, eq=False)
class Layers:
    """What is enlarged and what is looked up; planes (1, C, h, w) at the edited size where nothing else is said.

    Attributes:
        change: what the edit is more than the plain composition.
        behind: what is shown where something was.
        hole: share of each pixel that shows it.
        ways: from where something arrives to where it was, (x, y) in px at full size; None where nothing moved.
        arrives: 1 where something arrives, or next to it.
        full: (1, 3 + 1, H, W) source and element at full size.
        plate: (1, 3, H, W) what is shown instead of ``behind`` where that is known at full size.
    """

    change: torch.Tensor
    behind: torch.Tensor
    hole: torch.Tensor
    ways: torch.Tensor | None = None
    arrives: torch.Tensor | None = None
    full: torch.Tensor | None = None
    plate: torch.Tensor | None = None

    def at(self, source: torch.Tensor, part: Part) -> torch.Tensor:
        """The stitched pixels (1, 3, n, m) of a part, of its own pixels ``source`` (1, 3, n, m)."""
        if self.plate is None:
            behind = part.enlarged(self.behind, "bicubic")
        else:
            behind = look_up(self.plate, part.x, part.y, "nearest")
        result = source + part.enlarged(self.hole) * (behind - source)
        if self.full is not None and self.ways is not None and self.arrives is not None:
            way = part.enlarged(self.ways)
            carried = look_up(self.full, part.x + way[:, 0], part.y + way[:, 1])
            share = carried[:, 3:] * part.enlarged(self.arrives, "nearest")
            result = result + share * (carried[:, :3] - result)
        return result + part.enlarged(self.change, "bicubic")


def unmoved_layers(small: torch.Tensor, edited: torch.Tensor) -> Layers:
    """Of an edit (1, 3, h, w) of a window of which nothing else is known: what it changed visibly replaces the picture,
    what it changed slightly, as a round trip through an autoencoder does, is added to it."""
    changed = ((edited - small).abs().amax(1) > CHANGED).float()
    hole = soften(soften(changed, 2), 0, 3)[:, None]
    return Layers((1 - hole) * (edited - small), edited, hole)


def moved_layers(
    source: torch.Tensor,
    small: torch.Tensor,
    edited: torch.Tensor,
    movement: Movement,
    shown: torch.Tensor,
    behind: tuple[torch.Tensor, torch.Tensor] | None = None,
    element: torch.Tensor | None = None,
) -> Layers:
    """Of an edit whose movement is known.

    Args:
        source: (1, 3, H, W) the window at full size.
        small, edited: (1, 3, h, w) as it was and as it became.
        movement: of one picture, on ``small``.
        shown: (1, 1, h, w) where the edit is shown.
        behind: a clean plate at full size and at the edited size.
        element: (1, 1, H, W) what moves, where it is known at full size; None draws its outline along the edges there.
    """
    carried, share = carry(small.movedim(1, -1), movement)
    share = share[:, None]
    hole = soften(movement.hole_pixels(HOLE).float(), 0, 2)[:, None] * (shown == 1)
    hole = hole.cpu()
    base = small + hole * ((edited if behind is None else behind[1]) - small)
    change = edited - (base + share * (carried.movedim(-1, 1) - base))
    if element is None:
        element = outlined(movement.element[:, None].cpu(), small, source)
    scale = torch.tensor([source.shape[-1] / small.shape[-1], source.shape[-2] / small.shape[-2]])
    y, x = coordinates(*small.shape[-2:])
    ways = (origins(movement).cpu() - torch.stack([x + 0.5, y + 0.5])) * scale[:, None, None]
    arrives = dilate((share[:, 0] > 0).float(), 1)[:, None]
    plate = None if behind is None else behind[0]
    return Layers(change, edited, hole, ways, arrives, torch.cat([source, element.to(source)], 1), plate)


def outlined(element: torch.Tensor, small: torch.Tensor, full: torch.Tensor) -> torch.Tensor:
    """An element (1, 1, h, w) on a small picture at the size of the full one, its outline along the edges there."""
    size = (full.shape[-2], full.shape[-1])
    whole = full.new_zeros(1, 1, *size)
    box = _box(element, small, size)
    if box is None:
        return whole
    here, there = box
    element, guide, picture = element[here], small[here], full[there]
    drawn = guided_upsample(element, guide, picture, RADIUS, EPSILON).clamp(0, 1)
    size = (picture.shape[-2], picture.shape[-1])
    inside, outside = (dilate((one[:, 0] > 0.5).float(), 2)[:, None] for one in (element, 1 - element))
    near = F.interpolate(inside * outside, size=size, mode="nearest-exact")
    whole[there] = torch.where(near > 0, drawn, enlarged(element, size))
    return whole


def _box(element: torch.Tensor, small: torch.Tensor, size: tuple[int, int]) -> tuple[Any, Any] | None:
    """Where an element is, with what its outline is drawn by, in the small and in the full picture; None for nowhere.

    The two may lie half a pixel of the full picture apart, which a soft outline does not show.
    """
    here: list[slice] = []
    there: list[slice] = []
    for axis, length, whole in zip((1, 0), small.shape[-2:], size, strict=True):
        rows = (element[0, 0] > 0).any(axis).nonzero().flatten().tolist()
        if not rows:
            return None
        first, last = max(rows[0] - 4 * RADIUS, 0), min(rows[-1] + 1 + 4 * RADIUS, length)
        here.append(slice(first, last))
        there.append(slice(round(first * whole / length), round(last * whole / length)))
    return (..., *here), (..., *there)
