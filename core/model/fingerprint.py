"""Tells a model's weights from another's by a few values of each, at the cost of one small transfer per device."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import torch

PER_SIDE = 3
"""Values that are read along each side of a weight: 3 of a bias, 9 of a matrix, 81 of a convolution at the most."""

SEPARATOR = "+"
"""Between what tells the weights and what tells the patches on them (LoRAs, merges)."""


def digest(weights: Iterable[torch.Tensor], layout: Any = None) -> str:
    """16 hexadecimal digits of the weights' shapes and of some values of each.

    Weights that differ in a part only (one block of a merge, one layer of a LoRA) differ in its values, so every one is
    read, but never whole. Values are compared in float16: the same weights in float32 and float16 are the same.

    Args:
        weights: of any shape, dtype and device, in an order of the caller's. Those without values (on the "meta"
            device, where offloading leaves them) count by their shape.
        layout: anything more that has to agree; its ``repr`` counts.
    """
    weights = [part for weight in weights for part in _stored(weight.detach())]
    result = hashlib.sha256(repr((layout, [tuple(weight.shape) for weight in weights])).encode())
    # Weights of one model may lie on several devices, and wander between runs: the order is the caller's all the same.
    read: dict[torch.device, list[tuple[int, torch.Tensor]]] = {}
    for index, weight in enumerate(weights):
        if not weight.is_meta and weight.numel():
            read.setdefault(weight.device, []).append((index, _few(weight)))
    values: dict[int, torch.Tensor] = {}
    for parts in read.values():
        together = torch.cat([part for _, part in parts]).to("cpu")
        sizes = [part.numel() for _, part in parts]
        values |= {index: part for (index, _), part in zip(parts, together.split(sizes), strict=True)}
    for _, part in sorted(values.items()):
        result.update(part.view(torch.int16).numpy().tobytes())
    return result.hexdigest()[:16]


def patched(weights: str, patches: str) -> str:
    """The fingerprint of weights with patches on them; both as ``digest`` gives them, "" for no patches."""
    return f"{weights}{SEPARATOR}{patches}" if patches else weights


def same_weights(first: str, second: str) -> bool:
    """Whether two fingerprints differ in nothing but patches."""
    return first.split(SEPARATOR)[0] == second.split(SEPARATOR)[0]


def _stored(weight: torch.Tensor) -> list[torch.Tensor]:
    """The plain tensors that a weight is kept in: itself, or a quantised weight's codes and scales."""
    flatten = getattr(weight, "__tensor_flatten__", None)
    if flatten is None:
        return [weight.as_subclass(torch.Tensor)]
    return [part for name in flatten()[0] for part in _stored(getattr(weight, name).detach())]


def _few(weight: torch.Tensor) -> torch.Tensor:
    # Slices are views: nothing is copied but what is read, whatever the memory layout.
    steps = tuple(slice(None, None, -(-side // PER_SIDE)) for side in weight.shape)
    return weight[steps].reshape(-1).to(torch.float16)
