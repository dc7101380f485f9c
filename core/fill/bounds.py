"""A continuation makes nothing up: it stays within the range of what it continues."""

from __future__ import annotations

import torch


def within_known(values: torch.Tensor, known: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
    """``values`` in the hole, each channel within the range of what is known, and ``known`` outside.

    Args:
        values, known: (1, C, h, w) float32.
        hole: (1, h, w) bool; nothing of ``known`` is read in it. Where it is the whole picture there is no range.

    Returns:
        (1, C, h, w).
    """
    inside = hole[:, None]
    low = known.masked_fill(inside, float("inf")).amin((-2, -1), keepdim=True)
    high = known.masked_fill(inside, float("-inf")).amax((-2, -1), keepdim=True)
    return torch.where(inside, torch.where(low <= high, values.clamp(low, high), values), known)
