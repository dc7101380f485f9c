"""The map of one object that its handles mean: a similarity, then as rigid as possible.

One handle moves the object. Two fix a similarity, or the affine map that is likelier (``changes``). Three and more fix
the similarity in the least squares, and what is left over follows moving least squares, rigid (Schaefer et al. 2006,
"Image Deformation Using Moving Least Squares"). All is built backwards, from where something arrives to where it was,
by exchanging handles and targets in Schaefer's formulas: no inversion, and the same closed form at any place.

Points are (x, y) in px from the picture's corner, (B, n, 2) float32; places are planes (B, ...) of x and y.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

NEAR = 0.1
"""px that are added to every distance of moving least squares, as a square: weights are 1 / (d^2 + NEAR^2)."""

LONGEST = 100.0
"""Most, and in its inverse least, that handles may scale an object."""


@dataclass(frozen=True, eq=False)
class Deformation:
    """One object's map, looked up backwards.

    Attributes:
        handles: (B, n, 2) where the similarity puts the handles.
        targets: (B, n, 2) where they belong.
        matrix, origin, image: (B, 2, 2), (B, 2), (B, 2): the similarity, or other affine map,
            p -> image + matrix (p - origin).
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


def deformation(handles: torch.Tensor, targets: torch.Tensor, matrix: torch.Tensor | None = None) -> Deformation:
    """The map of an object.

    Args:
        handles, targets: (B, n, 2), n of at least 1; an anchor's are the same.
        matrix: (B, 2, 2) of it, where it is known; None for the similarity of the handles.
    """
    origin, image = handles.mean(1), targets.mean(1)
    if matrix is None:
        matrix = similarity(handles - origin[:, None], targets - image[:, None])
    placed = image[:, None] + torch.einsum("bij,bnj->bni", matrix, handles - origin[:, None])
    return Deformation(placed, targets, matrix, origin, image)


def similarity(handles: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
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
