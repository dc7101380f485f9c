"""Stable Diffusion checkpoints in one .safetensors file, whose configuration is read off the weights' shapes.

diffusers would fetch the configuration from the network. Key names are those of the original code base, which
ComfyUI's checkpoints keep.
"""

from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...errors import InputError, UnsupportedModelError
from ..files import State, read_safetensors, stated_side
from .components import Components
from .family import family

UNET = "model.diffusion_model."
VAE = "first_stage_model."
SD_SCALE, SDXL_SCALE = 0.18215, 0.13025
SDXL_CONTEXT = 2048


def load_single_file(path: Path, device: torch.device, dtype: torch.dtype) -> Components:
    """U-Net, VAE and noise schedule of a checkpoint file; it has no tokenizer, so no prompts.

    Raises:
        InputError: another file format, or not a checkpoint with U-Net and VAE.
    """
    state = read_safetensors(path)
    if f"{UNET}input_blocks.0.0.weight" not in state:
        raise UnsupportedModelError(
            "model", f"{path.name} holds no Stable Diffusion U-Net ({UNET}...).",
            "Give a full SD 1.x, 2.x or SDXL checkpoint, or a diffusers folder.",
        )
    import diffusers

    config = unet_config(state)
    unet = _from_state(diffusers.UNet2DConditionModel, state, config, dtype)
    scale = SDXL_SCALE if config["cross_attention_dim"] == SDXL_CONTEXT else SD_SCALE
    vae = _load_vae(state, scale, path, dtype)
    scheduler = diffusers.DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False,
        set_alpha_to_one=False, steps_offset=1, prediction_type=prediction_type(state),
        rescale_betas_zero_snr="ztsnr" in state,
    )
    for model in (unet, vae):
        model.to(device).eval().requires_grad_(False)
    return Components(unet, vae, scheduler, family=family(unet, scheduler, stated_px=stated_side(path)))


def unet_config(state: State) -> dict[str, Any]:
    """Arguments of ``UNet2DConditionModel`` for a checkpoint's U-Net.

    Raises:
        UnsupportedModelError: its blocks differ in a way that ``UNet2DConditionModel`` doesn't know.
    """
    channels: list[int] = []
    depths: list[list[int]] = [[]]
    number = 1
    while any(f"{UNET}input_blocks.{number}.0.{part}.weight" in state for part in ("in_layers.0", "op")):
        if f"{UNET}input_blocks.{number}.0.op.weight" in state:
            depths.append([])
        else:
            out = state[f"{UNET}input_blocks.{number}.0.out_layers.3.weight"].shape[0]
            channels[len(depths) - 1 :] = [out]
            depths[-1].append(_depth(state, f"{UNET}input_blocks.{number}.1."))
        number += 1
    per_level = {len(level) for level in depths}
    if len(per_level) != 1 or any(len(set(level)) != 1 for level in depths):
        raise UnsupportedModelError(
            "model", f"its blocks per level are {depths}.", "Use an SD 1.x, 2.x or SDXL checkpoint."
        )
    level_depths = [level[0] for level in depths]
    attention = [key for key in state if key.startswith(UNET) and key.endswith("attn2.to_k.weight")]
    if not attention:
        raise UnsupportedModelError("model", "its U-Net has no attention.", "Use an SD 1.x, 2.x or SDXL checkpoint.")
    context = state[attention[0]].shape[1]
    linear = state[attention[0].split("transformer_blocks")[0] + "proj_in.weight"].ndim == 2
    config: dict[str, Any] = {
        "_class_name": "UNet2DConditionModel",
        "in_channels": state[f"{UNET}input_blocks.0.0.weight"].shape[1],
        "out_channels": state[f"{UNET}out.2.weight"].shape[0],
        "block_out_channels": channels,
        "layers_per_block": per_level.pop(),
        "down_block_types": ["CrossAttnDownBlock2D" if depth else "DownBlock2D" for depth in level_depths],
        "up_block_types": ["CrossAttnUpBlock2D" if depth else "UpBlock2D" for depth in reversed(level_depths)],
        "transformer_layers_per_block": [max(depth, 1) for depth in level_depths],
        "cross_attention_dim": context,
        "use_linear_projection": linear,
        # diffusers' name for the number of heads: 8 everywhere in SD 1.x, of 64 channels each in the others.
        "attention_head_dim": [width // 64 for width in channels] if linear else 8,
    }
    if f"{UNET}middle_block.1.proj_in.weight" not in state:
        config["mid_block_type"] = None if f"{UNET}middle_block.0.in_layers.0.weight" not in state else "UNetMidBlock2D"
    labels = state.get(f"{UNET}label_emb.0.0.weight")
    if labels is not None:
        if context != SDXL_CONTEXT:
            raise UnsupportedModelError("model", "its U-Net takes class labels.", "Use SD 1.x, 2.x or SDXL base.")
        config |= {
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 256,
            "projection_class_embeddings_input_dim": labels.shape[1],
        }
    return config


def prediction_type(state: State) -> str:
    """What the U-Net predicts, by the signs that ComfyUI goes by.

    SDXL checkpoints say so with a key of their own. SD 2.x v-prediction models (768 px) are known by the spread of
    one normalisation's bias, which in the eps-prediction ones is small.
    """
    if "v_pred" in state:
        return "v_prediction"
    bias = state.get(f"{UNET}output_blocks.11.1.transformer_blocks.0.norm1.bias")
    key = state.get(f"{UNET}output_blocks.11.1.transformer_blocks.0.attn2.to_k.weight")
    if bias is not None and key is not None and key.shape[1] == 1024 and bias.float().std(unbiased=False) > 0.09:
        return "v_prediction"
    return "epsilon"


def _depth(state: State, prefix: str) -> int:
    return len({key[len(prefix) :].split(".")[1] for key in state if key.startswith(f"{prefix}transformer_blocks.")})


def _from_state(cls: Any, state: State, config: dict[str, Any], dtype: torch.dtype) -> nn.Module:
    # `from_single_file` wants its configuration in a folder.
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps(config), "utf-8")
        return cls.from_single_file(dict(state), config=folder, torch_dtype=dtype, local_files_only=True)


def _load_vae(state: State, scale: float, path: Path, dtype: torch.dtype) -> nn.Module:
    import diffusers

    if f"{VAE}taesd_decoder.1.weight" in state:
        return nn.Module.to(_load_tiny(state, scale), dtype)
    if f"{VAE}decoder.conv_in.weight" not in state:
        raise InputError("model", f"{path.name} holds no VAE.", "Give a full checkpoint, or a diffusers folder.")
    widths: list[int] = []
    while f"{VAE}encoder.down.{len(widths)}.block.0.conv2.weight" in state:
        widths.append(state[f"{VAE}encoder.down.{len(widths)}.block.0.conv2.weight"].shape[0])
    latent = state[f"{VAE}decoder.conv_in.weight"].shape[1]
    config = {
        "_class_name": "AutoencoderKL",
        "block_out_channels": widths,
        "down_block_types": ["DownEncoderBlock2D"] * len(widths),
        "up_block_types": ["UpDecoderBlock2D"] * len(widths),
        "layers_per_block": 2,
        "latent_channels": latent,
        "scaling_factor": scale,
        "force_upcast": True,
    }
    return _from_state(diffusers.AutoencoderKL, state, config, dtype)


def _load_tiny(state: State, scale: float) -> nn.Module:
    """A TAESD as ComfyUI keeps it: z = encoder(x) / vae_scale + vae_shift, times the model's own scale."""
    import diffusers

    own_scale = float(state.get(f"{VAE}vae_scale", torch.tensor(1.0)))
    own_shift = float(state.get(f"{VAE}vae_shift", torch.tensor(0.0)))
    if own_scale == 0 or not math.isfinite(own_scale):
        raise InputError("model", f"its VAE's scale is {own_scale}.", "Use another checkpoint.")
    vae: Any = diffusers.AutoencoderTiny(scaling_factor=scale / own_scale, shift_factor=-own_shift * own_scale)
    renamed: State = {}
    for part, skipped in (("encoder", 0), ("decoder", 1)):
        # The decoder's first layer is a clamp without weights, which diffusers doesn't count.
        prefix = f"{VAE}taesd_{part}."
        for key, value in state.items():
            if key.startswith(prefix):
                index, _, rest = key[len(prefix) :].partition(".")
                renamed[f"{part}.layers.{int(index) - skipped}.{rest}"] = value
    vae.load_state_dict(renamed)
    return vae
