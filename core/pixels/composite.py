"""Which pixels of the edit are shown, and the source's own everywhere else."""

from __future__ import annotations

import torch

from ..errors import InputError
from ..motion.lookup import carry
from ..motion.movement import OPAQUE, Movement
from ..planes.morphology import soften


def shown_mask(movement: Movement, margin: int = 2, feather: int = 4) -> torch.Tensor:
    """The part of the picture that an edit shows, (B, H, W) in 0..1 at image size.

    What left and what arrived, to the pixel, with ``margin`` px around it (where the autoencoder's and the
    model's shading of the seam shows) and a soft edge of ``feather`` px outside of that.
    """
    _, arrived = carry(movement.element[..., None], movement)
    changed = torch.maximum(movement.element, arrived)
    grown = soften((changed > OPAQUE).float(), margin + feather // 2)
    return soften(grown, 0, feather // 2).clamp(0, 1)


def composite(source: torch.Tensor, edited: torch.Tensor, shown: torch.Tensor) -> torch.Tensor:
    """The edited pixels where ``shown``, the source's own elsewhere.

    Args:
        source: (B, H, W, C) float in 0..1.
        edited: (B, H, W, C).
        shown: (B or 1, H, W) in 0..1; where it is 0 the result is the source bit for bit.

    Raises:
        InputError: sizes or batches differ.
    """
    if source.shape[1:] != edited.shape[1:]:
        raise InputError(
            "edited",
            f"{edited.shape[2]}x{edited.shape[1]} px with {edited.shape[3]} channels, the source is "
            f"{source.shape[2]}x{source.shape[1]} px with {source.shape[3]}.",
            "Link images of the same size.",
        )
    if tuple(shown.shape[-2:]) != tuple(source.shape[1:3]):
        raise InputError(
            "shown",
            f"{shown.shape[-1]}x{shown.shape[-2]} px, the source is {source.shape[2]}x{source.shape[1]} px.",
            "Link the mask of the same image.",
        )
    batches = {tensor.shape[0] for tensor in (source, edited, shown)} - {1}
    if len(batches) > 1:
        raise InputError(
            "edited",
            f"batches of {source.shape[0]} sources, {edited.shape[0]} edited images and {shown.shape[0]} masks.",
            "Use equal batches, or single images.",
        )
    share = shown[..., None].to(edited)
    source = source.to(edited)
    return torch.where(share > 0, share * edited + (1 - share) * source, source)
