"""Packs: latents or pictures with what is known about each, in files small enough to be carried one by one.

A folder of packs holds ``latents_0000.pack``, ... or ``pictures_0000.pack``, ... and ``packs.json``, which says their
split and checksums. Read by torch and the standard library alone.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from . import tensors

MANIFEST = "packs.json"
LARGEST = 56_000_000
"""Bytes of a pack: it must stay under 60 MB with its header."""


class PackError(ValueError):
    """Packs that are missing, broken or of two splits; the message names the file."""


@dataclass(frozen=True)
class Row:
    """One picture: where it is from, and what balance goes by.

    Attributes:
        domain: "worlds", "drawn", "photographic", "bare" or "lettering".
        file: name within its source, for the record.
        tags: states such as "air" or "light:hard".
        mirrored: left and right are exchanged.
    """

    domain: str
    file: str
    tags: tuple[str, ...] = ()
    mirrored: bool = False

    @classmethod
    def from_dict(cls, values: dict) -> Row:
        return cls(**{**values, "tags": tuple(values["tags"])})


def squeezed(picture: Tensor) -> bytes:
    """uint8 (h, w, 3) without loss: differences to the left neighbour, deflated."""
    left = torch.cat([torch.zeros_like(picture[:, :1]), picture[:, :-1]], dim=1)
    return zlib.compress(bytes((picture - left).contiguous().flatten().tolist()), 6)


def unsqueezed(data: bytes, height: int, width: int) -> Tensor:
    """What ``squeezed`` was given."""
    flat = torch.frombuffer(bytearray(zlib.decompress(data)), dtype=torch.uint8)
    return (flat.view(height, width, 3).int().cumsum(1) & 255).to(torch.uint8)


def checksum(path: Path) -> str:
    """SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def manifest(folder: Path) -> dict:
    """What ``packs.json`` says: {"split", "packs": {name: {"sha256", "rows"}}}.

    Raises:
        PackError: there is none.
    """
    path = Path(folder) / MANIFEST
    if not path.exists():
        raise PackError(f"{folder}: no {MANIFEST} there: make packs with tools.demo_model.pack.")
    return json.loads(path.read_text("utf-8"))


def note(folder: Path, name: str, rows: int, split: str) -> None:
    """Enters a pack that was written into ``packs.json``."""
    path = folder / MANIFEST
    known = json.loads(path.read_text("utf-8")) if path.exists() else {"split": split, "packs": {}}
    known["packs"][name] = {"sha256": checksum(folder / name), "rows": rows}
    half = path.with_suffix(".part")
    half.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", "utf-8")
    half.replace(path)


def write_pack(folder: Path, name: str, rows: Sequence[Row], split: str, **data: Tensor) -> None:
    """One pack, and its line in ``packs.json``.

    Raises:
        PackError: the folder's packs are of another split, or this one is too large to be carried.
    """
    if (folder / MANIFEST).exists() and manifest(folder)["split"] != split:
        raise PackError(f"{folder}: holds packs of split {manifest(folder)['split']}, not {split}.")
    size = sum(value.numel() * value.element_size() for value in data.values())
    if size > LARGEST:
        raise PackError(f"{folder / name}: {size} bytes; a pack has {LARGEST} at most.")
    about = {"split": split, "rows": json.dumps([asdict(row) for row in rows])}
    tensors.write(folder / name, data, about)
    note(folder, name, len(rows), split)


@dataclass(frozen=True, eq=False)
class Packed:
    """What a folder of packs of one kind holds.

    Attributes:
        split: of all of it.
        rows: one for each entry.
        data: latents (N, 4, h, w) float16, or pictures (N, h, w, 3) uint8.
        whose: of latents (N, 2 h, 2 w) uint8, which thing each quarter of a cell shows; 0 for none, or where unknown.
    """

    split: str
    rows: list[Row]
    data: Tensor
    whose: Tensor | None = None


def read_packs(folder: Path, kind: str, checked: bool = True) -> Packed:
    """All packs of a kind ("latents" or "pictures") in a folder, in order.

    Raises:
        PackError: there are none, one is broken, or their splits differ.
    """
    known = manifest(folder)
    rows: list[Row] = []
    parts: list[Tensor] = []
    things: list[Tensor] = []
    for path in sorted(Path(folder).glob(f"{kind}_*.pack")):
        entry = known["packs"].get(path.name)
        if checked and (entry is None or entry["sha256"] != checksum(path)):
            raise PackError(f"{path}: its checksum is not the one in {MANIFEST}; carry it again.")
        data, about = tensors.read(path)
        if about.get("split") != known["split"]:
            raise PackError(f"{path}: split {about.get('split')} among {known['split']}.")
        rows += map(Row.from_dict, json.loads(about["rows"]))
        parts.append(data["latents"] if kind == "latents" else _pictures(data))
        if kind == "latents":
            count, _, high, wide = data["latents"].shape
            things.append(data.get("whose", torch.zeros(count, 2 * high, 2 * wide, dtype=torch.uint8)))
    if not parts:
        raise PackError(f"{folder}: no {kind}_*.pack in it.")
    return Packed(known["split"], rows, torch.cat(parts), torch.cat(things) if things else None)


def _pictures(data: dict[str, Tensor]) -> Tensor:
    height, width = data["size"].tolist()
    whole, ends = bytes(data["bytes"].untyped_storage()), data["ends"].tolist()
    starts = [0, *ends[:-1]]
    return torch.stack([unsqueezed(whole[a:b], height, width) for a, b in zip(starts, ends, strict=True)])


def squeezed_tensors(pictures: Sequence[bytes], height: int, width: int) -> dict[str, Tensor]:
    """The tensors of a pack of pictures."""
    ends = torch.tensor([len(picture) for picture in pictures]).cumsum(0)
    joined = torch.frombuffer(bytearray(b"".join(pictures)), dtype=torch.uint8)
    return {"bytes": joined, "ends": ends, "size": torch.tensor([height, width])}
