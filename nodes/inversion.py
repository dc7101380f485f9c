"""AttentionDragInversion: from an image's latent back to the noise it samples from."""

from __future__ import annotations

import logging

import latent_preview
from comfy_api.latest import io, ui

from ..core import edit as stations
from ..core.attention.plan import CapturePlan, plan_footprint
from ..core.diffusion.cost import cost_of
from ..core.hosts.comfy.host import ComfyHost
from ..core.hosts.comfy.inputs import check_latent, sampling_sigmas
from ..core.hosts.comfy.layers import attention_layers
from ..core.settings import EditSettings
from ._common import CATEGORY, CaptureType, InversionType, names_itself, on_intermediate
from ._held import Held
from ._inputs import chosen_schedule, clip_input, model_input, refinements_input, schedule_input, schedule_inputs
from ._schema import node_schema

log = logging.getLogger(__name__)


class AttentionDragInversion(io.ComfyNode):
    """DDIM inversion with capture of self-attention: the station ``invert``."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return node_schema(
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
                schedule_input(),
                clip_input(),
            ],
            outputs=[
                InversionType.Output(
                    "inversion", display_name="inversion", tooltip="The record, for the other AttentionDrag nodes."
                ),
                io.Latent.Output(
                    "inverted", display_name="inverted", tooltip="The noise that samples back to the picture."
                ),
                io.Sigmas.Output("sigmas", display_name="sigmas", tooltip="The noise levels to sample it back with."),
            ],
            aliases=("DDIM inversion", "invert image", "unsampler", "noise inversion"),
            advanced=("refinements",),
        )

    @classmethod
    @names_itself
    def execute(
        cls, model, latent, steps, strength, refinements, positive=None, capture=None, schedule="auto", clip=None
    ) -> io.NodeOutput:
        schedule, steps = chosen_schedule(model, schedule, steps)
        settings = EditSettings(
            steps=steps,
            strength=strength,
            schedule=schedule,
            refinements=refinements,
            capture=capture or CapturePlan(),
        )
        count = len(sampling_sigmas(model, steps, strength, schedule)) - 1
        samples = check_latent(model, latent)
        layers = tuple(attention_layers(model.model).values())
        size = (samples.shape[-2], samples.shape[-1])
        footprint = plan_footprint(settings.capture, layers, samples.shape[0], size, count)
        # Of the way back it knows no settings: the plan is told for the defaults.
        summary = str(cost_of(footprint, count, refinements))
        log.info("AttentionDrag inversion: %s", summary)

        noise_mask = latent.get("noise_mask")
        if noise_mask is not None:
            noise_mask = noise_mask.reshape(-1, *noise_mask.shape[-2:]).float().cpu()
        host = ComfyHost(
            model, positive=positive, inversion_progress=latent_preview.prepare_callback(model, count), clip=clip
        )
        inversion = stations.invert(host, host.from_latent(samples), settings, noise_mask)
        inverted = {"samples": on_intermediate(host.to_latent(inversion.noisy))}
        return io.NodeOutput(Held(inversion), inverted, inversion.sigmas.clone(), ui=ui.PreviewText(summary))
