"""Scenes whose true edit is known.

A scene is a folder::

    NAME/source.png        the picture
    NAME/target.png        the true edit
    NAME/object_mask.png   where the object is in the source (grey; its alpha if it is soft)
    NAME/target_mask.png   where it is in the true edit
    NAME/points.json       the drags, in the nodes' format
    NAME/meta.json         anything, optional; "background" names the kind of background
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from core.space.points import DragPoints, parse_points

KIND_KEYS = ("background_kind", "background", "kind")


class SceneError(ValueError):
    """A scene folder that can't be read; the message names the folder and the file."""


@dataclass(frozen=True, eq=False)
class Scene:
    """One scene.

    Attributes:
        name: of its folder.
        source, target: (H, W, 3) float32 in 0..1.
        object_mask, target_mask: (H, W) float32 in 0..1.
        points: the drags, bound to the image's size.
        meta: what ``meta.json`` holds.
    """

    name: str
    source: np.ndarray
    target: np.ndarray
    object_mask: np.ndarray
    target_mask: np.ndarray
    points: DragPoints
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.source.shape[:2]

    @property
    def kind(self) -> str | None:
        """The kind of background that ``meta.json`` names ("photo" of "photo:retina"), or None."""
        for key in KIND_KEYS:
            value = self.meta.get(key)
            if isinstance(value, dict):
                value = value.get("kind") or value.get("name")
            if isinstance(value, str) and value:
                return value.split(":", 1)[0]
        return None

    @property
    def image(self) -> torch.Tensor:
        """The source as the core takes it, (1, H, W, 3)."""
        return torch.from_numpy(self.source)[None]

    @property
    def mask(self) -> torch.Tensor:
        """The true mask as the core takes it, (1, H, W)."""
        return torch.from_numpy(self.object_mask)[None]

    def drags(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """(handle, target) of every drag in pixels, each (x, y)."""
        scale = np.array([self.size[1], self.size[0]], dtype=np.float64)
        return [(np.array(pair.handle) * scale, np.array(pair.target) * scale) for pair in self.points.pairs]


def load_scene(folder: Path) -> Scene:
    """Reads one scene.

    Raises:
        SceneError: a file is missing or broken, sizes differ, a mask is empty.
    """
    folder = Path(folder)
    source = _read(folder, "source.png", "RGB")
    target = _read(folder, "target.png", "RGB")
    object_mask = _read(folder, "object_mask.png", "L")
    target_mask = _read(folder, "target_mask.png", "L")
    for name, array in (("target.png", target), ("object_mask.png", object_mask), ("target_mask.png", target_mask)):
        if array.shape[:2] != source.shape[:2]:
            raise SceneError(
                f"{folder}: {name} is {array.shape[1]}x{array.shape[0]} px, "
                f"source.png {source.shape[1]}x{source.shape[0]} px."
            )
    if not (object_mask > 0.5).any():
        raise SceneError(f"{folder}: object_mask.png is empty.")
    try:
        points = parse_points((folder / "points.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SceneError(f"{folder}: points.json: {error}") from error
    meta = {}
    if (folder / "meta.json").exists():
        try:
            meta = json.loads((folder / "meta.json").read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise SceneError(f"{folder}: meta.json: {error}") from error
    return Scene(
        folder.name, source, target, object_mask, target_mask, points.on_image(*source.shape[:2]),
        meta if isinstance(meta, dict) else {},
    )  # fmt: skip


def scene_folders(root: Path, limit: int | None = None) -> list[Path]:
    """The folders under ``root`` in order of name, at most ``limit``.

    Raises:
        SceneError: ``root`` is no folder or holds none.
    """
    root = Path(root)
    if not root.is_dir():
        raise SceneError(f"{root}: no such folder.")
    folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not folders:
        raise SceneError(f"{root}: no scene folders in it.")
    return folders[:limit]


def load_scenes(root: Path, limit: int | None = None) -> Iterator[Scene | SceneError]:
    """The scenes under ``root`` one after the other; a broken one as the error that tells why."""
    for folder in scene_folders(root, limit):
        try:
            yield load_scene(folder)
        except SceneError as error:
            yield error


def _read(folder: Path, name: str, mode: str) -> np.ndarray:
    try:
        with Image.open(folder / name) as image:
            if mode == "L" and image.mode in ("RGBA", "LA") and image.getchannel("A").getextrema()[0] < 255:
                image = image.getchannel("A")
            if mode == "L" and image.mode.startswith("I;16"):
                return np.asarray(image, dtype=np.float32) / 65535
            return np.asarray(image.convert(mode), dtype=np.float32) / 255
    except (OSError, ValueError) as error:
        raise SceneError(f"{folder}: {name}: {error}") from error
