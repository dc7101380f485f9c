"""AttentionDragSampler and its SAMPLER form: the way back."""

from __future__ import annotations

import latent_preview
import torch
from comfy_api.latest import io

from ..core.backends import comfy as host
from ..core.drag import Drag
from ..core.errors import InputError
from ..core.grid import CELL
from ..core.inversion import Inversion
from ..core.sampling import SampleSettings
from ._common import CATEGORY, DRAG_KEY, InversionType, carried_drag, names_itself, on_intermediate
from ._inputs import cfg_input, check_cfg, consistency_inputs, hold_input, preserve_input


def region_input() -> io.Input:
    return io.Mask.Input(
        "region", optional=True, tooltip="Where the latent may change, instead of the drag's own region."
    )


def edit_region(
    inversion: Inversion, latent: dict, region: torch.Tensor | None
) -> tuple[Drag | None, torch.Tensor | None]:
    """What was done to the latent and where it may change, (B, h, w); checks the size of a linked region."""
    drag = carried_drag(latent)
    if region is not None:
        return drag, region_on_cells(inversion, drag, region)
    if drag is None:
        raise InputError(
            "latent",
            f"it doesn't carry what was dragged (no '{DRAG_KEY}' entry).",
            "Link the LATENT of AttentionDrag Apply, or link its region as well.",
        )
    return drag, None


def region_on_cells(inversion: Inversion, drag: Drag | None, region: torch.Tensor) -> torch.Tensor:
    """A region mask (B or 1, H, W) at image size, on latent cells."""
    region = region.reshape(-1, *region.shape[-2:]).float()
    if region.shape[0] not in (1, inversion.batch):
        raise InputError(
            "region", f"{region.shape[0]} masks for {inversion.batch} latents.", "Use one, or one for each."
        )
    if drag is not None and tuple(region.shape[-2:]) == drag.movement.grid.image_size:
        cells = drag.movement.grid.image_mask_to_cells(region)
    elif tuple(region.shape[-2:]) == tuple(side * CELL for side in inversion.latent_size):
        cells = torch.nn.functional.avg_pool2d(region[:, None], CELL)[:, 0]
    else:
        height, width = (side * CELL for side in inversion.latent_size)
        raise InputError(
            "region",
            f"{region.shape[-1]}x{region.shape[-2]} px, but the inverted image is {width}x{height} px.",
            "Link the region of AttentionDrag Apply.",
        )
    return cells.expand(inversion.batch, -1, -1)


class AttentionDragSampler(io.ComfyNode):
    """Samples the dragged latent back."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="AttentionDragSampler",
            display_name="AttentionDrag Sampler",
            category=CATEGORY,
            description="Samples a dragged latent back with the original's keys and values in self-attention and "
            "the background kept as it was.",
            inputs=[
                io.Model.Input("model", tooltip="The model of the inversion."),
                InversionType.Input("inversion"),
                io.Latent.Input("latent", tooltip="The dragged latent."),
                cfg_input(),
                *consistency_inputs(),
                preserve_input(),
                hold_input(),
                io.Conditioning.Input("positive", optional=True, tooltip="A prompt for the edit region."),
                io.Conditioning.Input("negative", optional=True),
                region_input(),
            ],
            outputs=[io.Latent.Output("latent_out", display_name="latent")],
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
    ) -> io.NodeOutput:
        check_cfg(cfg, positive)
        samples = host.check_latent(model, latent)
        drag, cells = edit_region(inversion, latent, region)
        settings = SampleSettings(
            consistency=consistency, consistency_share=consistency_share, preserve=preserve, hold=hold
        )
        callback = latent_preview.prepare_callback(model, inversion.steps)
        comfy_host = host.ComfyHost(model, positive=positive, negative=negative, cfg=cfg, sampling_progress=callback)
        x = comfy_host.from_latent(samples)
        result = comfy_host.sample(inversion, x, drag, cells, settings)
        out = {key: value for key, value in latent.items() if key not in ("samples", DRAG_KEY, "noise_mask")}
        return io.NodeOutput({**out, "samples": on_intermediate(comfy_host.to_latent(result))})


class AttentionDragSamplerSelect(io.ComfyNode):
    """The same as a SAMPLER for SamplerCustomAdvanced and other guiders."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="AttentionDragSamplerSelect",
            display_name="AttentionDrag Sampler Select",
            category=CATEGORY,
            description="AttentionDrag's way back as a SAMPLER: for SamplerCustomAdvanced with any guider, the "
            "inversion's SIGMAS and no added noise.",
            inputs=[
                InversionType.Input("inversion"),
                io.Latent.Input("latent", tooltip="The dragged latent, the same that is sampled."),
                *consistency_inputs(),
                preserve_input(),
                hold_input(),
                region_input(),
            ],
            outputs=[io.Sampler.Output("sampler", display_name="sampler")],
        )

    @classmethod
    @names_itself
    def execute(cls, inversion, latent, consistency, consistency_share, preserve, hold, region=None) -> io.NodeOutput:
        drag, cells = edit_region(inversion, latent, region)
        settings = SampleSettings(
            consistency=consistency, consistency_share=consistency_share, preserve=preserve, hold=hold
        )
        return io.NodeOutput(host.drag_sampler(inversion, drag, cells, settings))
