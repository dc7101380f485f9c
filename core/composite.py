"""Back to the user's own pixels.

Only the edit region shows what the autoencoder decoded; everything else is the source, bit for bit. The
autoencoder's blur on the moved element is mended, too: what decoding lost of the source travels with it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from .errors import InputError
from .mask import soften
from .movement import Movement


def region_mask(movement: Movement, feather: int = 8) -> torch.Tensor:
    """The edit region (B, H, W) at image size, its soft edge inside of it over ``feather`` px."""
    region = movement.grid.cells_to_image_mask((movement.region > 0.01).float())
    inside = (region > 0.5).float()
    return soften(inside, -(feather // 2), feather) * inside if feather else inside


def composite(source: torch.Tensor, edited: torch.Tensor, region: torch.Tensor) -> torch.Tensor:
    """The edited pixels inside ``region``, the source's own elsewhere.

    Args:
        source: (B, H, W, C) float in 0..1.
        edited: (B, H, W, C).
        region: (B or 1, H, W) in 0..1; where it is 0 the result is the source bit for bit.

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
    if tuple(region.shape[-2:]) != tuple(source.shape[1:3]):
        raise InputError(
            "region",
            f"{region.shape[-1]}x{region.shape[-2]} px, the source is {source.shape[2]}x{source.shape[1]} px.",
            "Link the edit region of the same image.",
        )
    batches = {tensor.shape[0] for tensor in (source, edited, region)} - {1}
    if len(batches) > 1:
        raise InputError(
            "edited",
            f"batches of {source.shape[0]} sources, {edited.shape[0]} edited images and {region.shape[0]} regions.",
            "Use equal batches, or single images.",
        )
    share = region[..., None].to(edited)
    source = source.to(edited)
    return torch.where(share > 0, share * edited + (1 - share) * source, source)


def carried_detail(source: torch.Tensor, roundtrip: torch.Tensor, movement: Movement) -> torch.Tensor:
    """What decoding lost of the source, carried to where the element went.

    Args:
        source: (B, H, W, C) in 0..1.
        roundtrip: the same after encoding and decoding.

    Returns:
        (B, H, W, C) to be added to the decoded edit; 0 where nothing arrived.
    """
    grid = movement.grid
    device = source.device
    arriving = grid.cells_to_image_mask(movement.arriving).to(device)
    offset = (
        torch.stack(
            [grid.cells_to_image_mask(_nearest_filled(movement, plane)) for plane in movement.offset.unbind(1)],
            1,
        ).to(device)
        * grid.cell
    )
    height, width = grid.image_size
    y, x = torch.meshgrid(
        torch.arange(height, device=device, dtype=torch.float32),
        torch.arange(width, device=device, dtype=torch.float32),
        indexing="ij",
    )
    positions = torch.stack([x - offset[:, 0], y - offset[:, 1]], -1)
    normalised = (positions + 0.5) * positions.new_tensor([2 / width, 2 / height]) - 1
    lost = (source - roundtrip).movedim(-1, 1).float()
    carried = F.grid_sample(lost, normalised, mode="bilinear", padding_mode="zeros", align_corners=False)
    return (carried * arriving[:, None].clamp(0, 1)).movedim(1, -1)


def _nearest_filled(movement: Movement, plane: torch.Tensor) -> torch.Tensor:
    """An offset plane (B, h, w) continued past the covered cells, so that interpolation at the rim keeps its value."""
    covered = (movement.arriving > 0).float()[:, None]
    value = plane[:, None] * covered
    for _ in range(2):
        weight = F.avg_pool2d(covered, 3, stride=1, padding=1, divisor_override=1)
        spread = F.avg_pool2d(value, 3, stride=1, padding=1, divisor_override=1) / weight.clamp_min(1)
        value = torch.where(covered > 0, value, spread)
        covered = torch.maximum(covered, (weight > 0).float())
    return value[:, 0]
