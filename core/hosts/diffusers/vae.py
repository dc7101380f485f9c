"""A diffusers autoencoder between images and latents in the U-Net's scale."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from ...errors import InputError


class DiffusersVae:
    """``AutoencoderKL`` or ``AutoencoderTiny``, deterministic.

    Args:
        vae: the autoencoder; used where it is, in the dtype it has. One that overflows in float16
            (``force_upcast``, as SDXL's) runs in float32 for the time of a call.
    """

    def __init__(self, vae: Any):
        self._vae = vae
        self._scale = float(vae.config.scaling_factor)
        self._shift = float(vae.config.get("shift_factor") or 0.0)
        self._upcast = bool(vae.config.get("force_upcast"))

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self._vae.device

    @property
    def cell(self) -> int:
        """Pixels along one side of a latent cell."""
        return 2 ** (len(self._vae.config.block_out_channels) - 1)

    @torch.no_grad()
    def encode(self, image: torch.Tensor) -> torch.Tensor:
        """Images (B, H, W, 3) in 0..1 to latents (B, C, H / cell, W / cell) float32 on the VAE's device.

        The mode of the posterior, so the same image always gives the same latent.

        Raises:
            InputError: the image is no RGB image of whole cells, or its latent isn't finite.
        """
        sides = image.shape[1:3]
        if image.ndim != 4 or image.shape[-1] != 3 or any(side % self.cell for side in sides):
            raise InputError(
                "image", f"its shape is {tuple(image.shape)}.",
                f"Use (batch, height, width, 3) with height and width in multiples of {self.cell}.",
            )
        pixels = image.movedim(-1, 1) * 2 - 1
        return (self._run(self._encoded, pixels, "image") - self._shift) * self._scale

    @torch.no_grad()
    def decode(self, latent: torch.Tensor) -> torch.Tensor:
        """Latents (B, C, h, w) in the U-Net's scale to images (B, h * cell, w * cell, 3) float32 in 0..1.

        Raises:
            InputError: the image isn't finite.
        """
        pixels = self._run(self._decoded, latent / self._scale + self._shift, "latent")
        return (pixels / 2 + 0.5).clamp(0, 1).movedim(1, -1)

    def _encoded(self, pixels: torch.Tensor) -> torch.Tensor:
        output = self._vae.encode(pixels)
        return output.latents if hasattr(output, "latents") else output.latent_dist.mode()

    def _decoded(self, latent: torch.Tensor) -> torch.Tensor:
        return self._vae.decode(latent, return_dict=False)[0]

    def _run(
        self, function: Callable[[torch.Tensor], torch.Tensor], values: torch.Tensor, name: str
    ) -> torch.Tensor:
        dtype = self._vae.dtype
        values = values.to(device=self.device)
        if not (dtype == torch.float16 and self._upcast):
            result = function(values.to(dtype)).float()
            if torch.isfinite(result).all():
                return result
        if dtype == torch.float16:
            # Module.to rather than diffusers' own, which warns of just that; half precision survives it.
            nn.Module.to(self._vae, torch.float32)
            try:
                result = function(values.float())
            finally:
                nn.Module.to(self._vae, dtype)
        if not torch.isfinite(result).all():
            raise InputError(
                "vae",
                f"{type(self._vae).__name__} gave NaN or infinite values for the {name} in {str(dtype)[6:]}"
                f"{' and float32' if dtype == torch.float16 else ''}.",
                f"Check the {name} for NaN, or load another VAE.",
            )
        return result
