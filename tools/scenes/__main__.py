"""Generate drag scenes with a known truth, drawn ones (``--kind drawn``) or photographic composites.

Drawn scenes need numpy and Pillow. Photographs as backgrounds need scikit-image; without it all backgrounds are
procedural (and the scenes of a seed differ from those made with it).

Photographic scenes need scikit-image, or ``--photos``, a folder into which Debian's wallpaper packages are fetched;
better both. The scenes of a seed depend on which of them, and which ``--cutouts``, there are.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from . import photographic
from .cutouts import CutoutError
from .drag import Material, make_scene, write_scene
from .photographs import PhotographError
from .photos import load_photos
from .wallpapers import WallpaperError

SHIPPED = Path(__file__).parent / "art"


def shipped_sprites(split: str) -> list[tuple[str, np.ndarray]]:
    """The sprites in the repository: (``set_code``, uint8 (160, 160, 4)), sorted by name."""
    paths = sorted((SHIPPED / split).glob("*.png"))
    return [(path.stem, np.asarray(Image.open(path).convert("RGBA"))) for path in paths]


def cached_sprites(folder: Path, split: str) -> list[tuple[str, np.ndarray]]:
    """Every sprite of a split from a folder written by tools.scenes.build."""
    rows = json.loads((folder / f"{split}.json").read_text("utf-8"))
    arrays = np.load(folder / f"{split}.npy", mmap_mode="r")
    return [(f"{row['set']}_{row['code']}", array) for row, array in zip(rows, arrays, strict=True)]


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.scenes", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kind", choices=("drawn", "photographic"), default="drawn")
    parser.add_argument("--split", choices=("train", "validation", "test"), required=True)
    parser.add_argument("--count", type=int, default=40, help="scenes (default 40)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="folder that gets one folder a scene")
    drawn = parser.add_argument_group("drawn")
    drawn.add_argument("--sprites", type=Path, help="use all sprites of this cache instead of the shipped ones")
    photo = parser.add_argument_group("photographic")
    photo.add_argument("--photos", type=Path, help="cache of Debian's wallpaper packages, fetched where it lacks them")
    photo.add_argument("--cutouts", type=Path, help="things with alpha: a folder of <split>/<name>.png")
    photo.add_argument("--size", type=int, choices=photographic.SIZES, default=256, help="px a side (default 256)")
    photo.add_argument(
        "--pictures", type=int, metavar="N",
        help="instead of scenes, single pictures and their bare backgrounds up to number N; goes on where it stopped",
    )  # fmt: skip
    args = parser.parse_args(arguments)
    given = [f"--{name}" for name in ("photos", "cutouts", "pictures") if getattr(args, name) is not None]
    if args.kind == "drawn":
        if args.size != 256:
            given.append("--size")
        if given:
            parser.error(f"{', '.join(given)}: for --kind photographic only.")
        if args.split == "train":
            parser.error("--split train: drawn training scenes come from tools.demo_model.render.")
    elif args.sprites:
        parser.error("--sprites: for --kind drawn only.")
    return args


def _drawn(args: argparse.Namespace) -> None:
    sprites = cached_sprites(args.sprites, args.split) if args.sprites else shipped_sprites(args.split)
    material = Material(sprites, load_photos(args.split))
    for number in range(args.count):
        scene = make_scene(material, args.split, args.seed, number)
        write_scene(scene, args.out / f"{args.split}_{args.seed}_{number:03d}")


def _photographic(args: argparse.Namespace) -> None:
    stock = photographic.load_stock(args.split, args.photos, args.cutouts)
    if args.pictures is not None:
        photographic.write_pictures(stock, args.pictures, args.seed, args.out, args.size)
        return
    for number in range(args.count):
        scene = photographic.make_scene(stock, args.seed, number, args.size)
        write_scene(scene, args.out / f"{args.split}_{args.seed}_{number:03d}")


def main(arguments: list[str] | None = None) -> None:
    args = _arguments(arguments)
    try:
        (_drawn if args.kind == "drawn" else _photographic)(args)
    except (CutoutError, PhotographError, WallpaperError) as error:
        sys.exit(f"tools.scenes: {error}")


if __name__ == "__main__":
    main()
