"""Carrying contents forward: to which cells they come, and in which shares."""

from __future__ import annotations

import torch

from ..planes.warp import coordinates

LEAST = 1e-6
"""Share of a cell below which nothing arrives."""


def splat(
    weight: torch.Tensor, way: torch.Tensor, correlation: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Carries every cell's share along its way to the four cells it lands between.

    Args:
        weight: (B, h, w) share of each cell that moves.
        way: (B, 2, h, w) displacement (dx, dy) in cells.
        correlation: (B, h, w) correlation.

    Returns:
        share (B, h, w) in 0..1 of each cell that is covered, and of what covers it the mean way (B, 2, h, w) and
        the mean correlation (B, h, w); way and correlation are 0 where nothing arrives. What leaves the grid is gone.
    """
    batch, height, width = weight.shape
    y, x = coordinates(height, width, weight.device)
    target_x, target_y = x + way[:, 0], y + way[:, 1]
    low_x, low_y = target_x.floor(), target_y.floor()
    values = torch.stack([torch.ones_like(correlation), way[:, 0], way[:, 1], correlation], 1)
    sums = weight.new_zeros(batch, 4, height * width)
    for step_y in (0, 1):
        for step_x in (0, 1):
            to_x, to_y = low_x + step_x, low_y + step_y
            part = (1 - (target_x - to_x).abs()) * (1 - (target_y - to_y).abs()) * weight
            inside = (to_x >= 0) & (to_x < width) & (to_y >= 0) & (to_y < height)
            part = torch.where(inside, part, torch.zeros_like(part))
            index = (to_y.clamp(0, height - 1) * width + to_x.clamp(0, width - 1)).long()
            sums.scatter_add_(2, index.flatten(1)[:, None].expand(-1, 4, -1), (values * part[:, None]).flatten(2))
    sums = sums.unflatten(2, (height, width))
    total = sums[:, :1]
    # What rounding leaves of a share has no way, and must not count as something that arrived.
    arrives = total > LEAST
    means = torch.where(arrives, sums / total.clamp_min(LEAST), torch.zeros_like(sums))
    return (total * arrives)[:, 0].clamp(0, 1), means[:, 1:3], means[:, 3]
