"""Back to the user's own pixels.

Only the edit region shows what the autoencoder decoded; everything else is the source, bit for bit. The moved
element can keep its own pixels, too, and the filled background its detail, so that the autoencoder blurs none of them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from .drag import Drag
from .errors import InputError
from .mask import soften
from .movement import Movement, widen


def region_mask(movement: Movement, margin: int = 2, feather: int = 4) -> torch.Tensor:
    """The part of the picture that an edit shows, (B, H, W) in 0..1 at image size.

    What left and what arrived, to the pixel, with ``margin`` px around it (where the autoencoder's and the
    model's shading of the seam shows) and a soft edge of ``feather`` px outside of that.
    """
    _, arrived = carry(movement.mask[..., None], movement)
    changed = torch.maximum(movement.mask, arrived)
    grown = soften((changed > 0.1).float(), margin + feather // 2)
    return soften(grown, 0, feather // 2).clamp(0, 1)


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


def carry(image: torch.Tensor, movement: Movement) -> tuple[torch.Tensor, torch.Tensor]:
    """The moved element's own pixels at its destination.

    Args:
        image: (B, H, W, C) source.
        movement: where everything goes.

    Returns:
        (B, H, W, C) the picture as it arrives, and (B, H, W) the share of each pixel that the element covers.
    """
    grid = movement.grid
    device = image.device
    # Offsets are constant over an element but end at its rim: they are continued, the mask cuts the shape.
    planes = [grid.cells_to_image_mask(_continued(movement, plane)) for plane in movement.offset.unbind(1)]
    offset = torch.stack(planes, -1).to(device) * grid.cell
    height, width = grid.image_size
    y, x = torch.meshgrid(
        torch.arange(height, device=device, dtype=torch.float32),
        torch.arange(width, device=device, dtype=torch.float32),
        indexing="ij",
    )
    positions = torch.stack([x, y], -1) - offset
    normalised = (positions + 0.5) * positions.new_tensor([2 / width, 2 / height]) - 1
    planes = torch.cat([image, movement.mask[..., None].to(image)], -1).movedim(-1, 1).float()
    carried = F.grid_sample(planes, normalised, mode="bilinear", padding_mode="border", align_corners=False)
    # A continued offset may point into a neighbour that goes elsewhere: only what comes this way is taken.
    ways = torch.stack([grid.spread_cells(plane) for plane in movement.way.unbind(1)], 1).to(device) * grid.cell
    ways = F.grid_sample(ways, normalised, mode="nearest", padding_mode="border", align_corners=False)
    alike = ((ways.movedim(1, -1) - offset).abs().amax(-1) < grid.cell / 2).float()
    covered = grid.spread_cells(widen((movement.arriving > 0).float(), 1)).to(device)
    inside = ((normalised.abs() <= 1).all(-1)).float()
    return carried[:, :-1].movedim(1, -1), carried[:, -1] * covered * inside * alike


def detail(
    source: torch.Tensor, plain: torch.Tensor, movement: Movement, background: torch.Tensor | None = None
) -> torch.Tensor:
    """What the autoencoder loses of the picture that a dragged latent stands for.

    Added to whatever the latent becomes in sampling, it leaves the element and the background as sharp as they were
    wherever sampling changed nothing, and elsewhere shows what it changed on top of them.

    Args:
        source: (B, H, W, C) in 0..1.
        plain: (B, H, W, C) the decoded ``Drag.clean``.
        movement: of that drag.
        background: (B, H, W, C) the picture without the element, encoded into ``Drag.clean``; None if the hole was
            filled in the latent: then only the element has a detail.

    Returns:
        (B, H, W, C) like ``plain``; 0 outside the movement's region.
    """
    carried, share = carry(source.to(plain), movement)
    share = share[..., None].to(plain)
    if background is None:
        return share * (carried - plain)
    background = background.to(plain)
    within = movement.grid.spread_cells((movement.region > 0).float())[..., None].to(plain)
    return within * (background + share * (carried - background) - plain)


def own_pixels(source: torch.Tensor, edited: torch.Tensor, movement: Movement) -> torch.Tensor:
    """Puts the moved element's own pixels in the place of ``edited``'s, whatever became of it; like ``edited``."""
    carried, share = carry(source.to(edited), movement)
    return edited + share[..., None].to(edited) * (carried - edited)


def keep_element(source: torch.Tensor, edited: torch.Tensor, drag: Drag) -> torch.Tensor:
    """Gives a decoded edit the drag's detail, or the element its own pixels where the drag knows of no detail.

    Args:
        source: (B, H, W, C) in 0..1.
        edited: (B, H, W, C) the decoded latent, not clipped.
        drag: what was done.
    """
    if drag.detail is None:
        return own_pixels(source, edited.clamp(0, 1), drag.movement)
    return edited + drag.detail.to(edited)


def _continued(movement: Movement, plane: torch.Tensor) -> torch.Tensor:
    """An offset plane (B, h, w) continued past the covered cells, so that interpolation at the rim keeps its value."""
    covered = (movement.arriving > 0).float()[:, None]
    value = plane[:, None] * covered
    for _ in range(2):
        weight = F.avg_pool2d(covered, 3, stride=1, padding=1, divisor_override=1)
        spread = F.avg_pool2d(value, 3, stride=1, padding=1, divisor_override=1) / weight.clamp_min(1)
        value = torch.where(covered > 0, value, spread)
        covered = torch.maximum(covered, (weight > 0).float())
    return value[:, 0]
