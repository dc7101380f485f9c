"""Which cut is the object: scored by what speaks for it, and by a click's view of what it would change.

The scores were fitted (``benchmarks/ABLATION.md``) to give the highest expected intersection over union when a cut is
drawn by softmax(score): for a point alone a network of a few hidden units over the figures of ``support``, for a
further click a weighted sum. A click says that what it lies on is wrong and, being set at the worst place, that much of
the rest is right: what it would change counts as a thing of its own, seen from the click.
"""

from __future__ import annotations

import torch

from . import fitted
from .cut import tried
from .superpixels import Superpixels
from .support import View, support
from .walk import Relations

MOST = 4.0
"""Largest figure, in units of its spread."""


def best(cuts: torch.Tensor, view: View, related: Relations, pieces: Superpixels) -> torch.Tensor:
    """(N,) of 0 and 1: the best of the cuts (C, N) for a point alone; no waiting."""
    figures = _scaled(support(cuts, view, related, pieces))
    first, offset, second = (figures.new_tensor(part) for part in fitted.NETWORK)
    score = torch.tanh(figures @ first + offset) @ second
    return cuts.index_select(0, score.argmax(0, keepdim=True))[0]


def added(
    inside: torch.Tensor,
    cuts: torch.Tensor,
    needed: torch.Tensor,
    allowed: torch.Tensor,
    views: tuple[View, View],
    related: Relations,
    pieces: Superpixels,
) -> torch.Tensor:
    """(N,) of 0 and 1: what belongs to a handle once a click has said that its place does, too; no waiting.

    Args:
        inside: (N,) of 0 and 1, what belonged to the handle before.
        cuts: (C, N) of the handle, any of which may replace it; none where it is only to be mended.
        needed: (N,) of 0 and 1, the pieces of the handle and of every click that adds, this one's among them.
        allowed: (N,) of 0 and 1, pieces that may belong.
        views: of the handle and of the click.
        related, pieces: of the picture.
    """
    click = _one(views[1], pieces)
    own = tried(views[1].orders, allowed, click, pieces)
    every = torch.cat([torch.maximum(inside, own), cuts, own[: len(cuts)]])
    holds = (every @ click) > 0
    every = torch.maximum(every, needed) * torch.maximum(allowed, needed)
    change, back = every * (1 - inside), inside * (1 - every)
    return _mended(every, holds, inside, change, back, views, fitted.ADD, related, pieces)


def left_out(
    inside: torch.Tensor,
    cuts: torch.Tensor,
    needed: torch.Tensor,
    allowed: torch.Tensor,
    views: tuple[View, View],
    related: Relations,
    pieces: Superpixels,
) -> torch.Tensor:
    """As ``added``, after a click that says that its place does not belong: ``allowed`` lacks its piece."""
    own = tried(views[1].orders, torch.ones_like(allowed), _one(views[1], pieces), pieces)
    every = torch.cat([inside * (1 - own), cuts])
    every = torch.maximum(every * allowed, needed)
    change, back = inside * (1 - every), every * (1 - inside)
    return _mended(every, None, inside, change, back, views, fitted.LEAVE_OUT, related, pieces)


def _mended(every, holds, inside, change, back, views, weights, related, pieces) -> torch.Tensor:
    area = pieces.area
    before = (inside @ area).clamp_min(1)
    less = (back @ area) / before
    both = (every * inside) @ area
    kept = torch.stack(
        [
            both / (every @ area + before - both).clamp_min(1),
            ((change @ area).clamp_min(1) / before).log(),
            (1 + less).log(),
            less.clamp_max(1),
        ],
        -1,
    )
    seen = torch.maximum(change, _one(views[1], pieces))
    figures = [support(cuts, view, related, pieces) for cuts, view in zip((every, seen), views, strict=True)]
    score = torch.cat([*map(_scaled, figures), kept], -1) @ kept.new_tensor(weights)
    if holds is not None:
        score = torch.where(holds, score, -torch.inf)
    return every.index_select(0, score.argmax(0, keepdim=True))[0]


def _scaled(figures: torch.Tensor) -> torch.Tensor:
    mean, spread = figures.new_tensor(fitted.MEAN), figures.new_tensor(fitted.SPREAD)
    return ((figures - mean) / spread).clamp(-MOST, MOST)


def _one(view: View, pieces: Superpixels) -> torch.Tensor:
    """(N,) 1 at the point's own piece."""
    return (torch.arange(pieces.count, device=view.seed.device) == view.seed).to(pieces.area)
