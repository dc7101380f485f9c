"""What AttentionDragEdit expands into: inverting, moving and sampling, each cached by ComfyUI for itself.

They appear in no menu and are named as Edit is: who reads an error has an Edit node before them, and no other. A new
input of Edit goes into ``edit_inputs``, into ``edit_settings`` and into ``TAKES`` of the stages that it
changes: those run again when it changes, and what comes after them.
"""

from __future__ import annotations

import logging
from typing import Any

import latent_preview
from comfy_api.latest import io

from ..core import edit as stations
from ..core.attention.plan import CapturePlan, plan_footprint
from ..core.diffusion.cost import cost_of
from ..core.diffusion.dragged import DraggedLatent
from ..core.diffusion.inversion import Inversion
from ..core.diffusion.sampling import SampleSettings
from ..core.edit import Found
from ..core.hosts.comfy.host import ComfyHost
from ..core.hosts.comfy.inputs import sampling_sigmas
from ..core.hosts.comfy.layers import attention_layers
from ..core.motion.field import MoveSettings
from ..core.pixels.revealed import revealed_mask, seam_mask
from ..core.presets import applied
from ..core.region.found import ElementSettings
from ..core.region.given import given_element
from ..core.settings import EditSettings
from ..core.space.grid import Grid
from ..core.window.crop import crop
from ..core.windowed import lit_in
from ._common import CATEGORY, CaptureType, DragPointsType, InversionType, names_itself, on_intermediate, plate_on
from ._held import Held
from ._inputs import (
    DEFAULTS,
    RESTORE_DETAIL,
    cfg_input,
    chosen_schedule,
    clean_plate_input,
    clip_input,
    hold_input,
    light_mask_input,
    light_output,
    mask_inputs,
    mask_outputs,
    model_input,
    motion_inputs,
    painter_input,
    preserve_input,
    preset_input,
    repaint_inputs,
    repaint_settings,
    restyle_input,
    rule_input,
    schedule_input,
    schedule_inputs,
    seed_input,
    start_input,
    tau_setting,
)
from ._schema import node_schema
from ._window import WHOLE, InWindow, place_input, told, whole_of, window_at, window_input, within
from ._window import over as over_picture
from .mask import changed_light, effective_element, heatmap

log = logging.getLogger(__name__)

DraggedType = io.Custom("ATTENTIONDRAG_DRAGGED")

LINKED = (
    *("model", "vae", "image", "points", "mask", "positive", "negative", "capture", "painter", "clean_plate"),
    *("clip", "restyle", "light_mask"),
)
"""Edit's inputs that are objects: passed on as links."""


def edit_inputs() -> list[io.Input]:
    """Edit's inputs. Append new ones: saved workflows store values by position."""
    return [
        model_input(),
        io.Vae.Input("vae", tooltip="The autoencoder of the same checkpoint."),
        io.Image.Input("image", tooltip="The picture that the points were set on."),
        DragPointsType.Input("points", tooltip="The drags, from AttentionDrag Points."),
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
        io.Mask.Input(
            "mask",
            optional=True,
            tooltip="Moves this instead of what the attention finds; tau, grow and rule do not count then.",
        ),
        io.Conditioning.Input("positive", optional=True, tooltip="A prompt that describes the image."),
        io.Conditioning.Input("negative", optional=True, tooltip="What to keep away from; needs cfg above 1."),
        CaptureType.Input("capture", optional=True, tooltip="What to record; automatic if not linked."),
        *motion_inputs(),
        schedule_input(),
        painter_input(),
        rule_input(),
        clean_plate_input(),
        clip_input(),
        restyle_input(),
        preset_input(),
        window_input(),
        *repaint_inputs(),
        light_mask_input(),
        start_input(),
    ]


def edit_settings(model=None, **given: Any) -> EditSettings:
    """Edit's widgets as settings; those that a stage isn't given are at their defaults, which it doesn't read.

    Steps and schedule that are left to the model are known with the ``model`` alone.
    """
    defaults = {one.id: one.default for one in edit_inputs() if hasattr(one, "default")}
    at = {**defaults, **given}
    schedule, steps = DEFAULTS.schedule, at["steps"]
    if model is not None:
        schedule, steps = chosen_schedule(model, at["schedule"], steps)
    settings = EditSettings(
        steps=steps,
        schedule=schedule,
        strength=at["strength"],
        capture=at.get("capture") or CapturePlan(),
        element=ElementSettings(tau=tau_setting(at["tau"]), grow=at["grow"], rule=at["rule"]),
        move=MoveSettings(motion=at["motion"], perspective=at["perspective"], start=at["start"]),
        seed=at["seed"],
        sample=SampleSettings(hold_element=at["preserve"], hold_rest=at["hold"]),
        source_background=at["keep_pixels"],
        restore_detail=at["keep_element"],
        repaint=repaint_settings(at["paint"], at["light"], at["light_extent"]),
    )
    return applied(settings, at["preset"])


def invert(model, vae, image, positive=None, clip=None, place: str = WHOLE, **given: Any) -> Inversion:
    """Encodes the picture, or its window, padded to whole cells, and inverts it."""
    image = within(window_at(place, image), image)
    settings = edit_settings(model, **given)
    count = len(sampling_sigmas(model, settings.steps, settings.strength, settings.schedule)) - 1
    callback = latent_preview.prepare_callback(model, 2 * count)
    host = ComfyHost(
        model,
        vae,
        positive,
        inversion_progress=lambda step, x0, x, _: callback(step, x0, x, 2 * count),
        clip=clip,
    )
    size = Grid.padded(*image.shape[1:3]).latent_size
    layers = tuple(attention_layers(model.model).values())
    footprint = plan_footprint(settings.capture, layers, image.shape[0], size, count)
    log.info("AttentionDrag Edit: %s", cost_of(footprint, count, settings.refinements))
    return stations.invert(host, host.encode(Grid.padded(*image.shape[1:3]).pad_image(image)), settings)


def move(
    model, vae, image, points, inversion: Inversion, mask=None, clean_plate=None, place: str = WHOLE, **given: Any
) -> tuple[Found, DraggedLatent | InWindow]:
    """Finds the element and moves it."""
    window = window_at(place, image)
    if not window.is_whole:
        taken = crop(window, image, points, mask)
        plate = plate_on(Grid.padded(*window.picture), clean_plate)
        inner = None if plate is None else within(window, plate)
        given["grow"] = round(given["grow"] * window.scale)
        found, dragged = move(model, vae, taken.image, taken.points, inversion, taken.mask, inner, **given)
        assert isinstance(dragged, DraggedLatent)
        return found, InWindow(dragged, taken, plate)
    settings = edit_settings(**given)
    grid = Grid.padded(*image.shape[1:3])
    found = stations.find(inversion, grid, points.on_image(*grid.image_size), settings, image, mask)
    host, clean_plate = ComfyHost(model, vae), plate_on(grid, clean_plate)
    return found, stations.move(inversion, found, settings, image, host, clean_plate=clean_plate)


def sample(
    model,
    vae,
    image,
    inversion: Inversion,
    dragged: DraggedLatent | InWindow,
    cfg: float,
    positive=None,
    negative=None,
    painter=None,
    restyle=None,
    light_mask=None,
    **given: Any,
) -> tuple[Any, Any]:
    """Samples back, decodes and puts the picture together, (B, H, W, 3); and (B, H, W) where its light changed."""
    settings = edit_settings(model, **given)
    if isinstance(dragged, InWindow):
        taken, window = dragged.crop.image, dragged.crop.window
        inside, light = sample(
            model, vae, taken, inversion, dragged.dragged, cfg, positive, negative, painter, restyle,
            lit_in(window, light_mask), **given,
        )  # fmt: skip
        return dragged.stitched(inside, settings), whole_of(window, light)
    count = inversion.steps
    callback = latent_preview.prepare_callback(model, 2 * count)
    host = ComfyHost(
        model,
        vae,
        positive,
        negative,
        cfg,
        sampling_progress=lambda step, x0, x, _: callback(count + step, x0, x, 2 * count),
        painter=painter,
        restyle=restyle,
    )
    latent = stations.sample(host, inversion, dragged, settings, lit=light_mask)
    done = stations.finished(image, host.decode(latent), dragged, settings.beside(host.paints), lit=light_mask)
    return done.image, done.light


def shown_of(
    cls: type[io.ComfyNode], image, found: Found, dragged: DraggedLatent | InWindow, place: str = WHOLE, **given: Any
) -> tuple[Any, Any, dict]:
    """Mask and heatmap, and what the point picker is told of them."""
    made_by = {name: given[name] for name in ("steps", "strength")}
    if given.get("mask") is None:
        made_by |= {name: given[name] for name in ("tau", "grow", "rule", "preset") if name in given}
    window = window_at(place, image)
    heat = over_picture(window, image, heatmap(within(window, image).cpu(), found))
    element = whole_of(window, found.element)
    if given.get("mask") is not None and not window.is_whole:
        element = given_element(given["mask"], Grid.padded(*window.picture), image.shape[0])
    movement = (dragged.dragged if isinstance(dragged, InWindow) else dragged).movement
    shown = effective_element(cls, found, made_by, window, movement) | told(window)
    return on_intermediate(element), on_intermediate(heat), shown


def revealed_and_seam(dragged: DraggedLatent | InWindow) -> tuple[Any, Any]:
    """The masks for whoever paints there next."""
    if isinstance(dragged, InWindow):
        window, dragged = dragged.crop.window, dragged.dragged
        revealed, seam = (whole_of(window, mask(dragged)) for mask in (revealed_mask, seam_mask))
        return on_intermediate(revealed), on_intermediate(seam)
    return on_intermediate(revealed_mask(dragged)), on_intermediate(seam_mask(dragged))


class AttentionDragEditInvert(io.ComfyNode):
    """The first stage: encode and invert. Knows nothing of the points."""

    STAGE = "invert"
    TAKES = ("model", "vae", "image", "steps", "strength", "positive", "capture", "schedule", "clip")

    @classmethod
    def define_schema(cls) -> io.Schema:
        return stage_schema("AttentionDragEditInvert", cls.TAKES, [place_input()], [InversionType.Output("made")])

    @classmethod
    @names_itself
    def execute(cls, **given: Any) -> io.NodeOutput:
        return io.NodeOutput(Held(invert(**given)))


class AttentionDragEditMove(io.ComfyNode):
    """The second stage: find the element, move it, fill what it leaves. Costs no evaluation."""

    STAGE = "move"
    TAKES = (
        *("model", "vae", "image", "points", "steps", "strength", "seed", "tau", "grow", "mask", "motion"),
        *("perspective", "rule", "clean_plate", "preset", "start"),
    )

    @classmethod
    def define_schema(cls) -> io.Schema:
        outputs = [DraggedType.Output("made"), io.Mask.Output("element"), io.Image.Output("heatmap"), *mask_outputs()]
        made = [InversionType.Input("inversion"), place_input()]
        return stage_schema("AttentionDragEditMove", cls.TAKES, made, outputs)

    @classmethod
    @names_itself
    def execute(cls, **given: Any) -> io.NodeOutput:
        found, dragged = move(**given)
        element, heat, shown = shown_of(cls, found=found, dragged=dragged, **given)
        return io.NodeOutput(Held(dragged), element, heat, *revealed_and_seam(dragged), ui=shown)


class AttentionDragEditSample(io.ComfyNode):
    """The last stage: the way back and the picture."""

    STAGE = "sample"
    TAKES = (
        *("model", "vae", "image", "preserve", "hold", "cfg", "keep_pixels", "keep_element", "positive", "negative"),
        *("painter", "restyle", "preset", "schedule", "paint", "light", "light_extent", "light_mask"),
    )

    @classmethod
    def define_schema(cls) -> io.Schema:
        made = [InversionType.Input("inversion"), DraggedType.Input("dragged"), place_input()]
        outputs = [io.Image.Output("picture"), light_output()]
        return stage_schema("AttentionDragEditSample", cls.TAKES, made, outputs)

    @classmethod
    @names_itself
    def execute(cls, **given: Any) -> io.NodeOutput:
        picture, light = sample(**given)
        return io.NodeOutput(on_intermediate(picture), on_intermediate(light), ui=changed_light(cls, light))


def taken(stage: type[io.ComfyNode], given: dict[str, Any]) -> dict[str, Any]:
    """What a stage takes of Edit's inputs, less those that aren't linked."""
    return {name: given[name] for name in stage.TAKES if given.get(name) is not None}


def all_at_once(place: str = WHOLE, **given: Any) -> io.NodeOutput:
    """The three stages in a row, for an Edit that can't expand."""
    inversion = invert(**taken(AttentionDragEditInvert, given), place=place)
    moving = {**taken(AttentionDragEditMove, given), "place": place}
    found, dragged = move(inversion=inversion, **moving)
    element, heat, shown = shown_of(AttentionDragEditMove, found=found, dragged=dragged, **moving)
    picture, light = sample(inversion=inversion, dragged=dragged, **taken(AttentionDragEditSample, given))
    masks = *revealed_and_seam(dragged), on_intermediate(light)
    shown |= changed_light(AttentionDragEditSample, light)
    return io.NodeOutput(on_intermediate(picture), element, heat, *masks, ui=shown)


def stage_schema(
    node_id: str, takes: tuple[str, ...], made: list[io.Input], outputs: list[io.Output], **more: Any
) -> io.Schema:
    """Of a stage: Edit's inputs that it takes, and what the stages before it made."""
    known = {one.id: one for one in edit_inputs()}
    return node_schema(
        node_id=node_id,
        display_name="AttentionDrag Edit",
        category=f"{CATEGORY}/stages of Edit",
        description="A stage of AttentionDrag Edit, which expands into it while it runs. Use AttentionDrag Edit or the "
        "nodes of the long chain.",
        inputs=[*(known[name] for name in takes), *made],
        outputs=outputs,
        intermediate_output=node_id == "AttentionDragEditMove",
        dev_only=True,
        **more,
    )
