"""Attention over a fine token grid told on a coarser one: looked-at tokens summed, looking ones averaged.

A coarse token holds the fine ones that it covers, those on its border by the share of them that lies in it, so that a
grid of 65 x 65 tokens goes into one of 64 x 64. What a token gives to others is shared out among the coarse tokens that
it lies in, so that rows keep their sum; the row of a coarse token is the mean of those that it holds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

TokenGrid = tuple[int, int]


def pooled_grid(grid: TokenGrid, most: int) -> TokenGrid:
    """The grid itself where it has at most so many tokens (1 or more), or else about the largest of its proportions
    that has."""
    height, width = grid
    if height * width <= most:
        return grid
    scale = math.sqrt(most / (height * width)) + 1e-9
    short = max(math.floor(min(grid) * scale), 1)
    long = min(max(math.floor(max(grid) * scale), 1), most // short)
    return (short, long) if height <= width else (long, short)


@dataclass(frozen=True)
class Pooling:
    """From a token grid to a coarser one, each (height, width)."""

    fine: TokenGrid
    coarse: TokenGrid

    def keys(self, attention: torch.Tensor) -> torch.Tensor:
        """(B, rows, N) of where some tokens look, as (B, rows, n)."""
        down, across = (shares(*sides).to(attention) for sides in self._sides(attention.device))
        planes = attention.unflatten(-1, self.fine)
        return (down @ (planes @ across.T)).flatten(-2)

    def queries(self, attention: torch.Tensor, rows: slice) -> torch.Tensor:
        """(B, k * W, n) of all tokens in ``rows`` of the fine grid, k of its rows, as what they add to the whole map,
        (B, n, n)."""
        down, across = (shares(*sides).to(attention) for sides in self._sides(attention.device))
        # Means, of all fine rows and columns that a coarse one holds.
        down, across = (one / one.sum(1, keepdim=True) for one in (down, across))
        tokens = attention.unflatten(1, (-1, self.fine[1]))
        # (B, k, W, n) -> (B, k, w, n) -> (B, h, w, n)
        tokens = across @ tokens
        return (down[:, rows] @ tokens.flatten(2)).unflatten(2, (across.shape[0], -1)).flatten(1, 2)

    def __call__(self, attention: torch.Tensor) -> torch.Tensor:
        """A whole map (B, N, N) as (B, n, n)."""
        return self.queries(self.keys(attention), slice(0, self.fine[0]))

    def _sides(self, device: torch.device) -> list[tuple[int, int, torch.device]]:
        return [(fine, coarse, device) for fine, coarse in zip(self.fine, self.coarse, strict=True)]


def shares(length: int, parts: int, device: torch.device) -> torch.Tensor:
    """(parts, length) float32: how much of each of ``length`` tokens in a row lies in each of ``parts`` equal parts."""
    start = torch.arange(length, device=device, dtype=torch.float32)
    left = torch.arange(parts, device=device, dtype=torch.float32)[:, None]
    # Whole numbers up to length * parts, exact in float32 for any grid there is, and divided last.
    first, last = torch.maximum(start * parts, left * length), torch.minimum((start + 1) * parts, (left + 1) * length)
    return (last - first).clamp_min(0) / parts
