"""Train, validation and test: which shapes, materials and grounds belong to which.

Things of the package are split by a hash of their name without digits, so that "chair1" and "chair2" stay
together. Of what is drawn by rule there are too few kinds for a hash: ``split.json`` lists what is held back, and
whatever it does not list belongs to all three. Seeds of the three never meet (:func:`generator`).
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

import numpy as np

SPLITS = ("train", "validation", "test")
RECORD = Path(__file__).with_name("split.json")


def group(name: str) -> str:
    """A model's name without digits and marks: what is split as one."""
    return "".join(letter for letter in name.lower() if letter.isalpha())


def split_of(name: str) -> str:
    """The split of a model of the package: one in eight each for validation and test."""
    bucket = int.from_bytes(hashlib.sha256(group(name).encode()).digest()[:4], "big") % 16
    return "validation" if bucket < 2 else "test" if bucket < 4 else "train"


@cache
def record() -> dict[str, dict[str, list[str]]]:
    """What is held back: {"material": {"validation": [...], "test": [...]}, "shape": ..., "ground": ...}."""
    return json.loads(RECORD.read_text("utf-8"))


def members(topic: str, part: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of ``names`` that split ``part`` may use.

    Held-back names make up the whole choice of the split they are held back for where there are at least three of
    them; else they are added to what all share.

    Raises:
        ValueError: ``part`` is no split.
    """
    if part not in SPLITS:
        raise ValueError(f"split is {part!r}; it must be one of {', '.join(SPLITS)}.")
    held = record().get(topic, {})
    own = tuple(name for name in names if name in held.get(part, ()))
    if len(own) >= 3:
        return own
    others = {name for key, values in held.items() if key != part for name in values}
    return tuple(name for name in names if name not in others)


def generator(part: str, seed: int, *rest: int) -> np.random.Generator:
    """Random numbers of a scene; never those of another split.

    Raises:
        ValueError: ``part`` is no split.
    """
    if part not in SPLITS:
        raise ValueError(f"split is {part!r}; it must be one of {', '.join(SPLITS)}.")
    return np.random.default_rng([1 + SPLITS.index(part), seed, *rest])
