"""Results as ComfyUI's cache weighs them.

Under memory pressure it throws out results by size, and knows sizes of tensors in lists and tuples alone, or of what
has ``get_ram_usage`` (0.3.75). An inversion of 1 GB would count as nothing, and everything else go first.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import torch


class Held(tuple):
    """A result of the pack's own (an ``Inversion``, say) with all its tensors in plain sight behind it."""

    def __new__(cls, result: Any) -> Held:
        return super().__new__(cls, (result, *tensors_of(result)))

    def __repr__(self) -> str:
        """Short: ComfyUI sends a failed node's inputs as text, and those of a stage would be all tensors' contents."""
        megabytes = sum(tensor.nbytes for tensor in self[1:]) / 2**20
        return f"<{type(self[0]).__name__}, {megabytes:.0f} MB>"

    def get_ram_usage(self) -> int:
        """Bytes in main memory."""
        return sum(tensor.nbytes for tensor in self[1:] if tensor.device.type == "cpu")


def unheld(value: Any) -> Any:
    """What ``Held`` holds; anything else as it is."""
    return value[0] if isinstance(value, Held) else value


def tensors_of(result: Any) -> list[torch.Tensor]:
    """The tensors in dataclasses, mappings and sequences, those that share memory once."""
    found: dict[int, torch.Tensor] = {}
    for tensor in _walk(result):
        key = tensor.untyped_storage().data_ptr()
        if key not in found or found[key].nbytes < tensor.nbytes:
            found[key] = tensor
    return list(found.values())


def _walk(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from _walk(getattr(value, field.name))
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _walk(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _walk(part)
