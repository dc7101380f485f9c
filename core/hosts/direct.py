"""The plain host: a denoiser and an autoencoder that are simply called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from ..attention.plan import CapturePlan
from ..diffusion import sampling
from ..diffusion.dragged import DraggedLatent
from ..diffusion.inversion import Inversion, invert
from ..diffusion.sampling import SampleSettings
from ..diffusion.schedule import sampling_sigmas, timesteps
from ..families import Schedule
from ..model.protocols import Autoencoder, Denoiser, OnStep


@dataclass
class DirectHost:
    """A ``hosts.Host`` made of parts.

    Attributes:
        denoiser: the U-Net, conditioning included.
        autoencoder: of the same model.
        sigma_of: noise level of a training timestep.
        model_fingerprint: kept in inversions and compared before sampling.
        sampling_denoiser: the same U-Net with other conditioning for the way back; None for the same.
        device: where the U-Net takes its latents; None takes them where they are.
    """

    denoiser: Denoiser
    autoencoder: Autoencoder
    sigma_of: Callable[[int], float]
    model_fingerprint: str = ""
    sampling_denoiser: Denoiser | None = None
    device: torch.device | None = None

    def encode(self, image: torch.Tensor) -> torch.Tensor:
        return self.autoencoder.encode(image)

    def decode(self, latent: torch.Tensor) -> torch.Tensor:
        return self.autoencoder.decode(latent)

    def sigmas(self, steps: int, strength: float, schedule: Schedule = "full") -> torch.Tensor:
        return sampling_sigmas(self.sigma_of, timesteps(steps, strength, schedule=schedule))

    def invert(
        self,
        latent: torch.Tensor,
        sigmas: torch.Tensor,
        plan: CapturePlan,
        refinements: int,
        on_step: OnStep | None = None,
        noise_mask: torch.Tensor | None = None,
    ) -> Inversion:
        latent = latent.to(self.device)
        return invert(self.denoiser, latent, sigmas, plan, refinements, on_step, self.model_fingerprint, noise_mask)

    def sample(
        self,
        inversion: Inversion,
        x: torch.Tensor,
        dragged: DraggedLatent | None,
        free: torch.Tensor | None,
        settings: SampleSettings,
        on_step: OnStep | None = None,
    ) -> torch.Tensor:
        inversion.check_model(self.model_fingerprint)
        denoiser = self.sampling_denoiser or self.denoiser
        return sampling.sample(denoiser, inversion, x.to(self.device), dragged, free, settings, on_step)
