"""Attention maps, summed up while an inversion runs (step 2 of the method).

A_t = softmax(Q K^T / sqrt(d)) of every layer at a few steps, merged over heads and averaged over the layers of one
token grid and the steps, in blocks of rows: neither a map per layer nor one per head is ever held.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

import torch
from einops import rearrange

from ..model.layers import Layer, check_all_ran

Heads = Literal["mean", "max"]

AttentionMaps: TypeAlias = Mapping[tuple[int, int], torch.Tensor]
"""Token grid (height, width) -> (B, N, N) float16 on the CPU; row i holds where token i looks, and sums to 1 (with
``heads="max"`` rows are scaled to sum to 1)."""

ROW_BLOCK_BYTES = 32 * 1024**2
"""Largest temporary for the logits of one block of rows."""


class MapRecorder:
    """Sums up attention maps while evaluations run (an ``AttentionHooks``); passes tokens through unchanged."""

    def __init__(self, layers: Iterable[Layer], latent_size: tuple[int, int], heads: Heads = "mean"):
        self._layers = frozenset(layers)
        self._latent_size = latent_size
        self._heads = heads
        self._sums: dict[tuple[int, int], torch.Tensor] = {}
        self.seen: set[str] = set()

    def wants_projections(self, layer: Layer) -> bool:
        return layer in self._layers

    def tokens(self, layer: Layer, tokens: torch.Tensor, rows: slice | None) -> None:
        return None

    def projections(self, layer: Layer, query: torch.Tensor, key: torch.Tensor, rows: slice | None) -> None:
        grid = layer.token_grid(self._latent_size)
        count = math.prod(grid)
        if rows is None or query.shape[1] != count or key.shape[1] != count:
            return
        query, key = query[rows], key[rows]
        total = self._sums.get(grid)
        if total is None:
            total = query.new_zeros((query.shape[0], count, count), dtype=torch.float32)
            self._sums[grid] = total
        add_attention(total, query, key, layer.heads, self._heads)
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


def add_attention(total: torch.Tensor, query: torch.Tensor, key: torch.Tensor, heads: int, merge: Heads) -> None:
    """Adds softmax(Q K^T / sqrt(d)), merged over heads, to ``total`` in place.

    Args:
        total: (B, N, N) float32.
        query, key: (B, N, heads * d), any float dtype; logits are computed in float32.
        merge: "mean" or "max" over heads.

    Works through blocks of rows so that no temporary exceeds ``ROW_BLOCK_BYTES``; no host synchronisation.
    """
    batch, count, width = query.shape
    dim = width // heads
    query = rearrange(query.float(), "b n (h d) -> b h n d", h=heads) * dim**-0.5
    key = rearrange(key.float(), "b n (h d) -> b h d n", h=heads)
    rows = max(1, ROW_BLOCK_BYTES // (4 * batch * heads * count))
    for start in range(0, count, rows):
        attention = (query[:, :, start : start + rows] @ key).softmax(-1)
        merged = attention.mean(1) if merge == "mean" else attention.amax(1)
        total[:, start : start + rows] += merged
