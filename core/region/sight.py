"""What a picture's pieces tell of points on it: made once, read by whatever asks what belongs to a point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from ..space.grid import Grid
from ..space.points import DragPoints
from .evidence import belief, clues
from .superpixels import Superpixels, superpixels, working_size
from .support import View
from .walk import Relations, relations


@dataclass(frozen=True, eq=False)
class Sight:
    """One picture as its points see it.

    Attributes:
        pieces: of the picture.
        related: how they belong together.
        views: of every pair's handle, then of every click.
    """

    pieces: Superpixels
    related: Relations
    views: tuple[View, ...]

    @property
    def seeds(self) -> torch.Tensor:
        """(K,) long, the piece that each point lies in."""
        return torch.stack([view.seed for view in self.views])

    @property
    def points(self) -> torch.Tensor:
        """(K, N) 1 at each point's own piece."""
        pieces = torch.arange(self.pieces.count, device=self.pieces.area.device)
        return (self.seeds[:, None] == pieces).to(self.pieces.area)


def sights_of(
    maps: Mapping[tuple[int, int], torch.Tensor],
    correlation: torch.Tensor,
    grid: Grid,
    points: DragPoints,
    image: torch.Tensor,
) -> tuple[Sight, ...]:
    """Of each picture of a batch.

    Args:
        maps: token grid -> (B, n, n), of the inversion.
        correlation: (B, P + C, h, w) of every cell with every pair's handle and then with every click; or of the
            handles alone, where clicks don't matter.
        grid, points: of the picture.
        image: (B, H, W, 3) in 0..1.
    """
    small = smaller(image.to(correlation))
    places = [pair.handle for pair in points.pairs] + [click.at for click in points.clicks]
    places = places[: correlation.shape[1]]
    sights = []
    for index in range(len(small)):
        pieces = superpixels(small[index])
        related = relations({size: attention[index] for size, attention in maps.items()}, grid, pieces)
        sights.append(sight_of(pieces, related, seeds_at(pieces, places), correlation[index], grid))
    return tuple(sights)


def sight_of(
    pieces: Superpixels, related: Relations, seeds: torch.Tensor, correlation: torch.Tensor, grid: Grid
) -> Sight:
    """Of one picture, as points in the pieces ``seeds`` (K,) see it, with which cells correlate (K, h, w)."""
    clue = clues(related, pieces, seeds, correlation, grid)
    return Sight(pieces, related, tuple(View(*each) for each in zip(seeds, clue, belief(clue), strict=True)))


def seeds_at(pieces: Superpixels, places: Sequence[tuple[float, float]]) -> torch.Tensor:
    """(K,) long, the piece at each place (x, y), in shares of the picture."""
    height, width = pieces.labels.shape
    at = [(min(int(y * height), height - 1), min(int(x * width), width - 1)) for x, y in places]
    return torch.stack([pieces.labels[y, x] for y, x in at])


def smaller(image: torch.Tensor) -> torch.Tensor:
    """A picture (B, H, W, 3) as planes (B, 3, n, m) of the size that it is looked at."""
    return F.interpolate(image.movedim(-1, 1), size=working_size(*image.shape[1:3]), mode="area")
