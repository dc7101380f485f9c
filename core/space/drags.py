"""Drags as the user gives them: pairs of a handle and a target, and clicks, in normalised image coordinates.

x and y run from 0 to 1 over the image's width and height, origin top left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Point = tuple[float, float]
PairMotion = Literal["move", "reshape", "push"]
ClickKind = Literal["add", "leave_out"]


@dataclass(frozen=True)
class DragPair:
    """One drag. ``handle`` lies inside the image; ``target`` may lie outside of it (the element then leaves).

    Attributes:
        radius: share of the image's shorter side beyond which nothing moves with the handle; None for no limit.
        group: number of the object that it drags; None: found.
        motion: whether its object moves, is reshaped or pushes what lies round it; None: found.
        size: by how many steps what belongs to it is larger, or below 0 smaller, than what is found.
    """

    handle: Point
    target: Point
    radius: float | None = None
    group: int | None = None
    motion: PairMotion | None = None
    size: int = 0

    @property
    def is_anchor(self) -> bool:
        """Handle and target are the same: what belongs to the handle is held where it is."""
        return self.handle == self.target


@dataclass(frozen=True)
class Click:
    """What lies at a point inside the image belongs to an object, or does not.

    Attributes:
        kind: "add" or "leave_out".
        group: number of the object; None: found.
    """

    at: Point
    kind: ClickKind
    group: int | None = None


@dataclass(frozen=True)
class DragPoints:
    """All drags of one edit.

    Attributes:
        pairs: at least one.
        image_size: (height, width) in pixels of the image that the points were set on; None when unknown.
        clicks: what mends the objects of the pairs.
        pictures: where every picture of a batch has drags of its own, those of each; the first's are these.
    """

    pairs: tuple[DragPair, ...]
    image_size: tuple[int, int] | None = None
    clicks: tuple[Click, ...] = ()
    pictures: tuple[DragPoints, ...] = ()

    def on_image(self, height: int, width: int) -> DragPoints:
        """The same drags, bound to an image of this size in pixels."""
        each = tuple(one.on_image(height, width) for one in self.pictures)
        return replace(self, image_size=(height, width), pictures=each)

    def __len__(self) -> int:
        return len(self.pairs)
