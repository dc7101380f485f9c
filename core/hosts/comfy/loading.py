"""Models in diffusers' folder layout as ComfyUI's own MODEL, CLIP and VAE.

Weights are renamed to Stable Diffusion's layout and given to ComfyUI's loaders, so what comes out is managed,
patched, offloaded and saved by ComfyUI as any checkpoint, and goes into every node. diffusers is not needed.

ComfyUI's ``comfy.diffusers_load`` isn't used: it would unpickle a .bin file, it knows U-Nets by a list of fixed
configurations instead of their config.json, it leaves the prediction type to a guess, and it has no AutoencoderTiny.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import comfy.model_sampling
import comfy.sd
import comfy.utils
import torch
from comfy_extras.nodes_model_advanced import ModelSamplingDiscrete

from ...errors import InputError, UnsupportedModelError
from ..files import State, read_config, weights_file

SUPPORTED = "Use Stable Diffusion 1.x, 2.x or SDXL."
TINY_BLOCKS = {"encoder": [1, 3, 3, 3], "decoder": [3, 3, 3, 1]}


def load_model(path: Path, embeddings: list[str] | None = None) -> tuple[Any, Any, Any]:
    """MODEL, CLIP (or None) and VAE of a diffusers folder or of a checkpoint in one .safetensors file.

    Args:
        path: local; nothing is downloaded, and nothing but safetensors and JSON is read.
        embeddings: folders of textual-inversion embeddings.

    Raises:
        InputError: there is nothing, or not what it takes, at ``path``.
    """
    if path.is_dir():
        return _load_folder(path, embeddings)
    if path.suffix.lower() not in (".safetensors", ".sft"):
        raise InputError(
            "model_path", f"{path.name} is no .safetensors file.",
            "Only safetensors are read, since pickled weights could run any code; convert the file.",
        )
    if not path.is_file():
        raise InputError("model_path", f"there is no {path}.", "Choose another model.")
    loaded = comfy.sd.load_checkpoint_guess_config(str(path), embedding_directory=embeddings)
    if loaded is None:
        raise UnsupportedModelError("model_path", f"ComfyUI doesn't know the model in {path.name}.", SUPPORTED)
    model, clip, vae = loaded[:3]
    return model, clip, vae


def _load_folder(folder: Path, embeddings: list[str] | None) -> tuple[Any, Any, Any]:
    config = read_config(folder, "unet")
    scheduler = read_config(folder, "scheduler", "scheduler_config.json")
    state = _read(folder, "unet")
    # ComfyUI's own conversion knows some pruned U-Nets that don't follow their config.json's pattern.
    renamed = rename_unet(state, config) or state
    model = comfy.sd.load_diffusion_model_state_dict(renamed)
    if model is None:
        raise UnsupportedModelError("model_path", f"ComfyUI doesn't know the U-Net in {folder.name}.", SUPPORTED)
    vae = comfy.sd.VAE(sd=_vae_state(folder, model.get_model_object("latent_format").scale_factor))
    return _with_sampling(model, scheduler), _load_clip(folder, embeddings), vae


def rename_unet(state: State, config: dict[str, Any]) -> State | None:
    """A UNet2DConditionModel's weights by Stable Diffusion's names, or None if config and weights don't fit."""
    try:
        names = comfy.utils.unet_to_diffusers(_layout(config))
    except (KeyError, TypeError, IndexError):
        return None
    if any(key not in names for key in state):
        return None
    return {names[key]: value for key, value in state.items()}


def _layout(config: dict[str, Any]) -> dict[str, Any]:
    channels = config["block_out_channels"]
    levels = range(len(channels))

    def per_level(name: str, default: int) -> list[int]:
        value = config.get(name, default)
        return [value] * len(channels) if isinstance(value, int) else list(value)

    blocks = per_level("layers_per_block", 2)
    depths = per_level("transformer_layers_per_block", 1)
    down = [depths[i] if "CrossAttn" in config["down_block_types"][i] else 0 for i in levels]
    # Listed from the coarsest level on, as they run.
    up = [depths[-1 - i] if "CrossAttn" in config["up_block_types"][i] else 0 for i in levels]
    middle = config.get("mid_block_type", "UNetMidBlock2DCrossAttn")
    return {
        "num_res_blocks": blocks,
        "channel_mult": [width // channels[0] for width in channels],
        "transformer_depth": [down[i] for i in levels for _ in range(blocks[i])],
        # Read from its end.
        "transformer_depth_output": [up[-1 - i] for i in levels for _ in range(blocks[i] + 1)],
        "transformer_depth_middle": depths[-1] if middle == "UNetMidBlock2DCrossAttn" else 0,
    }


def _vae_state(folder: Path, model_scale: float) -> State:
    config = read_config(folder, "vae")
    kind, scale = config.get("_class_name"), float(config.get("scaling_factor", 1.0))
    state = _read(folder, "vae")
    if kind == "AutoencoderTiny":
        return _tiny_state(state, config, scale, float(config.get("shift_factor") or 0.0), model_scale)
    if kind != "AutoencoderKL":
        raise UnsupportedModelError("model_path", f"its VAE is a {kind}.", "Use an AutoencoderKL or AutoencoderTiny.")
    if abs(scale / model_scale - 1) > 0.01:
        raise UnsupportedModelError(
            "model_path", f"its VAE's scaling_factor is {scale}, ComfyUI uses {model_scale} for this U-Net.",
            "Use the VAE that belongs to the U-Net.",
        )
    return state


def _tiny_state(state: State, config: dict[str, Any], scale: float, shift: float, model_scale: float) -> State:
    """AutoencoderTiny's weights as ComfyUI's TAESD, which gives ``encoder(x) / vae_scale + vae_shift``."""
    blocks = {part: list(config.get(f"num_{part}_blocks", wanted)) for part, wanted in TINY_BLOCKS.items()}
    if blocks != TINY_BLOCKS or state["encoder.layers.0.weight"].shape[0] != 64:
        raise UnsupportedModelError(
            "model_path", f"its AutoencoderTiny has blocks {blocks}.", "ComfyUI knows TAESD's layout alone."
        )
    vae_scale = model_scale / scale
    renamed = {"vae_scale": torch.tensor(vae_scale), "vae_shift": torch.tensor(-shift / vae_scale)}
    for key, value in state.items():
        part, _, index, rest = key.split(".", 3)
        # diffusers doesn't count the decoder's first layer, a clamp without weights.
        renamed[f"taesd_{part}.{int(index) + (part == 'decoder')}.{rest}"] = value
    return renamed


def _with_sampling(model: Any, scheduler: dict[str, Any]) -> Any:
    """The MODEL with the scheduler's prediction type, whatever ComfyUI took it for."""
    prediction, schedule = scheduler.get("prediction_type", "epsilon"), scheduler.get("beta_schedule")
    if prediction not in ("epsilon", "v_prediction"):
        raise UnsupportedModelError("model_path", f"its prediction_type is {prediction!r}.", SUPPORTED)
    betas = scheduler.get("beta_start"), scheduler.get("beta_end")
    if schedule != "scaled_linear" or betas != (0.00085, 0.012):
        raise UnsupportedModelError(
            "model_path", f"its noise schedule is {schedule} with betas {betas[0]} to {betas[1]}.", SUPPORTED
        )
    zero_snr = bool(scheduler.get("rescale_betas_zero_snr"))
    is_v = isinstance(model.get_model_object("model_sampling"), comfy.model_sampling.V_PREDICTION)
    if is_v == (prediction == "v_prediction") and not zero_snr:
        return model
    kind = "v_prediction" if prediction == "v_prediction" else "eps"
    return ModelSamplingDiscrete().patch(model, kind, zero_snr)[0]


def _load_clip(folder: Path, embeddings: list[str] | None) -> Any:
    parts = [part for part in ("text_encoder", "text_encoder_2") if (folder / part / "config.json").is_file()]
    if not parts:
        return None
    files = [str(weights_file(folder, part, "model")) for part in parts]
    return comfy.sd.load_clip(files, embedding_directory=embeddings)


def _read(folder: Path, part: str) -> State:
    return comfy.utils.load_torch_file(str(weights_file(folder, part)), safe_load=True)
