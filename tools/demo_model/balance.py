"""How often each training picture is drawn: by shares of domains, and within worlds of states and lights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from .packs import Row

DOMAINS = {"worlds": 0.5, "drawn": 0.22, "photographic": 0.18, "bare": 0.1}
"""Shares of the domains; what is not there leaves its share to the others."""
STATES = {
    "air": 0.2, "lean": 0.1, "opened": 0.12, "half hidden": 0.12, "alone": 0.22, "removed": 0.2,
    "light:hard": 0.3, "light:soft": 0.3, "light:window": 0.2, "light:overcast": 0.2,
}  # fmt: skip
"""Shares of the pictures of worlds that show a state; one picture may show several."""
MOST = 4.0
"""How many times as often as the mean of its domain a picture is drawn at most: few must not be learned by heart."""
ROUNDS = 30


def state_weights(tags: Sequence[Sequence[str]], states: Mapping[str, float] = STATES, most: float = MOST) -> Tensor:
    """(N,) float64 of mean 1: weights under which each state has its share, as far as ``most`` allows.

    Iterative proportional fitting: state after state, those that show it and those that don't are scaled to its share.
    """
    weights = torch.ones(len(tags), dtype=torch.float64)
    shows = {state: torch.tensor([state in own for own in tags]) for state in states}
    for _ in range(ROUNDS):
        for state, share in states.items():
            own = shows[state]
            if own.any() and not own.all():
                weights[own] *= share * len(tags) / weights[own].sum()
                weights[~own] *= (1 - share) * len(tags) / weights[~own].sum()
        weights.clamp_(1 / most, most)
    for _ in range(ROUNDS):
        weights = (weights / weights.mean()).clamp(max=most)
    return weights / weights.mean()


def weights(rows: Sequence[Row], domains: Mapping[str, float] = DOMAINS) -> Tensor:
    """(N,) float64 that sum to 1.

    Raises:
        ValueError: no row is of any of the domains.
    """
    found = torch.zeros(len(rows), dtype=torch.float64)
    for domain, share in domains.items():
        places = [number for number, row in enumerate(rows) if row.domain == domain]
        if not places or share <= 0:
            continue
        own = state_weights([rows[place].tags for place in places]) if domain == "worlds" else torch.ones(len(places))
        found[places] = own.double() * share / len(places)
    if not found.sum() > 0:
        raise ValueError(f"no picture is of one of the domains {', '.join(domains)}.")
    return found / found.sum()


def parse_shares(given: Sequence[str]) -> dict[str, float]:
    """``["worlds=0.5", ...]`` over the defaults.

    Raises:
        ValueError: one is not NAME=NUMBER.
    """
    shares = dict(DOMAINS)
    for text in given:
        name, _, number = text.partition("=")
        shares[name] = float(number)
    return shares
