"""Finds the self-attention layers of a diffusers U-Net, and hooks into them for the time of one evaluation.

Nothing here needs more of the U-Net than the parts that ``UNet2DConditionModel`` is made of: ``down_blocks``,
``mid_block`` and ``up_blocks`` whose ``attentions`` hold ``transformer_blocks`` with an ``attn1``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from ...errors import UnsupportedModelError
from ...model.layers import Layer, Side
from ...model.protocols import AttentionHooks


@dataclass(frozen=True, eq=False)
class SelfAttention:
    """A ``Layer``, diffusers' ``Attention`` module behind it and the normalisation before it."""

    layer: Layer
    module: nn.Module
    norm: nn.Module


def self_attention(unet: nn.Module) -> tuple[SelfAttention, ...]:
    """Every self-attention of the U-Net, in the order in which they run.

    A layer is named ``side.block.index``, where blocks are numbered as in Stable Diffusion's own U-Net (and
    ComfyUI's): on the way down 0 is the first convolution, and every residual block and every downsampling
    counts; on the way up every residual block does. So both hosts name a model's layers alike.

    Raises:
        UnsupportedModelError: it has none.
    """
    found: list[SelfAttention] = []
    level, number = 0, 1
    for block in getattr(unet, "down_blocks", ()):
        _add(found, block, "down", level, number)
        halves = bool(getattr(block, "downsamplers", None))
        level += halves
        number += len(block.resnets) + halves
    middle = getattr(unet, "mid_block", None)
    if middle is not None:
        _add(found, middle, "middle", level, 0)
    number = 0
    for block in getattr(unet, "up_blocks", ()):
        _add(found, block, "up", level, number)
        level -= bool(getattr(block, "upsamplers", None))
        number += len(block.resnets)
    if not found:
        raise UnsupportedModelError(
            "model", f"{type(unet).__name__} has no transformer blocks with self-attention.",
            "Use a UNet2DConditionModel of the Stable Diffusion 1.x, 2.x or XL families.",
        )
    return tuple(found)


def _add(found: list[SelfAttention], block: nn.Module, side: Side, level: int, number: int) -> None:
    for offset, transformer in enumerate(getattr(block, "attentions", None) or ()):
        for index, inner in enumerate(getattr(transformer, "transformer_blocks", ())):
            attention = getattr(inner, "attn1", None)
            # A block built for cross-attention alone (`disable_self_attentions`) has its text in attn1.
            if attention is None or getattr(inner, "only_cross_attention", False):
                continue
            name = f"{side}.{number + offset}.{index}"
            layer = Layer(name, side, level, attention.query_dim, attention.heads)
            found.append(SelfAttention(layer, attention, inner.norm1))


@contextmanager
def hooked(attentions: Iterable[SelfAttention], hooks: AttentionHooks, rows: slice | None) -> Iterator[None]:
    """Lets ``hooks`` see, and change, the self-attention of every evaluation inside the ``with`` block.

    Each layer's processor is shadowed by one that calls it; afterwards, also after an exception, the module
    is as it was: the same processor object in the same place.
    """
    attentions = tuple(attentions)
    with ExitStack() as stack:
        for attention in attentions:
            stack.enter_context(_shadowed(attention, hooks, rows))
        yield


@contextmanager
def _shadowed(attention: SelfAttention, hooks: AttentionHooks, rows: slice | None) -> Iterator[None]:
    # Written to the instance's own dictionary, where it hides a processor that is registered as a submodule
    # (one with weights): `set_processor` would unregister that one and register it again at the end.
    module = attention.module
    own = vars(module)
    had, before = "processor" in own, own.get("processor")
    own["processor"] = HookedProcessor(attention.layer, module.processor, hooks, rows)
    try:
        yield
    finally:
        if had:
            own["processor"] = before
        else:
            del own["processor"]


class HookedProcessor:
    """An attention processor that asks ``hooks`` and leaves the computation to the processor it stands for.

    So whatever computes the layer's attention (SDPA, xformers, sliced, a LoRA on the projections) still does.
    """

    def __init__(self, layer: Layer, processor: Any, hooks: AttentionHooks, rows: slice | None):
        self._layer = layer
        self._processor = processor
        self._hooks = hooks
        self._rows = rows

    def __call__(
        self,
        attn: nn.Module,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> torch.Tensor:
        """As diffusers calls it; ``hidden_states`` (batch, N, channels) is the layer's normalised input."""
        changed = self._hooks.tokens(self._layer, hidden_states, self._rows)
        asked = self._hooks.queries(self._layer, hidden_states, self._rows)
        if asked is not None:
            changed = hidden_states if changed is None else changed
            hidden_states = asked
        wanted = self._hooks.wants_projections(self._layer)
        fused = bool(getattr(attn, "fused_projections", False))
        if changed is not None and fused:
            result, query, key = _fused_attention(attn, hidden_states, changed)
            if wanted:
                self._hooks.projections(self._layer, query, key, self._rows)
            return result
        source = encoder_hidden_states if changed is None else changed
        if not wanted:
            return self._processor(attn, hidden_states, source, attention_mask, *args, **kwargs)
        with _outputs(attn, ("to_qkv",) if fused else ("to_q", "to_k")) as outputs:
            result = self._processor(attn, hidden_states, source, attention_mask, *args, **kwargs)
        if fused and len(outputs) == 1:
            query, key, _ = outputs["to_qkv"].chunk(3, dim=-1)
            self._hooks.projections(self._layer, query, key, self._rows)
        elif len(outputs) == 2:
            self._hooks.projections(self._layer, outputs["to_q"], outputs["to_k"], self._rows)
        return result


@contextmanager
def _outputs(module: nn.Module, names: Sequence[str]) -> Iterator[dict[str, torch.Tensor]]:
    """What these submodules return within the ``with`` block; so nothing is projected twice."""
    outputs: dict[str, torch.Tensor] = {}

    def keep(name: str):
        def hook(_module: nn.Module, _inputs: Any, output: torch.Tensor) -> None:
            outputs[name] = output

        return hook

    with ExitStack() as stack:
        for name in names:
            stack.callback(getattr(module, name).register_forward_hook(keep(name)).remove)
        yield outputs


def _fused_attention(
    attn: Any, hidden_states: torch.Tensor, source: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Self-attention with keys and values of ``source`` for a layer whose q, k, v are one matrix.

    diffusers' own fused processor has no way to take keys and values from elsewhere. Returns the layer's
    result, its queries and its keys.
    """
    query = attn.to_qkv(hidden_states).chunk(3, dim=-1)[0]
    _, key, value = attn.to_qkv(source).chunk(3, dim=-1)

    q, k, v = (rearrange(part, "b n (h d) -> b h n d", h=attn.heads) for part in (query, key, value))
    attended = F.scaled_dot_product_attention(q, k, v, scale=attn.scale)
    result = attn.to_out[1](attn.to_out[0](rearrange(attended, "b h n d -> b n (h d)")))
    if attn.residual_connection:
        result = result + hidden_states
    return result / attn.rescale_output_factor, query, key
