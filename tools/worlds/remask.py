"""Makes the masks of rendered pairs anew from their pictures: ``python -m tools.worlds.remask FOLDER``."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from . import truth


def remask(scene: Path) -> None:
    """Writes changed.png, light.png, old_shadow.png, new_shadow.png and revealed.png of one scene folder."""
    source, target = (np.asarray(Image.open(scene / f"{name}.png").convert("RGB")) for name in ("source", "target"))
    moved, after = (np.asarray(Image.open(scene / f"{name}.png").convert("L")) for name in ("moved", "moved_after"))
    for name, mask in truth.light_masks(source, target, moved, after).items():
        Image.fromarray(mask.astype(np.uint8) * 255).save(scene / f"{name}.png")


def main(arguments: list[str] | None = None) -> None:
    folders = [Path(name) for name in (sys.argv[1:] if arguments is None else arguments)]
    scenes = [
        scene for folder in folders for scene in sorted(folder.iterdir()) if (scene / "moved_after.png").is_file()
    ]
    for scene in scenes:
        remask(scene)
    print(f"{len(scenes)} scenes")


if __name__ == "__main__":
    main()
