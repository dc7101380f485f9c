"""Drags as the user gives them: pairs of a handle and a target, in normalised image coordinates.

The stored form is versioned JSON::

    {"version": 1, "pairs": [{"handle": [x, y], "target": [x, y], "radius": r}]}

x and y run from 0 to 1 over the image's width and height, origin top left. ``radius`` is optional, in units
of the image's shorter side: cells further than that from the handle never move with it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..errors import InputError

VERSION = 1
MAX_PAIRS = 256

Point = tuple[float, float]


@dataclass(frozen=True)
class DragPair:
    """One drag. ``handle`` lies inside the image; ``target`` may lie outside of it (the element then leaves)."""

    handle: Point
    target: Point
    radius: float | None = None

    @property
    def is_anchor(self) -> bool:
        """Handle and target are the same: what belongs to the handle is held where it is."""
        return self.handle == self.target


@dataclass(frozen=True)
class DragPoints:
    """All drags of one edit.

    Attributes:
        pairs: at least one.
        image_size: (height, width) in pixels of the image that the points were set on; None when unknown.
    """

    pairs: tuple[DragPair, ...]
    image_size: tuple[int, int] | None = None

    def on_image(self, height: int, width: int) -> DragPoints:
        """The same drags, bound to an image of this size in pixels."""
        return replace(self, image_size=(height, width))

    def __len__(self) -> int:
        return len(self.pairs)


def parse_points(text: str) -> DragPoints:
    """Reads the stored form.

    Raises:
        InputError: not JSON, another version, no pairs, a pair that lacks an end, a coordinate that is not a
            finite number, a handle outside the image, a radius that is not positive. The message names the
            pair (counted from 1) and the value.
    """
    try:
        data = json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        shown = text if isinstance(text, str) else repr(text)
        raise InputError(
            "points",
            f"not valid JSON ({error}): {_short(shown)}",
            "Draw the drags again in the picker, or paste text like "
            '{"version": 1, "pairs": [{"handle": [0.3, 0.5], "target": [0.6, 0.5]}]}.',
        ) from error
    return points_from_data(data)


def points_from_data(data: Any) -> DragPoints:
    """As ``parse_points``, from already decoded JSON."""
    if not isinstance(data, Mapping):
        raise InputError(
            "points",
            f"expected an object with 'version' and 'pairs', got {_short(json.dumps(data))}.",
            "Draw the drags again in the picker.",
        )
    version = data.get("version")
    if isinstance(version, bool) or not isinstance(version, int):
        raise InputError("points", f"'version' is {version!r}.", f"Set it to {VERSION}.")
    if version != VERSION:
        raise InputError(
            "points",
            f"stored in version {version}, this pack reads version {VERSION}.",
            "Update ComfyUI-AttentionDrag." if version > VERSION else "Draw the drags again in the picker.",
        )
    pairs = data.get("pairs")
    if not isinstance(pairs, list):
        raise InputError("points", f"'pairs' is {_short(repr(pairs))}, not a list.", "Draw the drags again.")
    if not pairs:
        raise InputError("points", "there are no drags.", "Draw at least one, from the handle to its target.")
    if len(pairs) > MAX_PAIRS:
        raise InputError("points", f"{len(pairs)} drags.", f"Use {MAX_PAIRS} at the most.")
    return DragPoints(tuple(_pair(number, pair) for number, pair in enumerate(pairs, start=1)))


def make_points(pairs: Iterable[tuple[Point, Point]], radius: float | None = None) -> DragPoints:
    """Drags from (handle, target) tuples in normalised coordinates, checked as ``parse_points`` checks them."""
    entries: list[dict[str, Any]] = []
    for handle, target in pairs:
        entry: dict[str, Any] = {"handle": list(handle), "target": list(target)}
        if radius is not None:
            entry["radius"] = radius
        entries.append(entry)
    return points_from_data({"version": VERSION, "pairs": entries})


def points_to_json(points: DragPoints) -> str:
    """The stored form of the drags; ``parse_points`` gives them back exactly."""
    pairs = []
    for pair in points.pairs:
        entry: dict[str, Any] = {"handle": list(pair.handle), "target": list(pair.target)}
        if pair.radius is not None:
            entry["radius"] = pair.radius
        pairs.append(entry)
    return json.dumps({"version": VERSION, "pairs": pairs})


def _pair(number: int, data: Any) -> DragPair:
    if not isinstance(data, Mapping):
        raise InputError("points", f"drag {number} is {_short(repr(data))}.", "Draw it again.")
    handle = _point(number, "handle", data)
    target = _point(number, "target", data)
    if not (0 <= handle[0] <= 1 and 0 <= handle[1] <= 1):
        raise InputError(
            "points",
            f"drag {number}: the handle {list(handle)} lies outside the image.",
            "Both numbers go from 0 to 1 (a share of the width and the height, not pixels).",
        )
    if not all(-4 <= value <= 5 for value in target):
        raise InputError(
            "points",
            f"drag {number}: the target {list(target)} lies far outside the image.",
            "Give it as a share of the width and the height, not in pixels.",
        )
    radius = data.get("radius")
    if radius is not None:
        if not _is_number(radius) or radius <= 0:
            raise InputError(
                "points",
                f"drag {number}: the radius is {_short(repr(radius))}.",
                "Use a positive share of the image's shorter side, or leave it out.",
            )
        radius = float(radius)
    return DragPair(handle, target, radius)


def _point(number: int, end: str, data: Mapping[str, Any]) -> Point:
    value = data.get(end)
    if value is None:
        raise InputError("points", f"drag {number} has no {end}.", f"Set its {end}, or delete the drag.")
    if not isinstance(value, (list, tuple)) or len(value) != 2 or not all(_is_number(v) for v in value):
        raise InputError(
            "points", f"drag {number}: the {end} is {_short(repr(value))}.", "Use two finite numbers, [x, y]."
        )
    return float(value[0]), float(value[1])


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _short(text: str, limit: int = 80) -> str:
    return text if len(text) <= limit else f"{text[:limit]}…"
