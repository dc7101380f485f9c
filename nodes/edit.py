"""AttentionDragEdit: the whole method in one node."""

from __future__ import annotations

import latent_preview
from comfy_api.latest import io

from ..core import edit as stations
from ..core.attention.plan import CapturePlan
from ..core.diffusion.sampling import SampleSettings
from ..core.hosts.comfy.host import ComfyHost
from ..core.hosts.comfy.inputs import sampling_sigmas
from ..core.region.found import ElementSettings
from ..core.settings import EditSettings
from ..core.space.grid import check_image
from ._common import CATEGORY, CaptureType, DragPointsType, check_size, names_itself, on_intermediate
from ._inputs import (
    DEFAULTS,
    RESTORE_DETAIL,
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
from .mask import effective_element, heatmap


class AttentionDragEdit(io.ComfyNode):
    """All five stations: invert, find, move, sample, finish."""

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
                    default=DEFAULTS.source_background,
                    tooltip="Where nothing was dragged the picture is the source's own, bit for bit.",
                ),
                io.Boolean.Input("keep_element", default=DEFAULTS.restore_detail, tooltip=RESTORE_DETAIL),
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
        check_image(image)
        check_size(image, points.image_size)
        settings = EditSettings(
            steps=steps,
            strength=strength,
            capture=capture or CapturePlan(),
            element=ElementSettings(tau=tau_setting(tau), grow=grow),
            seed=seed,
            sample=SampleSettings(hold_element=preserve, hold_rest=hold),
            source_background=keep_pixels,
            restore_detail=keep_element,
        )
        count = len(sampling_sigmas(model, steps, strength)) - 1
        callback = latent_preview.prepare_callback(model, 2 * count)
        host = ComfyHost(
            model,
            vae,
            positive,
            negative,
            cfg,
            inversion_progress=lambda step, x0, x, total: callback(step, x0, x, 2 * count),
            sampling_progress=lambda step, x0, x, total: callback(count + step, x0, x, 2 * count),
        )
        result = stations.edit(host, image, points, settings, mask)
        made_by = {"steps": steps, "strength": strength}
        if mask is None:
            made_by |= {"tau": tau, "grow": grow}
        return io.NodeOutput(
            on_intermediate(result.image),
            on_intermediate(result.element),
            on_intermediate(heatmap(image.cpu(), result.found)),
            ui=effective_element(cls, result.found, made_by),
        )
