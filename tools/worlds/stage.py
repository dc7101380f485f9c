"""A scene in numbers: what stands where, which light falls on it, who looks."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .camera import Camera
from .mesh import Part
from .thing import Body

Array = np.ndarray


@dataclass(frozen=True)
class Light:
    """A rectangle that shines towards ``target``; the smaller, the harder its shadows.

    Attributes:
        origin, target: metres.
        side: of the square in metres.
        radiance: (r, g, b) in linear light.
    """

    origin: tuple[float, float, float]
    target: tuple[float, float, float]
    side: float
    radiance: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Stage:
    """A scene before and after its edit.

    Attributes:
        bodies: the things; those that move differ before and after.
        room: what never moves: ground, walls, a window's frame.
        lights: one to three.
        sky: (h, w, 3) float32 radiance round the scene, linear light.
        exposure: stops over or under the camera's own choice.
        meta: for the record.
    """

    bodies: list[Body]
    room: list[Part]
    lights: list[Light]
    sky: Array
    camera: Camera
    exposure: float = 0.0
    meta: dict = field(default_factory=dict)
