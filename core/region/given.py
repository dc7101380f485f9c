"""Masks that people and other nodes give: checked, and put together with what the attention finds."""

from __future__ import annotations

from typing import Literal

import torch

from ..errors import InputError
from ..options import check_choice
from ..planes.guided_filter import box_mean, guided_filter
from ..space.grid import Grid, all_finite

Combine = Literal["add", "subtract", "intersect", "replace", "soften"]

EDGE_RADIUS = 1
EDGE_EPSILON = 1e-3
"""Of the guided filter that softens a hard mask: what leaves the masks of rendered scenes nearest to their true share
of each pixel (mean absolute error 0.90 of the hard mask's where that is exact, 0.99 where it is a pixel off)."""


def given_element(mask: torch.Tensor, grid: Grid, batch: int, input: str = "mask") -> torch.Tensor:
    """A mask that someone gave, as the element that is to move.

    Args:
        mask: (B or 1, H, W) or (H, W) at image size in 0..1.
        grid: of the image.
        batch: B, the number of images.
        input: what the user knows the mask by.

    Returns:
        (B, H, W) float32 on the CPU, a copy.

    Raises:
        InputError: another size or batch, values that aren't finite, or less than one latent cell covered in
            every image: nothing would be seen to move. Single images of a batch may be left as they are.
    """
    element = combine(torch.zeros(batch, *grid.image_size), mask, "replace")
    cells = float(grid.image_mask_to_cells(element).sum((-2, -1)).max())
    # One cell's worth that lies over several sums up to 1 but for rounding.
    if cells < 1 - 1e-4:
        what = "it is empty" if cells == 0 else f"it covers {cells * grid.cell**2:.3g} px"
        raise InputError(
            input,
            f"{what}, and nothing moves that is smaller than a latent cell ({grid.cell}x{grid.cell} px).",
            "Paint what is to move, or make the mask larger (grow it, lower tau).",
        )
    return element


def combine(automatic: torch.Tensor, drawn: torch.Tensor, mode: Combine) -> torch.Tensor:
    """The automatic mask (B, H, W) corrected by a drawn one (B or 1, H, W); "soften" replaces it (``softened``).

    Raises:
        InputError: another size, a batch that fits neither 1 nor B, or no such mode.
    """
    check_choice("combine", mode, Combine)
    if drawn.ndim == 2:
        drawn = drawn[None]
    check_mask(drawn, (automatic.shape[-2], automatic.shape[-1]), automatic.shape[0])
    drawn = drawn.to(automatic).clamp(0, 1)
    if mode == "add":
        return torch.maximum(automatic, drawn)
    if mode == "subtract":
        return torch.minimum(automatic, 1 - drawn)
    if mode == "intersect":
        return torch.minimum(automatic, drawn)
    return drawn.expand_as(automatic).clone()


def check_mask(mask: torch.Tensor, image_size: tuple[int, int], batch: int, input: str = "mask") -> None:
    """Raises an ``InputError`` unless ``mask`` is (batch or 1, *image_size) and finite."""
    if mask.ndim != 3 or tuple(mask.shape[-2:]) != tuple(image_size):
        shape = "x".join(str(side) for side in reversed(mask.shape[-2:]))
        raise InputError(
            input,
            f"{shape} px, but the image is {image_size[1]}x{image_size[0]} px.",
            "Use a mask made for this image, or resize it.",
        )
    if mask.shape[0] not in (1, batch):
        raise InputError(
            input,
            f"{mask.shape[0]} masks for {batch} images.",
            "Use one mask for all, or one for each image.",
        )
    if not all_finite(mask):
        raise InputError(input, "it holds NaN or infinite values.", "Check the node that made it.")


def softened(mask: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """A mask (B, H, W) with soft edges from the picture (B, H, W, 3) in 0..1, where it has none of its own.

    Segmenters and painters give 0 or 1. What lies within a few pixels of that step gets the share that the picture
    gives it (guided filter); a picture's mask that holds anything between stays as it is. Nothing is waited for.
    """
    values = mask[:, None]
    hard = ((values == 0) | (values == 1)).flatten(1).all(1)[:, None, None, None]
    planes = image.to(mask).movedim(-1, 1)
    step = box_mean(values, 2 * EDGE_RADIUS)
    near = (step > 1e-4) & (step < 1 - 1e-4)
    soft = guided_filter(values, planes, EDGE_RADIUS, EDGE_EPSILON).clamp(0, 1)
    return torch.where(hard & near, soft, values)[:, 0]
