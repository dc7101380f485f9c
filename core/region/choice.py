"""Which cut is the object: scored by what speaks for it, and by a click's view of what it would change.

The scores were fitted (``benchmarks.fit_region``) to give the highest expected intersection over union when a cut is
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

STEP = 1.5
"""What a step of size changes the area by, at least: of 1.2 to 2.5 the one by which the best of the same, the next
larger and the next smaller cut has the highest IoU on validation clicks (``benchmarks/ABLATION.md``)."""

WITHIN = 0.9
"""Share of the smaller of two cuts that the larger one holds."""


def best(cuts: torch.Tensor, view: View, related: Relations, pieces: Superpixels, size: int = 0) -> torch.Tensor:
    """(N,) of 0 and 1: the best of the cuts (C, N) for a point alone; no waiting.

    Args:
        size: so many times the best of those that are larger by ``STEP`` than the one before and hold it, or below 0,
            that are smaller and lie in it. Where there is none it stays.
    """
    score = scored(cuts, view, related, pieces)
    at = score.argmax(0, keepdim=True)
    areas = cuts @ pieces.area
    for _ in range(abs(size)):
        area = areas.index_select(0, at)
        shared = cuts @ (cuts.index_select(0, at)[0] * pieces.area)
        further = areas >= STEP * area if size > 0 else STEP * areas <= area
        score = torch.where(further & (shared >= WITHIN * torch.minimum(areas, area)), score, -torch.inf)
        at = torch.where(score.amax(0, keepdim=True) > -torch.inf, score.argmax(0, keepdim=True), at)
    return cuts.index_select(0, at)[0]


def scored(cuts: torch.Tensor, view: View, related: Relations, pieces: Superpixels) -> torch.Tensor:
    """(C,) what speaks for each of cuts (C, N) as the point's object."""
    figures = _scaled(support(cuts, view, related, pieces))
    first, offset, second = (figures.new_tensor(part) for part in fitted.NETWORK)
    return torch.tanh(figures @ first + offset) @ second


def added(inside: torch.Tensor, *known) -> torch.Tensor:
    """(N,) of 0 and 1: what belongs to a handle once a click has said that its place does, too; see ``adding``."""
    return _heaviest(*adding(inside, *known), fitted.ADD)


def left_out(inside: torch.Tensor, *known) -> torch.Tensor:
    """The same once a click has said that its place does not belong; see ``leaving``."""
    return _heaviest(*leaving(inside, *known), fitted.LEAVE_OUT)


Told = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def adding(
    inside: torch.Tensor,
    cuts: torch.Tensor,
    needed: torch.Tensor,
    allowed: torch.Tensor,
    views: tuple[View, View],
    related: Relations,
    pieces: Superpixels,
) -> Told:
    """What a click that adds may make of it: (C, N) of 0 and 1, their (C, 54) figures, and (C,) which may be taken.

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
    return every, _seen(every, inside, every * (1 - inside), inside * (1 - every), views, related, pieces), holds


def leaving(
    inside: torch.Tensor,
    cuts: torch.Tensor,
    needed: torch.Tensor,
    allowed: torch.Tensor,
    views: tuple[View, View],
    related: Relations,
    pieces: Superpixels,
) -> Told:
    """As ``adding``, of a click that leaves out: ``allowed`` lacks its piece."""
    own = tried(views[1].orders, torch.ones_like(allowed), _one(views[1], pieces), pieces)
    every = torch.cat([inside * (1 - own), cuts])
    every = torch.maximum(every * allowed, needed)
    figures = _seen(every, inside, inside * (1 - every), every * (1 - inside), views, related, pieces)
    return every, figures, torch.ones_like(figures[:, 0]) > 0


def _seen(
    every: torch.Tensor,
    inside: torch.Tensor,
    change: torch.Tensor,
    back: torch.Tensor,
    views: tuple[View, View],
    related: Relations,
    pieces: Superpixels,
) -> torch.Tensor:
    """(C, 54): the whole as the handle sees it, the change as the click does, and how much is kept."""
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
    return torch.cat([*map(_scaled, figures), kept], -1)


def _heaviest(
    every: torch.Tensor, figures: torch.Tensor, may: torch.Tensor, weights: tuple[float, ...]
) -> torch.Tensor:
    score = torch.where(may, figures @ figures.new_tensor(weights), -torch.inf)
    return every.index_select(0, score.argmax(0, keepdim=True))[0]


def _scaled(figures: torch.Tensor) -> torch.Tensor:
    mean, spread = figures.new_tensor(fitted.MEAN), figures.new_tensor(fitted.SPREAD)
    return ((figures - mean) / spread).clamp(-MOST, MOST)


def _one(view: View, pieces: Superpixels) -> torch.Tensor:
    """(N,) 1 at the point's own piece."""
    return (torch.arange(pieces.count, device=view.seed.device) == view.seed).to(pieces.area)
