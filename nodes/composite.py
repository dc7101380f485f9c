"""AttentionDragComposite: the source's own pixels wherever nothing was dragged."""

from __future__ import annotations

from comfy_api.latest import io

from ..core import composite as compositing
from ..core.edit import check_image
from ..core.errors import InputError
from ._common import CATEGORY, carried_drag, names_itself


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
                io.Int.Input("feather", default=8, min=0, max=256, tooltip="Soft edge inside the region, in pixels."),
                io.Mask.Input("region", optional=True, tooltip="Another region at the source's size."),
                io.Image.Input(
                    "roundtrip",
                    optional=True,
                    tooltip="The source encoded and decoded again: what the autoencoder lost of the moved element "
                    "is then given back.",
                ),
            ],
            outputs=[io.Image.Output("image", display_name="image")],
        )

    @classmethod
    @names_itself
    def execute(cls, source, edited, dragged, feather, region=None, roundtrip=None) -> io.NodeOutput:
        check_image(source, "source")
        check_image(edited, "edited")
        drag = carried_drag(dragged)
        if drag is None:
            raise InputError("dragged", "it doesn't carry what was dragged.", "Link the LATENT of AttentionDrag Apply.")
        grid = drag.movement.grid
        # The points node hands on the padded image, which may be what is linked here.
        source, edited = (
            grid.crop_image(image) if tuple(image.shape[1:3]) == grid.covered_size else image
            for image in (source, edited)
        )
        if roundtrip is not None:
            lost = source - grid.crop_image(roundtrip)
            edited = (edited + compositing.carried_detail(source, source - lost, drag.movement)).clamp(0, 1)
        if region is None:
            region = compositing.region_mask(drag.movement, feather)
        return io.NodeOutput(compositing.composite(source, edited, region))
