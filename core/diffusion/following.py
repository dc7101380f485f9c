"""Keys and values that follow the drag: where each cell's own content was in the source.

LazyDrag (arXiv 2509.12203) lets a moved cell read its own source, K[M(x)], and hides the source from what was left.
Here that is one plane of tokens for all queries, since self-attention reads a set:

| cell | keys and values are projected from |
|---|---|
| background | the source's token of that place |
| arrived | the source's token of the place that it came from, between tokens bilinear |
| else free: revealed, seam | the edited branch's own token: the element's old tokens are not read there |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import torch
import torch.nn.functional as F

from ..attention.tokens import TokenInjector
from ..model.layers import Layer
from ..motion.movement import Movement
from ..planes.warp import coordinates, look_up

_Planes: TypeAlias = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


class Followed:
    """Where every token of a drag reads the source, for each token grid of a model.

    Args:
        movement: of the drag; its latent grid is the one that the token grids halve.
        device: of the model.
    """

    def __init__(self, movement: Movement, device: torch.device):
        self.latent_size = movement.grid.latent_size
        self._arriving = movement.arriving[:, None].to(device)
        self._free = (movement.free[:, None] > 0).float().to(device)
        self._way_in = movement.way_in.to(device)
        self._by_grid: dict[tuple[int, int], _Planes] = {}

    def on(self, size: tuple[int, int]) -> _Planes:
        """Of a token grid (h, w): where a token is read (B, h, w) as x and y in tokens, and the shares (B, 1, h, w) of
        it that arrived and that are neither background nor arrived."""
        known = self._by_grid.get(size)
        if known is None:
            arriving = F.adaptive_avg_pool2d(self._arriving, size)
            # Ways are means over what arrives, in tokens of this grid.
            ways = F.adaptive_avg_pool2d(self._way_in * self._arriving, size) / arriving.clamp_min(1e-6)
            height, width = self.latent_size
            y, x = coordinates(*size, ways.device)
            from_x, from_y = x - ways[:, 0] * (size[1] / width), y - ways[:, 1] * (size[0] / height)
            own = (F.adaptive_avg_pool2d(self._free, size) - arriving).clamp_min(0)
            known = self._by_grid[size] = from_x, from_y, arriving, own
        return known

    def tokens(self, source: torch.Tensor, own: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        """The plane of tokens (B, N, channels) to read, of the source's and the edited branch's own."""
        from_x, from_y, arrived, free = (plane.to(own.device) for plane in self.on(size))
        planes = source.transpose(1, 2).unflatten(2, size)
        repeats = source.shape[0] // from_x.shape[0]
        moved = look_up(planes, from_x.repeat(repeats, 1, 1), from_y.repeat(repeats, 1, 1)).flatten(2).transpose(1, 2)
        arrived, free = (
            plane.flatten(2).transpose(1, 2).repeat(repeats, 1, 1).to(own.dtype) for plane in (arrived, free)
        )
        return arrived * moved.to(own) + free * own + (1 - arrived - free) * source


class FollowingInjector(TokenInjector):
    """Hands each layer the source's tokens as the drag moved them (an ``AttentionHooks``)."""

    def __init__(self, stored: Mapping[str, torch.Tensor], followed: Followed):
        super().__init__(stored, "replace")
        self._followed = followed

    def tokens(self, layer: Layer, tokens: torch.Tensor, rows: slice | None) -> torch.Tensor | None:
        source = super().tokens(layer, tokens, rows)
        if source is None:
            return None
        return self._followed.tokens(source, tokens, layer.token_grid(self._followed.latent_size))
