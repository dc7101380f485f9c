"""Things without joints: turned ware, blocks, toys."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from . import split
from .material import Material, draw_material
from .mesh import Mesh, Part, rotation, translation
from .shapes import ball, extruded, lathe, rounded_box, smooth_profile, torus, tube
from .thing import Thing

Rng = np.random.Generator

PROFILES = {
    "vase": [(0, 0), (0.16, 0), (0.16, 0), (0.26, 0.22), (0.2, 0.45), (0.09, 0.6), (0.14, 0.7), (0.14, 0.7),
             (0.12, 0.7), (0.12, 0.7), (0.08, 0.6), (0, 0.5)],
    "bowl": [(0, 0), (0.15, 0), (0.15, 0), (0.16, 0.03), (0.3, 0.15), (0.36, 0.28), (0.36, 0.28), (0.335, 0.28),
             (0.335, 0.28), (0.27, 0.16), (0.12, 0.06), (0, 0.05)],
    "bottle": [(0, 0), (0.14, 0), (0.14, 0), (0.15, 0.03), (0.15, 0.4), (0.13, 0.5), (0.055, 0.6), (0.05, 0.74),
               (0.05, 0.74), (0.06, 0.74), (0.06, 0.78), (0.06, 0.78), (0, 0.78)],
    "pawn": [(0, 0), (0.2, 0), (0.2, 0), (0.2, 0.05), (0.13, 0.12), (0.08, 0.3), (0.08, 0.4), (0.14, 0.43),
             (0.09, 0.46), (0.15, 0.56), (0.12, 0.66), (0, 0.7)],
    "pot": [(0, 0), (0.2, 0), (0.2, 0), (0.28, 0.4), (0.28, 0.4), (0.31, 0.4), (0.31, 0.4), (0.31, 0.48),
            (0.31, 0.48), (0.27, 0.48), (0.27, 0.48), (0.26, 0.4), (0, 0.38)],
    "spindle": [(0, 0), (0.1, 0.12), (0.28, 0.24), (0.28, 0.28), (0.1, 0.36), (0.05, 0.42), (0.05, 0.54),
                (0.03, 0.56), (0, 0.56)],
    "tin": [(0, 0), (0.19, 0), (0.19, 0), (0.2, 0.012), (0.19, 0.025), (0.19, 0.475), (0.2, 0.49), (0.19, 0.5),
            (0.19, 0.5), (0.17, 0.49), (0, 0.49)],
    "candlestick": [(0, 0), (0.2, 0), (0.2, 0), (0.19, 0.04), (0.05, 0.1), (0.045, 0.2), (0.075, 0.26), (0.04, 0.32),
                    (0.04, 0.5), (0.11, 0.56), (0.11, 0.56), (0.05, 0.57), (0.05, 0.57), (0.045, 0.85),
                    (0.045, 0.85), (0, 0.86)],
    "pear": [(0, 0), (0.12, 0.01), (0.25, 0.16), (0.22, 0.32), (0.12, 0.48), (0.08, 0.56), (0, 0.6)],
    "jug": [(0, 0), (0.16, 0), (0.16, 0), (0.24, 0.2), (0.2, 0.4), (0.13, 0.5), (0.16, 0.6), (0.16, 0.6),
            (0.145, 0.6), (0.145, 0.6), (0.11, 0.5), (0, 0.4)],
    "goblet": [(0, 0), (0.17, 0), (0.17, 0), (0.16, 0.02), (0.03, 0.06), (0.03, 0.28), (0.14, 0.36), (0.19, 0.52),
               (0.17, 0.68), (0.17, 0.68), (0.155, 0.68), (0.155, 0.68), (0.17, 0.52), (0.1, 0.38), (0, 0.36)],
    "egg cup": [(0, 0), (0.15, 0), (0.15, 0), (0.07, 0.06), (0.07, 0.12), (0.17, 0.2), (0.19, 0.32), (0.19, 0.32),
                (0.17, 0.32), (0.17, 0.32), (0.18, 0.4), (0.12, 0.52), (0, 0.57)],
}  # fmt: skip


def _outline(kind: str, rng: Rng) -> np.ndarray:
    """(n, 2), against the clock, seen whole from its middle, reaching 0.32."""
    angle = np.linspace(0, 2 * np.pi, 121)[:-1]
    if kind == "heart":
        x, y = (
            16 * np.sin(angle) ** 3,
            13 * np.cos(angle) - 5 * np.cos(2 * angle) - 2 * np.cos(3 * angle) - np.cos(4 * angle),
        )
        ring = np.stack([x, y + 2.5], axis=-1)[::-1]
    elif kind == "star":
        n = int(rng.integers(5, 8))
        corner = np.pi / 2 + np.arange(2 * n) * np.pi / n
        radius = np.where(np.arange(2 * n) % 2, rng.uniform(0.42, 0.6), 1.0)
        ring = radius[:, None] * np.stack([np.cos(corner), np.sin(corner)], axis=-1)
    elif kind == "cross":
        w = rng.uniform(0.28, 0.4)
        quarter = np.array([(w, -1), (w, -w), (1, -w)])
        turn = np.array([(0, 1), (-1, 0)])
        ring = np.concatenate([quarter @ np.linalg.matrix_power(turn, times) for times in range(4)])
    elif kind == "cog":
        radius = 1 - 0.16 * (np.sin(angle * int(rng.integers(8, 13))) > 0)
        ring = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    else:
        radius = 1 + 0.24 * np.cos(angle * int(rng.integers(5, 8)))
        ring = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    return 0.32 * ring / np.abs(ring).max()


OUTLINES = ("heart", "star", "cross", "cog", "flower")


def _handle(height: float, reach: float) -> Mesh:
    """A cup's ear beside the z axis, towards +x."""
    angle = np.linspace(-0.5 * np.pi, 0.5 * np.pi, 17)
    centres = np.stack([0.12 * np.cos(angle) + reach, 0 * angle, height * 0.5 + 0.28 * height * np.sin(angle)], axis=-1)
    return tube(centres, np.full(17, 0.025), (0, 1, 0))


def turned(rng: Rng, part: str) -> Thing:
    """Ware turned on a lathe, sometimes with a band, an ear or a lid's knob."""
    names = split.members("shape", part, tuple(PROFILES))
    name = names[int(rng.integers(len(names)))]
    knots = [(r * rng.uniform(0.97, 1.03), z) for r, z in PROFILES[name]]
    for at in range(1, len(knots)):
        if PROFILES[name][at] == PROFILES[name][at - 1]:
            knots[at] = knots[at - 1]
    wide, tall = rng.uniform(0.8, 1.25), rng.uniform(0.85, 1.2)
    profile = smooth_profile([(r * wide, z * tall) for r, z in knots])
    material = draw_material(rng, part, 0.75)
    repeat = float(rng.integers(2, 4))
    parts = [Part(lathe(profile, repeat), material, name)]
    ear = name in ("jug", "bowl") and rng.random() < 0.5 or name == "tin" and rng.random() < 0.35
    if ear:
        height = 0.5 * tall if name == "tin" else profile[:, 1].max()
        middle = np.interp(
            height * 0.5, np.maximum.accumulate(profile[: len(profile) // 2, 1]), profile[: len(profile) // 2, 0]
        )
        parts.append(
            Part(
                _handle(height, max(middle - 0.03, 0.05)),
                replace(material, texture=None, colour=_mean(material)),
                "ear",
            )
        )
    return Thing(name, "solid", lambda state: parts, shows_turn=ear or material.texture is not None)


def _mean(material: Material) -> tuple[float, float, float]:
    """The material's colour, or its texture's mean in linear light."""
    if material.texture is None:
        return material.colour
    mean = ((material.texture / 255.0) ** 2.2).mean(axis=(0, 1))
    return tuple(float(value) for value in mean)


def block(rng: Rng, part: str) -> Thing:
    """A box: a brick, a book, a parcel, a toy block."""
    size = {"cube": (0.4, 0.4, 0.4), "book": (0.42, 0.56, rng.uniform(0.07, 0.16)), "brick": (0.62, 0.3, 0.26),
            "tower": (0.26, 0.26, 0.7), "parcel": (0.58, 0.42, 0.3)}  # fmt: skip
    name = str(rng.choice(list(size)))
    sides = tuple(np.array(size[name]) * rng.uniform(0.85, 1.15, 3))
    mesh = rounded_box(sides, 0.012 + 0.03 * rng.random()).transformed(translation(0, 0, sides[2] / 2))
    parts = [Part(mesh, draw_material(rng, part, 0.85), name)]
    if name == "parcel":
        band = rounded_box((sides[0] * 1.01, sides[1] * 0.12, sides[2] * 1.01), 0.01)
        parts.append(Part(band.transformed(translation(0, 0, sides[2] * 0.505)), draw_material(rng, part, 0.1), "band"))
    return Thing(name, "solid", lambda state: parts)


def raised(rng: Rng, part: str) -> Thing:
    """An outline raised to a plate, lying or standing on its edge."""
    names = split.members("shape", part, OUTLINES)
    name = names[int(rng.integers(len(names)))]
    mesh = extruded(_outline(name, rng), rng.uniform(0.1, 0.22), rng.uniform(0.06, 0.14))
    if rng.random() < 0.7:
        mesh = mesh.transformed(rotation((1, 0, 0), np.pi / 2))
    low = mesh.vertices.min(axis=0)
    mesh = mesh.transformed(translation(0, -float(mesh.vertices[:, 1].mean()), -float(low[2])))
    parts = [Part(mesh, draw_material(rng, part, 0.6), name)]
    return Thing(name, "solid", lambda state: parts)


def round_thing(rng: Rng, part: str) -> Thing:
    """A ball, a ring, or balls piled to a snowman or a tree."""
    name = str(rng.choice(["ball", "ring", "pile", "tree"]))
    material = draw_material(rng, part, 0.9)
    if name == "ball":
        radius = rng.uniform(0.2, 0.32)
        parts = [
            Part(ball(radius, (0, 0, radius)).transformed(translation(0, 0, 0)), replace(material, repeat=(1, 1)), name)
        ]
    elif name == "ring":
        parts = [Part(torus(0.24, rng.uniform(0.07, 0.12)), material, name)]
    elif name == "pile":
        radii = np.array([0.24, 0.17, 0.11]) * rng.uniform(0.9, 1.1)
        heights = np.cumsum([radii[0], 0.8 * (radii[0] + radii[1]), 0.8 * (radii[1] + radii[2])])
        parts = [
            Part(ball(r, (0, 0, z)), draw_material(rng, part, 0.5), name) for r, z in zip(radii, heights, strict=True)
        ]
        nose = lathe(np.array([(0, 0), (0.03, 0), (0.03, 0), (0, 0.14)])).transformed(
            translation(0, -radii[2] * 0.9, heights[2]) @ rotation((1, 0, 0), np.pi / 2)
        )
        parts.append(Part(nose, draw_material(rng, part, 0.0), "nose"))
    else:
        trunk = lathe(np.array([(0, 0), (0.06, 0), (0.06, 0), (0.05, 0.25)]))
        parts = [Part(trunk, draw_material(rng, part, 0.2), "trunk")]
        for level in range(int(rng.integers(2, 4))):
            radius, z = 0.3 - 0.06 * level, 0.2 + 0.2 * level
            cone = lathe(np.array([(0, 0), (radius, 0), (radius, 0), (0.02, 0.32), (0, 0.33)]))
            parts.append(Part(cone.transformed(translation(0, 0, z)), material, "crown"))
    return Thing(name, "solid", lambda state: parts, shows_turn=material.texture is not None and name != "tree")


SOLIDS = (turned, turned, block, raised, round_thing)


def solid(rng: Rng, part: str) -> Thing:
    """Any of them."""
    return SOLIDS[int(rng.integers(len(SOLIDS)))](rng, part)
