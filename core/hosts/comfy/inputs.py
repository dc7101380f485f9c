"""What ComfyUI's links carry, checked and completed for a model: LATENT, SIGMAS, CONDITIONING."""

from __future__ import annotations

from typing import Any

import torch

from ...diffusion import schedule
from ...errors import InputError
from .layers import attention_layers

NULL_TOKENS = 77
POOLED_WIDTH = 1280


def null_conditioning(model: Any) -> list:
    """Zeros of the model's context width, as CONDITIONING: what "nothing linked" means.

    A pooled output goes with it for models that take one (SDXL).
    """
    unet = model.get_model_object("diffusion_model")
    width = 768
    for module in unet.modules():
        cross_attention = getattr(module, "attn2", None)
        if cross_attention is not None:
            width = cross_attention.to_k.in_features
            break
    return [[torch.zeros(1, NULL_TOKENS, width), {"pooled_output": torch.zeros(1, POOLED_WIDTH)}]]


def check_latent(model: Any, latent: dict[str, Any]) -> torch.Tensor:
    """The samples of a LATENT, or an ``InputError`` if the model doesn't take them."""
    samples = latent["samples"]
    channels = model.get_model_object("latent_format").latent_channels
    if samples.ndim != 4 or samples.shape[1] != channels:
        raise InputError(
            "latent",
            f"shape {tuple(samples.shape)}, but this model takes (batch, {channels}, height, width).",
            "Encode the image with the VAE of the same checkpoint.",
        )
    if not torch.isfinite(samples).all():
        raise InputError("latent", "it holds NaN or infinite values.", "Check the image and the VAE.")
    return samples


def sampling_sigmas(model: Any, steps: int, strength: float) -> torch.Tensor:
    """Descending noise levels of a MODEL (see ``core.schedule``)."""
    attention_layers(model.model)
    model_sampling = model.get_model_object("model_sampling")
    return schedule.sampling_sigmas(
        lambda timestep: float(model_sampling.sigma(torch.tensor(float(timestep)))),
        schedule.timesteps(steps, strength),
    )
