"""The programs that hold a model. What the method needs of one is ``Host``; each host's hooks are known here alone."""

from __future__ import annotations

from typing import Protocol

import torch

from ..attention.plan import CapturePlan
from ..diffusion.dragged import DraggedLatent
from ..diffusion.inversion import Inversion
from ..diffusion.repaint import Repainting
from ..diffusion.sampling import SampleSettings
from ..families import Schedule
from ..model.protocols import Autoencoder, OnStep


class Host(Autoencoder, Protocol):
    """A loaded model with its conditioning, ready for both ways.

    Attributes:
        paints: whether a second model paints what a drag reveals.
    """

    @property
    def paints(self) -> bool: ...

    def sigmas(self, steps: int, strength: float, schedule: Schedule = "full") -> torch.Tensor:
        """Descending noise levels to invert over and to sample back with, closing with 0."""

    def invert(
        self,
        latent: torch.Tensor,
        sigmas: torch.Tensor,
        plan: CapturePlan,
        refinements: int,
        on_step: OnStep | None = None,
        noise_mask: torch.Tensor | None = None,
    ) -> Inversion:
        """``diffusion.inversion.invert`` on this model."""

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
        """``diffusion.sampling.sample`` on this model; brings ``x`` to the model's device."""
