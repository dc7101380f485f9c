"""Attention maps, summed up while an inversion runs (step 2 of the method).

A_t = softmax(Q K^T / sqrt(d)) of every layer at a few steps, merged over heads and averaged over the layers of one
token grid and the steps, in blocks of rows: neither a map per layer nor one per head is ever held. A grid that is
finer than maps may be is pooled as it streams by (``pooling``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, TypeAlias

import torch
from einops import rearrange

from ..model.layers import Layer, check_all_ran
from .pooling import Pooling, pooled_grid

Heads = Literal["mean", "max"]

AttentionMaps: TypeAlias = Mapping[tuple[int, int], torch.Tensor]
"""Token grid (height, width) -> (B, N, N) float16 on the CPU; row i holds where token i looks, and sums to 1 (with
``heads="max"`` rows are scaled to sum to 1)."""

ROW_BLOCK_BYTES = 32 * 1024**2
"""Largest temporary for the logits of one block of rows."""


class MapRecorder:
    """Sums up attention maps while evaluations run (an ``AttentionHooks``); passes tokens through unchanged.

    Args:
        layers: that are read.
        latent_size: (height, width) in cells.
        heads: how they are merged.
        most: tokens that a map has at most; finer grids are pooled. None for maps of the layers' own grids.
    """

    def __init__(
        self,
        layers: Iterable[Layer],
        latent_size: tuple[int, int],
        heads: Heads = "mean",
        most: int | None = None,
    ):
        self._layers = frozenset(layers)
        self._latent_size = latent_size
        self._heads = heads
        self._most = most
        self._sums: dict[tuple[int, int], torch.Tensor] = {}
        self.seen: set[str] = set()

    def wants_projections(self, layer: Layer) -> bool:
        return layer in self._layers

    def tokens(self, layer: Layer, tokens: torch.Tensor, rows: slice | None) -> None:
        return None

    def queries(self, layer: Layer, tokens: torch.Tensor, rows: slice | None) -> None:
        return None

    def projections(self, layer: Layer, query: torch.Tensor, key: torch.Tensor, rows: slice | None) -> None:
        own = layer.token_grid(self._latent_size)
        count = math.prod(own)
        if rows is None or query.shape[1] != count or key.shape[1] != count:
            return
        query, key = query[rows], key[rows]
        grid = own if self._most is None else pooled_grid(own, self._most)
        total = self._sums.get(grid)
        if total is None:
            tokens = math.prod(grid)
            total = query.new_zeros((query.shape[0], tokens, tokens), dtype=torch.float32)
            self._sums[grid] = total
        add_attention(total, query, key, layer.heads, self._heads, None if grid == own else Pooling(own, grid))
        self.seen.add(layer.name)

    def maps(self) -> AttentionMaps:
        """The maps so far, moved to the CPU; the sums are let go."""
        maps = {}
        for grid, total in self._sums.items():
            total /= total.sum(-1, keepdim=True)
            maps[grid] = total.to(device="cpu", dtype=torch.float16)
        check_all_ran(self._layers, self.seen)
        self._sums = {}
        return maps


def add_attention(
    total: torch.Tensor,
    query: torch.Tensor,
    key: torch.Tensor,
    heads: int,
    merge: Heads,
    pooling: Pooling | None = None,
) -> None:
    """Adds softmax(Q K^T / sqrt(d)), merged over heads, to ``total`` in place.

    Args:
        total: (B, N, N) float32, or (B, n, n) of the coarser grid.
        query, key: (B, N, heads * d), any float dtype; logits are computed in float32.
        merge: "mean" or "max" over heads.
        pooling: to a coarser grid.

    Works through blocks of rows so that no temporary exceeds ``ROW_BLOCK_BYTES``; no host synchronisation.
    """
    dim = query.shape[-1] // heads
    query = rearrange(query.float(), "b n (h d) -> b h n d", h=heads) * dim**-0.5
    key = rearrange(key.float(), "b n (h d) -> b h d n", h=heads)
    if pooling is None:
        for rows, merged in _blocks(query, key, merge, slice(0, query.shape[2])):
            total[:, rows] += merged
        return
    height, width = pooling.fine
    together = max(1, _block_rows(query) // width)
    for top in range(0, height, together):
        lines = slice(top, min(top + together, height))
        # Whole rows of the grid are averaged at once, however many blocks they take: pooled once, they are small.
        blocks = _blocks(query, key, merge, slice(lines.start * width, lines.stop * width))
        total += pooling.queries(torch.cat([pooling.keys(merged) for _, merged in blocks], 1), lines)


def _block_rows(query: torch.Tensor) -> int:
    """How many rows of all heads' maps are computed at a time."""
    batch, heads, count, _ = query.shape
    return max(1, ROW_BLOCK_BYTES // (4 * batch * heads * count))


def _blocks(
    query: torch.Tensor, key: torch.Tensor, merge: Heads, wanted: slice
) -> Iterator[tuple[slice, torch.Tensor]]:
    """The wanted rows of softmax(Q K^T) of (B, heads, N, d) and (B, heads, d, N), merged: (B, rows, N) at a time."""
    step = _block_rows(query)
    for start in range(wanted.start, wanted.stop, step):
        rows = slice(start, min(start + step, wanted.stop))
        attention = (query[:, :, rows] @ key).softmax(-1)
        yield rows, attention.mean(1) if merge == "mean" else attention.amax(1)
