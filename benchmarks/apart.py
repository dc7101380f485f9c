"""Drags far apart in a large picture: one window that holds all of them, or a window for each, one after another.

    python -m benchmarks.apart CUTOUTS PHOTOGRAPHS

Two objects (PNG files with alpha) stand in opposite corners of a photograph, and each goes a little way; the true edit
is known, and their masks are given. Printed as JSON, means over the scenes with 95 % bootstrap intervals:

- ``moved``, ``changes``: peak signal-to-noise ratios in dB where the objects arrive, and where the truth differs from
  the source, of one window (``together``), of a window each (``apart``), and the difference on the same scenes.
- ``evaluations``, ``seconds``: of the model, and of the processor, all told.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from core.families import DEMO
from core.space.points import DragPoints, make_points
from core.windowed import WindowedResult, edit_anywhere

from .arguments import add_model_arguments, load_model, set_threads
from .large import CHANGED, psnr
from .large_scenes import handle_of, pictures_in, square, tensor
from .model import Model
from .report import interval


@dataclass(frozen=True, eq=False)
class Apart:
    """Objects with a drag each.

    Attributes:
        source, truth: (1, H, W, 3) float32 in 0..1.
        masks, arrived: (N, H, W), of the objects one by one.
        points: all drags.
    """

    source: torch.Tensor
    truth: torch.Tensor
    masks: torch.Tensor
    arrived: torch.Tensor
    points: DragPoints


def composed(cutouts: Sequence[Path], photograph: Path, size: int, seed: int, share: float = 0.15) -> Apart:
    """Two objects, ``share`` of the picture's side long, each going half its length to all of it."""
    chosen = random.Random(seed)
    before = square(photograph, size)
    after = before.copy()
    masks, arrived, ends = [], [], []
    length, rim = round(share * size), size // 32
    corners = [(rim, rim), (size - rim - 2 * length, size - rim - 2 * length)]
    for cutout, corner in zip(cutouts, corners, strict=True):
        thing = Image.open(cutout).convert("RGBA")
        scale = length / max(thing.size)
        thing = thing.resize(tuple(round(side * scale) for side in thing.size), Image.Resampling.LANCZOS)
        way = [chosen.choice((-1, 1)) * round(chosen.uniform(0.25, 0.7) * length) for _ in range(2)]
        # Both places lie within the corner's square of twice its length.
        x, y = (at + chosen.randint(max(-by, 0), 2 * length - side - max(by, 0))
                for at, by, side in zip(corner, way, thing.size, strict=True))  # fmt: skip
        masks.append(_paste(before, thing, x, y))
        arrived.append(_paste(after, thing, x + way[0], y + way[1]))
        handle = handle_of(thing, x, y)
        first, last = ((px / size, py / size) for px, py in (handle, (handle[0] + way[0], handle[1] + way[1])))
        ends.append((first, last))
    return Apart(tensor(before), tensor(after), torch.cat(masks), torch.cat(arrived), make_points(ends))


def _paste(picture: Image.Image, thing: Image.Image, x: int, y: int) -> torch.Tensor:
    alpha = Image.new("L", picture.size)
    picture.paste(thing, (x, y), thing)
    alpha.paste(thing.getchannel("A"), (x, y))
    return tensor(alpha)


def measure(loaded: Model, scene: Apart, native: int) -> dict[str, Any]:
    """Of both ways."""
    moved = scene.arrived.amax(0, keepdim=True) > 0.5
    changes = (scene.truth - scene.source).abs().amax(-1) > CHANGED
    told: dict[str, Any] = {"moved": {}, "changes": {}, "evaluations": {}, "seconds": {}, "scale": {}}

    def edited(picture: torch.Tensor, points: DragPoints, mask: torch.Tensor) -> WindowedResult:
        result = edit_anywhere(loaded.host, picture, points, native, mask=mask)
        assert isinstance(result, WindowedResult)
        return result

    def together() -> list[WindowedResult]:
        return [edited(scene.source, scene.points, scene.masks.amax(0, keepdim=True))]

    def apart() -> list[WindowedResult]:
        results, picture = [], scene.source
        for pair, mask in zip(scene.points.pairs, scene.masks, strict=True):
            result = edited(picture, DragPoints((pair,)), mask[None])
            results.append(result)
            picture = result.image
        return results

    for name, way in (("together", together), ("apart", apart)):
        counted, begun = loaded.evaluations, time.process_time()
        results = way()
        told["seconds"][name] = time.process_time() - begun
        told["evaluations"][name] = loaded.evaluations - counted
        told["scale"][name] = min(result.window.scale for result in results)
        for area, where in (("moved", moved), ("changes", changes)):
            told[area][name] = psnr(results[-1].image, scene.truth, where)
    return told


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means and intervals."""
    report: dict[str, Any] = {"n": len(rows)}
    for figure in rows[0]:
        report[figure] = {name: interval(row[figure][name] for row in rows) for name in ("together", "apart")}
        report[figure]["difference"] = interval(row[figure]["apart"] - row[figure]["together"] for row in rows)
    return report


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.apart", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cutouts", type=Path, help="folder of PNG files with alpha")
    parser.add_argument("photographs", type=Path, help="folder of pictures")
    parser.add_argument("--size", type=int, default=1024, help="px a side (%(default)s)")
    parser.add_argument("--scenes", type=int, default=16, help="how many (%(default)s)")
    add_model_arguments(parser)
    options = parser.parse_args(arguments)
    set_threads(options.threads)
    loaded = load_model(options)
    cutouts, photographs = pictures_in(options.cutouts), pictures_in(options.photographs)
    rows = []
    for number in range(options.scenes):
        two = [cutouts[(7 * number + at) % len(cutouts)] for at in (0, 3)]
        scene = composed(two, photographs[number % len(photographs)], options.size, number)
        rows.append(measure(loaded, scene, DEMO.native_px))
        sys.stderr.write(json.dumps(rows[-1]) + "\n")
    sys.stdout.write(json.dumps(summary(rows), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
