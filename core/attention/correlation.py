"""How strongly each cell belongs to each handle: A[h, p] / A[h, h], read off the recorded attention (steps 2 and 3).

``A`` is the averaged self-attention map of one token grid. A handle's map is its row of the symmetrised
``(A + A^T) / 2``, averaged over a small disc round the handle because a single diagonal entry is noisy
(AttentionDrag, arXiv 2506.13301, normalises by A[h, h] alone).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from ..options import check_not_negative
from ..space.grid import Grid
from ..space.points import DragPoints, Point
from .maps import AttentionMaps


@dataclass(frozen=True, kw_only=True)
class CorrelationSettings:
    """How a handle's map is read; the defaults were measured (``benchmarks/ABLATION.md``).

    Attributes:
        disc: radius in latent cells of the disc round the handle whose rows are averaged; 0 reads one token.
        symmetric: read how much the others look at the handle, too, and not only where the handle looks.
    """

    disc: float = 1.0
    symmetric: bool = True

    def __post_init__(self):
        check_not_negative("disc", self.disc, "cells")


def correlate(
    maps: AttentionMaps, grid: Grid, points: DragPoints, settings: CorrelationSettings | None = None
) -> torch.Tensor:
    """Correlation of every latent cell with every handle.

    Args:
        maps: of the inversion.
        grid: where the latent lies over the image.
        points: the drags.
        settings: see there.

    Returns:
        (B, P + C, h, w) float32 in 0..1 on the maps' device, of every pair's handle and then of every click; 1 is
        the point's own surroundings. A pair's radius plays no part: it limits what moves, not what belongs together.
    """
    settings = settings or CorrelationSettings()
    places = [pair.handle for pair in points.pairs] + [click.at for click in points.clicks]
    per_grid = [_rows(attention, size, grid, places, settings) for size, attention in sorted(maps.items())]
    size = grid.latent_size
    total = torch.zeros(())
    for rows in per_grid:
        total = total.to(rows) + F.interpolate(rows, size=size, mode="bilinear", align_corners=False)
    correlation = total / len(per_grid)
    weights = torch.stack([_disc(place, grid, size, settings.disc) for place in places]).to(correlation)
    own = (correlation * weights).sum((-2, -1), keepdim=True)
    return (correlation / own.clamp_min(torch.finfo(correlation.dtype).tiny)).clamp(0, 1)


def _rows(
    attention: torch.Tensor, size: tuple[int, int], grid: Grid, places: list[Point], settings: CorrelationSettings
) -> torch.Tensor:
    """Handle rows of one token grid, (B, P, *size), each scaled to a mean of 1."""
    discs = [_disc(place, grid, size, settings.disc).flatten() for place in places]
    rows = torch.stack([_weighted(attention, disc, settings.symmetric) for disc in discs], 1)
    rows = rows / rows.mean(-1, keepdim=True)
    return rows.unflatten(-1, size)


def _weighted(attention: torch.Tensor, disc: torch.Tensor, symmetric: bool) -> torch.Tensor:
    """(B, n) mean row of the tokens in a disc (n,), with their mean column where ``symmetric``.

    Only these are read and converted: of a fine map a point needs a few rows.
    """
    tokens = disc.nonzero()[:, 0]
    weights = disc[tokens].to(attention.device, torch.float32)
    tokens = tokens.to(attention.device)
    rows = torch.einsum("t,btn->bn", weights, attention.index_select(1, tokens).float())
    if symmetric:
        rows = rows + torch.einsum("t,bnt->bn", weights, attention.index_select(2, tokens).float())
    return rows


def _disc(place: Point, grid: Grid, size: tuple[int, int], radius: float) -> torch.Tensor:
    """Weights (*size) summing to 1 of the tokens within ``radius`` latent cells of the handle, softly cut."""
    height, width = size
    cell_y, cell_x = grid.latent_height / height, grid.latent_width / width
    handle_x, handle_y = grid.to_cells(place)
    y = (torch.arange(height, dtype=torch.float32) + 0.5) * cell_y
    x = (torch.arange(width, dtype=torch.float32) + 0.5) * cell_x
    # A handle on the image's border, or in a margin that the latent doesn't cover, belongs to the nearest token.
    handle_y = min(max(handle_y, float(y[0])), float(y[-1]))
    handle_x = min(max(handle_x, float(x[0])), float(x[-1]))
    reach_y, reach_x = max(radius, cell_y), max(radius, cell_x)
    weight_y = (1 - (y - handle_y).abs() / reach_y).clamp_min(0)
    weight_x = (1 - (x - handle_x).abs() / reach_x).clamp_min(0)
    weights = weight_y[:, None] * weight_x[None, :]
    return weights / weights.sum()
