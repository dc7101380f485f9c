"""Pictures with people's drags, of which nobody knows the true edit.

Two layouts are read:

- ``NAME/{original.jpg,mask.png,points.json}``: points.json holds ``{"points": [[x, y], ...]}`` in px, handle and target
  in turn; mask.png is what may change.
- DragBench's, ``<category>/<sample>/{original_image.png,meta_data.pkl}`` (``benchmarks.dragbench``).

What can be said without a truth:

    artefacts          the share of pixels that are clipped or outside the source's range nearby
    (``benchmarks.judging``) background_error   mean |R - S| outside what may change, widened by ``MARGIN`` px
    background_psnr    the same as PSNR

beside seconds, evaluations and failures, and the sheet, which is what to look at.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from core.errors import InputError
from core.space.points import make_points

from . import metrics
from .judging import MIN_PIXELS, SourceRange, psnr
from .scene import Scene, SceneError

MARGIN = metrics.BACKGROUND_MARGIN
DOMAIN = "pictures"


def folders(root: Path, limit: int | None = None) -> list[Path]:
    """The pictures' folders under ``root``, in order of name.

    Raises:
        SceneError: there are none.
    """
    found = sorted(path.parent for path in Path(root).glob("*/points.json"))
    found = found or sorted(path.parent for path in Path(root).glob("*/*/meta_data.pkl"))
    if not found:
        raise SceneError(
            f"{root}: neither NAME/points.json (with original.jpg, mask.png) nor CATEGORY/SAMPLE/meta_data.pkl in it."
        )
    return found[:limit]


def load(folder: Path, side: int | None = None) -> Scene:
    """One picture as a scene whose true edit is not known: source and target, and both masks, are the same.

    Args:
        folder: of either layout.
        side: shrink the picture until its shorter side is no longer than this, px.

    Raises:
        SceneError: a file is missing or broken.
    """
    folder = Path(folder)
    if (folder / "meta_data.pkl").exists():
        from .dragbench import SampleError, load_sample

        try:
            sample = load_sample(folder)
        except SampleError as error:
            raise SceneError(str(error)) from error
        name, family = f"{folder.parent.name}-{folder.name}", folder.parent.name
        image, mask, points = sample.image, sample.mask, np.stack([sample.handles, sample.targets], 1).reshape(-1, 2)
    else:
        name, family = folder.name, folder.name.rsplit("_", 1)[0]
        image, mask, points = _read(folder)
    height, width = image.shape[:2]
    extent = np.array([width, height], dtype=np.float64)
    if len(points) < 2 or len(points) % 2:
        raise SceneError(f"{folder}: {len(points)} points; they come in pairs of handle and target.")
    shares = (points + 0.5) / extent
    if side is not None and min(height, width) > side:
        size = tuple(max(1, round(edge * side / min(height, width))) for edge in (width, height))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        mask = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
    try:
        pairs = make_points((tuple(handle), tuple(target)) for handle, target in shares.reshape(-1, 2, 2).tolist())
    except InputError as error:
        raise SceneError(f"{folder}: {error}") from error
    mask = (mask > 0.5).astype(np.float32)
    meta = {"domain": DOMAIN, "family": family}
    return Scene(name, image, image, mask, mask, pairs.on_image(*image.shape[:2]), meta)


def judge(scene: Scene, result: np.ndarray) -> dict[str, float | None]:
    """The figures of the module's docstring."""
    outside = ~metrics.widened(scene.object_mask > 0.5, MARGIN)
    pixels = int(outside.sum())
    squared = ((result.astype(np.float64) - scene.source) ** 2).mean(-1)[outside].sum()
    error = np.abs(result.astype(np.float64) - scene.source).mean(-1)
    known = pixels >= MIN_PIXELS
    reach = SourceRange(scene)
    return {
        "artefacts": max(0.0, reach.share(result) - reach.share(scene.source)),
        "background_error": float(error[outside].mean()) if known else None,
        "background_psnr": psnr(float(squared), pixels) if known else None,
    }


def _read(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    try:
        picture = next(iter(_existing(folder, ("original.jpg", "original.png", "original.jpeg"))), None)
        if picture is None:
            raise SceneError(f"{folder}: no original.jpg or original.png.")
        with Image.open(picture) as opened:
            image = np.asarray(opened.convert("RGB"), dtype=np.float32) / 255
        with Image.open(folder / "mask.png") as opened:
            mask = np.asarray(opened.convert("L"), dtype=np.float32) / 255
        points = np.asarray(json.loads((folder / "points.json").read_text("utf-8"))["points"], dtype=np.float64)
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, SceneError):
            raise
        raise SceneError(f"{folder}: {type(error).__name__}: {error}") from error
    if mask.shape != image.shape[:2]:
        raise SceneError(f"{folder}: mask.png is {mask.shape[::-1]} px, the picture {image.shape[1::-1]}.")
    return image, mask, points.reshape(-1, 2)


def _existing(folder: Path, names: Iterable[str]) -> Iterable[Path]:
    return (folder / name for name in names if (folder / name).exists())
