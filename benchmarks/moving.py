"""What really moves, by the model's own region and the pack's own field: ``python -m benchmarks.moving --scenes DIR``.

``benchmarks.region`` compares the element with what moves. Anchors belong to the element, too: what they hold is the
object's and no background, but it stays. So here the IoU is of the pixels that go a pixel and more, with those that do
so in truth; beside it the element's.
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

from core import edit as stations
from core.attention.plan import CapturePlan
from core.settings import EditSettings
from core.space.grid import Grid

from . import report
from .arguments import add_model_arguments, load_model, set_threads
from .field import moving, moving_iou
from .region import iou
from .scene import Scene, SceneError, load_scenes
from .truth import truth_of


def of_scene(scene: Scene, host, settings: EditSettings) -> dict[str, float]:
    """IoU with what moves in truth: of the element, and of what goes of it."""
    grid, truth = Grid.padded(*scene.size), truth_of(scene)
    settings = replace(settings, capture=CapturePlan(storage="off"))
    inversion = stations.invert(host, host.encode(grid.pad_image(scene.image)), settings)
    found = stations.find(inversion, grid, scene.points, settings, scene.image)
    movement = stations.planned(found, settings, scene.image)
    return {"element": iou(found.element, moving(truth)), "moving": moving_iou(movement, truth)}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.moving", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--scenes", type=Path, required=True, metavar="DIR")
    parser.add_argument("--limit", type=int, help="only the first N scenes")
    parser.add_argument("--families", nargs="*", metavar="NAME", help="only these")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="write every figure there")
    add_model_arguments(parser)
    args = parser.parse_args(arguments)
    set_threads(args.threads)
    host = load_model(args).host
    families: dict[str, dict[str, dict[str, float]]] = defaultdict(dict)
    for scene in load_scenes(args.scenes, args.limit):
        if isinstance(scene, SceneError):
            sys.stderr.write(f"{scene}\n")
        elif not args.families or scene.family in args.families:
            families[scene.family][scene.name] = of_scene(scene, host, EditSettings())
    if args.out is not None:
        args.out.write_text(json.dumps(families, indent=1) + "\n", "utf-8")
    lines = [["family", "element", "moving", "n"]]
    for family, scenes in sorted(families.items()):
        means = [f"{np.mean([row[name] for row in scenes.values()]):.3f}" for name in ("element", "moving")]
        lines.append([family, *means, str(len(scenes))])
    sys.stdout.write(report.aligned(lines) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
