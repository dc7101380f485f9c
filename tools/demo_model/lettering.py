"""Pictures with letters, and whether an autoencoder leaves them readable.

A letter is read by comparing its place with what every letter would look like there: it is read right where its own
look correlates best. Pillow's own font is used, so that nothing needs to be installed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from .gather import Source
from .packs import Row

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SEEDS = {"train": 41, "validation": 42, "test": 43}
HEIGHT = 12
"""Pixels of a capital, of the letters that are read."""


@dataclass(frozen=True, eq=False)
class Lettered:
    """A picture (h, w, 3) uint8 and its letters: (letter, x, y of the pen), in a font's size and two colours."""

    picture: np.ndarray
    letters: list[tuple[str, int, int]]
    size: float


def font(capital: float) -> ImageFont.FreeTypeFont:
    """Pillow's font with capitals of about so many pixels."""
    probe = ImageFont.load_default(100)
    top, bottom = probe.getbbox("H")[1::2]
    return ImageFont.load_default(100 * capital / (bottom - top))


def lettered(rng: np.random.Generator, side: int = 256, capital: float | None = None) -> Lettered:
    """Lines of random letters over a plain or softly shaded ground; capitals of ``capital`` px, or of 8 to 28."""
    height = capital or float(np.exp(rng.uniform(np.log(8), np.log(28))))
    ground = rng.uniform(30, 225, 3)
    slope = rng.uniform(-0.12, 0.12, 2)
    y, x = np.mgrid[:side, :side] / side - 0.5
    image = Image.fromarray(np.clip(ground * (1 + slope[0] * x + slope[1] * y)[..., None], 0, 255).astype(np.uint8))
    ink = rng.uniform(0, 70, 3) if ground.mean() > 125 else rng.uniform(185, 255, 3)
    pen, letters, face = ImageDraw.Draw(image), [], font(height)
    for row in range(int(side / (2.1 * height)) - 1):
        left, top = int(rng.integers(4, 4 + int(height))), int((2.1 * row + 0.6) * height)
        while left < side - 2 * height:
            letter = LETTERS[int(rng.integers(len(LETTERS)))]
            if rng.random() < 0.85:
                pen.text((left, top), letter, tuple(int(value) for value in ink), font=face)
                letters.append((letter, left, top))
            left += int(face.getlength(letter)) + 3
    return Lettered(np.asarray(image), letters, height)


def _templates(size: float) -> dict[str, np.ndarray]:
    """How each letter covers the box that all of them fit in."""
    face = font(size)
    boxes = [face.getbbox(letter) for letter in LETTERS]
    wide, high = max(box[2] for box in boxes) + 2, max(box[3] for box in boxes) + 2
    found = {}
    for letter in LETTERS:
        image = Image.new("L", (wide, high))
        ImageDraw.Draw(image).text((0, 0), letter, 255, font=face)
        found[letter] = np.asarray(image, np.float64)
    return found


def read_right(lettered: Lettered, shown: np.ndarray) -> float:
    """Share of the letters that are still read right in ``shown`` (h, w, 3), the picture after some loss.

    Each template is compared within its own width and two pixels, with its mean and contrast taken out.
    """
    grey, right, count = shown.astype(np.float64).mean(-1), 0, 0
    templates = _templates(lettered.size)
    for letter, x, y in lettered.letters:
        high, wide = templates[letter].shape
        if y + high > grey.shape[0] or x + wide > grey.shape[1]:
            continue
        # The box of the letter that is there: what its neighbour covers tells nothing.
        own = np.nonzero(templates[letter].any(0))[0].max() + 2
        place = grey[y : y + high, x : x + own]
        scores = {other: abs(_correlation(place, template[:, :own])) for other, template in templates.items()}
        right, count = right + (max(scores, key=scores.get) == letter), count + 1
    return right / max(1, count)


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    first, second = first - first.mean(), second - second.mean()
    return float((first * second).sum() / max(1e-9, np.sqrt((first**2).sum() * (second**2).sum())))


def sources(split: str, count: int) -> list[Source]:
    """So many pictures of letters of many sizes, for training."""

    def reader(number: int):
        def read() -> Tensor:
            return torch.from_numpy(lettered(np.random.default_rng([SEEDS[split], number])).picture.copy())

        return read

    return [Source(Row("lettering", f"{split}:{number}"), reader(number)) for number in range(count)]
