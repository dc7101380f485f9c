"""AttentionDragEdit: the whole method in one node."""

from __future__ import annotations

import latent_preview
from comfy_api.latest import io

from ..core import edit as editing
from ..core.backends import comfy as host
from ..core.capture import CapturePlan
from ..core.drag import FillSettings
from ..core.edit import EditSettings
from ..core.mask import MaskSettings
from ..core.sampling import SampleSettings
from . import preview
from ._common import CATEGORY, CaptureType, DragPointsType, check_size, names_itself, on_intermediate
from ._inputs import (
    DEFAULTS,
    KEEP_ELEMENT,
    cfg_input,
    check_cfg,
    hold_input,
    mask_inputs,
    model_input,
    preserve_input,
    schedule_inputs,
    seed_input,
    tau_setting,
)
from .mask import effective_region


class AttentionDragEdit(io.ComfyNode):
    """Encode, invert, find the region, move it, sample back, decode, composite."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="AttentionDragEdit",
            display_name="AttentionDrag Edit",
            category=CATEGORY,
            description="Drags what belongs to the handles to their targets. Needs no prompt, no mask and no training.",
            inputs=[
                model_input(),
                io.Vae.Input("vae"),
                io.Image.Input("image", tooltip="The picture that the points were set on."),
                DragPointsType.Input("points"),
                *schedule_inputs(),
                seed_input(),
                *mask_inputs(),
                preserve_input(),
                hold_input(),
                cfg_input(),
                io.Boolean.Input(
                    "keep_pixels",
                    default=DEFAULTS.keep_pixels,
                    tooltip="Outside the edit region the picture is the source's own, bit for bit.",
                ),
                io.Boolean.Input("keep_element", default=DEFAULTS.keep_element, tooltip=KEEP_ELEMENT),
                io.Mask.Input("mask", optional=True, tooltip="Moves this instead of what the attention finds."),
                io.Conditioning.Input("positive", optional=True, tooltip="A prompt that describes the image."),
                io.Conditioning.Input("negative", optional=True),
                CaptureType.Input("capture", optional=True, tooltip="What to record; automatic if not linked."),
            ],
            outputs=[
                io.Image.Output("image_out", display_name="image"),
                io.Mask.Output("mask_out", display_name="mask"),
                io.Image.Output("heatmap", display_name="heatmap"),
            ],
        )

    @classmethod
    @names_itself
    def execute(
        cls,
        model,
        vae,
        image,
        points,
        steps,
        strength,
        seed,
        tau,
        grow,
        preserve,
        hold,
        cfg,
        keep_pixels,
        keep_element,
        mask=None,
        positive=None,
        negative=None,
        capture=None,
    ) -> io.NodeOutput:
        check_cfg(cfg, positive)
        editing.check_image(image)
        check_size(image, points.image_size)
        settings = EditSettings(
            steps=steps,
            strength=strength,
            capture=capture or CapturePlan(),
            mask=MaskSettings(tau=tau_setting(tau), grow=grow),
            fill=FillSettings(seed=seed),
            sample=SampleSettings(preserve=preserve, hold=hold),
            keep_pixels=keep_pixels,
            keep_element=keep_element,
        )
        count = len(host.sampling_sigmas(model, steps, strength)) - 1
        callback = latent_preview.prepare_callback(model, 2 * count)
        comfy_host = host.ComfyHost(
            model,
            vae,
            positive,
            negative,
            cfg,
            inversion_progress=lambda step, x0, x, total: callback(step, x0, x, 2 * count),
            sampling_progress=lambda step, x0, x, total: callback(count + step, x0, x, 2 * count),
        )
        result = editing.edit(comfy_host, image, points, settings, mask)
        grid = result.movement.grid
        heatmap = preview.overlay(image.cpu(), grid.cells_to_image_mask(result.scores.amax(1)), result.mask)
        made_by = {"steps": steps, "strength": strength}
        if mask is None:
            made_by |= {"tau": tau, "grow": grow}
        return io.NodeOutput(
            on_intermediate(result.image),
            on_intermediate(result.mask),
            on_intermediate(heatmap),
            ui=effective_region(cls, result.mask, result.scores, grid, made_by),
        )
