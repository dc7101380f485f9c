"""What an inversion records of the self-attention, and how much memory that takes.

Two things are kept, by different layers and steps:

- *Correlation*: the attention map softmax(Q K^T / sqrt(d)), averaged over heads (or their maximum), layers of
  one token grid and a few steps, one (N, N) map per token grid. It is summed up while the inversion runs, in
  blocks of rows: neither a map per layer nor one per head is ever held. From it any point's region can be read
  later without another evaluation.
- *Tokens*: the normalised input of self-attention at every step. Keys and values are projections of it, so one
  tensor stands for both at half the memory. If even that doesn't fit the budget, nothing is kept and each
  sampling step evaluates the U-Net once more on the stored trajectory ("recompute").
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch

from .errors import InputError
from .hooks import Layer, Side

MEGABYTE = 1024**2

Heads = Literal["mean", "max"]
Storage = Literal["auto", "cpu", "device", "recompute", "off"]

MAX_AUTO_TOKENS = 4096
"""Largest token grid that "auto" reads the correlation from: a map over it takes 64 MB in float32."""

MIN_AUTO_TOKENS = 64
"""Smallest token grid that "auto" reads, if there is a larger one: 8 x 8 tokens alone tell little of an object, but
with the finer grids they tell which parts belong together."""

ROW_BLOCK_BYTES = 32 * MEGABYTE
"""Largest temporary for the logits of one block of rows."""


@dataclass(frozen=True, kw_only=True)
class CapturePlan:
    """What to record. The defaults were measured (``benchmarks/ABLATION.md``).

    Attributes:
        sides: parts of the U whose layers give the correlation; () means all.
        levels: how often halved the token grids of these layers are; () means automatic (every grid of
            ``MIN_AUTO_TOKENS`` to ``MAX_AUTO_TOKENS`` tokens).
        noise_range: share of the steps, from the clean end, between which the correlation is read.
        correlation_steps: how many steps within it, evenly spread; 1 or more.
        heads: how heads are merged.
        consistency_sides: parts of the U whose keys and values are preserved; () means all.
        storage: where the tokens live: "cpu" memory, the model's "device", "recompute" for nowhere,
            "auto" for "cpu" when they fit the budget and "recompute" when not, "off" for no preservation.
        budget_mb: upper bound in MB of all that is kept, and of the maps while they are summed up.
    """

    sides: tuple[Side, ...] = ()
    levels: tuple[int, ...] = ()
    noise_range: tuple[float, float] = (0.0, 1.0)
    correlation_steps: int = 4
    heads: Heads = "mean"
    consistency_sides: tuple[Side, ...] = ()
    storage: Storage = "auto"
    budget_mb: int = 1024

    def __post_init__(self):
        low, high = self.noise_range
        if not 0 <= low < high <= 1:
            raise InputError("noise_range", f"{low} to {high}.", "Use a start below the end, both in 0 to 1.")
        if self.correlation_steps < 1:
            raise InputError("correlation_steps", f"{self.correlation_steps}.", "Use 1 or more.")
        if self.budget_mb < 1:
            raise InputError("budget_mb", f"{self.budget_mb} MB.", "Use 1 or more.")

    def correlation_layers(self, layers: Sequence[Layer], latent_size: tuple[int, int]) -> tuple[Layer, ...]:
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

    def consistency_layers(self, layers: Sequence[Layer]) -> tuple[Layer, ...]:
        """The layers whose keys and values are preserved."""
        if self.storage == "off":
            return ()
        return tuple(layer for layer in layers if not self.consistency_sides or layer.side in self.consistency_sides)

    def correlation_indices(self, steps: int) -> tuple[int, ...]:
        """Which of ``steps`` ascending noise levels the correlation is read at."""
        low, high = (round(share * (steps - 1)) for share in self.noise_range)
        count = min(self.correlation_steps, high - low + 1)
        if count == 1:
            return ((low + high) // 2,)
        return tuple(sorted({round(low + index * (high - low) / (count - 1)) for index in range(count)}))


def _readable(layers: Sequence[Layer], latent_size: tuple[int, int]) -> list[Layer]:
    """Those whose token grid is neither too coarse to show an object nor too fine to keep; never none of some."""
    sizes = {layer.tokens(latent_size) for layer in layers}
    kept = {size for size in sizes if MIN_AUTO_TOKENS <= size <= MAX_AUTO_TOKENS}
    if not kept and sizes:
        kept = {max((size for size in sizes if size <= MAX_AUTO_TOKENS), default=min(sizes))}
    return [layer for layer in layers if layer.tokens(latent_size) in kept]


@dataclass(frozen=True)
class Footprint:
    """Bytes that a capture will keep, known before it runs."""

    correlation: int
    tokens: int
    storage: Storage

    @property
    def total(self) -> int:
        """All that is kept."""
        return self.correlation + (self.tokens if self.storage in ("cpu", "device") else 0)


def plan_footprint(
    plan: CapturePlan, layers: Sequence[Layer], batch: int, latent_size: tuple[int, int], steps: int
) -> Footprint:
    """What ``plan`` will take for a latent (batch, C, *latent_size) inverted in ``steps`` steps.

    Raises:
        InputError: it doesn't fit ``plan.budget_mb``; the message says what it would take.
    """
    grids = {layer.token_grid(latent_size) for layer in plan.correlation_layers(layers, latent_size)}
    # Summed up in float32, kept in float16: the sum counts.
    correlation = sum(4 * batch * math.prod(grid) ** 2 for grid in grids)
    tokens = sum(2 * batch * layer.tokens(latent_size) * layer.channels for layer in plan.consistency_layers(layers))
    tokens *= steps
    budget = plan.budget_mb * MEGABYTE
    if correlation > budget:
        raise InputError(
            "budget_mb",
            f"{plan.budget_mb} MB, but the attention maps take {_megabytes(correlation)} MB.",
            f"Raise it to {_megabytes(correlation)} or more, choose coarser levels, or use a smaller image.",
        )
    storage = plan.storage
    fits = correlation + tokens <= budget
    if storage == "auto":
        storage = "cpu" if fits else "recompute"
    elif storage in ("cpu", "device") and not fits:
        need = _megabytes(correlation + tokens)
        raise InputError(
            "budget_mb",
            f"{plan.budget_mb} MB, but keeping keys and values takes {need} MB with the attention maps.",
            f"Raise it to {need} or more, or set storage to 'auto' or 'recompute' (twice the sampling time).",
        )
    return Footprint(correlation, tokens, storage)


@dataclass(frozen=True)
class AttentionRecord:
    """Averaged attention maps, one a token grid.

    Attributes:
        maps: token grid (height, width) -> (B, N, N) float16 on the CPU; row i holds where token i looks, and
            sums to 1 (with ``heads="max"`` rows are scaled to sum to 1).
    """

    maps: Mapping[tuple[int, int], torch.Tensor]

    @property
    def bytes(self) -> int:
        """Memory of all maps."""
        return sum(value.numel() * value.element_size() for value in self.maps.values())


class CorrelationRecorder:
    """Sums up attention maps while evaluations run (an ``AttentionHooks``); passes tokens through unchanged."""

    def __init__(self, layers: Iterable[Layer], latent_size: tuple[int, int], heads: Heads = "mean"):
        self._layers = frozenset(layers)
        self._latent_size = latent_size
        self._heads = heads
        self._sums: dict[tuple[int, int], torch.Tensor] = {}
        self.seen: set[str] = set()

    def wants_projections(self, layer: Layer) -> bool:
        return layer in self._layers

    def tokens(self, layer: Layer, tokens: torch.Tensor, rows: slice | None) -> None:
        return None

    def projections(self, layer: Layer, query: torch.Tensor, key: torch.Tensor, rows: slice | None) -> None:
        grid = layer.token_grid(self._latent_size)
        count = math.prod(grid)
        if rows is None or query.shape[1] != count or key.shape[1] != count:
            return
        query, key = query[rows], key[rows]
        total = self._sums.get(grid)
        if total is None:
            total = query.new_zeros((query.shape[0], count, count), dtype=torch.float32)
            self._sums[grid] = total
        add_attention(total, query, key, layer.heads, self._heads)
        self.seen.add(layer.name)

    def record(self) -> AttentionRecord:
        """The maps so far, moved to the CPU; the sums are let go."""
        maps = {}
        for grid, total in self._sums.items():
            total /= total.sum(-1, keepdim=True)
            maps[grid] = total.to(device="cpu", dtype=torch.float16)
        missing = [layer.name for layer in self._layers if layer.name not in self.seen]
        if missing:
            raise InputError(
                "model",
                f"its self-attention {', '.join(sorted(missing))} never ran at full size.",
                "Remove area-restricted conditioning or other patches that skip blocks before inverting.",
            )
        self._sums = {}
        return AttentionRecord(maps)


def add_attention(total: torch.Tensor, query: torch.Tensor, key: torch.Tensor, heads: int, merge: Heads) -> None:
    """Adds softmax(Q K^T / sqrt(d)), merged over heads, to ``total`` in place.

    Args:
        total: (B, N, N) float32.
        query, key: (B, N, heads * d), any float dtype; logits are computed in float32.
        merge: "mean" or "max" over heads.

    Works through blocks of rows so that no temporary exceeds ``ROW_BLOCK_BYTES``; no host synchronisation.
    """
    batch, count, width = query.shape
    dim = width // heads
    query = query.float().view(batch, count, heads, dim).transpose(1, 2) * dim**-0.5
    key = key.float().view(batch, count, heads, dim).permute(0, 2, 3, 1)
    rows = max(1, ROW_BLOCK_BYTES // (4 * batch * heads * count))
    for start in range(0, count, rows):
        attention = (query[:, :, start : start + rows] @ key).softmax(-1)
        merged = attention.mean(1) if merge == "mean" else attention.amax(1)
        total[:, start : start + rows] += merged


@dataclass
class TokenRecorder:
    """Keeps the attention input of some layers during one evaluation (an ``AttentionHooks``)."""

    layers: frozenset[Layer]
    latent_size: tuple[int, int]
    kept: dict[str, torch.Tensor] = field(default_factory=dict)

    def wants_projections(self, layer: Layer) -> bool:
        return False

    def projections(self, layer: Layer, query: torch.Tensor, key: torch.Tensor, rows: slice | None) -> None:
        return None

    def tokens(self, layer: Layer, tokens: torch.Tensor, rows: slice | None) -> None:
        if layer in self.layers and rows is not None and tokens.shape[1] == layer.tokens(self.latent_size):
            self.kept[layer.name] = tokens[rows].detach()


class Together:
    """Several hooks in one evaluation; the first that changes the tokens wins."""

    def __init__(self, *hooks):
        self._hooks = hooks

    def wants_projections(self, layer: Layer) -> bool:
        return any(hook.wants_projections(layer) for hook in self._hooks)

    def tokens(self, layer: Layer, tokens: torch.Tensor, rows: slice | None) -> torch.Tensor | None:
        changed = None
        for hook in self._hooks:
            result = hook.tokens(layer, tokens, rows)
            changed = result if changed is None else changed
        return changed

    def projections(self, layer: Layer, query: torch.Tensor, key: torch.Tensor, rows: slice | None) -> None:
        for hook in self._hooks:
            if hook.wants_projections(layer):
                hook.projections(layer, query, key, rows)


def to_storage(kept: Mapping[str, torch.Tensor], storage: Storage) -> dict[str, torch.Tensor]:
    """One step's tokens as they are stored: half precision, copied off the device once a step, not once a layer."""
    stored = {}
    for name, tokens in kept.items():
        dtype = tokens.dtype if tokens.dtype in (torch.float16, torch.bfloat16) else torch.float16
        tokens = tokens.to(dtype)
        stored[name] = tokens.to("cpu") if storage == "cpu" else tokens
    return stored


def _megabytes(count: int) -> int:
    return math.ceil(count / MEGABYTE)
