"""AttentionDragSampler and its SAMPLER form: the way back."""

from __future__ import annotations

import latent_preview
import torch
from comfy_api.latest import io

from ..core import edit as stations
from ..core.attention.tokens import SourceAttention
from ..core.diffusion.dragged import DraggedLatent
from ..core.diffusion.inversion import Inversion
from ..core.diffusion.sampling import SampleSettings
from ..core.errors import InputError
from ..core.families import AUTOMATIC_STEPS
from ..core.hosts.comfy.host import ComfyHost, drag_sampler
from ..core.hosts.comfy.inputs import check_latent
from ..core.settings import EditSettings
from ..core.space.grid import Grid
from ._common import CATEGORY, DRAG_KEY, InversionType, carried_drag, names_itself, on_intermediate, show_text
from ._inputs import (
    DEFAULTS,
    asking_input,
    cfg_input,
    check_cfg,
    chosen_schedule,
    consistency_inputs,
    hold_input,
    light_mask_input,
    painter_input,
    preserve_input,
    repaint_inputs,
    repaint_settings,
    restyle_input,
)
from ._schema import node_schema


def free_input() -> io.Input:
    return io.Mask.Input(
        "region",
        display_name="free",
        optional=True,
        tooltip="Where the latent may change, instead of the drag's own free cells.",
    )


def dragged_and_free(
    inversion: Inversion, latent: dict, free: torch.Tensor | None
) -> tuple[DraggedLatent | None, torch.Tensor | None]:
    """What was done to the latent and where it may change, (B, h, w); checks the size of a linked mask."""
    dragged = carried_drag(latent)
    if free is not None:
        return dragged, free_on_cells(inversion, dragged, free)
    if dragged is None:
        raise InputError(
            "latent",
            f"it doesn't carry what was dragged (no '{DRAG_KEY}' entry).",
            "Link the LATENT of AttentionDrag Apply, or link its free cells as well.",
        )
    return dragged, None


def free_on_cells(inversion: Inversion, dragged: DraggedLatent | None, free: torch.Tensor) -> torch.Tensor:
    """A mask (B or 1, H, W) at image size, on latent cells."""
    free = free.reshape(-1, *free.shape[-2:]).float()
    if free.shape[0] not in (1, inversion.batch):
        raise InputError("free", f"{free.shape[0]} masks for {inversion.batch} latents.", "Use one, or one for each.")
    if dragged is not None and tuple(free.shape[-2:]) == dragged.movement.grid.image_size:
        grid = dragged.movement.grid
    else:
        size = Grid(1, 1, *inversion.latent_size).covered_size
        if tuple(free.shape[-2:]) != size:
            raise InputError(
                "free",
                f"{free.shape[-1]}x{free.shape[-2]} px, but the inverted image is {size[1]}x{size[0]} px.",
                "Link the free cells of AttentionDrag Apply.",
            )
        grid = Grid.between(size, inversion.latent_size)
    return grid.image_mask_to_cells(free).expand(inversion.batch, -1, -1)


def sample_settings(
    consistency: SourceAttention, consistency_share: float, preserve: float, hold: float, consistency_queries: float
) -> SampleSettings:
    """The widgets, by the names they are saved under, as settings."""
    return SampleSettings(
        source_attention=consistency, source_attention_share=consistency_share, hold_element=preserve, hold_rest=hold,
        source_queries=consistency_queries,
    )  # fmt: skip


class AttentionDragSampler(io.ComfyNode):
    """Samples the dragged latent back: the station ``sample``."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return node_schema(
            node_id="AttentionDragSampler",
            display_name="AttentionDrag Sampler",
            category=CATEGORY,
            description="Samples a dragged latent back with the original's keys and values in self-attention and "
            "the background kept as it was.",
            inputs=[
                io.Model.Input(
                    "model",
                    tooltip="The model of the inversion. Other LoRAs than it had then are told of: meant for a style.",
                ),
                InversionType.Input("inversion", tooltip="Of AttentionDrag Inversion."),
                io.Latent.Input("latent", tooltip="The dragged latent."),
                cfg_input(),
                *consistency_inputs(),
                preserve_input(),
                hold_input(),
                io.Conditioning.Input(
                    "positive", optional=True, tooltip="A prompt that describes the image, as for the inversion."
                ),
                io.Conditioning.Input("negative", optional=True, tooltip="What to keep away from; needs cfg above 1."),
                free_input(),
                painter_input(),
                restyle_input(),
                *repaint_inputs(),
                light_mask_input(),
                asking_input(),
            ],
            outputs=[
                io.Latent.Output("latent_out", display_name="latent", tooltip="The edited latent, for VAE Decode.")
            ],
            hidden=[io.Hidden.unique_id],
            aliases=("drag sampler", "DDIM", "KSampler"),
            advanced=("consistency", "consistency_share", "light_extent", "consistency_queries"),
        )

    @classmethod
    @names_itself
    def execute(
        cls,
        model,
        inversion,
        latent,
        cfg,
        consistency,
        consistency_share,
        preserve,
        hold,
        positive=None,
        negative=None,
        region=None,
        painter=None,
        restyle=None,
        paint=DEFAULTS.repaint.revealed,
        light=DEFAULTS.repaint.surroundings,
        light_extent=DEFAULTS.repaint.extent,
        light_mask=None,
        consistency_queries=DEFAULTS.sample.source_queries,
    ) -> io.NodeOutput:
        check_cfg(cfg, positive, restyle)
        samples = check_latent(model, latent)
        dragged, free = dragged_and_free(inversion, latent, region)
        settings = EditSettings(
            sample=sample_settings(consistency, consistency_share, preserve, hold, consistency_queries),
            repaint=repaint_settings(paint, light, light_extent),
            schedule=chosen_schedule(model, "auto", AUTOMATIC_STEPS)[0],
        )
        callback = latent_preview.prepare_callback(model, inversion.steps)
        host = ComfyHost(
            model,
            positive=positive,
            negative=negative,
            cfg=cfg,
            sampling_progress=callback,
            painter=painter,
            restyle=restyle,
        )
        result = stations.sample(host, inversion, dragged, settings, host.from_latent(samples), free, lit=light_mask)
        out = {key: value for key, value in latent.items() if key not in ("samples", DRAG_KEY, "noise_mask")}
        said = show_text(cls, host.warnings)
        return io.NodeOutput({**out, "samples": on_intermediate(host.to_latent(result))}, ui=said)


class AttentionDragSamplerSelect(io.ComfyNode):
    """The same as a SAMPLER for SamplerCustomAdvanced and other guiders."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return node_schema(
            node_id="AttentionDragSamplerSelect",
            display_name="AttentionDrag Sampler Select",
            category=CATEGORY,
            description="AttentionDrag's way back as a SAMPLER: for SamplerCustomAdvanced with any guider, the "
            "inversion's SIGMAS and no added noise.",
            inputs=[
                InversionType.Input("inversion", tooltip="Of AttentionDrag Inversion."),
                io.Latent.Input("latent", tooltip="The dragged latent, the same that is sampled."),
                *consistency_inputs(),
                preserve_input(),
                hold_input(),
                free_input(),
                asking_input(),
            ],
            outputs=[
                io.Sampler.Output("sampler", display_name="sampler", tooltip="For SamplerCustomAdvanced.")
            ],
            aliases=("drag sampler", "KSamplerSelect", "custom sampler"),
            advanced=("consistency", "consistency_share", "consistency_queries"),
        )

    @classmethod
    @names_itself
    def execute(
        cls,
        inversion,
        latent,
        consistency,
        consistency_share,
        preserve,
        hold,
        region=None,
        consistency_queries=DEFAULTS.sample.source_queries,
    ) -> io.NodeOutput:
        dragged, free = dragged_and_free(inversion, latent, region)
        settings = sample_settings(consistency, consistency_share, preserve, hold, consistency_queries)
        return io.NodeOutput(drag_sampler(inversion, dragged, free, settings))
