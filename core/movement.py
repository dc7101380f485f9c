"""Where every cell goes, and what comes to rest on every cell.

Each cell of the region follows one handle, the one it correlates with most (winner takes all, as LazyDrag,
arXiv 2509.12203, found better than averaging: opposing drags don't cancel). Displacements are splatted forward
to find what each destination cell receives, then contents are sampled backward at that sub-cell position.
Where several arrive at one cell, the strongest correlation wins, whatever the order of the points.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F

from .correlation import reach
from .errors import InputError
from .grid import Grid
from .points import DragPair, DragPoints

Falloff = Literal["rigid", "correlation"]

TOUCHED = 0.02
"""Share of a cell from which something left or arrived counts: half a pixel row of 8."""


@dataclass(frozen=True, kw_only=True)
class MoveSettings:
    """How the region moves.

    Attributes:
        falloff: "rigid" moves all cells of a region by the whole drag; "correlation" scales each cell's way by
            its correlation with the handle (AttentionDrag's v = A[h, p] / A[h, h] * V), which stretches.
        transition: cells round the source and the destination that sampling may change, too.
    """

    falloff: Falloff = "rigid"
    transition: int = 1

    def __post_init__(self):
        if self.transition < 0:
            raise InputError("transition", f"{self.transition} cells.", "Use 0 or more.")


@dataclass(frozen=True, eq=False)
class Movement:
    """One edit's movement on the latent grid; float32 on one device.

    Attributes:
        grid: where the latent lies over the image.
        source: (B, h, w) share of each cell that leaves its place.
        arriving: (B, h, w) share of each cell that is covered by something that arrived.
        offset: (B, 2, h, w) way (dx, dy) in cells that brought it: cell q receives the content of q - offset.
        region: (B, h, w) share that sampling may change: source, destination and transition.
        mask: (B, H, W) what leaves its place, at image size: ``source`` to the pixel.
        way: (B, 2, h, w) way (dx, dy) in cells that the content of each source cell goes; 0 where nothing leaves.
    """

    grid: Grid
    mask: torch.Tensor
    source: torch.Tensor
    arriving: torch.Tensor
    offset: torch.Tensor
    region: torch.Tensor
    way: torch.Tensor

    @property
    def vacated(self) -> torch.Tensor:
        """(B, h, w) share of each cell that was left and not covered again."""
        return (self.source * (1 - self.arriving)).clamp(0, 1)

    def warp(self, planes: torch.Tensor) -> torch.Tensor:
        """Content (B, C, h, w) as it arrives at every destination cell, bilinear between cells."""
        return _sample(planes, _positions(self.offset, planes.device)).to(planes.dtype)

    def warp_noise(self, noise: torch.Tensor) -> torch.Tensor:
        """As ``warp`` for Gaussian noise: scaled so that interpolation between cells keeps its variance."""
        fraction = (self.offset - self.offset.floor()).to(noise.device)
        square = fraction**2 + (1 - fraction) ** 2
        return self.warp(noise) / square.prod(1, keepdim=True).sqrt()


def owners(scores: torch.Tensor, mask: torch.Tensor, grid: Grid, points: DragPoints) -> torch.Tensor:
    """Which handle each cell of the region follows.

    Args:
        scores: (B, P, h, w) correlation.
        mask: (B, h, w) share of each cell that moves.

    Returns:
        (B, P, h, w): ``mask`` in the plane of the winner, 0 elsewhere and beyond a winner's radius.
    """
    within = torch.stack([reach(pair, grid) for pair in points.pairs]).to(scores)
    winner = (scores + 2 * within).argmax(1, keepdim=True)
    one_hot = torch.zeros_like(scores).scatter_(1, winner, 1.0)
    return one_hot * within * mask[:, None].to(scores)


def plan(
    scores: torch.Tensor,
    mask: torch.Tensor,
    grid: Grid,
    points: DragPoints,
    settings: MoveSettings | None = None,
) -> Movement:
    """Turns drags and a region into a movement.

    Args:
        scores: (B, P, h, w) correlation in 0..1.
        mask: (B, H, W) at image size in 0..1, what is to move.
        grid, points: as for the scores.
        settings: falloff and transition.
    """
    settings = settings or MoveSettings()
    # A canonical order makes ties independent of the order in which the user drew.
    order = sorted(range(len(points)), key=lambda index: _rank(points.pairs[index]))
    pairs = [points.pairs[index] for index in order]
    points = DragPoints(tuple(pairs), points.image_size)
    scores = scores[:, order].float()
    cells = grid.image_mask_to_cells(mask).to(scores)
    owned = owners(scores, cells, grid, points)
    anchored = torch.tensor([pair.is_anchor for pair in pairs], device=scores.device)

    coverage, offset, strength = [], [], []
    ways = scores.new_zeros(scores.shape[0], 2, *grid.latent_size)
    for index, pair in enumerate(pairs):
        way = torch.tensor(grid.displacement(pair), device=scores.device, dtype=scores.dtype)
        field = way[None, :, None, None].expand(scores.shape[0], 2, *grid.latent_size)
        if settings.falloff == "correlation":
            field = field * scores[:, index, None]
        ways = torch.where(owned[:, index, None] > 0, field, ways)
        share, arrived_way, arrived_score = splat(owned[:, index], field, scores[:, index])
        coverage.append(share)
        offset.append(arrived_way)
        strength.append(arrived_score)
    coverage, offset, strength = torch.stack(coverage, 1), torch.stack(offset, 1), torch.stack(strength, 1)

    # A sliver of a strong handle must not outbid another's full cell.
    bid = torch.where(coverage > 0, (strength + 1e-6) * (coverage >= 0.5).float() + 1e-3 * coverage, coverage)
    winner = bid.argmax(1, keepdim=True)
    # Other handles' shares count as well: where two drag one element alike, no seam of background opens between.
    arriving = (coverage * (~anchored).float()[None, :, None, None]).sum(1).clamp(max=1)
    offset = offset.gather(1, winner[:, :, None].expand(-1, 1, 2, -1, -1))[:, 0]
    still = anchored[winner[:, 0]]
    arriving = torch.where(still, torch.zeros_like(arriving), arriving)
    offset = torch.where(still[:, None], torch.zeros_like(offset), offset)
    source = (owned * (~anchored).float()[None, :, None, None]).sum(1)
    held = (owned * anchored.float()[None, :, None, None]).sum(1)
    changed = torch.maximum(source, arriving)
    region = widen((changed > TOUCHED).float(), settings.transition)
    region = torch.where((held > 0.5) & (changed == 0), torch.zeros_like(region), region)
    leaving = grid.spread_cells(source / cells.clamp_min(1e-6)) > 0.5
    return Movement(grid, mask.to(scores) * leaving, source, arriving, offset, region, ways)


def _rank(pair: DragPair) -> tuple:
    return pair.target, pair.handle, math.inf if pair.radius is None else pair.radius


def splat(
    weight: torch.Tensor, way: torch.Tensor, score: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Carries every cell's share along its way to the four cells it lands between.

    Args:
        weight: (B, h, w) share of each cell that moves.
        way: (B, 2, h, w) displacement (dx, dy) in cells.
        score: (B, h, w) correlation.

    Returns:
        share (B, h, w) in 0..1 of each cell that is covered, and of what covers it the mean way (B, 2, h, w) and
        the mean score (B, h, w); way and score are 0 where nothing arrives. What leaves the grid is gone.
    """
    batch, height, width = weight.shape
    y, x = torch.meshgrid(
        torch.arange(height, device=weight.device), torch.arange(width, device=weight.device), indexing="ij"
    )
    target_x, target_y = x + way[:, 0], y + way[:, 1]
    low_x, low_y = target_x.floor(), target_y.floor()
    values = torch.stack([torch.ones_like(score), way[:, 0], way[:, 1], score], 1)
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
    means = torch.where(total > 1e-6, sums / total.clamp_min(1e-6), torch.zeros_like(sums))
    return total[:, 0].clamp(0, 1), means[:, 1:3], means[:, 3]


def widen(cells: torch.Tensor, by: int) -> torch.Tensor:
    """A field on cells (B, h, w) with each value spread to ``by`` cells around it."""
    if by == 0:
        return cells
    return F.max_pool2d(cells[:, None], 2 * by + 1, stride=1, padding=by)[:, 0]


def _positions(offset: torch.Tensor, device: torch.device) -> torch.Tensor:
    """(B, h, w, 2) positions q - offset in cells, as indices."""
    height, width = offset.shape[-2:]
    y, x = torch.meshgrid(
        torch.arange(height, device=device, dtype=torch.float32),
        torch.arange(width, device=device, dtype=torch.float32),
        indexing="ij",
    )
    offset = offset.to(device)
    return torch.stack([x - offset[:, 0], y - offset[:, 1]], -1)


def _sample(planes: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    height, width = planes.shape[-2:]
    scale = positions.new_tensor([2 / width, 2 / height])
    normalised = (positions + 0.5) * scale - 1
    return F.grid_sample(planes.float(), normalised, mode="bilinear", padding_mode="border", align_corners=False)
