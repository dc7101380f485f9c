"""Pictures that explain an edit: heatmaps and where things go."""

from __future__ import annotations

import torch

from ..core.motion.lookup import carry
from ..core.motion.movement import Movement
from ..core.planes.morphology import dilate
from ..core.planes.warp import coordinates
from ..core.space.drags import DragPoints
from .marks import draw_arrows

GRID_LINES = 24
"""Of the warped grid, along the picture's shorter side."""

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
    """What leaves and arrives, tinted, its field as a warped grid, and the drags, (B, H, W, 3) on the CPU.

    What goes less than a pixel is held: green. Pixels to which the element comes folded are red.
    """
    grid = movement.grid
    image = image.cpu().float()
    goes = movement.goes().cpu()
    held = movement.element.cpu() * ~goes
    if movement.held is not None:
        held = held + movement.held.cpu()
    held = held.clamp(0, 1)[..., None]
    leaving = grid.cells_to_image_mask(movement.leaving.cpu())[..., None] * (1 - held)
    arriving = grid.cells_to_image_mask(movement.arriving.cpu())[..., None]
    shown = image * (1 - 0.5 * leaving) + 0.5 * leaving * image.new_tensor([0.90, 0.35, 0.0])
    shown = shown * (1 - 0.5 * held) + 0.5 * held * image.new_tensor([0.0, 0.62, 0.45])
    arriving = arriving * (1 - held)
    shown = shown * (1 - 0.5 * arriving) + 0.5 * arriving * image.new_tensor([0.0, 0.45, 0.70])
    shown = torch.where(warped_grid(movement)[..., None], 0.35 * shown + 0.65, shown)
    if movement.folded is not None:
        shown = torch.where(movement.folded.cpu()[..., None], image.new_tensor([1.0, 0.0, 0.0]), shown)
    return draw_arrows(shown, points)


def warped_grid(movement: Movement) -> torch.Tensor:
    """(B, H, W) bool: the lines of a square grid over the source, carried along to where the element arrives."""
    height, width = movement.grid.image_size
    spacing = max(min(height, width) / GRID_LINES, 4)
    places = torch.stack(coordinates(height, width), -1)[None].expand(movement.element.shape[0], -1, -1, -1)
    carried, share = (part.cpu() for part in carry(places, movement))
    square = (carried / spacing).floor()
    line = torch.zeros_like(share, dtype=torch.bool)
    line[:, 1:] |= (square[:, 1:] != square[:, :-1]).any(-1)
    line[:, :, 1:] |= (square[:, :, 1:] != square[:, :, :-1]).any(-1)
    return line & (share > 0.5)
