"""How much of what moves one click finds: ``python -m benchmarks.region --scenes DIR [DIR ...] --out FILE.json``.

For every scene one inversion, and from it the element

    click        one click a handle, the default rule
    more         where that has an IoU below ``GOOD``: after one more click, at the centre of the largest connected
                 error (the point deepest inside it), to add or to leave out
    size         where that has an IoU below ``GOOD``: the best of it and of all handles a size larger or smaller
    attention off   with maps of nearness in the place of the attention, exp(-distance / a tenth of the side)
    picture off     by the threshold, without the picture
    threshold       the rule "threshold", the default before "walk"

IoU is of the element, at a half, with the scene's own mask; of what of it belongs to the handles that move, where there
are anchors. Handles and anchors are given as the scene has them; the two rules without a picture know nothing of
anchors and are given none.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from core import edit as stations
from core.attention.correlation import correlate
from core.attention.plan import CapturePlan
from core.region.anchored import moving, parts_ways
from core.region.found import ElementSettings
from core.region.sight import sights_of
from core.settings import EditSettings
from core.space.grid import Grid
from core.space.points import Click, DragPoints

from .arguments import add_model_arguments, load_model, set_threads
from .scene import Scene, SceneError, load_scenes
from .switches import near_maps

GOOD = 0.8
VARIANTS = ("click", "more", "size", "attention off", "picture off", "threshold")


def next_click(element: np.ndarray, truth: np.ndarray) -> Click:
    """The click that mends most: deepest in the largest connected part that is missing or too much, (H, W) bool."""
    best: tuple[int, tuple[float, float], str] = (0, (0.5, 0.5), "add")
    height, width = truth.shape
    for wrong, kind in ((truth & ~element, "add"), (element & ~truth, "leave_out")):
        parts, count = ndimage.label(wrong)
        if not count:
            continue
        sizes = np.bincount(parts.ravel())[1:]
        part = np.pad(parts == sizes.argmax() + 1, 1)
        deepest = np.unravel_index(ndimage.distance_transform_edt(part).argmax(), part.shape)
        place = (float(deepest[1] - 0.5) / width, float(deepest[0] - 0.5) / height)
        best = max(best, (int(sizes.max()), place, kind))
    return Click(best[1], "add" if best[2] == "add" else "leave_out")


def iou(element: torch.Tensor, truth: np.ndarray) -> float:
    """Of the element (1, H, W) at a half."""
    inside = element[0].cpu().numpy() > 0.5
    return float((inside & truth).sum() / max(1, (inside | truth).sum()))


def of_scene(scene: Scene, host, settings: EditSettings, variants: Sequence[str]) -> dict[str, float]:
    """IoU by variant."""
    grid = Grid.padded(*scene.size)
    settings = replace(settings, capture=CapturePlan(storage="off"))
    inversion = stations.invert(host, host.encode(grid.pad_image(scene.image)), settings)
    points, truth = scene.points, scene.object_mask > 0.5

    def found(points: DragPoints = points, **element) -> torch.Tensor:
        chosen = replace(settings, element=replace(settings.element, **element))
        if not chosen.element.walks:
            handles = tuple(pair for pair in points.pairs if not pair.is_anchor) or points.pairs
            points = replace(points, pairs=handles)
        element = stations.find(inversion, grid, points, chosen, scene.image).element
        if not chosen.element.walks or not parts_ways(points):
            return element
        seen = sights_of(inversion.maps, correlate(inversion.maps, grid, points), grid, points, scene.image)
        return moving(seen, element, grid, points)

    first = found()
    figures = {"click": iou(first, truth)}
    if "more" in variants and figures["click"] < GOOD:
        click = next_click(first[0].cpu().numpy() > 0.5, truth)
        figures["more"] = iou(found(replace(points, clicks=(click,))), truth)
    if "size" in variants and figures["click"] < GOOD:
        others = [replace(points, pairs=tuple(replace(pair, size=size) for pair in points.pairs)) for size in (-1, 1)]
        figures["size"] = max(figures["click"], *(iou(found(one), truth) for one in others))
    if "attention off" in variants:
        own, inversion = inversion, replace(inversion, maps=near_maps(inversion.maps))
        figures["attention off"] = iou(found(), truth)
        inversion = own
    if "picture off" in variants:
        figures["picture off"] = iou(found(refined=False), truth)
    if "threshold" in variants:
        figures["threshold"] = iou(found(rule="threshold"), truth)
    return figures


def table(rows: list[dict]) -> str:
    """Mean IoU by domain, and by family where a domain has several, in Markdown."""
    groups: dict[str, list[dict]] = defaultdict(list)
    for row in rows:
        groups[row["domain"]].append(row)
        if row["domain"] == "worlds":
            groups[f"- {row['family']}"].append(row)
    names = [name for name in VARIANTS if any(name in row["iou"] for row in rows)]
    lines = ["| | n | " + " | ".join(names) + " |", "|---" * (len(names) + 2) + "|"]
    for group, own in groups.items():
        cells = []
        for name in names:
            values = [row["iou"][name] for row in own if name in row["iou"]]
            count = f" ({len(values)})" if name in ("more", "size") else ""
            cells.append(f"{np.mean(values):.3f}{count}" if values else "")
        lines.append(f"| {group} | {len(own)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.region", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scenes", type=Path, nargs="+", required=True, metavar="DIR")
    parser.add_argument("--limit", type=int, help="scenes of each folder")
    parser.add_argument("--variants", nargs="*", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--out", type=Path, metavar="FILE.json")
    add_model_arguments(parser)
    args = parser.parse_args(arguments)
    set_threads(args.threads)
    host = load_model(args).host
    settings = EditSettings(element=ElementSettings())
    rows = []
    for root in args.scenes:
        for scene in load_scenes(root, args.limit):
            if isinstance(scene, SceneError):
                sys.stderr.write(f"{scene}\n")
                continue
            figures = of_scene(scene, host, settings, args.variants)
            rows.append({"scene": scene.name, "domain": scene.domain, "family": scene.family, "iou": figures})
            sys.stderr.write(f"{scene.name} {scene.family} {figures}\n")
            if args.out is not None:
                args.out.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
    sys.stdout.write(table(rows) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
