"""The narrow model as modules, for benchmarks and tests that want it fast."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from .layout import layout_of
from .schedule import alphas_cumprod
from .unet import build_narrow
from .weights import FOLDER, read_autoencoder, read_painter, read_unet, shown_of, stand_in


class ImageVAE(nn.Module):
    """The autoencoder on images (B, 3, H, W) in [0, 1]; latents (B, 4, H/8, W/8) are those the U-Net works on.

    H and W are multiples of 8. Latents have about zero mean and unit variance; no further scale factor applies.
    """

    def __init__(self, autoencoder: nn.Module) -> None:
        super().__init__()
        self.autoencoder = autoencoder

    @torch.no_grad()
    def encode(self, image: Tensor) -> Tensor:
        return self.autoencoder.encode(image)

    @torch.no_grad()
    def decode(self, latent: Tensor) -> Tensor:
        """Images clipped to [0, 1]."""
        return self.autoencoder.decode(latent).clamp(0, 1)


def built(state: dict[str, Tensor]) -> nn.Module:
    """The module of a narrow U-Net's weights, or of a painter's."""
    unet = build_narrow(layout_of(state), shown_of(state))
    unet.load_state_dict(state)
    return unet.eval().requires_grad_(False)


@dataclass(frozen=True)
class NarrowModel:
    """U-Net (diffusers' UNet2DConditionModel), VAE and the schedule's cumulative alphas (1000,), float32, CPU.

    ``shown``: channels that the U-Net takes beside the latent's, 5 of a painter.
    """

    unet: nn.Module
    vae: ImageVAE
    alphas_cumprod: Tensor
    shown: int = 0

    def __iter__(self):
        return iter((self.unet, self.vae, self.alphas_cumprod))


def load_narrow(folder: Path | str = FOLDER, untrained: bool = False) -> NarrowModel:
    """The shipped model at its trained width: ``unet, vae, alphas_cumprod = load_narrow()``.

    The U-Net has no cross-attention: ``encoder_hidden_states`` is accepted and ignored. ``untrained`` gives the
    stand-in weights instead. Raises MissingWeightsError if the weights are not in ``folder``. Needs diffusers.
    """
    if untrained:
        state, autoencoder = stand_in()
    else:
        state, autoencoder = read_unet(Path(folder)), read_autoencoder(Path(folder))
    return NarrowModel(built(state), ImageVAE(autoencoder), alphas_cumprod())


def load_painter(folder: Path | str = FOLDER) -> NarrowModel:
    """The inpainting twin at its trained width; its U-Net takes nine channels (``painter``). As ``load_narrow``."""
    folder = Path(folder)
    state = read_painter(folder)
    return NarrowModel(built(state), ImageVAE(read_autoencoder(folder)), alphas_cumprod(), shown_of(state))
