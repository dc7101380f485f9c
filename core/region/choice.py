"""Which cut is the object, and which a larger or a smaller one: scored by what speaks for them.

Either score is a network of a few hidden units over figures of ``support``, fitted (``benchmarks.fit_region``) to give
the highest expected intersection over union when a cut is drawn by softmax(score).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from . import fitted
from .superpixels import Superpixels
from .support import View, agreement, support
from .walk import Relations

MOST = 4.0
"""Largest figure, in units of its spread."""

STEP = 1.5
"""What a step of size changes the area by, at least: of 1.2 to 2.5 the one by which the best of the same, the next
larger and the next smaller cut has the highest IoU on validation clicks (``benchmarks/ABLATION.md``)."""

WITHIN = 0.9
"""Share of the smaller of two cuts that the larger one holds."""


def best(cuts: torch.Tensor, figures: torch.Tensor, pieces: Superpixels, size: int = 0) -> torch.Tensor:
    """(N,) of 0 and 1: which of the cuts (C, N) is meant, by their ``figures_of`` (C, 32); no waiting.

    Args:
        size: so many times the one that is most of a thing among those that are larger by ``STEP`` than the one before
            and hold it, or below 0, that are smaller and lie in it. Where there is none it stays.
    """
    at = meant(figures).argmax(0, keepdim=True)
    areas, score = cuts @ pieces.area, a_thing(figures)
    for _ in range(abs(size)):
        area = areas.index_select(0, at)
        shared = cuts @ (cuts.index_select(0, at)[0] * pieces.area)
        further = areas >= STEP * area if size > 0 else STEP * areas <= area
        score = torch.where(further & (shared >= WITHIN * torch.minimum(areas, area)), score, -torch.inf)
        at = torch.where(score.amax(0, keepdim=True) > -torch.inf, score.argmax(0, keepdim=True), at)
    return cuts.index_select(0, at)[0]


def figures_of(
    cuts: torch.Tensor, odds: torch.Tensor, view: View, related: Relations, pieces: Superpixels
) -> torch.Tensor:
    """(C, 32) figures of cuts (C, N), those of ``support`` and then of ``agreement``.

    Args:
        odds: (N,) logarithm of those that each piece belongs (``belonging``), by all clicks.
        view: of the point.
        related, pieces: of the picture.
    """
    return torch.cat([support(cuts, view, related, pieces), agreement(cuts, odds, pieces)], -1)


def meant(figures: torch.Tensor) -> torch.Tensor:
    """(C,) how far cuts with these figures (C, 32) are what the clicks mean."""
    return _score(figures, fitted.CHOICE_MEAN, fitted.CHOICE_SPREAD, fitted.CHOICE)


def a_thing(figures: torch.Tensor) -> torch.Tensor:
    """(C,) how far cuts with these figures (C, 25 or more) are things at all, seen from the point."""
    return _score(figures[:, : len(fitted.MEAN)], fitted.MEAN, fitted.SPREAD, fitted.NETWORK)


def _score(figures: torch.Tensor, mean: Sequence[float], spread: Sequence[float], network: tuple) -> torch.Tensor:
    scaled = (figures - figures.new_tensor(mean)) / figures.new_tensor(spread)
    first, offset, second = (figures.new_tensor(part) for part in network)
    return torch.tanh(scaled.clamp(-MOST, MOST) @ first + offset) @ second
