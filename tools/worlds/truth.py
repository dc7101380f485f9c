"""What an edit does to a picture, from geometry and from the two pictures themselves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .camera import Camera
from .mesh import Part
from .renderer import Hits

Array = np.ndarray
# Of 255: below it a difference is noise or rounding.
THRESHOLD = 6
# Pixels by which footprints are grown before what remains counts as light.
RIM = 3
SMOOTH = 1.5
# Of a picture of 256 pixels: smaller areas of light are specks.
LEAST_AREA = 30
STILL = 1.0


@dataclass(frozen=True, eq=False)
class Corners:
    """The triangles of moving bodies before and after.

    ``before[body][part]`` and ``after[body][part]``: (faces, 3, 3) float64, the corners in the world.
    """

    before: dict[int, list[Array]]
    after: dict[int, list[Array]]


def corners_of(parts: list[Part]) -> list[Array]:
    """(faces, 3, 3) of each part."""
    return [part.mesh.vertices.astype(np.float64)[part.mesh.faces] for part in parts]


def surface_points(hits: Hits, corners: dict[int, list[Array]]) -> Array:
    """(..., 3): where the hit surface points are when the bodies' triangles are at ``corners``; NaN for others."""
    points = np.full((*hits.body.shape, 3), np.nan)
    for number, parts in corners.items():
        for at, triangles in enumerate(parts):
            own = (hits.body == number) & (hits.part == at)
            if own.any():
                points[own] = np.einsum("nc,ncd->nd", hits.weights[own], triangles[hits.face[own]])
    return points


def way(hits: Hits, corners: Corners, camera: Camera, backwards: bool = False) -> tuple[Array, Array]:
    """Where what is seen goes: pixels (..., 2) float64 and surface points (..., 3) after; NaN where nothing moves.

    ``hits`` are of the scene before, or with ``backwards`` of the scene after; then it tells where they come from.
    """
    there = surface_points(hits, corners.before if backwards else corners.after)
    pixels, depth = camera.project(there)
    return np.where(depth[..., None] > 0, pixels, np.nan), there


def coverage(inside: Array, subdivisions: int) -> Array:
    """uint8 (h, w): the share of each pixel's sub-pixels that is inside."""
    height, width = (side // subdivisions for side in inside.shape)
    blocks = inside.reshape(height, subdivisions, width, subdivisions).mean(axis=(1, 3))
    return np.rint(blocks * 255).astype(np.uint8)


def disc(radius: int) -> Array:
    """A round structuring element."""
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return x * x + y * y <= radius * radius + 0.5


def changed(source: Array, target: Array, footprint: Array) -> Array:
    """bool (h, w): where the truth changed, without the renderer's and the denoiser's noise.

    On a ``footprint`` (bool (h, w)) any channel that differs by more than ``THRESHOLD`` counts, opened by a 2 x 2
    square. Beside it the difference is first smoothed by a Gaussian of ``SMOOTH`` pixels: light changes broadly, while
    denoised textures differ to and fro at their edges; and areas of less than ``LEAST_AREA`` pixels are left out.
    """
    difference = target.astype(np.float64) - source
    near = ndimage.binary_opening(np.abs(difference).max(axis=-1) > THRESHOLD, np.ones((2, 2), bool)) & footprint
    broad = np.abs(ndimage.gaussian_filter(difference, (SMOOTH, SMOOTH, 0))).max(axis=-1) > THRESHOLD
    labels, count = ndimage.label((broad & ~footprint) | near, np.ones((3, 3)))
    sizes = ndimage.sum_labels(np.ones(labels.shape), labels, np.arange(count + 1))
    sizes[0] = 0
    return (sizes >= LEAST_AREA * (source.shape[0] / 256) ** 2)[labels]


def light_masks(source: Array, target: Array, moved: Array, moved_after: Array) -> dict[str, Array]:
    """bool (h, w) each: "changed", "light", "old_shadow", "new_shadow", "revealed".

    ``source`` and ``target`` are uint8 (h, w, 3), the masks uint8 (h, w). Light is what changed outside both
    footprints grown by ``RIM`` pixels; where it gets brighter a shadow goes, where darker one comes.
    """
    footprint = ndimage.binary_dilation((moved > 0) | (moved_after > 0), disc(RIM))
    difference = changed(source, target, footprint)
    light = difference & ~footprint
    weights = np.array([0.2126, 0.7152, 0.0722])
    brighter = ndimage.gaussian_filter((target.astype(np.float64) - source) @ weights, SMOOTH)
    return {
        "changed": difference, "light": light, "old_shadow": light & (brighter > THRESHOLD / 2),
        "new_shadow": light & (brighter < -THRESHOLD / 2), "revealed": (moved > 127) & (moved_after < 128),
    }  # fmt: skip


def inner(mask: Array, least: int = 12) -> Array:
    """bool (h, w): the mask without its border, as wide a border as leaves ``least`` pixels; the mask if none does."""
    for radius in (6, 4, 3, 2, 1):
        core = ndimage.binary_erosion(mask, disc(radius))
        if core.sum() >= least:
            return core
    return mask
