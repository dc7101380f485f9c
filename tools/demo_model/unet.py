"""The demo model's U-Net: Stable Diffusion 1.5's layout at a fifth of its width, and how it is widened.

The narrow model has 64/128/128 channels, one residual block a level, self-attention at every resolution with
SD 1.5's eight heads, and 320 sinusoidal time entries. Widening repeats every channel ``k`` = 5 times and divides
the weights that read it by ``k``: convolutions, linear layers, LayerNorm and GroupNorm(32) then compute the same
function, each channel k times over. Attention logits would grow by k / sqrt(k), so the query weights are divided
by sqrt(k) once more.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

K = 5
WIDTHS = (64, 128, 128)
HEADS = 8
CONTEXT = 768
TIME_ENTRIES = 320
CONTEXT_LAYERS = ("attn2.to_q.weight", "attn2.to_k.weight", "attn2.to_v.weight")


def diffusers_config(widths: tuple[int, ...] = WIDTHS) -> dict:
    """Arguments of diffusers' UNet2DConditionModel for these widths."""
    levels = len(widths)
    return {
        "sample_size": 32,
        "in_channels": 4,
        "out_channels": 4,
        "layers_per_block": 1,
        "block_out_channels": list(widths),
        "down_block_types": ["CrossAttnDownBlock2D"] * levels,
        "mid_block_type": "UNetMidBlock2DCrossAttn",
        "up_block_types": ["CrossAttnUpBlock2D"] * levels,
        "cross_attention_dim": CONTEXT,
        # diffusers' historical name: for SD 1.5 this is the number of heads.
        "attention_head_dim": HEADS,
        "norm_num_groups": 32,
        "norm_eps": 1e-5,
        "flip_sin_to_cos": True,
        "freq_shift": 0,
        "use_linear_projection": False,
    }


def build_narrow(widths: tuple[int, ...] = WIDTHS) -> nn.Module:
    """A freshly initialised narrow UNet2DConditionModel without cross-attention.

    It is called as diffusers' class is, ``unet(x, t, encoder_hidden_states=None).sample``; the context is ignored.
    """
    from diffusers import UNet2DConditionModel
    from diffusers.models.embeddings import Timesteps

    unet = UNet2DConditionModel(**diffusers_config(widths))
    unet.time_proj = Timesteps(TIME_ENTRIES, True, 0)
    unet.time_embedding.linear_1 = nn.Linear(TIME_ENTRIES, 4 * widths[0])
    for module in unet.modules():
        if getattr(module, "attn2", None) is not None:
            # Null conditioning is zeros: cross-attention would only ever add a constant.
            module.attn2 = None
            module.norm2 = None
    return unet


def widen(narrow: dict[str, Tensor], k: int = K) -> dict[str, Tensor]:
    """State dict of the widened diffusers model, float32, same outputs for the same inputs.

    ``narrow`` comes from :func:`build_narrow`. Cross-attention is added with zero weights: context changes nothing.
    """
    wide: dict[str, Tensor] = {}
    for key, tensor in narrow.items():
        value = tensor.detach().float()
        reads_channels = value.ndim > 1 and key not in ("conv_in.weight", "time_embedding.linear_1.weight")
        if not key.startswith("conv_out."):
            value = value.repeat_interleave(k, 0)
        if reads_channels:
            value = value.repeat_interleave(k, 1) / k
        if key.endswith("attn1.to_q.weight"):
            value = value / k**0.5
        wide[key] = value
    for key in [name for name in wide if name.endswith("attn1.to_q.weight")]:
        block, width = key.removesuffix("attn1.to_q.weight"), wide[key].shape[0]
        for name in CONTEXT_LAYERS:
            columns = width if "to_q" in name else CONTEXT
            wide[block + name] = torch.zeros(width, columns)
        wide[block + "attn2.to_out.0.weight"] = torch.zeros(width, width)
        wide[block + "attn2.to_out.0.bias"] = torch.zeros(width)
        wide[block + "norm2.weight"] = torch.ones(width)
        wide[block + "norm2.bias"] = torch.zeros(width)
    return wide


RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
TOP = {
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
}


def ldm_key(key: str, levels: int = len(WIDTHS)) -> str:
    """Name in Stable Diffusion's own (ComfyUI's) layout of a diffusers U-Net weight, one block a level."""
    module, _, kind = key.rpartition(".")
    if module in TOP:
        return f"{TOP[module]}.{kind}"
    parts = module.split(".")
    if parts[0] == "mid_block":
        if parts[1] == "attentions":
            return ".".join(["middle_block", "1", *parts[3:], kind])
        return f"middle_block.{2 * int(parts[2])}.{RESNET[parts[3]]}.{kind}"
    level, part, index = int(parts[1]), parts[2], int(parts[3])
    if parts[0] == "down_blocks":
        first = 1 + 2 * level
        if part == "downsamplers":
            return f"input_blocks.{first + 1}.0.op.{kind}"
        where = f"input_blocks.{first}"
    else:
        if part == "upsamplers":
            return f"output_blocks.{2 * level + 1}.2.conv.{kind}"
        where = f"output_blocks.{2 * level + index}"
    if part == "resnets":
        return f"{where}.0.{RESNET[parts[4]]}.{kind}"
    return ".".join([where, "1", *parts[4:], kind])


def ldm_state_dict(wide: dict[str, Tensor]) -> dict[str, Tensor]:
    """Diffusers weights renamed for ComfyUI, keys ``model.diffusion_model.*``."""
    return {f"model.diffusion_model.{ldm_key(key)}": value for key, value in wide.items()}
