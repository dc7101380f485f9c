"""Inputs that the long chain and the all-in-one node have in common."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..core.attention.tokens import SourceAttention
from ..core.diffusion.repaint import RepaintSettings
from ..core.errors import InputError
from ..core.families import AUTOMATIC_STEPS, SD1, Schedule, ScheduleChoice, chosen
from ..core.hosts.comfy.family import family
from ..core.motion.field import Motion, Start
from ..core.options import choices
from ..core.presets import Preset
from ..core.region.found import Rule
from ..core.settings import EditSettings

DEFAULTS = EditSettings()
AUTOMATIC = 0.0
RESTORE_DETAIL = (
    "The moved element and the filled background keep the detail that the VAE loses; what sampling changed is added to "
    "them. Turn it off to see the decoder's own picture, for a strong restyle."
)
MAX_SEED = 0xFFFFFFFFFFFFFFFF


def model_input() -> io.Input:
    return io.Model.Input("model", tooltip="Any Stable Diffusion 1.x, 2.x or SDXL model, LoRAs included.")


def schedule_inputs() -> list[io.Input]:
    """steps, strength."""
    return [
        io.Int.Input(
            "steps",
            default=AUTOMATIC_STEPS,
            min=AUTOMATIC_STEPS,
            max=999,
            tooltip="Steps over the whole noise schedule; 'strength' of them are run, each way. 0 takes what suits the "
            f"model: {DEFAULTS.steps}, for a distilled one {SD1.distilled().steps}.",
        ),
        io.Float.Input(
            "strength",
            default=DEFAULTS.strength,
            min=0.02,
            max=1.0,
            step=0.01,
            tooltip="How deep into the noise. Higher gives the model more freedom to repaint.",
        ),
    ]


def schedule_input() -> io.Input:
    """schedule; after all others, since saved workflows store values by position."""
    return io.Combo.Input(
        "schedule",
        options=choices(ScheduleChoice),
        default="auto",
        optional=True,
        tooltip="'distilled' for LCM, Turbo, Lightning and Hyper, checkpoint or LoRA. 'auto' knows them only by "
        "ModelSamplingDiscrete set to 'lcm': the file itself doesn't say.",
    )


def clip_input() -> io.Input:
    return io.Clip.Input(
        "clip",
        optional=True,
        tooltip="The checkpoint's CLIP: its encoding of the empty text then stands for what isn't linked of positive "
        "and negative, as SD 1.x and 2.x were trained. Without it zeros do, which they never saw; SDXL takes zeros "
        "anyway.",
    )


def restyle_input() -> io.Input:
    return io.Conditioning.Input(
        "restyle",
        optional=True,
        tooltip="A prompt for what the edited part shall look like: in positive's place on the way back alone, which "
        "only the free cells follow. Lower preserve for it. Another one inverts nothing again.",
    )


def painter_input() -> io.Input:
    return io.Model.Input(
        "painter",
        optional=True,
        tooltip="A second model of the same family that paints in its place: what the drag reveals and, with light, "
        "the light round it. An inpainting checkpoint, best.",
    )


def clean_plate_input() -> io.Input:
    return io.Image.Input(
        "clean_plate",
        optional=True,
        tooltip="Your own picture of what is behind, at the picture's size: shown where the element was, in the place "
        "of a filling.",
    )


def mask_outputs() -> list[io.Output]:
    """revealed, seam; after all others, since saved workflows link outputs by position."""
    return [
        io.Mask.Output(
            "revealed",
            display_name="revealed",
            tooltip="What the element left and nothing came to: for any inpainting node.",
        ),
        io.Mask.Output(
            "seam",
            display_name="seam",
            tooltip="A band round what arrived and what is revealed, where things meet that did not use to.",
        ),
    ]


def chosen_schedule(model: Any, schedule: ScheduleChoice, steps: int) -> tuple[Schedule, int]:
    """Schedule and number of steps of a MODEL by the widgets' values, "auto" and 0 being its family's."""
    return chosen(family(model), schedule, steps)


def refinements_input() -> io.Input:
    return io.Int.Input(
        "refinements",
        default=DEFAULTS.refinements,
        min=0,
        max=10,
        tooltip="Extra evaluations per inversion step that make the round trip more exact.",
    )


def mask_inputs() -> list[io.Input]:
    """tau, grow."""
    return [
        io.Float.Input(
            "tau",
            default=AUTOMATIC,
            min=0.0,
            max=1.0,
            step=0.005,
            tooltip="Correlation from which a pixel belongs to the handle; lower takes more. 0 chooses it by itself.",
        ),
        io.Int.Input(
            "grow",
            default=DEFAULTS.element.grow,
            min=-256,
            max=256,
            tooltip="Widens the mask, in pixels; negative narrows it.",
        ),
    ]


def mask_edge_inputs() -> list[io.Input]:
    """feather, connected."""
    return [
        io.Int.Input(
            "feather",
            default=DEFAULTS.element.feather,
            min=0,
            max=256,
            tooltip="Soft edge of the mask, in pixels.",
        ),
        io.Boolean.Input(
            "connected", default=DEFAULTS.element.connected, tooltip="Keep only what is connected to the handle."
        ),
    ]


def correlation_inputs() -> list[io.Input]:
    """disc, symmetric."""
    return [
        io.Float.Input(
            "disc",
            default=DEFAULTS.correlation.disc,
            min=0.0,
            max=16.0,
            step=0.25,
            optional=True,
            tooltip="Attention is read off a disc round the handle of this radius, in latent cells (8 px); 0 reads one "
            "cell alone. The same on AttentionDrag Mask and Apply.",
        ),
        io.Boolean.Input(
            "symmetric",
            optional=True,
            default=DEFAULTS.correlation.symmetric,
            tooltip="Read how much the others look at the handle, too, and not only where the handle looks. The same "
            "on AttentionDrag Mask and Apply.",
        ),
    ]


def rule_input() -> io.Input:
    """rule."""
    return io.Combo.Input(
        "rule",
        options=choices(Rule),
        default=DEFAULTS.element.rule,
        optional=True,
        tooltip="How the mask is found: walk follows attention and the picture's edges together; threshold takes what "
        "correlates enough. With a tau, or without a picture, it is threshold.",
    )


def motion_inputs() -> list[io.Input]:
    """motion, perspective."""
    return [
        io.Combo.Input(
            "motion",
            options=choices(Motion),
            default=DEFAULTS.move.motion,
            optional=True,
            tooltip="'move' moves each object as one piece: two handles turn, stretch and scale it, more bend it, "
            "anchors hold it. 'push' takes it along and lets what lies round it give way: nothing is left behind, "
            "nothing torn off. 'reshape' keeps its far rim and stretches what lies between. 'auto' moves things, and "
            "pushes parts of things, places on them that short drags mean, and what no turn or change of size "
            "explains; anchors and what drags say themselves come first. 'paper' is the published rule, 'apart' moves "
            "every handle's surroundings for themselves.",
        ),
        io.Boolean.Input(
            "perspective",
            default=DEFAULTS.move.perspective,
            optional=True,
            tooltip="What a single handle moves over the ground gets smaller up the picture and larger down. A drag "
            "straight up lifts it: it comes a little nearer.",
        ),
    ]


def seed_input() -> io.Input:
    return io.Int.Input(
        "seed",
        default=0,
        min=0,
        max=MAX_SEED,
        control_after_generate=False,
        tooltip="Of the noise in the vacated area: another seed paints another background.",
    )


def preset_input() -> io.Input:
    return io.Combo.Input(
        "preset",
        options=choices(Preset),
        default="auto",
        optional=True,
        tooltip="'auto' leaves everything to the other widgets. 'keep' holds the element exactly and lets the model "
        "join what meets. 'paper' takes AttentionDrag's published steps: nothing is held, all of the picture is the "
        "model's. Both set several widgets by themselves (see the help page).",
    )


def share_input(name: str, default: float, tooltip: str, optional: bool = False) -> io.Input:
    """A number from 0 to 1."""
    return io.Float.Input(name, default=default, min=0.0, max=1.0, step=0.01, tooltip=tooltip, optional=optional)


def repaint_inputs() -> list[io.Input]:
    """paint, light, light_extent; after all others, since saved workflows store values by position."""
    return [
        share_input(
            "paint",
            DEFAULTS.repaint.revealed,
            optional=True,
            tooltip="How strongly the model paints what the element hid, over the filling: 0 leaves the filling, 0.5 "
            "to 0.8 lets the model continue textures and things. Takes more evaluations; set hold to 1 with it.",
        ),
        share_input(
            "light",
            DEFAULTS.repaint.surroundings,
            optional=True,
            tooltip="How strongly the model may change the light round the element's old and new place: shadow and "
            "contact. Textures stay the picture's own. 0 leaves it, 0.4 to 0.6 is a start. Takes more evaluations.",
        ),
        io.Float.Input(
            "light_extent",
            default=DEFAULTS.repaint.extent,
            min=0.0,
            max=8.0,
            step=0.1,
            optional=True,
            tooltip="How far that reaches round both places, in sizes of the element. Beyond it the picture is the "
            "source's own, bit for bit.",
        ),
    ]


def start_input() -> io.Input:
    """start; optional: it is younger than saved workflows."""
    return io.Combo.Input(
        "start",
        options=choices(Start),
        default=DEFAULTS.move.start,
        optional=True,
        tooltip="What is moved: the inverted latents, or, with image and VAE, the picture's pixels, which are then "
        "encoded. 'inverted' inverts that again before it is sampled, in as many evaluations more: with a low preserve "
        "the model may then adapt what turns, stretches or opens.",
    )


def light_mask_input() -> io.Input:
    """After all others, since saved workflows link inputs by position."""
    return io.Mask.Input(
        "light_mask",
        optional=True,
        tooltip="Where the light may change, instead of all round as far as light_extent: shadows that you painted.",
    )


def light_output() -> io.Output:
    """After all others, since saved workflows link outputs by position."""
    return io.Mask.Output(
        "light_out", display_name="light", tooltip="Where the light changed round the element: shadow and contact."
    )


def repaint_settings(paint: float, light: float, light_extent: float) -> RepaintSettings:
    """The widgets as settings."""
    return RepaintSettings(revealed=paint, surroundings=light, extent=light_extent)


def consistency_inputs() -> list[io.Input]:
    """consistency, consistency_share."""
    return [
        io.Combo.Input(
            "consistency",
            options=choices(SourceAttention),
            default=DEFAULTS.sample.source_attention,
            tooltip="What self-attention does with the original's keys and values: look at them as the drag moved "
            "them, and not at the element's old ones ('follow'), look at nothing else ('replace'), look at them, too "
            "('extend'), or ignore them ('off').",
        ),
        share_input(
            "consistency_share",
            DEFAULTS.sample.source_attention_share,
            tooltip="For which share of the steps.",
        ),
    ]


def asking_input() -> io.Input:
    """consistency_queries; optional, and last among a node's widgets: it is younger than saved workflows."""
    return share_input(
        "consistency_queries",
        DEFAULTS.sample.source_queries,
        optional=True,
        tooltip="With consistency 'follow': how far what arrived asks as its original did, too, as long as the two "
        "still match; less with every step. For a low preserve: it arrives more as itself.",
    )


def preserve_input() -> io.Input:
    return share_input(
        "preserve",
        DEFAULTS.sample.hold_element,
        tooltip="For which share of the steps the moved element is held to what it was. Lower it to let the "
        "model adapt it, or a prompt restyle it.",
    )


def hold_input() -> io.Input:
    return share_input(
        "hold",
        DEFAULTS.sample.hold_rest,
        tooltip="For which share of the steps what the element leaves, and the seam round it, are held to the "
        "continued background. Lower it to let the model paint more of its own there.",
    )


def cfg_input() -> io.Input:
    return io.Float.Input(
        "cfg",
        default=1.0,
        min=0.0,
        max=100.0,
        step=0.1,
        tooltip="Guidance on the way back towards restyle, or positive. 1 needs no negative and half the time. Above "
        "about 3 an inverted picture begins to break: colours glare, shapes fall apart.",
    )


def tau_setting(tau: float) -> float | None:
    """The widget's number as ``ElementSettings`` takes it."""
    return None if tau == AUTOMATIC else tau


def check_cfg(cfg: float, positive: list | None, restyle: list | None = None) -> None:
    """Raises an ``InputError`` for a guidance scale that has no prompt to guide to."""
    if cfg != 1.0 and positive is None and restyle is None:
        raise InputError(
            "cfg",
            f"{cfg:g} with no positive prompt linked.",
            "Link a positive CONDITIONING (or restyle), or set cfg to 1.",
        )
