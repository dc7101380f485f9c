"""The background behind the element, continued over the hole that it leaves: as a picture and as a latent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

import torch

from ..attention.maps import AttentionMaps
from ..errors import InputError
from ..model.protocols import Autoencoder
from ..motion.movement import Movement
from ..options import check_choice, check_not_negative
from ..space.grid import Grid, check_image
from .harmonic import around, harmonic
from .semantic import attended
from .trial import Filling, continued

Space = Literal["pixels", "latent"]
Fill = Literal["auto", "smooth", "curved", "patches", "attention"]


ENCLOSED, NONE = 0.75, 0.01
"""Share of walks at random out of a hole that end on what anchors hold from which that goes on in it, and below which a
place has nothing to do with it. On twelve validation scenes with the true parts it is 0.81 to 1.0 in five of six of
*open* (where the truth changed 14.6 dB, and 12.1 with the ground in it), at most 0.7 in *bend*."""


@dataclass(frozen=True, kw_only=True)
class FillSettings:
    """What the hole gets.

    Attributes:
        space: where the background is continued, in the picture's "pixels" (then encoded: no trace of the object's
            colours is left, and one more encoding is paid) or in the "latent" (smoothly).
        method: how it is continued in the picture: "smooth", "curved", "patches", or "auto", the one that does best on
            what surrounds the hole, with the grain of "patches" (``fill.trial``). "attention" fills the latent with
            what the hole's attention looks at, whatever ``space`` (``fill.semantic``).
        hole_margin: px round the element that are not read as background (rounded up to whole cells in the latent):
            the autoencoder, or antialiasing and shadow, let an object's colours bleed into what is next to it.
    """

    space: Space = "pixels"
    method: Fill = "auto"
    hole_margin: int = 4

    def __post_init__(self):
        check_choice("space", self.space, Space)
        check_choice("fill", self.method, Fill)
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
    clean_plate: torch.Tensor | None = None,
    maps: AttentionMaps | None = None,
) -> Background:
    """Continues what surrounds the hole over it, or shows a clean plate there.

    Args:
        movement: says what is a hole.
        clean: (B, C, h, w) the source's clean latent.
        settings: where and how.
        image: (B, H, W, 3) in 0..1, the source. Without it, or without ``autoencoder``, the hole is filled in the
            latent whatever ``settings.space``.
        autoencoder: encodes the filled picture.
        clean_plate: (B or 1, H, W, 3) in 0..1, a picture of what is behind the element, which takes the continuation's
            place whatever ``settings`` say; None continues.
        maps: the inversion's, which ``method`` "attention" reads.

    Raises:
        InputError: the plate is of another size or batch, or image or autoencoder lack to put it behind.
    """
    settings = settings or FillSettings()
    if clean_plate is not None:
        check_clean_plate(clean_plate, movement.grid, clean.shape[0])
        if image is None or autoencoder is None:
            raise InputError(
                "clean_plate",
                "it can't take its place behind the element without the picture and the VAE.",
                "Link the picture and the VAE as well.",
            )
    elif settings.method == "attention" or settings.space == "latent" or image is None or autoencoder is None:
        hole = movement.hole_cells(settings.hole_margin).to(clean.device)
        unread = hole | movement.held_cells(settings.hole_margin).to(clean.device)
        filled = attended(clean, unread, maps or {}) if settings.method == "attention" else harmonic(clean, unread)
        return Background(torch.where(hole[:, None], filled, clean))
    planes = image.movedim(-1, 1).float()
    to_fill, unread = (part.to(planes.device) for part in _filled_and_unread(movement, settings.hole_margin))
    if clean_plate is None:
        filling = continued(planes, unread, cast(Filling, settings.method))
        if movement.held is not None:
            filling = enclosed(filling, planes, to_fill, unread)
    else:
        filling = clean_plate.movedim(-1, 1).to(planes).clamp(0, 1)
    planes = torch.where(to_fill[:, None], filling, planes)
    picture = planes.movedim(1, -1)
    encoded = autoencoder.encode(movement.grid.pad_image(picture))
    hole = movement.hole_cells(settings.hole_margin).to(clean.device)
    # Cells that show no part of the hole are the source's own, not what the filled picture's encoding makes of them.
    return Background(torch.where(hole[:, None], encoded.to(clean), clean), picture)


def enclosed(filling: torch.Tensor, planes: torch.Tensor, hole: torch.Tensor, unread: torch.Tensor) -> torch.Tensor:
    """A filling that goes on with what anchors hold where that is what lies round the hole: a drawer leaves its chest.

    Whether it is, is told by where a walk at random out of the hole ends (a harmonic function, ``harmonic``).

    Args:
        filling: (B, C, H, W) of the hole, from the background alone.
        planes: (B, C, H, W) the source.
        hole: (B, H, W) bool, what is filled.
        unread: (B, H, W) bool, that and what anchors hold.
    """
    held = unread & ~hole
    if not bool(held.any()):
        return filling
    ends = harmonic(held[:, None].to(planes), hole)[:, 0]
    # Other objects' holes, which no such walk leads out of, don't count.
    counts = hole & (ends > NONE)
    share = (ends * counts).sum((-2, -1)) / counts.sum((-2, -1)).clamp_min(1)
    within = counts & (share > ENCLOSED)[:, None, None]
    if not bool(within.any()):
        return filling
    rows, columns = (around(within.any(0).any(axis)) for axis in (1, 0))
    own = harmonic(planes[..., rows, columns], ~held[..., rows, columns])
    filled = filling.clone()
    filled[..., rows, columns] = torch.where(within[:, None, rows, columns], own, filling[..., rows, columns])
    return filled


def check_clean_plate(clean_plate: torch.Tensor, grid: Grid, batch: int) -> None:
    """Raises an ``InputError`` unless the plate (B or 1, H, W, 3) lies pixel by pixel behind the picture.

    Another size is refused, not resized: a plate a few pixels off would show as a seam all round the hole, and whether
    it was cropped or scaled is not to be seen in it.
    """
    check_image(clean_plate, "clean_plate")
    if tuple(clean_plate.shape[1:3]) != grid.image_size:
        raise InputError(
            "clean_plate",
            f"{clean_plate.shape[2]}x{clean_plate.shape[1]} px, but the picture is "
            f"{grid.image_size[1]}x{grid.image_size[0]} px.",
            "Make it of this very picture, or bring it to the picture's size (crop or scale, as it was made).",
        )
    if clean_plate.shape[0] not in (1, batch):
        raise InputError(
            "clean_plate", f"{clean_plate.shape[0]} plates for {batch} pictures.", "Use one for all, or one for each."
        )


def filled_pixels(movement: Movement, settings: FillSettings | None = None) -> torch.Tensor:
    """(B, H, W) bool: what is filled behind the element, whether something arrives there or not."""
    return _filled_and_unread(movement, (settings or FillSettings()).hole_margin)[0]


def _filled_and_unread(movement: Movement, margin: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(B, H, W) bool each: what is filled, and what nothing is continued from: that, and what anchors hold. That is an
    object's, too, and stays, but tells nothing of the background."""
    unseen, held = movement.hole_pixels(margin), movement.held_pixels(margin)
    stays = held & ~unseen if movement.held is None else held & (~unseen | (movement.held > 0.5))
    return (unseen | held) & ~stays, unseen | held
