"""Rooms as the trainings know them: which thing each quarter of a cell shows."""

from __future__ import annotations

import torch
from torch import Tensor

SIDE = 16


def room(*boxes: tuple[int, int, int, int]) -> Tensor:
    """(32, 32) uint8 with a thing in each (top, left, bottom, right) in cells."""
    whose = torch.zeros(2 * SIDE, 2 * SIDE, dtype=torch.uint8)
    for number, (top, left, bottom, right) in enumerate(boxes, 1):
        whose[2 * top : 2 * bottom, 2 * left : 2 * right] = number
    return whose
