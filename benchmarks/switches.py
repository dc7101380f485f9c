"""Ours, and ours with one of its parts changed for another: the switches tell who earned a figure.

Every variant passes the same stations (``benchmarks.stations``) and shares them with the others up to the one that it
changes. What each is called and changes stands in ``benchmarks.methods``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch

from core import composite as compositing
from core.drag import Drag
from core.edit import EditSettings
from core.grid import CELL, Grid
from core.movement import TOUCHED, Movement, splat, widen
from core.points import DragPoints

from . import stations
from .context import Context, Cost, Outcome
from .scene import Scene
from .truth import Truth

NEARNESS = 0.1
"""Length at which the nearness that stands in for attention has fallen to 1/e, as a share of the shorter side."""
COVERED = 0.5
"""Share of a pixel from which the true field covers it."""

Region = Literal["automatic", "true_mask", "true_field", "attention_off", "picture_off"]


@dataclass(frozen=True)
class Variant:
    """One way through the stations.

    Attributes:
        region: where the element, or the whole movement, comes from.
        model: False takes the composed clean latent for what sampling would give.
    """

    region: Region = "automatic"
    model: bool = True


def run(context: Context, variant: Variant, settings: EditSettings | None = None) -> Outcome:
    """One variant's picture; ``settings`` may differ from the context's in how it is finished, and in that alone."""
    settings = settings or context.settings
    scene, host = context.scene, context.needed.host
    drag, cost = dragged(context, variant.region)
    latent = drag.clean
    if variant.model:
        latent, own = sampled(context, variant.region)
        cost += own
    image, own = context.measured(lambda: stations.finish(host, scene.image, latent, drag, settings))
    cost += own
    region = compositing.region_mask(drag.movement, settings.margin, settings.feather) if settings.keep_pixels else None
    return Outcome(
        image[0].float().clamp(0, 1).numpy(), cost.seconds, cost.evaluations, _element(context, variant.region, drag),
        None if region is None else region[0].cpu().numpy(),
    )  # fmt: skip


def inverted(context: Context):
    """The scene's inversion by the context's settings, and its cost."""
    return context.once("inverted", lambda: stations.invert(context.needed.host, context.scene.image, context.settings))


def found(context: Context, region: Region) -> tuple[stations.Found, Cost]:
    """The element of a variant that finds one, and the cost so far."""
    scene, settings = context.scene, context.settings
    inversion, cost = inverted(context)
    grid = Grid.padded(*scene.size, CELL)
    given = correlation = None
    if region == "true_mask":
        given = (scene.mask > 0.5).float()
    elif region == "attention_off":
        correlation = nearness(grid, scene.points)
    elif region == "picture_off":
        settings = replace(settings, mask=replace(settings.mask, refined=False))
    result, own = context.once(
        f"found {region}",
        lambda: stations.find(inversion, grid, scene.points, settings, scene.image, given, correlation),
    )
    return result, cost + own


def dragged(context: Context, region: Region) -> tuple[Drag, Cost]:
    """The dragged latent of a variant, and the cost so far."""
    scene, settings, host = context.scene, context.settings, context.needed.host
    inversion, cost = inverted(context)
    if region == "true_field":
        drag, own = context.once(
            f"moved {region}",
            lambda: stations.moved(
                host, scene.image, inversion, movement_of_flow(scene, context.truth, settings), settings
            ),
        )
        return drag, cost + own
    element, cost = found(context, region)
    drag, own = context.once(
        f"moved {region}", lambda: stations.move(host, scene.image, inversion, element, scene.points, settings)
    )
    return drag, cost + own


def sampled(context: Context, region: Region) -> tuple[torch.Tensor, Cost]:
    """What sampling makes of the dragged latent, and the cost of sampling alone."""
    inversion, _ = inverted(context)
    drag, _ = dragged(context, region)
    host, device = context.needed.host, context.needed.device
    return context.once(
        f"sampled {region}", lambda: stations.sample(host, inversion, drag, context.settings, device)
    )


def evaluations(context: Context) -> int:
    """Of the U-Net, that ours takes on this scene."""
    return (dragged(context, "automatic")[1] + sampled(context, "automatic")[1]).evaluations


def _element(context: Context, region: Region, drag: Drag) -> np.ndarray:
    element = drag.movement.mask if region == "true_field" else found(context, region)[0].element
    return element[0].cpu().numpy()


def nearness(grid: Grid, points: DragPoints) -> torch.Tensor:
    """exp(-distance to the handle / (``NEARNESS`` x shorter side)) in the place of a correlation, (1, P, h, w)."""
    y, x = grid.cell_centres()
    length = NEARNESS * min(grid.image_size) / grid.cell
    planes = []
    for pair in points.pairs:
        handle_x, handle_y = grid.to_cells(pair.handle)
        planes.append((-torch.hypot(x - handle_x, y - handle_y) / length).exp())
    return torch.stack(planes)[None]


def movement_of_flow(scene: Scene, truth: Truth, settings: EditSettings) -> Movement:
    """The true flow as a movement: what is seen after is carried to where it is, what is hidden then goes nowhere.

    Cells take the mean way of their pixels; a gap that the flow leaves where the object grows is closed over a pixel.
    """
    grid = Grid.padded(*scene.size, CELL)
    known = truth.moved & np.isfinite(truth.flow).all(-1)
    y, x = np.mgrid[: scene.size[0], : scene.size[1]].astype(np.float32)
    way = np.where(known[..., None], truth.flow - np.stack([x, y], -1), 0).astype(np.float32)
    planes = torch.from_numpy(way).movedim(-1, 0)[None]
    leaving = torch.from_numpy(truth.moved.astype(np.float32))[None]
    seen = torch.from_numpy((known & truth.visible).astype(np.float32))[None]
    covered, arrived_way, _ = splat(seen, planes, seen)
    # Where the object grows, its pixels land apart: coverage is closed by a 3 x 3 maximum that is then taken back.
    solid = 1 - widen(1 - widen((covered > COVERED / 2).float(), 1), 1)
    arriving = grid.image_mask_to_cells(solid)
    source = grid.image_mask_to_cells(leaving)
    offset = _mean_over_cells(grid, arrived_way, (covered > 0).float()) / grid.cell
    ways = _mean_over_cells(grid, planes, torch.from_numpy(known.astype(np.float32))[None]) / grid.cell
    region = widen((torch.maximum(source, arriving) > TOUCHED).float(), settings.move.transition)
    return Movement(grid, leaving, source, arriving, offset, region, ways)


def _mean_over_cells(grid: Grid, planes: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """(B, 2, H, W) averaged by weight (B, H, W) over each cell, (B, 2, h, w); 0 where there is no weight."""
    total = grid.image_mask_to_cells(weight)
    means = torch.stack([grid.image_mask_to_cells(plane * weight) for plane in planes.unbind(1)], 1)
    return torch.where(total[:, None] > 0, means / total[:, None].clamp_min(1e-6), torch.zeros_like(means))
