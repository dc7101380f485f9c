"""What an inversion records of the self-attention, and how much memory that takes.

Two things are kept, by different layers and steps:

- *Maps*: the attention softmax(Q K^T / sqrt(d)), averaged over heads (or their maximum), layers of one token grid and
  a few steps, one (N, N) map per token grid (``maps``). From them any point's element can be read later without
  another evaluation. Where grids are chosen automatically, finer ones than ``MAX_AUTO_TOKENS`` are pooled to it.
- *Tokens*: the normalised input of self-attention at every step (``tokens``). Keys and values are projections of it,
  so one tensor stands for both at half the memory. Steps whose tokens aren't kept are evaluated once more on the stored
  trajectory while sampling ("recompute"). Where not all fit the budget, those nearest to the clean end are kept: the
  way back is held longest at the noisy end, where it asks the model nothing and reads none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..errors import InputError
from ..model.layers import Layer, Side
from ..options import check_choice
from ..space.grid import CELL
from .maps import Heads
from .pooling import pooled_grid

MEGABYTE = 1024**2

Storage = Literal["auto", "cpu", "device", "recompute", "off"]

MAX_AUTO_TOKENS = 4096
"""Largest grid of the maps that "auto" makes; finer token grids are pooled. Such a map takes 64 MB in float32."""

MIN_AUTO_TOKENS = 64
"""Smallest token grid that "auto" reads, if there is a larger one: 8 x 8 tokens alone tell little of an object, but
with the finer grids they tell which parts belong together."""


@dataclass(frozen=True, kw_only=True)
class CapturePlan:
    """What to record. The defaults were measured (``benchmarks/ABLATION.md``).

    Attributes:
        sides: parts of the U whose layers give the maps; () means all.
        levels: how often halved the token grids of these layers are; () means automatic: every grid of
            ``MIN_AUTO_TOKENS`` or more, those of more than ``MAX_AUTO_TOKENS`` pooled. Chosen ones are read as they
            are.
        noise_range: share of the steps, from the clean end, between which the maps are read.
        map_steps: how many steps within it, evenly spread; 1 or more.
        heads: how heads are merged.
        source_sides: parts of the U whose keys and values sampling reads; () means all.
        source_levels: how often halved the token grids of these layers are; () means all of them.
        storage: where the tokens live: "cpu" memory, the model's "device", "recompute" for nowhere, "auto" for "cpu" as
            far as they fit the budget and "recompute" beyond, "off" for no source attention.
        budget_mb: upper bound in MB of all that is kept, and of the maps while they are summed up. The default holds
            what SDXL reads at 1024 px when the way back is held as it is by default (``benchmarks.memory``).
    """

    sides: tuple[Side, ...] = ()
    levels: tuple[int, ...] = ()
    noise_range: tuple[float, float] = (0.0, 1.0)
    map_steps: int = 4
    heads: Heads = "mean"
    source_sides: tuple[Side, ...] = ()
    source_levels: tuple[int, ...] = ()
    storage: Storage = "auto"
    budget_mb: int = 1152

    def __post_init__(self):
        low, high = self.noise_range
        if not 0 <= low < high <= 1:
            raise InputError("noise_range", f"{low} to {high}.", "Use a start below the end, both in 0 to 1.")
        check_choice("heads", self.heads, Heads)
        check_choice("storage", self.storage, Storage)
        if self.map_steps < 1:
            raise InputError("map_steps", f"{self.map_steps}.", "Use 1 or more.")
        if self.budget_mb < 1:
            raise InputError("budget_mb", f"{self.budget_mb} MB.", "Use 1 or more.")

    def map_layers(self, layers: Sequence[Layer], latent_size: tuple[int, int]) -> tuple[Layer, ...]:
        """The layers whose attention maps are summed up.

        Raises:
            InputError: the choice of sides and levels leaves none.
        """
        chosen = [layer for layer in layers if not self.sides or layer.side in self.sides]
        if self.levels:
            chosen = [layer for layer in chosen if layer.level in self.levels]
        else:
            chosen = _readable(chosen, latent_size)
        if not chosen:
            there = sorted({(layer.side, layer.level) for layer in layers})
            raise InputError(
                "capture",
                f"no self-attention layer on sides {self.sides or 'all'} at levels {self.levels}.",
                f"This model has {', '.join(f'{side} {level}' for side, level in there)}.",
            )
        return tuple(chosen)

    @property
    def most_tokens(self) -> int | None:
        """Of a map; finer token grids are pooled. None where the grids were chosen."""
        return None if self.levels else MAX_AUTO_TOKENS

    def map_grid(self, layer: Layer, latent_size: tuple[int, int]) -> tuple[int, int]:
        """The grid (height, width) of the map that a layer is read into."""
        own = layer.token_grid(latent_size)
        return own if self.most_tokens is None else pooled_grid(own, self.most_tokens)

    def source_layers(self, layers: Sequence[Layer]) -> tuple[Layer, ...]:
        """The layers whose keys and values sampling reads."""
        if self.storage == "off":
            return ()
        sides, levels = self.source_sides, self.source_levels
        return tuple(
            layer
            for layer in layers
            if (not sides or layer.side in sides) and (not levels or layer.level in levels)
        )

    def map_indices(self, steps: int) -> tuple[int, ...]:
        """Which of ``steps`` ascending noise levels the maps are read at."""
        low, high = (round(share * (steps - 1)) for share in self.noise_range)
        count = min(self.map_steps, high - low + 1)
        if count == 1:
            return ((low + high) // 2,)
        return tuple(sorted({round(low + index * (high - low) / (count - 1)) for index in range(count)}))


def _readable(layers: Sequence[Layer], latent_size: tuple[int, int]) -> list[Layer]:
    """Those whose token grid is not too coarse to show an object; where all are, the finest."""
    sizes = {layer.tokens(latent_size) for layer in layers}
    least = min(MIN_AUTO_TOKENS, max(sizes, default=0))
    return [layer for layer in layers if layer.tokens(latent_size) >= least]


@dataclass(frozen=True)
class Footprint:
    """What a capture will keep, known before it runs.

    Attributes:
        maps, tokens: bytes.
        storage: where the tokens are; never "auto".
        kept_steps: for how many steps there are any, counted from the clean end.
    """

    maps: int
    tokens: int
    storage: Storage
    kept_steps: int = 0

    @property
    def total(self) -> int:
        """All that is kept."""
        return self.maps + self.tokens


def plan_footprint(
    plan: CapturePlan, layers: Sequence[Layer], batch: int, latent_size: tuple[int, int], steps: int
) -> Footprint:
    """What ``plan`` will take for a latent (batch, C, *latent_size) inverted in ``steps`` steps.

    Raises:
        InputError: it doesn't fit ``plan.budget_mb``; the message says what it would take.
    """
    maps = _map_bytes(plan, layers, batch, latent_size)
    per_step = sum(2 * batch * layer.tokens(latent_size) * layer.channels for layer in plan.source_layers(layers))
    tokens = per_step * steps
    budget = plan.budget_mb * MEGABYTE
    if maps > budget:
        coarser = "choose coarser or automatic levels" if plan.levels else "choose coarser levels"
        raise InputError(
            "budget_mb",
            f"{plan.budget_mb} MB, but the attention maps take {_megabytes(maps)} MB.",
            f"Raise it to {_megabytes(maps)} or more, {coarser}, or {_smaller(plan, layers, batch, latent_size)}.",
        )
    if plan.storage == "auto":
        kept = min(steps, (budget - maps) // per_step) if per_step else 0
        return Footprint(maps, kept * per_step, "cpu" if kept else "recompute", kept)
    if plan.storage not in ("cpu", "device"):
        return Footprint(maps, 0, plan.storage)
    if maps + tokens > budget:
        need = _megabytes(maps + tokens)
        raise InputError(
            "budget_mb",
            f"{plan.budget_mb} MB, but keeping keys and values takes {need} MB with the attention maps.",
            f"Raise it to {need} or more, or set storage to 'auto' or 'recompute' (twice the sampling time).",
        )
    return Footprint(maps, tokens, plan.storage, steps)


def _map_bytes(plan: CapturePlan, layers: Sequence[Layer], batch: int, latent_size: tuple[int, int]) -> int:
    """Of the maps while they are summed up: in float32, kept in float16."""
    grids = {plan.map_grid(layer, latent_size) for layer in plan.map_layers(layers, latent_size)}
    return sum(4 * batch * math.prod(grid) ** 2 for grid in grids)


def _smaller(plan: CapturePlan, layers: Sequence[Layer], batch: int, latent_size: tuple[int, int]) -> str:
    """What a picture of these proportions has to be for its maps to fit the budget, as advice."""
    for part in range(99, 0, -1):
        rows, columns = (max(side * part // 100, 1) for side in latent_size)
        if _map_bytes(plan, layers, batch, (rows, columns)) <= plan.budget_mb * MEGABYTE:
            pictures = "an image" if batch == 1 else f"{batch} images"
            return f"use {pictures} of at most {columns * CELL}x{rows * CELL} px"
    return "use fewer images at a time"


def _megabytes(count: int) -> int:
    return math.ceil(count / MEGABYTE)
