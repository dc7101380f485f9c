"""Coordinates of a plane, and looking planes up at other places."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def coordinates(height: int, width: int, device: torch.device | str = "cpu") -> tuple[torch.Tensor, torch.Tensor]:
    """(y, x) index of every element of a plane, each (height, width) float32; add 0.5 for its centre."""
    y = torch.arange(height, device=device, dtype=torch.float32)
    x = torch.arange(width, device=device, dtype=torch.float32)
    rows, columns = torch.meshgrid(y, x, indexing="ij")
    return rows, columns


def look_up(planes: torch.Tensor, x: torch.Tensor, y: torch.Tensor, mode: str = "bilinear") -> torch.Tensor:
    """Planes at places between their elements.

    Args:
        planes: (B, C, H, W) float.
        x, y: (B, h, w) or (h, w) as indices: (0, 0) is the centre of the first element. Outside the plane its border
            repeats.
        mode: "bilinear" or "nearest".

    Returns:
        (B, C, h, w) float32.
    """
    height, width = planes.shape[-2:]
    # Held inside the plane here: MPS has no padding_mode="border" before PyTorch 2.13 (pytorch/pytorch#125098).
    across = (x.clamp(0, width - 1) + 0.5).mul_(2 / width).sub_(1)
    down = (y.clamp(0, height - 1) + 0.5).mul_(2 / height).sub_(1)
    normalised = torch.stack([across, down], -1)
    return F.grid_sample(planes.float(), normalised, mode=mode, padding_mode="zeros", align_corners=False)
