"""AttentionDragEdit: the whole method in one node."""

from __future__ import annotations

import logging
from typing import Any

from comfy_api.latest import io

from ..core.edit import check_lit, check_one_behind, check_pictures
from ..core.fill.background import check_clean_plate
from ..core.hosts.comfy.inputs import sampling_sigmas
from ..core.hosts.comfy.painter import check_painter
from ..core.presets import overruled
from ..core.region.given import given_element
from ..core.space.grid import Grid, check_image
from . import edit_stages
from ._common import CATEGORY, check_size, names_itself, plate_on
from ._expanding import links_to_pass_on
from ._inputs import AUTOMATIC, check_cfg, chosen_schedule, light_output, mask_outputs
from ._schema import node_schema
from ._window import WHOLE, check_window
from .edit_stages import edit_inputs
from .edit_window import expansion, expansion_with_look, is_larger, looked_at, planned

log = logging.getLogger(__name__)


class AttentionDragEdit(io.ComfyNode):
    """All five stations: invert, find, move, sample, finish.

    It checks what it is given, then expands into three nodes (``edit_stages``), each of which ComfyUI caches by its own
    inputs: another point, tau or mask leaves the inversion as it is. A picture larger than the model's own size gets a
    window first (``edit_window``). Where it can't expand (``links_to_pass_on``) it does the same work itself.
    """

    @classmethod
    def define_schema(cls) -> io.Schema:
        return node_schema(
            node_id="AttentionDragEdit",
            display_name="AttentionDrag Edit",
            category=CATEGORY,
            description="Drags what belongs to the handles to their targets. Needs no prompt, no mask and no training. "
            "Points, tau, mask and prompts can change afterwards without inverting again.",
            inputs=edit_inputs(),
            outputs=[
                io.Image.Output("image_out", display_name="image", tooltip="The edited picture, at the source's size."),
                io.Mask.Output("mask_out", display_name="mask", tooltip="What was moved, where it was before."),
                io.Image.Output(
                    "heatmap",
                    display_name="heatmap",
                    tooltip="How strongly each place belongs to a handle, over the picture, with the mask's outline.",
                ),
                *mask_outputs(),
                light_output(),
            ],
            hidden=[io.Hidden.unique_id, io.Hidden.dynprompt],
            enable_expand=True,
            aliases=(
                *("drag", "move object", "reposition", "puppet warp", "liquify", "point based editing"),
                *("DragDiffusion", "DragGAN", "FastDrag", "InstantDrag"),
            ),
            advanced=(
                *("steps", "tau", "grow", "preserve", "hold", "cfg"),
                *("keep_pixels", "keep_element", "motion", "perspective", "schedule", "rule", "window"),
                *("paint", "light", "light_extent", "start"),
            ),
        )

    @classmethod
    def validate_inputs(cls, window: str | None = None) -> bool | str:
        # A linked text is not known yet and gets checked in execute.
        return True if window is None else check_window(window)

    @classmethod
    @names_itself
    def execute(cls, **given: Any) -> io.NodeOutput:
        check_before_running(**given)
        warn_of_overruled(**given)
        larger = is_larger(**given)
        place = planned(**given) if larger and given.get("mask") is not None else WHOLE
        links = links_to_pass_on(cls.hidden, [name for name in edit_stages.LINKED if given.get(name) is not None])
        if links is None:
            if larger and place == WHOLE:
                place = planned(look=looked_at(**given), **given)
            return edit_stages.all_at_once(place=place, **given)
        passed = {**given, **links}
        return expansion_with_look(passed) if larger and place == WHOLE else expansion(passed, place)


WIDGETS = {
    "element.rule": "rule",
    "move.motion": "motion",
    "move.start": "start",
    "sample.hold_element": "preserve",
    "sample.hold_rest": "hold",
    "source_background": "keep_pixels",
    "restore_detail": "keep_element",
    "repaint.revealed": "paint",
    "repaint.surroundings": "light",
}
"""Options of presets that are widgets here as well."""


def warn_of_overruled(preset="auto", **given: Any) -> None:
    """Logs which widgets do nothing because a preset sets them."""
    lost = overruled(edit_stages.edit_settings(**given), preset)
    names = [WIDGETS[option] for option in lost if option in WIDGETS]
    if names:
        log.warning(
            "AttentionDrag Edit, input 'preset': '%s' sets %s by itself; what the node shows there does nothing. Set "
            "preset to 'auto' to use it.",
            preset,
            ", ".join(names),
        )


def check_before_running(
    model, image, points, steps: int, strength: float, cfg: float, positive=None, mask=None, schedule="auto",
    painter=None, clean_plate=None, tau=AUTOMATIC, restyle=None, light_mask=None, **_: Any,
) -> None:
    """Raises an ``InputError`` for what would fail in any stage: before the inversion, which is dear."""
    check_cfg(cfg, positive, restyle)
    check_image(image)
    check_size(image, points.image_size)
    check_pictures(points, image.shape[0])
    schedule, steps = chosen_schedule(model, schedule, steps)
    sampling_sigmas(model, steps, strength, schedule)
    if painter is not None:
        check_painter(model, painter)
    grid = Grid.padded(*image.shape[1:3])
    plate = plate_on(grid, clean_plate)
    if plate is not None:
        check_one_behind(painter is not None)
        check_clean_plate(plate, grid, image.shape[0])
    if light_mask is not None:
        check_lit(light_mask, grid, image.shape[0])
    if mask is not None:
        given_element(mask, grid, image.shape[0])
        if tau != AUTOMATIC:
            log.warning(
                "AttentionDrag Edit, input 'tau': %g does nothing while a mask is linked, which moves as it is. Unlink "
                "the mask, or set tau to 0.",
                tau,
            )
