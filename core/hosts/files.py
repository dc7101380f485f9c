"""Model files as they lie on disk: safetensors and JSON only, no pickle, no code from the model's folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeAlias

import torch

from ..errors import InputError

State: TypeAlias = dict[str, torch.Tensor]


def read_safetensors(path: Path) -> State:
    """All tensors of a .safetensors file.

    Raises:
        InputError: another kind of file, or a damaged one.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if path.suffix.lower() not in (".safetensors", ".sft"):
        raise InputError(
            "model", f"{path.name} is no .safetensors file.",
            "Only safetensors are read, since pickled weights could run any code; convert the file.",
        )
    try:
        return load_file(path)
    except SafetensorError as error:
        raise InputError("model", f"{path.name} can't be read ({error}).", "Download it again.") from error


def stated_side(path: Path) -> int | None:
    """The shorter side in px that a .safetensors file says it was trained on (ModelSpec's "modelspec.resolution",
    "1024x1024"); None where it says nothing of the kind."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            stated = (file.metadata() or {}).get("modelspec.resolution", "")
    except (SafetensorError, OSError):
        return None
    sides = stated.lower().split("x")
    return min(map(int, sides)) or None if len(sides) == 2 and all(side.isdecimal() for side in sides) else None


def read_config(folder: Path, part: str, name: str = "config.json") -> dict[str, Any]:
    """A part's configuration out of a diffusers folder.

    Raises:
        InputError: it isn't there, or no JSON object.
    """
    file = folder / part / name
    if not file.is_file():
        raise InputError(
            "model", f"{folder} has no {part}/{name}.",
            "Give a folder in diffusers' layout, with unet, vae and scheduler in it.",
        )
    try:
        config = json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise InputError("model", f"{file} is no valid JSON ({error}).", "Download the model again.") from error
    if not isinstance(config, dict):
        raise InputError("model", f"{file} holds no JSON object.", "Download the model again.")
    return config


def weights_file(folder: Path, part: str, stem: str = "diffusion_pytorch_model") -> Path:
    """The .safetensors file of a part of a diffusers folder.

    Raises:
        InputError: there is none; pickled weights are told apart, since they are not read.
    """
    for name in (f"{stem}.safetensors", f"{stem}.fp16.safetensors"):
        if (folder / part / name).is_file():
            return folder / part / name
    pickled = [file.name for file in (folder / part).glob("*.bin")]
    sharded = [file.name for file in (folder / part).glob(f"{stem}*.safetensors.index.json")]
    if sharded:
        raise InputError(
            "model", f"{folder / part} is split over several files.", "Save it again with max_shard_size='20GB'."
        )
    if pickled:
        raise InputError(
            "model", f"{folder / part} holds pickled weights ({', '.join(pickled)}), which could run any code.",
            "Convert them to safetensors, or download the model's safetensors files.",
        )
    raise InputError("model", f"{folder / part} holds no {stem}.safetensors.", "Download the model again.")
