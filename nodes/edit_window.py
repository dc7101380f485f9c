"""How AttentionDragEdit comes to its window: by a look at the whole picture, or by what is known without one.

A window is a plain value for the stages (``_window.place_of``): ComfyUI keys its cache by links and values, and the
points, which the window follows from, would make every inversion another one.
"""

from __future__ import annotations

import logging
from typing import Any

from comfy_api.latest import io
from comfy_execution.graph_utils import GraphBuilder

from ..core.hosts.comfy.family import family
from ..core.hosts.comfy.host import ComfyHost
from ..core.windowed import Look, look, needs_look, take
from . import edit_stages
from ._common import names_itself
from ._expanding import links_to_pass_on
from ._held import Held
from ._window import WHOLE, LookType, context_of, place_of
from .edit_stages import AttentionDragEditInvert, AttentionDragEditMove, AttentionDragEditSample, edit_settings

log = logging.getLogger(__name__)


def is_larger(model, image, window: str = "auto", **_: Any) -> bool:
    """Whether an edit of the picture takes a window."""
    return needs_look((image.shape[1], image.shape[2]), family(model).native_px, context_of(window))


def looked_at(model, vae, image, positive=None, clip=None, **given: Any) -> Look:
    """A look at the whole picture."""
    host = ComfyHost(model, vae, positive, clip=clip)
    return look(host, image, family(model).native_px, edit_settings(model, **given))


def planned(model, image, points, window: str = "auto", mask=None, look: Look | None = None, **given: Any) -> str:
    """Where the window lies; says so in the log."""
    settings = edit_settings(model, **given)
    drags = points.on_image(image.shape[1], image.shape[2])
    taken = take(image, drags, family(model).native_px, context_of(window), settings, mask, look)
    log.info("AttentionDrag Edit: %s", taken.window)
    return place_of(taken.window)


def expansion(passed: dict[str, Any], place: str = WHOLE) -> io.NodeOutput:
    """The three stages of an edit at a place as a graph; ``passed`` are Edit's inputs, objects among them as links."""
    graph = GraphBuilder()

    def stage(node: type[io.ComfyNode], **more: Any):
        where = {} if place == WHOLE else {"place": place}
        return graph.node(node.__name__, id=node.STAGE, **edit_stages.taken(node, passed), **where, **more)

    inverted = stage(AttentionDragEditInvert).out(0)
    moved = stage(AttentionDragEditMove, inversion=inverted)
    sampled = stage(AttentionDragEditSample, inversion=inverted, dragged=moved.out(0))
    masks = (moved.out(at) for at in range(1, 5))
    return io.NodeOutput(sampled.out(0), *masks, sampled.out(1), expand=graph.finalize())


def expansion_with_look(passed: dict[str, Any]) -> io.NodeOutput:
    """A look and what follows from it as a graph."""
    graph = GraphBuilder()
    seen, windowed = AttentionDragEditLook, AttentionDragEditWindow
    looked = graph.node(seen.__name__, id=seen.STAGE, **edit_stages.taken(seen, passed))
    last = graph.node(
        windowed.__name__, id=windowed.STAGE, **edit_stages.taken(windowed, passed), look=looked.out(0)
    )
    return io.NodeOutput(*(last.out(at) for at in range(6)), expand=graph.finalize())


class AttentionDragEditLook(io.ComfyNode):
    """A short inversion of the whole picture. Knows nothing of the points."""

    STAGE = "look"
    TAKES = AttentionDragEditInvert.TAKES

    @classmethod
    def define_schema(cls) -> io.Schema:
        return edit_stages.stage_schema("AttentionDragEditLook", cls.TAKES, [], [LookType.Output("made")])

    @classmethod
    @names_itself
    def execute(cls, **given: Any) -> io.NodeOutput:
        return io.NodeOutput(Held(looked_at(**given)))


class AttentionDragEditWindow(io.ComfyNode):
    """Plans the window, and expands into the stages of an edit there."""

    STAGE = "window"
    TAKES = tuple(one.id for one in edit_stages.edit_inputs())

    @classmethod
    def define_schema(cls) -> io.Schema:
        outputs = [io.Image.Output("picture"), io.Mask.Output("element"), io.Image.Output("heatmap")]
        return edit_stages.stage_schema(
            "AttentionDragEditWindow",
            cls.TAKES,
            [LookType.Input("look")],
            [*outputs, *edit_stages.mask_outputs(), edit_stages.light_output()],
            hidden=[io.Hidden.unique_id, io.Hidden.dynprompt],
            enable_expand=True,
        )

    @classmethod
    @names_itself
    def execute(cls, look: Look, **given: Any) -> io.NodeOutput:
        place = planned(look=look, **given)
        links = links_to_pass_on(cls.hidden, [name for name in edit_stages.LINKED if given.get(name) is not None])
        if links is None:
            return edit_stages.all_at_once(place=place, **given)
        return expansion({**given, **links}, place)
