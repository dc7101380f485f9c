"""AttentionDragComposite: the source's own pixels wherever nothing was dragged."""

from __future__ import annotations

from comfy_api.latest import io

from ..core import edit as stations
from ..core.errors import InputError
from ..core.hosts.comfy.inputs import check_decoded
from ..core.settings import EditSettings
from ..core.space.grid import check_image
from ._common import CATEGORY, carried_drag, check_size, names_itself
from ._inputs import DEFAULTS, RESTORE_DETAIL, light_mask_input, light_output, repaint_inputs, repaint_settings
from ._schema import node_schema
from .mask import changed_light


class AttentionDragComposite(io.ComfyNode):
    """The pixel composite of AttentionDragEdit for the long chain: the station ``finish``."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return node_schema(
            node_id="AttentionDragComposite",
            display_name="AttentionDrag Composite",
            category=CATEGORY,
            description="Shows the decoded edit where it changed the picture and the source's own pixels, bit for bit, "
            "outside of it, cropped to the source's size.",
            inputs=[
                io.Image.Input("source", tooltip="The image before encoding."),
                io.Image.Input("edited", tooltip="The decoded edit."),
                io.Latent.Input(
                    "dragged", tooltip="The dragged latent of AttentionDrag Apply, which knows what moved where."
                ),
                io.Boolean.Input("keep_element", default=DEFAULTS.restore_detail, tooltip=RESTORE_DETAIL),
                io.Int.Input(
                    "margin",
                    default=DEFAULTS.shown_margin,
                    min=0,
                    max=256,
                    tooltip="Pixels round what left and what arrived that show the edit.",
                ),
                io.Int.Input(
                    "feather",
                    default=DEFAULTS.shown_feather,
                    min=0,
                    max=256,
                    tooltip="Soft edge outside of that, in pixels.",
                ),
                io.Mask.Input(
                    "region",
                    display_name="shown",
                    optional=True,
                    tooltip="Show the edit here instead, at the source's size: pixels, not the free cells of Apply.",
                ),
                *repaint_inputs(),
                light_mask_input(),
            ],
            outputs=[
                io.Image.Output("image", display_name="image", tooltip="The finished picture, at the source's size."),
                io.Mask.Output("shown", display_name="shown", tooltip="How far each pixel is the edit."),
                light_output(),
            ],
            aliases=("paste back", "stitch", "restore background"),
            advanced=("margin", "feather", "paint", "light", "light_extent"),
        )

    @classmethod
    @names_itself
    def execute(
        cls,
        source,
        edited,
        dragged,
        keep_element,
        margin,
        feather,
        region=None,
        paint=DEFAULTS.repaint.revealed,
        light=DEFAULTS.repaint.surroundings,
        light_extent=DEFAULTS.repaint.extent,
        light_mask=None,
    ) -> io.NodeOutput:
        check_image(source, "source")
        check_decoded(edited, "edited")
        drag = carried_drag(dragged)
        if drag is None:
            raise InputError("dragged", "it doesn't carry what was dragged.", "Link the LATENT of AttentionDrag Apply.")
        grid = drag.movement.grid
        check_size(source, grid.image_size, "source")
        if tuple(edited.shape[1:3]) != grid.covered_size:
            check_size(edited, grid.image_size, "edited")
        settings = EditSettings(
            restore_detail=keep_element,
            shown_margin=margin,
            shown_feather=feather,
            repaint=repaint_settings(paint, light, light_extent),
        )
        if light_mask is not None:
            stations.check_lit(light_mask, grid, source.shape[0])
        done = stations.finished(source, edited, drag, settings, region, light_mask)
        return io.NodeOutput(done.image, done.shown, done.light, ui=changed_light(cls, done.light))
