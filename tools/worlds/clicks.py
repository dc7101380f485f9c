"""Scenes that only say what belongs to a click.

    python -m tools.worlds.clicks --split train --per-family 20 --out DIR

A pair costs two clean pictures and all that is to be known of its edit. Fitting the region needs a picture and masks
alone, and many of them. A folder gets

- ``source.png``: with as few samples as a training picture;
- ``moved.png``, ``points.json``, ``meta.json``: as a pair has them;
- ``bodies.png``: 1 + the body's number at each pixel's middle, 0 for the room.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from . import records, renderer
from .develop import denoised, develop, exposure
from .families import FAMILIES
from .package import Library, PackageError
from .pairs import attempts, write_points
from .training import SAMPLES

LEAST_DEVIATION = 8
"""Of a picture's values, of 255: below it there is nothing to see."""


def make_scene(folder: Path, family: str, part: str, seed: int, library: Library | None, size: int) -> None:
    """Writes the scene that family, split and seed stand for.

    Raises:
        ValueError: no arrangement of the seed shows anything.
    """
    for _, stage, world, known, pairs in attempts(family, part, seed, library, size, 2, []):
        world.pose(False)
        camera = stage.camera
        bodies = world.cast(camera.origin, camera.rays(camera.pixel_grid())).body
        light = denoised(*world.picture(SAMPLES, seed))
        source = develop(light, exposure(light) * 2.0**stage.exposure)
        if source.std() < LEAST_DEVIATION:
            continue
        folder.mkdir(parents=True)
        for name, plane in (("source", source), ("moved", known["moved"]), ("bodies", np.maximum(bodies + 1, 0))):
            Image.fromarray(plane.astype(np.uint8)).save(folder / f"{name}.png")
        write_points(folder, pairs, {**stage.meta, "seed": seed, "size": size, "samples": SAMPLES}, size)
        return
    raise ValueError("no arrangement shows anything")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tools.worlds.clicks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--split", choices=("train", "validation"), required=True)
    parser.add_argument("--per-family", type=int, required=True)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=renderer.cache_folder())
    parser.add_argument("--variant", help="of Mitsuba: llvm_ad_rgb, scalar_rgb; by default the faster that works")
    parser.add_argument("--threads", type=int, help="to render with; all by default")
    parser.add_argument("--no-package", action="store_true", help="only things drawn by rule")
    args = parser.parse_args(arguments)
    try:
        renderer.start(args.variant, args.threads, args.cache)
        library = None if args.no_package else Library(args.cache)
    except (renderer.RendererError, PackageError) as error:
        sys.exit(f"error: {error}")
    made = 0
    for seed in range(args.per_family):
        for family in FAMILIES:
            folder = args.out / f"{family}_{seed:04d}"
            if folder.exists():
                continue
            try:
                make_scene(folder, family, args.split, seed, library, args.size)
                made += 1
            except (ValueError, RuntimeError, np.linalg.LinAlgError) as error:
                records.add(args.out / "broken.jsonl", {"family": family, "seed": seed, "error": str(error)})
    print(f"{made} made")


if __name__ == "__main__":
    main()
