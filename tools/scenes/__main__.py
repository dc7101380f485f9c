"""Generate drag scenes with a known truth from the validation or the test split.

Needs numpy and Pillow. Photographs as backgrounds need scikit-image; without it all backgrounds are procedural
(and the scenes of a seed differ from those made with it).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image

from .drag import Material, make_scene, write_scene
from .photos import load_photos

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


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.scenes", description=__doc__)
    parser.add_argument("--split", choices=("validation", "test"), required=True)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="folder that gets one folder a scene")
    parser.add_argument("--sprites", type=Path, help="use all sprites of this cache instead of the shipped ones")
    args = parser.parse_args(arguments)
    sprites = cached_sprites(args.sprites, args.split) if args.sprites else shipped_sprites(args.split)
    material = Material(sprites, load_photos(args.split))
    for number in range(args.count):
        scene = make_scene(material, args.split, args.seed, number)
        write_scene(scene, args.out / f"{args.split}_{args.seed}_{number:03d}")


if __name__ == "__main__":
    main()
