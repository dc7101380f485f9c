"""The drags of an edit, set on the picture itself (web/attentiondrag.js) or given as text."""

from __future__ import annotations

import hashlib
from pathlib import Path

import folder_paths
import numpy as np
import torch
from comfy_api.latest import io
from PIL import Image, ImageDraw, ImageFont

from ..core.errors import InputError
from ..core.points import DragPair, DragPoints, parse_points

DragPointsType = io.Custom("DRAG_POINTS")

# Okabe and Ito's palette without black, in the order of web/picker/palette.js.
PALETTE = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
SUBFOLDER = "attentiondrag"


class AttentionDragPoints(io.ComfyNode):
    """Drags on an image, checked and bound to its size."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="AttentionDragPoints",
            display_name="AttentionDrag Points",
            category="AttentionDrag",
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
                DragPointsType.Output(display_name="points", tooltip="The drags, for the other AttentionDrag nodes."),
                io.Image.Output(
                    display_name="image",
                    tooltip="The picture, unchanged. To keep the inversion from running again when points change, "
                    "encode the picture from where it comes, not from here.",
                ),
                io.Image.Output(display_name="preview", tooltip="The picture with the drags drawn on it."),
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
    def execute(cls, image: torch.Tensor, points: str) -> io.NodeOutput:
        try:
            drags = parse_points(points)
        except InputError as error:
            raise error.named("AttentionDrag Points") from error
        height, width = image.shape[1:3]
        drags = drags.on_image(height, width)
        first = _to_pil(image[0])
        preview = torch.from_numpy(np.asarray(draw_drags(first, drags), dtype=np.float32) / 255)[None]
        return io.NodeOutput(
            drags,
            image,
            preview,
            ui={
                "attentiondrag_source": [_save_temp(first)],
                "attentiondrag_size": [[width, height]],
                "attentiondrag_points": [points],
            },
        )


def draw_drags(picture: Image.Image, drags: DragPoints) -> Image.Image:
    """The RGB picture with every drag on it: numbered handle, arrow, ring at the target, circle of the radius."""
    # Twice the size, then reduced: PIL draws slanted lines without smoothing.
    scale = 2
    canvas = picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)
    pen = ImageDraw.Draw(canvas, "RGBA")
    unit = max(1.0, min(picture.size) / 512) * scale
    for index, pair in enumerate(drags.pairs):
        _draw_pair(pen, pair, index, canvas.size, unit)
    return canvas.resize(picture.size, Image.Resampling.BOX)


def _draw_pair(pen: ImageDraw.ImageDraw, pair: DragPair, index: int, size: tuple[int, int], unit: float) -> None:
    colour = PALETTE[index % len(PALETTE)]
    dark = (0, 0, 0, 190)
    start = np.array(pair.handle) * size
    end = np.array(pair.target) * size
    disc, ring = 9 * unit, 7 * unit
    if pair.radius is not None:
        _circle(pen, start, pair.radius * min(size), outline=colour, width=round(1.5 * unit))
    length = float(np.linalg.norm(end - start))
    if length > disc + ring:
        along = (end - start) / length
        across = np.array([-along[1], along[0]])
        tip = end - along * (ring + 2 * unit)
        back = tip - along * min(11 * unit, length - disc - ring)
        shaft = [*(start + along * disc), *back]
        pen.line(shaft, fill=dark, width=round(5 * unit))
        pen.line(shaft, fill=colour, width=round(2.5 * unit))
        head = [tuple(tip), tuple(back + across * 5 * unit), tuple(back - across * 5 * unit)]
        pen.polygon(head, fill=colour, outline=dark)
    _circle(pen, end, ring + unit, outline=dark, width=round(4.5 * unit))
    _circle(pen, end, ring, outline=colour, width=round(2.5 * unit))
    _circle(pen, end, 2 * unit, fill=colour)
    _circle(pen, start, disc, fill=colour, outline=(0, 0, 0, 255), width=round(1.5 * unit))
    font = ImageFont.load_default(size=(11 if index < 9 else 9) * unit)
    pen.text(tuple(start), str(index + 1), fill=_ink_on(colour), font=font, anchor="mm")


def _circle(pen: ImageDraw.ImageDraw, centre: np.ndarray, radius: float, **style: object) -> None:
    pen.ellipse([*(centre - radius), *(centre + radius)], **style)


def _ink_on(colour: str) -> str:
    """Black or white, whichever reads better on the colour (relative luminance of WCAG 2)."""
    channels = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return "#000000" if linear @ (0.2126, 0.7152, 0.0722) > 0.18 else "#FFFFFF"


def _to_pil(image: torch.Tensor) -> Image.Image:
    """(H, W, C) in 0..1 as RGB; an alpha channel is dropped, as ComfyUI's VAE Encode drops it."""
    pixels = (image[..., :3].detach().cpu().clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    return Image.fromarray(pixels).convert("RGB")


def _save_temp(picture: Image.Image) -> dict[str, str]:
    """Saves for the picker. Named by content: the same picture has one file and one address for the browser."""
    name = hashlib.sha256(picture.tobytes() + repr(picture.size).encode()).hexdigest()[:16] + ".png"
    folder = Path(folder_paths.get_temp_directory()) / SUBFOLDER
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / name).exists():
        picture.save(folder / name, compress_level=1)
    return {"filename": name, "subfolder": SUBFOLDER, "type": "temp"}
