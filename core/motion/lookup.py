"""The element's own pixels where it arrives: the movement looked up backwards, to the pixel."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from ..planes.morphology import dilate
from ..planes.warp import coordinates, look_up
from .movement import Movement


def carry(image: torch.Tensor, movement: Movement) -> tuple[torch.Tensor, torch.Tensor]:
    """The moved element's own pixels at its destination.

    Args:
        image: (B, H, W, C) source.
        movement: where everything goes.

    Returns:
        (B, H, W, C) the picture as it arrives, and (B, H, W) the share of each pixel that the element covers.
    """
    grid, device = movement.grid, image.device
    from_x, from_y = (origins(movement).to(device) - 0.5).unbind(1)
    if movement.arrival is not None:
        return look_up(image.movedim(-1, 1), from_x, from_y).movedim(1, -1), movement.arrival.share.to(device)
    planes = torch.cat([image, movement.element[..., None].to(image)], -1).movedim(-1, 1)
    carried = look_up(planes, from_x, from_y)
    # A continued way may point into a neighbour that goes elsewhere: only what comes this way is taken.
    ways = torch.stack([grid.spread_cells(plane) for plane in movement.way.unbind(1)], 1).to(device) * grid.cell
    y, x = coordinates(*grid.image_size, device)
    way_in = torch.stack([x - from_x, y - from_y], 1)
    alike = (look_up(ways, from_x, from_y, "nearest") - way_in).abs().amax(1) < grid.cell / 2
    covered = grid.spread_cells(dilate((movement.arriving > 0).float(), 1)).to(device)
    height, width = grid.image_size
    inside = (from_x >= -0.5) & (from_x <= width - 0.5) & (from_y >= -0.5) & (from_y <= height - 0.5)
    return carried[:, :-1].movedim(1, -1), carried[:, -1] * covered * (inside & alike)


def origins(movement: Movement) -> torch.Tensor:
    """(B, 2, H, W) place (x, y) in px from the picture's corner where what arrives at every pixel was.

    Means something where the element arrives, and up to two cells round that.
    """
    if movement.arrival is not None:
        return movement.arrival.origin
    grid = movement.grid
    # Ways in are constant over an element but end at its rim: they are continued, the element cuts the shape.
    planes = [grid.cells_to_image_mask(_continued(movement, plane)) for plane in movement.way_in.unbind(1)]
    y, x = coordinates(*grid.image_size, movement.way_in.device)
    return torch.stack([x + 0.5, y + 0.5]) - torch.stack(planes, 1) * grid.cell


def _continued(movement: Movement, plane: torch.Tensor) -> torch.Tensor:
    """A plane of ways (B, h, w) continued past the covered cells, so that interpolation at the rim keeps its value."""
    covered = (movement.arriving > 0).float()[:, None]
    value = plane[:, None] * covered
    for _ in range(2):
        weight = F.avg_pool2d(covered, 3, stride=1, padding=1, divisor_override=1)
        spread = F.avg_pool2d(value, 3, stride=1, padding=1, divisor_override=1) / weight.clamp_min(1)
        value = torch.where(covered > 0, value, spread)
        covered = torch.maximum(covered, (weight > 0).float())
    return value[:, 0]
