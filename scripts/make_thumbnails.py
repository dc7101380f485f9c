"""Write example_workflows/*.jpg, which ComfyUI's template browser shows, from the demo's pictures.

scripts/demo.sh --out DIR && python -m scripts.make_thumbnails DIR
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

from scripts.environment import REPOSITORY

# The demo's pictures that stand for a workflow, side by side.
PANELS = {
    "attentiondrag_edit": ("points", "edited"),
    "attentiondrag_step_by_step": ("points", "heatmap", "mask", "edited"),
    "attentiondrag_prompted_restyle": ("points", "heatmap"),
}
SIDE = 384


def main() -> None:
    folder = Path(sys.argv[1])
    for name, panels in PANELS.items():
        pictures = [Image.open(folder / f"{panel}.png").convert("RGB").resize((SIDE, SIDE)) for panel in panels]
        columns = 2
        rows = len(pictures) // columns
        sheet = Image.new("RGB", (columns * SIDE, rows * SIDE))
        for number, picture in enumerate(pictures):
            sheet.paste(picture, (number % columns * SIDE, number // columns * SIDE))
        sheet.save(REPOSITORY / "example_workflows" / f"{name}.jpg", quality=88, optimize=True)


if __name__ == "__main__":
    main()
