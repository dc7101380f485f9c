"""Write the demo model for ComfyUI (``--comfy``) or diffusers (``--diffusers``).

The ComfyUI file is loaded by the stock CheckpointLoaderSimple as an SD 1.5 checkpoint (without a text encoder).
The diffusers folder holds unet (UNet2DConditionModel), vae (AutoencoderTiny) and scheduler (DDIMScheduler); load the
parts with those classes' ``from_pretrained(folder, subfolder=...)``, or all of them at once with
``StableDiffusionPipeline.from_pretrained(folder, text_encoder=None, tokenizer=None)``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from .autoencoder import Autoencoder, padded_state_dict
from .layout import NATIVE_SIZE, layout_of
from .painter import PREDICTION, SHOWN
from .unet import ldm_state_dict, wide_config, widen
from .weights import FOLDER, MissingWeightsError, read_autoencoder, read_painter, read_unet, shown_of, stand_in

# ComfyUI multiplies SD 1.5 latents by this after encoding and divides before decoding. The encoder already gives
# unit variance, so the VAE's own scale undoes it.
SD15_SCALE = 0.18215
# Stability AI's ModelSpec, which other checkpoints carry, too. diffusers' sample_size says the same in cells.
ABOUT = {
    "modelspec.architecture": "stable-diffusion-v1",
    "modelspec.title": "ComfyUI-AttentionDrag demo model",
    "modelspec.resolution": f"{NATIVE_SIZE}x{NATIVE_SIZE}",
    "format": "pt",
}
SCHEDULER = {
    "_class_name": "DDIMScheduler",
    "num_train_timesteps": 1000,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "prediction_type": "epsilon",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}


def comfy_state_dict(unet: dict[str, Tensor], autoencoder: Autoencoder) -> dict[str, Tensor]:
    """Checkpoint in ComfyUI's SD 1.5 layout from narrow weights: widened U-Net and padded TAESD, float32."""
    tensors = ldm_state_dict(widen(unet))
    for key, value in padded_state_dict(autoencoder).items():
        tensors[f"first_stage_model.taesd_{key}"] = value
    tensors["first_stage_model.vae_scale"] = torch.tensor(SD15_SCALE)
    tensors["first_stage_model.vae_shift"] = torch.tensor(0.0)
    return tensors


def write_comfy(unet: dict[str, Tensor], autoencoder: Autoencoder, path: Path, dtype: torch.dtype) -> None:
    """Write the ComfyUI checkpoint; U-Net and VAE are stored in ``dtype``."""
    tensors = {key: value.to(dtype).contiguous() for key, value in comfy_state_dict(unet, autoencoder).items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {**ABOUT, "modelspec.title": f"{ABOUT['modelspec.title']}, painter"} if shown_of(unet) else ABOUT
    save_file(tensors, path, about)


def tiny_vae_state_dict(autoencoder: Autoencoder) -> dict[str, Tensor]:
    """Weights of diffusers' AutoencoderTiny, which keeps the decoder's clamp out of its layer count."""
    tensors = {}
    for key, value in padded_state_dict(autoencoder).items():
        part, index, rest = key.split(".", 2)
        shift = 1 if part == "decoder" else 0
        tensors[f"{part}.layers.{int(index) - shift}.{rest}"] = value
    return tensors


def write_diffusers(unet: dict[str, Tensor], autoencoder: Autoencoder, folder: Path, dtype: torch.dtype) -> None:
    """Write the diffusers folder. Needs no diffusers."""
    wide = {key: value.to(dtype).contiguous() for key, value in widen(unet).items()}
    config = {"_class_name": "UNet2DConditionModel", **wide_config(layout_of(unet), shown_of(unet))}
    vae_config = {
        "_class_name": "AutoencoderTiny",
        "encoder_block_out_channels": [64] * 4,
        "decoder_block_out_channels": [64] * 4,
        "num_encoder_blocks": [1, 3, 3, 3],
        "num_decoder_blocks": [3, 3, 3, 1],
        "latent_channels": 4,
        "scaling_factor": 1.0,
    }
    index = {
        "_class_name": "StableDiffusionPipeline",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderTiny"],
        "scheduler": ["diffusers", "DDIMScheduler"],
        **{name: [None, None] for name in ("text_encoder", "tokenizer", "safety_checker", "feature_extractor")},
        "requires_safety_checker": False,
    }
    for name, values in (("unet", config), ("vae", vae_config)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "config.json").write_text(json.dumps(values, indent=2) + "\n", "utf-8")
    (folder / "scheduler").mkdir(parents=True, exist_ok=True)
    schedule = {**SCHEDULER, "prediction_type": PREDICTION} if shown_of(unet) else SCHEDULER
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(schedule, indent=2) + "\n", "utf-8")
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n", "utf-8")
    save_file(wide, folder / "unet" / "diffusion_pytorch_model.safetensors", {"format": "pt"})
    vae = {key: value.to(dtype).contiguous() for key, value in tiny_vae_state_dict(autoencoder).items()}
    save_file(vae, folder / "vae" / "diffusion_pytorch_model.safetensors", {"format": "pt"})


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.demo_model.write", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--comfy", type=Path, metavar="FILE.safetensors", help="ComfyUI checkpoint to write")
    parser.add_argument("--diffusers", type=Path, metavar="DIR", help="diffusers folder to write")
    parser.add_argument("--weights", type=Path, default=FOLDER, help="folder of the narrow weights")
    parser.add_argument("--painter", action="store_true", help="the inpainting twin (nine channels) and not the model")
    parser.add_argument("--stand-in", action="store_true", help="untrained weights of the same layout, for tests")
    parser.add_argument("--dtype", choices=("fp16", "fp32"), default="fp16", help="stored precision")
    args = parser.parse_args(arguments)
    if args.comfy is None and args.diffusers is None:
        parser.error("nothing to write: give --comfy FILE.safetensors and/or --diffusers DIR")
    try:
        if args.stand_in:
            unet, autoencoder = stand_in(shown=SHOWN if args.painter else 0)
        else:
            unet = (read_painter if args.painter else read_unet)(args.weights)
            autoencoder = read_autoencoder(args.weights)
    except MissingWeightsError as error:
        parser.exit(1, f"{error}\n")
    dtype = torch.float16 if args.dtype == "fp16" else torch.float32
    if args.comfy is not None:
        write_comfy(unet, autoencoder, args.comfy, dtype)
    if args.diffusers is not None:
        write_diffusers(unet, autoencoder, args.diffusers, dtype)


if __name__ == "__main__":
    main()
