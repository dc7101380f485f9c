"""What is held of each kind of cell while a latent is sampled, in one table.

| cells                         | are put back to                          | through           |
|-------------------------------|------------------------------------------|-------------------|
| not free                      | the source's latent of that noise level  | every step        |
| element, as it arrived        | its own moved latent of that level       | ``hold_element``  |
| vacated and seam (other free) | the continued background of that level   | ``hold_rest``     |
| what a painter painted        | that, at that level                      | every step        |

Shares are of the steps, counted from the noisy end, and rounded down: a share below 1 leaves the model a step, however
few there are.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from .dragged import DraggedLatent
from .inversion import Inversion


def steps_of(share: float, steps: int) -> int:
    """How many of ``steps`` a share of them is."""
    return math.floor(share * steps + 1e-6)


class Kept:
    """The table for one run; made before its loop.

    Args:
        inversion: the source's.
        dragged: what was done to the latent; None for a latent that someone else changed.
        free: (B or 1, h, w) share of each cell that may change; None for the dragged latent's own, or everything.
        hold_element, hold_rest: shares of the steps.
        device: of the latent that is sampled.
        painted: (B, h, w) bool, cells that another model painted; None for none.
    """

    def __init__(
        self,
        inversion: Inversion,
        dragged: DraggedLatent | None,
        free: torch.Tensor | None,
        hold_element: float,
        hold_rest: float,
        device: torch.device,
        painted: torch.Tensor | None = None,
    ):
        self._inversion, self._dragged = inversion, dragged
        self._element_until = steps_of(hold_element, inversion.steps)
        self._rest_until = steps_of(hold_rest, inversion.steps)
        if dragged is not None:
            free = dragged.free if free is None else free
        self._free = _limited(free, inversion, device)
        self._whole = False
        self._painted = None if painted is None else painted[:, None].to(device, torch.float32)
        if dragged is not None and free is not None:
            arriving, touched = dragged.movement.arriving[:, None], dragged.touched[:, None]
            # Only what fully arrived; a cell that is part background belongs to the seam.
            self._arrived = ((arriving - 0.5) * 2).clamp(0, 1).to(device)
            self._seam = ((1 - arriving) * touched).to(device)
            self._touched = touched.to(device)
            self._whole = bool((touched[:, 0] | (free.to(touched.device) <= 0)).all())

    def known(self, step: int) -> torch.Tensor | None:
        """The clean estimate (B, C, h, w) after a step in which all that may change is held, so that the model need
        not be asked; else None."""
        if not self._whole or self._dragged is None or step >= min(self._element_until, self._rest_until):
            return None
        clean = self._dragged.clean.to(self._touched.device)
        return torch.where(self._touched, clean, self._inversion.clean.to(clean))

    def put_back(self, x: torch.Tensor, index: int) -> torch.Tensor:
        """The latent (B, C, h, w) at ``sigmas[index]`` with everything that is held there put back."""
        share = self._held(index)
        if share is not None and self._dragged is not None:
            x = share * self._dragged.at(self._inversion, index).to(x.device) + (1 - share) * x
        if self._free is not None:
            source = self._inversion.trajectory[index].to(x.device)
            x = torch.where(self._free > 0, self._free * x + (1 - self._free) * source, source)
        return x

    def _held(self, index: int) -> torch.Tensor | None:
        """(B, 1, h, w) share of each cell that follows the dragged latent at ``sigmas[index]``."""
        if self._dragged is None:
            return None
        element, rest = index <= self._element_until, index <= self._rest_until
        held = self._touched.float() if element and rest else self._arrived if element else self._seam if rest else None
        if self._painted is None:
            return held
        return self._painted if held is None else torch.maximum(held, self._painted)


def _limited(free: torch.Tensor | None, inversion: Inversion, device: torch.device) -> torch.Tensor | None:
    """``free`` (B or 1, h, w) within the user's noise mask, as (B or 1, 1, h, w)."""
    free = None if free is None else free[:, None].to(device)
    if inversion.noise_mask is None:
        return free
    limit = inversion.noise_mask[:, None].to(device, torch.float32)
    limit = F.interpolate(limit, size=inversion.latent_size, mode="area")
    return limit if free is None else free * limit
