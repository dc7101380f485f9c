"""The detail that the autoencoder loses, given back to what was moved and to what the hole was filled with."""

from __future__ import annotations

import torch

from ..diffusion.dragged import DraggedLatent
from ..fill.background import FillSettings
from ..motion.lookup import carry
from ..motion.movement import TOUCHED, Movement
from ..planes.guided_filter import box_mean
from .revealed import revealed_mask

NEAR = 8
"""px round a pixel, a latent cell, whose mean change tells whether sampling changed anything there."""
WAVERING = 0.015
"""Mean change, of 1, that is none: sampling back and decoding never give quite what went in. Chosen with ``NEAR`` on
rendered and photographic scenes, checked on drawn ones (benchmarks/ABLATION.md)."""


def composed(source: torch.Tensor, movement: Movement, background: torch.Tensor) -> torch.Tensor:
    """The edit without a model: the element's own pixels as they arrive, over ``background``; (B, H, W, C)."""
    carried, share = carry(source, movement)
    return background + share[..., None].to(background) * (carried.to(background) - background)


def detail(
    source: torch.Tensor, plain: torch.Tensor, movement: Movement, background: torch.Tensor | None = None
) -> torch.Tensor:
    """What the autoencoder loses of the picture that a dragged latent stands for.

    Added to whatever the latent becomes in sampling, it leaves the element and the background as sharp as they were
    wherever sampling changed nothing, and elsewhere shows what it changed on top of them (``restore_detail``).

    Args:
        source: (B, H, W, C) in 0..1.
        plain: (B, H, W, C) the decoded ``DraggedLatent.clean``.
        movement: of that latent.
        background: (B, H, W, C) the picture without the element, encoded into ``DraggedLatent.clean``; None if the
            hole was filled in the latent: then only the element has a detail.

    Returns:
        (B, H, W, C) like ``plain``; 0 outside the movement's free cells and what arrives.
    """
    if background is None:
        carried, share = carry(source.to(plain), movement)
        return share[..., None].to(plain) * (carried - plain)
    # What arrives where it was is not free, but shown.
    changes = (movement.free > 0) | (movement.arriving > TOUCHED)
    within = movement.grid.spread_cells(changes.float())[..., None].to(plain)
    return within * (composed(source.to(plain), movement, background.to(plain)) - plain)


def own_pixels(source: torch.Tensor, edited: torch.Tensor, movement: Movement) -> torch.Tensor:
    """Puts the moved element's own pixels in the place of ``edited``'s, whatever became of it; like ``edited``."""
    carried, share = carry(source.to(edited), movement)
    return edited + share[..., None].to(edited) * (carried - edited)


def noticed(change: torch.Tensor) -> torch.Tensor:
    """What sampling really changed: nothing of a change whose mean round a pixel is below ``WAVERING``, all of it from
    twice that on, a rising share between (a firm threshold: Gao & Bruce 1997; a soft one would weaken every change).

    Args:
        change: (B, H, W, C), of 1.
    """
    near = box_mean(change.abs().mean(-1)[:, None], NEAR)[:, 0, ..., None]
    return change * ((near - WAVERING) / WAVERING).clamp(0, 1)


def detailed(edited: torch.Tensor, plain: torch.Tensor, detail: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    """What was composed and, on top of it, what sampling really changed; all of its changes in what is revealed.

    Args:
        edited: (B, H, W, C) the decoded latent, not clipped.
        plain, detail: (B, H, W, C) of the ``DraggedLatent``.
        hidden: (B, H, W, 1) in 0..1, what is revealed.
    """
    plain, detail, hidden = (plane.to(edited) for plane in (plain, detail, hidden))
    change = edited - plain
    return plain + detail + torch.lerp(noticed(change), change, hidden)


def restore_detail(
    source: torch.Tensor, edited: torch.Tensor, dragged: DraggedLatent, fill: FillSettings | None = None
) -> torch.Tensor:
    """Gives a decoded edit the dragged latent's detail, or the element its own pixels where none is known.

    Where the detail is known, what sampling did not really change (``noticed``) is put back as it was composed, but for
    what is revealed: that is the model's, and its small changes there are worth something.

    Args:
        source: (B, H, W, C) in 0..1.
        edited: (B, H, W, C) the decoded latent, not clipped.
        dragged: what was done.
        fill: that it was filled with.
    """
    if dragged.detail is None or dragged.plain is None:
        return own_pixels(source, edited.clamp(0, 1), dragged.movement)
    return detailed(edited, dragged.plain, dragged.detail, revealed_mask(dragged, fill)[..., None])
