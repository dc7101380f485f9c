"""What the method wants to know of, and change in, a U-Net's self-attention.

A backend (``core.backends``) lists the layers of the model it holds and, during one evaluation, calls the
methods of an ``AttentionHooks`` object from inside each self-attention. The hooks never see a host's classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol

import torch

Side = Literal["down", "middle", "up"]


@dataclass(frozen=True)
class Layer:
    """One self-attention layer of the loaded U-Net.

    Attributes:
        name: unique within the model, readable: "down.1.0" is the first transformer block of down block 1.
        side: which part of the U it sits in.
        level: how many times the latent was halved before it.
        channels: width of a token.
        heads: number of attention heads.
    """

    name: str
    side: Side
    level: int
    channels: int
    heads: int

    def token_grid(self, latent_size: tuple[int, int]) -> tuple[int, int]:
        """(height, width) of its tokens for a latent of this (height, width). Halving rounds up."""
        height, width = latent_size
        for _ in range(self.level):
            height, width = math.ceil(height / 2), math.ceil(width / 2)
        return height, width

    def tokens(self, latent_size: tuple[int, int]) -> int:
        """Number of its tokens for a latent of this size."""
        return math.prod(self.token_grid(latent_size))


class AttentionHooks(Protocol):
    """Called by a backend during one U-Net evaluation. All tensors are on the model's device, in its dtype.

    A batch may hold several conditionings after each other; ``rows`` are those of the positive one, the edit's
    own (B of them), or None when this call doesn't hold any.
    """

    def wants_projections(self, layer: Layer) -> bool:
        """Whether ``projections`` is to be called for this layer in this evaluation."""

    def tokens(self, layer: Layer, tokens: torch.Tensor, rows: slice | None) -> torch.Tensor | None:
        """The layer's normalised input (batch, N, channels), before its projections.

        Returns:
            (batch, M, channels) from which keys and values are to be projected instead, or None to leave them.
        """

    def projections(self, layer: Layer, query: torch.Tensor, key: torch.Tensor, rows: slice | None) -> None:
        """Projected queries (batch, N, heads * d) and keys (batch, M, heads * d), before the softmax."""


class Denoiser(Protocol):
    """A U-Net under its host, as the method uses it.

    Attributes:
        layers: its self-attention layers in the order in which they run.
        prediction: what the network predicts; only the first guess of an inversion step depends on it.
    """

    layers: tuple[Layer, ...]
    prediction: Literal["epsilon", "v"]

    def denoise(self, x: torch.Tensor, sigma: float, hooks: AttentionHooks | None = None) -> torch.Tensor:
        """The clean latent that the model sees in ``x = x0 + sigma * eps``; (B, C, h, w) float32 both ways."""
