"""Training scenes, rendered ahead into one memory-mapped array (N, size, size, 3) uint8.

Beside it, ``OUT.whose.npy`` (N, size, size) uint8: which thing each pixel shows, 0 for none.
"""

from __future__ import annotations

import argparse
import json
from multiprocessing import Pool
from pathlib import Path

import numpy as np

from tools.scenes import backgrounds
from tools.scenes.compose import Layer, add_shadow, coverage, jitter, random_shape, render, transform
from tools.scenes.photos import load_photos

_STATE: dict = {}


def random_background(rng: np.random.Generator, size: int, photos: list) -> np.ndarray:
    """A procedural background, or in one case of five a photograph's crop."""
    if photos and rng.random() < 0.2:
        return backgrounds.photograph(rng, size, photos[int(rng.integers(len(photos)))][1])
    names = list(backgrounds.PROCEDURAL)
    image = backgrounds.PROCEDURAL[names[int(rng.integers(len(names)))]](rng, size)
    if rng.random() < 0.25:
        light = backgrounds.smooth_noise(rng, size, 2)
        image = np.clip(image * (1 + rng.uniform(0.1, 0.5) * (light[..., None] - 0.5)), 0, 1)
    return image.astype(np.float32)


def whose_file(scenes: Path) -> Path:
    """The file beside an array of scenes that says which thing each pixel shows."""
    return scenes.with_suffix(".whose.npy")


def random_scene(
    rng: np.random.Generator, sprites: np.ndarray, sets: list[str], photos: list, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """One scene with one to four objects, (size, size, 3) float32 in [0, 1]; and (size, size) uint8, whose each is."""
    background = random_background(rng, size, photos)
    layers = []
    for _ in range(int(rng.choice([1, 2, 3, 4], p=[0.25, 0.35, 0.25, 0.15]))):
        length = float(np.exp(rng.uniform(np.log(36), np.log(140)))) * size / 256
        if rng.random() < 0.3:
            sprite = random_shape(rng)
        else:
            number = int(rng.integers(len(sprites)))
            sprite = sprites[number]
            if sets[number] == "twitter":
                length = min(length, 96.0)
        rgba = transform(rng, sprite, length, turn=180.0 if rng.random() < 0.15 else 20.0)
        if rng.random() < 0.35:
            rgba = jitter(rng, rgba)
        h, w = rgba.shape[:2]
        x, y = int(rng.integers(-w // 6, size - w + w // 6 + 1)), int(rng.integers(-h // 6, size - h + h // 6 + 1))
        layer = Layer(rgba, x, y, "")
        if rng.random() < 0.25:
            add_shadow(rng, layer)
        layers.append(layer)
    whose = np.zeros((size, size), np.uint8)
    for thing, layer in enumerate(layers, 1):
        whose[coverage(layer, size) > 0.5] = thing
    return render(background, layers), whose


def _setup(sprites: str, split: str, size: int, seed: int, out: str) -> None:
    folder = Path(sprites)
    _STATE.update(
        sprites=np.load(folder / f"{split}.npy", mmap_mode="r"),
        sets=[row["set"] for row in json.loads((folder / f"{split}.json").read_text("utf-8"))],
        photos=load_photos(split), size=size, seed=seed, out=np.load(out, mmap_mode="r+"),
        whose=np.load(whose_file(Path(out)), mmap_mode="r+"),
    )  # fmt: skip


def _work(number: int) -> None:
    rng = np.random.default_rng([_STATE["seed"], number])
    image, whose = random_scene(rng, _STATE["sprites"], _STATE["sets"], _STATE["photos"], _STATE["size"])
    _STATE["out"][number] = np.rint(image * 255).astype(np.uint8)
    _STATE["whose"][number] = whose


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sprites", required=True, help="folder written by tools.scenes.build")
    parser.add_argument("--split", default="train", choices=("train", "validation", "test"))
    parser.add_argument("--count", type=int, default=24000)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", required=True, help=".npy file to write")
    args = parser.parse_args()
    shape = (args.count, args.size, args.size, 3)
    np.lib.format.open_memmap(args.out, mode="w+", dtype=np.uint8, shape=shape)
    np.lib.format.open_memmap(whose_file(Path(args.out)), mode="w+", dtype=np.uint8, shape=shape[:3])
    with Pool(args.workers, _setup, (args.sprites, args.split, args.size, args.seed, args.out)) as pool:
        for _ in pool.imap_unordered(_work, range(args.count), chunksize=64):
            pass


if __name__ == "__main__":
    main()
