"""AttentionDragStitch: an edited window back in its picture."""

from __future__ import annotations

import torch
from comfy_api.latest import io

from ..core.errors import InputError
from ..core.pixels.composite import shown_mask
from ..core.settings import EditSettings
from ..core.window.crop import Crop
from ..core.window.stitch import stitch as put_back
from ._common import CATEGORY, carried_drag, names_itself, on_intermediate
from ._inputs import DEFAULTS
from ._schema import node_schema
from ._window import StitchType


class AttentionDragStitch(io.ComfyNode):
    """Outside of the window the picture bit for bit, inside its own detail where it is known."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return node_schema(
            node_id="AttentionDragStitch",
            display_name="AttentionDrag Stitch",
            category=CATEGORY,
            description="Puts the window of AttentionDrag Crop back into its picture, whatever was done to it. With "
            "the dragged latent, what moved arrives at full resolution; what an edit left as it was keeps its detail "
            "in any case.",
            inputs=[
                StitchType.Input("stitch", tooltip="Of AttentionDrag Crop."),
                io.Image.Input("edited", tooltip="The window after the edit, at the size that Crop gave it."),
                io.Latent.Input(
                    "dragged",
                    optional=True,
                    tooltip="The dragged latent of AttentionDrag Apply, which knows what moved where: the "
                    "picture's own pixels go that way, too.",
                ),
                io.Mask.Input(
                    "shown", optional=True, tooltip="Show the edit here alone, a mask of the window's size."
                ),
                io.Boolean.Input(
                    "keep_detail",
                    default=DEFAULTS.restore_detail,
                    optional=True,
                    tooltip="Show the picture's own detail where the edit left it or moved it. Off, the window is "
                    "enlarged as it is.",
                ),
            ],
            outputs=[
                io.Image.Output("image", display_name="image", tooltip="The whole picture, at its own size."),
                io.Mask.Output("mask", display_name="mask", tooltip="How far each pixel shows the edit."),
            ],
            aliases=("crop and stitch", "paste back", "uncrop", "inpaint stitch"),
            advanced=("keep_detail",),
        )

    @classmethod
    @names_itself
    def execute(
        cls, stitch: Crop, edited, dragged=None, shown=None, keep_detail=DEFAULTS.restore_detail
    ) -> io.NodeOutput:
        movements = []
        if dragged is not None:
            drag = carried_drag(dragged)
            if drag is None:
                raise InputError(
                    "dragged", "it doesn't carry what was dragged.", "Link the LATENT of AttentionDrag Apply, or none."
                )
            movements = [one.movement for one in drag.pictures or [drag]]
            if movements[0].grid.image_size != stitch.window.edited:
                height, width = movements[0].grid.image_size
                raise InputError(
                    "dragged",
                    f"of a picture of {width}x{height} px, but the window has {stitch.window.edited[1]}x"
                    f"{stitch.window.edited[0]} px.",
                    "Link image and points of the same AttentionDrag Crop to the nodes that made it.",
                )
            if shown is None:
                settings = EditSettings()
                shown = torch.cat([shown_mask(one, settings.shown_margin, settings.shown_feather) for one in movements])
        done = put_back(stitch, edited, movements, shown, keep_detail)
        return io.NodeOutput(on_intermediate(done.image), on_intermediate(done.shown))
