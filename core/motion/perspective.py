"""How large a thing is after a drag over the ground: it shrinks towards the horizon.

The size in the picture of what stands on level ground goes with its foot's distance below the horizon. Nobody says
where that is: it is taken to lie ``HORIZON`` above the picture, which is modest. What goes straight up or down is
lifted: it keeps its size.
"""

from __future__ import annotations

import torch

HORIZON = 0.25
"""Of the picture's height, how far above its upper edge the horizon is taken to lie."""

LIFTED, GROUNDED = 0.08, 0.25
"""Of its way up or down, how far to the side a drag goes that is one off the ground, and one over it; between, half."""

MOST = 2.0
"""Most that a thing grows or, in its inverse, shrinks."""


def size_after(element: torch.Tensor, handle: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """(B,) the size of an object after a drag, for 1 before.

    Args:
        element: (B, H, W) in 0..1.
        handle, target: (B, 2) px.
    """
    height = element.shape[-2]
    below = foot_of(element) + HORIZON * height
    across, down = (target - handle).unbind(-1)
    slope = across.abs() / down.abs().clamp_min(1e-6)
    over_ground = ((slope - LIFTED) / (GROUNDED - LIFTED)).clamp(0, 1)
    return ((below + down * over_ground) / below).clamp(1 / MOST, MOST)


def foot_of(share: torch.Tensor) -> torch.Tensor:
    """(...) the row below the lowest of an object of shares (..., H, W) in 0..1, 0 if there is nothing of it."""
    rows = torch.arange(1, share.shape[-2] + 1, device=share.device, dtype=torch.float32)
    return torch.where(share.amax(-1) > 0.5, rows, torch.zeros_like(rows)).amax(-1)
