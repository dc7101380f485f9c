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
        changed = None
        for hook in self._hooks:
            result = hook.tokens(layer, tokens, rows)
            changed = result if changed is None else changed
        return changed

    def queries(self, layer: Layer, tokens: torch.Tensor, rows: slice | None) -> torch.Tensor | None:
        changed = None
        for hook in self._hooks:
            result = hook.queries(layer, tokens, rows)
            changed = result if changed is None else changed
        return changed

    def projections(self, layer: Layer, query: torch.Tensor, key: torch.Tensor, rows: slice | None) -> None:
        for hook in self._hooks:
            if hook.wants_projections(layer):
                hook.projections(layer, query, key, rows)
