"""The photographs that composites are made of: who took them, under which licence, and which split they belong to.

``photographs.json`` is the record: one entry a photograph, each in one split, with its author and licence as its
package states them. They lie in scikit-image's own package data and in Debian's wallpaper packages
(``wallpapers.py``); none of them is in this repository.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from .wallpapers import PACKAGES

RECORD = Path(__file__).parent / "photographs.json"
SKIMAGE = "scikit-image"
# The shorter side that a background keeps: 512 px scenes are cut from no less than 0.45 of it.
BACKGROUND_SIDE = 1200


class PhotographError(RuntimeError):
    """A photograph that is not what the record says, or none at all; the message says where and how to mend it."""


@dataclass(frozen=True)
class Photograph:
    """One entry of the record.

    Attributes:
        name: unique in the record.
        split: train, validation or test.
        package: "scikit-image" or a Debian package.
        path: inside that package.
        size: (width, height) in px of the file.
        background: whether scenes may be set on it; otherwise things are only cut out of it.
        author, licence: as the package states them.
    """

    name: str
    split: str
    package: str
    path: str
    size: tuple[int, int]
    background: bool
    author: str
    licence: str

    @property
    def credit(self) -> dict[str, str]:
        """What a scene's meta.json says about where it comes from."""
        return {"source": f"{self.package}: {self.path}", "author": self.author, "licence": self.licence}


def load_record() -> list[Photograph]:
    """All entries, in the order of the file: scenes of a seed depend on it."""
    rows = json.loads(RECORD.read_text("utf-8"))
    return [Photograph(**{**row, "size": tuple(row["size"])}) for row in rows]


def locate(photograph: Photograph, cache: Path | None) -> Path | None:
    """The file of an entry; None where its package is not at hand (no scikit-image, no ``cache``).

    Raises:
        PhotographError: the package is there and the file is not.
    """
    if photograph.package == SKIMAGE:
        try:
            import skimage
        except ImportError:
            return None
        path = Path(skimage.__file__).parent / "data" / photograph.path
    elif cache is None:
        return None
    else:
        path = cache / photograph.package / photograph.path
    if not path.is_file():
        version = PACKAGES.get(photograph.package)
        tried = f" {version} (Debian 12)" if version else " 0.26"
        raise PhotographError(
            f"{path}: no such file. The record was made from {photograph.package}{tried}; unpack that version there."
        )
    return path


def read(photograph: Photograph, path: Path, shorter: int | None = None) -> np.ndarray:
    """The picture as uint8 (h, w, 3), reduced so that its shorter side is at most ``shorter`` px.

    Raises:
        PhotographError: its size is not the recorded one, so outlines and crops would be elsewhere in it.
    """
    with Image.open(path) as image:
        if image.size != photograph.size:
            raise PhotographError(
                f"{path}: {image.width}x{image.height} px, the record says "
                f"{photograph.size[0]}x{photograph.size[1]}. Another version of {photograph.package}: use the one "
                f"that the record names."
            )
        image = image.convert("RGB")
    scale = 1.0 if shorter is None else min(1.0, shorter / min(image.size))
    if scale < 1:
        size = tuple(round(side * scale) for side in image.size)
        image = image.resize(size, Image.Resampling.LANCZOS)
    return np.asarray(image)
