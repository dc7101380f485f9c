"""Tells a model that ComfyUI has loaded from another, and from itself with LoRAs on it."""

from __future__ import annotations

from typing import Any

import comfy.model_sampling
import torch

from ...model.fingerprint import digest, patched
from .layers import attention_layers

UNET_PREFIX = "diffusion_model."


def fingerprint(base_model: Any) -> str:
    """Tells models apart, and a model from itself with LoRAs or merges on it (``model.fingerprint``).

    ComfyUI applies weight patches to the weights themselves, or while it runs where memory is short: which of both
    must not matter. So the weights are read as they were before, and the patches by what they hold.
    """
    patcher = getattr(base_model, "current_patcher", None)
    backup = getattr(patcher, "backup", {})
    layout: list[object] = [*attention_layers(base_model).items()]
    layout.append(isinstance(base_model.model_sampling, comfy.model_sampling.V_PREDICTION))
    weights = []
    for name, parameter in base_model.diffusion_model.named_parameters():
        # Compiled modules wear another name.
        kept = backup.get(UNET_PREFIX + name.replace("_orig_mod.", ""))
        weights.append(parameter if kept is None else kept.weight)
    return patched(digest(weights, layout), _patches_digest(getattr(patcher, "patches", {})))


def _patches_digest(patches: dict[str, list]) -> str:
    """Of a ModelPatcher's weight patches: by content, as a LoRA that is loaded again is the same LoRA."""
    tensors: list[torch.Tensor] = []

    def described(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            tensors.append(value)
            return "tensor"
        if isinstance(value, (list, tuple)):
            return [described(part) for part in value]
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        # LoRAs and their kin hold their tensors and numbers in `weights`; functions have a name.
        name = getattr(value, "__qualname__", type(value).__qualname__)
        return [name, described(getattr(value, "weights", None))]

    layout = [[key, described(patches[key])] for key in sorted(patches) if key.startswith(UNET_PREFIX)]
    return digest(tensors, layout) if layout else ""
