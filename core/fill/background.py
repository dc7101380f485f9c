"""The background behind the element, continued over the hole that it leaves: as a picture and as a latent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from ..model.protocols import Autoencoder
from ..motion.movement import Movement
from ..options import check_choice, check_not_negative
from .harmonic import harmonic
from .trial import Filling, continued

Space = Literal["pixels", "latent"]


@dataclass(frozen=True, kw_only=True)
class FillSettings:
    """What the hole gets.

    Attributes:
        space: where the background is continued, in the picture's "pixels" (then encoded: no trace of the object's
            colours is left, and one more encoding is paid) or in the "latent" (smoothly).
        method: how it is continued in the picture: "smooth", "curved", "patches", or "auto", the one that does best on
            copies of the hole cut out elsewhere in the same picture (``fill.trial``).
        hole_margin: px round the element that are not read as background (rounded up to whole cells in the latent):
            the autoencoder, or antialiasing and shadow, let an object's colours bleed into what is next to it.
    """

    space: Space = "pixels"
    method: Filling = "auto"
    hole_margin: int = 4

    def __post_init__(self):
        check_choice("space", self.space, Space)
        check_choice("fill", self.method, Filling)
        check_not_negative("hole_margin", self.hole_margin, "px")


@dataclass(frozen=True, eq=False)
class Background:
    """What lies behind the element, as far as it could be told.

    Attributes:
        latent: (B, C, h, w) the source's clean latent with the hole filled, on the source latent's device.
        picture: (B, H, W, 3) the source with the hole filled; None where it was filled in the latent.
    """

    latent: torch.Tensor
    picture: torch.Tensor | None = None


def continue_background(
    movement: Movement,
    clean: torch.Tensor,
    settings: FillSettings | None = None,
    image: torch.Tensor | None = None,
    autoencoder: Autoencoder | None = None,
) -> Background:
    """Continues what surrounds the hole over it.

    Args:
        movement: says what is a hole.
        clean: (B, C, h, w) the source's clean latent.
        settings: where and how.
        image: (B, H, W, 3) in 0..1, the source. Without it, or without ``autoencoder``, the hole is filled in the
            latent whatever ``settings.space``.
        autoencoder: encodes the filled picture.
    """
    settings = settings or FillSettings()
    hole = movement.hole_cells(settings.hole_margin).to(clean.device)
    if settings.space == "latent" or image is None or autoencoder is None:
        held = movement.held_cells(settings.hole_margin).to(clean.device)
        return Background(torch.where(hole[:, None], harmonic(clean, hole | held), clean))
    planes = image.movedim(-1, 1).float()
    unseen, held = (part.to(planes.device) for part in (movement.hole_pixels(settings.hole_margin),
                                                        movement.held_pixels(settings.hole_margin)))  # fmt: skip
    # What anchors hold is an object's, too: it stays, but nothing is continued from it.
    stays = held & ~unseen if movement.held is None else held & (~unseen | (movement.held.to(planes.device) > 0.5))
    planes = torch.where(stays[:, None], planes, continued(planes, unseen | held, settings.method))
    picture = planes.movedim(1, -1)
    encoded = autoencoder.encode(movement.grid.pad_image(picture))
    # Cells that show no part of the hole are the source's own, not what the filled picture's encoding makes of them.
    return Background(torch.where(hole[:, None], encoded.to(clean), clean), picture)
