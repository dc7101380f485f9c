"""The smoothest continuation: Laplace's equation over the hole."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from ..planes.conjugate_gradients import conjugate_gradients

MAX_ITERATIONS = 400
TOLERANCE = 3e-4
SMALLEST = 8
"""Side of the smallest picture that is solved without a coarser one's help."""


def harmonic(planes: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
    """Fills holes with the smoothest continuation of what surrounds them (Laplace's equation).

    Args:
        planes: (B, C, h, w) float32.
        hole: (B, h, w) bool, cells to fill; nothing is read from them.

    Returns:
        (B, C, h, w); cells outside the hole unchanged. An image that is all hole is filled with its mean. Values that
        aren't finite are not read: outside the hole they stay where they are, and don't spread into it.

    The border of the image reflects. Solved by conjugate gradients on the graph Laplacian of the hole, from the
    solution at half the size: a hole of a thousand pixels across takes as few steps as a small one.
    """
    if not bool(hole.any()):
        return planes
    unread = hole | ~planes.isfinite().all(1)
    rows, columns = (around(unread.any(0).any(axis)) for axis in (1, 0))
    solved = _solve(planes[..., rows, columns], unread[..., rows, columns])
    filled = planes.clone()
    filled[..., rows, columns] = torch.where(hole[:, None, rows, columns], solved, planes[..., rows, columns])
    return filled


def around(unread: torch.Tensor) -> slice:
    """The extent along one axis (n,) of what isn't read, and of the ring that it is continued from."""
    where = unread.nonzero()
    return slice(max(int(where[0]) - 1, 0), int(where[-1]) + 2)


def _solve(planes: torch.Tensor, unread: torch.Tensor) -> torch.Tensor:
    """The planes (B, C, h, w) with all that isn't read (B, h, w) replaced by its smooth continuation."""
    inside = unread[:, None].to(planes.dtype)
    known = planes.masked_fill(unread[:, None], 0)
    count = (1 - inside).sum((-2, -1), keepdim=True)
    mean = known.sum((-2, -1), keepdim=True) / count.clamp_min(1)
    finite = planes.isfinite().all(1, keepdim=True)
    own = planes.masked_fill(~finite, 0).sum((-2, -1), keepdim=True) / finite.sum((-2, -1), keepdim=True).clamp_min(1)
    mean = torch.where(count > 0, mean, own)
    ones = torch.ones_like(planes[:, :1])
    degree = _neighbours(ones)

    def laplacian(value: torch.Tensor) -> torch.Tensor:
        return (degree * value - _neighbours(value)) * inside

    plain = known + mean * inside
    # The aim is set by the plain start, so that a good one is not held to a finer solution.
    aim = TOLERANCE**2 * (laplacian(plain) ** 2).sum((-2, -1), keepdim=True) * (count > 0)
    solution = torch.where(count > 0, known + _coarse(known, unread, mean) * inside, mean.expand_as(planes))
    residual = -laplacian(solution) * (count > 0)
    solution = conjugate_gradients(laplacian, solution, residual, MAX_ITERATIONS, aim=aim)
    return torch.where(unread[:, None], solution, planes)


def _coarse(planes: torch.Tensor, hole: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
    """The solution at half the size, brought to full size, to start from; the mean where that is too small.

    ``planes`` are 0 in the hole.
    """
    if min(planes.shape[-2:]) < 2 * SMALLEST:
        return mean.expand_as(planes)
    share = F.avg_pool2d((~hole)[:, None].to(planes.dtype), 2, ceil_mode=True)
    halved = F.avg_pool2d(planes, 2, ceil_mode=True) / share.clamp_min(1e-6)
    solved = _solve(torch.where(share > 0, halved, mean), share[:, 0] == 0)
    return F.interpolate(solved, size=planes.shape[-2:], mode="bilinear", align_corners=False)


def _neighbours(value: torch.Tensor) -> torch.Tensor:
    """Sum over the four neighbours; beyond the border there are none."""
    total = torch.zeros_like(value)
    total[..., 1:, :] += value[..., :-1, :]
    total[..., :-1, :] += value[..., 1:, :]
    total[..., :, 1:] += value[..., :, :-1]
    total[..., :, :-1] += value[..., :, 1:]
    return total
