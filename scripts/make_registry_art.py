"""Draw registry/icon.png and registry/banner.png, which the ComfyUI registry shows.

    python -m scripts.make_registry_art

A handle, its drag and where it goes, over rings that fade as attention does: nothing but shapes, drawn at four times
the size and scaled down.
"""

from __future__ import annotations

import math

from PIL import Image, ImageDraw

from scripts.environment import REPOSITORY

FOLDER = REPOSITORY / "registry"
ICON, BANNER = (400, 400), (1344, 576)  # 1:1 and 21:9, as the registry asks
GROUND, INK = "#1b1430", "#ffffff"
HEAT = ("#3a1f57", "#6b2a63", "#b04a55", "#e8894a", "#ffd98a")
ARROW = "#56b4e9"
_FINER = 4


def draw(size: tuple[int, int]) -> Image.Image:
    """The picture at ``size``, the drag from the left to the right of its middle."""
    width, height = (side * _FINER for side in size)
    picture = Image.new("RGB", (width, height), GROUND)
    canvas = ImageDraw.Draw(picture)
    unit = height / 100
    start = (width * 0.5 - 24 * unit, 62 * unit)
    end = (width * 0.5 + 24 * unit, 36 * unit)
    for ring, colour in enumerate(HEAT):
        reach = (30 - 5.5 * ring) * unit
        _disc(canvas, start, reach, colour)
    _disc(canvas, end, 24.5 * unit, None, ARROW, 1.2 * unit)
    _arrow(canvas, start, end, 3.4 * unit)
    _disc(canvas, start, 5 * unit, INK, GROUND, 1.6 * unit)
    return picture.resize(size, Image.Resampling.LANCZOS)


def _disc(canvas: ImageDraw.ImageDraw, at, reach: float, fill, outline=None, pen: float = 0) -> None:
    box = (at[0] - reach, at[1] - reach, at[0] + reach, at[1] + reach)
    canvas.ellipse(box, fill=fill, outline=outline, width=round(pen))


def _arrow(canvas: ImageDraw.ImageDraw, start, end, pen: float) -> None:
    length = math.dist(start, end)
    along = ((end[0] - start[0]) / length, (end[1] - start[1]) / length)
    head = 4 * pen
    neck = (end[0] - along[0] * head, end[1] - along[1] * head)
    canvas.line([start, neck], fill=ARROW, width=round(pen))
    side = (-along[1] * head * 0.6, along[0] * head * 0.6)
    canvas.polygon(
        [end, (neck[0] + side[0], neck[1] + side[1]), (neck[0] - side[0], neck[1] - side[1])], fill=ARROW
    )


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, size in (("icon", ICON), ("banner", BANNER)):
        path = FOLDER / f"{name}.png"
        draw(size).save(path, optimize=True)
        print(path)


if __name__ == "__main__":
    main()
