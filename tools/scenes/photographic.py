"""Photographic composites: things cut out of photographs, or rendered, over other photographs.

Scenes are like those of ``drag.py``: one thing moves by a whole number of pixels and takes its shadow along, everything
else is kept. Training pictures are single ones, each with its bare background beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from .blend import blend, contact_shadow, is_grey
from .compose import Layer, coverage, render
from .cutouts import Cutout, cut, load_outlines, rendered
from .drag import (
    LEAST_CONTRAST,
    LEAST_PIXELS,
    LONGEST,
    MARGIN,
    SHORTEST,
    SPLIT_NUMBERS,
    VISIBLE_SHARE,
    DragScene,
    pick_click,
    shifted,
    visible_mask,
)
from .photographs import BACKGROUND_SIDE, Photograph, PhotographError, load_record, locate, read
from .wallpapers import fetch

Array = np.ndarray
SIZES = (256, 512)
SMALLEST, LARGEST = 0.15, 0.45
MOST_ENLARGED = 1.3
LEAST_CROP = 0.7  # of the scene's side: smaller crops would be blurred by their enlargement
TURN = {"standing": 4.0, "lying": 25.0, "free": 12.0}
SHADOW_SHARE = {"standing": 0.6, "lying": 0.6, "free": 0.0}
RENDERED_SHARE = 0.5
GREY_WEIGHT = 0.3
STREAMS = {**SPLIT_NUMBERS, "train": 3}
KIND = 7  # keeps a seed's scenes apart from drawn ones, which have three numbers in their seeds


@dataclass(frozen=True, eq=False)
class Backdrop:
    """A photograph to set scenes on: its entry, its pixels, uint8 (h, w, 3), and whether it is black and white."""

    photograph: Photograph
    pixels: Array
    grey: bool


@dataclass(frozen=True, eq=False)
class Stock:
    """What composites of one split are made of."""

    split: str
    backdrops: list[Backdrop]
    cutouts: list[Cutout]

    def usable(self, backdrop: Backdrop) -> list[Cutout]:
        """The things that were not cut out of that very picture, where they would be seen twice."""
        return [thing for thing in self.cutouts if thing.picture != backdrop.photograph.name]

    def pick_backdrop(self, rng: np.random.Generator) -> Backdrop:
        """One of the backdrops; black and white ones come seldom, as they do among people's pictures."""
        weights = np.array([GREY_WEIGHT if backdrop.grey else 1.0 for backdrop in self.backdrops])
        return self.backdrops[int(rng.choice(len(self.backdrops), p=weights / weights.sum()))]


def load_stock(split: str, photos: Path | None = None, cutouts: Path | None = None) -> Stock:
    """Read the photographs and the things of a split.

    Args:
        photos: cache folder of wallpaper packages (fetched into it where they lack); None uses scikit-image alone.
        cutouts: folder of rendered things, see ``cutouts.rendered``.

    Raises:
        WallpaperError, PhotographError, CutoutError: they can't be had, or are not what the record says.
    """
    if photos is not None:
        fetch(photos)
    outlines = load_outlines()
    backdrops, things = [], []
    for photograph in load_record():
        path = locate(photograph, photos) if photograph.split == split else None
        if path is None:
            continue
        if photograph.background:
            pixels = read(photograph, path, BACKGROUND_SIDE)
            backdrops.append(Backdrop(photograph, pixels, is_grey(pixels)))
        mine = [outline for outline in outlines if outline.picture == photograph.name]
        if mine:
            pixels = read(photograph, path)
            things += [cut(outline, photograph, pixels) for outline in mine]
    if cutouts is not None:
        things += rendered(cutouts, split)
    stock = Stock(split, backdrops, things)
    backdrops = [backdrop for backdrop in stock.backdrops if stock.usable(backdrop)]
    if not backdrops:
        raise PhotographError(
            f"{split}: no photograph to set a scene on, or nothing to put on it. Install scikit-image, or name a "
            f"folder for Debian's wallpaper packages with --photos."
        )
    return Stock(split, backdrops, things)


def crop(rng: np.random.Generator, pixels: Array, size: int, least: float = 0.45) -> Array:
    """A square of a photograph, flipped at random, exposure varied a little: float32 (size, size, 3)."""
    height, width = pixels.shape[:2]
    side = int(rng.uniform(least, 1.0) * min(height, width))
    side = max(side, min(height, width, round(LEAST_CROP * size)))
    top, left = int(rng.integers(0, height - side + 1)), int(rng.integers(0, width - side + 1))
    image = Image.fromarray(pixels[top : top + side, left : left + side])
    image = image.resize((size, size), Image.Resampling.LANCZOS)
    if rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return np.clip(np.asarray(image, np.float32) / 255 * rng.uniform(0.85, 1.12), 0, 1).astype(np.float32)


def _choose(rng: np.random.Generator, things: list[Cutout]) -> Cutout:
    """A thing; every photograph is as likely as every other, however many things were cut out of it."""
    pictures: dict[str, list[Cutout]] = {}
    made = []
    for thing in things:
        if thing.picture is None:
            made.append(thing)
        else:
            pictures.setdefault(thing.picture, []).append(thing)
    if made and (not pictures or rng.random() < RENDERED_SHARE):
        return made[int(rng.integers(len(made)))]
    group = list(pictures.values())[int(rng.integers(len(pictures)))]
    return group[int(rng.integers(len(group)))]


def place(rng: np.random.Generator, thing: Cutout, background: Array, grey: bool, outside: float = 0.0) -> Layer | None:
    """A thing sized, turned, fitted to ``background`` (s, s, 3) and put somewhere; None where it is too large.

    Args:
        grey: the background is black and white.
        outside: share of its sides by which it may leave the picture.
    """
    size = background.shape[0]
    least, most = SMALLEST * size, LARGEST * size
    most = max(least, min(most, MOST_ENLARGED * max(thing.rgba.shape[:2])))
    length = float(rng.uniform(least, most))
    image = Image.fromarray(thing.rgba)
    if rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    scale = length / max(image.size)
    image = image.resize(tuple(max(4, round(side * scale)) for side in image.size), Image.Resampling.LANCZOS)
    turn = TURN[thing.pose]
    rgba = np.asarray(image.rotate(rng.uniform(-turn, turn), Image.Resampling.BICUBIC, expand=True), np.float32) / 255
    ys, xs = np.nonzero(rgba[..., 3] > 0.025)
    rgba = blend(rng, _spread(rgba[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]), background, grey)
    height, width = rgba.shape[:2]
    if max(height, width) > size - 2 * MARGIN - 8:
        return None
    low = [MARGIN - round(outside * side) for side in (width, height)]
    x, y = (int(rng.integers(lo, size - side - lo + 1)) for lo, side in zip(low, (width, height), strict=True))
    if thing.pose != "free":
        # What stands or lies does so lower in a picture more often than not.
        y = max(y, int(rng.integers(low[1], size - height - low[1] + 1)))
    layer = Layer(rgba, x, y, thing.name)
    if rng.random() < SHADOW_SHARE[thing.pose]:
        contact_shadow(rng, layer, thing.pose)
    return layer


def _spread(rgba: Array) -> Array:
    """Colours where alpha is nil are those of the mean of the thing: a blur must not draw black into its border."""
    alpha = rgba[..., 3:]
    mean = (rgba[..., :3] * alpha).sum((0, 1)) / alpha.sum()
    return np.dstack([np.where(alpha < 1 / 255, mean, rgba[..., :3]), alpha]).astype(np.float32)


def shadow_reach(layer: Layer) -> int:
    """By how many px the mask of a layer must grow (as squares do) to hold all of its shadow; 0 without one."""
    if layer.shadow is None:
        return 0
    pad = -layer.shadow_shift[0]
    shadow = layer.shadow > 0
    mask = np.pad(layer.rgba[..., 3] > 0.5, pad)
    image, reach = Image.fromarray(mask.astype(np.uint8) * 255), 0
    while (shadow & (np.asarray(image) == 0)).any():
        image, reach = image.filter(ImageFilter.MaxFilter(3)), reach + 1
    return reach


Placed = tuple[Cutout, Layer]


def _fill(
    rng: np.random.Generator, stock: Stock, backdrop: Backdrop, background: Array, count: int, cropped: float = 0.0
) -> list[Placed]:
    """At most ``count`` things on a crop of ``backdrop``, none twice, ``cropped`` of them cut by its border."""
    chosen: list[Placed] = []
    things = stock.usable(backdrop)
    for _ in range(min(count, len(things))):
        thing = _choose(rng, [thing for thing in things if all(thing is not other for other, _ in chosen)])
        outside = 0.3 if rng.random() < cropped else 0.0
        layer = place(rng, thing, background, backdrop.grey, outside)
        if layer is not None:
            chosen.append((thing, layer))
    return chosen


def _attempt(rng: np.random.Generator, stock: Stock, size: int) -> DragScene | None:
    backdrop = stock.pick_backdrop(rng)
    background = crop(rng, backdrop.pixels, size)
    chosen = _fill(rng, stock, backdrop, background, int(rng.choice([1, 2, 3], p=[0.5, 0.35, 0.15])))
    if not chosen:
        return None
    things, layers = [thing for thing, _ in chosen], [layer for _, layer in chosen]
    count = len(layers)
    number = count - 1 if rng.random() < 0.7 else int(rng.integers(count))
    layer, thing = layers[number], things[number]
    height, width = layer.rgba.shape[:2]
    unit = size / 256
    length, angle = rng.uniform(SHORTEST, LONGEST) * unit, rng.uniform(0, 2 * np.pi)
    dx, dy = round(length * np.cos(angle)), round(length * np.sin(angle))
    length = float(np.hypot(dx, dy))
    inside = MARGIN <= layer.x + dx <= size - width - MARGIN and MARGIN <= layer.y + dy <= size - height - MARGIN
    if not inside or not SHORTEST * unit <= length <= LONGEST * unit:
        return None
    moved = list(layers)
    moved[number] = Layer(layer.rgba, layer.x + dx, layer.y + dy, layer.name, layer.shadow, layer.shadow_shift)
    object_mask, target_mask = visible_mask(layers, number, size), visible_mask(moved, number, size)
    whole = (coverage(layer, size) > 0.5).sum()
    if min(object_mask.sum(), target_mask.sum()) < VISIBLE_SHARE * whole or whole < LEAST_PIXELS * unit**2:
        return None
    rest = [other for index, other in enumerate(layers) if index != number]
    source, target, bare = render(background, layers), render(background, moved), render(background, rest)
    if min(np.abs(source - bare)[object_mask].mean(), np.abs(target - bare)[target_mask].mean()) < LEAST_CONTRAST:
        return None
    click = pick_click(rng, object_mask & shifted(target_mask, -dx, -dy))
    if click is None:
        return None
    handle = (click[0] + 0.5, click[1] + 0.5)
    photograph = backdrop.photograph
    meta = {
        "domain": "photographic", "background": f"photo:{photograph.name}", "background_class": "photo",
        "background_credit": photograph.credit,
        "object": thing.name, "object_class": "rendered" if thing.picture is None else "cut out",
        "object_picture": thing.picture, "object_credit": thing.credit,
        "others": [
            {"object": other.name, "object_credit": other.credit}
            for index, other in enumerate(things) if index != number
        ],
        "objects": count, "layer": number, "displacement_px": [dx, dy], "length_px": round(length, 3),
        "shadows": any(one.shadow is not None for one in layers), "moves_with_shadow": layer.shadow is not None,
        "shadow_reach_px": shadow_reach(layer), "object_pixels": int(object_mask.sum()), "size": size,
    }  # fmt: skip
    return DragScene(source, target, object_mask, target_mask, handle, (handle[0] + dx, handle[1] + dy), meta)


def make_scene(stock: Stock, seed: int, number: int, size: int = 256) -> DragScene:
    """The scene that a stock, a seed and a number stand for."""
    rng = np.random.default_rng([STREAMS[stock.split], seed, number, KIND])
    while True:
        scene = _attempt(rng, stock, size)
        if scene is not None:
            return scene


def make_picture(stock: Stock, seed: int, number: int, size: int = 256) -> tuple[Array, Array, Array]:
    """(picture, its bare background), each uint8 (size, size, 3): one to three things, some cut by the border; and
    uint8 (size, size), which thing a pixel shows: 1 for the first, 0 for the background.
    """
    rng = np.random.default_rng([STREAMS[stock.split], seed, number, KIND, 1])
    while True:
        backdrop = stock.pick_backdrop(rng)
        background = crop(rng, backdrop.pixels, size, 0.35)
        count = int(rng.choice([1, 2, 3], p=[0.45, 0.35, 0.2]))
        layers = [layer for _, layer in _fill(rng, stock, backdrop, background, count, cropped=0.25)]
        if layers:
            picture, whose = render(background, layers), np.zeros((size, size), np.uint8)
            for thing, layer in enumerate(layers, 1):
                whose[coverage(layer, size) > 0.5] = thing
            return np.rint(picture * 255).astype(np.uint8), np.rint(background * 255).astype(np.uint8), whose


def write_pictures(stock: Stock, count: int, seed: int, out: Path, size: int = 256) -> int:
    """Write ``out``/picture/000000.png, ``out``/bare/000000.png and ``out``/whose/000000.png (`make_picture`); those
    that are there are kept.

    Returns:
        How many were made by this call.
    """
    folders = {name: out / name for name in ("picture", "bare", "whose")}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    made = 0
    for number in range(count):
        paths = [folder / f"{number:06d}.png" for folder in folders.values()]
        if all(path.exists() for path in paths):
            continue
        for path, image in zip(paths, make_picture(stock, seed, number, size), strict=True):
            half = path.with_suffix(".part")
            Image.fromarray(image).save(half, "PNG")
            half.replace(path)
        made += 1
    return made
