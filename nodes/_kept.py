"""What Edit's stages made, kept through a run for a ComfyUI that would drop it too early.

The default cache of ComfyUI 0.33 (RAM pressure) throws out, whenever a node has run, all results that no node of the
queued graph has by its own inputs. What a node expands into joins that graph only when it expands: had another node run
before (the points, a mask, a prompt that changed), Edit's inversion was gone. ComfyUI asks cache providers for what it
doesn't find; this one holds the stages' results from the start of a run to its end, and between runs knows them weakly:
what ComfyUI lets go of then, under pressure or because it is told to free its memory, is let go of here.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

import torch
from comfy_api import latest

from ._held import Held


def makes_lookups() -> bool:
    """Whether this ComfyUI asks cache providers (0.33; not 0.3.75, whose cache keeps what the last run used)."""
    return hasattr(latest, "Caching")


async def keep_results(node_ids: Iterable[str]) -> None:
    """Has the results of these node classes kept through every run, where ComfyUI makes lookups."""
    if makes_lookups():
        await latest.Caching().register_provider(make_provider(frozenset(node_ids)))


def make_provider(node_ids: frozenset[str]) -> Any:
    """A ``Caching.CacheProvider`` for results of these node classes."""

    class KeptResults(latest.Caching.CacheProvider):
        """Results by ComfyUI's own keys: of the node's class and all that it depends on."""

        def __init__(self) -> None:
            self._known: dict[str, tuple[list, Any]] = {}
            self._held: list[list] = []

        def should_cache(self, context, value=None) -> bool:
            if context.class_type not in node_ids or value is None:
                return context.class_type in node_ids
            # ``on_store`` would be too late: its task may not come to run before the prompt ends.
            self._known[context.cache_key_hash] = (weakly(value.outputs), value.ui)
            return False

        async def on_store(self, context, value) -> None:
            """Never called, see ``should_cache``."""

        async def on_lookup(self, context):
            known, ui = self._known.get(context.cache_key_hash, (None, None))
            outputs = None if known is None else strongly(known)
            return None if outputs is None else latest.Caching.CacheValue(outputs=outputs, ui=ui)

        def on_prompt_start(self, prompt_id: str) -> None:
            alive = {key: outputs for key, (weak, _) in self._known.items() if (outputs := strongly(weak)) is not None}
            self._known = {key: self._known[key] for key in alive}
            self._held = list(alive.values())

        def on_prompt_end(self, prompt_id: str) -> None:
            self._held = []

    return KeptResults()


def weakly(outputs: list[list]) -> list[list]:
    """A node's outputs, a list of items for each, with weak references in place of the items."""
    return [[_reference(item) for item in items] for items in outputs]


def strongly(known: list[list]) -> list[list] | None:
    """The outputs that ``weakly`` took, or None if a part of them is gone."""
    outputs = [[reference() for reference in items] for items in known]
    return None if any(item is None for items in outputs for item in items) else outputs


def _reference(item: Any):
    # A tuple, as Held is, takes no weak reference.
    if isinstance(item, Held):
        result = weakref.ref(item[0])
        return lambda: None if (alive := result()) is None else Held(alive)
    if isinstance(item, torch.Tensor):
        return weakref.ref(item)
    raise TypeError(f"{type(item).__name__} is not what a stage of Edit gives")
