"""Masks of an edit for whoever paints there next: what was behind the element, and where it meets what it came to."""

from __future__ import annotations

import torch

from ..diffusion.dragged import DraggedLatent
from ..fill.background import FillSettings, filled_pixels
from ..motion.lookup import carry
from ..motion.movement import Movement
from ..planes.morphology import dilate

SEAM = 8
"""px to either side of an outline that belong to the seam: one latent cell, since nothing finer is repainted."""


def revealed_mask(dragged: DraggedLatent, settings: FillSettings | None = None) -> torch.Tensor:
    """What shows the filling (or the clean plate): all that was filled, less what arrived over it.

    Args:
        dragged: of ``edit.move``.
        settings: that it was filled with.

    Returns:
        (B, H, W) float32 in 0..1 at image size, on the movement's device; soft where the element covers it softly.
    """
    return torch.cat([_revealed(one.movement, settings) for one in dragged.pictures or (dragged,)])


def seam_mask(dragged: DraggedLatent, settings: FillSettings | None = None) -> torch.Tensor:
    """Where something meets something that it did not use to: ``SEAM`` px round the outline of what arrived, on both of
    its sides, and round what is revealed, outside of it. Nothing of it is revealed.

    Args:
        dragged: of ``edit.move``.
        settings: that it was filled with.

    Returns:
        (B, H, W) float32, 0 or 1, at image size, on the movement's device.
    """
    return torch.cat([_seam(one.movement, settings) for one in dragged.pictures or (dragged,)])


def _arrived(movement: Movement) -> torch.Tensor:
    return carry(movement.element[..., None], movement)[1]


def _revealed(movement: Movement, settings: FillSettings | None) -> torch.Tensor:
    return filled_pixels(movement, settings).float() * (1 - _arrived(movement)).clamp(0, 1)


def _seam(movement: Movement, settings: FillSettings | None) -> torch.Tensor:
    arrived = (_arrived(movement) > 0.5).float()
    revealed = (_revealed(movement, settings) > 0.5).float()
    outline = dilate(arrived, SEAM) * dilate(1 - arrived, SEAM)
    rim = dilate(revealed, SEAM) * (1 - arrived)
    return torch.maximum(outline, rim) * (1 - revealed)
