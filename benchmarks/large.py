"""Pictures larger than the model's own size, edited in a window, against the truth.

    python -m benchmarks.large --worlds DIR                     # of tools.worlds, rendered at 1024 px
    python -m benchmarks.large --composed CUTOUTS PHOTOGRAPHS   # objects with alpha at two places of photographs

Each scene is edited twice with what moves given as a mask: in its window and stitched back (``window``), and as a whole
at the model's size, scaled up by Lanczos, the outside of the edit the source's own (``small``). Printed as JSON, means
over the scenes with 95 % bootstrap intervals over them (``benchmarks.report.interval``):

- ``moved``, ``changes``: peak signal-to-noise ratios in dB where what moved arrives and where the truth differs from
  the source, of either, and ``better``: the window's less the other's on the same scenes.
- ``border``: mean absolute error within 16 px of the window's borders in the picture, to their inside: that of the
  edit, that of the source there (``source``), and that of the source within 16 px to their outside (``outside``), in
  levels of 255; and the ratios of the sums. Rendered pictures have grain, so the source's error is never 0.
- ``scale``: at which windows were edited.

What speed is: ``benchmarks.beyond``.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from core.edit import edit
from core.families import DEMO
from core.hosts.direct import DirectHost
from core.space.points import DragPoints, make_points
from core.window.plan import Window
from core.windowed import WindowedResult, edit_anywhere

from .arguments import add_model_arguments, load_model, set_threads
from .report import interval, pooled
from .scene import load_scene, scene_folders

BORDER = 16
CHANGED = 2 / 255


@dataclass(frozen=True, eq=False)
class Large:
    """A large picture whose true edit is known.

    Attributes:
        name, family: for the report.
        source, truth: (1, H, W, 3) float32 in 0..1.
        mask, arrived: (1, H, W), what moves, before and after.
        points: the drags.
    """

    name: str
    family: str
    source: torch.Tensor
    truth: torch.Tensor
    mask: torch.Tensor
    arrived: torch.Tensor
    points: DragPoints


def rendered(folder: Path) -> Large:
    """A scene of ``tools.worlds``, or any of ``benchmarks.scene``."""
    scene = load_scene(folder)
    target, arrived = torch.from_numpy(scene.target)[None], torch.from_numpy(scene.target_mask)[None]
    return Large(scene.name, scene.family, scene.image, target, scene.mask, arrived, scene.points)


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
    return Large(f"{cutout.stem} on {photograph.stem}", "composed", source, truth, mask, arrived,
                 make_points([(first, last)]))  # fmt: skip


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


def psnr(one: torch.Tensor, other: torch.Tensor, where: torch.Tensor) -> float:
    """In dB, over the pixels (1, H, W) bool."""
    return float(-10 * ((one - other) ** 2).mean(-1)[where].mean().log10())


def quality(host: DirectHost, scene: Large, native: int) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """The figures of one scene, and its two edits (1, H, W, 3) by name."""
    size = scene.source.shape[1]
    result = edit_anywhere(host, scene.source, scene.points, native, mask=scene.mask)
    assert isinstance(result, WindowedResult)
    small = edit(host, resized(scene.source, native), scene.points, mask=resized(scene.mask, native))
    shown = resized(small.shown, size)[..., None]
    enlarged = scene.source + shown * (resized(small.image, size) - scene.source)
    areas = {
        "moved": scene.arrived > 0.5, "changes": (scene.truth - scene.source).abs().amax(-1) > CHANGED,
    }  # fmt: skip
    edits = {"window": result.image, "small": enlarged}
    window = result.window
    told: dict[str, Any] = {"name": scene.name, "family": scene.family, "scale": window.scale}
    told["window"] = [window.left, window.top, window.width, window.height]
    for area, where in areas.items():
        told[area] = {name: psnr(edited, scene.truth, where) for name, edited in edits.items()}
    inside, outside = (near_border(window, out)[None] for out in (False, True))
    if inside.any() and outside.any():
        told["border"] = {
            name: 255 * float((one - scene.truth).abs().mean(-1)[where].mean())
            for name, one, where in (
                ("edit", result.image, inside), ("source", scene.source, inside), ("outside", scene.source, outside)
            )
        }  # fmt: skip
    return told, edits


def near_border(window: Window, outside: bool = False) -> torch.Tensor:
    """(H, W) bool: within ``BORDER`` px of the window's borders in the picture, to their inside or to their outside."""
    height, width = window.picture
    y, x = torch.arange(height)[:, None], torch.arange(width)
    bottom, right = window.top + window.height, window.left + window.width
    inside = (y >= window.top) & (y < bottom) & (x >= window.left) & (x < right)
    if outside:
        far = (y < window.top - BORDER) | (y >= bottom + BORDER) | (x < window.left - BORDER) | (x >= right + BORDER)
        return ~inside & ~far
    sides = []
    if window.top > 0:
        sides.append(y - window.top < BORDER)
    if bottom < height:
        sides.append(bottom - y <= BORDER)
    if window.left > 0:
        sides.append(x - window.left < BORDER)
    if right < width:
        sides.append(right - x <= BORDER)
    near = torch.zeros(height, width, dtype=torch.bool)
    for side in sides:
        near |= inside & side
    return near


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the module's docstring says, of all scenes and of each family."""
    told = _means(rows)
    families = sorted({row["family"] for row in rows})
    if len(families) > 1:
        told["families"] = {name: _means([row for row in rows if row["family"] == name]) for name in families}
    return told


def _means(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    told: dict[str, Any] = {"n": len(rows), "scale": interval(row["scale"] for row in rows)}
    for area in ("moved", "changes"):
        told[area] = {name: interval(row[area][name] for row in rows) for name in ("window", "small")}
        told[area]["better"] = interval(row[area]["window"] - row[area]["small"] for row in rows)
    borders = [row["border"] for row in rows if "border" in row]
    if borders:
        told["border"] = {name: interval(one[name] for one in borders) for name in borders[0]}
        for other in ("source", "outside"):
            if all(one[other] > 0 for one in borders):
                told["border"][f"edit / {other}"] = pooled([(one["edit"], one[other]) for one in borders])
    return told


def scenes(options: argparse.Namespace) -> Iterator[Large]:
    """What the arguments name, one after the other."""
    if options.worlds is not None:
        for folder in scene_folders(options.worlds, options.scenes):
            yield rendered(folder)
    if options.composed is not None:
        cutouts, photographs = (pictures_in(folder) for folder in options.composed)
        for number in range(options.scenes or 32):
            cutout, ground = cutouts[number * 7 % len(cutouts)], photographs[number % len(photographs)]
            yield composed(cutout, ground, options.size, number, options.share)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.large", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--worlds", type=Path, metavar="DIR", help="folder of scenes whose truth is known")
    parser.add_argument("--composed", type=Path, nargs=2, metavar=("CUTOUTS", "PHOTOGRAPHS"),
                        help="folder of PNG files with alpha, folder of pictures")  # fmt: skip
    parser.add_argument("--size", type=int, default=1024, help="of composed scenes, px a side (%(default)s)")
    parser.add_argument("--share", type=float, default=0.34,
                        help="of their side that objects are long: a tenth of the area by default")  # fmt: skip
    parser.add_argument("--scenes", type=int, help="at most so many of each; all, and 32 composed ones, by default")
    parser.add_argument("--native", type=int, default=DEMO.native_px, metavar="PX",
                        help="side of the pictures that the model was trained on (%(default)s)")  # fmt: skip
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="write source, truth and both edits there")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="write the JSON and all scenes' rows here, too")
    add_model_arguments(parser)
    options = parser.parse_args(arguments)
    set_threads(options.threads)
    host = load_model(options).host
    rows = []
    for scene in scenes(options):
        row, edits = quality(host, scene, options.native)
        rows.append(row)
        sys.stderr.write(json.dumps(row) + "\n")
        if options.pictures is not None:
            options.pictures.mkdir(parents=True, exist_ok=True)
            for name, image in {"source": scene.source, "truth": scene.truth, **edits}.items():
                picture(image).save(options.pictures / f"{scene.name} {name}.png")
    report = summary(rows)
    sys.stdout.write(json.dumps(report, indent=1) + "\n")
    if options.out is not None:
        options.out.write_text(json.dumps({**report, "scenes": rows}, indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
