"""The self-attention layers of a model that ComfyUI has loaded, and what kind of U-Net it is."""

from __future__ import annotations

from typing import Any, TypeAlias

import comfy.model_sampling

from ...errors import UnsupportedModelError
from ...model.layers import Layer, Side

SUPPORTED = "Use a Stable Diffusion 1.x, 2.x or SDXL checkpoint, or another with a U-Net of that family."

BlockKey: TypeAlias = tuple[str, int, int]
"""ComfyUI's name of a transformer block: "input", "middle" or "output", the block's number, the transformer's index."""


def attention_layers(base_model: Any) -> dict[BlockKey, Layer]:
    """The self-attention layers of a loaded model by ComfyUI's block key (name, id, transformer index).

    Raises:
        UnsupportedModelError: it has none, or isn't a U-Net, or its noise isn't additive (flow models).
    """
    unet = base_model.diffusion_model
    if isinstance(base_model.model_sampling, comfy.model_sampling.CONST) or not hasattr(unet, "input_blocks"):
        raise UnsupportedModelError(
            "model",
            f"{type(base_model).__name__} ({type(unet).__name__}) is no U-Net with self-attention.",
            SUPPORTED,
        )
    layers: dict[BlockKey, Layer] = {}
    level = 0

    def visit(block: Any, side: Side, number: int) -> None:
        nonlocal level
        name = {"down": "input", "middle": "middle", "up": "output"}[side]
        for module in block:
            for index, transformer in enumerate(getattr(module, "transformer_blocks", ())):
                attention = getattr(transformer, "attn1", None)
                if attention is None or getattr(transformer, "disable_self_attn", False):
                    continue
                layers[(name, number, index)] = Layer(
                    f"{side}.{number}.{index}", side, level, token_width(transformer), attention.heads
                )
            kind = type(module).__name__
            if kind == "Downsample":
                level += 1
            elif kind == "Upsample":
                level -= 1

    for number, block in enumerate(unet.input_blocks):
        visit(block, "down", number)
    if unet.middle_block is not None:
        visit(unet.middle_block, "middle", 0)
    for number, block in enumerate(unet.output_blocks):
        visit(block, "up", number)
    if not layers:
        raise UnsupportedModelError("model", f"{type(unet).__name__} has no self-attention.", SUPPORTED)
    return layers


def token_width(transformer: Any) -> int:
    """Channels of a transformer block's tokens.

    Read off the normalisation before its self-attention: whoever quantises a model (fp8, GGUF, NF4) leaves that alone,
    while a quantised projection's ``in_features`` may be missing and its weight packed into another shape.
    """
    norm = getattr(transformer, "norm1", None)
    shape = getattr(norm, "normalized_shape", None)
    if shape:
        return int(shape[-1])
    weight = getattr(norm, "weight", None)
    if weight is not None:
        return int(weight.shape[0])
    return width_in(transformer.attn1.to_q)


def width_in(linear: Any) -> int:
    """Channels that a linear layer takes, whoever made it."""
    width = getattr(linear, "in_features", None)
    return int(linear.weight.shape[-1] if width is None else width)


def context_width(base_model: Any) -> int:
    """Channels of the text embeddings that a model's cross-attention takes; Stable Diffusion 1's where it has none."""
    known = getattr(getattr(base_model, "model_config", None), "unet_config", None) or {}
    if known.get("context_dim"):
        return int(known["context_dim"])
    for module in base_model.diffusion_model.modules():
        cross_attention = getattr(module, "attn2", None)
        if cross_attention is not None:
            return width_in(cross_attention.to_k)
    return 768


def extra_channels(base_model: Any) -> int:
    """Channels that a U-Net takes besides the latent's: 5 in an inpainting one (mask and masked picture), else 0."""
    taken = getattr(base_model.diffusion_model, "in_channels", None)
    latent = getattr(base_model.latent_format, "latent_channels", None)
    return 0 if taken is None or latent is None else int(taken) - int(latent)


def check_invertible(base_model: Any) -> None:
    """Raises an ``UnsupportedModelError`` for a model whose own trajectory can't be followed back.

    An inpainting U-Net paints what a mask tells it to: without one there is nothing to invert, and with one the way
    into the noise would lead through a picture with a hole in it.
    """
    attention_layers(base_model)
    extra = extra_channels(base_model)
    if extra:
        latent = base_model.latent_format.latent_channels
        raise UnsupportedModelError(
            "model",
            f"its U-Net takes {latent + extra} channels instead of {latent}: an inpainting checkpoint (or another "
            "that is shown a picture), which can't be inverted.",
            "Link the checkpoint that it was made from, or another plain one; link this one as 'painter' on "
            "AttentionDrag Edit or Sampler, where it paints what the drag reveals.",
        )
