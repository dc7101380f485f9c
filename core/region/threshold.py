"""From which correlation on a cell belongs to a handle (the tau of M[p] = A[h, p] / A[h, h] > tau)."""

from __future__ import annotations

import torch

LEVELS = 64
"""Number of thresholds that the automatic choice tries."""

ABOVE_OTSU = 1.8
"""How many times Otsu's threshold the automatic one is: Otsu's parts all that is some object from the background, and
other objects score higher than background does. Measured (``benchmarks/ABLATION.md``)."""


def automatic_tau(correlation: torch.Tensor, above_otsu: float = ABOVE_OTSU) -> torch.Tensor:
    """The threshold of one handle's correlation (h, w): ``above_otsu`` times Otsu's, a scalar on its device.

    It is never raised more than halfway, on the logarithm, to the handle's own correlation of 1.
    """
    otsu = otsu_threshold(correlation)
    return torch.minimum(above_otsu * otsu, otsu**0.5)


def otsu_threshold(correlation: torch.Tensor) -> torch.Tensor:
    """Otsu's threshold (1979) of one handle's correlation (h, w), on its logarithm; a scalar on its device.

    Attention spans orders of magnitude; its logarithm has two modes where the plain values have a spike and a
    tail, and there Otsu's criterion, the variance between the classes, finds the gap.
    """
    values = correlation.flatten().float().clamp_min(1e-4).log()
    low, high = values.min(), values.max()
    levels = torch.linspace(0, 1, LEVELS + 2, device=values.device)[1:-1] * (high - low) + low
    above = values[None, :] >= levels[:, None]
    weight = above.float().mean(1)
    mean_above = (values * above).sum(1) / above.sum(1).clamp_min(1)
    mean_below = (values * ~above).sum(1) / (~above).sum(1).clamp_min(1)
    between = weight * (1 - weight) * (mean_above - mean_below) ** 2
    # Every threshold inside an empty gap is as good: the middle one leaves both sides room.
    best = (between >= between.max() * (1 - 1e-4)).float()
    found = ((levels * best).sum() / best.sum()).exp()
    return torch.where(high > low, found, torch.ones_like(found))
