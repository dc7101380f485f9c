"""What is measured on an edited picture.

Pictures are (H, W, 3) in 0..1, masks (H, W), thresholded at 0.5. With O the object's mask in the source, T its mask
in the true edit, U = O or T:

- *background*: outside U widened by ``BACKGROUND_MARGIN`` px (one latent cell); ``strict`` without that margin.
- *vacated*: O without T, what was hidden and must be painted.
- *seam*: within ``SEAM`` px of the border of U, on both sides.

PSNR is 10 log10(1 / mean squared error) over the region and all channels, at most ``PSNR_CAP`` dB (equal pictures
have no finite one). SSIM is Wang et al.'s (2004: Gaussian window of sigma 1.5, over the whole picture, averaged over
channels). The seam's error is the mean absolute difference in 0..1.

Mean distance: the object as it looks in the source, only the pixels that are still visible in the true edit, is
looked for in the whole result: the place of the least masked sum of squared differences, refined below a pixel by
Gauss-Newton steps. The distance from there to where the drag should have brought it is the figure; untouched
pictures give the length of the drag. Several drags are measured one by one where each has an object (a connected
part of the mask) to itself or all go the same way, else on a disc of the object round each handle.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from skimage.metrics import structural_similarity

from .scene import Scene

BACKGROUND_MARGIN = 8
SEAM = 4
PSNR_CAP = 100.0
MIN_PIXELS = 16
"""Smaller regions are left out: their figures would be noise."""
HANDLE_DISC = 16
"""Radius in px of the patch that stands for a handle when its object is shared with other drags."""
REFINEMENTS = 12


def psnr(result: np.ndarray, truth: np.ndarray, region: np.ndarray | None = None) -> float | None:
    """In dB over ``region`` (bool, (H, W)) or everything; None if the region is too small to tell."""
    difference = (result.astype(np.float64) - truth.astype(np.float64)) ** 2
    if region is not None:
        if region.sum() < MIN_PIXELS:
            return None
        difference = difference[region]
    error = float(difference.mean())
    return PSNR_CAP if error <= 10 ** (-PSNR_CAP / 10) else float(-10 * np.log10(error))


def ssim(result: np.ndarray, truth: np.ndarray) -> float:
    """Structural similarity, at most 1."""
    return float(
        structural_similarity(
            result.astype(np.float64), truth.astype(np.float64), channel_axis=-1, data_range=1.0,
            gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
        )
    )  # fmt: skip


def iou(first: np.ndarray, second: np.ndarray) -> float:
    """Intersection over union of two masks, thresholded at 0.5; 1 if both are empty."""
    first, second = first > 0.5, second > 0.5
    union = (first | second).sum()
    return float((first & second).sum() / union) if union else 1.0


def widened(mask: np.ndarray, by: int) -> np.ndarray:
    """A bool mask widened by a disc of ``by`` px (narrowed when negative)."""
    side = 2 * abs(by) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    operation = cv2.dilate if by > 0 else cv2.erode
    return operation(mask.astype(np.uint8), disc) > 0


def regions(scene: Scene) -> dict[str, np.ndarray]:
    """The regions named in the module's docstring, (H, W) bool each."""
    source, target = scene.object_mask > 0.5, scene.target_mask > 0.5
    union = source | target
    return {
        "background": ~widened(union, BACKGROUND_MARGIN),
        "background_strict": ~union,
        "vacated": source & ~target,
        "seam": widened(union, SEAM) & ~widened(union, -SEAM),
    }


def measure(scene: Scene, result: np.ndarray) -> dict[str, float | None]:
    """All figures of one result; None where a scene doesn't have the region."""
    areas = regions(scene)
    seam = areas["seam"]
    distance, ratio = mean_distance(scene, result)
    return {
        "mean_distance_px": distance,
        "mean_distance_ratio": ratio,
        "background_psnr": psnr(result, scene.target, areas["background"]),
        "background_psnr_strict": psnr(result, scene.target, areas["background_strict"]),
        "target_psnr": psnr(result, scene.target),
        "target_ssim": ssim(result, scene.target),
        "vacated_psnr": psnr(result, scene.target, areas["vacated"]),
        "seam_mae": float(np.abs(result - scene.target)[seam].mean()) if seam.sum() >= MIN_PIXELS else None,
    }


def mean_distance(scene: Scene, result: np.ndarray) -> tuple[float | None, float | None]:
    """(pixels, share of the drag's length), averaged over the drags; None if nothing can be matched.

    A drag without length (an anchor) counts in pixels, not in the share.
    """
    distances, ratios = [], []
    for part, way in moved_parts(scene):
        found = locate(scene.source, part, scene.target_mask, way, result)
        if found is None:
            continue
        distance = float(np.hypot(*(found - way)))
        length = float(np.hypot(*way))
        distances.append(distance)
        if length > 0:
            ratios.append(distance / length)
    return _mean(distances), _mean(ratios)


def moved_parts(scene: Scene) -> list[tuple[np.ndarray, np.ndarray]]:
    """What each drag moves: (bool mask (H, W) in the source, way (dx, dy) in px)."""
    mask = scene.object_mask > 0.5
    drags = scene.drags()
    ways = [target - handle for handle, target in drags]
    if all(np.allclose(way, ways[0], atol=0.5) for way in ways):
        return [(mask, ways[0])]
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    owned = [_label_at(labels, handle) for handle, _ in drags]
    if 0 not in owned and len(set(owned)) == len(owned):
        return [(labels == label, way) for label, way in zip(owned, ways, strict=True)]
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]] + 0.5
    parts = []
    for (handle, _), way in zip(drags, ways, strict=True):
        parts.append((mask & (np.hypot(x - handle[0], y - handle[1]) <= HANDLE_DISC), way))
    return parts


def locate(
    source: np.ndarray, part: np.ndarray, target_mask: np.ndarray, way: np.ndarray, result: np.ndarray
) -> np.ndarray | None:
    """Where ``part`` of the source is found in ``result``: its displacement (dx, dy) in px, or None.

    Args:
        source, result: (H, W, 3).
        part: (H, W) bool, what to look for.
        target_mask: (H, W); only pixels that the true edit shows there are compared.
        way: (dx, dy) true displacement.
    """
    height, width = part.shape
    dx, dy = np.round(way).astype(int)
    visible = np.zeros_like(part)
    ys, xs = np.nonzero(part)
    there = (xs + dx >= 0) & (xs + dx < width) & (ys + dy >= 0) & (ys + dy < height)
    ys, xs = ys[there], xs[there]
    shown = target_mask[ys + dy, xs + dx] > 0.5
    visible[ys[shown], xs[shown]] = True
    if visible.sum() < MIN_PIXELS:
        return None
    ys, xs = np.nonzero(visible)
    top, left, bottom, right = ys.min(), xs.min(), ys.max() + 1, xs.max() + 1
    template = source[top:bottom, left:right].astype(np.float32)
    mask = visible[top:bottom, left:right].astype(np.float32)
    error = cv2.matchTemplate(
        result.astype(np.float32), template, cv2.TM_SQDIFF, mask=np.repeat(mask[..., None], 3, axis=2)
    )
    best_y, best_x = np.unravel_index(int(np.argmin(error)), error.shape)
    shift = _refine(result.astype(np.float64), template, mask > 0, float(best_x), float(best_y))
    return np.array([best_x - left + shift[0], best_y - top + shift[1]])


def _refine(
    result: np.ndarray, template: np.ndarray, mask: np.ndarray, x: float, y: float
) -> tuple[float, float]:
    """Sub-pixel correction (dx, dy), each within a pixel, of the match at (x, y): Gauss-Newton on the masked error."""
    ys, xs = np.nonzero(mask)
    values = template[ys, xs].astype(np.float64)
    gradient_y, gradient_x = np.gradient(result, axis=(0, 1))
    shift = np.zeros(2)
    best, best_error = np.zeros(2), np.inf
    for _ in range(REFINEMENTS):
        px, py = xs + x + shift[0], ys + y + shift[1]
        residual = values - _bilinear(result, px, py)
        error = float((residual**2).sum())
        if error < best_error - 1e-12:
            best, best_error = shift.copy(), error
        else:
            break
        slope = np.stack([_bilinear(gradient_x, px, py).ravel(), _bilinear(gradient_y, px, py).ravel()], axis=1)
        normal = slope.T @ slope
        if np.linalg.det(normal) < 1e-9:
            break
        shift = shift + np.linalg.solve(normal, slope.T @ residual.ravel())
        if np.abs(shift).max() > 1:
            break
    return float(best[0]), float(best[1])


def _bilinear(planes: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    height, width = planes.shape[:2]
    x, y = np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
    left, top = np.minimum(x.astype(int), max(width - 2, 0)), np.minimum(y.astype(int), max(height - 2, 0))
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    share_x, share_y = (x - left)[:, None], (y - top)[:, None]
    upper = (1 - share_x) * planes[top, left] + share_x * planes[top, right]
    lower = (1 - share_x) * planes[bottom, left] + share_x * planes[bottom, right]
    return (1 - share_y) * upper + share_y * lower


def _label_at(labels: np.ndarray, point: Sequence[float]) -> int:
    height, width = labels.shape
    x, y = min(max(int(point[0]), 0), width - 1), min(max(int(point[1]), 0), height - 1)
    return int(labels[y, x])


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
