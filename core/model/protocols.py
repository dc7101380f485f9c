"""What the method asks of a host's model, and what it lets the model ask back.

A host (``core.hosts``) lists the layers of the model it holds and, during one evaluation, calls the methods of an
``AttentionHooks`` object from inside each self-attention. The hooks never see a host's classes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol, TypeAlias

import torch

from .layers import Layer

OnStep: TypeAlias = Callable[[int, torch.Tensor, torch.Tensor], None]
"""Called after a step with a step's number, the latent and the clean estimate (B, C, h, w); may raise to stop."""


class AttentionHooks(Protocol):
    """Called by a host during one U-Net evaluation. All tensors are on the model's device, in its dtype.

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

    def queries(self, layer: Layer, tokens: torch.Tensor, rows: slice | None) -> torch.Tensor | None:
        """Of the same input, asked after ``tokens``.

        Returns:
            (batch, N, channels) from which queries are to be projected instead, or None to leave them.
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


Denoise: TypeAlias = Callable[[torch.Tensor, float], torch.Tensor]
"""As ``Denoiser.denoise``, without hooks."""
PaintingWork: TypeAlias = Callable[[Denoise], torch.Tensor]


class Painter(Protocol):
    """Another model of the same latents, which paints in place of the dragged one: an inpainting checkpoint, best."""

    def painting(self, picture: torch.Tensor, hole: torch.Tensor, work: PaintingWork) -> torch.Tensor:
        """Gives what ``work`` gives, called with the model where it is shown a picture with a hole.

        Args:
            picture: (B, C, h, w) clean latent.
            hole: (B, 1, h, w) bool, the cells that are to be painted.
            work: called once.
        """


class Autoencoder(Protocol):
    """The image codec of a latent diffusion model."""

    def encode(self, image: torch.Tensor) -> torch.Tensor:
        """(B, H, W, 3) in 0..1, sides multiples of the cell -> (B, C, h, w) in the model's own scale."""

    def decode(self, latent: torch.Tensor) -> torch.Tensor:
        """The way back; values about 0..1."""
