"""Adds to rendered pairs their source without what moves: ``python -m tools.worlds.without FOLDER``.

What lies behind a thing, and how the ground looks without its shadow, is the truth of a hole that a model fills. A
folder of pairs gets, in each that lacks them,

- ``without.png``: the source as it would be without the things that move, in the same light, at the same exposure;
- ``whole.png``: the share of each pixel of the source that those things cover, all of them (``moved.png`` of bend and
  open holds only what goes far enough).

The arrangement is drawn again from the pair's seed and compared with its ``moved.png``.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from . import renderer, truth
from .develop import denoised, develop
from .families import StageError
from .package import Library, PackageError
from .pairs import SUBDIVISIONS, attempts
from .renderer import World
from .stage import Stage

Array = np.ndarray
# Mean difference of two masks of one pair, of 255, that rays traced by two of Mitsuba's variants may have.
SAME = 1.0


class OtherPairError(ValueError):
    """A seed leads to another arrangement than the one that was rendered; the message names the folder."""


def movers(stage: Stage) -> tuple[int, ...]:
    """Numbers of the bodies that move."""
    return tuple(number for number, body in enumerate(stage.bodies) if body.moves)


def covered(world: World, subdivisions: int = SUBDIVISIONS) -> Array:
    """uint8 (h, w): the share of each pixel that what moves covers, in the world's present pose."""
    camera = world.stage.camera
    hits = world.cast(camera.origin, camera.rays(camera.pixel_grid(subdivisions)))
    return truth.coverage(np.isin(hits.body, movers(world.stage)), subdivisions)


def taken_away(stage: Stage, samples: int, seed: int, exposure: float) -> Array:
    """uint8 (size, size, 3) sRGB of a stage without what moves; ``exposure``: the factor of the pair."""
    return develop(denoised(*World(stage, movers(stage)).picture(samples, seed)), exposure)


def complete(folder: Path, library: Library | None, subdivisions: int = SUBDIVISIONS) -> bool:
    """Adds the two pictures to one pair; whether there was anything to add.

    Raises:
        OtherPairError: the seed no longer leads to this pair.
    """
    if all((folder / name).exists() for name in ("without.png", "whole.png")):
        return False
    meta = json.loads((folder / "meta.json").read_text("utf-8"))
    moved = np.asarray(Image.open(folder / "moved.png").convert("L"), np.float64)
    found = attempts(meta["family"], meta["split"], meta["seed"], library, meta["size"], subdivisions, [])
    arrangement = next((rest for attempt, *rest in found if attempt == meta["attempt"]), None)
    if arrangement is None:
        raise OtherPairError(f"{folder}: attempt {meta['attempt']} of its seed is not found again.")
    stage, world, known, _ = arrangement
    off = float(np.abs(known["moved"] - moved).mean())
    if off > SAME:
        raise OtherPairError(f"{folder}: its seed leads to another pair now (moved.png differs by {off:.1f} of 255).")
    world.pose(False)
    pictures = {
        "whole": covered(world, subdivisions),
        "without": taken_away(stage, meta["samples"], meta["seed"], meta["exposure"]),
    }
    for name, picture in pictures.items():
        half = folder / f".{name}.part"
        Image.fromarray(picture).save(half, format="PNG")
        half.replace(folder / f"{name}.png")
    return True


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tools.worlds.without", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="of pairs")
    parser.add_argument("--cache", type=Path, default=renderer.cache_folder(), help="as the pairs were rendered with")
    parser.add_argument("--variant", help="of Mitsuba: llvm_ad_rgb, scalar_rgb; by default the faster that works")
    parser.add_argument("--threads", type=int, help="to render with; all by default")
    parser.add_argument("--no-package", action="store_true", help="as the pairs were rendered")
    args = parser.parse_args(arguments)
    try:
        renderer.start(args.variant, args.threads, args.cache)
        library = None if args.no_package else Library(args.cache)
    except (renderer.RendererError, PackageError) as error:
        sys.exit(f"error: {error}")
    added = 0
    for folder in args.folders:
        for pair in sorted(path.parent for path in folder.glob("[!.]*/moved_after.png")):
            try:
                added += complete(pair, library)
            except (OtherPairError, StageError) as error:
                print(error, file=sys.stderr)
    print(f"{added} completed")


if __name__ == "__main__":
    main()
