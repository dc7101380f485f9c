"""The inputs of keys and values: recorded in an inversion, handed back to the same layers while sampling.

What self-attention projects its keys and values from is its normalised input, its *tokens*: (B, N, channels).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch

from ..model.layers import Layer
from .plan import Storage

SourceAttention = Literal["replace", "extend", "off", "follow"]


@dataclass
class TokenRecorder:
    """Keeps the attention input of some layers during one evaluation (an ``AttentionHooks``)."""

    layers: frozenset[Layer]
    latent_size: tuple[int, int]
    kept: dict[str, torch.Tensor] = field(default_factory=dict)

    def wants_projections(self, layer: Layer) -> bool:
        return False

    def queries(self, layer: Layer, tokens: torch.Tensor, rows: slice | None) -> None:
        return None

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

    def queries(self, layer: Layer, tokens: torch.Tensor, rows: slice | None) -> torch.Tensor | None:
        return None

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
    """One step's tokens as they are stored: half precision, copied off the device once a step, not once a layer.

    In main memory they are pinned where the device is a CUDA one: the copy there and back then runs beside the
    evaluations. It has ended when the device was next waited for, as an inversion does before it ends.
    """
    stored = {}
    for name, tokens in kept.items():
        dtype = tokens.dtype if tokens.dtype in (torch.float16, torch.bfloat16) else torch.float16
        tokens = tokens.to(dtype)
        stored[name] = _in_main_memory(tokens) if storage == "cpu" else tokens
    return stored


def _in_main_memory(tokens: torch.Tensor) -> torch.Tensor:
    if tokens.device.type != "cuda":
        return tokens.to("cpu")
    try:
        pinned = torch.empty(tokens.shape, dtype=tokens.dtype, pin_memory=True)
    except RuntimeError:
        # The system limits how much may be pinned.
        return tokens.to("cpu")
    return pinned.copy_(tokens, non_blocking=True)


class Ahead:
    """Stored tokens on their way to the device, one step ahead of the evaluation that reads them.

    On CUDA they are copied by a stream of its own, beside the evaluation of the step before; elsewhere when asked for.

    Args:
        stored: per step, layer name -> tokens; empty for steps without.
        device: of the model.
    """

    def __init__(self, stored: Sequence[Mapping[str, torch.Tensor]], device: torch.device):
        self._stored, self._device = stored, device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._coming: tuple[int, dict[str, torch.Tensor]] | None = None

    def start(self, step: int) -> None:
        """Begins to copy a step's tokens."""
        if self._stream is None:
            self._coming = step, {name: tokens.to(self._device) for name, tokens in self._stored[step].items()}
            return
        with torch.cuda.stream(self._stream):
            moved = {name: tokens.to(self._device, non_blocking=True) for name, tokens in self._stored[step].items()}
        self._coming = step, moved

    def take(self, step: int) -> dict[str, torch.Tensor]:
        """A step's tokens on the device; copies them now if nobody began to."""
        if self._coming is None or self._coming[0] != step:
            self.start(step)
        coming, self._coming = self._coming, None
        moved = {} if coming is None else coming[1]
        if self._stream is not None:
            running = torch.cuda.current_stream(self._device)
            running.wait_stream(self._stream)
            for tokens in moved.values():
                # Its memory was the other stream's: it must not be given away before this one has read it.
                tokens.record_stream(running)
        return moved
