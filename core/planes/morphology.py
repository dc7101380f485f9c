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
    return _blur(mask[:, None], feather)[:, 0] if feather > 0 else mask


def connected_to(inside: torch.Tensor, seed: tuple[int, int]) -> torch.Tensor:
    """The 8-connected part of ``inside`` (H, W) bool that holds ``seed`` (y, x); empty if the seed is outside.

    Labelled on the host by scipy, in one pass whatever the shape; the result is back on the mask's device.
    """
    labels, _ = ndimage.label(inside.cpu().numpy(), structure=np.ones((3, 3)))
    own = labels[seed]
    return torch.from_numpy((labels == own) & (own > 0)).to(inside.device)


def _blur(planes: torch.Tensor, width: int) -> torch.Tensor:
    """Gaussian blur of (B, 1, H, W) whose edge of a step runs over about ``width`` px."""
    sigma = width / 3
    taps = torch.arange(-width, width + 1, device=planes.device, dtype=planes.dtype)
    kernel = torch.exp(-0.5 * (taps / sigma) ** 2)
    kernel = kernel / kernel.sum()
    planes = F.pad(planes, (width, width, 0, 0), mode="replicate")
    planes = F.conv2d(planes, kernel.view(1, 1, 1, -1))
    planes = F.pad(planes, (0, 0, width, width), mode="replicate")
    return F.conv2d(planes, kernel.view(1, 1, -1, 1)).clamp(0, 1)
