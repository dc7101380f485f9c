"""Where the window of an edit lies, and the scale at which it is edited.

It holds handles, targets, clicks, the element where it is known, before and after the drag, and ``context`` round all
of that. Its area at the edited size is the model's own, so what needs more room is edited smaller. Several drags share
one window, however far apart they are: they are one inversion, and what one leaves another may come to.

A window must not follow every pixel of a target, since each one has its own inversion. What it has to hold is therefore
rounded outwards to a lattice of a quarter of the model's side, and everything else follows from that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch

from ..errors import InputError
from ..space.drags import DragPoints, Point

Context: TypeAlias = "Literal['auto', 'whole'] | int"
"""How far round an edit a window reaches: by itself, over the whole picture, or px of the picture."""

Box = tuple[float, float, float, float]
"""left, top, right, bottom in px of the picture."""

FEATHER = 16
"""px at the edited size over which an edit ends towards a border of the window inside the picture: what moves keeps at
least so far from it, or it would end within."""

SURROUNDINGS = 1 / 8
"""Of the model's side, at the edited size: what "auto" keeps round everything that moves."""

LATTICE = 4
"""Steps of the lattice along the model's side."""

LADDER = 2**0.25
"""From one scale to the next smaller one."""

LONGEST = 2.0
"""Of the model's side, how long a window may be at the edited size, rather than be edited smaller."""

SMALLEST = 64
"""px along a side at the edited size: the eight cells that a U-Net of four resolutions halves to one."""

FARTHEST = 4.0
"""Window sides that a target may lie beyond the window, as points are stored (``space.points``)."""


@dataclass(frozen=True)
class Window:
    """A rectangle of a picture, and the size at which it is edited.

    Attributes:
        picture: (height, width) of the picture, px.
        top, left, height, width: the rectangle, px of the picture.
        edited: (height, width) at which it is edited, px.
    """

    picture: tuple[int, int]
    top: int
    left: int
    height: int
    width: int
    edited: tuple[int, int]

    @classmethod
    def whole(cls, height: int, width: int) -> Window:
        """All of a picture, at its own size."""
        return cls((height, width), 0, 0, height, width, (height, width))

    @property
    def is_whole(self) -> bool:
        """Whether it is the picture as it is."""
        return self == Window.whole(*self.picture)

    @property
    def scale(self) -> float:
        """Edited px for one of the picture's, 1 or less."""
        return math.sqrt(self.edited[0] * self.edited[1] / (self.height * self.width))

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in px of the picture."""
        return self.height, self.width

    @property
    def rows(self) -> slice:
        """Of the picture."""
        return slice(self.top, self.top + self.height)

    @property
    def columns(self) -> slice:
        """Of the picture."""
        return slice(self.left, self.left + self.width)

    def enter(self, point: Point) -> Point:
        """A point of the picture as one of the window, both normalised."""
        height, width = self.picture
        return (point[0] * width - self.left) / self.width, (point[1] * height - self.top) / self.height

    def leave(self, point: Point) -> Point:
        """A point of the window as one of the picture, both normalised."""
        height, width = self.picture
        return (point[0] * self.width + self.left) / width, (point[1] * self.height + self.top) / height

    def __str__(self) -> str:
        if self.is_whole:
            return f"the whole picture of {self.width}x{self.height} px"
        place = f"a window of {self.width}x{self.height} px at ({self.left}, {self.top})"
        if self.edited == self.size:
            return place
        return (
            f"{place}, edited at {self.edited[1]}x{self.edited[0]} px: 1/{1 / self.scale:.3g} of its size, since the "
            "drag and what it moves need that much room"
        )


def plan_window(
    size: tuple[int, int],
    points: DragPoints,
    native_px: int,
    context: Context = "auto",
    masks: Sequence[torch.Tensor] = (),
) -> Window:
    """The window of an edit.

    Args:
        size: (height, width) of the picture, px.
        points: the drags; of a batch whose pictures have their own, one window holds all of them.
        native_px: side of the pictures that the model was trained on.
        context: px of the picture round all that moves (``FEATHER`` of the edited size at least), or "auto"; "whole"
            takes the picture as it is.
        masks: each (B, h, w), what moves where it is known, at any size: it covers the whole picture.

    Returns:
        The whole picture at its own size where it is no larger than the model's own area.

    Raises:
        InputError: a negative context, or another word.
    """
    check_context(context)
    height, width = size
    room = native_px**2
    if context == "whole" or height * width <= room:
        return Window.whole(height, width)
    needed = needed_box(size, points, masks)
    whole = overview(size, native_px)
    scale = 1.0
    while scale > whole.scale:
        found = _at(scale, size, needed, native_px, context)
        if found is not None:
            return found
        scale /= LADDER
    return whole


def overview(size: tuple[int, int], native_px: int) -> Window:
    """All of a picture, at the model's own area where it is larger."""
    height, width = size
    return _rectangle(size, (0, 0, width, height), min(1.0, math.sqrt(native_px**2 / (height * width))))


def check_context(context: Context) -> None:
    """Raises an ``InputError`` for anything but "auto", "whole" and a number of px that isn't negative."""
    if context in ("auto", "whole"):
        return
    if isinstance(context, bool) or not isinstance(context, int):
        raise InputError("window", f"{context!r}.", "Use 'auto', 'whole', or px of surroundings.")
    if context < 0:
        raise InputError("window", f"{context} px.", "Use 0 px of surroundings or more, 'auto', or 'whole'.")


def read_context(text: str) -> Context:
    """A context as it is typed: "auto", "whole" or a number of px.

    Raises:
        InputError: anything else.
    """
    word = text.strip()
    context: Context = word if word in ("auto", "whole") else _number(word)  # type: ignore[assignment]
    check_context(context)
    return context


def _number(word: str) -> int | str:
    digits = word.removesuffix("px").strip()
    try:
        return int(digits)
    except ValueError:
        return word


def needed_box(size: tuple[int, int], points: DragPoints, masks: Sequence[torch.Tensor] = ()) -> Box:
    """The part of the picture that handles, targets, clicks and what moves lie in, before the drag and after it.

    What is in a mask is taken to go each of the drags' ways whole; what leaves the picture ends at its border.
    """
    height, width = size
    each = points.pictures or (points,)
    places = [end for one in each for pair in one.pairs for end in (pair.handle, pair.target)]
    places += [click.at for one in each for click in one.clicks]
    ways = [(0.0, 0.0)]
    for one in each:
        ways += [(pair.target[0] - pair.handle[0], pair.target[1] - pair.handle[1]) for pair in one.pairs]
    for mask in masks:
        for left, top, right, bottom in _extents(mask):
            places += [(x + dx, y + dy) for dx, dy in ways for x in (left, right) for y in (top, bottom)]
    spans = []
    for axis, length in ((0, width), (1, height)):
        ends = [place[axis] for place in places]
        first, last = (min(max(end, 0.0), 1.0) * length for end in (min(ends), max(ends)))
        # However far a target lies beyond the picture, it stays within what points can be stored as.
        before, behind = (min(max(beyond, 0.0) / FARTHEST, 1.0) * length for beyond in (-min(ends), max(ends) - 1))
        spans.append((min(first, length - behind), max(last, before)))
    (left, right), (top, bottom) = spans
    return left, top, right, bottom


def _extents(mask: torch.Tensor) -> list[Box]:
    """The boxes, as shares of the picture, that hold each picture's mask; none of an empty one."""
    boxes = []
    for one in mask.reshape(-1, *mask.shape[-2:]):
        inside = one > 0.5
        rows, columns = (inside.any(axis).nonzero().flatten().tolist() for axis in (1, 0))
        if rows:
            height, width = inside.shape
            boxes.append((columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height))
    return boxes


def _at(scale: float, size: tuple[int, int], needed: Box, native_px: int, context: Context) -> Window | None:
    """The window at a scale, or None if what it has to hold is larger than the model's own area."""
    side = native_px / scale
    step = side / LATTICE
    margin = SURROUNDINGS * side
    if context != "auto":
        # No more than "auto" keeps, were a model's own size as small as that.
        margin = max(float(context), min(FEATHER / scale, margin))
    least = side if context == "auto" else SMALLEST / scale
    room = native_px**2 / scale**2
    spans = [
        _on_lattice(first - margin, last + margin, step, length)
        for first, last, length in zip(needed[:2], needed[2:], (size[1], size[0]), strict=True)
    ]
    lengths = [last - first for first, last in spans]
    strip = min(size) * LONGEST >= side and max(lengths) > LONGEST * side
    if strip or lengths[0] * lengths[1] > room * (1 + 1e-9):
        return None
    # What is short is made as long as the other leaves room for, up to the model's own side.
    for axis in (0, 1):
        lengths[axis] = max(lengths[axis], min(least, room / max(lengths[1 - axis], 1.0)))
    (left, right), (top, bottom) = (
        _widened(*span, wanted, step, length)
        for span, wanted, length in zip(spans, lengths, (size[1], size[0]), strict=True)
    )
    return _rectangle(size, (left, top, right, bottom), scale)


def _on_lattice(first: float, last: float, step: float, length: int) -> tuple[float, float]:
    """A span rounded outwards to the lattice, within the picture."""
    return max(math.floor(first / step) * step, 0.0), min(math.ceil(last / step) * step, float(length))


def _widened(first: float, last: float, wanted: float, step: float, length: int) -> tuple[float, float]:
    """A span made as long as wanted to both of its sides, by whole steps to the left, within the picture."""
    wanted = min(wanted, float(length))
    before = math.floor((wanted - (last - first)) / step / 2) * step
    start = min(max(first - max(before, 0.0), 0.0), length - wanted)
    return start, max(start + wanted, last)


def _rectangle(size: tuple[int, int], box: Box, scale: float) -> Window:
    left, top = (round(value) for value in box[:2])
    right, bottom = min(round(box[2]), size[1]), min(round(box[3]), size[0])
    height, width = bottom - top, right - left
    edited = [min(max(round(side * scale), 1), side) for side in (height, width)]
    return Window(size, top, left, height, width, (edited[0], edited[1]))
