"""What belongs to a point, and to the clicks beside it: a small network over the pieces of a picture.

Every piece knows what the nearest click that adds, the nearest that leaves out and the nearest anchor tell of it
(``evidence``). An anchor on a door's frame says that the frame stays; one on what turns, that it turns there: which of
the two is told by all the rest. In a few rounds it then asks its neighbours, by how alike they are and what lies
between them; what it attends to; and what has been found so far. Any number of clicks is one question, and the answer
to all of them is one.

Message passing on a region graph (Gilmer et al. 2017); by its odds a cut is chosen (``choice``). Its numbers were
fitted (``benchmarks.fit_belonging``) to the true things of rendered, pasted and drawn pictures, seen through the demo
model's attention and through sharper and vaguer ones: it must hold for other models, too. Figures of attention are
ratios within the picture, as in ``support``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from .sight import Sight
from .superpixels import Superpixels
from .walk import Relations

NUMBERS = Path(__file__).with_name("belonging.safetensors")

ROUNDS = 4
GATES = 4
"""Shares of what a piece tells that a neighbour hears by a gate of its own."""

TELLS = (0, 1, 2, 3, 8, 11)
"""Clues that a click which leaves out gives, or one that stays: the walks, the attention, the colour, the distance."""
FAR = 6.0
"""What they are where there is no such click; as in ``evidence``."""
NEAREST = 1
"""The clue, a walk, by which a click is near."""

CERTAIN = 8.0
"""Largest belief that is told."""
FIRM = 5.0
"""Largest figure, in units of its spread."""

Weights = dict[str, torch.Tensor]

Asked = tuple[Sequence[int], Sequence[int], Sequence[int]]
"""The numbers of the views that add, one at least, of those that leave out, and of those that stay."""


def belonging(sight: Sight, questions: Sequence[Asked], before: torch.Tensor | None = None) -> torch.Tensor:
    """(Q, N) logarithm of the odds that each piece belongs; no waiting.

    Args:
        sight: of the picture.
        questions: what moves with what adds is asked for.
        before: (Q, N) what was answered before further clicks, set where that was wrong; 0 where there are none.
    """
    told = said(sight)
    each = [None] * len(questions) if before is None else before
    asked = torch.stack([joined(told, *question, one) for question, one in zip(questions, each, strict=True)])
    return answered(weights_on(told), asked, *surroundings(sight.pieces, sight.related), sight.pieces.area)[-1]


def said(sight: Sight) -> torch.Tensor:
    """(K, N, 18): what each of the points alone tells of every piece."""
    pieces, views = sight.pieces, sight.views
    clue = torch.stack([view.clue for view in views])
    belief = torch.stack([view.belief for view in views]).clamp(-CERTAIN, CERTAIN) / 3
    colour = pieces.mean[None] - pieces.mean.index_select(0, sight.seeds)[:, None]
    return torch.cat([clue, belief[..., None], sight.points[..., None], colour], -1)


SEED = 14
"""Which of what is ``said`` is 1 at the point's own piece."""


def joined(
    told: torch.Tensor, adds: Sequence[int], leaves: Sequence[int], stays: Sequence[int] = (),
    before: torch.Tensor | None = None,
) -> torch.Tensor:
    """(N, 35): what all clicks together tell, each piece by the nearest of every kind, and what was answered before."""
    own, seeds = _nearest(told, adds)
    own = torch.cat([own[:, :SEED], seeds[:, None], own[:, SEED + 1 :]], -1)
    before = torch.zeros_like(seeds) if before is None else before.clamp(-CERTAIN, CERTAIN) / 3
    return torch.cat([own, _beside(told, leaves), _beside(told, stays), before[:, None]], -1)


def _beside(told: torch.Tensor, numbers: Sequence[int]) -> torch.Tensor:
    """(N, 8) what some clicks tell that do not add, of which there may be none."""
    if not numbers:
        return torch.cat([told.new_full((told.shape[1], len(TELLS)), FAR), told.new_zeros(told.shape[1], 2)], -1)
    other, seeds = _nearest(told, numbers)
    return torch.stack([*(other[:, number] for number in TELLS), seeds, torch.ones_like(seeds)], -1)


def _nearest(told: torch.Tensor, numbers: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """(N, 18) what the nearest of some clicks tells of each piece, and (N,) 1 at the pieces of any of them."""
    every = torch.stack([told[number] for number in numbers])
    nearest = every[..., NEAREST].argmin(0)
    own = every.gather(0, nearest[None, :, None].expand(1, -1, every.shape[-1]))[0]
    return own, every[..., SEED].amax(0)


def surroundings(pieces: Superpixels, related: Relations) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(N, M) long neighbours, (N, M, 7) figures of each, and (N, N) attention whose rows sum to 1."""
    near = pieces.neighbours
    own = torch.arange(pieces.count, device=near.device)[:, None]
    touching = (pieces.shared > 0).float()
    pairs = touching.sum().clamp_min(1)
    at = lambda plane: plane.gather(1, near)  # noqa: E731
    apart, step = pieces.apart, pieces.step
    typical = [((plane * touching).sum() / pairs).clamp_min(1e-6) for plane in (apart, step)]
    alike = related.related.diagonal().clamp_min(1e-4)
    attention = (related.related.clamp_min(1e-4) / (alike[:, None] * alike).sqrt()).log()
    figures = [
        (at(apart) / typical[0] + 0.01).log(),
        (at(step) / typical[1] + 0.01).log(),
        at(pieces.shared) / pieces.shared.sum(-1, keepdim=True).clamp_min(1),
        at(attention),
        (near != own).to(apart),
        (pieces.mean[near] - pieces.mean[:, None]).norm(dim=-1),
        at(step).sqrt(),
    ]
    ways = related.attention / related.attention.sum(-1, keepdim=True).clamp_min(1e-6)
    return near, torch.stack(figures, -1), ways


def answered(
    weights: Weights, asked: torch.Tensor, near: torch.Tensor, figures: torch.Tensor, ways: torch.Tensor,
    area: torch.Tensor,
) -> list[torch.Tensor]:
    """Logarithms of the odds (Q, N) before each round and after the last.

    Args:
        weights: by name, of the types and shapes that ``benchmarks.fit_belonging`` writes.
        asked: (Q, N, 35), as ``joined`` has it.
        near, figures, ways: the ``surroundings``.
        area: (N,) of the pieces.
    """
    area = area / area.mean()
    figures = ((figures - weights["figures.mean"]) / weights["figures.spread"]).clamp(-FIRM, FIRM)
    asked = ((asked - weights["asked.mean"]) / weights["asked.spread"]).clamp(-FIRM, FIRM)
    state, found = _linear(weights, "into", asked), []
    count, number, width = state.shape
    for at in range(ROUNDS):
        own = F.layer_norm(state, (width,), weights[f"{at}.norm.weight"], weights[f"{at}.norm.bias"])
        odds = _linear(weights, f"{at}.read", own)[..., 0]
        found.append(odds)
        gates = _linear(weights, f"{at}.gate.out", torch.tanh(_linear(weights, f"{at}.gate.into", figures))).sigmoid()
        told = _linear(weights, f"{at}.tell", own)[:, near].view(count, number, near.shape[1], GATES, -1)
        heard = (told * gates[..., None]).sum(2) / gates.sum(1)[..., None].clamp_min(1e-3)
        share = odds.sigmoid() * area
        whole = (share[..., None] * own).sum(1, keepdim=True) / share.sum(1)[:, None, None].clamp_min(1e-3)
        # One product for all questions: a batch of them takes twice as long.
        looked = (ways @ own.movedim(0, 1).flatten(1)).unflatten(1, (count, width)).movedim(1, 0)
        every = torch.cat([own, heard.flatten(-2), whole.expand_as(own), looked], -1)
        state = state + _linear(weights, f"{at}.out", F.relu(_linear(weights, f"{at}.mix", every)))
    return [*found, _linear(weights, f"{ROUNDS}.read", state)[..., 0]]


def _linear(weights: Weights, name: str, values: torch.Tensor) -> torch.Tensor:
    return F.linear(values, weights[f"{name}.weight"], weights[f"{name}.bias"])


def weights_on(like: torch.Tensor) -> Weights:
    """The numbers, as ``like`` is in type and device: in one copy."""
    flat, shapes = _numbers()
    flat, weights, start = flat.to(like), {}, 0
    for name, shape in shapes:
        weights[name] = flat[start : start + shape.numel()].view(shape)
        start += shape.numel()
    return weights


@lru_cache(maxsize=1)
def _numbers() -> tuple[torch.Tensor, tuple[tuple[str, torch.Size], ...]]:
    every = load_file(NUMBERS)
    return torch.cat([value.float().flatten() for value in every.values()]), tuple(
        (name, value.shape) for name, value in every.items()
    )
