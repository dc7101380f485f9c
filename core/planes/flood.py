"""Connected parts, told on the tensors' own device in a fixed number of steps."""

from __future__ import annotations

import torch

from .morphology import dilate

ROUNDS = 16
"""Of sweeping along rows and columns: a part that turns more often on the way from its seed is not followed further."""


def flood(seeds: torch.Tensor, inside: torch.Tensor, rounds: int = ROUNDS) -> torch.Tensor:
    """The 8-connected parts of a mask that hold seeds.

    Args:
        seeds: (B, P, n, m) float, above 0 at the seeds of each plane.
        inside: (B or 1, P or 1, n, m) bool, the mask; seeds outside of it reach nothing.
        rounds: each goes along whole runs of the mask, first in rows, then in columns, and one element aslant.

    Returns:
        (B, P, n, m) of 0 and 1, float32, on the device of the seeds, which is not waited for.
    """
    inside = inside.expand_as(seeds)
    reached = seeds.float() * inside
    rows, columns = _runs(inside), _runs(inside.transpose(-1, -2))
    for _ in range(rounds):
        reached = _along(reached, rows) * inside
        reached = _along(reached.transpose(-1, -2), columns).transpose(-1, -2) * inside
        reached = dilate(reached.flatten(0, 1), 1).view_as(reached) * inside
    return (reached > 0).float()


def _runs(inside: torch.Tensor) -> torch.Tensor:
    """(B, P, n * m) number of the run of a row that each element is in; what is outside has runs of its own."""
    inside = inside.int()
    begins = inside != torch.cat([torch.zeros_like(inside[..., :1]), inside[..., :-1]], -1)
    begins[..., 0] = True
    return begins.flatten(-2).cumsum(-1) - 1


def _along(reached: torch.Tensor, runs: torch.Tensor) -> torch.Tensor:
    """The largest value of each element's run."""
    flat = reached.flatten(-2)
    largest = torch.zeros_like(flat).scatter_reduce_(-1, runs, flat, "amax")
    return largest.gather(-1, runs).view_as(reached)
