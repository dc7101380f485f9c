"""Small random diffusers models in the layouts of Stable Diffusion 1.5, 2.x and XL."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, DDIMScheduler, UNet2DConditionModel

KINDS = ("sd15", "sd2", "sdxl")
PREDICTION = {"sd15": "epsilon", "sd2": "v_prediction", "sdxl": "epsilon"}

LAYOUTS = {
    # What diffusers calls `attention_head_dim` here is the number of heads.
    "sd15": {
        "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        "attention_head_dim": 8,
        "cross_attention_dim": 24,
    },
    "sd2": {
        "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        "attention_head_dim": (2, 4, 4),
        "cross_attention_dim": 32,
        "use_linear_projection": True,
    },
    "sdxl": {
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "attention_head_dim": (2, 4, 4),
        "transformer_layers_per_block": (1, 1, 2),
        "cross_attention_dim": 40,
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 6 * 8 + 20,
    },
}


def unet(kind: str = "sd15", seed: int = 0, **changes) -> UNet2DConditionModel:
    """A U-Net of 32 to 64 channels at three resolutions; its answer is about as large as its input."""
    torch.manual_seed(seed)
    layout = {"block_out_channels": (32, 64, 64), "layers_per_block": 1, "norm_num_groups": 8}
    model = UNet2DConditionModel(**{**layout, **LAYOUTS[kind], **changes}).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            # Away from the initial state, in which biases are 0 and attention is all but uniform.
            if name.endswith("bias"):
                parameter.normal_(std=0.05)
            elif "attn1.to_q" in name or "attn1.to_k" in name:
                parameter.mul_(4)
    return model.requires_grad_(False)


def scheduler(prediction: str = "epsilon") -> DDIMScheduler:
    """Stable Diffusion's noise schedule."""
    return DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False,
        set_alpha_to_one=True, steps_offset=1, prediction_type=prediction,
    )


def vae_kl(seed: int = 0) -> AutoencoderKL:
    """A variational autoencoder with 8 px cells."""
    torch.manual_seed(seed)
    return AutoencoderKL(
        block_out_channels=(8, 8, 8, 8), down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4, norm_num_groups=4, latent_channels=4,
        scaling_factor=0.18215,
    ).eval()


def vae_tiny(seed: int = 0, **changes) -> AutoencoderTiny:
    """A small deterministic autoencoder with 8 px cells."""
    torch.manual_seed(seed)
    layout = {"encoder_block_out_channels": (8,) * 4, "decoder_block_out_channels": (8,) * 4, **changes}
    return AutoencoderTiny(num_encoder_blocks=(1, 1, 1, 1), num_decoder_blocks=(1, 1, 1, 1), **layout).eval()


def write_folder(folder: Path, kind: str = "sd15") -> Path:
    """A model folder in diffusers' layout: U-Net, VAE and scheduler, no text encoder."""
    unet(kind).save_pretrained(folder / "unet")
    vae_kl().save_pretrained(folder / "vae")
    scheduler(PREDICTION[kind]).save_pretrained(folder / "scheduler")
    return folder
