"""Keys and values that follow the drag: where each cell's own content was in the source.

LazyDrag (arXiv 2509.12203) lets a moved cell read its own source, K[M(x)], and hides the source from what was left.
Here that is one plane of tokens for all queries, since self-attention reads a set:

| cell | keys and values are projected from |
|---|---|
| background | the source's token of that place |
| arrived | the source's token of the place that it came from, between tokens bilinear |
| else free: revealed, seam | the edited branch's own token: the element's old tokens are not read there |

What arrived may ask as its source did, too: then its own attention is the source's, as LazyDrag's gate blends their
outputs. It asks so as far as its token still matches its source's (their cosine), and less with every step.
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
        moved, arrived, free = self._moved(source, own, size)
        return arrived * moved + free * own + (1 - arrived - free) * source

    def queries(self, source: torch.Tensor, own: torch.Tensor, size: tuple[int, int], gate: float) -> torch.Tensor:
        """The plane of tokens (B, N, channels) to ask with: what arrived asks with ``gate`` of its source's, as far as
        the two match."""
        moved, arrived, _ = self._moved(source, own, size)
        match = F.cosine_similarity(own.float(), moved.float(), dim=-1).clamp(0, 1)[..., None].to(own)
        return torch.lerp(own, moved, gate * arrived * match)

    def _moved(
        self, source: torch.Tensor, own: torch.Tensor, size: tuple[int, int]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The source's tokens (B, N, channels) as the drag moved them, and the shares (B, N, 1) of those that arrived
        and of those that are neither background nor arrived; as ``own`` is in type and device."""
        from_x, from_y, arrived, free = (plane.to(own.device) for plane in self.on(size))
        planes = source.transpose(1, 2).unflatten(2, size)
        repeats = source.shape[0] // from_x.shape[0]
        moved = look_up(planes, from_x.repeat(repeats, 1, 1), from_y.repeat(repeats, 1, 1)).flatten(2).transpose(1, 2)
        arrived, free = (
            plane.flatten(2).transpose(1, 2).repeat(repeats, 1, 1).to(own.dtype) for plane in (arrived, free)
        )
        return moved.to(own), arrived, free


class FollowingInjector(TokenInjector):
    """Hands each layer the source's tokens as the drag moved them (an ``AttentionHooks``).

    ``gate``: how far what arrived asks as its source did, in 0..1.
    """

    def __init__(self, stored: Mapping[str, torch.Tensor], followed: Followed, gate: float = 0.0):
        super().__init__(stored, "replace")
        self._followed, self._gate = followed, gate

    def queries(self, layer: Layer, tokens: torch.Tensor, rows: slice | None) -> torch.Tensor | None:
        source = super().tokens(layer, tokens, rows) if self._gate > 0 else None
        if source is None:
            return None
        return self._followed.queries(source, tokens, layer.token_grid(self._followed.latent_size), self._gate)

    def tokens(self, layer: Layer, tokens: torch.Tensor, rows: slice | None) -> torch.Tensor | None:
        source = super().tokens(layer, tokens, rows)
        if source is None:
            return None
        return self._followed.tokens(source, tokens, layer.token_grid(self._followed.latent_size))
