"""The seven families of edits: a stage before and after, drawn from a seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from . import sets
from .camera import Camera
from .material import Array
from .package import Library
from .stage import Stage
from .thing import Body, Pose, Thing

Rng = np.random.Generator
TRIES = 400
# Of a picture 256 pixels wide.
SHORTEST, LONGEST = 24.0, 105.0


class StageError(ValueError):
    """No arrangement found that fits the picture; another attempt may find one."""


@dataclass(eq=False)
class Layout:
    """A stage in the making: the set, and circles on the ground that are taken."""

    rng: Rng
    part: str
    library: Library | None
    scene: sets.Set
    taken: list[tuple[float, float, float]] = field(default_factory=list)

    @property
    def unit(self) -> float:
        """Pixels of the picture for one of a picture of 256."""
        return self.scene.camera.size / 256

    def free(self, x: float, y: float, radius: float) -> bool:
        """Whether a circle keeps clear of the others, the wall and the camera."""
        if y + radius > self.scene.depth - 0.03:
            return False
        return all(np.hypot(x - a, y - b) > 0.92 * (radius + r) for a, b, r in self.taken)

    def spot(self, radius: float, spread: float = 1.0) -> tuple[float, float]:
        """A place on the ground for a circle.

        Raises:
            StageError: none found.
        """
        for _ in range(60):
            x, y = self.rng.uniform(-0.7, 0.7) * spread, self.rng.uniform(-0.65, 0.85) * spread
            if self.free(x, y, radius):
                return float(x), float(y)
        raise StageError("no free spot")

    def inside(self, vertices: Array, pose: Pose, margin: float = 0.015) -> bool:
        """Whether a thing's vertices all lie within the picture."""
        pixels, depth = project(self.scene.camera, vertices, pose)
        low, high = margin * self.scene.camera.size, (1 - margin) * self.scene.camera.size
        return bool((depth > 0.3).all() and (pixels > low).all() and (pixels < high).all())


def project(camera: Camera, vertices: Array, pose: Pose) -> tuple[Array, Array]:
    """Pixels (n, 2) and depth (n,) of a thing's own vertices in a pose."""
    matrix = pose.matrix()
    return camera.project(vertices @ matrix[:3, :3].T + matrix[:3, 3])


def facing(rng: Rng, thing: Thing) -> float:
    """A turn that shows a thing's front, or with package models any side now and then."""
    if thing.kind == "jointed":
        return float(rng.normal(0, 0.35))
    if thing.kind == "opening":
        return float(rng.uniform(-0.7, 0.7))
    return float(rng.uniform(-1.1, 1.1) if rng.random() < 0.75 else rng.uniform(-np.pi, np.pi))


def inner_state(rng: Rng, thing: Thing, share: float) -> dict[str, float]:
    """A state within ``share`` of a thing's ranges about its rest."""
    return {key: float(thing.rest.get(key, 0.0) + share * rng.uniform(*pair)) for key, pair in thing.ranges.items()}


def _shift(camera: Camera, vertices: Array, before: Pose, after: Pose) -> tuple[float, float]:
    """How far the vertices go in the picture, in pixels: the middle one, the farthest."""
    first, second = project(camera, vertices, before)[0], project(camera, vertices, after)[0]
    way = np.linalg.norm(second - first, axis=1)
    return float(np.median(way)), float(way.max())


def _travel(layout: Layout, thing: Thing, towards: float | None = None, free: Callable | None = None) -> Body:
    """A thing that slides; ``towards``: the direction in the picture that it must not be near, radians."""
    rng, camera = layout.rng, layout.scene.camera
    vertices = sets.sampled(thing, most=400)
    radius = float(np.linalg.norm(vertices[:, :2], axis=1).max())
    state = tuple(inner_state(rng, thing, 0.3).items()) if thing.kind == "jointed" else ()
    turn = facing(rng, thing)
    for _ in range(TRIES):
        places = [(float(rng.uniform(-0.95, 0.95)), float(rng.uniform(-0.8, 1.0))) for _ in range(2)]
        if not all(layout.free(*place, radius) for place in places):
            continue
        before, after = (Pose(place, turn=turn, state=state) for place in places)
        if not (layout.inside(vertices, before) and layout.inside(vertices, after)):
            continue
        way = _shift(camera, vertices, before, after)[0] / layout.unit
        if not SHORTEST <= way <= LONGEST:
            continue
        if towards is not None:
            step = np.subtract(places[1], places[0])
            off = np.angle(np.exp(1j * (np.arctan2(step[1], step[0]) - towards)))
            if abs(off) < 0.7:
                continue
        layout.taken += [(*place, radius) for place in places]
        return Body(thing, before, after)
    raise StageError(f"no way to slide {thing.name}")


def slide(layout: Layout) -> tuple[list[Body], dict]:
    body = _travel(
        layout,
        sets.draw_thing(layout.rng, layout.part, layout.library, "rigid" if layout.rng.random() < 0.8 else "any"),
    )
    return [body], {"from": body.before.place, "to": body.after.place}


def lift(layout: Layout) -> tuple[list[Body], dict]:
    rng, camera = layout.rng, layout.scene.camera
    thing = sets.draw_thing(rng, layout.part, layout.library, "rigid" if rng.random() < 0.85 else "any")
    vertices = sets.sampled(thing, most=400)
    radius = float(np.linalg.norm(vertices[:, :2], axis=1).max())
    for _ in range(TRIES):
        place = layout.spot(radius)
        low = Pose(place, turn=facing(rng, thing))
        high = replace(low, height=float(rng.uniform(0.12, 0.6)))
        if not (layout.inside(vertices, low) and layout.inside(vertices, high)):
            continue
        if SHORTEST <= _shift(camera, vertices, low, high)[0] / layout.unit <= LONGEST:
            layout.taken.append((*place, radius))
            up = rng.random() < 0.65
            body = Body(thing, low, high) if up else Body(thing, high, low)
            return [body], {"height": high.height, "up": bool(up)}
    raise StageError(f"no room to lift {thing.name}")


def turn(layout: Layout) -> tuple[list[Body], dict]:
    rng, camera = layout.rng, layout.scene.camera
    for _ in range(20):
        thing = sets.draw_thing(rng, layout.part, layout.library, "rigid")
        if thing.shows_turn:
            break
    vertices = sets.sampled(thing, most=400)
    radius = float(np.linalg.norm(vertices[:, :2], axis=1).max())
    for _ in range(TRIES):
        before = Pose(layout.spot(radius), turn=facing(rng, thing))
        angle = float(rng.choice([-1, 1]) * np.radians(rng.uniform(22, 70)))
        after = replace(before, turn=before.turn + angle)
        if layout.inside(vertices, before) and layout.inside(vertices, after):
            if _shift(camera, vertices, before, after)[1] / layout.unit >= 14:
                layout.taken.append((*before.place, radius))
                return [Body(thing, before, after)], {"angle": angle}
    raise StageError(f"no room to turn {thing.name}")


def stretch(layout: Layout) -> tuple[list[Body], dict]:
    rng, camera = layout.rng, layout.scene.camera
    thing = sets.draw_thing(rng, layout.part, layout.library, "rigid" if rng.random() < 0.85 else "any")
    vertices = sets.sampled(thing, most=400)
    for _ in range(TRIES):
        mode = str(rng.choice(["taller", "wider", "size"]))
        factor = float(np.exp(rng.choice([-1, 1], p=[0.4, 0.6]) * rng.uniform(np.log(1.18), np.log(1.65))))
        by = {"taller": (1, 1, factor), "wider": (factor, 1, 1), "size": (factor,) * 3}[mode]
        radius = float(np.linalg.norm(vertices[:, :2], axis=1).max()) * max(1.0, factor if mode != "taller" else 1)
        before = Pose(layout.spot(radius), turn=facing(rng, thing) * (0.6 if mode == "wider" else 1))
        after = replace(before, stretch=tuple(map(float, by)))
        if layout.inside(vertices, before) and layout.inside(vertices, after):
            if 14 <= _shift(camera, vertices, before, after)[1] / layout.unit <= LONGEST:
                layout.taken.append((*before.place, radius))
                return [Body(thing, before, after)], {"mode": mode, "factor": factor}
    raise StageError(f"no room to stretch {thing.name}")


def _posed(layout: Layout, kind: str, keys: Callable[[Thing], list[str]], least: float) -> tuple[Body, str]:
    """A thing one of whose state's values changes."""
    rng, camera = layout.rng, layout.scene.camera
    thing = sets.draw_thing(rng, layout.part, layout.library, kind)
    for _ in range(TRIES):
        names = keys(thing)
        name = names[int(rng.integers(len(names)))]
        low, high = thing.ranges[name]
        state = inner_state(rng, thing, 0.45 if kind == "jointed" else 0.0)
        if kind == "jointed":
            first, second = rng.uniform(low, high, 2)
        else:
            span = high if abs(high) > abs(low) else low
            first, second = span * rng.choice([0.0, 0.0, 0.12]), span * rng.uniform(0.4, 1.0)
            if rng.random() < 0.3:
                first, second = second, first
        before = Pose(turn=facing(rng, thing), state=()).having(**{**state, name: float(first)})
        after = before.having(**{name: float(second)})
        own = [sets.sampled(thing, dict(pose.state), most=3000) for pose in (before, after)]
        if min(vertices[:, 2].min() for vertices in own) < -0.02:
            continue
        radius = float(max(np.linalg.norm(vertices[:, :2], axis=1).max() for vertices in own))
        place = layout.spot(0.8 * radius)
        before, after = replace(before, place=place), replace(after, place=place)
        if not all(layout.inside(vertices, pose) for vertices, pose in zip(own, (before, after), strict=True)):
            continue
        pixels = [project(camera, vertices, pose)[0] for vertices, pose in zip(own, (before, after), strict=True)]
        far = (
            float(np.linalg.norm(pixels[1] - pixels[0], axis=1).max()) / layout.unit
            if len(own[0]) == len(own[1])
            else 0.0
        )
        if least <= far <= LONGEST * 1.2:
            layout.taken.append((*place, radius))
            return Body(thing, before, after), name
    raise StageError(f"no room to move {thing.name}")


def bend(layout: Layout) -> tuple[list[Body], dict]:
    body, name = _posed(layout, "jointed", lambda thing: list(thing.ranges), 20)
    return [body], {"joint": name, "from": dict(body.before.state)[name], "to": dict(body.after.state)[name]}


def opened(layout: Layout) -> tuple[list[Body], dict]:
    body, name = _posed(layout, "opening", lambda thing: ["open"], 16)
    return [body], {"from": dict(body.before.state)[name], "to": dict(body.after.state)[name]}


def several(layout: Layout) -> tuple[list[Body], dict]:
    rng = layout.rng
    bodies: list[Body] = []
    towards = None
    for _ in range(int(rng.choice([2, 3], p=[0.65, 0.35]))):
        for attempt in range(4):
            thing = sets.resized(sets.draw_thing(rng, layout.part, layout.library, "rigid"), 0.72)
            try:
                body = _travel(layout, thing, towards)
                break
            except StageError:
                if attempt == 3:
                    if len(bodies) < 2:
                        raise
                    return bodies, {"bodies": len(bodies)}
        step = np.subtract(body.after.place, body.before.place)
        towards = float(np.arctan2(step[1], step[0]))
        bodies.append(body)
    return bodies, {"bodies": len(bodies)}


FAMILIES: dict[str, Callable[[Layout], tuple[list[Body], dict]]] = {
    "slide": slide, "lift": lift, "turn": turn, "stretch": stretch, "bend": bend, "open": opened, "several": several,
}  # fmt: skip


def neighbours(layout: Layout, count: int) -> list[Body]:
    """Up to ``count`` things that stand by, as far as there is room."""
    bodies = []
    for _ in range(count):
        thing = sets.resized(
            sets.draw_thing(layout.rng, layout.part, layout.library), float(layout.rng.uniform(0.6, 0.95))
        )
        vertices = sets.sampled(thing, most=400)
        radius = float(np.linalg.norm(vertices[:, :2], axis=1).max())
        for _ in range(25):
            try:
                place = layout.spot(radius, 1.25)
            except StageError:
                break
            pose = Pose(place, turn=facing(layout.rng, thing), state=tuple(inner_state(layout.rng, thing, 0.4).items()))
            pixels, depth = project(layout.scene.camera, vertices, pose)
            share = np.mean(np.all((pixels > 0) & (pixels < layout.scene.camera.size), axis=1) & (depth > 0.3))
            if depth.min() > 1.2 and share > 0.6:
                layout.taken.append((*place, radius))
                bodies.append(Body(thing, pose, pose))
                break
    return bodies


def draw_stage(family: str, part: str, rng: Rng, library: Library | None, size: int) -> Stage:
    """A stage of a family, with things and grounds of split ``part``, for pictures of ``size`` pixels.

    Raises:
        StageError: no arrangement was found; another state of ``rng`` may find one.
    """
    scene = sets.draw_set(rng, part, size, high=family == "open" and rng.random() < 0.8)
    layout = Layout(rng, part, library, scene)
    movers, parameters = FAMILIES[family](layout)
    others = neighbours(
        layout,
        int(rng.choice([0, 1, 2, 3], p=[0.2, 0.35, 0.3, 0.15])) if family != "several" else int(rng.integers(0, 2)),
    )
    bodies = [*movers, *others]
    things = [
        {"name": body.thing.name, "kind": body.thing.kind, "author": body.thing.author, "licence": body.thing.licence}
        for body in bodies
    ]
    meta = {"family": family, "split": part, "parameters": parameters, "things": things, **scene.meta}
    return Stage(bodies, scene.room, scene.lights, scene.sky, scene.camera, scene.exposure, meta)
