"""The inputs of keys and values: recorded in an inversion, handed back to the same layers while sampling.

What self-attention projects its keys and values from is its normalised input, its *tokens*: (B, N, channels).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch

from ..model.layers import Layer
from .plan import Storage

SourceAttention = Literal["replace", "extend", "off"]


@dataclass
class TokenRecorder:
    """Keeps the attention input of some layers during one evaluation (an ``AttentionHooks``)."""

    layers: frozenset[Layer]
    latent_size: tuple[int, int]
    kept: dict[str, torch.Tensor] = field(default_factory=dict)

    def wants_projections(self, layer: Layer) -> bool:
        return False

    def projections(self, layer: Layer, query: torch.Tensor, key: torch.Tensor, rows: slice | None) -> None:
        return None

    def tokens(self, layer: Layer, tokens: torch.Tensor, rows: slice | None) -> None:
        if layer in self.layers and rows is not None and tokens.shape[1] == layer.tokens(self.latent_size):
            self.kept[layer.name] = tokens[rows].detach()


class TokenInjector:
    """Hands stored tokens to the layers that they were captured in (an ``AttentionHooks``)."""

    def __init__(self, stored: Mapping[str, torch.Tensor], mode: SourceAttention):
        self._stored = stored
        self._mode = mode

    def wants_projections(self, layer: Layer) -> bool:
        return False

    def projections(self, layer: Layer, query: torch.Tensor, key: torch.Tensor, rows: slice | None) -> None:
        return None

    def tokens(self, layer: Layer, tokens: torch.Tensor, rows: slice | None) -> torch.Tensor | None:
        source = self._stored.get(layer.name)
        if source is None or source.shape[1] != tokens.shape[1] or tokens.shape[0] % source.shape[0]:
            return None
        # Every conditioning of the batch reads the same source.
        source = source.to(tokens).repeat(tokens.shape[0] // source.shape[0], 1, 1)
        return source if self._mode == "replace" else torch.cat([tokens, source], 1)


def to_storage(kept: Mapping[str, torch.Tensor], storage: Storage) -> dict[str, torch.Tensor]:
    """One step's tokens as they are stored: half precision, copied off the device once a step, not once a layer."""
    stored = {}
    for name, tokens in kept.items():
        dtype = tokens.dtype if tokens.dtype in (torch.float16, torch.bfloat16) else torch.float16
        tokens = tokens.to(dtype)
        stored[name] = tokens.to("cpu") if storage == "cpu" else tokens
    return stored
