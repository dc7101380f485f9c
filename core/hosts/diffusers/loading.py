"""Loads models from local files; nothing is downloaded, and diffusers is imported only here and when needed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...errors import InputError
from ..files import read_config, weights_file
from .components import Components, prompt_encoder
from .conditioning import Conditioning
from .family import family, is_distilled
from .single_file import load_single_file


def load(path: Path, device: torch.device, dtype: torch.dtype) -> Components:
    """A diffusers folder, or a checkpoint in one .safetensors file.

    Raises:
        InputError: there is nothing, or not what it takes, at ``path``.
    """
    if path.is_dir():
        return _load_folder(path, device, dtype)
    if not path.exists():
        raise InputError("model", f"there is nothing at {path}.", "Give a local folder or .safetensors file.")
    return load_single_file(path, device, dtype)


def _load_folder(folder: Path, device: torch.device, dtype: torch.dtype) -> Components:
    import diffusers

    kind = read_config(folder, "unet").get("_class_name")
    if kind != "UNet2DConditionModel":
        raise InputError("model", f"its U-Net is a {kind}.", "Use Stable Diffusion 1.x, 2.x or SDXL.")
    vae_kind = read_config(folder, "vae").get("_class_name")
    if vae_kind not in ("AutoencoderKL", "AutoencoderTiny"):
        raise InputError("model", f"its VAE is a {vae_kind}.", "Use an AutoencoderKL or AutoencoderTiny.")
    distilled = is_distilled(read_config(folder, "unet"), read_config(folder, "scheduler", "scheduler_config.json"))

    def model(part: str, cls: Any) -> nn.Module:
        variant = "fp16" if ".fp16." in weights_file(folder, part).name else None
        loaded = cls.from_pretrained(
            folder, subfolder=part, torch_dtype=dtype, variant=variant, use_safetensors=True, local_files_only=True
        )
        return loaded.to(device).eval().requires_grad_(False)

    unet = model("unet", diffusers.UNet2DConditionModel)
    vae = model("vae", getattr(diffusers, vae_kind))
    scheduler = diffusers.DDIMScheduler.from_pretrained(folder, subfolder="scheduler", local_files_only=True)
    encode = _text_encoder(folder, unet, vae, scheduler, device, dtype)
    return Components(unet, vae, scheduler, encode, family(unet, scheduler, distilled))


def _text_encoder(
    folder: Path, unet: Any, vae: Any, scheduler: Any, device: torch.device, dtype: torch.dtype
) -> Callable[[str], Conditioning] | None:
    """Encodes prompts, loading the text encoders at the first; None if the folder has none."""
    parts = [part for part in ("", "_2") if (folder / f"text_encoder{part}" / "config.json").is_file()]
    if not parts:
        return None

    @functools.cache
    def encoder() -> Callable[[str], Conditioning]:
        import diffusers
        import transformers

        loaded: dict[str, Any] = {}
        for part in parts:
            name, tokenizer = f"text_encoder{part}", f"tokenizer{part}"
            cls: Any = transformers.CLIPTextModelWithProjection if part else transformers.CLIPTextModel
            variant = "fp16" if ".fp16." in weights_file(folder, name, "model").name else None
            model = cls.from_pretrained(
                folder / name, dtype=dtype, variant=variant, use_safetensors=True, local_files_only=True
            )
            loaded[name] = model.to(device).eval().requires_grad_(False)
            loaded[tokenizer] = transformers.CLIPTokenizer.from_pretrained(folder / tokenizer, local_files_only=True)
        # diffusers' pipelines know how each family's prompts are encoded. Built of the parts they run no code of
        # the folder's, which reading its model_index.json could.
        if unet.config.get("addition_embed_type") == "text_time":
            missing = dict.fromkeys(("text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2"))
            return prompt_encoder(
                diffusers.StableDiffusionXLPipeline(
                    vae=vae, unet=unet, scheduler=scheduler, add_watermarker=False, **{**missing, **loaded}
                )
            )
        return prompt_encoder(
            diffusers.StableDiffusionPipeline(
                vae=vae, unet=unet, scheduler=scheduler, safety_checker=None, feature_extractor=None,
                requires_safety_checker=False, text_encoder=loaded["text_encoder"], tokenizer=loaded["tokenizer"],
            )
        )

    return lambda prompt: encoder()(prompt)
