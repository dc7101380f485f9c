"""Several hooks in one evaluation."""

from __future__ import annotations

import torch

from ..model.layers import Layer
from ..model.protocols import AttentionHooks


class Together:
    """Several hooks in one evaluation; the first that changes the tokens wins."""

    def __init__(self, *hooks: AttentionHooks):
        self._hooks = hooks

    def wants_projections(self, layer: Layer) -> bool:
        return any(hook.wants_projections(layer) for hook in self._hooks)

    def tokens(self, layer: Layer, tokens: torch.Tensor, rows: slice | None) -> torch.Tensor | None:
        return _first([hook.tokens(layer, tokens, rows) for hook in self._hooks])

    def queries(self, layer: Layer, tokens: torch.Tensor, rows: slice | None) -> torch.Tensor | None:
        return _first([hook.queries(layer, tokens, rows) for hook in self._hooks])

    def projections(self, layer: Layer, query: torch.Tensor, key: torch.Tensor, rows: slice | None) -> None:
        for hook in self._hooks:
            if hook.wants_projections(layer):
                hook.projections(layer, query, key, rows)


def _first(changes: list[torch.Tensor | None]) -> torch.Tensor | None:
    return next((change for change in changes if change is not None), None)
