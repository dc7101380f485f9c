"""What is known of a scene's true edit, given or derived.

Rendered scenes bring everything as files (``benchmarks.scene``). For pictures that are pasted together the rest
follows from the two masks and the drags:

- *flow*: every pixel of the object goes the way of one drag, that of its connected part where each drag has a part to
  itself, else that of the nearest handle; it is *visible* where the true mask shows the object.
- *revealed*: the object's mask without its mask in the true edit.
- *changed*: where either mask is, and wherever else source and true edit differ by more than ``DIFFERENCE``: they are
  composed of the same pixels, so no difference is noise.
- *light*: what changed further than ``RIM`` px from both masks, a shadow that was painted; None where there is no such
  place. Where a scene has it but not its two halves, the old shadow is what gets brighter of it and
  the new shadow what gets darker (in the mean over the channels).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .scene import Scene

DIFFERENCE = 2 / 255
RIM = 2


@dataclass(frozen=True, eq=False)
class Truth:
    """The truth by pixel; bool (H, W) unless told otherwise.

    Attributes:
        picture: (H, W, 3) the true edit.
        moved, moved_after: where what moves is, before and after.
        changed: where the true edit differs from the source.
        light, old_shadow, new_shadow: None where a scene has no light.
        revealed: what was hidden.
        flow: (H, W, 2) float32 position (x, y) after, in px with whole numbers at pixel centres; NaN outside ``moved``.
        visible: whether the surface point is seen after.
    """

    picture: np.ndarray
    moved: np.ndarray
    moved_after: np.ndarray
    changed: np.ndarray
    light: np.ndarray | None
    old_shadow: np.ndarray | None
    new_shadow: np.ndarray | None
    revealed: np.ndarray
    flow: np.ndarray
    visible: np.ndarray

    @property
    def beyond_paste(self) -> np.ndarray:
        """Light, shadows and revealed area: what no paste can know of."""
        known = [area for area in (self.light, self.old_shadow, self.new_shadow, self.revealed) if area is not None]
        return np.logical_or.reduce(known)


def truth_of(scene: Scene) -> Truth:
    """The scene's truth, its missing parts derived as the module's docstring tells."""
    moved, after = scene.object_mask > 0.5, scene.target_mask > 0.5
    areas = scene.areas
    light, old, new = (areas.get(name) for name in ("light", "old_shadow", "new_shadow"))
    changed = areas.get("changed")
    if changed is None:
        changed = moved | after | (np.abs(scene.target - scene.source).max(-1) > DIFFERENCE)
        if light is None:
            grown = cv2.dilate((moved | after).astype(np.uint8), np.ones((2 * RIM + 1,) * 2, np.uint8)) > 0
            painted = changed & ~grown
            light = painted if painted.any() else None
    if light is not None and (old is None or new is None):
        brighter = scene.target.mean(-1) > scene.source.mean(-1)
        old = light & brighter if old is None else old
        new = light & ~brighter if new is None else new
    if scene.flow is not None and scene.visible is not None:
        flow, visible = scene.flow - 0.5, scene.visible
    else:
        flow, visible = flow_of_drags(scene)
    return Truth(
        scene.target, moved, after, changed, light, old, new,
        areas.get("revealed", moved & ~after), flow, visible & np.isfinite(flow).all(-1),
    )  # fmt: skip


def flow_of_drags(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """(flow, visible) of an object that is moved as it is, as ``Truth`` has them."""
    height, width = scene.size
    moved = scene.object_mask > 0.5
    drags = scene.drags()
    ways = np.array([target - handle for handle, target in drags])
    y, x = np.mgrid[:height, :width].astype(np.float32)
    followed = owners(moved, [handle for handle, _ in drags])
    flow = (np.stack([x, y], -1) + ways[followed]).astype(np.float32)
    flow[~moved] = np.nan
    column, row = (np.nan_to_num(np.rint(flow[..., axis]), nan=-1).astype(int) for axis in (0, 1))
    inside = moved & (column >= 0) & (column < width) & (row >= 0) & (row < height)
    visible = np.zeros_like(moved)
    visible[inside] = scene.target_mask[row[inside], column[inside]] > 0.5
    return flow, visible


def owners(moved: np.ndarray, handles: list[np.ndarray]) -> np.ndarray:
    """(H, W) index of the handle (x, y in px from the picture's corner) that each pixel of ``moved`` follows."""
    height, width = moved.shape
    y, x = np.mgrid[:height, :width] + 0.5
    nearest = np.stack([np.hypot(x - handle[0], y - handle[1]) for handle in handles]).argmin(0)
    _, labels = cv2.connectedComponents(moved.astype(np.uint8), connectivity=8)
    parts = [
        int(labels[min(max(int(handle[1]), 0), height - 1), min(max(int(handle[0]), 0), width - 1)])
        for handle in handles
    ]
    if 0 in parts or len(set(parts)) < len(parts):
        return nearest
    for index, part in enumerate(parts):
        nearest[labels == part] = index
    return nearest
