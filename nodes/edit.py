"""AttentionDragEdit: the whole method in one node."""

from __future__ import annotations

import logging
from typing import Any

from comfy_api.latest import io
from comfy_execution.graph_utils import GraphBuilder

from ..core.edit import check_one_behind, check_pictures
from ..core.fill.background import check_clean_plate
from ..core.hosts.comfy.inputs import sampling_sigmas
from ..core.hosts.comfy.painter import check_painter
from ..core.presets import overruled
from ..core.region.given import given_element
from ..core.space.grid import Grid, check_image
from . import edit_stages
from ._common import CATEGORY, check_size, names_itself, plate_on
from ._expanding import links_to_pass_on
from ._inputs import AUTOMATIC, check_cfg, chosen_schedule, mask_outputs
from ._schema import node_schema
from .edit_stages import AttentionDragEditInvert, AttentionDragEditMove, AttentionDragEditSample, edit_inputs

log = logging.getLogger(__name__)


class AttentionDragEdit(io.ComfyNode):
    """All five stations: invert, find, move, sample, finish.

    It checks what it is given, then expands into three nodes (``edit_stages``), each of which ComfyUI caches by its own
    inputs: another point, tau or mask leaves the inversion as it is. Where it can't expand (``links_to_pass_on``) it
    does the same work itself.
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
            ],
            hidden=[io.Hidden.unique_id, io.Hidden.dynprompt],
            enable_expand=True,
            aliases=(
                *("drag", "move object", "reposition", "puppet warp", "liquify", "point based editing"),
                *("DragDiffusion", "DragGAN", "FastDrag", "InstantDrag"),
            ),
            advanced=(
                *("steps", "tau", "grow", "preserve", "hold", "cfg"),
                *("keep_pixels", "keep_element", "perspective", "schedule", "rule", "preset"),
            ),
        )

    @classmethod
    @names_itself
    def execute(cls, **given: Any) -> io.NodeOutput:
        check_before_running(**given)
        warn_of_overruled(**given)
        links = links_to_pass_on(cls.hidden, [name for name in edit_stages.LINKED if given.get(name) is not None])
        if links is None:
            return edit_stages.all_at_once(**given)
        passed = {**given, **links}

        def stage(node: type[io.ComfyNode], **more: Any):
            return graph.node(node.__name__, id=node.STAGE, **edit_stages.taken(node, passed), **more)

        graph = GraphBuilder()
        inverted = stage(AttentionDragEditInvert).out(0)
        moved = stage(AttentionDragEditMove, inversion=inverted)
        sampled = stage(AttentionDragEditSample, inversion=inverted, dragged=moved.out(0))
        return io.NodeOutput(sampled.out(0), *(moved.out(at) for at in range(1, 5)), expand=graph.finalize())


WIDGETS = {
    "element.rule": "rule",
    "move.motion": "motion",
    "sample.hold_element": "preserve",
    "sample.hold_rest": "hold",
    "source_background": "keep_pixels",
    "restore_detail": "keep_element",
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
    painter=None, clean_plate=None, tau=AUTOMATIC, restyle=None, **_: Any,
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
    if mask is not None:
        given_element(mask, grid, image.shape[0])
        if tau != AUTOMATIC:
            log.warning(
                "AttentionDrag Edit, input 'tau': %g does nothing while a mask is linked, which moves as it is. Unlink "
                "the mask, or set tau to 0.",
                tau,
            )
