"""AttentionDragApply: the one-step movement in the latent."""

from __future__ import annotations

from comfy_api.latest import io

from ..core import edit as stations
from ..core.attention.correlation import CorrelationSettings
from ..core.fill.background import Fill, FillSettings
from ..core.hosts.comfy.host import ComfyHost
from ..core.motion.field import Falloff, MoveSettings
from ..core.options import choices
from ..core.pixels.revealed import revealed_mask, seam_mask
from ..core.region.found import ElementSettings
from ..core.settings import EditSettings
from . import preview
from ._common import (
    CATEGORY,
    DRAG_KEY,
    DragPointsType,
    InversionType,
    grid_of,
    image_on,
    names_itself,
    on_intermediate,
    plate_on,
)
from ._inputs import (
    AUTOMATIC,
    DEFAULTS,
    clean_plate_input,
    correlation_inputs,
    mask_outputs,
    motion_inputs,
    seed_input,
    start_input,
    tau_setting,
)
from ._schema import node_schema
from .mask import effective_element


class AttentionDragApply(io.ComfyNode):
    """Moves the element in the inverted latent: the station ``move``."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return node_schema(
            node_id="AttentionDragApply",
            display_name="AttentionDrag Apply",
            category=CATEGORY,
            description="Moves what the mask covers in the inverted latent, in one step, and fills what it leaves. "
            "Sample the result with AttentionDrag Sampler.",
            inputs=[
                io.Model.Input("model", tooltip="The model of the inversion."),
                InversionType.Input("inversion", tooltip="Of AttentionDrag Inversion."),
                DragPointsType.Input("points", tooltip="The drags, from AttentionDrag Points."),
                io.Mask.Input("mask", tooltip="What moves, usually from AttentionDrag Mask."),
                io.Combo.Input(
                    "falloff",
                    options=choices(Falloff),
                    default=DEFAULTS.move.falloff,
                    tooltip="'rigid' leaves it to motion; 'correlation', with motion 'auto', moves each cell the less, "
                    "the less it belongs to the handle, as older workflows did.",
                ),
                io.Int.Input(
                    "transition",
                    default=DEFAULTS.move.transition,
                    min=0,
                    max=16,
                    tooltip="Latent cells (8 px) round where it leaves and arrives that may change, too.",
                ),
                seed_input(),
                io.Combo.Input(
                    "fill",
                    options=choices(Fill),
                    default=DEFAULTS.fill.method,
                    tooltip="How the background is continued over what the element leaves, with image and VAE linked: "
                    "'smooth' and 'curved' for plain and shaded grounds, 'patches' for textures and patterns; 'auto' "
                    "tries them round the hole and gives each the ground's own grain. 'attention' is the published "
                    "way: in the latent, the mean of what the hole's own attention looks at.",
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
                *correlation_inputs(),
                *motion_inputs(),
                clean_plate_input(),
                start_input(),
                io.Float.Input(
                    "tau",
                    default=AUTOMATIC,
                    min=0.0,
                    max=1.0,
                    step=0.005,
                    optional=True,
                    tooltip="With motion 'paper': correlation above which a cell moves. 0 chooses it by itself. The "
                    "same on AttentionDrag Mask.",
                ),
            ],
            outputs=[
                io.Latent.Output(
                    "latent",
                    display_name="dragged",
                    tooltip="The moved latent at the inversion's noise, for AttentionDrag Sampler.",
                ),
                io.Mask.Output(
                    "region", display_name="free", tooltip="The latent cells that sampling may change, at image size."
                ),
                io.Image.Output(
                    "preview",
                    display_name="displacement",
                    tooltip="What leaves (orange), arrives (blue) and is held (green), with the drags.",
                ),
                *mask_outputs(),
            ],
            aliases=("drag", "move object", "latent warp", "puppet warp"),
            advanced=("transition", "disc", "symmetric", "perspective", "start", "tau"),
            intermediate_output=True,
        )

    @classmethod
    @names_itself
    def execute(
        cls,
        model,
        inversion,
        points,
        mask,
        falloff,
        transition,
        seed,
        fill,
        image=None,
        vae=None,
        disc=DEFAULTS.correlation.disc,
        symmetric=DEFAULTS.correlation.symmetric,
        motion=DEFAULTS.move.motion,
        perspective=DEFAULTS.move.perspective,
        clean_plate=None,
        start=DEFAULTS.move.start,
        tau=AUTOMATIC,
    ) -> io.NodeOutput:
        grid = grid_of(inversion, points)
        settings = EditSettings(
            correlation=CorrelationSettings(disc=disc, symmetric=symmetric),
            element=ElementSettings(tau=tau_setting(tau)),
            move=MoveSettings(
                falloff=falloff, transition=transition, motion=motion, perspective=perspective, start=start
            ),
            fill=FillSettings(method=fill),
            seed=seed,
        )
        found = stations.find(inversion, grid, points, settings, given=mask)
        image = image_on(grid, image, inversion.batch)
        clean_plate = plate_on(grid, clean_plate)
        host = ComfyHost(model, vae)
        dragged = stations.move(
            inversion, found, settings, image, host if vae is not None else None, clean_plate=clean_plate
        )
        if image is None:
            image = mask.new_full((inversion.batch, *grid.image_size, 3), 0.25)
        return io.NodeOutput(
            {"samples": on_intermediate(host.to_latent(dragged.at(inversion, 0))), DRAG_KEY: dragged},
            grid.spread_cells((dragged.movement.free > 0).float()),
            preview.displacement(image, dragged.movement, points),
            on_intermediate(revealed_mask(dragged, settings.fill)),
            on_intermediate(seam_mask(dragged, settings.fill)),
            # Not what AttentionDrag Mask found, where something stands between the two, or a drawn mask instead.
            ui=effective_element(cls, found, {}, movement=dragged.movement),
        )
