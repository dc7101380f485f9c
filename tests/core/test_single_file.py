"""Checkpoints in one file: read back, every family computes what the model did that was written."""

from __future__ import annotations

import re

import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.torch import save_file

from core.errors import InputError, UnsupportedModelError
from core.hosts.diffusers import DiffusersDenoiser, DiffusersVae
from core.hosts.diffusers.loading import load
from core.hosts.diffusers.single_file import UNET, VAE, prediction_type
from tests.core import diffusers_models as models
from tools.demo_model.unet import ldm_key

CPU, FLOAT = torch.device("cpu"), torch.float32
LIKE_THE_REAL = {
    # In the original code SD 1.x has eight heads everywhere, the others heads of 64 channels.
    "sd15": {"block_out_channels": (32, 64, 64), "norm_num_groups": 32},
    "sd2": {"block_out_channels": (64, 128, 128), "attention_head_dim": (1, 2, 2), "norm_num_groups": 32},
    "sdxl": {
        "block_out_channels": (64, 128, 128), "attention_head_dim": (1, 2, 2), "norm_num_groups": 32,
        "cross_attention_dim": 2048, "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 20 + 6 * 256,
    },
}  # fmt: skip
SCALE = {"sd15": 0.18215, "sd2": 0.18215, "sdxl": 0.13025}


def unet_state(unet) -> dict[str, torch.Tensor]:
    """Weights by Stable Diffusion's names; one residual block a level on the way down."""
    state = {}
    for key, value in unet.state_dict().items():
        if key.startswith("add_embedding.linear_"):
            number = {"1": "0", "2": "2"}[key[21]]
            name = f"label_emb.0.{number}.{key.rpartition('.')[2]}"
        else:
            name = ldm_key(key)
        upsampler = re.fullmatch(r"up_blocks\.(\d+)\.upsamplers.*", key)
        if upsampler and not getattr(unet.up_blocks[int(upsampler[1])], "attentions", None):
            name = name.replace(".2.conv.", ".1.conv.")
        state[UNET + name] = value.clone()
    return state


def vae_state(vae) -> dict[str, torch.Tensor]:
    """Weights of an AutoencoderKL with four levels by Stable Diffusion's names."""
    names = [
        (r"down_blocks\.(\d)\.resnets\.(\d)", r"down.\1.block.\2"),
        (r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample"),
        (r"up_blocks\.(\d)\.resnets\.(\d)", lambda found: f"up.{3 - int(found[1])}.block.{found[2]}"),
        (r"up_blocks\.(\d)\.upsamplers\.0", lambda found: f"up.{3 - int(found[1])}.upsample"),
        (r"mid_block\.resnets\.(\d)", lambda found: f"mid.block_{int(found[1]) + 1}"),
        (r"mid_block\.attentions\.0", "mid.attn_1"),
        (r"group_norm", "norm"),
        (r"to_([qkv])\b", r"\1"),
        (r"to_out\.0", "proj_out"),
        (r"conv_norm_out", "norm_out"),
        (r"conv_shortcut", "nin_shortcut"),
    ]
    state = {}
    for key, value in vae.state_dict().items():
        for pattern, name in names:
            key = re.sub(pattern, name, key)
        is_linear = "attn_1" in key and value.ndim == 2
        state[VAE + key] = (value[..., None, None] if is_linear else value).clone()
    return state


def vae_kl() -> AutoencoderKL:
    torch.manual_seed(3)
    return AutoencoderKL(
        block_out_channels=(32, 32, 64, 64), down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4, layers_per_block=2, latent_channels=4,
    ).eval()  # fmt: skip


@pytest.mark.parametrize("kind", models.KINDS)
def test_a_checkpoint_computes_what_was_written(kind, tmp_path):
    unet, vae = models.unet(kind, **LIKE_THE_REAL[kind]), vae_kl()
    save_file(unet_state(unet) | vae_state(vae), tmp_path / "model.safetensors")
    loaded = load(tmp_path / "model.safetensors", CPU, FLOAT)
    written, read = (DiffusersDenoiser(part, models.scheduler()) for part in (unet, loaded.unet))
    assert read.layers == written.layers
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0)) * 3
    torch.testing.assert_close(read.denoise(x, 3.0), written.denoise(x, 3.0))
    assert torch.equal(loaded.scheduler.alphas_cumprod, models.scheduler().alphas_cumprod)

    vae.register_to_config(scaling_factor=SCALE[kind])
    image = torch.rand(1, 16, 24, 3, generator=torch.Generator().manual_seed(0))
    latent = DiffusersVae(vae).encode(image)
    torch.testing.assert_close(DiffusersVae(loaded.vae).encode(image), latent)
    torch.testing.assert_close(DiffusersVae(loaded.vae).decode(latent), DiffusersVae(vae).decode(latent))


def test_prediction_types():
    bias = f"{UNET}output_blocks.11.1.transformer_blocks.0.norm1.bias"
    key = f"{UNET}output_blocks.11.1.transformer_blocks.0.attn2.to_k.weight"
    wide, narrow = torch.linspace(-1, 1, 320), torch.linspace(-0.01, 0.01, 320)
    assert prediction_type({bias: wide, key: torch.zeros(320, 1024)}) == "v_prediction"
    assert prediction_type({bias: narrow, key: torch.zeros(320, 1024)}) == "epsilon"
    assert prediction_type({bias: wide, key: torch.zeros(320, 768)}) == "epsilon"
    assert prediction_type({"v_pred": torch.zeros(0)}) == "v_prediction"


def test_a_checkpoint_without_vae_is_named(tmp_path):
    save_file(unet_state(models.unet("sd15", **LIKE_THE_REAL["sd15"])), tmp_path / "unet.safetensors")
    with pytest.raises(InputError, match="unet.safetensors holds no VAE"):
        load(tmp_path / "unet.safetensors", CPU, FLOAT)


def test_class_conditional_models_are_named(tmp_path):
    state = unet_state(models.unet("sd2", **LIKE_THE_REAL["sd2"]))
    state[f"{UNET}label_emb.0.0.weight"] = torch.zeros(4, 4)
    save_file(state, tmp_path / "unclip.safetensors")
    with pytest.raises(UnsupportedModelError, match="class labels"):
        load(tmp_path / "unclip.safetensors", CPU, FLOAT)
