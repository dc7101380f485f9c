"""Smoothing that stops at the picture's edges.

Attention says little about where between two cells a thing ends; the picture says it exactly. A map that is smoothed
within the picture's areas but not across their borders takes over those borders (weighted least squares: Farbman
et al. 2008, "Edge-Preserving Decompositions"; read as probabilities it is Grady's random walker with priors, 2005).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from ..planes.conjugate_gradients import conjugate_gradients

LENGTH = 10.0
"""How far values spread where nothing stops them, in pixels: a little over a latent cell, what attention is off by."""

LEAST_WEIGHT = 1e-4
"""Of the sharpest edge: a little passes even there, so that every pixel has neighbours."""

SOLVER_STEPS = 60
"""Of conjugate gradients; enough for ``LENGTH`` from a start that is smooth already."""


@dataclass(frozen=True)
class EdgeWeights:
    """How alike neighbouring pixels are, from ``LEAST_WEIGHT`` (an edge) to 1 (one colour).

    Attributes:
        across: (B, 1, H, W - 1), between each pixel and its right neighbour.
        down: (B, 1, H - 1, W), between each pixel and the one below.
    """

    across: torch.Tensor
    down: torch.Tensor


def edge_weights(planes: torch.Tensor) -> EdgeWeights:
    """exp(-|c_p - c_q|^2 / 2 s) of neighbouring colours of (B, 3, H, W).

    s is the picture's own mean of |c_p - c_q|^2: what counts as an edge in a calm picture is texture in a busy one.
    """
    across = (planes[..., :, 1:] - planes[..., :, :-1]).square().sum(1, keepdim=True)
    down = (planes[..., 1:, :] - planes[..., :-1, :]).square().sum(1, keepdim=True)
    every = torch.cat([across.flatten(1), down.flatten(1)], 1)
    # A picture of one column and one row has no neighbours at all.
    spread = every.mean(1).clamp_min(1e-5) if every.shape[1] else every.new_ones(every.shape[0])
    scale = -0.5 / spread[:, None, None, None]
    return EdgeWeights((scale * across).exp() + LEAST_WEIGHT, (scale * down).exp() + LEAST_WEIGHT)


def smooth(values: torch.Tensor, weights: EdgeWeights, length: float = LENGTH) -> torch.Tensor:
    """The minimum of sum_p (x_p - v_p)^2 + length^2 sum_pq w_pq (x_p - x_q)^2 over neighbours p, q.

    Args:
        values: (B, 1, H, W) float32.
        weights: of the same pictures.
        length: in pixels.

    Returns:
        The same shape and device; no host synchronisation.
    """
    strength = length**2
    diagonal = 1 + strength * (
        F.pad(weights.across, (0, 1))
        + F.pad(weights.across, (1, 0))
        + F.pad(weights.down, (0, 0, 0, 1))
        + F.pad(weights.down, (0, 0, 1, 0))
    )

    def operator(x: torch.Tensor) -> torch.Tensor:
        return _operator(x, weights, strength)

    return conjugate_gradients(operator, values, values - operator(values), SOLVER_STEPS, diagonal)


def _operator(x: torch.Tensor, weights: EdgeWeights, strength: float) -> torch.Tensor:
    across = strength * weights.across * (x[..., :, 1:] - x[..., :, :-1])
    down = strength * weights.down * (x[..., 1:, :] - x[..., :-1, :])
    return x - F.pad(across, (0, 1)) + F.pad(across, (1, 0)) - F.pad(down, (0, 0, 0, 1)) + F.pad(down, (0, 0, 1, 0))
