"""Handles and anchors: surface points seen before and after, and where they go."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .truth import inner

Array = np.ndarray
Pair = tuple[tuple[float, float], tuple[float, float]]


class HandleError(ValueError):
    """Nothing of what moves is well seen before and after."""


def usable(flow: Array, visible: Array, own: Array) -> Array:
    """bool (h, w): pixels of ``own`` whose surface point is seen before and after, well inside, also after."""
    seen = own & visible
    core = inner(seen)
    height, width = own.shape
    target = np.nan_to_num(flow, nan=-1.0)
    inside = (target > 2).all(-1) & (target[..., 0] < width - 2) & (target[..., 1] < height - 2)
    return core & inside


def pair(flow: Array, pixel: tuple[int, int]) -> Pair:
    """(handle, target) in pixels (x, y) of a pixel (row, column)."""
    row, column = pixel
    x, y = flow[row, column]
    return (column + 0.5, row + 0.5), (float(x), float(y))


def middle_handle(flow: Array, candidates: Array) -> Pair:
    """The handle nearest to the middle of what may be taken.

    Raises:
        HandleError: there is nothing to take.
    """
    rows, columns = np.nonzero(candidates)
    if not len(rows):
        raise HandleError("no surface point is seen before and after")
    at = int(np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2))
    return pair(flow, (rows[at], columns[at]))


def far_handle(flow: Array, candidates: Array) -> Pair:
    """A handle among those that go farthest, in their middle.

    Raises:
        HandleError: there is nothing to take.
    """
    rows, columns = np.nonzero(candidates)
    if not len(rows):
        raise HandleError("no surface point is seen before and after")
    length = lengths(flow)[rows, columns]
    keep = length >= np.quantile(length, 0.75)
    chosen = np.zeros_like(candidates)
    chosen[rows[keep], columns[keep]] = True
    labels, count = ndimage.label(chosen)
    if count > 1:
        chosen = labels == 1 + int(np.argmax(ndimage.sum(chosen, labels, range(1, count + 1))))
    return middle_handle(flow, chosen)


def two_handles(flow: Array, candidates: Array) -> list[Pair]:
    """Two handles far apart of which the farther moving comes first.

    Raises:
        HandleError: fewer than two points, or none that are at least 10 pixels apart.
    """
    rows, columns = np.nonzero(candidates)
    if len(rows) < 2:
        raise HandleError("fewer than two surface points are seen before and after")
    first = far_handle(flow, candidates)
    distance = np.hypot(columns + 0.5 - first[0][0], rows + 0.5 - first[0][1])
    # The farthest tenth, and in it the point that moves most: two points of one small spot do not tell a turn.
    far = distance >= np.quantile(distance, 0.9)
    if distance.max() < 10:
        raise HandleError("what is seen before and after is too small for two handles")
    length = np.where(far, lengths(flow)[rows, columns], -1)
    at = int(np.argmax(length))
    return [first, pair(flow, (rows[at], columns[at]))]


def anchors(still: Array, count: int, away_from: tuple[float, float]) -> list[Pair]:
    """Up to ``count`` pixels of ``still`` (h, w) that stay, spread out; handle and target are the same.

    The first lies in the middle of what stays, the next as far as they can from those before and from ``away_from``.
    """
    core = inner(still)
    rows, columns = np.nonzero(core)
    if not len(rows):
        return []
    out: list[Pair] = []
    points = np.stack([columns + 0.5, rows + 0.5], axis=-1)
    at = int(np.argmin(((points - points.mean(axis=0)) ** 2).sum(-1)))
    while len(out) < count:
        point = (float(points[at, 0]), float(points[at, 1]))
        out.append((point, point))
        taken = np.array([away_from, *(handle for handle, _ in out)])
        nearest = np.linalg.norm(points[:, None] - taken[None], axis=-1).min(axis=1)
        at = int(np.argmax(nearest))
        if nearest[at] < 12:
            break
    return out


def lengths(flow: Array) -> Array:
    """(h, w): how far each pixel's surface point goes, in pixels; NaN where nothing moves."""
    height, width = flow.shape[:2]
    grid = np.stack(np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5), axis=-1)
    return np.linalg.norm(flow - grid, axis=-1)
