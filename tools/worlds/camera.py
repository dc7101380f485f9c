"""A pinhole camera in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Camera:
    """A square picture from ``origin`` towards ``target``, z up.

    Attributes:
        origin, target: (3,) in metres; not one above the other.
        field_of_view: in degrees, across the picture.
        size: of the picture in pixels.
    """

    origin: Array
    target: Array
    field_of_view: float
    size: int

    @property
    def axes(self) -> Array:
        """(3, 3): right, down and forward as rows, unit length."""
        forward = np.asarray(self.target, np.float64) - self.origin
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, (0.0, 0.0, 1.0))
        right /= np.linalg.norm(right)
        return np.stack([right, np.cross(forward, right), forward])

    @property
    def focal(self) -> float:
        """Focal length in pixels."""
        return self.size / 2 / np.tan(np.radians(self.field_of_view) / 2)

    def project(self, points: Array) -> tuple[Array, Array]:
        """Of (..., 3) points: (x, y) in pixels (..., 2), pixel centres at halves, and depth (...,) in metres.

        What lies behind the camera has a depth below 0 and no meaning in x and y.
        """
        seen = (np.asarray(points, np.float64) - self.origin) @ self.axes.T
        depth = seen[..., 2]
        safe = np.where(np.abs(depth) < 1e-9, 1e-9, depth)
        return seen[..., :2] / safe[..., None] * self.focal + self.size / 2, depth

    def rays(self, pixels: Array) -> Array:
        """Unit directions (..., 3) through positions (x, y) in pixels (..., 2)."""
        plane = (np.asarray(pixels, np.float64) - self.size / 2) / self.focal
        directions = np.concatenate([plane, np.ones_like(plane[..., :1])], axis=-1) @ self.axes
        return directions / np.linalg.norm(directions, axis=-1, keepdims=True)

    def pixel_grid(self, subdivisions: int = 1) -> Array:
        """(size * n, size * n, 2): positions of an n x n grid within every pixel; for n = 1 the centres."""
        position = (np.arange(self.size * subdivisions) + 0.5) / subdivisions
        return np.stack(np.meshgrid(position, position), axis=-1)
