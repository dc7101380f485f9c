"""Photographs of scikit-image's own package data that carry a free licence, split by photograph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

# Split by hand: few photographs, and each split should have a scene and a texture.
# All are CC0 or in the public domain according to skimage.data's documentation.
PHOTOS = {
    "train": ("astronaut.png", "chelsea.png", "camera.png", "brick.png", "grass.png", "hubble_deep_field.jpg",
              "clock_motion.png", "ihc.png"),
    "validation": ("coffee.png", "retina.jpg"),
    "test": ("rocket.jpg", "gravel.png"),
}  # fmt: skip


def load_photos(split: str) -> list[tuple[str, np.ndarray]]:
    """(name, uint8 (h, w, 3)) of a split's photographs; empty where scikit-image is not installed."""
    try:
        import skimage
    except ImportError:
        return []
    folder = Path(skimage.__file__).parent / "data"
    found = [folder / name for name in PHOTOS[split] if (folder / name).exists()]
    return [(path.stem, np.asarray(Image.open(path).convert("RGB"))) for path in found]
