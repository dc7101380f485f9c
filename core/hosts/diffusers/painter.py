"""A second diffusers model that paints what a drag reveals: an inpainting checkpoint, or any other of the same latents.

An inpainting U-Net is shown a mask and the picture with a hole there, five channels beside the latent's four, in that
order. The picture is the dragged latent's, with the element where it arrives, and blank, as grey encodes, in the cells
that are to be painted.
"""

from __future__ import annotations

from typing import Any

import torch

from ...errors import InputError
from ...model.protocols import PaintingWork
from .components import Components
from .conditioning import Conditioning
from .denoiser import DiffusersDenoiser
from .vae import DiffusersVae

INPAINTING = 5


def check_painter(model: Components, painter: Components) -> None:
    """Raises an ``InputError`` unless ``painter`` can paint into latents of ``model``."""
    mine, theirs = (
        (_config(parts.unet).out_channels, float(_config(parts.vae).scaling_factor)) for parts in (model, painter)
    )
    if mine != theirs:
        raise InputError(
            "painter",
            f"its latents have {theirs[0]} channels at a scale of {theirs[1]:g}, the model's {mine[0]} at {mine[1]:g}.",
            "Use a checkpoint of the model's own family.",
        )
    extra = extra_channels(painter)
    if extra not in (0, INPAINTING):
        raise InputError(
            "painter",
            f"its U-Net takes {extra} more channels than the latent has.",
            "Use an inpainting checkpoint (9 channels: mask and masked picture), or a plain one.",
        )


def extra_channels(parts: Components) -> int:
    """Channels that a U-Net takes besides the latent's: 5 in an inpainting one, else 0."""
    config = _config(parts.unet)
    return int(config.in_channels) - int(config.out_channels)


def _config(part: Any) -> Any:
    """What diffusers says of a module, which torch's types don't know of."""
    return part.config


class DiffusersPainter:
    """A ``model.protocols.Painter``.

    Args:
        parts: the painting model (``check_painter``).
        positive, negative, guidance: as on the way back.
    """

    def __init__(
        self, parts: Components, positive: Conditioning | None, negative: Conditioning | None, guidance: float
    ):
        self._parts, self._told = parts, (positive, negative, guidance)
        self._grey: torch.Tensor | None = None

    def painting(self, picture: torch.Tensor, hole: torch.Tensor, work: PaintingWork) -> torch.Tensor:
        parts = self._parts
        shown = self._shown(picture, hole) if extra_channels(parts) else None
        return work(DiffusersDenoiser(parts.unet, parts.scheduler, *self._told, shown).denoise)

    def _shown(self, picture: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
        """(B, 5, h, w) float32: the mask, and the picture's latent with a hole there."""
        if self._grey is None or self._grey.shape[-2:] != picture.shape[-2:]:
            # Encoded once a size: light takes several paintings of one edit.
            vae = DiffusersVae(self._parts.vae)
            height, width = picture.shape[-2:]
            self._grey = vae.encode(torch.full((1, height * vae.cell, width * vae.cell, 3), 0.5))
        return torch.cat([hole.to(picture), torch.where(hole, self._grey.to(picture), picture)], 1)
