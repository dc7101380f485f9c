"""Painting what no drag can know, before the way back: what was hidden, and how light falls round the element.

Masked denoising of the composed latent from fresh noise (SDEdit, Meng et al. 2021, arXiv 2108.01073, with a strength
for each kind of cell). An inversion keeps what it inverts, the old shadow too; fresh noise lets it go.

| cells                                       | are painted from noise of strength |
|---------------------------------------------|------------------------------------|
| revealed: the element left, nothing arrived | ``revealed``                       |
| surroundings, as far as ``extent``          | ``surroundings``                   |
| the element where it arrives, all else      | never: they are what they were     |

A cell of less strength is put back to its known latent until its level is reached. The model reads its own keys and
values: the source's would bring the element's old place back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from ..errors import InputError
from ..model.protocols import Denoise, Denoiser, OnStep, Painter
from ..motion.movement import TOUCHED
from ..options import check_not_negative, check_share
from ..planes.morphology import dilate
from . import schedule
from .dragged import DraggedLatent
from .inversion import Inversion, check_finite

OWN = 0.5
"""Share of a cell that the element covers from which the cell is the element's."""


@dataclass(frozen=True, kw_only=True)
class RepaintSettings:
    """What the model paints, each 0 for nothing.

    Attributes:
        revealed: strength, as a share of the schedule, from which what was hidden is painted; the filling is its start.
        surroundings: the same of what lies round old and new place: shadow, contact, reflection.
        extent: how far the surroundings go, in sizes of the element (the root of its area).
        steps: noise levels over the whole schedule.
        control: the surroundings get what the model makes of the edit less what it makes of the source from the same
            noise: what it would redraw anyway is no light. Twice the evaluations.
        looks: how many noises the surroundings' light is the mean of; each costs as many evaluations as one.
    """

    revealed: float = 0.0
    surroundings: float = 0.0
    extent: float = 1.0
    steps: int = 20
    looks: int = 1
    control: bool = True

    def __post_init__(self):
        for name in ("revealed", "surroundings"):
            check_share(name, getattr(self, name))
        check_not_negative("extent", self.extent, "sizes of the element")
        if self.looks < 1:
            raise InputError("looks", f"{self.looks}.", "Use 1 or more.")

    def beside(self, painter: bool) -> RepaintSettings:
        """What is painted where a painter is there: what was hidden is, from noise."""
        return replace(self, revealed=1.0) if painter else self

    def levels(self, strength: float) -> int:
        """How many noise levels a strength is, as ``schedule.timesteps`` counts them; none for 0."""
        return max(1, round(strength * self.steps)) if strength > 0 else 0

    @property
    def evaluations(self) -> int:
        """Evaluations of the U-Net that it takes."""
        around = self.levels(self.surroundings)
        return (self.looks if around else 1) * self.levels(self.strength) + self.looks * around * self.control

    @property
    def strength(self) -> float:
        """The strongest noise that anything is painted from; 0: nothing is painted."""
        return max(self.revealed, self.surroundings)


@dataclass(frozen=True, eq=False)
class Repainting:
    """What is to be painted, over which noise.

    Attributes:
        settings: what.
        levels: (n + 1,) descending noise levels of its ``steps`` and ``strength``, closing with 0.
        lit: (B or 1, h, w) share of each cell in which the light may change, where somebody says; None for the
            surroundings, as far as ``settings.extent``.
    """

    settings: RepaintSettings
    levels: torch.Tensor
    lit: torch.Tensor | None = None


def surroundings(dragged: DraggedLatent, extent: float) -> torch.Tensor:
    """(B, h, w) float32, 1 in cells within ``extent`` sizes of the element of its old or new place; on its device."""
    move = dragged.movement
    places = torch.maximum(move.leaving, move.arriving).clamp(0, 1)
    # One number for each picture goes to the host, once an edit.
    sizes = torch.maximum(move.leaving.sum((1, 2)), move.arriving.sum((1, 2))).sqrt()
    far = [max(1, round(extent * size)) if extent > 0 else 0 for size in sizes.tolist()]
    inside = (places > TOUCHED).float()
    return torch.cat([dilate(inside[at : at + 1], cells) for at, cells in enumerate(far)])


def strengths(dragged: DraggedLatent, settings: RepaintSettings, lit: torch.Tensor | None = None) -> torch.Tensor:
    """(B, h, w) strength of the noise that each cell is painted from, by the table; 0 where it stays.

    ``lit``: of ``Repainting``.
    """
    move = dragged.movement
    if lit is None:
        around = surroundings(dragged, settings.extent if settings.surroundings > 0 else 0.0)
    else:
        around = (lit.to(move.arriving) > 0).float().expand_as(move.arriving)
    around = around * settings.surroundings
    strength = torch.where(dragged.revealed > OWN, torch.full_like(around, settings.revealed), around)
    return strength * (move.arriving <= OWN)


def repaint(
    denoiser: Denoiser,
    inversion: Inversion,
    dragged: DraggedLatent,
    repainting: Repainting,
    device: torch.device,
    free: torch.Tensor | None = None,
    on_step: OnStep | None = None,
    painter: Painter | None = None,
) -> DraggedLatent:
    """The dragged latent with what the model paints in its clean latent.

    Args:
        denoiser: the U-Net under the conditioning of the way back.
        inversion: of the source.
        dragged: what was done.
        repainting: what is painted.
        device: of the model.
        free: (B or 1, h, w) share of each cell that may change at all; None for all.
        on_step: called with (steps of one painting done, latent, clean estimate); may raise to stop.
        painter: another model that paints in its place, shown what is not to be painted.

    Raises:
        InputError: the model's answer is not finite.
    """
    settings, levels = repainting.settings, repainting.levels
    strength = strengths(dragged, settings, repainting.lit).to(device)
    if free is not None:
        strength = strength * (free.to(device) > 0)
    hidden = (dragged.revealed > OWN)[:, None].to(device)
    around = settings.levels(settings.surroundings)
    # How many of the levels, counted from the clean end, each cell is painted over.
    over = (strength > 0)[:, None] * torch.where(hidden, settings.levels(settings.revealed), around)
    source, touched = inversion.clean.to(device), (dragged.movement.free[:, None] > 0).to(device)
    clean = torch.where(touched, dragged.clean.to(device), source)
    # Where the element left, the source shows it: there is nothing to compare with.
    compared = (dragged.movement.leaving <= TOUCHED)[:, None].to(device)
    looks = settings.looks if around else 1
    first, mean = clean, torch.zeros_like(clean)

    def painted(picture: torch.Tensor, over: torch.Tensor, levels: torch.Tensor, told: OnStep | None) -> torch.Tensor:
        def work(denoise: Denoise) -> torch.Tensor:
            return _Painting(denoise, picture, noise, over, levels).painted(told)

        return work(denoiser.denoise) if painter is None else painter.painting(picture, over > 0, work)

    for look in range(looks):
        # Other noise of the same seed: no two looks see the same at one cell.
        noise = dragged.noise.to(device).roll((5 * look, 3 * look), (-2, -1))
        x = painted(clean, over, levels, on_step)
        first = x if look == 0 else first
        if settings.control and around:
            # Hidden cells show the element there and stay; all cells wait for the level of the surroundings.
            alike = painted(source, over * ~hidden, levels[len(levels) - 1 - around :], on_step)
            x = torch.where(compared, x - alike + source, x)
        mean = mean + x / looks
    # A mean of several paintings of what was hidden would be a blur.
    result = torch.where(over > 0, torch.where(hidden, first, mean), clean)
    check_finite(result, "Painting")
    return replace(dragged, clean=result.to(dragged.clean), painted=strength.to(dragged.clean))


@dataclass(frozen=True)
class _Painting:
    """One run: ``clean`` (B, C, h, w) is painted over the last ``over`` (B, 1, h, w) of ``levels``, cell by cell."""

    denoise: Denoise
    clean: torch.Tensor
    noise: torch.Tensor
    over: torch.Tensor
    levels: torch.Tensor

    def painted(self, on_step: OnStep | None = None) -> torch.Tensor:
        """The clean latent that came of it; what was not painted is not to be read."""
        sigmas = self.levels.tolist()
        count = len(sigmas) - 1
        x = self.clean + sigmas[0] * self.noise
        for index in range(count):
            x = torch.where(self.over > count - index, x, self.clean + sigmas[index] * self.noise)
            denoised = self.denoise(x, sigmas[index])
            x = schedule.step(x, schedule.epsilon(x, denoised, sigmas[index]), sigmas[index], sigmas[index + 1])
            if on_step is not None:
                on_step(index + 1, x, denoised)
        return x
