"""The self-attention layers of a model that ComfyUI has loaded."""

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
                    f"{side}.{number}.{index}", side, level, attention.to_q.in_features, attention.heads
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
