"""How well each continuation of the background tells what an object hides::

    python -m benchmarks.fills --scenes DIR

No model takes part. The true mask, widened as ``Movement.hole_pixels`` widens it, is the hole; PSNR is taken
over what the true edit uncovers. "auto" is the default: the shape that the trial chooses, with the grain of patches;
"best" the best of the three methods by themselves. A blur has the least squared error where nobody can foretell a
texture, so there is also, for each, its slopes over the truth's in that area, log2 of the root mean square: 0 is right.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.fill.background import FillSettings
from core.fill.trial import METHODS, best_method, continued
from core.motion.movement import OPAQUE
from core.planes.morphology import dilate

from . import metrics, report
from .arguments import set_threads
from .scene import Scene, SceneError, load_scenes

NAMES = (*METHODS, "auto", "best")
GREY_LEVEL = 1 / 255


def measure(scene: Scene) -> dict[str, Any]:
    """PSNR in dB and slopes by method, seconds by method, and the method chosen by "auto"."""
    planes = scene.image.movedim(-1, 1).float()
    hole = dilate((scene.mask > OPAQUE).float(), FillSettings().hole_margin) > 0.5
    vacated = metrics.regions(scene)["vacated"]
    row: dict[str, Any] = {}
    for name, fill in (*METHODS.items(), ("auto", continued)):
        start = time.perf_counter()
        filled = fill(planes, hole)
        row[f"{name}_seconds"] = time.perf_counter() - start
        picture = filled[0].movedim(0, -1).clamp(0, 1).numpy()
        row[name] = metrics.psnr(picture, scene.target, vacated)
        row[f"{name}_slopes"] = slopes(picture, scene.target, vacated)
    row["chosen"] = best_method(planes, hole)
    known = [row[name] for name in METHODS if row[name] is not None]
    row["best"] = max(known) if known else None
    return row


def slopes(picture: np.ndarray, truth: np.ndarray, area: np.ndarray) -> float | None:
    """log2 of the root mean square slope of one over the other's; None where the area is too small to tell.

    A slope of 0.004, a grey level, is added to both, so that plain grounds are alike whatever their last digit.
    """
    inside = area[:-1, :-1]
    if inside.sum() < metrics.MIN_PIXELS:
        return None

    def steepness(one: np.ndarray) -> float:
        square = np.diff(one, axis=1)[:-1] ** 2 + np.diff(one, axis=0)[:, :-1] ** 2
        return float(np.sqrt(square[inside].mean())) + GREY_LEVEL

    return float(np.log2(steepness(picture) / steepness(truth)))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fills", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--scenes", type=Path, required=True, metavar="DIR")
    parser.add_argument("--limit", type=int, help="only the first N scenes")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="write every figure there")
    parser.add_argument("--threads", type=int, help="of PyTorch")
    args = parser.parse_args(arguments)
    set_threads(args.threads)
    rows: dict[str, dict[str, Any]] = {}
    kinds: dict[str, list[dict[str, Any]]] = defaultdict(list)
    try:
        for scene in load_scenes(args.scenes, args.limit):
            if isinstance(scene, SceneError):
                sys.stderr.write(f"{scene}\n")
                continue
            rows[scene.name] = measure(scene)
            kinds[scene.kind or "unknown"].append(rows[scene.name])
    except SceneError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    figures = (*NAMES, *(f"{name}_{what}" for name in (*METHODS, "auto") for what in ("slopes", "seconds")))
    written = {
        "methods": report.summarise(list(rows.values()), figures),
        "backgrounds": {kind: report.summarise(ones, NAMES) for kind, ones in sorted(kinds.items())},
        "scenes": rows,
    }
    if args.out is not None:
        args.out.write_text(json.dumps(written, indent=1) + "\n", "utf-8")
    lines = [["background", *NAMES, "n"], _line("all", written["methods"])]
    lines += [_line(kind, values) for kind, values in written["backgrounds"].items()]
    told = [written["methods"].get(f"{name}_slopes") for name in (*METHODS, "auto")]
    lines.append(["slopes", *("-" if one is None else f"{one['mean']:+.2f}" for one in told), "", ""])
    sys.stdout.write(report.aligned(lines) + "\n")
    return 0


def _line(name: str, values: dict[str, Any]) -> list[str]:
    cells = [f"{values[method]['mean']:.1f}" if method in values else "-" for method in NAMES]
    return [name, *cells, str(max((values[method]["n"] for method in NAMES if method in values), default=0))]


if __name__ == "__main__":
    raise SystemExit(main())
