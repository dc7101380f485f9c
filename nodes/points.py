"""The drags of an edit, set on the picture itself (web/attentiondrag.js) or given as text."""

from __future__ import annotations

import hashlib
from pathlib import Path

import folder_paths
import torch
from comfy_api.latest import io
from PIL import Image

from ..core.errors import InputError
from ..core.space.drags import ClickKind, DragPoints, Point
from ..core.space.handles import centres, from_pixels, to_pixels, with_handles
from ..core.space.points import parse_points
from ._common import CATEGORY, DragPointsType, names_itself
from ._schema import node_schema
from .marks import draw_arrows

SUBFOLDER = "attentiondrag"


class AttentionDragPoints(io.ComfyNode):
    """Drags on an image, checked and bound to its size."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return node_schema(
            node_id="AttentionDragPoints",
            display_name="AttentionDrag Points",
            category=CATEGORY,
            description="Set drags on the picture: press on what should move, drag to where it should go.",
            inputs=[
                io.Image.Input("image", tooltip="The picture to edit. It shows in the picker at once."),
                io.String.Input(
                    "points",
                    default="",
                    multiline=True,
                    dynamic_prompts=False,
                    tooltip="The drags as JSON, written by the picker. Coordinates run from 0 to 1. "
                    'Example: {"version": 1, "pairs": [{"handle": [0.3, 0.5], "target": [0.6, 0.5]}]}',
                ),
                io.String.Input(
                    "handles",
                    optional=True,
                    force_input=True,
                    tooltip="Places to drag from instead of the drawn handles, in pixels as SAM's nodes have them: "
                    '[{"x": 120, "y": 80}]. Each drag keeps its way; one drag goes for all.',
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Drags from the middle of this instead, for what a segmenter found; several masks are "
                    "several handles.",
                ),
            ],
            outputs=[
                DragPointsType.Output(
                    "drags", display_name="points", tooltip="The drags, for the other AttentionDrag nodes."
                ),
                io.Image.Output(
                    "same",
                    display_name="image",
                    tooltip="The picture, unchanged. To keep the inversion from running again when points change, "
                    "encode the picture from where it comes, not from here.",
                ),
                io.Image.Output(
                    "preview", display_name="preview", tooltip="The picture with drags, anchors and clicks drawn on it."
                ),
                io.String.Output(
                    "handle_pixels",
                    display_name="handles",
                    tooltip="Handles and clicks that add, in pixels: the positive points of SAM3 Detect.",
                ),
                io.String.Output(
                    "left_out_pixels",
                    display_name="left out",
                    tooltip="Clicks that leave out, in pixels: the negative points of SAM3 Detect.",
                ),
            ],
            aliases=("drag", "point editor", "handles and targets", "puppet warp", "SAM points"),
            intermediate_output=True,
        )

    @classmethod
    def validate_inputs(cls, points: str | None = None) -> bool | str:
        # Before anything runs; a linked text is not known yet and gets checked in execute.
        if points is None:
            return True
        try:
            parse_points(points)
        except InputError as error:
            return str(error)
        return True

    @classmethod
    @names_itself
    def execute(
        cls, image: torch.Tensor, points: str, handles: str | None = None, mask: torch.Tensor | None = None
    ) -> io.NodeOutput:
        height, width = size = (image.shape[1], image.shape[2])
        drags = parse_points(points).on_image(*size)
        if handles is not None and mask is not None:
            raise InputError("handles", "linked beside a mask.", "Unlink one of them: both say where drags begin.")
        if handles is not None:
            drags = with_handles(drags, from_pixels(handles, size))
        elif mask is not None:
            drags = with_handles(drags, centres(mask, size), "mask")
        positive = [*(pair.handle for pair in drags.pairs), *_clicked(drags, "add")]
        return io.NodeOutput(
            drags,
            image,
            draw_arrows(image[:1, ..., :3], drags),
            to_pixels(positive, size),
            to_pixels(_clicked(drags, "leave_out"), size),
            ui={
                "attentiondrag_source": [_save_for_picker(image[0])],
                "attentiondrag_size": [[width, height]],
                "attentiondrag_points": [points],
            },
        )


def _clicked(drags: DragPoints, kind: ClickKind) -> list[Point]:
    return [click.at for click in drags.clicks if click.kind == kind]


def _save_for_picker(image: torch.Tensor) -> dict[str, str]:
    """Saves (H, W, C) in ComfyUI's temporary folder; returns where.

    Named by content: the same picture has one file and one address for the browser, however often it runs.
    """
    pixels = (image[..., :3].detach().cpu().clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    name = hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()[:16] + ".png"
    folder = Path(folder_paths.get_temp_directory()) / SUBFOLDER
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / name).exists():
        Image.fromarray(pixels).save(folder / name, compress_level=1)
    return {"filename": name, "subfolder": SUBFOLDER, "type": "temp"}
