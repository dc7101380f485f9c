"""Masks made wider, narrower and softer, and their connected parts."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage


def dilate(planes: torch.Tensor, by: int) -> torch.Tensor:
    """Planes (B, H, W) float with each value spread to ``by`` elements around it, diagonally too."""
    if by == 0:
        return planes
    return F.max_pool2d(planes[:, None], 2 * by + 1, stride=1, padding=by)[:, 0]


def soften(mask: torch.Tensor, grow: int = 0, feather: int = 0) -> torch.Tensor:
    """Widens a mask (B, H, W) by ``grow`` px (narrows it when negative), then blurs its edge over ``feather`` px."""
    mask = mask.float()
    mask = dilate(mask, grow) if grow >= 0 else 1 - dilate(1 - mask, -grow)
    # A step's edge runs over about three times sigma.
    return blurred(mask[:, None], feather / 3, feather)[:, 0].clamp(0, 1) if feather > 0 else mask


def connected_to(inside: torch.Tensor, seed: tuple[int, int]) -> torch.Tensor:
    """The 8-connected part of ``inside`` (H, W) bool that holds ``seed`` (y, x); empty if the seed is outside.

    Labelled on the host by scipy, in one pass whatever the shape; the result is back on the mask's device.
    """
    labels, _ = ndimage.label(inside.cpu().numpy(), structure=np.ones((3, 3)))
    own = labels[seed]
    return torch.from_numpy((labels == own) & (own > 0)).to(inside.device)


def blurred(planes: torch.Tensor, sigma: float, reach: int) -> torch.Tensor:
    """Planes (B, C, H, W) averaged by a Gaussian of ``sigma`` px that is cut at ``reach`` px; borders repeat."""
    taps = torch.arange(-reach, reach + 1, device=planes.device, dtype=planes.dtype)
    kernel = torch.exp(-0.5 * (taps / sigma) ** 2)
    kernel = kernel / kernel.sum()
    single = planes.flatten(0, 1)[:, None]
    single = F.conv2d(F.pad(single, (reach, reach, 0, 0), mode="replicate"), kernel.view(1, 1, 1, -1))
    single = F.conv2d(F.pad(single, (0, 0, reach, reach), mode="replicate"), kernel.view(1, 1, -1, 1))
    return single.view_as(planes)
