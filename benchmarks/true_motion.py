"""The movement that a scene's true flow means, in the place of the one that its drags mean."""

from __future__ import annotations

import numpy as np
import torch

from core.motion.movement import TOUCHED, Movement
from core.motion.splat import splat
from core.planes.morphology import dilate
from core.space.grid import Grid
from core.window.plan import Window

COVERED = 0.5
"""Share of a pixel from which the true field covers it."""


def movement_of_flow(
    moved: np.ndarray, flow: np.ndarray, visible: np.ndarray, transition: int, element: torch.Tensor | None = None
) -> Movement:
    """What is seen after is carried to where it is, what is hidden then goes nowhere.

    Cells take the mean way of their pixels; a gap that the flow leaves where the object grows is closed over a pixel.

    Args:
        moved: (H, W) bool, what moves.
        flow: (H, W, 2) position after, as ``truth.Truth`` has it.
        visible: (H, W) bool, whether the surface point is seen after.
        transition: cells round what leaves and arrives that sampling may change.
        element: (1, H, W) in 0..1, what moves with its soft edges; None takes ``moved``.
    """
    grid = Grid.padded(*moved.shape)
    known = moved & np.isfinite(flow).all(-1)
    y, x = np.mgrid[: moved.shape[0], : moved.shape[1]].astype(np.float32)
    way = np.where(known[..., None], flow - np.stack([x, y], -1), 0).astype(np.float32)
    planes = torch.from_numpy(way).movedim(-1, 0)[None]
    leaving = torch.from_numpy(moved.astype(np.float32))[None] if element is None else element
    seen = torch.from_numpy((known & visible).astype(np.float32))[None]
    covered, arrived_way, _ = splat(seen, planes, seen)
    # Where the object grows, its pixels land apart: coverage is closed by a 3 x 3 maximum that is then taken back.
    solid = 1 - dilate(1 - dilate((covered > COVERED / 2).float(), 1), 1)
    arriving = grid.image_mask_to_cells(solid)
    left = grid.image_mask_to_cells(leaving)
    way_in = _mean_over_cells(grid, arrived_way, (covered > 0).float()) / grid.cell
    ways = _mean_over_cells(grid, planes, torch.from_numpy(known.astype(np.float32))[None]) / grid.cell
    free = dilate((torch.maximum(left, arriving) > TOUCHED).float(), transition)
    return Movement(grid, leaving, left, arriving, ways, way_in, free)


def flow_in(
    window: Window, moved: np.ndarray, flow: np.ndarray, visible: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A picture's ``moved``, ``flow`` and ``visible`` in a window of it, each of its edited pixels as the one in its
    middle."""
    (height, width), (rows, columns) = window.edited, window.size
    y = window.top + np.floor((np.arange(height) + 0.5) * rows / height).astype(int)
    x = window.left + np.floor((np.arange(width) + 0.5) * columns / width).astype(int)
    places = np.ix_(y, x)
    way = flow[places] - np.stack(np.meshgrid(x, y), -1)
    here = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1)
    return moved[places], (here + way * (width / columns, height / rows)).astype(np.float32), visible[places]


def _mean_over_cells(grid: Grid, planes: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """(B, 2, H, W) averaged by weight (B, H, W) over each cell, (B, 2, h, w); 0 where there is no weight."""
    total = grid.image_mask_to_cells(weight)
    means = torch.stack([grid.image_mask_to_cells(plane * weight) for plane in planes.unbind(1)], 1)
    return torch.where(total[:, None] > 0, means / total[:, None].clamp_min(1e-6), torch.zeros_like(means))
