"""AttentionDragInversion: from an image's latent back to the noise it samples from."""

from __future__ import annotations

import logging

import latent_preview
from comfy_api.latest import io, ui

from ..core.backends import comfy as host
from ..core.capture import MEGABYTE, CapturePlan, plan_footprint
from ._common import CATEGORY, CaptureType, InversionType, names_itself, on_intermediate
from ._inputs import model_input, refinements_input, schedule_inputs

log = logging.getLogger(__name__)


class AttentionDragInversion(io.ComfyNode):
    """DDIM inversion with capture of self-attention."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="AttentionDragInversion",
            display_name="AttentionDrag Inversion",
            category=CATEGORY,
            description="Inverts an image's latent (DDIM) and records the self-attention on the way. The dear "
            "step: points, mask and sampling can change afterwards without running it again.",
            inputs=[
                model_input(),
                io.Latent.Input("latent", tooltip="The encoded image. A noise mask limits where edits may reach."),
                *schedule_inputs(),
                refinements_input(),
                io.Conditioning.Input("positive", optional=True, tooltip="A prompt that describes the image."),
                CaptureType.Input("capture", optional=True, tooltip="What to record; automatic if not linked."),
            ],
            outputs=[
                InversionType.Output("inversion", display_name="inversion"),
                io.Latent.Output("inverted", display_name="inverted"),
                io.Sigmas.Output("sigmas", display_name="sigmas"),
            ],
        )

    @classmethod
    @names_itself
    def execute(cls, model, latent, steps, strength, refinements, positive=None, capture=None) -> io.NodeOutput:
        plan = capture or CapturePlan()
        samples = host.check_latent(model, latent)
        sigmas = host.sampling_sigmas(model, steps, strength)
        count = len(sigmas) - 1
        layers = tuple(host.attention_layers(model.model).values())
        footprint = plan_footprint(plan, layers, samples.shape[0], tuple(samples.shape[-2:]), count)
        summary = (
            f"{count} steps, {count * (refinements + 1)} evaluations; keeps {footprint.total / MEGABYTE:.0f} MB "
            f"(attention maps {footprint.correlation / MEGABYTE:.0f} MB, keys and values: {footprint.storage})"
        )
        log.info("AttentionDrag inversion: %s", summary)

        limit = latent.get("noise_mask")
        if limit is not None:
            limit = limit.reshape(-1, *limit.shape[-2:]).float().cpu()
        callback = latent_preview.prepare_callback(model, count)
        comfy_host = host.ComfyHost(model, positive=positive, inversion_progress=callback)
        x = comfy_host.from_latent(samples)
        inversion = comfy_host.invert(x, sigmas, plan, refinements, limit=limit)
        inverted = {"samples": on_intermediate(comfy_host.to_latent(inversion.noisy))}
        return io.NodeOutput(inversion, inverted, inversion.sigmas.clone(), ui=ui.PreviewText(summary))
