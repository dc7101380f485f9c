"""The one-step edit of the inverted latent (steps 4 and 5).

An inverted latent is split into the clean latent and the noise that leads to it, z = z0 + sigma * eps, at every
recorded noise level. The element's z0 and eps travel with it; what it leaves behind gets the background's
continuation and fresh noise, so that the model paints what was hidden instead of a copy of the object.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..errors import InputError
from ..motion.movement import TOUCHED, Movement
from .inversion import Inversion


@dataclass(frozen=True, eq=False)
class DraggedLatent:
    """An inversion's latents with a movement applied, at any of its noise levels.

    Attributes:
        movement: where everything goes.
        clean: (B, C, h, w) the composed clean latent.
        noise: (B, C, h, w) fresh noise for the vacated cells.
        detail: (B, H, W, 3) float32 on the CPU, what a decoded ``clean`` lacks of the picture that it stands for
            (``pixels.detail``); None where nobody decoded it.
        plain: (B, H, W, 3) like ``detail``, the decoded ``clean``.
        painted: (B, h, w) strength of the noise that the model painted each cell of ``clean`` from (``repaint``); None
            where it painted nothing.
        again: ``clean`` is to be inverted before it is sampled (``sampling``): noise that was moved is not its own.
        trajectory: (n + 1, B, C, h, w) of that inversion, as ``Inversion.trajectory``; None before it.
        pictures: where every picture has drags of its own, the dragged latent of each; () where all are dragged alike.
    """

    movement: Movement
    clean: torch.Tensor
    noise: torch.Tensor
    detail: torch.Tensor | None = None
    pictures: tuple[DraggedLatent, ...] = ()
    plain: torch.Tensor | None = None
    painted: torch.Tensor | None = None
    again: bool = False
    trajectory: torch.Tensor | None = None

    @classmethod
    def together(cls, pictures: Sequence[DraggedLatent]) -> DraggedLatent:
        """Single pictures' dragged latents as one batch, to be sampled together."""
        details, plains = (
            [plane for plane in planes if plane is not None]
            for planes in ([one.detail for one in pictures], [one.plain for one in pictures])
        )
        return cls(
            Movement.together([one.movement for one in pictures]),
            torch.cat([one.clean for one in pictures]),
            torch.cat([one.noise for one in pictures]),
            torch.cat(details) if len(details) == len(pictures) else None,
            tuple(pictures),
            torch.cat(plains) if len(plains) == len(pictures) else None,
            again=any(one.again for one in pictures),
        )

    @property
    def free(self) -> torch.Tensor:
        """(B, h, w) share of each cell that sampling may change: the movement's, and all that the model painted."""
        free = self.movement.free
        return free if self.painted is None else torch.maximum(free, (self.painted > 0).to(free))

    @property
    def touched(self) -> torch.Tensor:
        """(B, h, w) bool: cells that are not the source's alone."""
        return self.free > 0

    @property
    def revealed(self) -> torch.Tensor:
        """(B, h, w) share of each cell that shows what was hidden: the element was there, and nothing came."""
        return (self.movement.uncovering > TOUCHED) * (1 - self.movement.arriving)

    def at(self, inversion: Inversion, index: int) -> torch.Tensor:
        """The dragged latent at ``inversion.sigmas[index]``, (B, C, h, w) float32 on the movement's device."""
        sigma = float(inversion.sigmas[index])
        if sigma == 0:
            return self.clean
        if self.trajectory is not None:
            own, source = (of[index].to(self.clean.device) for of in (self.trajectory, inversion.trajectory))
            return torch.where(self.touched[:, None], own, source)
        move = self.movement
        own = ((inversion.trajectory[index] - inversion.clean) / sigma).to(self.clean.device)
        arriving, vacated = move.arriving[:, None], move.vacated[:, None]
        staying = (1 - arriving - vacated).clamp_min(0)
        # Independent noises mixed by w keep unit variance when divided by the root of the sum of w^2.
        mixed = arriving * move.warp_noise(own) + vacated * self.noise + staying * own
        size = (arriving**2 + vacated**2 + staying**2).sqrt()
        return self.clean + sigma * mixed / size


def apply(
    inversion: Inversion,
    movement: Movement,
    background: torch.Tensor,
    seed: int = 0,
    composed: torch.Tensor | None = None,
) -> DraggedLatent:
    """Moves the element over a background.

    Args:
        inversion: the source's.
        movement: on the same latent size and batch.
        background: (B, C, h, w) clean latent without the element (``fill.background``).
        seed: of the fresh noise.
        composed: (B, C, h, w) clean latent of the picture in which the element was moved already, to stand where
            something changes; None moves the element in the latent.

    Raises:
        InputError: the movement or the background belongs to another latent.
    """
    check_movement(inversion, movement)
    clean = inversion.clean.to(movement.leaving.device)
    if background.shape != clean.shape:
        raise InputError(
            "background",
            f"shape {tuple(background.shape)}, but the inversion holds {tuple(clean.shape)}.",
            "Use the filled picture of the same image.",
        )
    arriving = movement.arriving[:, None]
    if composed is None:
        composed = arriving * movement.warp(clean) + (1 - arriving) * background.to(clean)
    else:
        composed = torch.where(movement.free[:, None] > 0, composed.to(clean), clean)
    generator = torch.Generator("cpu").manual_seed(seed)
    noise = torch.randn(clean.shape, generator=generator).to(clean.device)
    return DraggedLatent(movement, composed, noise)


def check_movement(inversion: Inversion, movement: Movement) -> None:
    """Raises an ``InputError`` unless the movement is for this inversion's latent."""
    batch, height, width = movement.leaving.shape
    if (batch, height, width) != (inversion.batch, *inversion.latent_size):
        raise InputError(
            "inversion",
            f"{inversion.batch} latents of {inversion.latent_size[1]}x{inversion.latent_size[0]} cells, but the "
            f"drag was made for {batch} of {width}x{height}.",
            "Link the inversion that the drag was made with.",
        )
