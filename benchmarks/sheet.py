"""Pictures side by side: a row a scene, a column a method."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw

from . import photographs
from .running import Item, mask_path, picture_path
from .scene import Scene, SceneError, load_scene

SIDE = 192
TITLE = 14
CAPTION = 14
MASKED = "attention_drag"
"""Whose automatic mask is outlined in the source."""


def row(
    scene: Scene, pictures: Mapping[str, np.ndarray], figures: Mapping[str, Mapping[str, Any]], methods: Sequence[str],
    mask: np.ndarray | None = None, known: bool = True,
) -> Image.Image:
    """Source with the drags and the automatic mask's outline, the true edit, then every method's picture.

    Args:
        scene: of the row.
        pictures: method -> (H, W, 3), float in 0..1 or uint8; a method without one has failed.
        figures: method -> figure -> value.
        methods: the columns.
        mask: (H, W) to outline.
        known: whether there is a true edit to show.
    """
    source = np.rint(scene.source * 255).astype(np.uint8)
    if mask is not None:
        outline, _ = cv2.findContours((mask > 0.5).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        source = cv2.drawContours(np.ascontiguousarray(source), outline, -1, (255, 255, 255), 1)
    for handle, target in scene.drags():
        start, end = (tuple(int(value) for value in point) for point in (handle, target))
        canvas = np.ascontiguousarray(source)
        if start == end:
            source = cv2.circle(canvas, start, 3, (255, 0, 0), 2)
        else:
            source = cv2.arrowedLine(canvas, start, end, (255, 0, 0), 2, tipLength=0.2)
    tiles = [_tile(source, f"{scene.family} {scene.name}")]
    if known:
        tiles.append(_tile(scene.target, "true edit"))
    for name in methods:
        if name in pictures:
            tiles.append(_tile(pictures[name], _caption(figures.get(name, {}))))
        else:
            tiles.append(_tile(np.zeros((*scene.size, 3)), "failed"))
    line = Image.new("RGB", (SIDE * len(tiles), max(tile.height for tile in tiles)), "white")
    for index, tile in enumerate(tiles):
        line.paste(tile, (SIDE * index, 0))
    return line


def write(path: Path, rows: Sequence[Image.Image], titles: Sequence[str]) -> None:
    """Writes the sheet, a title over each column."""
    width = max(line.width for line in rows)
    sheet = Image.new("RGB", (width, TITLE + sum(line.height for line in rows)), "white")
    drawing = ImageDraw.Draw(sheet)
    for index, title in enumerate(titles):
        drawing.text((SIDE * index + 2, 1), title, fill="black")
    top = TITLE
    for line in rows:
        sheet.paste(line, (0, top))
        top += line.height
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)


def chosen(entries: Mapping[str, Mapping[str, Any]], count: int) -> list[str]:
    """At most ``count`` scenes: one of each family of each domain in turn, then the second of each, and so on."""
    waiting: dict[tuple[str, str], list[str]] = {}
    for name, entry in entries.items():
        waiting.setdefault((entry["domain"], entry["family"]), []).append(name)
    order = [waiting[group] for group in sorted(waiting)]
    taken: set[str] = set()
    while len(taken) < count and any(order):
        for group in order:
            if group and len(taken) < count:
                taken.add(group.pop(0))
    return [name for group in sorted(waiting) for name in entries
            if name in taken and (entries[name]["domain"], entries[name]["family"]) == group]  # fmt: skip


def rows_of(
    items: Iterable[Item], entries: Mapping[str, Mapping[str, Any]], work: Path, methods: Sequence[str],
    side: int | None = None,
) -> list[Image.Image]:
    """Rows of scenes that were run, of the pictures that the run kept in ``work``."""
    rows = []
    for item in items:
        try:
            scene = load_scene(item.folder) if item.known else photographs.load(item.folder, side)
        except SceneError:
            continue
        pictures = {}
        for name in methods:
            path = picture_path(work, item.name, name)
            if path.exists() and name in entries[item.name]["methods"]:
                with Image.open(path) as picture:
                    pictures[name] = np.asarray(picture.convert("RGB"))
        mask = None
        if mask_path(work, item.name, MASKED).exists():
            with Image.open(mask_path(work, item.name, MASKED)) as picture:
                mask = np.asarray(picture, dtype=np.float32) / 255
        rows.append(row(scene, pictures, entries[item.name]["methods"], methods, mask, item.known))
    return rows


def _caption(figures: Mapping[str, Any]) -> str:
    parts = []
    if figures.get("changed_psnr") is not None:
        parts.append(f"{figures['changed_psnr']:.1f} dB")
    elif figures.get("target_psnr") is not None:
        parts.append(f"{figures['target_psnr']:.1f} dB")
    if figures.get("light_psnr") is not None:
        parts.append(f"light {figures['light_psnr']:.1f}")
    elif figures.get("revealed_psnr") is not None:
        parts.append(f"hole {figures['revealed_psnr']:.1f}")
    if figures.get("point_error_px") is not None:
        parts.append(f"{figures['point_error_px']:.0f} px")
    if not parts and figures.get("artefacts") is not None:
        parts.append(f"artefacts {100 * figures['artefacts']:.1f} %")
    return ", ".join(parts)


def _tile(image: np.ndarray, caption: str) -> Image.Image:
    if image.dtype != np.uint8:
        image = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    picture = Image.fromarray(image)
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    tile = Image.new("RGB", (SIDE, SIDE + CAPTION), "white")
    tile.paste(picture, ((SIDE - picture.width) // 2, 0))
    ImageDraw.Draw(tile).text((2, SIDE + 1), caption[:32], fill="black")
    return tile
