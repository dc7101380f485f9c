"""Tensors in a file of the safetensors format, by torch and the standard library alone.

A machine that trains may have nothing else. Format: 8 bytes of length, a JSON header, the data.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor

KINDS = {
    torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.uint8: "U8", torch.int8: "I8",
    torch.int64: "I64",
}  # fmt: skip
TYPES = {name: kind for kind, name in KINDS.items()}


def write(path: Path, tensors: dict[str, Tensor], about: dict[str, str] | None = None) -> None:
    """Writes ``tensors`` (of the types in ``KINDS``) and ``about`` as metadata; the file is whole or not there."""
    header: dict = {"__metadata__": about or {}}
    start = 0
    for key, value in tensors.items():
        size = value.numel() * value.element_size()
        header[key] = {"dtype": KINDS[value.dtype], "shape": list(value.shape), "data_offsets": [start, start + size]}
        start += size
    text = json.dumps(header, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 8)
    half = path.with_name(path.name + ".part")
    with half.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for value in tensors.values():
            flat = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
            # Turning a storage into bytes goes byte by byte: a minute for a pack.
            plain = bytearray(flat.numel())
            if plain:
                torch.frombuffer(plain, dtype=torch.uint8).copy_(flat)
            file.write(plain)
    half.replace(path)


def about(path: Path) -> dict[str, str]:
    """The metadata alone."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        return json.loads(file.read(length)).get("__metadata__", {})


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata.

    Raises:
        ValueError: the file is cut short or of another format.
    """
    data = bytearray(path.read_bytes())
    try:
        length = int.from_bytes(data[:8], "little")
        header = json.loads(bytes(data[8 : 8 + length]))
        metadata = header.pop("__metadata__", {})
        tensors = {}
        for key, entry in header.items():
            first, last = (8 + length + offset for offset in entry["data_offsets"])
            kind, shape = TYPES[entry["dtype"]], entry["shape"]
            if last > len(data):
                raise ValueError("cut short")
            if first == last:
                tensors[key] = torch.zeros(shape, dtype=kind)
                continue
            flat = torch.frombuffer(data, dtype=torch.uint8, count=last - first, offset=first)
            # A copy begins at an address that fits every type.
            tensors[key] = flat.clone().view(kind).view(shape)
    except (ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a whole safetensors file: {error}") from error
    return tensors, metadata
