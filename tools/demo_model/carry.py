"""Carries a checkpoint over a narrow way: cut into parcels with checksums, and put together again.

    python -m tools.demo_model.carry RUN/unet.pt PARCELS --light --megabytes 15
    python -m tools.demo_model.carry PARCELS RUN/unet.pt

A whole checkpoint has sixteen bytes a weight, and training goes on from it bit for bit. A light one has three: weights
in half precision, their distance to the average in eight bits, no moments, which the optimiser then gathers anew while
the learning rate rises again.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import sys
from pathlib import Path

import torch
from torch import Tensor

LIST = "parcels.json"
State = dict[str, object]


class ParcelError(ValueError):
    """Parcels that are missing or broken; the message names the file."""


def lightened(state: State) -> State:
    """A checkpoint of ``running.Progress`` without its moments, small."""
    model, average = state["model"], state["ema"]
    far, scale = {}, {}
    for key, value in average.items():
        difference = value.float() - model[key].half().float()
        scale[key] = difference.abs().max().clamp_min(1e-12) / 127
        far[key] = (difference / scale[key]).round().to(torch.int8)
    kept = {key: state[key] for key in ("step", "samples", "seconds")}
    return {**kept, "light": {key: value.half() for key, value in model.items()}, "far": far, "scale": scale}


def restored(state: State) -> State:
    """What ``lightened`` made as a checkpoint that ``running.Progress`` goes on from."""
    light: dict[str, Tensor] = state["light"]
    model = {key: value.float() for key, value in light.items()}
    average = {key: model[key] + value.float() * state["scale"][key] for key, value in state["far"].items()}
    return {"model": model, "ema": average, **{key: state[key] for key in ("step", "samples", "seconds")}}


def cut(path: Path, folder: Path, light: bool, megabytes: float) -> list[str]:
    """Writes a checkpoint as parcels of at most so many million bytes; returns their names."""
    data = path.read_bytes()
    if light:
        held = io.BytesIO()
        torch.save(lightened(torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")), held)
        data = held.getvalue()
    folder.mkdir(parents=True, exist_ok=True)
    step, names = int(megabytes * 1e6), []
    sums = {}
    for number, start in enumerate(range(0, len(data), step)):
        part, name = data[start : start + step], f"{path.stem}_{number:03d}.parcel"
        (folder / name).write_bytes(part)
        sums[name] = hashlib.sha256(part).hexdigest()
        names.append(name)
    (folder / LIST).write_text(json.dumps({"light": light, "parcels": sums}, indent=1) + "\n", "utf-8")
    return names


def joined(folder: Path, path: Path) -> None:
    """Puts parcels together as a checkpoint.

    Raises:
        ParcelError: one is missing or not what it was.
    """
    try:
        known = json.loads((folder / LIST).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ParcelError(f"{folder / LIST}: {error}") from error
    data = b""
    for name, digest in known["parcels"].items():
        part = (folder / name).read_bytes() if (folder / name).exists() else None
        if part is None or hashlib.sha256(part).hexdigest() != digest:
            raise ParcelError(f"{folder / name}: {'missing' if part is None else 'broken'}; carry it again.")
        data += part
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".part")
    if known["light"]:
        torch.save(restored(torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")), half)
    else:
        half.write_bytes(data)
    half.replace(path)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.demo_model.carry", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("source", type=Path, help="a checkpoint, or a folder of parcels")
    parser.add_argument("target", type=Path, help="a folder for parcels, or the checkpoint to write")
    parser.add_argument("--light", action="store_true", help="without what only exact resumption needs")
    parser.add_argument("--megabytes", type=float, default=55.0, help="of a parcel at most")
    args = parser.parse_args(arguments)
    try:
        if args.source.is_dir():
            joined(args.source, args.target)
        else:
            print("\n".join(cut(args.source, args.target, args.light, args.megabytes)))
    except ParcelError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
