"""What speaks for a cut: figures that mean the same in every picture and for every model.

All of them are ratios, shares or logarithms of such, or in the units of belief and of the clues, which are scaled by
the picture itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .superpixels import Superpixels
from .walk import Relations

BELIEVED, SURE = 6.0, 4.0
"""Largest belief, and largest logarithm of the odds of belonging, that are averaged."""


@dataclass(frozen=True, eq=False)
class View:
    """The picture as a point sees it.

    Attributes:
        seed: () long, the piece that the point lies in.
        clue: (N, F) of every piece (``evidence``).
        belief: (N,) logarithm of the odds that each belongs to the point.
    """

    seed: torch.Tensor
    clue: torch.Tensor
    belief: torch.Tensor

    @property
    def orders(self) -> torch.Tensor:
        """(5, N): by belief, by each walk, by the automatic threshold; what belongs to the point comes first."""
        return torch.cat([self.belief[None], -self.clue[:, :3].T, self.clue[None, :, 5]])


def support(cuts: torch.Tensor, view: View, related: Relations, pieces: Superpixels) -> torch.Tensor:
    """(C, 25) figures of cuts (C, N); see the body for their order."""
    area = pieces.area / pieces.area.mean()
    total, rest = area.sum(), (1 - cuts) * (pieces.area > 0)
    size = (cuts @ area).clamp_min(1e-3)
    share, beyond = size / total, (total - size).clamp_min(1e-3)
    inner = cuts @ pieces.shared
    # Length of border that each piece has with those beyond the cut, from within, and the other way round.
    outside, inside = (pieces.shared.sum(-1) - inner) * cuts, inner * rest
    length = inside.sum(-1).clamp_min(1e-3)
    inner_length = ((inner * cuts).sum(-1) / 2).clamp_min(1)
    alike = cuts @ related.colour
    parted = _log((alike * rest).sum(-1) / length)
    ways = cuts @ related.attention
    within = (ways * cuts).sum(-1) / size**2
    across = (ways * rest).sum(-1) / (size * beyond)
    steps = cuts @ (pieces.shared * pieces.step)
    step, inner_step = (steps * rest).sum(-1) / length, (steps * cuts).sum(-1) / 2 / inner_length
    typical = (pieces.shared * pieces.step).sum() / pieces.shared.sum().clamp_min(1)
    odds, firm = view.belief.sigmoid() * area, view.belief.clamp(-BELIEVED, BELIEVED) * area
    above = (view.clue[:, 5] > 0).float() * area
    known = related.related.index_select(0, view.seed[None])[0] * area
    walks = view.clue[:, :3]
    place = pieces.places.index_select(0, view.seed[None])
    centre = (cuts * area) @ pieces.places / size[:, None]
    moment = (cuts * area) @ pieces.places.square().sum(-1) / size - centre.square().sum(-1)
    every = [
        parted,
        _log(within / across.clamp_min(1e-9), 1e-4),
        _overlap(cuts, rest, odds, size),
        _log(_overlap(cuts, rest, odds, size), 1e-4),
        share.log(),
        (cuts @ pieces.border) / pieces.border.sum(),
        (outside @ view.belief - inside @ view.belief) / length,
        (length / size.sqrt()).log(),
        _log(step) - _log(inner_step),
        _log(step) - _log(typical),
        _log((cuts @ known) / size) - _log((rest @ known) / beyond),
        (cuts @ (walks[:, 1] * area)) / size,
        (inside @ walks[:, 1]) / length,
        *((inside @ walks - outside @ walks) / length[:, None]).unbind(-1),
        _contrast(cuts * area, inside, size, length, pieces),
        (place - centre).norm(dim=-1) / share.sqrt(),
        _log(moment / share),
        (size / odds.sum().clamp_min(1e-3)).log(),
        _overlap(cuts, rest, above, size),
        (cuts @ firm) / size,
        (rest @ firm) / beyond,
        _log(within),
        parted - _log((alike * cuts).sum(-1) / inner_length / 2),
    ]
    return torch.stack(every, -1)


def agreement(cuts: torch.Tensor, odds: torch.Tensor, pieces: Superpixels) -> torch.Tensor:
    """(C, 7) figures of how far cuts (C, N) agree with what belongs by ``odds`` (N,), logarithms of them."""
    area = pieces.area
    size, rest, firm = cuts @ area, 1 - cuts, odds.clamp(-SURE, SURE) * area
    shares = odds.sigmoid(), (odds / 2).sigmoid(), (odds > 0).to(odds)
    overlaps = [_overlap(cuts, rest, share * area, size) for share in shares]
    return torch.stack(
        [
            overlaps[0],
            _log(overlaps[0], 1e-3),
            *overlaps[1:],
            (cuts @ firm) / size.clamp_min(1e-3),
            (rest @ firm) / (area.sum() - size).clamp_min(1e-3),
            _log(size / (odds.sigmoid() @ area).clamp_min(1e-3), 1e-3),
        ],
        -1,
    )


def _overlap(cuts: torch.Tensor, rest: torch.Tensor, odds: torch.Tensor, size: torch.Tensor) -> torch.Tensor:
    """Expected intersection over expected union with what has these odds, each times its area."""
    return (cuts @ odds) / (size + rest @ odds)


def _contrast(
    own: torch.Tensor, ring: torch.Tensor, size: torch.Tensor, length: torch.Tensor, pieces: Superpixels
) -> torch.Tensor:
    """Difference in colour of cuts and what lies along them, in units of the cuts' own spread."""
    mean, around = own @ pieces.mean / size[:, None], ring @ pieces.mean / length[:, None]
    spread = (own @ pieces.mean.square() / size[:, None] - mean.square()).clamp_min(0).sum(-1).sqrt()
    return (mean - around).norm(dim=-1) / (spread + 0.1)


def _log(values: torch.Tensor, least: float = 1e-6) -> torch.Tensor:
    return values.clamp_min(least).log()
