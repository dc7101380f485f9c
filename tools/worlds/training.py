"""Single pictures for training: the states that the families' edits lead from and to, and more."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from . import records, sets, split
from .develop import denoised, develop, exposure
from .families import FAMILIES, StageError, draw_stage, project
from .material import Array
from .package import Library
from .renderer import World
from .shares import ALONE, Share
from .stage import Stage
from .thing import Body

Rng = np.random.Generator
REMOVED = 0.25
ATTEMPTS = 12
PER_FOLDER = 1000
SAMPLES = 8


def _shown(rng: Rng, stage: Stage) -> tuple[list[Body], int]:
    """The bodies in the state before or after the edit, and how many of them are the edit's own (they come first)."""
    after = rng.random() < 0.5
    movers = sum(body.moves for body in stage.bodies)
    shown = []
    for body in stage.bodies:
        pose = body.after if after else body.before
        shown.append(Body(body.thing, pose, pose))
    return shown, movers


def _opened(body: Body) -> bool:
    """Whether a thing that opens stands open by a third or more of its range."""
    low, high = body.thing.ranges.get("open", (0.0, 0.0))
    span = max(abs(low), abs(high))
    return span > 0 and abs(dict(body.before.state).get("open", 0.0)) > span / 3


def _disturbed(rng: Rng, stage: Stage, body: Body) -> tuple[Body, str]:
    """Now and then in the air or leaning, as far as it stays in the picture."""
    kind = str(rng.choice(["", "air", "lean"], p=[0.66, 0.2, 0.14]))
    if not kind or body.before.height:
        return body, "air" if body.before.height else ""
    if kind == "air":
        pose = replace(body.before, height=float(rng.uniform(0.08, 0.5)), lean=float(rng.normal(0, 0.1)))
    else:
        pose = sets.grounded(body.thing, replace(body.before, lean=float(rng.choice([-1, 1]) * rng.uniform(0.15, 1.2))))
    pixels, _ = project(stage.camera, sets.sampled(body.thing, dict(pose.state)), pose)
    if np.mean(((pixels > 0) & (pixels < stage.camera.size)).all(axis=1)) < 0.8:
        return body, ""
    return Body(body.thing, pose, pose), kind


def _screening(rng: Rng, part: str, library: Library | None, stage: Stage, body: Body) -> Body | None:
    """A thing that stands between the camera and ``body`` and hides part of it."""
    thing = sets.resized(sets.draw_thing(rng, part, library), float(rng.uniform(0.5, 0.8)))
    own, other = sets.sampled(thing, most=400), sets.sampled(body.thing, dict(body.before.state), most=400)
    gap = np.linalg.norm(own[:, :2], axis=1).max() + np.linalg.norm(other[:, :2], axis=1).max()
    place = np.array(body.before.place)
    towards = stage.camera.origin[:2] - place
    towards /= np.linalg.norm(towards)
    side = np.array([-towards[1], towards[0]])
    place = place + towards * gap * rng.uniform(0.85, 1.1) + side * rng.uniform(-0.25, 0.25)
    pose = replace(body.before, place=tuple(map(float, place)), height=0.0, lean=0.0, stretch=(1.0, 1.0, 1.0), state=(),
                   turn=float(rng.uniform(-1, 1)))  # fmt: skip
    _, depth = project(stage.camera, own, pose)
    clear = all(
        np.hypot(*np.subtract(pose.place, else_.before.place)) > 0.5 * gap
        for else_ in stage.bodies
        if else_ is not body
    )
    return Body(thing, pose, pose) if depth.min() > 1.0 and clear else None


def draw_picture(part: str, seed: int, library: Library | None, size: int) -> tuple[Stage, tuple[int, ...]]:
    """(stage, numbers of bodies that are taken away) of one training picture.

    Raises:
        StageError: no arrangement was found.
    """
    rng = split.generator(part, seed, len(FAMILIES))
    family = list(FAMILIES)[int(rng.integers(len(FAMILIES)))]
    for attempt in range(ATTEMPTS):
        try:
            stage = draw_stage(family, part, rng, library, size)
            break
        except StageError:
            if attempt == ATTEMPTS - 1:
                raise
    bodies, movers = _shown(rng, stage)
    states, neighbours = ["opened"] if any(map(_opened, bodies)) else [], len(bodies) - movers
    for number in range(movers):
        bodies[number], state = _disturbed(rng, stage, bodies[number])
        states.append(state)
    if rng.random() < 0.15:
        screen = _screening(rng, part, library, replace(stage, bodies=bodies), bodies[0])
        if screen is not None:
            bodies.append(screen)
            states.append("half hidden")
    # An empty room teaches little: things go more often where others stay.
    without = tuple(range(movers)) if rng.random() < (REMOVED if len(bodies) > movers else 0.07) else ()
    meta = {**stage.meta, "seed": seed, "removed": bool(without), "states": [state for state in states if state],
            "neighbours": neighbours}  # fmt: skip
    meta["things"] = [body.thing.name for number, body in enumerate(bodies) if number not in without]
    return replace(stage, bodies=bodies, meta=meta), without


def photograph(stage: Stage, samples: int, seed: int, without: tuple[int, ...] = ()) -> Array:
    """uint8 (size, size, 3) sRGB of a stage before its edit."""
    light = denoised(*World(stage, without).picture(samples, seed))
    return develop(light, exposure(light) * 2.0**stage.exposure)


def whose(stage: Stage, without: tuple[int, ...] = ()) -> Array:
    """uint8 (size, size): which thing a pixel's centre shows, 1 for the first body; 0 for the room."""
    camera = stage.camera
    hits = World(stage, without).cast(camera.origin, camera.rays(camera.pixel_grid()))
    return np.clip(hits.body + 1, 0, 255).astype(np.uint8)


def render_pictures(
    out: Path,
    part: str,
    first: int,
    count: int,
    library: Library | None,
    size: int,
    samples: int,
    share: Share = ALONE,
    things: bool = False,
) -> tuple[int, int]:
    """Pictures of seeds ``first`` to ``first + count`` as ``out/NN/NNNNNN.png``; those that are there are kept.

    ``things``: beside each, ``NNNNNN.things.png`` of ``whose``.

    Each adds a line to ``out/index.jsonl``; a seed that fails adds one with its error to ``out/broken.jsonl`` and is
    passed over from then on. Returns how many ``share`` made and how many failed.
    """
    out.mkdir(parents=True, exist_ok=True)
    broken = out / "broken.jsonl"
    known = {row["seed"] for row in records.read(broken)}
    made = failed = 0
    for seed in range(first, first + count):
        path = out / f"{seed // PER_FOLDER:02d}" / f"{seed:06d}.png"
        if not share.owns(seed) or path.exists() or seed in known:
            continue
        began = time.perf_counter()
        try:
            stage, without = draw_picture(part, seed, library, size)
            image = photograph(stage, samples, seed, without)
            if image.std() < 4 or image.mean() < 12 or image.mean() > 245:
                raise StageError(
                    f"picture is blank, dark or burnt out: mean {image.mean():.0f}, deviation {image.std():.1f}"
                )
        except (ValueError, RuntimeError, np.linalg.LinAlgError) as error:
            failed += 1
            records.add(broken, {"seed": seed, "error": f"{type(error).__name__}: {error}"})
            continue
        path.parent.mkdir(exist_ok=True)
        if things:
            Image.fromarray(whose(stage, without)).save(path.with_suffix(records.THINGS))
        part_file = path.with_suffix(".part")
        Image.fromarray(image).save(part_file, format="PNG")
        part_file.replace(path)
        row = {**stage.meta, "file": str(path.relative_to(out)), "samples": samples, "size": size,
               "seconds": round(time.perf_counter() - began, 2)}  # fmt: skip
        records.add(out / "index.jsonl", row)
        made += 1
    return made, failed
