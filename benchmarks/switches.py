"""Ours, and ours with one of its parts changed for another: the switches tell who earned a figure.

Every variant passes the same stations (``core.edit``) and shares them with the others up to the one that it
changes. What each is called and changes stands in ``benchmarks.methods``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch

from core import edit as stations
from core.attention.maps import AttentionMaps
from core.diffusion.dragged import DraggedLatent
from core.diffusion.inversion import Inversion
from core.edit import Found
from core.motion.movement import TOUCHED, Movement
from core.motion.splat import splat
from core.pixels.composite import shown_mask
from core.planes.morphology import dilate
from core.region.found import find_element
from core.settings import EditSettings
from core.space.grid import Grid
from core.space.points import DragPoints

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
    image, host = context.scene.image, context.needed.host
    dragged, cost = moved(context, variant.region)
    latent = dragged.clean
    if variant.model:
        latent, own = sampled(context, variant.region)
        cost += own
    picture, own = context.measured(lambda: stations.finish(image, host.decode(latent), dragged, settings))
    shown = None
    if settings.source_background:
        shown = shown_mask(dragged.movement, settings.shown_margin, settings.shown_feather)[0].cpu().numpy()
    element = dragged.movement.element if variant.region == "true_field" else found(context, variant.region)[0].element
    cost += own
    return Outcome(picture[0].numpy(), cost.seconds, cost.evaluations, element[0].cpu().numpy(), shown)


def inverted(context: Context) -> tuple[Inversion, Cost]:
    """The scene's inversion by the context's settings, and its cost."""
    scene, host = context.scene, context.needed.host

    def work() -> Inversion:
        return stations.invert(host, host.encode(Grid.padded(*scene.size).pad_image(scene.image)), context.settings)

    return context.once("inverted", work)


def found(context: Context, region: Region) -> tuple[Found, Cost]:
    """The element of a variant that finds one, and the cost so far."""
    scene, settings = context.scene, context.settings
    inversion, cost = inverted(context)
    grid = Grid.padded(*scene.size)

    def work() -> Found:
        if region == "attention_off":
            correlation = nearness(grid, scene.points)
            element = find_element(
                correlation, grid, scene.points, settings.element, scene.image, near_maps(inversion.maps)
            )
            return Found(grid, scene.points, correlation, element)
        given = (scene.mask > 0.5).float() if region == "true_mask" else None
        chosen = settings
        if region == "picture_off":
            chosen = replace(settings, element=replace(settings.element, refined=False))
        return stations.find(inversion, grid, scene.points, chosen, scene.image, given)

    result, own = context.once(f"found {region}", work)
    return result, cost + own


def moved(context: Context, region: Region) -> tuple[DraggedLatent, Cost]:
    """The dragged latent of a variant, and the cost so far."""
    scene, settings, host = context.scene, context.settings, context.needed.host
    inversion, _ = inverted(context)
    # The true field still wants to know the picture's grid; its movement says the rest.
    element, cost = found(context, "true_mask" if region == "true_field" else region)

    def work() -> DraggedLatent:
        movement = movement_of_flow(scene, context.truth, settings) if region == "true_field" else None
        return stations.move(inversion, element, settings, scene.image, host, movement)

    dragged, own = context.once(f"moved {region}", work)
    return dragged, cost + own


def sampled(context: Context, region: Region) -> tuple[torch.Tensor, Cost]:
    """What sampling makes of the dragged latent, and the cost of sampling alone."""
    inversion, _ = inverted(context)
    dragged, _ = moved(context, region)
    return context.once(
        f"sampled {region}", lambda: stations.sample(context.needed.host, inversion, dragged, context.settings)
    )


def evaluations(context: Context) -> int:
    """Of the U-Net, that ours takes on this scene."""
    return (moved(context, "automatic")[1] + sampled(context, "automatic")[1]).evaluations


def nearness(grid: Grid, points: DragPoints) -> torch.Tensor:
    """exp(-distance to the handle / (``NEARNESS`` x shorter side)) in the place of a correlation, (1, P, h, w)."""
    y, x = grid.cell_centres()
    length = NEARNESS * min(grid.image_size) / grid.cell
    planes = []
    for pair in points.pairs:
        handle_x, handle_y = grid.to_cells(pair.handle)
        planes.append((-torch.hypot(x - handle_x, y - handle_y) / length).exp())
    return torch.stack(planes)[None]


def near_maps(maps: AttentionMaps) -> AttentionMaps:
    """Maps of the same token grids in which every token looks at what is near."""
    near = {}
    for size, attention in maps.items():
        y, x = ((torch.arange(count) + 0.5) / max(size) for count in size)
        y, x = (plane.flatten() for plane in torch.meshgrid(y, x, indexing="ij"))
        looks = (-torch.hypot(y[:, None] - y, x[:, None] - x) / (NEARNESS * min(size) / max(size))).exp()
        near[size] = (looks / looks.sum(-1, keepdim=True)).to(attention)[None].expand(attention.shape[0], -1, -1)
    return near


def movement_of_flow(scene: Scene, truth: Truth, settings: EditSettings) -> Movement:
    """The true flow as a movement: what is seen after is carried to where it is, what is hidden then goes nowhere.

    Cells take the mean way of their pixels; a gap that the flow leaves where the object grows is closed over a pixel.
    """
    grid = Grid.padded(*scene.size)
    known = truth.moved & np.isfinite(truth.flow).all(-1)
    y, x = np.mgrid[: scene.size[0], : scene.size[1]].astype(np.float32)
    way = np.where(known[..., None], truth.flow - np.stack([x, y], -1), 0).astype(np.float32)
    planes = torch.from_numpy(way).movedim(-1, 0)[None]
    leaving = torch.from_numpy(truth.moved.astype(np.float32))[None]
    seen = torch.from_numpy((known & truth.visible).astype(np.float32))[None]
    covered, arrived_way, _ = splat(seen, planes, seen)
    # Where the object grows, its pixels land apart: coverage is closed by a 3 x 3 maximum that is then taken back.
    solid = 1 - dilate(1 - dilate((covered > COVERED / 2).float(), 1), 1)
    arriving = grid.image_mask_to_cells(solid)
    left = grid.image_mask_to_cells(leaving)
    way_in = _mean_over_cells(grid, arrived_way, (covered > 0).float()) / grid.cell
    ways = _mean_over_cells(grid, planes, torch.from_numpy(known.astype(np.float32))[None]) / grid.cell
    free = dilate((torch.maximum(left, arriving) > TOUCHED).float(), settings.move.transition)
    return Movement(grid, leaving, left, arriving, ways, way_in, free)


def _mean_over_cells(grid: Grid, planes: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """(B, 2, H, W) averaged by weight (B, H, W) over each cell, (B, 2, h, w); 0 where there is no weight."""
    total = grid.image_mask_to_cells(weight)
    means = torch.stack([grid.image_mask_to_cells(plane * weight) for plane in planes.unbind(1)], 1)
    return torch.where(total[:, None] > 0, means / total[:, None].clamp_min(1e-6), torch.zeros_like(means))
