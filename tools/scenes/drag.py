"""Drag scenes with a known truth: one object moved by a whole number of pixels, everything else kept."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from . import backgrounds
from .compose import Layer, coverage, draw, jitter, random_shape, render, transform

Array = np.ndarray
SIZE = 256
MARGIN = 3
SHORTEST, LONGEST = 24.0, 100.0
VISIBLE_SHARE = 0.75
LEAST_CONTRAST = 0.08
LEAST_PIXELS = 500
SPLIT_NUMBERS = {"validation": 1, "test": 2}


@dataclass(frozen=True)
class Material:
    """What scenes of one split are made of: named sprites and photographs."""

    sprites: list[tuple[str, Array]]
    photos: list[tuple[str, Array]]


@dataclass(frozen=True)
class DragScene:
    """Images float32 (s, s, 3) in [0, 1], masks bool (s, s), click and target in pixel centres (x, y)."""

    source: Array
    target: Array
    object_mask: Array
    target_mask: Array
    handle: tuple[float, float]
    goal: tuple[float, float]
    meta: dict


def _background(rng: np.random.Generator, photos: list[tuple[str, Array]]) -> tuple[str, Array]:
    if photos and rng.random() < 0.25:
        name, photo = photos[int(rng.integers(len(photos)))]
        return f"photo:{name}", backgrounds.photograph(rng, SIZE, photo)
    kinds = list(backgrounds.PROCEDURAL)
    kind = kinds[int(rng.integers(len(kinds)))]
    return kind, backgrounds.PROCEDURAL[kind](rng, SIZE)


def _object(rng: np.random.Generator, sprites: list[tuple[str, Array]]) -> tuple[str, Array]:
    length = float(np.exp(rng.uniform(np.log(48), np.log(116))))
    if not sprites or rng.random() < 0.2:
        return "shape", transform(rng, random_shape(rng), length)
    name, sprite = sprites[int(rng.integers(len(sprites)))]
    if name.startswith("twitter"):
        length = min(length, 96.0)
    rgba = transform(rng, sprite, length)
    return name, jitter(rng, rgba) if rng.random() < 0.2 else rgba


def visible_mask(layers: list[Layer], number: int, size: int = SIZE) -> Array:
    """Where layer ``number`` is seen: its alpha over a half, and nothing drawn later covers it. Bool (size, size)."""
    mask = coverage(layers[number], size) > 0.5
    for layer in layers[number + 1 :]:
        mask &= coverage(layer, size) <= 0.5
    return mask


def shifted(mask: Array, dx: int, dy: int) -> Array:
    """A bool mask moved right and down by whole pixels; what leaves the image is dropped."""
    view = np.zeros((*mask.shape, 1), np.float32)
    draw(view, np.ones(1, np.float32), mask.astype(np.float32), dx, dy)
    return view[..., 0] > 0.5


def pick_click(rng: np.random.Generator, mask: Array) -> tuple[int, int] | None:
    """A pixel (x, y) of the mask, away from its border where it is wide enough."""
    image = Image.fromarray(mask.astype(np.uint8) * 255)
    for width in (17, 11, 7, 5):
        inner = np.asarray(image.filter(ImageFilter.MinFilter(width))) > 0
        if inner.sum() >= 12:
            ys, xs = np.nonzero(inner)
            pick = int(rng.integers(len(xs)))
            return int(xs[pick]), int(ys[pick])
    return None


def _attempt(rng: np.random.Generator, material: Material) -> DragScene | None:
    kind, background = _background(rng, material.photos)
    count = int(rng.choice([1, 2, 3], p=[0.4, 0.4, 0.2]))
    layers = []
    for _ in range(count):
        name, rgba = _object(rng, material.sprites)
        h, w = rgba.shape[:2]
        if max(h, w) > SIZE - 2 * MARGIN - 8:
            return None
        x, y = (int(rng.integers(MARGIN, SIZE - side - MARGIN + 1)) for side in (w, h))
        layers.append(Layer(rgba, x, y, name))
    number = count - 1 if rng.random() < 0.7 else int(rng.integers(count))
    layer = layers[number]
    h, w = layer.rgba.shape[:2]
    length, angle = rng.uniform(SHORTEST, LONGEST), rng.uniform(0, 2 * np.pi)
    dx, dy = round(length * np.cos(angle)), round(length * np.sin(angle))
    length = float(np.hypot(dx, dy))
    inside = MARGIN <= layer.x + dx <= SIZE - w - MARGIN and MARGIN <= layer.y + dy <= SIZE - h - MARGIN
    if not inside or not SHORTEST <= length <= LONGEST:
        return None
    moved = list(layers)
    moved[number] = Layer(layer.rgba, layer.x + dx, layer.y + dy, layer.name)
    object_mask, target_mask = visible_mask(layers, number), visible_mask(moved, number)
    whole = (coverage(layer, SIZE) > 0.5).sum()
    if min(object_mask.sum(), target_mask.sum()) < VISIBLE_SHARE * whole or whole < LEAST_PIXELS:
        return None
    rest = [other for index, other in enumerate(layers) if index != number]
    source = render(background, layers)
    if np.abs(source - render(background, rest))[object_mask].mean() < LEAST_CONTRAST:
        return None
    click = pick_click(rng, object_mask & shifted(target_mask, -dx, -dy))
    if click is None:
        return None
    handle = (click[0] + 0.5, click[1] + 0.5)
    meta = {
        "background": kind, "background_class": "photo" if kind.startswith("photo:") else "procedural",
        "object": layer.name, "objects": count, "layer": number, "displacement_px": [dx, dy],
        "length_px": round(length, 3), "shadows": False, "object_pixels": int(object_mask.sum()), "size": SIZE,
    }  # fmt: skip
    goal = (handle[0] + dx, handle[1] + dy)
    return DragScene(source, render(background, moved), object_mask, target_mask, handle, goal, meta)


def make_scene(material: Material, split: str, seed: int, number: int) -> DragScene:
    """The scene that a split, a seed and a number stand for: equal on every machine with the same material."""
    rng = np.random.default_rng([SPLIT_NUMBERS[split], seed, number])
    while True:
        scene = _attempt(rng, material)
        if scene is not None:
            return scene


def write_scene(scene: DragScene, folder: Path) -> None:
    """Write source.png, target.png, object_mask.png, target_mask.png, points.json and meta.json."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, image in (("source", scene.source), ("target", scene.target)):
        Image.fromarray(np.rint(image * 255).astype(np.uint8)).save(folder / f"{name}.png")
    for name, mask in (("object_mask", scene.object_mask), ("target_mask", scene.target_mask)):
        Image.fromarray(mask.astype(np.uint8) * 255).save(folder / f"{name}.png")
    size = scene.source.shape[0]
    pair = {"handle": [v / size for v in scene.handle], "target": [v / size for v in scene.goal]}
    points = {"version": 1, "pairs": [pair]}
    (folder / "points.json").write_text(json.dumps(points, indent=2) + "\n", "utf-8")
    (folder / "meta.json").write_text(json.dumps(scene.meta, indent=2, ensure_ascii=False) + "\n", "utf-8")
