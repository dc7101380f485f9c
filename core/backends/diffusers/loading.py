"""Reads models from local files: safetensors only, no pickle, no code from the model's folder, no network."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...errors import InputError
from .conditioning import Conditioning


@dataclass(frozen=True, eq=False)
class Components:
    """A loaded model's parts.

    Attributes:
        unet, vae, scheduler: diffusers' own objects.
        encode: turns a prompt into a ``Conditioning``; None when the model came without a text encoder.
    """

    unet: nn.Module
    vae: nn.Module
    scheduler: Any
    encode: Callable[[str], Conditioning] | None = None


def from_pipeline(pipe: Any) -> Components:
    """The parts of a loaded ``StableDiffusionPipeline`` or ``StableDiffusionXLPipeline``; its LoRAs stay in."""
    with_text = getattr(pipe, "text_encoder", None) is not None or getattr(pipe, "text_encoder_2", None) is not None
    return Components(pipe.unet, pipe.vae, pipe.scheduler, _prompt_encoder(pipe) if with_text else None)


def load(path: Path, device: torch.device, dtype: torch.dtype) -> Components:
    """A diffusers folder, or a checkpoint in one .safetensors file.

    Raises:
        InputError: there is nothing, or not what it takes, at ``path``.
    """
    if path.is_dir():
        return _load_folder(path, device, dtype)
    if not path.exists():
        raise InputError("model", f"there is nothing at {path}.", "Give a local folder or .safetensors file.")
    from .single_file import load_single_file

    return load_single_file(path, device, dtype)


def read_config(folder: Path, part: str, name: str = "config.json") -> dict[str, Any]:
    """A part's configuration out of a diffusers folder.

    Raises:
        InputError: it isn't there, or no JSON object.
    """
    file = folder / part / name
    if not file.is_file():
        raise InputError(
            "model", f"{folder} has no {part}/{name}.",
            "Give a folder in diffusers' layout, with unet, vae and scheduler in it.",
        )
    try:
        config = json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise InputError("model", f"{file} is no valid JSON ({error}).", "Download the model again.") from error
    if not isinstance(config, dict):
        raise InputError("model", f"{file} holds no JSON object.", "Download the model again.")
    return config


def weights_file(folder: Path, part: str, stem: str = "diffusion_pytorch_model") -> Path:
    """The .safetensors file of a part of a diffusers folder.

    Raises:
        InputError: there is none; pickled weights are told apart, since they are not read.
    """
    for name in (f"{stem}.safetensors", f"{stem}.fp16.safetensors"):
        if (folder / part / name).is_file():
            return folder / part / name
    pickled = [file.name for file in (folder / part).glob("*.bin")]
    sharded = [file.name for file in (folder / part).glob(f"{stem}*.safetensors.index.json")]
    if sharded:
        raise InputError(
            "model", f"{folder / part} is split over several files.", "Save it again with max_shard_size='20GB'."
        )
    if pickled:
        raise InputError(
            "model", f"{folder / part} holds pickled weights ({', '.join(pickled)}), which could run any code.",
            "Convert them to safetensors, or download the model's safetensors files.",
        )
    raise InputError("model", f"{folder / part} holds no {stem}.safetensors.", "Download the model again.")


def _load_folder(folder: Path, device: torch.device, dtype: torch.dtype) -> Components:
    import diffusers

    kind = read_config(folder, "unet").get("_class_name")
    if kind != "UNet2DConditionModel":
        raise InputError("model", f"its U-Net is a {kind}.", "Use Stable Diffusion 1.x, 2.x or SDXL.")
    vae_kind = read_config(folder, "vae").get("_class_name")
    if vae_kind not in ("AutoencoderKL", "AutoencoderTiny"):
        raise InputError("model", f"its VAE is a {vae_kind}.", "Use an AutoencoderKL or AutoencoderTiny.")
    read_config(folder, "scheduler", "scheduler_config.json")

    def model(part: str, cls: type) -> nn.Module:
        variant = "fp16" if ".fp16." in weights_file(folder, part).name else None
        loaded = cls.from_pretrained(
            folder, subfolder=part, torch_dtype=dtype, variant=variant, use_safetensors=True, local_files_only=True
        )
        return loaded.to(device).eval().requires_grad_(False)

    unet = model("unet", diffusers.UNet2DConditionModel)
    vae = model("vae", getattr(diffusers, vae_kind))
    scheduler = diffusers.DDIMScheduler.from_pretrained(folder, subfolder="scheduler", local_files_only=True)
    return Components(unet, vae, scheduler, _text_encoder(folder, unet, vae, scheduler, device, dtype))


def _text_encoder(
    folder: Path, unet: nn.Module, vae: nn.Module, scheduler: Any, device: torch.device, dtype: torch.dtype
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
            cls = transformers.CLIPTextModelWithProjection if part else transformers.CLIPTextModel
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
            return _prompt_encoder(
                diffusers.StableDiffusionXLPipeline(
                    vae=vae, unet=unet, scheduler=scheduler, add_watermarker=False, **{**missing, **loaded}
                )
            )
        return _prompt_encoder(
            diffusers.StableDiffusionPipeline(
                vae=vae, unet=unet, scheduler=scheduler, safety_checker=None, feature_extractor=None,
                requires_safety_checker=False, text_encoder=loaded["text_encoder"], tokenizer=loaded["tokenizer"],
            )
        )

    return lambda prompt: encoder()(prompt)


def _prompt_encoder(pipe: Any) -> Callable[[str], Conditioning]:
    def encode(prompt: str) -> Conditioning:
        # SDXL gives (context, negative context, pooled, negative pooled), the others the first two.
        with torch.no_grad():
            context, _, *pooled = pipe.encode_prompt(
                prompt, device=pipe.unet.device, num_images_per_prompt=1, do_classifier_free_guidance=False
            )
        return Conditioning(context, pooled[0] if pooled else None)

    return encode
