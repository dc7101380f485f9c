"""Large pictures whose true edit is known: scenes of ``benchmarks.scene``, and objects set on photographs."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from core.space.points import DragPoints, make_points

from .scene import Scene
from .truth import Truth, truth_of


@dataclass(frozen=True, eq=False)
class Large:
    """A large picture whose true edit is known.

    Attributes:
        name, family: for the report.
        source, truth: (1, H, W, 3) float32 in 0..1.
        mask, arrived: (1, H, W), what moves, before and after.
        points: the drags.
        scene, true: the same as others read it, and all that is known of its true edit.
    """

    name: str
    family: str
    source: torch.Tensor
    truth: torch.Tensor
    mask: torch.Tensor
    arrived: torch.Tensor
    points: DragPoints
    scene: Scene
    true: Truth

    @classmethod
    def of(cls, scene: Scene) -> Large:
        """Any scene of ``benchmarks.scene``."""
        target, arrived = torch.from_numpy(scene.target)[None], torch.from_numpy(scene.target_mask)[None]
        return cls(scene.name, scene.family, scene.image, target, scene.mask, arrived, scene.points,
                   scene, truth_of(scene))  # fmt: skip


def composed(cutout: Path, photograph: Path, size: int, seed: int, share: float = 0.34) -> Large:
    """An object that goes from one place of a photograph to another; ``share`` of the picture's side is its length."""
    chosen = random.Random(seed)
    ground = square(photograph, size)
    thing = Image.open(cutout).convert("RGBA")
    scale = share * size / max(thing.size)
    thing = thing.resize(tuple(round(length * scale) for length in thing.size), Image.Resampling.LANCZOS)
    width, height = thing.size
    x, y = chosen.randrange(size // 16, size // 4), chosen.randrange(size // 16, size - height - size // 16)
    far = chosen.uniform(0.25, 0.45) * size
    dx, dy = round(far), round(chosen.uniform(-0.1, 0.1) * size)
    dy = min(max(dy, -y), size - height - y)
    dx = min(dx, size - width - x)
    source, mask = _pasted(ground, thing, x, y)
    truth, arrived = _pasted(ground, thing, x + dx, y + dy)
    handle = handle_of(thing, x, y)
    ends = (handle, (handle[0] + dx, handle[1] + dy))
    first, last = ((px / size, py / size) for px, py in ends)
    pictures = (one[0].numpy() for one in (source, truth, mask, arrived))
    points = make_points([(first, last)]).on_image(size, size)
    return Large.of(Scene(f"{cutout.stem} on {photograph.stem}", *pictures, points, {"family": "composed"}))


def pictures_in(folder: Path) -> list[Path]:
    """Its PNG and JPEG files, to its depths."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".png", ".jpg", ".jpeg"))


def square(photograph: Path, size: int) -> Image.Image:
    """The middle of a photograph, px a side."""
    ground = Image.open(photograph).convert("RGB")
    side = min(ground.size)
    left, top = ((length - side) // 2 for length in ground.size)
    return ground.crop((left, top, left + side, top + side)).resize((size, size), Image.Resampling.LANCZOS)


def handle_of(thing: Image.Image, x: int, y: int) -> tuple[float, float]:
    """A handle in the middle of an object whose corner lies there, px."""
    rows, columns = np.nonzero(np.asarray(thing)[..., 3] > 127)
    nearest = np.hypot(columns - columns.mean(), rows - rows.mean()).argmin()
    return x + columns[nearest] + 0.5, y + rows[nearest] + 0.5


def _pasted(ground: Image.Image, thing: Image.Image, x: int, y: int) -> tuple[torch.Tensor, torch.Tensor]:
    picture, alpha = ground.copy(), Image.new("L", ground.size)
    picture.paste(thing, (x, y), thing)
    alpha.paste(thing.getchannel("A"), (x, y))
    return tensor(picture), tensor(alpha)


def tensor(image: Image.Image) -> torch.Tensor:
    """(1, H, W, ...) float in 0..1."""
    return torch.from_numpy(np.asarray(image).copy())[None].float() / 255


def picture(values: torch.Tensor) -> Image.Image:
    """A picture (1, H, W, 3) or mask (1, H, W) in 8 bit."""
    return Image.fromarray((values[0].clamp(0, 1) * 255).round().byte().numpy())


def resized(image: torch.Tensor, size: int) -> torch.Tensor:
    """A picture (1, H, W, 3) or mask (1, H, W) at another size, by Lanczos in 8 bit."""
    return tensor(picture(image).resize((size, size), Image.Resampling.LANCZOS))
