"""Conjugate gradients on picture planes, for the linear systems of filling and smoothing."""

from __future__ import annotations

from collections.abc import Callable

import torch

_NOTHING = 1e-20
"""An energy that counts as none: steps are not divided by it."""


def conjugate_gradients(
    operator: Callable[[torch.Tensor], torch.Tensor],
    start: torch.Tensor,
    residual: torch.Tensor,
    steps: int,
    diagonal: torch.Tensor | None = None,
    aim: torch.Tensor | None = None,
) -> torch.Tensor:
    """Improves ``start`` (B, C, H, W), every plane a system of its own (Hestenes and Stiefel 1952).

    Args:
        operator: the system's left side, linear, symmetric and positive.
        start: where to begin.
        residual: the right side minus ``operator(start)``.
        steps: at most so many.
        diagonal: of the operator, to precondition with (Jacobi); None for none.
        aim: (B, C, 1, 1) energy of the residual at which a plane is good enough; when all are, it ends. Asking
            costs a host synchronisation a step; None takes all steps without any.
    """
    solution = start
    step = residual if diagonal is None else residual / diagonal
    direction, energy = step, _dot(residual, step)
    for _ in range(steps):
        if aim is not None and bool((energy <= aim).all()):
            break
        moved = operator(direction)
        along = _dot(direction, moved)
        # Where a plane is solved, both are 0: their ratio must not become NaN.
        alpha = torch.where(along > _NOTHING, energy / along.clamp_min(_NOTHING), torch.zeros_like(energy))
        solution = solution + alpha * direction
        residual = residual - alpha * moved
        step = residual if diagonal is None else residual / diagonal
        energy_next = _dot(residual, step)
        direction = step + direction * energy_next / energy.clamp_min(_NOTHING)
        energy = energy_next
    return solution


def _dot(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (a * b).sum((-2, -1), keepdim=True)
