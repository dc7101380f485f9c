"""What a surface looks like, and the patterns drawn on it."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from functools import partial

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from . import split

Array = np.ndarray
TEXTURE = 256
CAPITALS, SMALL, DIGITS = "ABCDEFGHKLMNOPRSTUVXYZ", "abcdefghkmnorstuvxyz", "0123456789"

# Colours of paint, cloth, clay and timber as they look in daylight (sRGB).
PAINTS = (
    "b5342b", "d9622b", "e0a12e", "e8cf5a", "7c9a3d", "3f7d4e", "2f8f86", "3a7ca5", "27476e", "5b4a8a", "8c4a7d",
    "c76b86", "e3a6a1", "f0e6d2", "dcd3c3", "a89f91", "6e6a66", "3b3a3c", "7a4b2e", "a6713f", "c79a5b", "8fb3c7",
)  # fmt: skip
TIMBERS = ("c9a26b", "b98452", "9b6a3f", "7b4f2f", "d8bd92", "5e3d27", "a97f5a")


@dataclass(frozen=True, eq=False)
class Material:
    """A surface.

    Attributes:
        colour: (r, g, b) reflectance in linear light; unused where there is a texture.
        texture: uint8 (h, w, 3) sRGB or None.
        roughness: 0 is a mirror, 1 is chalk.
        metallic: 0 or 1.
        specular: strength of the reflection at right angles, 0.5 for plastic and varnish.
        repeat: textures a unit of uv.
        kind: for the record ("wood", "plain", "stripes").
    """

    colour: tuple[float, float, float] = (0.5, 0.5, 0.5)
    texture: Array | None = None
    roughness: float = 0.5
    metallic: float = 0.0
    specular: float = 0.4
    repeat: tuple[float, float] = (1.0, 1.0)
    kind: str = "plain"


def srgb(code: str) -> Array:
    """(3,) float64 in 0..1 of a hexadecimal sRGB colour."""
    return np.array([int(code[at : at + 2], 16) for at in (0, 2, 4)]) / 255


def linear(colour: Array) -> Array:
    """sRGB in 0..1 to linear light (IEC 61966-2-1)."""
    colour = np.asarray(colour, np.float64)
    return np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)


def paint(rng: np.random.Generator, choices: tuple[str, ...] = PAINTS) -> Array:
    """A colour near one of ``choices``, (3,) sRGB in 0..1."""
    hue, light, colourful = colorsys.rgb_to_hls(*srgb(choices[int(rng.integers(len(choices)))]))
    hue += rng.normal(0, 0.015)
    light = np.clip(light * np.exp(rng.normal(0, 0.12)), 0.1, 0.9)
    colourful = np.clip(colourful * np.exp(rng.normal(0, 0.15)), 0, 0.85)
    return np.array(colorsys.hls_to_rgb(hue % 1, light, colourful))


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], cells: tuple[int, int]) -> Array:
    """(h, w) in 0..1, periodic: random values on ``cells`` = (rows, columns), joined smoothly."""
    grid = rng.random(cells)
    out = grid
    for axis in (0, 1):
        position = np.arange(shape[axis]) * cells[axis] / shape[axis]
        low = position.astype(int)
        share = position - low
        share = share * share * (3 - 2 * share)
        share = share[:, None] if axis == 0 else share[None]
        out = np.take(out, low, axis) * (1 - share) + np.take(out, (low + 1) % cells[axis], axis) * share
    return out


def octaves(rng: np.random.Generator, size: int, cells: int, count: int = 4) -> Array:
    """(size, size) in 0..1: smooth noise of ``count`` octaves, each half as strong."""
    total, weight = np.zeros((size, size)), 0.0
    for octave in range(count):
        n = min(cells << octave, size)
        total += smooth_noise(rng, (size, size), (n, n)) * 0.5**octave
        weight += 0.5**octave
    return total / weight


def blend(first: Array, second: Array, share: Array) -> Array:
    """uint8 (h, w, 3): from ``first`` to ``second`` (sRGB colours) by ``share`` (h, w)."""
    image = first + (second - first) * share[..., None]
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


def _coordinates(size: int) -> tuple[Array, Array]:
    position = (np.arange(size) + 0.5) / size
    return np.meshgrid(position, position)


def _soft(value: Array, width: float = 0.02) -> Array:
    """A step at 0, as soft as a texture's pixel, so that patterns do not alias."""
    return np.clip(value / width + 0.5, 0, 1)


def stripes(rng: np.random.Generator, first: Array, second: Array) -> Array:
    x, y = _coordinates(TEXTURE)
    count = int(rng.integers(2, 7))
    return blend(first, second, _soft(np.sin(2 * np.pi * count * (x if rng.random() < 0.6 else y)), 0.2))


def checks(rng: np.random.Generator, first: Array, second: Array) -> Array:
    x, y = _coordinates(TEXTURE)
    count = int(rng.integers(2, 6))
    one, two = (_soft(np.sin(2 * np.pi * count * axis), 0.05 * count) for axis in (x, y))
    return blend(first, second, one + two - 2 * one * two)


def dots(rng: np.random.Generator, first: Array, second: Array) -> Array:
    x, y = _coordinates(TEXTURE)
    count = int(rng.integers(3, 7))
    u, v = (x * count) % 1 - 0.5, (y * count) % 1 - 0.5
    return blend(first, second, _soft(rng.uniform(0.2, 0.36) - np.hypot(u, v), 0.05))


def zigzag(rng: np.random.Generator, first: Array, second: Array) -> Array:
    x, y = _coordinates(TEXTURE)
    count = int(rng.integers(2, 5))
    fold = np.abs((x * count * 2) % 2 - 1) / (2 * count)
    return blend(first, second, _soft(np.sin(2 * np.pi * count * (y + fold)), 0.2))


def rings(rng: np.random.Generator, first: Array, second: Array) -> Array:
    x, y = _coordinates(TEXTURE)
    count = int(rng.integers(2, 4))
    radius = np.hypot((x * count) % 1 - 0.5, (y * count) % 1 - 0.5)
    return blend(first, second, _soft(np.sin(2 * np.pi * 3 * radius), 0.3))


def plaid(rng: np.random.Generator, first: Array, second: Array) -> Array:
    x, y = _coordinates(TEXTURE)
    count = int(rng.integers(2, 5))
    bands = []
    for axis in (x, y):
        wide, narrow = np.sin(2 * np.pi * count * axis) - 0.3, np.sin(6 * np.pi * count * axis) - 0.9
        bands.append(_soft(wide, 0.1) + 0.5 * _soft(narrow, 0.1))
    return blend(first, second, np.clip(0.5 * (bands[0] + bands[1]), 0, 1))


def scales(rng: np.random.Generator, first: Array, second: Array) -> Array:
    x, y = _coordinates(TEXTURE)
    count = int(rng.integers(3, 7))
    row = np.floor(y * 2 * count)
    u, v = (x * count + 0.5 * (row % 2)) % 1 - 0.5, (y * 2 * count) % 1
    return blend(first, second, np.clip(np.hypot(u, v * 0.5) * 1.6, 0, 1) ** 2)


def triangles(rng: np.random.Generator, first: Array, second: Array) -> Array:
    x, y = _coordinates(TEXTURE)
    count = int(rng.integers(2, 6))
    u, v = (x * count) % 1, (y * count) % 1
    return blend(first, second, _soft(1 - v - 2 * np.abs(u - 0.5), 0.05))


def blotches(rng: np.random.Generator, first: Array, second: Array) -> Array:
    return blend(first, second, _soft(octaves(rng, TEXTURE, int(rng.integers(3, 7)), 3) - 0.5, 0.06))


def marble(rng: np.random.Generator, first: Array, second: Array) -> Array:
    x, _ = _coordinates(TEXTURE)
    veins = np.abs(np.sin(np.pi * (2 * x + 3 * octaves(rng, TEXTURE, 3, 5))))
    return blend(first, second, np.clip(veins, 0, 1) ** 0.4)


def wood(rng: np.random.Generator, first: Array, second: Array | None = None) -> Array:
    """Grain along the first axis of uv; ``second`` is not asked for, the dark is the light's own."""
    _, y = _coordinates(TEXTURE)
    bend = smooth_noise(rng, (TEXTURE, TEXTURE), (4, 2))
    grain = np.sin(2 * np.pi * (rng.integers(4, 9) * y + 1.6 * bend)) * 0.5 + 0.5
    fibre = smooth_noise(rng, (TEXTURE, TEXTURE), (TEXTURE // 2, 6))
    return blend(first * 0.62, first, np.clip(0.45 * grain + 0.55 * fibre, 0, 1))


def lettered(rng: np.random.Generator, first: Array, second: Array, letters: str = CAPITALS) -> Array:
    """Letters in ``second`` on ``first``."""
    image = Image.new("RGB", (TEXTURE, TEXTURE), tuple(np.rint(first * 255).astype(int)))
    draw = ImageDraw.Draw(image)
    rows = int(rng.integers(1, 4))
    font = ImageFont.load_default(size=int(190 / rows))
    ink = tuple(np.rint(second * 255).astype(int))
    for row in range(rows):
        text = "".join(letters[int(rng.integers(len(letters)))] for _ in range(max(1, rows + int(rng.integers(0, 2)))))
        draw.text((TEXTURE / 2, (row + 0.5) * TEXTURE / rows), text, ink, font, anchor="mm")
    if rng.random() < 0.6:
        draw.rectangle((6, 6, TEXTURE - 7, TEXTURE - 7), outline=ink, width=5)
    return np.asarray(image)


PATTERNS = {
    "stripes": stripes, "checks": checks, "dots": dots, "zigzag": zigzag, "rings": rings, "blotches": blotches,
    "marble": marble, "wood": wood, "plaid": plaid, "scales": scales, "triangles": triangles, "lettered": lettered,
    "small letters": partial(lettered, letters=SMALL), "numbered": partial(lettered, letters=DIGITS),
}  # fmt: skip


def _apart(rng: np.random.Generator, first: Array) -> Array:
    """A paint that stands out against ``first``."""
    for _ in range(20):
        second = paint(rng)
        if np.abs(second - first).sum() > 0.8:
            return second
    return 1 - first


def draw_material(rng: np.random.Generator, part: str, patterned: float = 0.5) -> Material:
    """A material whose pattern belongs to the split ``part``; ``patterned``: how often it is not plain."""
    finish = rng.choice(["gloss", "satin", "rough", "metal"], p=[0.3, 0.35, 0.28, 0.07])
    roughness, specular, metallic = {
        "gloss": (rng.uniform(0.08, 0.2), 0.5, 0.0), "satin": (rng.uniform(0.3, 0.5), 0.4, 0.0),
        "rough": (rng.uniform(0.7, 1.0), 0.15, 0.0), "metal": (rng.uniform(0.15, 0.4), 0.5, 1.0),
    }[str(finish)]  # fmt: skip
    if rng.random() < patterned and not metallic:
        names = split.members("material", part, tuple(PATTERNS))
        name = names[int(rng.integers(len(names)))]
        first = paint(rng, TIMBERS if name == "wood" else PAINTS)
        if name == "marble":
            first = paint(rng, ("6e6a66", "7a4b2e", "27476e", "3f7d4e"))
        return Material(
            texture=PATTERNS[name](rng, first, _apart(rng, first)), roughness=roughness, specular=specular, kind=name
        )
    colour = paint(rng, ("b9b9bd", "c7a05a", "b87345", "8d8f94") if metallic else PAINTS)
    return Material(tuple(linear(colour)), None, roughness, metallic, specular, kind="metal" if metallic else "plain")
