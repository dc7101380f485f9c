"""Hooks into self-attention by the patches that ComfyUI offers, for single calls of a denoiser."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from comfy.ldm.modules.attention import optimized_attention

from ...model.layers import Layer
from ...model.protocols import AttentionHooks
from .layers import BlockKey

OVERRIDE = "optimized_attention_override"
"""Entry of transformer_options under which other packs, and ComfyUI itself, put a model's attention function."""

TAKES_OPTIONS = "kwargs" in inspect.signature(optimized_attention).parameters
"""Whether ComfyUI's attention takes them at all: 0.3.52's raises a TypeError."""


def patched_options(
    model_options: dict[str, Any], hooks: AttentionHooks, keys: dict[BlockKey, Layer]
) -> dict[str, Any]:
    """A copy of ``model_options`` whose self-attention calls ``hooks``; what others patched stays in force."""
    transformer_options = dict(model_options.get("transformer_options", {}))
    patches = dict(transformer_options.get("patches", {}))
    patches["attn1_patch"] = [*patches.get("attn1_patch", []), _tokens_patch(hooks, keys)]
    transformer_options["patches"] = patches

    wanted = [key for key, layer in keys.items() if hooks.wants_projections(layer)]
    if wanted:
        replacements = dict(transformer_options.get("patches_replace", {}))
        slots = dict(replacements.get("attn1", {}))
        for key in wanted:
            # ComfyUI looks for the transformer's own key first, then for the block's.
            other = slots.get(key, slots.get(key[:2]))
            slots[key] = _projections_patch(hooks, keys[key], other)
        replacements["attn1"] = slots
        transformer_options["patches_replace"] = replacements
    return {**model_options, "transformer_options": transformer_options}


def _tokens_patch(hooks: AttentionHooks, keys: dict[BlockKey, Layer]) -> Callable:
    def patch(n, context, value, extra_options):
        block = extra_options.get("block")
        layer = keys.get((*block, extra_options.get("block_index", 0))) if block is not None else None
        if layer is None:
            return n, context, value
        rows = _positive_rows(n.shape[0], extra_options)
        changed = hooks.tokens(layer, context, rows)
        asked = hooks.queries(layer, n, rows)
        n = n if asked is None else asked
        if changed is None:
            return n, context, value
        return n, changed, changed if value is context else hooks.tokens(layer, value, rows)

    return patch


def _projections_patch(hooks: AttentionHooks, layer: Layer, other: Callable | None) -> Callable:
    def attend(q, k, v, extra_options):
        hooks.projections(layer, q, k, _positive_rows(q.shape[0], extra_options))
        if other is not None:
            return other(q, k, v, extra_options)
        # Attention that someone chose for this model (sage, int8, ...) is found there; 0.3.52 knows no such.
        chosen = {"transformer_options": extra_options} if TAKES_OPTIONS and OVERRIDE in extra_options else {}
        return optimized_attention(q, k, v, layer.heads, attn_precision=extra_options.get("attn_precision"), **chosen)

    return attend


def _positive_rows(batch: int, extra_options: dict[str, Any]) -> slice | None:
    """Rows of the positive conditioning in a batch that may hold several after each other."""
    parts = extra_options.get("cond_or_uncond") or [0]
    if 0 not in parts:
        return None
    rows = batch // len(parts)
    first = list(parts).index(0) * rows
    return slice(first, first + rows)
