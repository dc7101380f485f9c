"""Pictures that explain an edit: heatmaps and where things go."""

from __future__ import annotations

import math

import numpy as np
import torch
from PIL import Image, ImageDraw

from ..core.motion.movement import Movement
from ..core.planes.morphology import dilate
from ..core.space.points import DragPoints

PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#FFFFFF")
"""Okabe and Ito's colours, told apart by colour-blind eyes (jfly.uni-koeln.de/color)."""

# Dark violet over red to pale yellow: rises in lightness, so it also reads in grey.
_STOPS = torch.tensor([[0.05, 0.03, 0.20], [0.45, 0.10, 0.45], [0.85, 0.30, 0.25], [0.98, 0.65, 0.20], [1.0, 1.0, 0.8]])


def colour(values: torch.Tensor) -> torch.Tensor:
    """Values in 0..1 (...) as RGB (..., 3)."""
    position = values.clamp(0, 1) * (len(_STOPS) - 1)
    low = position.floor().long().clamp(max=len(_STOPS) - 2)
    share = (position - low)[..., None]
    stops = _STOPS.to(values.device)
    return stops[low] * (1 - share) + stops[low + 1] * share


def heat(values: torch.Tensor) -> torch.Tensor:
    """Correlation (B, H, W) as a picture (B, H, W, 3), on a square-root scale that shows weak correlation, too."""
    return colour(values.clamp(0, 1).sqrt())


def overlay(image: torch.Tensor, values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Heat over a picture, with the mask's outline.

    Args:
        image: (B, H, W, 3) in 0..1.
        values: (B, H, W) in 0..1.
        mask: (B, H, W) in 0..1.
    """
    shown = 0.45 * image + 0.55 * heat(values)
    return torch.where(outline(mask)[..., None], torch.ones_like(shown), shown)


def outline(mask: torch.Tensor) -> torch.Tensor:
    """(B, H, W) bool: the rim of where the mask is above a half."""
    inside = (mask > 0.5).float()
    return (dilate(inside, 1) - inside) > 0


def displacement(image: torch.Tensor, movement: Movement, points: DragPoints) -> torch.Tensor:
    """Where the element leaves and arrives, tinted, and the drags as arrows, (B, H, W, 3) on the CPU."""
    grid = movement.grid
    image = image.cpu().float()
    leaving = grid.cells_to_image_mask(movement.leaving.cpu())[..., None]
    arriving = grid.cells_to_image_mask(movement.arriving.cpu())[..., None]
    shown = image * (1 - 0.5 * leaving) + 0.5 * leaving * image.new_tensor([0.90, 0.35, 0.0])
    shown = shown * (1 - 0.5 * arriving) + 0.5 * arriving * image.new_tensor([0.0, 0.45, 0.70])
    return draw_arrows(shown, points)


def draw_arrows(image: torch.Tensor, points: DragPoints) -> torch.Tensor:
    """The drags as numbered arrows over (B, H, W, 3) in 0..1; returns the same shape on the CPU."""
    pictures = []
    for picture in image.cpu():
        canvas = Image.fromarray((picture.clamp(0, 1) * 255).round().byte().numpy(), "RGB")
        _draw(canvas, points)
        pictures.append(torch.from_numpy(np.asarray(canvas).copy()).float() / 255)
    return torch.stack(pictures)


def _draw(canvas: Image.Image, points: DragPoints) -> None:
    width, height = canvas.size
    unit = max(2.0, min(width, height) / 100)
    draw = ImageDraw.Draw(canvas)
    for index, pair in enumerate(points.pairs):
        fill = PALETTE[index % len(PALETTE)]
        start = (pair.handle[0] * width, pair.handle[1] * height)
        end = (pair.target[0] * width, pair.target[1] * height)
        for pen, line in (("black", unit), (fill, unit * 0.5)):
            draw.line([start, end], fill=pen, width=max(1, round(line * 1.2)))
            _head(draw, start, end, 4 * unit * (1.15 if pen == "black" else 1.0), pen)
        _dot(draw, start, 2 * unit, fill)
        if pair.radius is not None:
            reach = pair.radius * min(width, height)
            draw.ellipse([start[0] - reach, start[1] - reach, start[0] + reach, start[1] + reach], outline=fill)
        draw.text(
            (start[0] + 2.5 * unit, start[1] - 2.5 * unit),
            str(index + 1),
            fill=fill,
            anchor="lb",
            stroke_width=max(1, round(unit / 3)),
            stroke_fill="black",
            font_size=max(10, round(5 * unit)),
        )


def _head(draw: ImageDraw.ImageDraw, start, end, size: float, fill: str) -> None:
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = math.hypot(dx, dy)
    if length < 1e-6:
        return
    dx, dy = dx / length, dy / length
    base = (end[0] - dx * size, end[1] - dy * size)
    side = (-dy * size / 2, dx * size / 2)
    draw.polygon([end, (base[0] + side[0], base[1] + side[1]), (base[0] - side[0], base[1] - side[1])], fill=fill)


def _dot(draw: ImageDraw.ImageDraw, at, radius: float, fill: str) -> None:
    draw.ellipse([at[0] - radius, at[1] - radius, at[0] + radius, at[1] + radius], fill=fill, outline="black")
