"""AttentionDragCrop: the part of a large picture that an edit is about, at a size that the model knows."""

from __future__ import annotations

import logging

import torch
from comfy_api.latest import io

from ..core.families import SD1
from ..core.hosts.comfy.family import family
from ..core.space.grid import check_image
from ..core.window.crop import crop
from ..core.window.plan import plan_window
from ._common import CATEGORY, DragPointsType, check_size, names_itself, on_intermediate
from ._schema import node_schema
from ._window import StitchType, check_window, context_of, told, window_input

log = logging.getLogger(__name__)

MODELS_OWN = 0
"""Size that stands for the model's own."""


class AttentionDragCrop(io.ComfyNode):
    """A window round handles, targets and mask, and what puts it back."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return node_schema(
            node_id="AttentionDragCrop",
            display_name="AttentionDrag Crop",
            category=CATEGORY,
            description="Cuts a window out of a large picture, round drags and mask, and makes it as small as the "
            "model's own size where it is larger. AttentionDrag Stitch puts it back after anything was done to it. "
            "Pictures of the model's own size are handed on as they are.",
            inputs=[
                io.Image.Input("image", tooltip="The large picture, on which the points were set."),
                DragPointsType.Input("points", tooltip="The drags, from AttentionDrag Points."),
                window_input(),
                io.Int.Input(
                    "size",
                    default=MODELS_OWN,
                    min=MODELS_OWN,
                    max=8192,
                    step=64,
                    optional=True,
                    tooltip="Side in pixels of the pictures that the model was trained on; the window has their area. "
                    f"0 takes the linked model's, {SD1.native_px} without one.",
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="What moves: all of it is in the window, before and after the drag. Without it, only "
                    "handles and targets are known.",
                ),
                io.Model.Input("model", optional=True, tooltip="Says how large its own pictures are."),
            ],
            outputs=[
                io.Image.Output("image_inside", display_name="window", tooltip="The window, for any node that edits."),
                DragPointsType.Output("inside", display_name="points", tooltip="The drags in the window."),
                io.Mask.Output("mask_inside", display_name="mask", tooltip="The mask in it; empty without one."),
                StitchType.Output("stitch", display_name="stitch", tooltip="For AttentionDrag Stitch."),
            ],
            aliases=("crop and stitch", "inpaint crop", "large picture", "high resolution", "detailer"),
            intermediate_output=True,
        )

    @classmethod
    def validate_inputs(cls, window: str | None = None) -> bool | str:
        return True if window is None else check_window(window)

    @classmethod
    @names_itself
    def execute(cls, image, points, window="auto", size=MODELS_OWN, mask=None, model=None) -> io.NodeOutput:
        check_image(image)
        check_size(image, points.image_size)
        if size == MODELS_OWN:
            size = (SD1 if model is None else family(model)).native_px
        planned = plan_window(
            (image.shape[1], image.shape[2]), points, size, context_of(window), () if mask is None else [mask]
        )
        taken = crop(planned, image, points, mask)
        log.info("AttentionDrag Crop: %s", planned)
        inside = torch.zeros(1, *planned.edited) if taken.mask is None else taken.mask
        return io.NodeOutput(
            on_intermediate(taken.image), taken.points, on_intermediate(inside), taken, ui=told(planned)
        )
