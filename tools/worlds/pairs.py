"""Pairs of pictures, before and after an edit, with everything that is known about it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from . import handles, records, split, truth
from .develop import denoised, develop, exposure
from .families import FAMILIES, StageError, draw_stage
from .handles import HandleError, Pair
from .package import Library
from .renderer import World
from .shares import ALONE, Share
from .stage import Stage

Array = np.ndarray
SUBDIVISIONS = 4
ATTEMPTS = 40
# Shares of a thing's footprint that must be seen, and least footprint in pixels of a 256 pixel picture.
SEEN, LEAST = 0.5, 420
# Least share of the footprints that must look different after.
SHOWN = 0.1
PARTLY = ("bend", "open")


def geometry(world: World, subdivisions: int = SUBDIVISIONS) -> dict[str, Array]:
    """Masks and flow of a stage; leaves the world as it is after the edit.

    Returns:
        ``moved``, ``moved_after``: uint8 (h, w); ``flow``: float32 (h, w, 2), x and y after, NaN where nothing moves;
        ``visible``: bool (h, w), whether the surface point is seen after; ``owner``: int32 (h, w), the body at each
        pixel's middle or -1; ``stays``: bool (h, w), surface of a moving body that itself stays and is seen after.
    """
    stage, camera = world.stage, world.stage.camera
    movers = [number for number, body in world.bodies.items() if body.moves]
    corners = truth.Corners(
        {number: truth.corners_of(stage.bodies[number].parts(stage.bodies[number].before)) for number in movers},
        {number: truth.corners_of(stage.bodies[number].parts(stage.bodies[number].after)) for number in movers},
    )
    partly = stage.meta.get("family") in PARTLY
    fine, centres = camera.pixel_grid(subdivisions), camera.pixel_grid()

    def moving(hits, pixels: Array, backwards: bool) -> tuple[Array, Array, Array]:
        there, points = truth.way(hits, corners, camera, backwards)
        own = np.isin(hits.body, movers)
        far = np.linalg.norm(there - pixels, axis=-1) > truth.STILL
        return own & far if partly else own, there, points

    before_fine, before = (world.cast(camera.origin, camera.rays(grid)) for grid in (fine, centres))
    moved = truth.coverage(moving(before_fine, fine, False)[0], subdivisions)
    own, flow, points = moving(before, centres, False)
    world.pose(True)
    moved_after = truth.coverage(moving(world.cast(camera.origin, camera.rays(fine)), fine, True)[0], subdivisions)
    body = np.isin(before.body, movers)
    visible = np.zeros(body.shape, bool)
    towards = points[body] - camera.origin
    distance = np.linalg.norm(towards, axis=-1)
    seen = world.cast(camera.origin, towards / distance[:, None])
    inside = ((flow[body] >= 0) & (flow[body] < camera.size)).all(axis=-1)
    visible[body] = inside & (seen.distance > distance * (1 - 2e-3)) & (seen.body == before.body[body])
    stays = body & ~own & visible & (handles.lengths(flow) < 0.3)
    flow = np.where(own[..., None], flow, np.nan)
    return {
        "moved": moved, "moved_after": moved_after, "flow": flow.astype(np.float32), "visible": visible & own,
        "owner": np.where(own, before.body, -1), "stays": stays,
    }  # fmt: skip


def drags(family: str, known: dict[str, Array], rng: np.random.Generator) -> list[Pair]:
    """Handles and anchors, in pixels, as a person might set them for a family.

    Raises:
        HandleError: nothing of what moves is well seen before and after.
    """
    flow = known["flow"].astype(np.float64)
    usable = [
        handles.usable(flow, known["visible"], known["owner"] == number)
        for number in np.unique(known["owner"][known["owner"] >= 0])
    ]
    if not usable:
        raise HandleError("nothing that moves is seen")
    if family in ("slide", "lift", "several"):
        return [handles.middle_handle(flow, own) for own in usable]
    own = usable[0]
    if family in ("turn", "stretch"):
        still = known["visible"] & (handles.lengths(flow) < 0.45)
        if still.sum() >= 6 and rng.random() < 0.5:
            first = handles.far_handle(flow, own)
            fixed = handles.anchors(still, 1, first[0])
            if fixed and np.hypot(*np.subtract(fixed[0][0], first[0])) > 8:
                return [first, *fixed]
        return handles.two_handles(flow, own)
    first = handles.far_handle(flow, own)
    return [first, *handles.anchors(known["stays"], 2, first[0])]


def check(stage: Stage, known: dict[str, Array], pairs: list[Pair]) -> None:
    """Whether the edit shows.

    Raises:
        StageError: too little is seen of what moves, or no handle goes far enough.
    """
    unit = stage.camera.size / 256
    for key in ("moved", "moved_after"):
        if (known[key] > 127).sum() < LEAST * unit**2 * (0.4 if stage.meta["family"] in PARTLY else 1):
            raise StageError(f"{key} covers {(known[key] > 127).sum()} pixels")
    way = max(np.hypot(*np.subtract(target, handle)) for handle, target in pairs)
    if way < 10 * unit:
        raise StageError(f"the farthest handle goes {way:.1f} pixels")
    owners, counts = np.unique(known["owner"][known["owner"] >= 0], return_counts=True)
    if stage.meta["family"] == "several" and (len(owners) < 2 or counts.min() < 0.5 * LEAST * unit**2):
        raise StageError("fewer than two of several are well seen")
    seen = known["visible"].sum() / max(1, (known["owner"] >= 0).sum())
    if seen < (SEEN if stage.meta["family"] in ("slide", "lift", "several") else 0.25):
        raise StageError(f"{seen:.0%} of what moves is seen after")


def attempts(
    family: str, part: str, seed: int, library: Library | None, size: int, subdivisions: int, reasons: list[str]
) -> Iterator[tuple[int, Stage, World, dict[str, Array], list[Pair]]]:
    """(number, stage, world after the edit, geometry, drags in pixels) of the arrangements that a seed leads to.

    Those that show no edit are passed over, and why is added to ``reasons``. Nothing is pictured: what a caller does
    between two of them does not touch the random numbers, so that the arrangement of a rendered pair is found again.
    """
    rng = split.generator(part, seed, list(FAMILIES).index(family))
    for attempt in range(ATTEMPTS):
        # The world of an arrangement that was refused would add its shapes to the next one's count.
        world = None
        try:
            stage = draw_stage(family, part, rng, library, size)
            world = World(stage)
            known = geometry(world, subdivisions)
            pairs = drags(family, known, rng)
            check(stage, known, pairs)
        except (StageError, HandleError) as error:
            reasons.append(str(error))
            continue
        yield attempt, stage, world, known, pairs


def make_pair(family: str, part: str, seed: int, library: Library | None, size: int, samples: int,
              subdivisions: int = SUBDIVISIONS) -> tuple[dict[str, Array], list[Pair], dict]:  # fmt: skip
    """(arrays, drags in pixels, meta) of the pair that family, split and seed stand for.

    Raises:
        StageError: none of the attempts gave an edit that shows.
    """
    reasons: list[str] = []
    found = attempts(family, part, seed, library, size, subdivisions, reasons)
    for attempt, stage, world, known, pairs in found:
        # The same random numbers before and after: where nothing changes, the same noise.
        after = denoised(*world.picture(samples, seed))
        world.pose(False)
        before = denoised(*world.picture(samples, seed))
        factor = exposure(before) * 2.0**stage.exposure
        source, target = develop(before, factor), develop(after, factor)
        masks = truth.light_masks(source, target, known["moved"], known["moved_after"])
        if source.std() < 8 or not 15 < source.mean() < 240:
            reasons.append(f"the picture is blank, dark or burnt out (mean {source.mean():.0f})")
            continue
        footprint = (known["moved"] > 127) | (known["moved_after"] > 127)
        if masks["changed"][footprint].mean() < SHOWN:
            # A turned cup looks as before.
            reasons.append(f"{masks['changed'][footprint].mean():.0%} of what moves looks different after")
            continue
        meta = {**stage.meta, "seed": seed, "size": size, "samples": samples, "attempt": attempt, "rejected": reasons,
                "exposure": factor}  # fmt: skip
        return {"source": source, "target": target, **known, **masks}, pairs, meta
    raise StageError(f"{ATTEMPTS} attempts failed: {'; '.join(sorted(set(reasons))[:6])}")


def write_pair(folder: Path, arrays: dict[str, Array], pairs: list[Pair], meta: dict) -> None:
    """A scene folder in the format of ``benchmarks.scene`` with the masks and the flow of worlds beside it."""
    size = arrays["source"].shape[0]
    folder.mkdir(parents=True, exist_ok=True)
    images = {name: arrays[name] for name in ("source", "target", "moved", "moved_after")}
    images |= {"object_mask": arrays["moved"], "target_mask": arrays["moved_after"]}
    for name in ("changed", "light", "old_shadow", "new_shadow", "revealed"):
        images[name] = arrays[name].astype(np.uint8) * 255
    for name, image in images.items():
        Image.fromarray(image).save(folder / f"{name}.png")
    np.savez_compressed(folder / "flow.npz", flow=arrays["flow"], visible=arrays["visible"])
    write_points(folder, pairs, meta, size)


def write_points(folder: Path, pairs: list[Pair], meta: dict, size: int) -> None:
    """``points.json``, of drags in pixels, and ``meta.json`` of a scene folder."""
    points = [{"handle": _share(handle, size), "target": _share(target, size)} for handle, target in pairs]
    (folder / "points.json").write_text(json.dumps({"version": 1, "pairs": points}, indent=2) + "\n", "utf-8")
    (folder / "meta.json").write_text(json.dumps(meta, indent=2, ensure_ascii=False) + "\n", "utf-8")


def _share(point: tuple[float, float], size: int) -> list[float]:
    return [float(value) / size for value in point]


def render_pairs(out: Path, part: str, families: list[str] | None, per_family: int, first: int,
                 library: Library | None, size: int, samples: int,
                 share: Share = ALONE, subdivisions: int = SUBDIVISIONS) -> tuple[int, int]:  # fmt: skip
    """``per_family`` scene folders ``out/FAMILY_SEED`` of every family; those that are there are kept.

    Masks are drawn by ``subdivisions`` x ``subdivisions`` rays a pixel, which at 1024 px take most of the time.

    A seed that fails is noted in ``out/broken.jsonl`` and the next one takes its place. Of several processes each
    takes what none has begun. Returns how many this one made and how many failed.

    Raises:
        ValueError: a family that isn't one.
    """
    for family in families or ():
        if family not in FAMILIES:
            raise ValueError(f"family is {family!r}; it must be one of {', '.join(FAMILIES)}.")
    out.mkdir(parents=True, exist_ok=True)
    broken = out / "broken.jsonl"
    made = failed = 0
    for family in families or FAMILIES:
        there, seed = 0, first
        while there < per_family:
            folder, half = out / f"{family}_{seed:04d}", out / f".{family}_{seed:04d}"
            if folder.exists() or not share.claims(half):
                there += 1
            elif folder.exists():
                # Another process put it there in between.
                half.rmdir()
                there += 1
            elif any((row["family"], row["seed"]) == (family, seed) for row in records.read(broken)):
                half.rmdir()
            else:
                began = time.perf_counter()
                try:
                    arrays, pairs, meta = make_pair(family, part, seed, library, size, samples, subdivisions)
                except (ValueError, RuntimeError, np.linalg.LinAlgError) as error:
                    failed += 1
                    row = {"family": family, "seed": seed, "error": f"{type(error).__name__}: {error}"}
                    records.add(broken, row)
                    half.rmdir()
                else:
                    write_pair(half, arrays, pairs, {**meta, "seconds": round(time.perf_counter() - began, 1)})
                    half.rename(folder)
                    made, there = made + 1, there + 1
            seed += 1
            if failed > 3 * per_family * len(FAMILIES):
                raise RuntimeError(f"{out}: {failed} seeds failed, see {broken}")
    return made, failed
