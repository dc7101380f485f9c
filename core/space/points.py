"""Drags as they are stored and given: versioned JSON, read with errors that a user can mend.

::

    {"version": 1, "pairs": [{"handle": [x, y], "target": [x, y], "radius": r}]}

x and y run from 0 to 1 over the image's width and height, origin top left. ``radius`` is optional, in units
of the image's shorter side: cells further than that from the handle never move with it.

Version 2 says more, and is written only where something of it is used::

    {"version": 2,
     "pairs": [{"handle": [x, y], "target": [x, y], "radius": r, "group": n, "motion": "move", "size": s}],
     "clicks": [{"at": [x, y], "kind": "add", "group": n}]}

Pairs with the same ``group`` (1 to 256) drag one object, pairs with different groups drag different ones; which object
a pair without a group drags is found. ``motion`` is "move", "reshape" or "push"; without it, it is found, too. ``size``
(-9 to 9) takes the next larger or smaller thing than what is found, so many times. ``clicks`` mend what belongs to the
handles: "add" takes what is there, "leave_out" takes it away, for the object of ``group`` or, without one, for that
which is found.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ..errors import InputError
from ..options import choices
from .drags import Click, ClickKind, DragPair, DragPoints, PairMotion, Point

VERSIONS = (1, 2)
MAX_PAIRS = 256
MAX_CLICKS = 256
MAX_GROUP = 256
MAX_SIZE = 9
SECOND = ("group", "motion", "size")
"""What version 1 has not of a pair."""


def parse_points(text: str) -> DragPoints:
    """Reads the stored form, or a list of it: drags for every picture of a batch, in its order.

    Raises:
        InputError: not JSON, another version, no pairs, a pair that lacks an end, a coordinate that is not a finite
            number, a handle or click outside the image, a radius that is not positive, a group, motion, size or kind
            that there is not. The message names the drag or click (counted from 1) and the value.
    """
    if isinstance(text, str) and not text.strip():
        raise _none_drawn()
    try:
        data = json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        shown = text if isinstance(text, str) else repr(text)
        raise InputError(
            "points",
            f'"{_short(shown)}" is not valid JSON ({error}).',
            "Draw the drags again in the picker, or paste text like "
            '{"version": 1, "pairs": [{"handle": [0.3, 0.5], "target": [0.6, 0.5]}]}.',
        ) from error
    return points_of_each(data) if isinstance(data, list) else points_from_data(data)


def points_of_each(data: list[Any]) -> DragPoints:
    """Drags of every picture of a batch, from already decoded JSON.

    Raises:
        InputError: as ``parse_points``, with the picture's number (counted from 1); or there is no picture.
    """
    if not data:
        raise InputError("points", "[] holds no picture's drags.", "Give the drags of one picture after the other.")
    each = []
    for number, one in enumerate(data, start=1):
        try:
            each.append(points_from_data(one))
        except InputError as error:
            raise InputError("points", f"picture {number}: {error.problem}", error.mend) from error
    return replace(each[0], pictures=tuple(each))


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
        raise InputError("points", f"'version' is {version!r}.", f"Set it to {VERSIONS[-1]}.")
    if version not in VERSIONS:
        raise InputError(
            "points",
            f"stored in version {version}, this pack reads versions {', '.join(map(str, VERSIONS))}.",
            "Update ComfyUI-AttentionDrag." if version > VERSIONS[-1] else "Draw the drags again in the picker.",
        )
    if version == 1 and data.get("clicks") is not None:
        raise _newer("'clicks'")
    pairs = _list(data.get("pairs"), "pairs", "drags", MAX_PAIRS)
    if not pairs:
        raise _none_drawn()
    clicks = data.get("clicks")
    clicks = [] if clicks is None else _list(clicks, "clicks", "clicks", MAX_CLICKS)
    return DragPoints(
        tuple(_pair(f"drag {number}", pair, version) for number, pair in enumerate(pairs, start=1)),
        clicks=tuple(_click(f"click {number}", click) for number, click in enumerate(clicks, start=1)),
    )


def make_points(
    pairs: Iterable[tuple[Point, Point]], radius: float | None = None, clicks: Iterable[tuple[Point, str]] = ()
) -> DragPoints:
    """Drags from (handle, target) and clicks from (at, kind) tuples, checked as ``parse_points`` checks them."""
    entries: list[dict[str, Any]] = []
    for handle, target in pairs:
        entry: dict[str, Any] = {"handle": list(handle), "target": list(target)}
        if radius is not None:
            entry["radius"] = radius
        entries.append(entry)
    clicked = [{"at": list(at), "kind": kind} for at, kind in clicks]
    return points_from_data({"version": VERSIONS[-1], "pairs": entries, "clicks": clicked})


def points_to_json(points: DragPoints) -> str:
    """The stored form of the drags, in the oldest version that has all of it; ``parse_points`` gives them back."""
    if points.pictures:
        return f"[{', '.join(points_to_json(one) for one in points.pictures)}]"
    pairs = [_entry(pair, "handle", "target", "radius", "group", "motion", "size") for pair in points.pairs]
    clicks = [_entry(click, "at", "kind", "group") for click in points.clicks]
    if not clicks and not any(key in entry for entry in pairs for key in SECOND):
        return json.dumps({"version": 1, "pairs": pairs})
    return json.dumps({"version": 2, "pairs": pairs} | ({"clicks": clicks} if clicks else {}))


def _entry(held: DragPair | Click, *names: str) -> dict[str, Any]:
    """What is set of the attributes of these names, as JSON holds it."""
    values = {name: getattr(held, name) for name in names}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items() if value}


def _pair(name: str, data: Any, version: int) -> DragPair:
    if not isinstance(data, Mapping):
        raise InputError("points", f"{name} is {_short(repr(data))}.", "Draw it again.")
    handle = _inside(name, "handle", data)
    target = _point(name, "target", data)
    if not all(-4 <= value <= 5 for value in target):
        raise InputError(
            "points",
            f"{name}: the target {list(target)} lies far outside the image.",
            "Give it as a share of the width and the height, not in pixels.",
        )
    radius = data.get("radius")
    if radius is not None:
        if not _is_number(radius) or radius <= 0:
            raise InputError(
                "points",
                f"{name}: the radius is {_short(repr(radius))}.",
                "Use a positive share of the image's shorter side, or leave it out.",
            )
        radius = float(radius)
    if version == 1:
        for key in SECOND:
            if data.get(key) is not None:
                raise _newer(f"{name}: '{key}'")
        return DragPair(handle, target, radius)
    motion = data.get("motion")
    if motion is not None and motion not in choices(PairMotion):
        raise InputError(
            "points",
            f"{name}: the motion is {_short(repr(motion))}.",
            f"Use {_quoted(PairMotion)}, or leave it out.",
        )
    return DragPair(handle, target, radius, _group(name, data), motion, _size(name, data))


def _click(name: str, data: Any) -> Click:
    if not isinstance(data, Mapping):
        raise InputError("points", f"{name} is {_short(repr(data))}.", "Set it again.")
    kind = data.get("kind")
    if kind not in choices(ClickKind):
        raise InputError("points", f"{name}: the kind is {_short(repr(kind))}.", f"Use {_quoted(ClickKind)}.")
    return Click(_inside(name, "at", data), kind, _group(name, data))


def _size(name: str, data: Mapping[str, Any]) -> int:
    size = data.get("size")
    if size is None:
        return 0
    if isinstance(size, bool) or not isinstance(size, int) or abs(size) > MAX_SIZE:
        raise InputError(
            "points",
            f"{name}: the size is {_short(repr(size))}.",
            f"Use a whole number from {-MAX_SIZE} (smaller) to {MAX_SIZE} (larger), or leave it out.",
        )
    return size


def _group(name: str, data: Mapping[str, Any]) -> int | None:
    group = data.get("group")
    if group is None:
        return None
    if isinstance(group, bool) or not isinstance(group, int) or not 1 <= group <= MAX_GROUP:
        raise InputError(
            "points",
            f"{name}: the group is {_short(repr(group))}.",
            f"Use a whole number from 1 to {MAX_GROUP}, or leave it out.",
        )
    return group


def _list(value: Any, key: str, what: str, most: int) -> list[Any]:
    if not isinstance(value, list):
        raise InputError("points", f"'{key}' is {_short(repr(value))}, not a list.", "Draw the drags again.")
    if len(value) > most:
        raise InputError("points", f"{len(value)} {what}.", f"Use {most} at the most.")
    return value


def _inside(name: str, end: str, data: Mapping[str, Any]) -> Point:
    point = _point(name, end, data)
    if not (0 <= point[0] <= 1 and 0 <= point[1] <= 1):
        raise InputError(
            "points",
            f"{name}: the {'place' if end == 'at' else end} {list(point)} lies outside the image.",
            "Both numbers go from 0 to 1 (a share of the width and the height, not pixels).",
        )
    return point


def _point(name: str, end: str, data: Mapping[str, Any]) -> Point:
    value = data.get(end)
    called = "place" if end == "at" else end
    if value is None:
        raise InputError("points", f"{name} has no {called}.", f"Set its {called}, or delete it.")
    if not isinstance(value, (list, tuple)) or len(value) != 2 or not all(_is_number(v) for v in value):
        raise InputError("points", f"{name}: the {called} is {_short(repr(value))}.", "Use two finite numbers, [x, y].")
    return float(value[0]), float(value[1])


def _none_drawn() -> InputError:
    return InputError("points", "there are no drags.", "Draw at least one, from the handle to its target.")


def _newer(what: str) -> InputError:
    return InputError("points", f"{what} is nothing that version 1 has.", "Set 'version' to 2, or leave it out.")


def _quoted(kind: Any) -> str:
    return " or ".join(f"'{value}'" for value in choices(kind))


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _short(text: str, limit: int = 80) -> str:
    return text if len(text) <= limit else f"{text[:limit]}…"
