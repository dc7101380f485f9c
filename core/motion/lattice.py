"""A map of the picture kept on a lattice of nodes: one function for pixels and cells, and its folds.

The map tells where what arrives at a node was. Between nodes it is bilinear, so that an affine map is itself, and a map
has no fold where all four corners of a lattice square keep their orientation.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from ..planes.morphology import dilate
from ..planes.warp import coordinates, look_up
from ..space.grid import Grid

MOST_NODES = 256
"""Along the longer side, about; smaller pictures have two nodes a cell."""

FLATTENED = 0.05
"""Of an area where it arrives, the least that a lattice square may come from, and in its inverse the most: less counts
as folded, more as torn."""

ROUNDS = 24
"""Of relaxing folds."""


def spacing(grid: Grid) -> int:
    """px from node to node."""
    return max(grid.cell // 2, math.ceil(max(grid.covered_size) / MOST_NODES), 1)


def nodes(grid: Grid, device: torch.device | str = "cpu") -> tuple[torch.Tensor, torch.Tensor]:
    """(y, x) of the nodes in px from the picture's corner, each (n, m); they cover picture and latent."""
    step = spacing(grid)
    extents = [
        max(image, offset + covered)
        for image, offset, covered in zip(
            grid.image_size, (grid.offset_y, grid.offset_x), grid.covered_size, strict=True
        )
    ]
    rows, columns = (math.ceil(extent / step) + 1 for extent in extents)
    y, x = coordinates(rows, columns, device)
    return y * step, x * step


def at_places(sources: torch.Tensor, grid: Grid, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The map of nodes (B, 2, n, m) at places (h, w) in px, (B, 2, h, w)."""
    step, batch = spacing(grid), (sources.shape[0], -1, -1)
    return look_up(sources, (x / step).expand(*batch), (y / step).expand(*batch))


def folds(sources: torch.Tensor, grid: Grid) -> torch.Tensor:
    """(B, n - 1, m - 1) bool: lattice squares that the map (B, 2, n, m) turns over, flattens or tears."""
    across = sources[..., :, 1:] - sources[..., :, :-1]
    down = sources[..., 1:, :] - sources[..., :-1, :]
    turned = [
        ax[:, 0] * ay[:, 1] - ax[:, 1] * ay[:, 0]
        for ax in (across[..., :-1, :], across[..., 1:, :])
        for ay in (down[..., :, :-1], down[..., :, 1:])
    ]
    area, corners = spacing(grid) ** 2, torch.stack(turned)
    return (corners.amin(0) < FLATTENED * area) | (corners.amax(0) > area / FLATTENED)


def unfolded(sources: torch.Tensor, grid: Grid) -> torch.Tensor:
    """The map with ways round its folds evened out; a map without folds stays as it is, bit for bit."""
    y, x = nodes(grid, sources.device)
    place = torch.stack([x, y])
    ways = sources - place
    for _ in range(ROUNDS):
        squares = folds(place + ways, grid)
        # On the host it is known at once that there is nothing to do.
        if squares.device.type == "cpu" and not squares.any():
            break
        folded = F.pad(squares.float()[:, None], (0, 1, 0, 1))
        # The nodes of a folded square and those next to them.
        folded = torch.maximum(folded, torch.roll(folded, (1, 1), (-2, -1)))
        near = dilate(folded[:, 0], 2)[:, None] > 0
        even = F.avg_pool2d(F.pad(ways, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
        ways = torch.where(near, even, ways)
    return torch.where((ways == sources - place).all(1, keepdim=True), sources, place + ways)
