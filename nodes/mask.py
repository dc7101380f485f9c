"""AttentionDragMask: the element that belongs to the handles."""

from __future__ import annotations

import torch
from comfy_api.latest import io, ui

from ..core import edit as stations
from ..core.attention.correlation import CorrelationSettings
from ..core.edit import Found
from ..core.motion.movement import Movement
from ..core.options import choices
from ..core.region.anchored import parts_ways
from ..core.region.found import ElementSettings
from ..core.region.given import Combine
from ..core.settings import EditSettings
from ..core.window.plan import Window
from . import preview
from ._common import CATEGORY, DragPointsType, InversionType, grid_of, image_on, names_itself
from ._inputs import DEFAULTS, correlation_inputs, mask_edge_inputs, mask_inputs, rule_input, tau_setting
from ._schema import node_schema
from ._window import whole_of


class AttentionDragMask(io.ComfyNode):
    """Derives the mask from the attention that the inversion recorded: the station ``find``."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return node_schema(
            node_id="AttentionDragMask",
            display_name="AttentionDrag Mask",
            category=CATEGORY,
            description="Finds what belongs to the handles. Changing points or settings here is cheap: the "
            "inversion does not run again.",
            inputs=[
                InversionType.Input("inversion", tooltip="Of AttentionDrag Inversion."),
                DragPointsType.Input("points", tooltip="The drags, from AttentionDrag Points."),
                *mask_inputs(),
                *mask_edge_inputs(),
                io.Mask.Input("mask", optional=True, tooltip="A drawn mask to correct the automatic one with."),
                io.Combo.Input(
                    "combine",
                    options=choices(Combine),
                    default="add",
                    tooltip="How the drawn mask corrects the automatic one.",
                ),
                io.Image.Input(
                    "image",
                    optional=True,
                    tooltip="The picture. Link it: the mask then ends at its edges; without it a mask is much worse.",
                ),
                *correlation_inputs(),
                rule_input(),
            ],
            outputs=[
                io.Mask.Output("mask_out", display_name="mask", tooltip="What moves, at the picture's size."),
                io.Image.Output(
                    "heatmap",
                    display_name="heatmap",
                    tooltip="How strongly each place belongs to a handle, over the picture, with the mask's outline.",
                ),
            ],
            aliases=("segment by point", "attention mask", "select object", "click to mask"),
            advanced=("feather", "connected", "disc", "symmetric", "rule"),
            intermediate_output=True,
        )

    @classmethod
    @names_itself
    def execute(
        cls,
        inversion,
        points,
        tau,
        grow,
        feather,
        connected,
        combine="add",
        mask=None,
        image=None,
        disc=DEFAULTS.correlation.disc,
        symmetric=DEFAULTS.correlation.symmetric,
        rule=DEFAULTS.element.rule,
    ) -> io.NodeOutput:
        grid = grid_of(inversion, points)
        settings = EditSettings(
            correlation=CorrelationSettings(disc=disc, symmetric=symmetric),
            element=ElementSettings(tau=tau_setting(tau), grow=grow, feather=feather, connected=connected, rule=rule),
        )
        image = image_on(grid, image)
        found = stations.find(inversion, grid, points, settings, image, mask, combine)
        if image is None:
            image = found.element.new_full((found.element.shape[0], *grid.image_size, 3), 0.25)
        made_by = {
            "tau": tau,
            "grow": grow,
            "feather": feather,
            "connected": connected,
            "combine": combine,
            "rule": rule,
        }
        return io.NodeOutput(found.element, heatmap(image, found), ui=effective_element(cls, found, made_by))


def heatmap(image, found: Found):
    """The strongest correlation with any handle over the picture, with the element's outline, (B, H, W, 3)."""
    values = found.grid.cells_to_image_mask(found.correlation.amax(1))
    return preview.overlay(image, values, found.element)


def changed_light(cls: type[io.ComfyNode], light) -> dict:
    """What the point picker shows of where light changed, (B, H, W), of the batch's first image.

    Where none did that is told, too: the picker would go on showing what an earlier run changed.
    """
    if not bool((light[:1] > 0).any()):
        return {"attentiondrag_light": []}
    planes = light[:1, ..., None].cpu().float().expand(-1, -1, -1, 3)
    saved = ui.ImageSaveHelper.save_images(planes, "attentiondrag_light", io.FolderType.temp, cls, compress_level=1)
    return {"attentiondrag_light": saved}


STILL = 0.4
"""Of the mask's strength in the point picker, that of what anchors hold."""


def effective_element(
    cls: type[io.ComfyNode],
    found: Found,
    made_by: dict[str, object],
    window: Window | None = None,
    movement: Movement | None = None,
) -> dict:
    """What the point picker shows after a run: the mask, and one heatmap a handle, of the batch's first image.

    ``made_by`` are the widgets that had a part in the mask: when they change, the picker says that it is an old one.
    ``window`` is that of the picture in which it was found, ``movement`` what was made of the drags, if anything yet.
    """
    correlation, element = found.grid.cells_to_image_mask(found.correlation[0]), found.element[:1]
    goes = found.going if movement is None else movement.element
    if goes is not None and parts_ways(found.points):
        element = torch.maximum(STILL * element, goes[:1].to(element))
    if window is not None:
        correlation, element = whole_of(window, correlation), whole_of(window, element)
    heatmaps = preview.heat(correlation)
    masks = element[..., None].expand(-1, -1, -1, 3)
    return {
        "attentiondrag_mask": ui.ImageSaveHelper.save_images(
            masks, "attentiondrag_mask", io.FolderType.temp, cls, compress_level=1
        ),
        "attentiondrag_heatmaps": ui.ImageSaveHelper.save_images(
            heatmaps, "attentiondrag_heatmap", io.FolderType.temp, cls, compress_level=1
        ),
        "attentiondrag_settings": [made_by],
        "attentiondrag_motions": list((movement and movement.motions) or ()),
    }
