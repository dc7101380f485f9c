"""Things rendered alone, with alpha: what ``python -m tools.scenes --cutouts`` sets over photographs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
from PIL import Image

from tools.scenes.cutouts import bleed, trim

from . import records, sets, split, truth
from .camera import Camera
from .develop import denoised, develop, exposure
from .families import FAMILIES, StageError, facing, inner_state
from .material import Array
from .package import PACKAGE, Library
from .renderer import World
from .shares import ALONE, Share
from .stage import Stage
from .thing import OWN, Body, Pose

# Pictures of every thing, each in another light and from another side.
VIEWS = 3
SUBDIVISIONS = 4
FIELD = 24.0
# The least share of the picture that is solidly covered: thinner things have no colour of their own at their borders.
LEAST = 0.04


def draw_cutout(part: str, number: int, library: Library | None, size: int) -> tuple[Stage, dict]:
    """(stage with one thing and no room, its credit) of cut-out ``number``; ``VIEWS`` in a row show the same thing."""
    kind = len(FAMILIES) + 1
    thing = sets.draw_thing(split.generator(part, number // VIEWS, kind), part, library)
    rng = split.generator(part, number, kind + 1)
    lit = sets.draw_set(rng, part, size)
    pose = Pose(turn=facing(rng, thing), state=tuple(inner_state(rng, thing, 0.5).items()))
    matrix = pose.matrix()
    vertices = sets.sampled(thing, dict(pose.state)) @ matrix[:3, :3].T + matrix[:3, 3]
    middle = (vertices.min(axis=0) + vertices.max(axis=0)) / 2
    towards = lit.camera.origin - lit.camera.target
    towards = towards / np.linalg.norm(towards)
    # As far off as makes the ball round it fill most of the picture.
    radius = float(np.linalg.norm(vertices - middle, axis=1).max())
    camera = Camera(middle + towards * 1.05 * radius / np.sin(np.radians(FIELD / 2)), middle, FIELD, size)
    source = "tools/worlds" if thing.author == OWN else f"Debian package {PACKAGE}"
    credit = {"source": f"{source}: {thing.name}", "author": thing.author, "licence": thing.licence, "pose": "standing"}
    stage = Stage([Body(thing, pose, pose)], [], lit.lights, lit.sky, camera, lit.exposure, {"thing": thing.name})
    return stage, credit


def cut_out(stage: Stage, samples: int, seed: int) -> Array:
    """uint8 (h, w, 4), straight alpha, cropped: the thing of a stage that has nothing else.

    Raises:
        StageError: too little of it is solid.
    """
    world, camera = World(stage), stage.camera
    hits = world.cast(camera.origin, camera.rays(camera.pixel_grid(SUBDIVISIONS)))
    alpha = truth.coverage(hits.body == 0, SUBDIVISIONS)
    solid = alpha >= 250
    if solid.mean() < LEAST:
        raise StageError(f"{solid.mean():.1%} of the picture is solid")
    light = denoised(*world.picture(samples, seed))
    # The meter sees the thing alone, and not the sky behind it.
    metered = light.copy()
    metered[~solid] = np.exp(np.log(np.maximum(light[solid], 1e-4)).mean(axis=0))
    image = develop(light, exposure(metered) * 2.0**stage.exposure)
    if image[solid].std() < 3 or not 12 < image[solid].mean() < 240:
        raise StageError(f"it is blank, dark or burnt out: mean {image[solid].mean():.0f}")
    return trim(bleed(np.dstack([image, alpha])))


def render_cutouts(out: Path, part: str, first: int, count: int, library: Library | None, size: int,
                   samples: int, share: Share = ALONE) -> tuple[int, int]:  # fmt: skip
    """Cut-outs ``first`` to ``first + count`` as ``out/<part>/NNNNN_<thing>.png`` with their credits beside them.

    Those that are there are kept. One that fails adds a row to ``broken.jsonl`` and is passed over from then on.
    Returns how many ``share`` made and how many failed.
    """
    folder = out / part
    folder.mkdir(parents=True, exist_ok=True)
    broken = folder / "broken.jsonl"
    known = {row["seed"] for row in records.read(broken)}
    made = failed = 0
    for number in range(first, first + count):
        if not share.owns(number) or number in known or any(folder.glob(f"{number:05d}_*.png")):
            continue
        try:
            stage, credit = draw_cutout(part, number, library, size)
            rgba = cut_out(stage, samples, number)
        except (ValueError, RuntimeError, np.linalg.LinAlgError) as error:
            failed += 1
            records.add(broken, {"seed": number, "error": f"{type(error).__name__}: {error}"})
            continue
        name = re.sub(r"[^a-z0-9]+", "-", stage.meta["thing"].lower()).strip("-")
        path = folder / f"{number:05d}_{name}.png"
        path.with_suffix(".json").write_text(json.dumps(credit, indent=2, ensure_ascii=False) + "\n", "utf-8")
        half = path.with_suffix(".part")
        Image.fromarray(rgba).save(half, format="PNG")
        half.replace(path)
        made += 1
    return made, failed
