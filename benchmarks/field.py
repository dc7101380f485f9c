"""What the displacement field is worth by itself::

    python -m benchmarks.field --scenes DIR

No model takes part: the true mask, the drags, the picture, a correlation that says nothing. The pixels are warped by
the field that the pack makes of them and laid over the source, whose hole is inpainted as ``rigid_warp``'s
(``benchmarks.pasting``). Beside it: the source itself, ``drag_warp`` (the best similarity through the same drags, no
more known than the pack knows), ``rigid_warp`` (an oracle: the best affine map of the dense true flow, which no drag
can know) and the true flow of what is seen after, warped in the same way. PSNR in dB over where what moves is after;
"of flow" is the share of the squared error that a perfect flow takes away which the field takes away, pooled over the
scenes of a family; "folded" counts scenes in which something arrives folded; "moving" is the mean IoU of the pixels
that go a pixel and more with those that do so in truth.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from core.edit import Found, planned
from core.motion.field import Motion, MoveSettings
from core.motion.lookup import carry
from core.motion.movement import Movement
from core.motion.objects import objects_of
from core.motion.splat import splat
from core.options import choices
from core.planes.morphology import dilate
from core.planes.warp import coordinates, look_up
from core.settings import EditSettings
from core.space.grid import Grid

from . import report
from .arguments import set_threads
from .judging import psnr
from .pasting import SOFT, hole_of, inpainted, laid_over, rigid_warp
from .scene import Scene, SceneError, load_scenes
from .truth import Truth, owners, truth_of

METHODS = ("source", "field", "drag_warp", "rigid_warp", "true_flow")
FAINT = 0.1
"""Correlation of everything with every handle: it neither parts nor joins objects."""
STEP = 1.0
"""px from which something moves."""
COVERED = 0.25
"""Share of a pixel that the true flow must reach for the thing to be there."""


def field_of(scene: Scene, settings: MoveSettings) -> Movement:
    """The pack's field from the true mask, the drags and the picture, without a model."""
    grid = Grid.padded(*scene.size)
    correlation = torch.full((1, len(scene.points), *grid.latent_size), FAINT)
    objects = objects_of(scene.mask, correlation, grid, scene.points)
    found = Found(grid, scene.points, correlation, scene.mask, objects)
    return planned(found, EditSettings(move=settings), scene.image)


def warped(scene: Scene, movement: Movement) -> np.ndarray:
    """The source (H, W, 3) with its hole inpainted and the moved pixels laid over it."""
    carried, share = carry(scene.image, movement)
    return _laid(scene, carried[0].numpy(), share[0].numpy())


def warped_truly(scene: Scene, truth: Truth) -> np.ndarray:
    """The same by the true flow of what is seen after; gaps that it leaves where things grow are closed by a pixel."""
    known = truth.visible & truth.moved & np.isfinite(truth.flow).all(-1)
    y, x = coordinates(*scene.size)
    place = torch.stack([x, y])
    flow = torch.from_numpy(np.where(known[..., None], truth.flow, 0).astype(np.float32)).movedim(-1, 0)
    seen = torch.from_numpy(known.astype(np.float32))[None]
    covered, way, _ = splat(seen, ((flow - place) * seen)[None], seen)
    weight = _means(covered).clamp_min(1e-6)
    near = torch.stack([_means(plane * covered) / weight for plane in way.unbind(1)], 1)
    way = torch.where(covered[:, None] > COVERED, way, near)
    share = 1 - dilate(1 - dilate((covered > COVERED).float(), 1), 1)
    origin = place - way
    carried = look_up(scene.image.movedim(-1, 1), origin[:, 0], origin[:, 1])[0].movedim(0, -1)
    return _laid(scene, carried.numpy(), share[0].numpy())


def _means(planes: torch.Tensor) -> torch.Tensor:
    """Means (B, H, W) over squares of 3 x 3."""
    return F.avg_pool2d(planes[:, None], 3, stride=1, padding=1)[:, 0]


def _laid(scene: Scene, carried: np.ndarray, share: np.ndarray) -> np.ndarray:
    ground = inpainted(scene.source, hole_of(scene.object_mask))
    return ground + share[..., None] * (carried - ground)


def drag_warp(scene: Scene) -> np.ndarray:
    """The best similarity through the drags, anchors among them; where several things move, each goes its own way."""
    drags = scene.drags()
    picture = inpainted(scene.source, hole_of(scene.object_mask))
    element = np.zeros(scene.size, np.float32)
    owner = owners(scene.object_mask > SOFT, [handle for handle, _ in drags])
    groups = [[index] for index in range(len(drags))] if scene.family == "several" else [list(range(len(drags)))]
    for group in groups:
        handles, targets = (np.array([drags[index][end] for index in group]) - 0.5 for end in (0, 1))
        alpha = np.where(np.isin(owner, group), scene.object_mask, 0).astype(np.float32)
        picture, element = laid_over(picture, element, scene.source, alpha, similar(handles, targets))
    return picture


def similar(handles: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(2, 3): the similarity that takes points (n, 2) to others best; of one point, its way."""
    p, q = (points - points.mean(0) for points in (handles, targets))
    size = max(float((p**2).sum()), 1e-9)
    along, across = float((p * q).sum()) / size, float((p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]).sum()) / size
    matrix = np.array([[along, -across], [across, along]]) if len(handles) > 1 else np.eye(2)
    return np.column_stack([matrix, targets.mean(0) - matrix @ handles.mean(0)])


def moving(truth: Truth) -> np.ndarray:
    """(H, W) bool: what goes ``STEP`` px and more in truth."""
    y, x = np.mgrid[: truth.moved.shape[0], : truth.moved.shape[1]]
    # A surface point whose way is not known is one that goes out of sight.
    way = np.where(np.isfinite(truth.flow), truth.flow - np.stack([x, y], -1), np.inf)
    return truth.moved & (np.abs(way).max(-1) >= STEP)


def moving_iou(movement: Movement, truth: Truth) -> float:
    """IoU of what goes ``STEP`` px and more with what does so in truth."""
    own, true = movement.goes(STEP)[0].cpu().numpy(), moving(truth)
    return float((own & true).sum() / max(1, (own | true).sum()))


def measure(scene: Scene, settings: MoveSettings) -> dict[str, Any]:
    """PSNR and squared error by method over where what moves is after, and whether something folded."""
    truth = truth_of(scene)
    movement = field_of(scene, settings)
    pictures = {
        "source": scene.source,
        "field": warped(scene, movement),
        "drag_warp": drag_warp(scene),
        "rigid_warp": rigid_warp(scene, truth).image,
        "true_flow": warped_truly(scene, truth),
    }
    area = truth.moved_after
    row: dict[str, Any] = {"folded": 0 if movement.folded is None else int(movement.folded.any())}
    row["moving"] = moving_iou(movement, truth)
    for name, picture in pictures.items():
        error = ((picture.astype(np.float64) - truth.picture) ** 2).mean(-1)[area].sum()
        row[name], row[f"{name}_error"] = psnr(float(error), int(area.sum())), float(error)
    return row


def of_flow(rows: list[dict[str, Any]], method: str = "field") -> float | None:
    """The share of the error that the true flow takes away which a method takes away."""
    source, own, true = (sum(row[f"{name}_error"] for row in rows) for name in ("source", method, "true_flow"))
    return (source - own) / (source - true) if source > true else None


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.field", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--scenes", type=Path, required=True, metavar="DIR")
    parser.add_argument("--limit", type=int, help="only the first N scenes")
    parser.add_argument("--motion", choices=choices(Motion), default=MoveSettings().motion)
    parser.add_argument("--perspective", action="store_true", help="a single handle's object changes its size")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="write every figure there")
    parser.add_argument("--threads", type=int, help="of PyTorch and OpenCV")
    args = parser.parse_args(arguments)
    set_threads(args.threads)
    settings = MoveSettings(motion=args.motion, perspective=args.perspective)
    families: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    try:
        for scene in load_scenes(args.scenes, args.limit):
            if isinstance(scene, SceneError):
                sys.stderr.write(f"{scene}\n")
                continue
            families[scene.family][scene.name] = measure(scene, settings)
    except SceneError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if args.out is not None:
        args.out.write_text(json.dumps(families, indent=1) + "\n", "utf-8")
    lines = [["family", *METHODS, "of flow", "moving", "folded", "n"]]
    for family, scenes in sorted(families.items()):
        rows = list(scenes.values())
        share = of_flow(rows)
        cells = [f"{np.mean([row[name] for row in rows]):.2f}" for name in METHODS]
        lines.append([family, *cells, "-" if share is None else f"{share:.2f}",
                      f"{np.mean([row['moving'] for row in rows]):.2f}",
                      str(sum(row["folded"] for row in rows)), str(len(rows))])  # fmt: skip
    sys.stdout.write(report.aligned(lines) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
