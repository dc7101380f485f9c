"""Planes of a window's edited size at the picture's own pixels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from ..planes.warp import coordinates, look_up


@dataclass(frozen=True, eq=False)
class Part:
    """A rectangle of a window's own pixels.

    Attributes:
        x, y: (1, n, m) indices of its pixels in the window.
        across, down: (1, n, m) the same as indices at the edited size, between its pixels.
    """

    x: torch.Tensor
    y: torch.Tensor
    across: torch.Tensor
    down: torch.Tensor

    @classmethod
    def of(cls, rows: slice, columns: slice, size: tuple[int, int], edited: tuple[int, int]) -> Part:
        """Rows and columns of a window of ``size`` (height, width) that is edited at another one."""
        y, x = coordinates(rows.stop - rows.start, columns.stop - columns.start)
        x, y = (x + columns.start)[None], (y + rows.start)[None]
        across, down = (
            (place + 0.5) * (small / whole) - 0.5
            for place, small, whole in ((x, edited[1], size[1]), (y, edited[0], size[0]))
        )
        return cls(x, y, across, down)

    def enlarged(self, planes: torch.Tensor, mode: str = "bilinear") -> torch.Tensor:
        """Planes (1, C, h, w) of the edited size here, (1, C, n, m); "bilinear", "nearest" or "bicubic"."""
        if mode != "bicubic":
            return look_up(planes, self.across, self.down, mode)
        height, width = planes.shape[-2:]
        places = torch.stack([(self.across + 0.5) * (2 / width) - 1, (self.down + 0.5) * (2 / height) - 1], -1)
        return F.grid_sample(planes, places, mode="bicubic", padding_mode="border", align_corners=False)


def enlarged(planes: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Planes (B, C, h, w) of the edited size over all of a window of ``size``, bilinear; as ``Part`` enlarges them."""
    return F.interpolate(planes, size=size, mode="bilinear", align_corners=False)
