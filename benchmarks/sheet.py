"""Pictures side by side: a row a scene, a column a method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw

from .methods import Outcome
from .scene import Scene

SIDE = 192
TITLE = 14
CAPTION = 14


def row(
    scene: Scene, outcomes: Mapping[str, Outcome], figures: Mapping[str, Mapping[str, Any]], methods: Sequence[str]
) -> Image.Image:
    """Source with the drags and the automatic mask's outline, the true edit, then every method's picture."""
    source = np.rint(scene.source * 255).astype(np.uint8)
    for outcome in outcomes.values():
        if outcome.mask is not None:
            outline, _ = cv2.findContours((outcome.mask > 0.5).astype(np.uint8), cv2.RETR_EXTERNAL,
                                          cv2.CHAIN_APPROX_NONE)  # fmt: skip
            source = cv2.drawContours(np.ascontiguousarray(source), outline, -1, (255, 255, 255), 1)
            break
    for handle, target in scene.drags():
        start, end = (tuple(int(value) for value in point) for point in (handle, target))
        source = cv2.arrowedLine(np.ascontiguousarray(source), start, end, (255, 0, 0), 2, tipLength=0.2)
    tiles = [_tile(source, scene.name), _tile(scene.target, "true edit")]
    for name in methods:
        if name in outcomes:
            psnr, vacated = figures[name]["target_psnr"], figures[name]["vacated_psnr"]
            caption = f"{psnr:.1f} dB" + (f", hole {vacated:.1f}" if vacated is not None else "")
            tiles.append(_tile(outcomes[name].image, caption))
        else:
            tiles.append(_tile(np.zeros((*scene.size, 3)), "failed"))
    line = Image.new("RGB", (SIDE * len(tiles), SIDE + CAPTION), "white")
    for index, tile in enumerate(tiles):
        line.paste(tile, (SIDE * index, 0))
    return line


def write(path: Path, rows: Sequence[Image.Image], methods: Sequence[str]) -> None:
    """Writes the sheet."""
    width = max(line.width for line in rows)
    sheet = Image.new("RGB", (width, TITLE + sum(line.height for line in rows)), "white")
    drawing = ImageDraw.Draw(sheet)
    for index, title in enumerate(["source", "true edit", *methods]):
        drawing.text((SIDE * index + 2, 1), title, fill="black")
    top = TITLE
    for line in rows:
        sheet.paste(line, (0, top))
        top += line.height
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)


def _tile(image: np.ndarray, caption: str) -> Image.Image:
    if image.dtype != np.uint8:
        image = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    picture = Image.fromarray(image)
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    tile = Image.new("RGB", (SIDE, SIDE + CAPTION), "white")
    tile.paste(picture, ((SIDE - picture.width) // 2, 0))
    ImageDraw.Draw(tile).text((2, SIDE + 1), caption[:32], fill="black")
    return tile
