"""Edits of pixels alone, which know no model: what a paste can do at its best.

``cut_and_paste``
    The object's pixels moved by whole pixels along the drags, the hole inpainted by OpenCV (Navier-Stokes).
``rigid_warp``
    The object's pixels moved by the affine map that fits the *true* flow of what is seen after best (least squares),
    with the true mask, between pixels; the hole as above. The strongest paste there is: nobody's hand puts the object
    closer to where it belongs. Where several objects move, each has its own map (``affine_pieces``), and one of
which more is seen after lies in front.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .scene import Scene
from .truth import Truth, owners

INPAINT_RADIUS = 5
HOLE_MARGIN = 2
"""Pixels round the object that are taken for its soft edge: left in, they would be smeared over the hole."""
SOFT = 0.05
"""Share of a pixel from which it belongs to the object."""
LEAST_SEEN = 16
"""Pixels that must be seen after for the map to be fitted to them alone."""
ROUNDS = 10
"""Of fitting maps and handing pixels to the map that fits them better."""


@dataclass(frozen=True, eq=False)
class Pasted:
    """A pasted picture.

    Attributes:
        image: (H, W, 3) float32.
        hole: (H, W) bool, what was inpainted, the pasted object's place included where it lies on it.
        element: (H, W) float32 share of each pixel that the pasted object covers.
    """

    image: np.ndarray
    hole: np.ndarray
    element: np.ndarray

    @property
    def free(self) -> np.ndarray:
        """(H, W) float32, 1 where anything was changed."""
        return (self.hole | (self.element > 0)).astype(np.float32)


def inpainted(picture: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """``picture`` (H, W, 3) float32 with its hole (H, W) bool continued."""
    # A plane at a time, since OpenCV inpaints colour only in 8 bits; Telea's method breaks on floats.
    planes = [np.ascontiguousarray(picture[..., channel], dtype=np.float32) for channel in range(3)]
    filled = [cv2.inpaint(plane, hole.astype(np.uint8), INPAINT_RADIUS, cv2.INPAINT_NS) for plane in planes]
    return np.where(hole[..., None], np.stack(filled, -1), picture).astype(np.float32)


def hole_of(mask: np.ndarray) -> np.ndarray:
    """The hole that an object of this soft mask (H, W) leaves, with its margin."""
    square = np.ones((2 * HOLE_MARGIN + 1,) * 2, np.uint8)
    return cv2.dilate((mask > SOFT).astype(np.uint8), square) > 0


def cut_and_paste(scene: Scene, mask: np.ndarray) -> Pasted:
    """The object of a soft mask (H, W) moved along the drags.

    Each pixel goes with the nearest handle where the drags differ, so an anchor keeps its surroundings.
    """
    height, width = scene.size
    drags = scene.drags()
    ways = [np.rint(target - handle).astype(int) for handle, target in drags]
    y, x = np.mgrid[:height, :width]
    distances = np.stack([np.hypot(x + 0.5 - handle[0], y + 0.5 - handle[1]) for handle, _ in drags])
    # Strangers' scenes may drag parts of one object apart: each pixel goes with the nearest handle.
    nearest = distances.argmin(0) if len({tuple(way) for way in ways}) > 1 else np.zeros((height, width), int)
    hole = hole_of(mask)
    result, element = inpainted(scene.source, hole), np.zeros((height, width), np.float32)
    for index, (dx, dy) in enumerate(ways):
        alpha = np.where(nearest == index, mask, 0).astype(np.float32)
        shifted = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
        result, element = laid_over(result, element, scene.source, alpha, shifted, cv2.INTER_NEAREST)
    return Pasted(result, hole, element)


def rigid_warp(scene: Scene, truth: Truth) -> Pasted:
    """The object moved by the best affine map of its true flow."""
    hole = hole_of(scene.object_mask)
    result, element = inpainted(scene.source, hole), np.zeros(scene.size, np.float32)
    for piece, affine in affine_pieces(scene, truth):
        # The soft edge goes with the piece that it surrounds.
        alpha = np.where(cv2.dilate(piece.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0, scene.object_mask, 0)
        result, element = laid_over(
            result, element, scene.source, alpha.astype(np.float32), affine, cv2.INTER_CUBIC
        )
    return Pasted(result, hole, element)


def affine_pieces(scene: Scene, truth: Truth) -> list[tuple[np.ndarray, np.ndarray]]:
    """What moves, by the maps that move it: (bool (H, W), (2, 3) affine map of (x, y, 1)), rearmost first.

    One map in the least squares; of the family "several" as many as there are handles that move, begun with the pixels
    that each handle owns and then handed, pixel by pixel, to the map that fits them best (as in k-means).
    """
    known = truth.moved & np.isfinite(truth.flow).all(-1)
    rows, columns = np.nonzero(known)
    if not len(rows):
        return []
    positions = np.stack([columns, rows, np.ones_like(rows)], 1).astype(np.float64)
    ends = truth.flow[rows, columns].astype(np.float64)
    handles = [handle for handle, target in scene.drags() if not np.array_equal(handle, target)]
    count = len(handles) if scene.family == "several" else 1
    owned = owners(known, handles)[rows, columns] if count > 1 else np.zeros(len(rows), int)
    maps: list[np.ndarray] = []
    seen = truth.visible[rows, columns]
    # Faces that turn away must not pull at the map of what stays in view.
    fitting = seen if seen.sum() >= LEAST_SEEN else np.ones_like(seen)
    for _ in range(ROUNDS if count > 1 else 1):
        maps = [_fitted(positions[fitting & (owned == index)], ends[fitting & (owned == index)])
                for index in range(count)]  # fmt: skip
        if count > 1:
            misfit = np.stack([((positions @ one.T - ends) ** 2).sum(1) for one in maps])
            owned = misfit.argmin(0)
    pieces = []
    for index in range(count):
        mine = owned == index
        if mine.any():
            piece = np.zeros_like(known)
            piece[rows[mine], columns[mine]] = True
            pieces.append((float(seen[mine].mean()), piece, maps[index]))
    return [(piece, affine) for _, piece, affine in sorted(pieces, key=lambda entry: entry[0])]


def _fitted(positions: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """(2, 3) least squares map; the mean way alone where too few points fix more."""
    centred = positions[:, :2] - positions[:, :2].mean(0) if len(positions) else positions[:, :2]
    if len(positions) < 3 or np.linalg.matrix_rank(centred, tol=1e-6) < 2:
        way = (ends - positions[:, :2]).mean(0) if len(positions) else np.full(2, np.inf)
        return np.column_stack([np.eye(2), way])
    return np.linalg.lstsq(positions, ends, rcond=None)[0].T


def laid_over(
    canvas: np.ndarray, element: np.ndarray, source: np.ndarray, alpha: np.ndarray, affine: np.ndarray,
    how: int = cv2.INTER_CUBIC,
) -> tuple[np.ndarray, np.ndarray]:
    """``canvas`` (H, W, 3) with what a soft mask covers laid over it by a (2, 3) map, and all that is covered."""
    size = (source.shape[1], source.shape[0])
    colour = cv2.warpAffine(source, affine, size, flags=how, borderMode=cv2.BORDER_REPLICATE).clip(0, 1)
    linear = cv2.INTER_NEAREST if how == cv2.INTER_NEAREST else cv2.INTER_LINEAR
    share = cv2.warpAffine(alpha, affine, size, flags=linear, borderMode=cv2.BORDER_CONSTANT)
    result = canvas + share[..., None] * (colour - canvas)
    return result.astype(np.float32), np.maximum(element, share)
