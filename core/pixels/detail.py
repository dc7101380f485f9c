"""The detail that the autoencoder loses, given back to what was moved and to what the hole was filled with."""

from __future__ import annotations

import torch

from ..diffusion.dragged import DraggedLatent
from ..motion.lookup import carry
from ..motion.movement import Movement


def composed(source: torch.Tensor, movement: Movement, background: torch.Tensor) -> torch.Tensor:
    """The edit without a model: the element's own pixels as they arrive, over ``background``; (B, H, W, C)."""
    carried, share = carry(source, movement)
    return background + share[..., None].to(background) * (carried.to(background) - background)


def detail(
    source: torch.Tensor, plain: torch.Tensor, movement: Movement, background: torch.Tensor | None = None
) -> torch.Tensor:
    """What the autoencoder loses of the picture that a dragged latent stands for.

    Added to whatever the latent becomes in sampling, it leaves the element and the background as sharp as they were
    wherever sampling changed nothing, and elsewhere shows what it changed on top of them.

    Args:
        source: (B, H, W, C) in 0..1.
        plain: (B, H, W, C) the decoded ``DraggedLatent.clean``.
        movement: of that latent.
        background: (B, H, W, C) the picture without the element, encoded into ``DraggedLatent.clean``; None if the
            hole was filled in the latent: then only the element has a detail.

    Returns:
        (B, H, W, C) like ``plain``; 0 outside the movement's free cells.
    """
    if background is None:
        carried, share = carry(source.to(plain), movement)
        return share[..., None].to(plain) * (carried - plain)
    within = movement.grid.spread_cells((movement.free > 0).float())[..., None].to(plain)
    return within * (composed(source.to(plain), movement, background.to(plain)) - plain)


def own_pixels(source: torch.Tensor, edited: torch.Tensor, movement: Movement) -> torch.Tensor:
    """Puts the moved element's own pixels in the place of ``edited``'s, whatever became of it; like ``edited``."""
    carried, share = carry(source.to(edited), movement)
    return edited + share[..., None].to(edited) * (carried - edited)


def restore_detail(source: torch.Tensor, edited: torch.Tensor, dragged: DraggedLatent) -> torch.Tensor:
    """Gives a decoded edit the dragged latent's detail, or the element its own pixels where none is known.

    Args:
        source: (B, H, W, C) in 0..1.
        edited: (B, H, W, C) the decoded latent, not clipped.
        dragged: what was done.
    """
    if dragged.detail is None:
        return own_pixels(source, edited.clamp(0, 1), dragged.movement)
    return edited + dragged.detail.to(edited)
