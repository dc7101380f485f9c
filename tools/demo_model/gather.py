"""Where training and validation pictures lie, and what is known about each."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from tools.worlds.records import THINGS

from .packs import Row
from .render import whose_file

STATES = ("air", "lean", "opened", "half hidden")


@dataclass(frozen=True)
class Source:
    """One picture: its row, and how to read it as uint8 (h, w, 3); where it is known, which thing each pixel shows, as
    uint8 (h, w), 0 for none."""

    row: Row
    read: Callable[[], Tensor]
    whose: Callable[[], Tensor] | None = None


def _file(path: Path, mode: str = "RGB") -> Callable[[], Tensor]:
    def read() -> Tensor:
        with Image.open(path) as image:
            return torch.from_numpy(np.array(image.convert(mode)))

    return read


def _whose(path: Path) -> Callable[[], Tensor] | None:
    return _file(path, "L") if path.exists() else None


def tags(meta: dict) -> tuple[str, ...]:
    """States of a picture of worlds, by its line in ``index.jsonl``."""
    found = [state for state in STATES if state in meta.get("states", ())]
    if meta.get("neighbours") == 0:
        found.append("alone")
    if meta.get("removed"):
        found.append("removed")
    return (*found, f"light:{meta['light']}")


def worlds(folder: Path) -> list[Source]:
    """Pictures of ``python -m tools.worlds --pictures``, by seed."""
    rows = [json.loads(line) for line in (folder / "index.jsonl").read_text("utf-8").splitlines()]
    # A file that was rendered again has two lines.
    by_file = {row["file"]: row for row in rows if (folder / row["file"]).exists()}
    return [
        Source(Row("worlds", name, tags(row)), _file(folder / name), _whose((folder / name).with_suffix(THINGS)))
        for name, row in sorted(by_file.items())
    ]


def photographic(folder: Path) -> list[Source]:
    """Pictures of ``python -m tools.scenes --kind photographic --pictures`` and their bare backgrounds."""
    found = []
    for name, domain in (("picture", "photographic"), ("bare", "bare")):
        found += [
            Source(Row(domain, f"{name}/{path.name}"), _file(path),
                   None if domain == "bare" else _whose(folder / "whose" / path.name))
            for path in sorted(folder.glob(f"{name}/*.png"))
        ]  # fmt: skip
    return found


def drawn(path: Path) -> list[Source]:
    """Scenes of ``python -m tools.demo_model.render``."""
    array = np.load(path, mmap_mode="r")
    whose = np.load(whose_file(path), mmap_mode="r") if whose_file(path).exists() else None
    return [
        Source(
            Row("drawn", f"{path.name}:{number}"), lambda number=number: torch.from_numpy(np.array(array[number])),
            None if whose is None else lambda number=number: torch.from_numpy(np.array(whose[number])),
        )  # fmt: skip
        for number in range(len(array))
    ]


def scenes(folder: Path) -> list[Source]:
    """The sources of scene folders, for validation, and of ``tools.worlds.clicks``, for training too.

    The domain is told as ``benchmarks.scene`` tells it.
    """
    found = []
    for path in sorted(folder.glob("[!.]*/source.png")):
        meta = json.loads((path.parent / "meta.json").read_text("utf-8"))
        bodies = path.with_name("bodies.png")
        rendered = bodies.exists() or (path.parent / "flow.npz").exists()
        domain = "worlds" if rendered else str(meta.get("domain", "drawn"))
        opened = path.with_name("moved.png") if meta.get("family") == "open" else None
        whose = _parts(bodies, opened) if bodies.exists() else None
        found.append(Source(Row(domain, path.parent.name), _file(path), whose))
    return found


def _parts(bodies: Path, moved: Path | None) -> Callable[[], Tensor]:
    """Bodies; what moves of one that opens is a thing of its own."""

    def read() -> Tensor:
        whose = _file(bodies, "L")()
        if moved is not None:
            part = (_file(moved, "L")() > 127) & (whose > 0)
            whose = torch.where(part, whose.max() + 1, whose)
        return whose

    return read
