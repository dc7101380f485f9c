"""What the model's self-attention is told of things: a token of a thing looks at the whole of it and at little else.

Stable Diffusion's self-attention groups objects without being told (DiffSeg, arXiv 2308.12469; M2N2, CVPR 2025): it
has seen hundreds of millions of pictures. The demo model has seen a few thousand, and its loss falls as well by
grain, so that things are told here. What is told is a mean over the heads and layers of one token grid, which is what
is read of it; each head is free to look elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from .network import SelfAttention

QUERIES = 48
"""Tokens of each picture that are asked where they look."""
LATEST = 450
"""Timesteps from which nothing is told: what an edit reads lies below 400 of 1000."""
COARSEST = 64
"""Tokens of the coarsest grid that is told."""


class Looking:
    """Queries and keys of every self-attention of a network, of its last evaluation."""

    def __init__(self, network: nn.Module) -> None:
        self.layers = [module for module in network.modules() if isinstance(module, SelfAttention)]
        self.kept: dict[tuple[int, str], Tensor] = {}

    @contextmanager
    def listening(self, wanted: bool = True) -> Iterator[None]:
        """Within it evaluations are kept, if that is wanted."""
        handles = [
            getattr(layer, name).register_forward_hook(
                lambda _, __, output, key=(number, name): self.kept.__setitem__(key, output)
            )
            for number, layer in enumerate(self.layers if wanted else ())
            for name in ("to_q", "to_k")
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def rows(self, chosen: dict[int, Tensor]) -> dict[int, Tensor]:
        """Tokens -> (B, Q, n) mean attention over heads and layers from the tokens ``chosen[n]`` (B, Q) long."""
        sums: dict[int, list[Tensor]] = {}
        for number, layer in enumerate(self.layers):
            query, key = self.kept.pop((number, "to_q")).float(), self.kept.pop((number, "to_k")).float()
            count = query.shape[1]
            if count not in chosen:
                continue
            asked = query.gather(1, chosen[count][..., None].expand(-1, -1, query.shape[2]))
            parts = [tokens.unflatten(2, (layer.heads, -1)).transpose(1, 2) for tokens in (asked, key)]
            logits = parts[0] @ parts[1].transpose(2, 3) * parts[0].shape[-1] ** -0.5
            sums.setdefault(count, []).append(logits.softmax(-1).mean(1))
        return {count: torch.stack(each).mean(0) for count, each in sums.items()}


def shares(whose: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, n, K) share that each thing has of each token of a grid, ground first, of ``whose`` (B, 2 h, 2 w)."""
    kinds = int(whose.max()) + 1
    planes = torch.stack([(whose == kind).float() for kind in range(kinds)], 1)
    return adaptive_avg_pool2d(planes, size).flatten(2).transpose(1, 2)


def asked(shares_of: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """(B, count) long: tokens that are mostly one thing's, each as likely, one in four of the ground."""
    most, kind = shares_of.max(-1)
    sizes = torch.zeros_like(shares_of).scatter_(2, kind[..., None], (most > 0.6).float()[..., None]).sum(1)
    per_kind = (sizes > 0).float()
    per_kind[:, 0] *= per_kind[:, 1:].sum(1).clamp_min(1) / 3
    weights = (per_kind / sizes.clamp_min(1)).gather(1, kind) * (most > 0.6) + 1e-9
    return torch.multinomial(weights, count, True, generator=generator)


def told(looking: Looking, whose: Tensor, timestep: Tensor, generator: torch.Generator) -> Tensor:
    """(B,) cross entropy of where tokens look with their own thing, even over it; 0 where no thing is known
    and from ``LATEST`` on.

    Args:
        looking: of the evaluation of these pictures.
        whose: (B, 2 h, 2 w) uint8, which thing each quarter of a cell shows; 0 for none, or where unknown.
        timestep: (B,) of theirs.
        generator: of the processor.

    It is measured from what an even look at the very thing would cost, so that 0 is the best there is for a thing of
    any size. Of the ground, which is none in particular, it is asked only that it looks at no thing.
    """
    known, chosen = {}, {}
    for side in sorted({math.isqrt(tokens.shape[1]) for tokens in looking.kept.values()}):
        if side * side >= COARSEST:
            known[side * side] = shares(whose, (side, side))
            chosen[side * side] = asked(known[side * side], QUERIES, generator)
    losses = []
    for count, row in looking.rows(chosen).items():
        own = known[count].to(row)
        mine = own.gather(1, chosen[count].to(row.device)[..., None].expand(-1, -1, own.shape[2]))
        wanted = mine @ own.transpose(1, 2)
        ground = (mine[..., 0] > 0.5).float()
        spread = -(wanted * row.clamp_min(1e-8).log()).sum(-1) / wanted.sum(-1) - wanted.sum(-1).log()
        mass = -(wanted * row).sum(-1).clamp_min(1e-6).log()
        losses.append((ground * mass + (1 - ground) * spread).mean(1))
    return torch.stack(losses).mean(0) * ((whose.flatten(1).amax(1) > 0).to(timestep.device) & (timestep < LATEST))
