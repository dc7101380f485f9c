"""The set: ground, walls, light and camera of a scene, and which things may stand in it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .camera import Camera
from .grounds import ground, wall
from .jointed import jointed
from .material import Array, Material
from .mesh import Part, rotation, scaling, translation
from .opening import opening
from .package import Library, PackageError
from .shapes import rounded_box
from .solids import solid
from .stage import Light
from .thing import Pose, Thing

Rng = np.random.Generator


@dataclass(frozen=True, eq=False)
class Set:
    """Everything but the things. ``depth``: y of the wall behind, 3 metres off where there is none."""

    room: list[Part]
    lights: list[Light]
    sky: Array
    camera: Camera
    depth: float
    exposure: float
    meta: dict


def _kelvin(rng: Rng) -> Array:
    """Colour of a light from candle-warm to sky-cold, green at 1."""
    warm = np.clip(rng.normal(0.15, 0.3), -0.5, 0.8)
    return np.array([1 + 0.3 * warm, 1.0, 1 - 0.4 * warm])


def _sky(rng: Rng, level: float, outside: bool) -> Array:
    """(32, 64, 3) float32: dim below, bright above; bright rectangles on it are windows seen in what is glossy."""
    height = np.linspace(1, -1, 32)[:, None, None]
    if outside:
        zenith, horizon = np.array([0.45, 0.62, 1.0]), np.array([0.95, 0.97, 1.0])
        dome = horizon + (zenith - horizon) * np.clip(height, 0, 1) ** 0.6
        image = np.where(height > 0, dome, np.array([0.35, 0.32, 0.28]))
    else:
        tint = _kelvin(rng)
        image = tint * (0.75 + 0.5 * np.clip(height, -1, 1))
    image = np.tile(image, (1, 64, 1))
    if not outside or rng.random() < 0.3:
        for _ in range(int(rng.integers(1, 4))):
            x, w = int(rng.integers(64)), int(rng.integers(3, 9))
            y, h = int(rng.integers(4, 11)), int(rng.integers(3, 7))
            image[y : y + h, np.arange(x, x + w) % 64] += rng.uniform(1.5, 5.0)
    return (image * level / image[:16].mean()).astype(np.float32)


def _panes(rng: Rng, origin: Array, target: Array) -> list[Part]:
    """A dark screen across the light with a window's panes in it."""
    along = target - origin
    distance = float(np.linalg.norm(along))
    forward = along / distance
    right = np.cross(forward, (0, 0, 1.0))
    right /= np.linalg.norm(right)
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([right, np.cross(right, forward), -forward], axis=1)
    matrix[:3, 3] = origin + forward * distance * 0.5
    columns, rows = int(rng.integers(2, 4)), int(rng.integers(2, 4))
    width, height, bar = rng.uniform(0.8, 1.3), rng.uniform(0.7, 1.2), rng.uniform(0.04, 0.09)
    pieces = [((width + 2, 1, 0.02), (0, s * (height + 1) / 2)) for s in (-1, 1)]
    pieces += [((1, height, 0.02), (s * (width + 1) / 2, 0)) for s in (-1, 1)]
    pieces += [((bar, height, 0.02), (width * (at / columns - 0.5), 0)) for at in range(1, columns)]
    pieces += [((width, bar, 0.02), (0, height * (at / rows - 0.5))) for at in range(1, rows)]
    dark = Material((0.2, 0.19, 0.18), roughness=1.0)
    turn = rotation((0, 0, 1), rng.uniform(-0.15, 0.15))
    return [Part(rounded_box(size, 0.0).transformed(matrix @ turn @ translation(x, y, 0)), dark, "window")
            for size, (x, y) in pieces]  # fmt: skip


def _in_view(camera: Camera, part: Part) -> bool:
    """Whether any of a flat part may be seen, or stands close before the camera."""
    corners = part.mesh.vertices.astype(np.float64)
    low, high = corners.min(axis=0), corners.max(axis=0)
    share = np.linspace(0, 1, 9)
    grid = np.stack(np.meshgrid(share, share, share), axis=-1).reshape(-1, 3)
    pixels, depth = camera.project(low + (high - low) * grid)
    seen = (depth > 0) & (pixels > -0.05 * camera.size).all(axis=-1) & (pixels < 1.05 * camera.size).all(axis=-1)
    return bool(seen.any())


def draw_set(rng: Rng, part: str, size: int, high: bool = False) -> Set:
    """A set of split ``part`` for a picture of ``size`` pixels. ``high``: seen from above, as into a box."""
    kind, floor, outside = ground(rng, part)
    elevation = np.radians(rng.uniform(26, 42) if high else rng.uniform(13, 36))
    distance = rng.uniform(2.7, 3.5)
    target = np.array([rng.uniform(-0.08, 0.08), rng.uniform(0, 0.25), rng.uniform(0.16, 0.3)])
    origin = target + distance * np.array([0, -np.cos(elevation), np.sin(elevation)])
    camera = Camera(origin, target, float(rng.uniform(25, 35)), size)
    room, meta, depth = [floor], {"ground": kind, "background": kind}, 3.0
    open_air = outside and rng.random() < 0.35 and elevation > np.radians(20)
    if not open_air:
        depth = rng.uniform(0.9, 2.2)
        meta["wall"], parts = wall(rng, part, depth)
        room += parts
    style = str(rng.choice(["hard", "soft", "window", "overcast"], p=[0.32, 0.36, 0.17, 0.15]))
    if open_air and style == "window":
        style = "hard"
    lights = []
    azimuth = rng.choice([-1, 1]) * np.radians(rng.uniform(75, 115) if style == "window" else rng.uniform(25, 125))
    raised = np.radians(rng.uniform(42, 62) if style == "window" else rng.uniform(34, 66))
    reach = rng.uniform(3.2, 4.2)
    direction = np.array([np.sin(azimuth) * np.cos(raised), -np.cos(azimuth) * np.cos(raised), np.sin(raised)])
    if not open_air and direction[1] * reach > depth - 0.4:
        direction[1] = -abs(direction[1])
    middle = np.array([0.0, 0.1, 0.2])
    side = {"hard": rng.uniform(0.06, 0.2), "soft": rng.uniform(0.7, 1.7), "window": rng.uniform(0.05, 0.14),
            "overcast": rng.uniform(2.0, 2.6)}[style]  # fmt: skip
    ratio = {
        "hard": rng.uniform(2.5, 6),
        "soft": rng.uniform(1.5, 4),
        "window": rng.uniform(3, 7),
        "overcast": rng.uniform(0.5, 1),
    }[style]
    level = 0.35

    def add(direction: Array, side: float, strength: float) -> None:
        where = middle + direction * reach
        radiance = strength * np.pi * level * reach**2 / side**2 * _kelvin(rng)
        lights.append(
            Light(tuple(map(float, where)), tuple(map(float, middle)), float(side), tuple(map(float, radiance)))
        )

    add(direction, side, ratio)
    if style == "window":
        panes = _panes(rng, middle + direction * reach, middle)
        if any(_in_view(camera, part) for part in panes):
            style = "hard"
        else:
            room += panes
    extra = int(rng.choice([0, 1, 2], p=[0.6, 0.3, 0.1])) if style != "window" else 0
    for _ in range(extra):
        around = azimuth + rng.uniform(1.2, 4.2)
        tilt = np.radians(rng.uniform(35, 65))
        other = np.array([np.sin(around) * np.cos(tilt), -np.cos(around) * np.cos(tilt), np.sin(tilt)])
        if not open_air and other[1] * reach > depth - 0.4:
            other[1] = -abs(other[1])
        add(other, float(rng.uniform(0.1, 1.5)), ratio * rng.uniform(0.2, 0.6))
    meta |= {"light": style, "lights": len(lights), "open_air": bool(open_air)}
    return Set(room, lights, _sky(rng, level, open_air), camera, depth, float(rng.normal(0.1, 0.3)), meta)


def sampled(thing: Thing, state: dict[str, float] | None = None, most: int = 1500) -> Array:
    """(n, 3): vertices of a thing in its own axes, thinned, the extremes kept."""
    parts = thing.build({**thing.rest, **(state or {})})
    vertices = np.concatenate([part.mesh.vertices for part in parts])
    ends = np.concatenate([vertices.argmin(axis=0), vertices.argmax(axis=0)])
    return np.concatenate([vertices[:: max(1, len(vertices) // most)], vertices[ends]])


def resized(thing: Thing, factor: float) -> Thing:
    """The same thing ``factor`` times as large."""
    matrix = scaling(factor, factor, factor)
    build = thing.build
    return replace(thing, build=lambda state: [part.transformed(matrix) for part in build(state)])


def from_package(rng: Rng, part: str, library: Library) -> Thing:
    """A model of the package at the size of a thing on a table; large things shrink more than small ones."""
    entries = library.of(part)
    for _ in range(50):
        entry = entries[int(rng.integers(len(entries)))]
        try:
            parts = list(library.parts(entry))
        except PackageError:
            continue
        factor = float(np.clip(0.66 * max(entry.size) ** 0.25, 0.42, 0.9) * rng.uniform(0.9, 1.1))
        thing = Thing(
            f"{entry.library}/{entry.key}",
            "package",
            lambda state, parts=parts: parts,
            author=entry.author,
            licence=entry.licence,
        )
        return resized(thing, factor)
    raise PackageError(f"no usable model of split {part} found in 50 draws")


def draw_thing(rng: Rng, part: str, library: Library | None, kind: str = "any") -> Thing:
    """A thing of a kind: "any", "rigid" (package or solid), "jointed" or "opening"."""
    if kind == "jointed":
        return resized(jointed(rng, part), float(rng.uniform(0.95, 1.2)))
    if kind == "opening":
        return resized(opening(rng, part), float(rng.uniform(0.95, 1.2)))
    if library is not None and rng.random() < 0.66:
        return from_package(rng, part, library)
    if kind == "any" and rng.random() < 0.4:
        return draw_thing(rng, part, library, str(rng.choice(["jointed", "opening"])))
    return resized(solid(rng, part), float(rng.uniform(0.9, 1.3)))


def grounded(thing: Thing, pose: Pose) -> Pose:
    """The pose lowered or raised until the thing's lowest vertex touches the ground, plus the pose's own height."""
    vertices = sampled(thing, dict(pose.state), most=6000)
    low = float((vertices @ replace(pose, height=0.0).matrix()[:3, :3].T)[:, 2].min())
    return replace(pose, height=pose.height - low)
