"""AttentionDragMask: the region that belongs to the handles."""

from __future__ import annotations

import torch
from comfy_api.latest import io, ui

from ..core import mask as masking
from ..core.correlation import correlate
from ..core.edit import check_image
from ..core.mask import MaskSettings
from . import preview
from ._common import CATEGORY, DragPointsType, InversionType, check_size, grid_of, names_itself
from ._inputs import mask_edge_inputs, mask_inputs, tau_setting


class AttentionDragMask(io.ComfyNode):
    """Derives the mask from the attention that the inversion recorded."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="AttentionDragMask",
            display_name="AttentionDrag Mask",
            category=CATEGORY,
            description="Finds what belongs to the handles. Changing points or settings here is cheap: the "
            "inversion does not run again.",
            inputs=[
                InversionType.Input("inversion"),
                DragPointsType.Input("points"),
                *mask_inputs(),
                *mask_edge_inputs(),
                io.Mask.Input("mask", optional=True, tooltip="A drawn mask to correct the automatic one with."),
                io.Combo.Input(
                    "combine",
                    options=["add", "subtract", "intersect", "replace"],
                    default="add",
                    tooltip="How the drawn mask corrects the automatic one.",
                ),
                io.Image.Input("image", optional=True, tooltip="The picture: the mask follows its edges. Link it."),
            ],
            outputs=[
                io.Mask.Output("mask_out", display_name="mask"),
                io.Image.Output("heatmap", display_name="heatmap"),
            ],
        )

    @classmethod
    @names_itself
    def execute(
        cls, inversion, points, tau, grow, feather, connected, combine="add", mask=None, image=None
    ) -> io.NodeOutput:
        grid = grid_of(inversion, points)
        settings = MaskSettings(tau=tau_setting(tau), grow=grow, feather=feather, connected=connected)
        scores = correlate(inversion.record, grid, points)
        if image is not None:
            check_image(image)
            image = grid.crop_image(image) if tuple(image.shape[1:3]) == grid.covered_size else image
            check_size(image, grid.image_size)
        region = masking.region(scores, grid, points, settings, image)
        if mask is not None:
            region = masking.combine(region, mask, combine)
        if image is None:
            image = region.new_full((region.shape[0], *grid.image_size, 3), 0.25)
        heatmap = preview.overlay(image, grid.cells_to_image_mask(scores.amax(1)), region)
        made_by = {"tau": tau, "grow": grow, "feather": feather, "connected": connected, "combine": combine}
        return io.NodeOutput(region, heatmap, ui=effective_region(cls, region, scores, grid, made_by))


def effective_region(
    cls: type[io.ComfyNode], region: torch.Tensor, scores: torch.Tensor, grid, made_by: dict[str, object]
) -> dict:
    """What the point picker shows after a run: the mask, and one heatmap a handle, of the batch's first image.

    ``made_by`` are the widgets that had a part in the mask: when they change, the picker says that it is an old one.
    """
    heatmaps = preview.heat(grid.cells_to_image_mask(scores[0]))
    masks = region[:1, ..., None].expand(-1, -1, -1, 3)
    return {
        "attentiondrag_mask": ui.ImageSaveHelper.save_images(
            masks, "attentiondrag_mask", io.FolderType.temp, cls, compress_level=1
        ),
        "attentiondrag_heatmaps": ui.ImageSaveHelper.save_images(
            heatmaps, "attentiondrag_heatmap", io.FolderType.temp, cls, compress_level=1
        ),
        "attentiondrag_settings": [made_by],
    }
