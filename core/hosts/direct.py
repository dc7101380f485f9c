"""The plain host: a denoiser and an autoencoder that are simply called."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from ..attention.plan import CapturePlan
from ..diffusion import sampling
from ..diffusion.dragged import DraggedLatent
from ..diffusion.inversion import Inversion, invert
from ..diffusion.repaint import Repainting
from ..diffusion.sampling import SampleSettings
from ..diffusion.schedule import sampling_sigmas, timesteps
from ..families import Schedule
from ..model.protocols import Autoencoder, Denoiser, OnStep, Painter

log = logging.getLogger(__name__)


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
        conditioning: what ``denoiser`` is told, kept in inversions.
        told: the same U-Net under a conditioning that an inversion kept; None where ``denoiser`` serves all of them.
        painter: a second model that paints in this one's place; None for none.
    """

    denoiser: Denoiser
    autoencoder: Autoencoder
    sigma_of: Callable[[int], float]
    model_fingerprint: str = ""
    sampling_denoiser: Denoiser | None = None
    device: torch.device | None = None
    conditioning: Any = None
    told: Callable[[Any], Denoiser] | None = None
    painter: Painter | None = None

    @property
    def paints(self) -> bool:
        return self.painter is not None

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
        return invert(
            self.denoiser,
            latent,
            sigmas,
            plan,
            refinements,
            on_step,
            self.model_fingerprint,
            noise_mask,
            conditioning=self.conditioning,
        )

    def sample(
        self,
        inversion: Inversion,
        x: torch.Tensor,
        dragged: DraggedLatent | None,
        free: torch.Tensor | None,
        settings: SampleSettings,
        on_step: OnStep | None = None,
        repainting: Repainting | None = None,
    ) -> torch.Tensor:
        warning = inversion.check_model(self.model_fingerprint)
        if warning is not None:
            log.warning("AttentionDrag: %s", warning)
        denoiser = self.sampling_denoiser or self.denoiser
        source = self.denoiser if self.told is None else self.told(inversion.conditioning)
        return sampling.sample(
            denoiser, inversion, x.to(self.device), dragged, free, settings, on_step, self.painter, source, repainting
        )
