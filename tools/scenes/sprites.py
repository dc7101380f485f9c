"""Objects with an alpha channel: emoji art and random shapes, split by object.

A sprite is a uint8 array (side, side, 4), straight alpha, the object filling the longer side.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 160
SPLITS = ("train", "validation", "test")
OPENMOJI_GROUPS = {
    "smileys-emotion", "people-body", "animals-nature", "food-drink", "travel-places", "activities", "objects",
}  # fmt: skip
OPENMOJI_EXTRA_SUBGROUPS = {
    "animals-nature", "climate-environment", "emergency", "food-drink", "gardening", "healthcare", "objects",
    "people", "smileys-emotion", "technology", "travel-places",
}  # fmt: skip
TWITTER_CATEGORIES = {
    "Smileys & Emotion", "People & Body", "Animals & Nature", "Food & Drink", "Travel & Places", "Activities",
    "Objects",
}  # fmt: skip
SKIN_TONES = {f"1F3F{digit}" for digit in "BCDEF"}


@dataclass(frozen=True)
class Source:
    """Where one sprite comes from: ``set`` is ``openmoji`` or ``twitter``."""

    set: str
    code: str
    name: str
    path: Path


def base_code(code: str) -> str:
    """Code points without the presentation selector: equal for one emoji in both sets."""
    return "-".join(part for part in code.upper().split("-") if part != "FE0F")


def split_of(key: str) -> str:
    """Split that an object or a photograph belongs to: 80/10/10 by the SHA-256 of its key."""
    bucket = int(hashlib.sha256(f"attention-drag:{key}".encode()).hexdigest()[:8], 16) % 10
    return "validation" if bucket == 8 else "test" if bucket == 9 else "train"


def is_variant(code: str) -> bool:
    """Whether an emoji repeats another one in a skin tone, a gender or a family make-up."""
    parts = set(code.split("-"))
    joined = "200D" in parts
    return bool(parts & SKIN_TONES) or (joined and bool(parts & {"2640", "2642", "1F468", "1F469"}))


def openmoji_sources(package: Path) -> list[Source]:
    """Sprites of the unpacked npm package ``openmoji``."""
    rows = json.loads((package / "data" / "openmoji.json").read_text("utf-8"))
    found = []
    for row in rows:
        extra = row["group"] == "extras-openmoji" and row["subgroups"] in OPENMOJI_EXTRA_SUBGROUPS
        plain = row["group"] in OPENMOJI_GROUPS and row["subgroups"] != "family"
        code = base_code(row["hexcode"])
        if not (extra or plain) or row["skintone"] or is_variant(code):
            continue
        path = package / "color" / "svg" / f"{row['hexcode']}.svg"
        if path.exists():
            found.append(Source("openmoji", code, row["annotation"], path))
    return found


def twitter_sources(package: Path) -> list[Source]:
    """Sprites of the unpacked npm package ``emoji-datasource-twitter``."""
    rows = json.loads((package / "emoji.json").read_text("utf-8"))
    found = []
    for row in rows:
        code = base_code(row["unified"])
        if row["category"] not in TWITTER_CATEGORIES or row["subcategory"] == "family" or is_variant(code):
            continue
        path = package / "img" / "twitter" / "64" / row["image"]
        if path.exists():
            found.append(Source("twitter", code, (row["name"] or row["short_name"]).lower(), path))
    return found


def rasterise(source: Source) -> np.ndarray | None:
    """The sprite (SIDE, SIDE, 4) of a source, or None where the art is nearly empty."""
    if source.path.suffix == ".svg":
        import resvg_py

        data = bytes(resvg_py.svg_to_bytes(svg_path=str(source.path), width=256))
        image = Image.open(io.BytesIO(data)).convert("RGBA")
    else:
        image = Image.open(source.path).convert("RGBA")
    return fit(image)


def fit(image: Image.Image) -> np.ndarray | None:
    """Crop an RGBA image to its alpha and scale its longer side to SIDE."""
    box = image.getchannel("A").point(lambda a: 255 if a > 24 else 0).getbbox()
    if box is None:
        return None
    image = image.crop(box)
    scale = SIDE / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    resized = image.resize(size, Image.Resampling.LANCZOS)
    canvas = Image.new("RGBA", (SIDE, SIDE))
    canvas.paste(resized, ((SIDE - size[0]) // 2, (SIDE - size[1]) // 2))
    array = np.asarray(canvas)
    solid = (array[..., 3] > 127).mean()
    return array if solid > 0.16 else None


def build_cache(openmoji: Path, twitter: Path, out: Path) -> None:
    """Rasterise both sets into ``out``/<split>.npy (N, SIDE, SIDE, 4) and ``out``/<split>.json."""
    out.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, list[np.ndarray]] = {split: [] for split in SPLITS}
    index: dict[str, list[dict[str, str]]] = {split: [] for split in SPLITS}
    for source in openmoji_sources(openmoji) + twitter_sources(twitter):
        sprite = rasterise(source)
        if sprite is None:
            continue
        split = split_of(source.code)
        arrays[split].append(sprite)
        index[split].append({"set": source.set, "code": source.code, "name": source.name})
    for split in SPLITS:
        np.save(out / f"{split}.npy", np.stack(arrays[split]))
        (out / f"{split}.json").write_text(json.dumps(index[split], indent=0, ensure_ascii=False), "utf-8")
