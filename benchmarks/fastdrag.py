"""FastDrag's latent warp and hole filling, from the paper's formulas (Zhao et al., NeurIPS 2024, arXiv 2405.15769).

*Latent warpage function.* With handles s_i, targets e_i, drags d_i = e_i - s_i, and every latent position p_j of
the mask region::

    v_j = sum_i w_j^i v_j^i      v_j^i = lambda_j^i d_i      lambda_j^i = |p_j q_j^i| / |s_i q_j^i|
    w_j^i = (1 / |p_j s_i|) / sum_i' (1 / |p_j s_i'|)

q_j^i is where the ray from s_i through p_j leaves the circle round the rectangle that bounds the mask: the region
is stretched like a sheet held along that circle. Where the edit moves an object as it is, every component is the drag
itself (``stretch=False``, lambda = 1). Each position's latent is relocated to the nearest cell of p_j + v_j.

*Bilateral nearest neighbour interpolation.* A position of the mask that was left and not taken again gets the
weighted mean of the nearest occupied positions above, below, left and right of it, weights being the inverse of
their distances.

The formula reads positions that were occupied before any filling. Programs derived from the authors' code fill in
reading order and let what was filled serve as a neighbour; the difference is within the hole.

What the paper leaves open: two positions that land on one cell (here the later one in reading order stays),
landing outside (it is dropped), a handle outside the circle's inside (lambda is held in 0..1).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

Point = tuple[float, float]


def positions_of(mask: np.ndarray) -> np.ndarray:
    """(n, 2) int: the cells (x, y) of a region (h, w) bool in reading order."""
    ys, xs = np.nonzero(mask)
    return np.stack([xs, ys], axis=1)


def from_handles(
    positions: np.ndarray, handles: Sequence[Point], targets: Sequence[Point]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Handles (m, 2), drags (m, 2); the ways (n, m, 2) and distances (n, m) of positions (n, 2) from each handle."""
    starts = np.asarray(handles, dtype=np.float64)
    ways = np.asarray(targets, dtype=np.float64) - starts
    difference = positions[:, None] - starts[None]
    return starts, ways, difference, np.linalg.norm(difference, axis=-1)


def warp_vectors(
    mask: np.ndarray, handles: Sequence[Point], targets: Sequence[Point], stretch: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """The positions of the mask and their warpage vectors.

    Args:
        mask: (h, w) bool.
        handles, targets: (x, y) in cells as indices (the centre of cell 3 is 3.0).
        stretch: False for the paper's moving of a whole object.

    Returns:
        positions (n, 2) int and vectors (n, 2) float64, both (x, y), in reading order.
    """
    positions = positions_of(mask)
    if not len(positions):
        return positions, np.zeros((0, 2))
    low, high = positions.min(0), positions.max(0)
    centre, radius = (low + high) / 2, float(np.hypot(*(high - low))) / 2
    starts, ways, difference, distance = from_handles(positions, handles, targets)
    # A position on a handle follows that handle alone.
    weights = 1 / np.maximum(distance, 1e-9)
    weights = weights / weights.sum(1, keepdims=True)
    share = _stretch(starts, difference, distance, centre, radius) if stretch else np.ones_like(distance)
    return positions, ((weights * share)[..., None] * ways[None]).sum(1)


def relocate(latent: torch.Tensor, positions: np.ndarray, vectors: np.ndarray) -> tuple[torch.Tensor, np.ndarray]:
    """Moves latents; (B, C, h, w) -> the moved latent and its null positions (h, w) bool, still to be filled."""
    height, width = latent.shape[-2:]
    moved = latent.clone()
    left = np.zeros((height, width), dtype=bool)
    left[positions[:, 1], positions[:, 0]] = True
    ends = np.floor(positions + vectors + 0.5).astype(int)
    inside = (ends >= 0).all(1) & (ends[:, 0] < width) & (ends[:, 1] < height)
    for (x, y), (to_x, to_y) in zip(positions[inside], ends[inside], strict=True):
        moved[..., to_y, to_x] = latent[..., y, x]
        left[to_y, to_x] = False
    return moved, left


def fill_null(latent: torch.Tensor, null: np.ndarray) -> torch.Tensor:
    """Bilateral nearest neighbour interpolation of the null positions (h, w) bool of a latent (B, C, h, w)."""
    filled = latent.clone()
    height, width = null.shape
    for y, x in zip(*np.nonzero(null), strict=True):
        neighbours = []
        for step_y, step_x in ((-1, 0), (0, 1), (1, 0), (0, -1)):
            to_y, to_x, length = y + step_y, x + step_x, 1
            while 0 <= to_y < height and 0 <= to_x < width and null[to_y, to_x]:
                to_y, to_x, length = to_y + step_y, to_x + step_x, length + 1
            if 0 <= to_y < height and 0 <= to_x < width:
                neighbours.append((1 / length, to_y, to_x))
        total = sum(weight for weight, _, _ in neighbours)
        if total:
            filled[..., y, x] = sum(weight / total * latent[..., ny, nx] for weight, ny, nx in neighbours)
    return filled


def warp(
    latent: torch.Tensor, mask: np.ndarray, handles: Sequence[Point], targets: Sequence[Point], stretch: bool = True
) -> torch.Tensor:
    """The whole one-step edit of an inverted latent (B, C, h, w)."""
    moved, null = relocate(latent, *warp_vectors(mask, handles, targets, stretch))
    return fill_null(moved, null)


def _stretch(
    starts: np.ndarray, difference: np.ndarray, distance: np.ndarray, centre: np.ndarray, radius: float
) -> np.ndarray:
    """lambda for every (position, handle)."""
    if radius == 0:
        return np.ones_like(distance)
    direction = difference / np.maximum(distance, 1e-9)[..., None]
    from_centre = (starts - centre)[None]
    along = (direction * from_centre).sum(-1)
    root = np.sqrt(np.maximum(along**2 - (from_centre**2).sum(-1) + radius**2, 0))
    reach = root - along
    share = np.where(reach > 1e-9, (reach - distance) / np.maximum(reach, 1e-9), 0.0)
    return np.where(distance < 1e-9, 1.0, np.clip(share, 0, 1))
