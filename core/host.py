"""What an edit needs of the program that holds the model, and the plain case: a denoiser called directly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch

from . import sampling, schedule
from .capture import CapturePlan
from .drag import Drag
from .hooks import Denoiser
from .inversion import Inversion, invert
from .sampling import SampleSettings

OnStep = Callable[[int, torch.Tensor, torch.Tensor], None]


class Autoencoder(Protocol):
    """The image codec of a latent diffusion model."""

    def encode(self, image: torch.Tensor) -> torch.Tensor:
        """(B, H, W, 3) in 0..1, sides multiples of the cell -> (B, C, h, w) in the model's own scale."""

    def decode(self, latent: torch.Tensor) -> torch.Tensor:
        """The way back; values about 0..1."""


class Host(Autoencoder, Protocol):
    """A loaded model with its conditioning, ready for both ways."""

    def sigmas(self, steps: int, strength: float) -> torch.Tensor:
        """Descending noise levels to invert over and to sample back with, closing with 0."""

    def invert(
        self,
        latent: torch.Tensor,
        sigmas: torch.Tensor,
        plan: CapturePlan,
        refinements: int,
        on_step: OnStep | None,
    ) -> Inversion:
        """``core.inversion.invert`` on this model."""

    def sample(
        self,
        inversion: Inversion,
        x: torch.Tensor,
        drag: Drag | None,
        region: torch.Tensor | None,
        settings: SampleSettings,
        on_step: OnStep | None,
    ) -> torch.Tensor:
        """``core.sampling.sample`` on this model."""


@dataclass
class DirectHost:
    """A host made of a denoiser and an autoencoder that are simply called.

    Attributes:
        denoiser: the U-Net, conditioning included (``core.backends``).
        autoencoder: of the same model.
        sigma_of: noise level of a training timestep.
        model_fingerprint: kept in inversions and compared before sampling.
        sampling_denoiser: the same U-Net with other conditioning for the way back; None for the same.
    """

    denoiser: Denoiser
    autoencoder: Autoencoder
    sigma_of: Callable[[int], float]
    model_fingerprint: str = ""
    sampling_denoiser: Denoiser | None = None

    def encode(self, image: torch.Tensor) -> torch.Tensor:
        return self.autoencoder.encode(image)

    def decode(self, latent: torch.Tensor) -> torch.Tensor:
        return self.autoencoder.decode(latent)

    def sigmas(self, steps: int, strength: float) -> torch.Tensor:
        return schedule.sampling_sigmas(self.sigma_of, schedule.timesteps(steps, strength))

    def invert(
        self,
        latent: torch.Tensor,
        sigmas: torch.Tensor,
        plan: CapturePlan,
        refinements: int,
        on_step: OnStep | None,
    ) -> Inversion:
        return invert(self.denoiser, latent, sigmas, plan, refinements, on_step, self.model_fingerprint)

    def sample(
        self,
        inversion: Inversion,
        x: torch.Tensor,
        drag: Drag | None,
        region: torch.Tensor | None,
        settings: SampleSettings,
        on_step: OnStep | None,
    ) -> torch.Tensor:
        inversion.check_model(self.model_fingerprint)
        denoiser = self.sampling_denoiser or self.denoiser
        return sampling.sample(denoiser, inversion, x, drag, region, settings, on_step)
