"""Ours, and ours with one of its parts changed for another: the switches tell who earned a figure.

Every variant passes the same stations (``core.edit``) and shares them with the others up to the one that it
changes. What each is called and changes stands in ``benchmarks.methods``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch

from core import edit as stations
from core.attention.maps import AttentionMaps
from core.diffusion.dragged import DraggedLatent
from core.diffusion.inversion import Inversion
from core.edit import Found
from core.region.found import find_element
from core.settings import EditSettings
from core.space.grid import Grid
from core.space.points import DragPoints

from .context import Context, Cost, Outcome
from .true_motion import movement_of_flow

NEARNESS = 0.1
"""Length at which the nearness that stands in for attention has fallen to 1/e, as a share of the shorter side."""

Region = Literal["automatic", "true_mask", "true_field", "attention_off", "picture_off"]


@dataclass(frozen=True)
class Variant:
    """One way through the stations.

    Attributes:
        region: where the element, or the whole movement, comes from.
        model: False takes the composed clean latent for what sampling would give.
        painter: whether the demo model's inpainting twin paints in its place (``benchmarks.model``).
    """

    region: Region = "automatic"
    model: bool = True
    painter: bool = False

    def settings(self, settings: EditSettings) -> EditSettings:
        """The way back's; what was painted is held to the end."""
        if not self.painter:
            return settings
        return replace(settings, sample=replace(settings.sample, hold_rest=1.0))


def run(context: Context, variant: Variant, settings: EditSettings | None = None) -> Outcome:
    """One variant's picture; ``settings`` may differ from the context's in how it is finished, and in that alone."""
    settings = settings or context.settings
    image, host = context.scene.image, context.needed.host
    dragged, cost = moved(context, variant.region)
    latent = dragged.clean
    if variant.painter:
        latent, own = painted(context, variant)
        cost += own
    elif variant.model:
        latent, own = sampled(context, variant.region)
        cost += own
    settings = variant.settings(settings).beside(variant.painter)
    done, own = context.measured(lambda: stations.finished(image, host.decode(latent), dragged, settings))
    picture, shown = done.image, None
    if settings.source_background:
        shown = done.shown[0].cpu().numpy()
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
        movement = None
        if region == "true_field":
            truth = context.truth
            movement = movement_of_flow(truth.moved, truth.flow, truth.visible, settings.move.transition)
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


def painted(context: Context, variant: Variant) -> tuple[torch.Tensor, Cost]:
    """The same with the painter."""
    inversion, _ = inverted(context)
    dragged, _ = moved(context, variant.region)
    host = replace(context.needed.host, painter=context.needed.painter)
    settings = variant.settings(context.settings)
    return context.once(f"painted {variant.region}", lambda: stations.sample(host, inversion, dragged, settings))


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
