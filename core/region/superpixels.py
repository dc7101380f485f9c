"""A picture in about a thousand pieces that keep to its edges, so that what follows costs the same at any size.

Simple linear iterative clustering (SLIC, Achanta et al. 2012) in CIE Lab: every pixel joins the like piece among the
nine whose centres started nearest to it. All on the picture's device, without waiting for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from ..planes.warp import coordinates

COUNT = 1024
"""Pieces a picture is cut into, about: at 256 px a side each is a latent cell's size."""

SIDE = 256
"""Pixels of the shorter side of the picture that is cut, at most."""

ROUNDS = 5
COMPACTNESS = 0.12
"""What a piece's own width of distance counts for in units of colour, a fiftieth of L*."""

NEIGHBOURS = 12
"""Of a piece, those with the longest border; more than a piece has but for very few."""


@dataclass(frozen=True, eq=False)
class Superpixels:
    """The pieces of one picture; float32 on its device but for ``labels``.

    Attributes:
        labels: (h, w) long, the piece that each pixel belongs to.
        colours: (h, w, 3), Lab in units of 50.
        area: (N,) pixels of each piece; 0 for one that lost them all.
        mean: (N, 3) colour.
        border: (N,) pixels on the picture's border.
        shared: (N, N) length in pixels of the border between two pieces.
        step: (N, N) mean square of the difference in colour across it.
    """

    labels: torch.Tensor
    colours: torch.Tensor
    area: torch.Tensor
    mean: torch.Tensor
    border: torch.Tensor
    shared: torch.Tensor
    step: torch.Tensor

    @property
    def count(self) -> int:
        return self.area.shape[0]

    @property
    def apart(self) -> torch.Tensor:
        """(N, N) square of the difference in colour of every two."""
        square = self.mean.square().sum(-1)
        return (square[:, None] + square - 2 * self.mean @ self.mean.T).clamp_min(0)

    @property
    def neighbours(self) -> torch.Tensor:
        """(N, M) long, those that a piece shares border with; its own number fills up."""
        shared, which = self.shared.topk(min(NEIGHBOURS, self.count))
        own = torch.arange(self.count, device=which.device)[:, None]
        return torch.where(shared > 0, which, own)

    @property
    def places(self) -> torch.Tensor:
        """(N, 2) y and x of each piece's middle, in units of the picture's shorter side."""
        height, width = self.labels.shape
        planes = coordinates(height, width, self.labels.device)
        return torch.stack([self.average(plane + 0.5) for plane in planes], -1) / min(height, width)

    def average(self, plane: torch.Tensor) -> torch.Tensor:
        """(N,) mean of a plane (h, w) over each piece."""
        return _sums(plane.flatten()[:, None], self.labels.flatten(), self.count)[:, 0] / self.area.clamp_min(1)

    def spread(self, values: torch.Tensor) -> torch.Tensor:
        """Values (..., N) on the pixels of their pieces, (..., h, w)."""
        return values[..., self.labels]


def working_size(height: int, width: int) -> tuple[int, int]:
    """(h, w) of the small version of a picture of this size that is cut into pieces."""
    scale = min(1.0, SIDE / min(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def superpixels(picture: torch.Tensor) -> Superpixels:
    """The pieces of a picture (3, h, w) in 0..1."""
    height, width = picture.shape[-2:]
    # Every piece starts as a square; the pixels of a square choose among the same nine centres, all squares at once.
    side = max(1, round(math.sqrt(height * width / COUNT)))
    rows, columns = -(-height // side), -(-width // side)
    colours = lab(picture.float())
    y, x = coordinates(height, width, picture.device)
    pull = COMPACTNESS / side
    planes = torch.cat([colours, pull * y[None], pull * x[None], torch.ones_like(x)[None]])
    pixels = _squares(planes, rows, columns, side)
    there = pixels[..., 5:]
    row, column = (plane.flatten().long() for plane in coordinates(rows, columns, picture.device))
    steps = [(down, right) for down in (0, -1, 1) for right in (0, -1, 1)]
    near = torch.stack(
        [(row + down).clamp(0, rows - 1) * columns + (column + right).clamp(0, columns - 1) for down, right in steps], 1
    )
    sums = pixels.sum(1)
    for _ in range(ROUNDS):
        centres = (sums[:, :5] / sums[:, 5:].clamp_min(1))[near]
        # |p - c|^2 but for |p|^2, which is the same for all nine.
        away = centres.square().sum(-1)[:, None] - 2 * pixels[..., :5] @ centres.transpose(1, 2)
        chosen = away.argmin(-1, keepdim=True)
        joins = torch.zeros_like(away).scatter_(-1, chosen, 1) * there
        sums = torch.zeros_like(sums).index_add_(0, near.flatten(), (joins.transpose(1, 2) @ pixels).flatten(0, 1))
    labels = near.gather(1, chosen[..., 0]).view(rows, columns, side, side).transpose(1, 2)
    labels = labels.reshape(rows * side, columns * side)[:height, :width]
    return _described(labels, colours.movedim(0, -1), rows * columns)


def _squares(planes: torch.Tensor, rows: int, columns: int, side: int) -> torch.Tensor:
    """(rows * columns, side * side, C) of planes (C, h, w), 0 beyond the picture."""
    count, height, width = planes.shape
    planes = F.pad(planes, (0, columns * side - width, 0, rows * side - height))
    return planes.view(count, rows, side, columns, side).permute(1, 3, 2, 4, 0).reshape(-1, side * side, count)


def lab(picture: torch.Tensor) -> torch.Tensor:
    """sRGB (3, h, w) in 0..1 as CIE Lab (D65), in units of 50."""
    linear = torch.where(picture > 0.04045, ((picture.clamp(0, 1) + 0.055) / 1.055) ** 2.4, picture / 12.92)
    matrix = linear.new_tensor(
        [[0.4124 / 0.95047, 0.3576 / 0.95047, 0.1805 / 0.95047],
         [0.2126, 0.7152, 0.0722],
         [0.0193 / 1.08883, 0.1192 / 1.08883, 0.9505 / 1.08883]]
    )  # fmt: skip
    xyz = torch.einsum("ij,jhw->ihw", matrix, linear)
    root = torch.where(xyz > 0.008856, xyz.clamp_min(1e-6) ** (1 / 3), 7.787 * xyz + 16 / 116)
    return torch.stack([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])]) / 50


def _described(labels: torch.Tensor, colours: torch.Tensor, count: int) -> Superpixels:
    flat = labels.flatten()
    area = _sums(torch.ones_like(colours[..., :1]).flatten(0, 1), flat, count)[:, 0]
    mean = _sums(colours.flatten(0, 1), flat, count) / area.clamp_min(1)[:, None]
    outer = torch.ones_like(colours[..., 0])
    outer[1:-1, 1:-1] = 0
    border = _sums(outer.flatten()[:, None], flat, count)[:, 0]
    shared = area.new_zeros(count * count)
    step = area.new_zeros(count * count)
    for one, other, difference in (
        (labels[:, 1:], labels[:, :-1], colours[:, 1:] - colours[:, :-1]),
        (labels[1:], labels[:-1], colours[1:] - colours[:-1]),
    ):
        apart = (one != other).float().flatten()
        square = difference.square().sum(-1).flatten() * apart
        for places in ((one * count + other).flatten(), (other * count + one).flatten()):
            shared.index_add_(0, places, apart)
            step.index_add_(0, places, square)
    shared, step = shared.view(count, count), step.view(count, count)
    return Superpixels(labels, colours, area, mean, border, shared, step / shared.clamp_min(1))


def _sums(values: torch.Tensor, labels: torch.Tensor, count: int) -> torch.Tensor:
    """(count, C) sums of values (n, C) by label."""
    return values.new_zeros(count, values.shape[1]).index_add_(0, labels, values)
