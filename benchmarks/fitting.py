"""Small fits by gradient descent, for ``fit_region`` and ``fit_parts``; what they give is rounded to three digits."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Sequence

import torch
import torch.nn.functional as F

from core.region import fitted

HIDDEN = 6
SHRINKING = 1e-3
"""Times the sum of the squared weights, added to the loss."""


def by_domain(domains: Sequence[int]) -> torch.Tensor:
    """(n,) weights summing to 1, of which every domain has the same share."""
    counts = Counter(domains)
    return torch.tensor([1 / (len(counts) * counts[domain]) for domain in domains])


def fit_belief(
    clues: Sequence[torch.Tensor], truths: Sequence[torch.Tensor], areas: Sequence[torch.Tensor], weights: torch.Tensor
) -> tuple[tuple[float, ...], float]:
    """What clues (N, F) count for, and an offset: for the highest expected IoU, and a tenth of cross entropy."""
    every, truth, area = _padded(clues), _padded(truths), _padded(areas)
    real = every[area > 0]
    mean, spread = real.mean(0), real.std(0).clamp_min(1e-6)
    scaled = (every - mean) / spread
    slope, offset = torch.zeros(every.shape[-1], requires_grad=True), torch.zeros(1, requires_grad=True)
    rule = torch.optim.AdamW([slope, offset], lr=0.05, weight_decay=1e-3)
    for _ in range(200):
        odds = scaled @ slope + offset
        share = odds.sigmoid()
        both = (share * truth * area).sum(-1)
        either = ((share + truth - share * truth) * area).sum(-1)
        entropy = ((F.softplus(odds) - truth * odds) * area).sum(-1) / (truth * area).sum(-1).clamp_min(1)
        _step(rule, (1 - both / either.clamp_min(1e-6) + 0.1 * entropy) @ weights)
    own = (slope / spread).detach()
    return tuple(_rounded(own).tolist()), float(_rounded((offset - (own * mean).sum()).detach()))


def fit_network(
    figures: Sequence[torch.Tensor], rated: Sequence[torch.Tensor], weights: torch.Tensor, most: float
) -> tuple[tuple, tuple, tuple]:
    """Mean and spread of figures (C, F), and the network that scores them, from the IoU (C,) of each cut."""
    every = torch.cat(list(figures))
    mean, spread = _rounded(every.mean(0)), _rounded(every.std(0).clamp_min(1e-6))
    scaled, iou = ((_padded(figures) - mean) / spread).clamp(-most, most), _padded(rated)
    torch.manual_seed(0)
    first, second = torch.nn.Linear(every.shape[-1], HIDDEN), torch.nn.Linear(HIDDEN, 1, bias=False)
    rule = torch.optim.Adam([*first.parameters(), *second.parameters()], lr=0.02)
    for _ in range(400):
        drawn = second(torch.tanh(first(scaled)))[..., 0].softmax(-1)
        size = first.weight.square().sum() + second.weight.square().sum()
        _step(rule, -((drawn * iou).sum(-1) @ weights) + SHRINKING * size)
    network = (first.weight.detach().T, first.bias.detach(), second.weight.detach()[0])
    into, offset, out = (_rounded(part) for part in network)
    rows = tuple(tuple(row) for row in into.tolist())
    return tuple(mean.tolist()), tuple(spread.tolist()), (rows, tuple(offset.tolist()), tuple(out.tolist()))


def fit_odds(figures: torch.Tensor, true: torch.Tensor, weights: torch.Tensor) -> tuple[tuple[float, ...], float]:
    """What figures (n, F) count for in the logarithm of the odds that it is true (n,) bool, and an offset."""
    mean, spread = figures.mean(0), figures.std(0).clamp_min(1e-6)
    scaled = (figures - mean) / spread
    slope, offset = torch.zeros(figures.shape[-1], requires_grad=True), torch.zeros(1, requires_grad=True)
    rule = torch.optim.Adam([slope, offset], lr=0.05)
    for _ in range(400):
        odds = scaled @ slope + offset
        _step(rule, (F.softplus(odds) - true.float() * odds) @ weights + SHRINKING * slope.square().sum())
    own = _rounded((slope / spread).detach())
    return tuple(own.tolist()), float(_rounded((offset - (slope * mean / spread).sum()).detach()))


def written(text: str) -> str:
    """A module of numbers with those that ``core.region.fitted`` holds now in place of its own."""
    lines = [_wrapped("BELIEF"), f"OFFSET = {fitted.OFFSET:.3g}\n", _wrapped("MEAN"), _wrapped("SPREAD")]
    lines += [_network("NETWORK"), _wrapped("CHOICE_MEAN"), _wrapped("CHOICE_SPREAD"), _network("CHOICE")]
    lines += [_wrapped("PART"), f"PART_OFFSET = {fitted.PART_OFFSET:.3g}\n"]
    body = "".join(lines)
    return re.sub(r"(?s)(# fmt: off\n).*(# fmt: on)", lambda found: found[1] + body + found[2], text)


def _step(rule: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    rule.zero_grad()
    loss.backward()
    rule.step()


def _padded(each: Sequence[torch.Tensor]) -> torch.Tensor:
    return torch.nn.utils.rnn.pad_sequence(list(each), batch_first=True)


def _rounded(values: torch.Tensor) -> torch.Tensor:
    return torch.tensor([float(f"{value:.3g}") for value in values.flatten().tolist()]).view(values.shape)


def _told(values: Sequence[float]) -> str:
    return "(" + ", ".join(f"{value:.3g}" for value in values) + ")"


def _network(name: str) -> str:
    first, offset, second = getattr(fitted, name)
    rows = "".join(f"        {_told(row)},\n" for row in first)
    return f"{name} = (\n    (\n{rows}    ),\n    {_told(offset)},\n    {_told(second)},\n)\n"


def _wrapped(name: str) -> str:
    return textwrap.fill(f"{name} = {_told(getattr(fitted, name))}", 118, subsequent_indent="    ") + "\n"
