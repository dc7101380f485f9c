"""JSON lines that a render adds to as it goes."""

from __future__ import annotations

import json
from pathlib import Path

THINGS = ".things.png"
"""Ends the name of the picture beside a training picture that says whose each of its pixels is (``training.whose``)."""


def read(path: Path) -> list[dict]:
    """The rows of a file; none where it isn't there."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def add(path: Path, row: dict) -> None:
    """One row more, by one write to the file's end: rows of several processes do not mix."""
    with path.open("ab", buffering=0) as file:
        file.write((json.dumps(row) + "\n").encode())
