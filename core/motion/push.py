"""Pushing: an object goes, and what lies round it gives way, so that nothing is left behind and nothing is torn.

What is at p goes the share f(d) of the way, f falling from 1 to 0 in an S over ``REACH`` times the way's length (as the
brushes that push pixels do: the steepest place is 1.5 / REACH of the way a px); d is the distance from the object, and
``STIFF`` of that from the nearest moving handle, or line between two: a small object goes as one, a large one bends. A
part of a thing goes so on what it is a part of: a muzzle in a face. Half way to another object, and at the picture's
border, f is 0: objects push neither each other nor what is the other's, and nothing comes in from beyond the picture.
Of several handles the way is the mean of their drags with weights 1 / (d^2 + 1 px^2) (``reshape``), an anchor's being
none.
"""

from __future__ import annotations

import torch

from ..planes.morphology import dilate
from ..planes.warp import coordinates, look_up
from ..space.grid import Grid
from . import lattice
from .reshape import coarse_distance, distance_between, mean_way, partly

REACH = 2.5
"""Over how many times the length of its way an object's surroundings give way: they are squeezed to 0.4 at the most."""

STIFF = 0.5
"""What distance from the handles counts for, of what distance from the object does."""


def share_round(
    distance: torch.Tensor, free: torch.Tensor, handles: torch.Tensor, length: torch.Tensor
) -> torch.Tensor:
    """The share f (B, n, m) in 0..1 of its object's way that everything goes.

    Args:
        distance: (B, n, m) px from the object.
        free: (B, n, m) px of it at which nothing goes any more, for what else there is.
        handles: (B, n, m) px from the object's moving handles, or lines between them.
        length: () of the object's longest way, px.
    """
    reached = 1 - (distance + STIFF * handles) / (REACH * length).clamp_min(1e-6)
    near = torch.minimum(reached, (free - distance) / free.clamp_min(1e-6)).clamp(0, 1)
    return near * near * (3 - 2 * near)


def pushed(
    elements: torch.Tensor, at: int, handles: torch.Tensor, targets: torch.Tensor, moves: list[int], grid: Grid
) -> tuple[torch.Tensor, torch.Tensor]:
    """The map of an object with what gives way round it, and all that goes with it.

    Args:
        elements: (B, O, H, W) in 0..1, every object.
        at: which of them.
        handles, targets: (B, k, 2) px, of it; an anchor's are the same.
        moves: which of them are no anchors.
        grid: of the picture.

    Returns:
        (B, 2, n, m) where what arrives at the lattice's nodes was, px, and (B, H, W) in 0..1 what moves: of a large
        object not all, and beyond a small one.
    """
    step, batch = lattice.spacing(grid), elements.shape[0]
    y, x = lattice.nodes(grid, elements.device)
    across, down = (place.expand(batch, -1, -1) for place in (x, y))
    inside = look_up(elements, across - 0.5, down - 0.5) > 0.5
    # Half a node lies between the last node inside and the outline, in the mean.
    distance = (coarse_distance(inside[:, at]) * step - step / 2).clamp_min(0)
    apart = [coarse_distance(inside[:, index]) * step for index in range(elements.shape[1]) if index != at]
    border = torch.minimum(torch.minimum(x, grid.image_width - x), torch.minimum(y, grid.image_height - y)).clamp_min(0)
    free = torch.stack([distance + border, *((distance + other) / 2 for other in apart)]).amin(0)
    length = torch.linalg.vector_norm(targets - handles, dim=-1).amax()
    pulled = torch.stack([handles[:, index] for index in moves], 1)
    # The nodes round a handle are its own.
    share = share_round(distance, free, (distance_between(pulled, x, y) - 1.5 * step).clamp_min(0), length)
    sources = lattice.unfolded(partly(torch.stack([x, y]), mean_way(handles, targets, x, y), share, step), grid)
    # What goes nowhere lies round what goes, so that nothing of what goes is cut off at a soft edge; but the picture's
    # border is left alone.
    near = dilate((share > 0).to(elements), 1) * (border > 0)
    if apart:
        near = near * (distance < torch.stack(apart).amin(0))
    pixel_y, pixel_x = (places + 0.5 for places in coordinates(*grid.image_size, elements.device))
    gone = lattice.at_places(near[:, None], grid, pixel_x, pixel_y)[:, 0]
    return sources, (gone > 0.5).to(elements)
