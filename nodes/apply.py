"""AttentionDragApply: the one-step movement in the latent."""

from __future__ import annotations

from comfy_api.latest import io

from ..core import drag as dragging
from ..core import edit as editing
from ..core import movement as moving
from ..core.backends import comfy as host
from ..core.correlation import correlate
from ..core.drag import FillSettings
from ..core.edit import check_image, given_region
from ..core.movement import MoveSettings
from . import preview
from ._common import (
    CATEGORY,
    DRAG_KEY,
    DragPointsType,
    InversionType,
    check_batch,
    check_size,
    grid_of,
    names_itself,
    on_intermediate,
)
from ._inputs import seed_input
from .mask import effective_region

DEFAULTS = MoveSettings()


class AttentionDragApply(io.ComfyNode):
    """Moves the region in the inverted latent."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="AttentionDragApply",
            display_name="AttentionDrag Apply",
            category=CATEGORY,
            description="Moves what the mask covers in the inverted latent, in one step, and fills what it leaves. "
            "Sample the result with AttentionDrag Sampler.",
            inputs=[
                io.Model.Input("model", tooltip="The model of the inversion."),
                InversionType.Input("inversion"),
                DragPointsType.Input("points"),
                io.Mask.Input("mask", tooltip="What moves, usually from AttentionDrag Mask."),
                io.Combo.Input(
                    "falloff",
                    options=["rigid", "correlation"],
                    default=DEFAULTS.falloff,
                    tooltip="'rigid' moves the region as one piece; 'correlation' moves each cell the less, the "
                    "less it belongs to the handle, which stretches.",
                ),
                io.Int.Input(
                    "transition",
                    default=DEFAULTS.transition,
                    min=0,
                    max=16,
                    tooltip="Latent cells (8 px) round source and destination that may change, too.",
                ),
                seed_input(),
                io.Combo.Input(
                    "fill",
                    options=["auto", "smooth", "curved", "patches"],
                    default=FillSettings().method,
                    tooltip="How the background is continued over what the element leaves, with image and VAE linked: "
                    "'smooth' and 'curved' for plain and shaded grounds, 'patches' for textures and patterns; 'auto' "
                    "tries them on known parts of the picture.",
                ),
                io.Image.Input(
                    "image",
                    optional=True,
                    tooltip="The picture: shown under the displacement preview and, with the VAE, where the "
                    "background is continued.",
                ),
                io.Vae.Input(
                    "vae",
                    optional=True,
                    tooltip="With it and the image, what the element leaves is filled in the picture and encoded; "
                    "without, in the latent, where traces of the element stay.",
                ),
            ],
            outputs=[
                io.Latent.Output("latent", display_name="dragged"),
                io.Mask.Output("region", display_name="region"),
                io.Image.Output("preview", display_name="displacement"),
            ],
        )

    @classmethod
    @names_itself
    def execute(
        cls, model, inversion, points, mask, falloff, transition, seed, fill, image=None, vae=None
    ) -> io.NodeOutput:
        grid = grid_of(inversion, points)
        moved = given_region(mask, grid, inversion.batch)
        scores = correlate(inversion.record, grid, points)
        movement = moving.plan(scores, moved, grid, points, MoveSettings(falloff=falloff, transition=transition))
        if image is not None:
            image = grid.crop_image(image) if tuple(image.shape[1:3]) == grid.covered_size else image
            check_image(image)
            check_size(image, grid.image_size)
            check_batch(image, inversion.batch)
            image = image.expand(inversion.batch, -1, -1, -1)
        filling = FillSettings(method=fill, seed=seed)
        if image is not None and vae is not None:
            drag = editing.moved_drag(host.ComfyHost(model, vae), image, inversion, movement, filling)
        else:
            drag = dragging.apply(inversion, movement, filling)
        samples = model.get_model_object("latent_format").process_out(drag.at(inversion, 0))
        if image is None:
            image = mask.new_full((inversion.batch, *grid.image_size, 3), 0.25)
        return io.NodeOutput(
            {"samples": on_intermediate(samples), DRAG_KEY: drag},
            grid.spread_cells((movement.region > 0).float()),
            preview.displacement(image, movement, points),
            # Not what AttentionDrag Mask found, where something stands between the two, or a drawn mask instead.
            ui=effective_region(cls, moved, scores, grid, {}),
        )
