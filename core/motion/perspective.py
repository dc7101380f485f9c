"""How large a thing is after a drag, seen by a camera that looks down a little.

What goes level, over the ground or along above it, keeps its distance below the horizon in sizes of its own: it shrinks
on its way up the picture. What is lifted goes straight away from the point below the camera, where all that stands
upright converges (the nadir), and nears the camera: it grows by as much as its distance from that point does. Nobody
says where the two are: the horizon is taken to lie ``HORIZON`` above the picture, which is modest, and the nadir
follows from a focal length.
"""

from __future__ import annotations

import torch

HORIZON = 0.25
"""Of the picture's height, how far above its upper edge the horizon is taken to lie."""

FOCAL = 1.7
"""Focal length in the picture's heights."""

LIFTED, GROUNDED = 0.04, 0.12
"""Of its way to or from the nadir, how far to the side a drag goes that lifts, and one that is level; between, both."""

MOST = 2.0
"""Most that a thing grows or, in its inverse, shrinks."""


def size_after(handle: torch.Tensor, target: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """(B,) the size of an object after a drag, for 1 before.

    Args:
        handle, target: (B, 2) px.
        height, width: of the picture, px.
    """
    horizon = -HORIZON * height
    nadir = height / 2 + (FOCAL * height) ** 2 / (height / 2 - horizon)
    down_x, down_y = width / 2 - handle[:, 0], nadir - handle[:, 1]
    across, down = (target - handle).unbind(-1)
    along = across * down_x + down * down_y
    aside = (across * down_y - down * down_x).abs()
    level = ((aside / along.abs().clamp_min(1e-6) - LIFTED) / (GROUNDED - LIFTED)).clamp(0, 1)
    before, after = handle[:, 1], target[:, 1]
    as_level = ((after - horizon).clamp_min(1) / (before - horizon).clamp_min(1)).log()
    as_lifted = ((nadir - after) / (nadir - before)).log()
    return (level * as_level + (1 - level) * as_lifted).exp().clamp(1 / MOST, MOST)


def foot_of(share: torch.Tensor) -> torch.Tensor:
    """(...) the row below the lowest of an object of shares (..., H, W) in 0..1, 0 if there is nothing of it."""
    rows = torch.arange(1, share.shape[-2] + 1, device=share.device, dtype=torch.float32)
    return torch.where(share.amax(-1) > 0.5, rows, torch.zeros_like(rows)).amax(-1)
