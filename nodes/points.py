"""The drags of an edit, set on the picture itself (web/attentiondrag.js) or given as text."""

from __future__ import annotations

import hashlib
from pathlib import Path

import folder_paths
import torch
from comfy_api.latest import io
from PIL import Image

from ..core.errors import InputError
from ..core.space.points import parse_points
from ._common import CATEGORY, DragPointsType, names_itself
from .marks import draw_arrows

SUBFOLDER = "attentiondrag"


class AttentionDragPoints(io.ComfyNode):
    """Drags on an image, checked and bound to its size."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
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
            ],
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
    def execute(cls, image: torch.Tensor, points: str) -> io.NodeOutput:
        height, width = image.shape[1:3]
        drags = parse_points(points).on_image(height, width)
        return io.NodeOutput(
            drags,
            image,
            draw_arrows(image[:1, ..., :3], drags),
            ui={
                "attentiondrag_source": [_save_for_picker(image[0])],
                "attentiondrag_size": [[width, height]],
                "attentiondrag_points": [points],
            },
        )


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
