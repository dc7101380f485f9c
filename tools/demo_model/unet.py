"""The demo model's U-Net: Stable Diffusion 1.5's layout at a fifth of its width, and how it is widened.

The narrow model (``layout``; as shipped 64/128/128 channels, one residual block a level) has self-attention at every
resolution and 320 sinusoidal time entries. Widening repeats every channel ``k`` = 5 times and divides the weights that
read it by ``k``: convolutions, linear layers, LayerNorm and GroupNorm(32) then compute the same function, each channel
k times over.

Attention heads are another matter: SD 1.5 has eight everywhere, and eight heads of 8 channels would be both slow to
train and too small to be of use. So the narrow model has heads of 32 channels, and widening copies each head until
there are eight, fills its channels up with zeros to the wide head's size (40 or 80), and gives each copy its share of
the output projection. The query weights take up the change of 1/sqrt(head size).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .layout import HEAD, SMALL, Layout, layout_of

K = 5
WIDE_HEADS = 8
CONTEXT = 768
TIME_ENTRIES = 320
CONTEXT_LAYERS = ("attn2.to_q.weight", "attn2.to_k.weight", "attn2.to_v.weight")


def diffusers_config(widths: tuple[int, ...], heads: tuple[int, ...] | int, blocks: int = 1, shown: int = 0) -> dict:
    """Arguments of diffusers' UNet2DConditionModel for these widths and heads per level, and blocks a level.

    ``shown``: channels beside the latent's four, five in a painter's.
    """
    levels = len(widths)
    return {
        "sample_size": 32,
        "in_channels": 4 + shown,
        "out_channels": 4,
        "layers_per_block": blocks,
        "block_out_channels": list(widths),
        "down_block_types": ["CrossAttnDownBlock2D"] * levels,
        "mid_block_type": "UNetMidBlock2DCrossAttn",
        "up_block_types": ["CrossAttnUpBlock2D"] * levels,
        "cross_attention_dim": CONTEXT,
        # diffusers' historical name: for SD 1.5 this is the number of heads.
        "attention_head_dim": heads if isinstance(heads, int) else list(heads),
        "norm_num_groups": 32,
        "norm_eps": 1e-5,
        "flip_sin_to_cos": True,
        "freq_shift": 0,
        "use_linear_projection": False,
    }


def wide_config(layout: Layout = SMALL, shown: int = 0) -> dict:
    """Arguments of UNet2DConditionModel for the widened model (as shipped 320/640/640, eight heads).

    ``sample_size`` 32 is what tells its native size, 256 px.
    """
    return diffusers_config(tuple(K * width for width in layout.widths), WIDE_HEADS, layout.blocks, shown)


def build_narrow(layout: Layout = SMALL, shown: int = 0) -> nn.Module:
    """A freshly initialised narrow UNet2DConditionModel without cross-attention.

    It is called as diffusers' class is, ``unet(x, t, encoder_hidden_states=None).sample``; the context is ignored.
    """
    from diffusers import UNet2DConditionModel
    from diffusers.models.embeddings import Timesteps

    unet = UNet2DConditionModel(**diffusers_config(layout.widths, layout.heads, layout.blocks, shown))
    unet.time_proj = Timesteps(TIME_ENTRIES, True, 0)
    unet.time_embedding.linear_1 = nn.Linear(TIME_ENTRIES, 4 * layout.widths[0])
    for module in unet.modules():
        if getattr(module, "attn2", None) is not None:
            # Null conditioning is zeros: cross-attention would only ever add a constant.
            module.attn2 = None
            module.norm2 = None
    return unet


def _repeat_rows(value: Tensor, k: int) -> Tensor:
    return value.repeat_interleave(k, 0)


def _repeat_columns(value: Tensor, k: int) -> Tensor:
    return value.repeat_interleave(k, 1) / k


def _copy_heads(value: Tensor, k: int) -> Tensor:
    """Rows (heads * size, ...) of a projection to the rows of eight heads of k * width / 8 channels."""
    width = value.shape[0]
    heads = width // HEAD
    rows = value.reshape(heads, width // heads, -1)
    wide = torch.zeros(WIDE_HEADS, k * width // WIDE_HEADS, rows.shape[2])
    wide[:, : rows.shape[1]] = rows.repeat_interleave(WIDE_HEADS // heads, 0)
    return wide.reshape(k * width, -1)


def widen(narrow: dict[str, Tensor], k: int = K) -> dict[str, Tensor]:
    """State dict of the widened diffusers model, float32, same outputs for the same inputs.

    ``narrow`` comes from :func:`build_narrow`. Cross-attention is added with zero weights: context changes nothing.
    """
    wide: dict[str, Tensor] = {}
    for key, tensor in narrow.items():
        value = tensor.detach().float()
        if key in ("conv_in.weight", "time_embedding.linear_1.weight"):
            wide[key] = _repeat_rows(value, k)
        elif key == "conv_out.weight":
            wide[key] = _repeat_columns(value, k)
        elif key == "conv_out.bias":
            wide[key] = value
        elif key.endswith(("attn1.to_q.weight", "attn1.to_k.weight", "attn1.to_v.weight")):
            wide[key] = _copy_heads(_repeat_columns(value, k), k)
            if "to_q" in key:
                width = value.shape[0]
                wide[key] *= (k * width / WIDE_HEADS) ** 0.5 / HEAD**0.5
        elif key.endswith("attn1.to_out.0.weight"):
            copies = WIDE_HEADS // (value.shape[0] // HEAD)
            wide[key] = _copy_heads(_repeat_rows(value, k).T / copies, k).T
        elif value.ndim > 1:
            wide[key] = _repeat_columns(_repeat_rows(value, k), k)
        else:
            wide[key] = _repeat_rows(value, k)
    for key in [name for name in wide if name.endswith("attn1.to_q.weight")]:
        block, width = key.removesuffix("attn1.to_q.weight"), wide[key].shape[0]
        for name in CONTEXT_LAYERS:
            wide[block + name] = torch.zeros(width, width if "to_q" in name else CONTEXT)
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


def ldm_key(key: str, blocks: int = 1) -> str:
    """Name in Stable Diffusion's own (ComfyUI's) layout of a diffusers U-Net weight; ``blocks`` residual ones a level.

    Names of the way up count from the deepest level in both layouts.
    """
    module, _, kind = key.rpartition(".")
    if module in TOP:
        return f"{TOP[module]}.{kind}"
    parts = module.split(".")
    if parts[0] == "mid_block":
        if parts[1] == "attentions":
            return ".".join(["middle_block", "1", *parts[3:], kind])
        return f"middle_block.{2 * int(parts[2])}.{RESNET[parts[3]]}.{kind}"
    level, part, index = int(parts[1]), parts[2], int(parts[3])
    # A level is its blocks and, on the way down, the halving; on the way up it has a block more.
    first = (blocks + 1) * level
    if parts[0] == "down_blocks":
        if part == "downsamplers":
            return f"input_blocks.{1 + first + blocks}.0.op.{kind}"
        where = f"input_blocks.{1 + first + index}"
    else:
        if part == "upsamplers":
            return f"output_blocks.{first + blocks}.2.conv.{kind}"
        where = f"output_blocks.{first + index}"
    if part == "resnets":
        return f"{where}.0.{RESNET[parts[4]]}.{kind}"
    return ".".join([where, "1", *parts[4:], kind])


def ldm_state_dict(wide: dict[str, Tensor]) -> dict[str, Tensor]:
    """Diffusers weights renamed for ComfyUI, keys ``model.diffusion_model.*``."""
    blocks = layout_of(wide).blocks
    return {f"model.diffusion_model.{ldm_key(key, blocks)}": value for key, value in wide.items()}
