"""What ComfyUI's links carry, checked and completed for a model: LATENT, SIGMAS, CONDITIONING."""

from __future__ import annotations

from typing import Any

import torch

from ...diffusion.schedule import sampling_sigmas as noise_levels
from ...diffusion.schedule import timesteps
from ...errors import InputError
from ...families import Schedule
from ...space.grid import all_finite, check_image
from .family import is_distilled
from .layers import check_invertible, context_width

NULL_TOKENS = 77
SDXL_CONTEXT = 2048
POOLED_WIDTH = 1280

OVERFLOWS = "overflows in its precision, as SDXL's own does in float16."
MEND_VAE = (
    "Load a VAE that holds in float16 (Load VAE: for SDXL sdxl-vae-fp16-fix), or start ComfyUI with --bf16-vae or "
    "--fp32-vae."
)


def null_conditioning(model: Any) -> list:
    """Zeros of the model's context width, as CONDITIONING: what "nothing linked" means where no CLIP is linked.

    A pooled output goes with it for models that take one (SDXL).
    """
    return null_of(model.model)


def empty_text(model: Any, clip: Any) -> list | None:
    """What a MODEL saw in training in the place of a text, as CONDITIONING: the empty text as its CLIP encodes it.

    None for SDXL, which was trained with zeros there (``null_conditioning``).

    Raises:
        InputError: the CLIP is another model's.
    """
    width = context_width(model.model)
    if width >= SDXL_CONTEXT:
        return None
    encoded = clip.encode_from_tokens_scheduled(clip.tokenize(""))
    given = encoded[0][0].shape[-1]
    if given != width:
        raise InputError(
            "clip",
            f"it encodes text {given} wide, the model takes {width}.",
            "Link the CLIP of the model's own checkpoint.",
        )
    return encoded


def null_of(base_model: Any) -> list:
    """``null_conditioning`` for a MODEL's own model."""
    width = context_width(base_model)
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
        raise InputError(
            "latent",
            f"it holds NaN or infinite values: the VAE that encoded it {OVERFLOWS}",
            MEND_VAE,
        )
    return samples


def check_vae(result: torch.Tensor, what: str) -> torch.Tensor:
    """What a VAE gave; an ``InputError`` that names it if that isn't finite. ``what`` is "encoding" or "decoding"."""
    if not torch.isfinite(result).all():
        raise InputError(
            "vae",
            f"{what} gave NaN or infinite values: it {OVERFLOWS}",
            MEND_VAE,
        )
    return result


def check_decoded(image: torch.Tensor, input: str) -> None:
    """``space.grid.check_image`` of what a VAE decoded, whose usual fault is the VAE's."""
    if image.numel() and not all_finite(image):
        raise InputError(
            input,
            f"it holds NaN or infinite values: the VAE that decoded it {OVERFLOWS}",
            MEND_VAE,
        )
    check_image(image, input)


def sampling_sigmas(model: Any, steps: int, strength: float, schedule: Schedule = "full") -> torch.Tensor:
    """Descending noise levels of a MODEL (see ``core.diffusion.schedule``).

    Raises:
        UnsupportedModelError: the model can't be inverted.
    """
    check_invertible(model.model)
    model_sampling = model.get_model_object("model_sampling")
    levels = model_sampling.sigmas if is_distilled(model_sampling) else None

    def sigma_of(timestep: int) -> float:
        sigma = model_sampling.sigma(torch.tensor(float(timestep)))
        if levels is not None:
            # It knows every 20th timestep alone, and would be asked of one level with the latent of another.
            sigma = levels[(levels.log() - sigma.log().to(levels)).abs().argmin()]
        return float(sigma)

    return noise_levels(sigma_of, timesteps(steps, strength, schedule=schedule))
