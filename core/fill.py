"""What is put where something was taken away."""

from __future__ import annotations

import torch
import torch.nn.functional as F

MAX_ITERATIONS = 400
TOLERANCE = 1e-4


def harmonic(planes: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
    """Fills holes with the smoothest continuation of what surrounds them (Laplace's equation).

    Args:
        planes: (B, C, h, w) float32.
        hole: (B, h, w) bool, cells to fill; nothing is read from them.

    Returns:
        (B, C, h, w); cells outside the hole unchanged. An image that is all hole is filled with its mean.

    The border of the image reflects. Solved by conjugate gradients on the graph Laplacian of the hole.
    """
    if not bool(hole.any()):
        return planes
    inside = hole[:, None].to(planes.dtype)
    known = planes * (1 - inside)
    count = (1 - inside).sum((-2, -1), keepdim=True)
    mean = known.sum((-2, -1), keepdim=True) / count.clamp_min(1)
    mean = torch.where(count > 0, mean, planes.mean((-2, -1), keepdim=True))
    ones = torch.ones_like(planes[:, :1])
    degree = _neighbours(ones)

    def laplacian(value: torch.Tensor) -> torch.Tensor:
        return (degree * value - _neighbours(value)) * inside

    start = (known + mean * inside) * (count > 0) + planes * (count == 0)
    solution = start * inside + known
    if not bool((count > 0).all()):
        solution = torch.where(count > 0, solution, mean.expand_as(solution))
    residual = -laplacian(solution) * (count > 0)
    direction = residual
    energy = (residual**2).sum((-2, -1), keepdim=True)
    first = energy.clamp_min(1e-20)
    for _ in range(MAX_ITERATIONS):
        if bool((energy <= TOLERANCE**2 * first).all()):
            break
        moved = laplacian(direction)
        along = (direction * moved).sum((-2, -1), keepdim=True)
        alpha = torch.where(along > 1e-20, energy / along.clamp_min(1e-20), torch.zeros_like(energy))
        solution = solution + alpha * direction
        residual = residual - alpha * moved
        energy_next = (residual**2).sum((-2, -1), keepdim=True)
        direction = residual + direction * energy_next / energy.clamp_min(1e-20)
        energy = energy_next
    return solution * inside + planes * (1 - inside)


def _neighbours(value: torch.Tensor) -> torch.Tensor:
    """Sum over the four neighbours; beyond the border there are none."""
    kernel = value.new_tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    channels = value.shape[1]
    return F.conv2d(value, kernel.expand(channels, 1, 3, 3), padding=1, groups=channels)
