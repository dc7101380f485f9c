"""Pictures with holes at half the size."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def halved(planes: torch.Tensor, hole: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Means of what is known in squares of 2 x 2, and where that is less than half of the square.

    Args:
        planes: (B, C, h, w).
        hole: (B, h, w) bool.

    Returns:
        (B, C, ceil(h / 2), ceil(w / 2)) and (B, ceil(h / 2), ceil(w / 2)) bool.
    """
    known = (~hole)[:, None].to(planes.dtype)
    share = F.avg_pool2d(known, 2, ceil_mode=True)
    means = F.avg_pool2d(planes.masked_fill(hole[:, None], 0), 2, ceil_mode=True) / share.clamp_min(1e-6)
    return means, share[:, 0] < 0.5
