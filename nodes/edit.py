"""AttentionDragEdit: the whole method in one node."""

from __future__ import annotations

import latent_preview
import torch
from comfy_api.latest import io

from ..core import edit as editing
from ..core.backends import comfy as host
from ..core.capture import CapturePlan
from ..core.drag import FillSettings
from ..core.edit import EditSettings
from ..core.errors import InputError
from ..core.grid import Grid
from ..core.mask import MaskSettings
from ..core.sampling import SampleSettings
from . import preview
from ._common import CATEGORY, CaptureType, DragPointsType, names_itself, on_intermediate
from .mask import AUTOMATIC, effective_region

DEFAULTS = EditSettings()


class AttentionDragEdit(io.ComfyNode):
    """Encode, invert, find the region, move it, sample back, decode, composite."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="AttentionDragEdit",
            display_name="AttentionDrag Edit",
            category=CATEGORY,
            description="Drags what belongs to the handles to their targets. Needs no prompt, no mask and no "
            "training.",
            inputs=[
                io.Model.Input("model", tooltip="Any Stable Diffusion 1.x, 2.x or SDXL model, LoRAs included."),
                io.Vae.Input("vae"),
                io.Image.Input("image", tooltip="The picture that the points were set on."),
                DragPointsType.Input("points"),
                io.Int.Input("steps", default=DEFAULTS.steps, min=1, max=1000, tooltip="Steps over the whole noise schedule; 'strength' of them are run, each way."),
                io.Float.Input("strength", default=DEFAULTS.strength, min=0.02, max=1.0, step=0.01, tooltip="How deep into the noise. Higher gives the model more freedom to repaint."),
                io.Int.Input("seed", default=0, min=0, max=0xFFFFFFFFFFFFFFFF, control_after_generate=False, tooltip="Of the noise in the vacated area: another seed paints another background."),
                io.Float.Input("tau", default=AUTOMATIC, min=0.0, max=1.0, step=0.005, tooltip="Correlation from which a pixel belongs to the handle; lower takes more. 0 chooses it by itself."),
                io.Int.Input("grow", default=DEFAULTS.mask.grow, min=-256, max=256, tooltip="Widens the mask, in pixels; negative narrows it."),
                io.Float.Input("preserve", default=DEFAULTS.sample.preserve, min=0.0, max=1.0, step=0.01, tooltip="For which share of the steps the moved element is held to what it was. Lower it to let the model adapt it, or a prompt restyle it."),
                io.Float.Input("cfg", default=1.0, min=0.0, max=100.0, step=0.1, tooltip="Guidance towards the positive prompt on the way back."),
                io.Boolean.Input("keep_pixels", default=DEFAULTS.keep_pixels, tooltip="Outside the edit region the picture is the source's own, bit for bit."),
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
        cls, model, vae, image, points, steps, strength, seed, tau, grow, preserve, cfg, keep_pixels,
        mask=None, positive=None, negative=None, capture=None,
    ) -> io.NodeOutput:
        image = source_pixels(image, points.image_size)
        settings = EditSettings(
            steps=steps,
            strength=strength,
            capture=capture or CapturePlan(),
            mask=MaskSettings(None if tau == AUTOMATIC else tau, grow, DEFAULTS.mask.feather),
            fill=FillSettings(seed=seed),
            sample=SampleSettings(preserve=preserve),
            keep_pixels=keep_pixels,
        )
        count = len(host.sampling_sigmas(model, steps, strength)) - 1
        callback = latent_preview.prepare_callback(model, 2 * count)
        comfy_host = host.ComfyHost(
            model, vae, positive, negative, cfg,
            inversion_progress=lambda step, x0, x, total: callback(step, x0, x, 2 * count),
            sampling_progress=lambda step, x0, x, total: callback(count + step, x0, x, 2 * count),
        )
        result = editing.edit(comfy_host, image, points, settings, mask)
        grid = result.movement.grid
        heatmap = preview.overlay(image.cpu(), grid.cells_to_image_mask(result.scores.amax(1)), result.mask)
        return io.NodeOutput(
            on_intermediate(result.image), on_intermediate(result.mask), on_intermediate(heatmap),
            ui=effective_region(cls, result.mask, result.scores, grid),
        )


def source_pixels(image: torch.Tensor, size: tuple[int, int] | None) -> torch.Tensor:
    """The image without the padding that the points node may have added."""
    editing.check_image(image)
    if size is None or tuple(image.shape[1:3]) == size:
        return image
    if tuple(image.shape[1:3]) == Grid.padded(*size).covered_size:
        return image[:, : size[0], : size[1]]
    raise InputError(
        "points", f"set on an image of {size[1]}x{size[0]} px, but 'image' is {image.shape[2]}x{image.shape[1]} px.",
        "Link the same image to the points node and here.",
    )
