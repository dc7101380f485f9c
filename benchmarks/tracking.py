"""Whether surface points are where they belong.

A surface point p of the source has its true place q after the edit (``Truth.flow``), rounded to a pixel. The patch of
``PATCH`` x ``PATCH`` px round q *of the true edit* is looked for in the result, within a window that reaches
|q - p| + ``MARGIN`` px round q, so that a picture in which nothing moved is found out: the place m of the highest

    NCC(m) = sum (t - mean t)(r - mean r) / sqrt(sum (t - mean t)^2 sum (r - mean r)^2)

(means by channel, sums over pixels and channels). |m - q| is the point's error. Some points tell nothing, and are
dropped and counted: those whose patch varies by less than ``LEAST_SPREAD`` (standard deviation), or has in the *true
edit itself* an NCC of ``UNIQUE`` or more anywhere further than ``NEAR`` px from q within its window (it repeats), or
has one in the source at q (a thing of no pattern turned on its axis: an untouched picture would seem right). Candidates
are drawn at random (seed 0) from the points that are seen after and moved by a pixel or more, until ``POINTS`` are kept
or ``TRIED`` are tried.

    point_error_px      mean |m - q|
    point_error_median  median |m - q|: a patch that light or a new background has changed beyond recognition is matched
                        anywhere, and a few of those rule a mean
    point_error_ratio   the mean over the mean |q - p|: 0 is right, 1 is what an untouched picture has

The same points can be followed by a model's features in the place of patches: the cosine between the true edit's
feature at q and the result's in the same window. Those features are the tested model's own: to be read beside the
patches, never as a gate.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .truth import Truth

POINTS = 64
TRIED = 256
PATCH = 21
MARGIN = 16
NEAR = 4
UNIQUE = 0.7
LEAST_SPREAD = 0.03


@dataclass(frozen=True, eq=False)
class Point:
    """One point that can be found.

    Attributes:
        place: (x, y) true place after the edit, whole px.
        length: px that it moved.
        patch: (PATCH, PATCH, 3) float32 of the true edit round the place.
        window: (left, top, right, bottom) px of the places that are searched.
    """

    place: tuple[int, int]
    length: float
    patch: np.ndarray
    window: tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class Points:
    """Those that are kept, and how many were dropped."""

    kept: list[Point]
    dropped: int

    @property
    def mean_length(self) -> float | None:
        """Mean px that the kept points moved; None without any."""
        return float(np.mean([point.length for point in self.kept])) if self.kept else None


def surface_points(truth: Truth, source: np.ndarray) -> Points:
    """The points of a scene, source (H, W, 3), as the module's docstring chooses them."""
    height, width = truth.moved.shape
    half = PATCH // 2
    picture = truth.picture.astype(np.float32)
    rows, columns = np.nonzero(truth.visible)
    after = truth.flow[rows, columns]
    places = np.rint(after).astype(int)
    lengths = np.hypot(after[:, 0] - columns, after[:, 1] - rows)
    inside = (places >= half).all(1) & (places[:, 0] < width - half) & (places[:, 1] < height - half) & (lengths >= 1)
    candidates = np.flatnonzero(inside)
    np.random.default_rng(0).shuffle(candidates)
    kept: list[Point] = []
    dropped = 0
    for index in candidates[:TRIED]:
        if len(kept) == POINTS:
            break
        x, y = (int(value) for value in places[index])
        reach = int(np.ceil(lengths[index])) + MARGIN
        window = (max(x - reach, half), max(y - reach, half),
                  min(x + reach, width - 1 - half), min(y + reach, height - 1 - half))  # fmt: skip
        patch = picture[y - half : y + half + 1, x - half : x + half + 1]
        point = Point((x, y), float(lengths[index]), patch, window)
        before = source[y - half : y + half + 1, x - half : x + half + 1].astype(np.float32)
        if float(patch.std(axis=(0, 1)).max()) < LEAST_SPREAD or not _unique(picture, before, point):
            dropped += 1
        else:
            kept.append(point)
    return Points(kept, dropped)


def patch_errors(points: Points, result: np.ndarray) -> list[float]:
    """|m - q| in px of every kept point in ``result`` (H, W, 3)."""
    picture = result.astype(np.float32)
    return [_distance(_matches(picture, point), point) for point in points.kept]


def feature_errors(points: Points, truth: np.ndarray, result: np.ndarray, stride: int) -> list[float]:
    """The same by features.

    Args:
        points: of the scene.
        truth, result: (C, h, w) float32 features of unit length at every ``stride``-th pixel.
        stride: px; the error is no finer.
    """
    errors = []
    for point in points.kept:
        left, top, right, bottom = (edge // stride for edge in point.window)
        column, row = point.place[0] // stride, point.place[1] // stride
        seen = result[:, top : bottom + 1, left : right + 1]
        scores = np.tensordot(truth[:, row, column], seen, axes=1)
        found_row, found_column = np.unravel_index(int(np.argmax(scores)), scores.shape)
        errors.append(float(np.hypot(found_column + left - column, found_row + top - row)) * stride)
    return errors


def summary(points: Points, errors: list[float], name: str) -> dict[str, float | None]:
    """``{name}_px``, ``{name}_median`` and ``{name}_ratio``; None where no point was kept."""
    if not errors or points.mean_length is None:
        return {f"{name}_px": None, f"{name}_median": None, f"{name}_ratio": None}
    mean = float(np.mean(errors))
    return {f"{name}_px": mean, f"{name}_median": float(np.median(errors)), f"{name}_ratio": mean / points.mean_length}


def _matches(picture: np.ndarray, point: Point) -> np.ndarray:
    """NCC at every place of the point's window."""
    half = PATCH // 2
    left, top, right, bottom = point.window
    return _correlated(picture[top - half : bottom + half + 1, left - half : right + half + 1], point.patch)


def _correlated(searched: np.ndarray, patch: np.ndarray) -> np.ndarray:
    """NCC of a patch at every place where it fits into ``searched``."""
    scores = cv2.matchTemplate(np.ascontiguousarray(searched), np.ascontiguousarray(patch), cv2.TM_CCOEFF_NORMED)
    # Flat places divide nothing by nothing; some versions answer infinity there.
    return np.where(np.isfinite(scores) & (np.abs(scores) <= 1.001), scores, -1)


def _distance(scores: np.ndarray, point: Point) -> float:
    row, column = np.unravel_index(int(np.argmax(scores)), scores.shape)
    left, top, _, _ = point.window
    return float(np.hypot(column + left - point.place[0], row + top - point.place[1]))


def _unique(picture: np.ndarray, before: np.ndarray, point: Point) -> bool:
    """Whether a point's patch is found in the true edit at its place alone, and not ``before``, at that place."""
    if float(_correlated(before, point.patch)[0, 0]) >= UNIQUE:
        return False
    scores = _matches(picture, point)
    left, top, _, _ = point.window
    y, x = np.mgrid[: scores.shape[0], : scores.shape[1]]
    far = np.hypot(x + left - point.place[0], y + top - point.place[1]) > NEAR
    return not far.any() or float(scores[far].max()) < UNIQUE
