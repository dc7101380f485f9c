"""Attention maps by layer and step, from which any capture plan's record can be put together afterwards.

The core never holds these (it sums maps up as they come); here they save one inversion for each plan that is tried.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from core.attention.maps import AttentionMaps, Heads, add_attention
from core.attention.plan import CapturePlan
from core.attention.pooling import Pooling
from core.attention.together import Together
from core.diffusion.inversion import invert
from core.model.layers import Layer
from core.model.protocols import AttentionHooks, Denoiser

from .model import Model


@dataclass
class MapStore:
    """The maps of some layers and steps of one inversion.

    Attributes:
        layers: all self-attention layers of the model.
        latent_size: (height, width) in cells.
        steps: of the inversion.
        maps: (step index, layer name, heads' merging) -> (B, N, N) float16.
    """

    layers: tuple[Layer, ...]
    latent_size: tuple[int, int]
    steps: int
    maps: dict[tuple[int, str, Heads], torch.Tensor] = field(default_factory=dict)

    def record(self, plan: CapturePlan) -> AttentionMaps:
        """What an inversion with ``plan`` would have recorded.

        Raises:
            KeyError: the plan wants a layer or step that wasn't kept.
        """
        sums: dict[tuple[int, int], torch.Tensor] = {}
        for layer in plan.map_layers(self.layers, self.latent_size):
            own, grid = layer.token_grid(self.latent_size), plan.map_grid(layer, self.latent_size)
            for index in plan.map_indices(self.steps):
                kept = self.maps[index, layer.name, plan.heads].float()
                kept = kept if grid == own else Pooling(own, grid)(kept)
                sums[grid] = sums[grid] + kept if grid in sums else kept
        return {grid: (total / total.sum(-1, keepdim=True)).to(torch.float16) for grid, total in sums.items()}


class _Enough(Exception):
    """The highest noise level that any plan reads has been seen."""


class _Recorder:
    """Keeps the maps of one evaluation (an ``AttentionHooks``)."""

    def __init__(self, store: MapStore, index: int, wanted: set[tuple[int, str, Heads]]):
        self._store, self._index, self._wanted = store, index, wanted

    def wants_projections(self, layer: Layer) -> bool:
        return any((self._index, layer.name, heads) in self._wanted for heads in ("mean", "max"))

    def tokens(self, layer: Layer, tokens: torch.Tensor, rows: slice | None) -> None:
        return None

    def queries(self, layer: Layer, tokens: torch.Tensor, rows: slice | None) -> None:
        return None

    def projections(self, layer: Layer, query: torch.Tensor, key: torch.Tensor, rows: slice | None) -> None:
        if rows is None or query.shape[1] != layer.tokens(self._store.latent_size):
            return
        query, key = query[rows], key[rows]
        for heads in ("mean", "max"):
            place = (self._index, layer.name, heads)
            if place in self._wanted:
                total = torch.zeros(query.shape[0], query.shape[1], key.shape[1])
                add_attention(total, query, key, layer.heads, heads)
                self._store.maps[place] = total.to(torch.float16)


class _Watched:
    """A denoiser whose evaluations at the noise levels in question are recorded."""

    def __init__(self, denoiser: Denoiser, ascending: Sequence[float], store: MapStore, wanted: set):
        self._denoiser, self._ascending, self._store, self._wanted = denoiser, ascending, store, wanted
        self.layers, self.prediction = denoiser.layers, denoiser.prediction

    def denoise(self, x: torch.Tensor, sigma: float, hooks: AttentionHooks | None = None) -> torch.Tensor:
        # Inversion step i evaluates at level i + 1; a refinement comes again at the same level and replaces it.
        index = min(range(len(self._ascending)), key=lambda i: abs(self._ascending[i] - sigma)) - 1
        recorder = _Recorder(self._store, index, self._wanted)
        return self._denoiser.denoise(x, sigma, recorder if hooks is None else Together(hooks, recorder))


def map_store(
    model: Model, latent: torch.Tensor, steps: int, strength: float, refinements: int, plans: Sequence[CapturePlan]
) -> MapStore:
    """Inverts as far as any of the plans reads the attention, and keeps what they read."""
    host = model.host
    sigmas = host.sigmas(steps, strength)
    count = len(sigmas) - 1
    layers, size = tuple(host.denoiser.layers), (latent.shape[-2], latent.shape[-1])
    store = MapStore(layers, size, count)
    wanted: set[tuple[int, str, Heads]] = set()
    for plan in plans:
        wanted |= {
            (index, layer.name, plan.heads)
            for layer in plan.map_layers(layers, size)
            for index in plan.map_indices(count)
        }
    last = max(index for index, _, _ in wanted)

    def stop(done: int, x: torch.Tensor, denoised: torch.Tensor) -> None:
        if done > last:
            raise _Enough

    watched = _Watched(host.denoiser, sigmas.flip(0).tolist(), store, wanted)
    # The inversion's own recording is kept as small as it can be: one step of the coarsest layers.
    level = max(layer.level for layer in layers)
    least = CapturePlan(levels=(level,), noise_range=(0.0, 1.0), map_steps=1, storage="off")
    try:
        invert(watched, latent, sigmas, least, refinements, stop)
    except _Enough:
        pass
    if not all(math.isfinite(float(value.float().sum())) for value in store.maps.values()):
        raise ValueError("the attention holds NaN or infinite values")
    return store
