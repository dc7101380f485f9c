"""The map of one object that its handles mean: a similarity, then as rigid as possible.

One handle moves the object. Two fix a similarity; where they say more of a stretch than of a turn, the picture's axes
stretch apart (``_stretch``), since a thing that is pulled taller does not get wider. Three and more fix the similarity
in the least squares, and what is left over follows moving least squares, rigid (Schaefer et al. 2006, "Image
Deformation Using Moving Least Squares"). All is built backwards, from where something arrives to where it was, by
exchanging handles and targets in Schaefer's formulas: no inversion, and the same closed form at any place.

Points are (x, y) in px from the picture's corner, (B, n, 2) float32; places are planes (B, ...) of x and y.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

NEAR = 0.1
"""px that are added to every distance of moving least squares, as a square: weights are 1 / (d^2 + NEAR^2)."""

LONGEST = 100.0
"""Most, and in its inverse least, that handles may scale an object."""

LONGER = 4.0
"""Most, and in its inverse least, that an axis is stretched by itself."""

TURNING = 1.5
"""Angle in radians for one of logarithmic scale at which two handles are read half as a turn, half as a stretch."""

TURNED = math.pi / 3
"""Angle in radians from which two handles are read as a turn alone."""

COUPLING = 1 / 3
"""Correlation of the two axes' stretches before anything is known: things get taller, wider or larger as often."""

NOISE = 0.1
"""Of what two handles say of a stretch, as a share of their distance for a stretch of 1."""


@dataclass(frozen=True, eq=False)
class Deformation:
    """One object's map, looked up backwards.

    Attributes:
        handles: (B, n, 2) where the similarity puts the handles.
        targets: (B, n, 2) where they belong.
        matrix, origin, image: (B, 2, 2), (B, 2), (B, 2): the similarity (or stretch) p -> image + matrix (p - origin).
    """

    handles: torch.Tensor
    targets: torch.Tensor
    matrix: torch.Tensor
    origin: torch.Tensor
    image: torch.Tensor

    def source(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Where what arrives at places (B, ...) was."""
        if self.handles.shape[1] > 2:
            x, y = _least_squares(self.targets, self.handles, x, y)
        shape = (-1, *[1] * (x.ndim - 1))
        (a, b), (c, d) = (row.unbind(-1) for row in self.matrix.unbind(1))
        determinant = a * d - b * c
        a, b, c, d = (entry.view(shape) for entry in (d, -b, -c, a))
        scale = (1 / determinant).view(shape)
        dx, dy = (place - self.image[:, axis].view(shape) for axis, place in enumerate((x, y)))
        from_x = self.origin[:, 0].view(shape) + scale * (a * dx + b * dy)
        from_y = self.origin[:, 1].view(shape) + scale * (c * dx + d * dy)
        return from_x, from_y


def deformation(handles: torch.Tensor, targets: torch.Tensor, scale: torch.Tensor | None = None) -> Deformation:
    """The map of an object.

    Args:
        handles, targets: (B, n, 2), n of at least 1; an anchor's are the same.
        scale: (B,) of an object that a single handle moves; None for 1.
    """
    origin, image = handles.mean(1), targets.mean(1)
    if handles.shape[1] == 1:
        size = torch.ones_like(origin[:, 0]) if scale is None else scale
        matrix = size[:, None, None] * torch.eye(2, device=handles.device, dtype=handles.dtype)
    elif handles.shape[1] == 2:
        matrix = _stretch(handles[:, 1] - handles[:, 0], targets[:, 1] - targets[:, 0])
    else:
        matrix = _similarity(handles - origin[:, None], targets - image[:, None])
    placed = image[:, None] + torch.einsum("bij,bnj->bni", matrix, handles - origin[:, None])
    return Deformation(placed, targets, matrix, origin, image)


def _similarity(handles: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """(B, 2, 2): the turn and scale that put handles (B, n, 2) on targets best, both about 0; 1 on one spot."""
    (px, py), (qx, qy) = handles.unbind(-1), targets.unbind(-1)
    size = (px**2 + py**2).sum(1)
    # Handles on one spot, or targets on one spot, tell neither turn nor scale.
    known = size > 1e-6
    size = torch.where(known, size, torch.ones_like(size))
    cosine = torch.where(known, (px * qx + py * qy).sum(1) / size, torch.ones_like(size))
    sine = torch.where(known, (px * qy - py * qx).sum(1) / size, torch.zeros_like(size))
    length = torch.hypot(cosine, sine)
    vanished = length < 1e-6
    cosine = torch.where(vanished, torch.ones_like(cosine), cosine)
    length = torch.where(vanished, torch.ones_like(length), length)
    limited = length.clamp(1 / LONGEST, LONGEST) / length
    cosine, sine = limited * cosine, limited * sine
    return torch.stack([torch.stack([cosine, -sine], -1), torch.stack([sine, cosine], -1)], 1)


def _stretch(between: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """(B, 2, 2): the map of an object whose two handles lie ``between`` (B, 2) apart, and ``after`` (B, 2) then.

    A stretch S of the picture's two axes that is most probable given the two (Gaussian with ``COUPLING`` before, and
    ``NOISE``), taken to the power of w, and the similarity that is left over. w falls from 1 to 0 as the handles' angle
    outweighs their scale: a mere turn is a mere turn.
    """
    (dx, dy), (ex, ey) = between.unbind(-1), after.unbind(-1)
    square = (dx**2 + dy**2).clamp_min(1e-6)
    growth = (0.5 * ((ex**2 + ey**2).clamp_min(1e-6) / square).log()).abs()
    angle = torch.atan2(dx * ey - dy * ex, dx * ex + dy * ey).abs()
    weight = (1 - (angle / TURNED) ** 4).clamp_min(0) / (1 + (angle / (TURNING * growth + 1e-6)) ** 4)
    # The mean of s given u = diag(d) s + noise, for s of covariance [[1, k], [k, 1]], written out.
    ux, uy, k = ex - dx, ey - dy, COUPLING
    noise = NOISE**2 * square
    xx, yy, xy = dx**2 + noise, dy**2 + noise, k * dx * dy
    determinant = xx * yy - xy**2
    vx, vy = (yy * ux - xy * uy) / determinant, (xx * uy - xy * ux) / determinant
    across, down = dx * vx + k * dy * vy, k * dx * vx + dy * vy
    across, down = ((1 + s).clamp(1 / LONGER, LONGER) ** weight for s in (across, down))
    stretched = torch.stack([across * dx, down * dy], -1)
    rest = _similarity(stretched[:, None], after[:, None])
    return rest * torch.stack([across, down], -1)[:, None]


def _least_squares(
    points: torch.Tensor, images: torch.Tensor, x: torch.Tensor, y: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rigid moving least squares: where places (B, ...) go when points (B, n, 2) go to images (B, n, 2)."""
    shape = (-1, *[1] * (x.ndim - 1))
    pairs = [
        [value.view(shape) for value in (*point.unbind(-1), *image.unbind(-1))]
        for point, image in zip(points.unbind(1), images.unbind(1), strict=True)
    ]
    weights = [1 / ((x - px) ** 2 + (y - py) ** 2 + NEAR**2) for px, py, _, _ in pairs]
    total = sum(weights, torch.zeros_like(weights[0]))
    means: list[torch.Tensor] = [
        sum((weight * pair[k] for weight, pair in zip(weights, pairs, strict=True)), torch.zeros_like(total)) / total
        for k in range(4)
    ]
    # A turn that is nothing in the sum is none.
    cosine, sine = 1e-6 * total, torch.zeros_like(total)
    for weight, pair in zip(weights, pairs, strict=True):
        px, py, qx, qy = (value - mean for value, mean in zip(pair, means, strict=True))
        cosine = cosine + weight * (px * qx + py * qy)
        sine = sine + weight * (px * qy - py * qx)
    length = torch.hypot(cosine, sine)
    cosine, sine = cosine / length, sine / length
    dx, dy = x - means[0], y - means[1]
    return means[2] + cosine * dx - sine * dy, means[3] + sine * dx + cosine * dy
