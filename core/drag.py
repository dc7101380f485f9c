"""The one-step edit of the inverted latent.

An inverted latent is split into the clean latent and the noise that leads to it, z = z0 + sigma * eps, at every
recorded noise level. The element's z0 and eps travel with it; what it leaves behind gets the background's
smooth continuation and fresh noise, so that the model paints what was hidden instead of a copy of the object.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from . import fill
from .errors import InputError
from .inversion import Inversion
from .mask import soften
from .movement import TOUCHED, Movement, widen


@dataclass(frozen=True, kw_only=True)
class FillSettings:
    """What the vacated cells get.

    Attributes:
        space: where the background is continued, in the picture's "pixels" (then encoded: no trace of the object's
            colours is left, and one more encoding is paid) or in the "latent" (smoothly).
        method: how it is continued in the picture: "smooth", "curved", "patches", or "auto", the one that does best on
            copies of the hole cut out elsewhere in the same picture (``core.fill``).
        margin: cells ("latent") or half cells ("pixels") round the source that are not read as background: the
            autoencoder, or antialiasing and shadow, let an object's colours bleed into what is next to it.
        seed: of the fresh noise.
    """

    space: Literal["pixels", "latent"] = "pixels"
    method: fill.Method | Literal["auto"] = "auto"
    margin: int = 1
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Drag:
    """An inversion's latents with a movement applied, at any of its noise levels.

    Attributes:
        movement: where everything goes.
        clean: (B, C, h, w) the composed clean latent.
        noise: (B, C, h, w) fresh noise for the vacated cells.
        detail: (B, H, W, 3) float32 on the CPU, what a decoded ``clean`` lacks of the picture that it stands for
            (``core.composite.detail``); None where nobody decoded it.
    """

    movement: Movement
    clean: torch.Tensor
    noise: torch.Tensor
    detail: torch.Tensor | None = None

    def at(self, inversion: Inversion, index: int) -> torch.Tensor:
        """The dragged latent at ``inversion.sigmas[index]``, (B, C, h, w) float32 on the movement's device."""
        sigma = float(inversion.sigmas[index])
        if sigma == 0:
            return self.clean
        move = self.movement
        device = self.clean.device
        own = ((inversion.trajectory[index] - inversion.clean) / sigma).to(device)
        arriving, vacated = move.arriving[:, None], move.vacated[:, None]
        staying = (1 - arriving - vacated).clamp_min(0)
        # Independent noises mixed by w keep unit variance when divided by the root of the sum of w^2.
        mixed = arriving * move.warp_noise(own) + vacated * self.noise + staying * own
        size = (arriving**2 + vacated**2 + staying**2).sqrt()
        return self.clean + sigma * mixed / size


def apply(
    inversion: Inversion,
    movement: Movement,
    settings: FillSettings | None = None,
    background: torch.Tensor | None = None,
) -> Drag:
    """Moves the element and fills what it leaves.

    Args:
        inversion: the source's.
        movement: on the same latent size and batch.
        settings: filling.
        background: (B, C, h, w) the clean latent of ``background_picture``, to take the filling from; None
            continues the source's clean latent, whatever ``settings.space``.

    Raises:
        InputError: the movement or the background belongs to another latent.
    """
    settings = settings or FillSettings()
    check_movement(inversion, movement)
    clean = inversion.clean.to(movement.source.device)
    # A cell that a thin part leaves shows that part whole: it is filled whole, whatever its share.
    hole = widen((movement.source > TOUCHED).float(), settings.margin) > 0
    if background is None:
        background = fill.harmonic(clean, hole)
    else:
        if background.shape != clean.shape:
            raise InputError(
                "background",
                f"shape {tuple(background.shape)}, but the inversion holds {tuple(clean.shape)}.",
                "Use the filled picture of the same image.",
            )
        background = torch.where(hole[:, None], background.to(clean), clean)
    arriving = movement.arriving[:, None]
    composed = arriving * movement.warp(clean) + (1 - arriving) * background
    generator = torch.Generator("cpu").manual_seed(settings.seed)
    noise = torch.randn(clean.shape, generator=generator).to(clean.device)
    return Drag(movement, composed, noise)


def background_picture(image: torch.Tensor, movement: Movement, settings: FillSettings | None = None) -> torch.Tensor:
    """The picture without the element: its background continued over what leaves, (B, H, W, 3).

    Args:
        image: (B, H, W, 3) in 0..1, the source.
        movement: of that image.
        settings: ``method`` and ``margin`` of it are used.
    """
    settings = settings or FillSettings()
    margin = settings.margin * movement.grid.cell // 2
    hole = soften((movement.mask > 0.1).float(), margin) > 0.5
    planes = image.movedim(-1, 1).float()
    return fill.continued(planes, hole.to(planes.device), settings.method).movedim(1, -1)


def check_movement(inversion: Inversion, movement: Movement) -> None:
    """Raises an ``InputError`` unless the movement is for this inversion's latent."""
    batch, height, width = movement.source.shape
    if (batch, height, width) != (inversion.batch, *inversion.latent_size):
        raise InputError(
            "inversion",
            f"{inversion.batch} latents of {inversion.latent_size[1]}x{inversion.latent_size[0]} cells, but the "
            f"drag was made for {batch} of {width}x{height}.",
            "Link the inversion that the drag was made with.",
        )
