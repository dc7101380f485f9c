"""Pictures larger than the model's own size, edited in a window, against the truth.

    python -m benchmarks.large --worlds DIR                     # of tools.worlds, rendered at 1024 px
    python -m benchmarks.large --composed CUTOUTS PHOTOGRAPHS   # objects with alpha at two places of photographs

Each scene is edited with what moves given as a mask: in its window and stitched back (``window``), and as a whole at
the model's size, scaled up by Lanczos, the outside of the edit the source's own (``small``). Both once where the drags
take it and once by the scene's true flow (``true window``, ``true small``): a drag doesn't say all of a movement, and
what lies beside the truth is wrong in any detail. Printed as JSON, means over the scenes with 95 % bootstrap intervals
over them (``benchmarks.report.interval``):

- ``moved``, ``changes``: peak signal-to-noise ratios in dB where what moved arrives and where the truth differs from
  the source, and ``better``, ``true better``: the window's less the other's on the same scenes.
- ``oracle``: what could be gained at all. The source's own pixels along the true flow of every one of them, hole
  inpainted (``benchmarks.field``), in full (``oracle``) and by way of the model's size (``oracle small``), and the
  ``oracle better``: faces that were hidden and light that changed are the same unknowns in both.
- ``border``: mean absolute error within 16 px of the window's borders in the picture, to their inside: that of the
  edit, that of the source there (``source``), and that of the source within 16 px to their outside (``outside``), in
  levels of 255; and the ratios of the sums. Rendered pictures have grain, so the source's error is never 0.
- ``scale``: at which windows were edited.

What speed is: ``benchmarks.beyond``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from core import edit as stations
from core.edit import edit
from core.families import DEMO
from core.hosts.direct import DirectHost
from core.settings import EditSettings
from core.space.grid import Grid
from core.window.crop import crop
from core.window.plan import Window, overview
from core.windowed import WindowedResult, edit_anywhere, put_back, settings_in

from .arguments import add_model_arguments, load_model, set_threads
from .field import warped_truly
from .large_scenes import Large, composed, picture, pictures_in, resized
from .report import interval, pooled
from .scene import load_scene, scene_folders
from .true_motion import flow_in, movement_of_flow

BORDER = 16
CHANGED = 2 / 255
EDITS = ("window", "small", "true window", "true small", "oracle", "oracle small")


def psnr(one: torch.Tensor, other: torch.Tensor, where: torch.Tensor) -> float:
    """In dB, over the pixels (1, H, W) bool."""
    return float(-10 * ((one - other) ** 2).mean(-1)[where].mean().log10())


def quality(host: DirectHost, scene: Large, native: int) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """The figures of one scene, and its edits (1, H, W, 3) by name."""
    size = scene.source.shape[1]
    result = edit_anywhere(host, scene.source, scene.points, native, mask=scene.mask)
    assert isinstance(result, WindowedResult)
    edits = {"window": result.image, "true window": by_true_flow(host, scene, result.window).image}
    small = edit(host, resized(scene.source, native), scene.points, mask=resized(scene.mask, native))
    true_small = by_true_flow(host, scene, overview((size, size), native))
    for name, whole, shown in (
        ("small", small.image, small.shown), ("true small", true_small.edited, true_small.edit_shown)
    ):  # fmt: skip
        edits[name] = scene.source + resized(shown, size)[..., None] * (resized(whole, size) - scene.source)
    edits["oracle"] = torch.from_numpy(warped_truly(scene.scene, scene.true)).float()[None]
    edits["oracle small"] = resized(resized(edits["oracle"], native), size)
    areas = {
        "moved": scene.arrived > 0.5, "changes": (scene.truth - scene.source).abs().amax(-1) > CHANGED,
    }  # fmt: skip
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


@dataclass(frozen=True, eq=False)
class Followed:
    """An edit of a window by the true flow: stitched back, and as it was, (1, h, w, 3) shown where ``edit_shown``."""

    image: torch.Tensor
    edited: torch.Tensor
    edit_shown: torch.Tensor


def by_true_flow(host: DirectHost, scene: Large, window: Window, settings: EditSettings | None = None) -> Followed:
    """``core.windowed.edit_anywhere`` with the scene's true flow for a movement, in a window of any scale."""
    settings = settings_in(window, settings or EditSettings())
    taken = crop(window, scene.source, scene.points, scene.mask)
    grid = Grid.padded(*window.edited)
    true = flow_in(window, scene.true.moved, scene.true.flow, scene.true.visible)
    movement = movement_of_flow(*true, settings.move.transition, taken.mask)
    inversion = stations.invert(host, host.encode(grid.pad_image(taken.image)), settings)
    found = stations.find(inversion, grid, taken.points, settings, taken.image, taken.mask)
    dragged = stations.move(inversion, found, settings, taken.image, host, movement)
    latent = stations.sample(host, inversion, dragged, settings)
    done = stations.finished(taken.image, host.decode(latent), dragged, settings)
    return Followed(put_back(taken, done.image, done.shown, [movement], settings).image, done.image, done.shown)


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
        told[area] = {name: interval(row[area][name] for row in rows) for name in EDITS}
        for kind, one, other in zip(("", "true ", "oracle "), EDITS[::2], EDITS[1::2], strict=True):
            told[area][f"{kind}better"] = interval(row[area][one] - row[area][other] for row in rows)
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
            yield Large.of(load_scene(folder))
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
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="write source, truth and all edits there")
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
