"""Things with an alpha channel: cut out of photographs along outlines drawn by hand, or rendered by somebody else.

``outlines.json`` holds a polygon a thing, in px of its photograph's file, corners of pixels at whole numbers.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from .photographs import Photograph

OUTLINES = Path(__file__).parent / "outlines.json"
# standing: upright on what is under it; lying: seen from above; free: in the air, or cut by its picture's border.
POSES = ("standing", "lying", "free")
LONGEST_SIDE = 420
SUPERSAMPLING = 4


class CutoutError(ValueError):
    """A cut-out that can't be used; the message names the file and what is wrong with it."""


@dataclass(frozen=True)
class Outline:
    """A thing in a photograph: ``points`` (n, 2) are (x, y) in px of the photograph's file."""

    name: str
    picture: str
    pose: str
    points: np.ndarray


@dataclass(frozen=True, eq=False)
class Cutout:
    """A thing to be composed.

    Attributes:
        name: of the thing.
        picture: the photograph it was cut out of, or None if it was rendered.
        pose: one of POSES.
        rgba: uint8 (h, w, 4), straight alpha, cropped to it; colours go on a little outside the alpha.
        credit: source, author and licence.
    """

    name: str
    picture: str | None
    pose: str
    rgba: np.ndarray
    credit: dict[str, str]


def load_outlines() -> list[Outline]:
    """All outlines, in the order of the file."""
    rows = json.loads(OUTLINES.read_text("utf-8"))
    return [Outline(row["name"], row["picture"], row["pose"], np.array(row["outline"], np.float64)) for row in rows]


def cut(outline: Outline, photograph: Photograph, picture: np.ndarray) -> Cutout:
    """Cut a thing out of ``picture`` (h, w, 3), the photograph at the size of its file."""
    pad = 4
    height, width = picture.shape[:2]
    left, top = (int(v) for v in np.maximum(np.floor(outline.points.min(0)) - pad, 0))
    right, bottom = (int(v) for v in np.minimum(np.ceil(outline.points.max(0)) + pad, (width, height)))
    crop = Image.fromarray(picture[top:bottom, left:right])
    scale = min(1.0, LONGEST_SIDE / max(crop.size))
    size = tuple(max(1, round(side * scale)) for side in crop.size)
    rgb = np.asarray(crop.resize(size, Image.Resampling.LANCZOS))
    factor = np.array(size) / np.array(crop.size)
    alpha = soft_mask((outline.points - (left, top)) * factor, size)
    return Cutout(outline.name, outline.picture, outline.pose, trim(bleed(np.dstack([rgb, alpha]))), photograph.credit)


def soft_mask(points: np.ndarray, size: tuple[int, int], feather: float = 0.9) -> np.ndarray:
    """The inside of a polygon, uint8 (h, w), its border softened over ``feather`` px.

    Half the alpha lies a little inside the polygon: a border that is drawn by hand is never exact, and a rim of
    another picture's background is seen at once, while a missing rim is not.
    """
    big = Image.new("L", (size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING))
    ImageDraw.Draw(big).polygon([tuple(point) for point in points * SUPERSAMPLING], fill=255)
    mask = big.resize(size, Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(feather))
    soft = np.clip((np.asarray(mask, np.float32) / 255 - 0.4) / 0.55, 0, 1)
    return np.rint(soft * 255).astype(np.uint8)


def bleed(rgba: np.ndarray, reach: int = 8) -> np.ndarray:
    """Continue the colours of the solid part outwards over ``reach`` px, so that a soft border holds no other's."""
    rgb, known = rgba[..., :3].astype(np.float32), rgba[..., 3] >= 250
    if not known.any():
        return rgba
    for _ in range(reach):
        weight = np.pad(known.astype(np.float32), 1)
        colour = np.pad(rgb * known[..., None], ((1, 1), (1, 1), (0, 0)))
        count, total = np.zeros(known.shape, np.float32), np.zeros_like(rgb)
        for dy in range(3):
            for dx in range(3):
                view = np.s_[dy : dy + known.shape[0], dx : dx + known.shape[1]]
                count, total = count + weight[view], total + colour[view]
        fresh = ~known & (count > 0)
        rgb[fresh] = total[fresh] / count[fresh][:, None]
        known = known | fresh
    return np.dstack([np.rint(rgb).astype(np.uint8), rgba[..., 3]])


def trim(rgba: np.ndarray) -> np.ndarray:
    """Crop to where alpha is over 2 %."""
    ys, xs = np.nonzero(rgba[..., 3] > 5)
    return rgba[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]


def rendered(folder: Path, split: str) -> list[Cutout]:
    """Every RGBA picture ``folder/<split>/<name>.png``, by name.

    A file ``<name>.json`` beside it may say "pose", "source", "author" and "licence"; so may ``folder/credits.json``
    for all that say nothing themselves. What neither says is "not stated" in the scenes.

    Raises:
        CutoutError: no such folder, a picture without an alpha channel or with an empty one, an unknown pose, or
            a broken JSON file.
    """
    paths = sorted((folder / split).glob("*.png"))
    if not paths:
        raise CutoutError(f"{folder / split}: no PNG pictures in it. --cutouts takes a folder of <split>/<name>.png.")
    common = _facts(folder / "credits.json")
    return [_rendered(path, common) for path in paths]


def _rendered(path: Path, common: dict[str, str]) -> Cutout:
    facts = {**common, **_facts(path.with_suffix(".json"))}
    pose = facts.get("pose", "standing")
    if pose not in POSES:
        raise CutoutError(f"{path.with_suffix('.json')}: pose is {pose!r}, not one of {', '.join(POSES)}.")
    with Image.open(path) as image:
        if "A" not in image.getbands():
            raise CutoutError(f"{path}: it has no alpha channel ({image.mode}). Save it as RGBA.")
        rgba = np.asarray(image.convert("RGBA"))
    if not (rgba[..., 3] > 250).any():
        raise CutoutError(f"{path}: nothing in it is opaque.")
    rgba = trim(rgba)
    if max(rgba.shape[:2]) > LONGEST_SIDE:
        image = Image.fromarray(rgba)
        image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
        rgba = np.asarray(image)
    credit = {key: str(facts.get(key) or "not stated") for key in ("source", "author", "licence")}
    return Cutout(path.stem, None, pose, bleed(np.pad(rgba, ((2, 2), (2, 2), (0, 0)))), credit)


def _facts(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    try:
        facts = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise CutoutError(f"{path}: {error}") from error
    if not isinstance(facts, dict):
        raise CutoutError(f"{path}: an object is expected, not {type(facts).__name__}.")
    return facts
