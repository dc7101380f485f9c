"""AttentionDragComposite: the source's own pixels wherever nothing was dragged."""

from __future__ import annotations

from comfy_api.latest import io

from ..core import composite as compositing
from ..core.edit import check_image
from ..core.errors import InputError
from ._common import CATEGORY, carried_drag, check_size, names_itself
from ._inputs import DEFAULTS, KEEP_ELEMENT


class AttentionDragComposite(io.ComfyNode):
    """The pixel composite of AttentionDragEdit for the long chain."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="AttentionDragComposite",
            display_name="AttentionDrag Composite",
            category=CATEGORY,
            description="Shows the decoded edit inside the edit region and the source's own pixels, bit for bit, "
            "outside of it, cropped to the source's size.",
            inputs=[
                io.Image.Input("source", tooltip="The image before encoding."),
                io.Image.Input("edited", tooltip="The decoded edit."),
                io.Latent.Input(
                    "dragged", tooltip="The dragged latent of AttentionDrag Apply, which knows the region."
                ),
                io.Boolean.Input("keep_element", default=DEFAULTS.keep_element, tooltip=KEEP_ELEMENT),
                io.Int.Input(
                    "margin",
                    default=DEFAULTS.margin,
                    min=0,
                    max=256,
                    tooltip="Pixels round what left and what arrived that show the edit.",
                ),
                io.Int.Input(
                    "feather",
                    default=DEFAULTS.feather,
                    min=0,
                    max=256,
                    tooltip="Soft edge outside of that, in pixels.",
                ),
                io.Mask.Input("region", optional=True, tooltip="Show the edit here instead, at the source's size."),
            ],
            outputs=[io.Image.Output("image", display_name="image")],
        )

    @classmethod
    @names_itself
    def execute(cls, source, edited, dragged, keep_element, margin, feather, region=None) -> io.NodeOutput:
        check_image(source, "source")
        check_image(edited, "edited")
        drag = carried_drag(dragged)
        if drag is None:
            raise InputError("dragged", "it doesn't carry what was dragged.", "Link the LATENT of AttentionDrag Apply.")
        movement = drag.movement
        check_size(source, movement.grid.image_size, "source")
        if tuple(edited.shape[1:3]) == movement.grid.covered_size:
            edited = movement.grid.crop_image(edited)
        check_size(edited, movement.grid.image_size, "edited")
        if keep_element:
            edited = compositing.keep_element(source, edited, drag)
        edited = edited.clamp(0, 1)
        if region is None:
            region = compositing.region_mask(movement, margin, feather)
        return io.NodeOutput(compositing.composite(source, edited, region))
