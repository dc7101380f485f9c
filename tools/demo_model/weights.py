"""Where the shipped weights are, how they are read, and a stand-in of random ones for tests."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor, nn

from . import tensors
from .autoencoder import Autoencoder, AutoencoderConfig
from .layout import SMALL, Layout

FOLDER = Path(__file__).parent / "weights"
UNET_FILE = "unet_narrow.safetensors"
AUTOENCODER_FILE = "autoencoder_narrow.safetensors"
PAINTER_FILE = "painter_narrow.safetensors"


class MissingWeightsError(FileNotFoundError):
    """The trained weights are not in the tree."""


SCALE = ".scale"
"""Ends the name of the tensor that a matrix stored in eight bits is multiplied by."""


def in_eight_bits(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Matrices and kernels as int8 with a float32 scale for each output channel; vectors as float16.

    Half of float16's size; the U-Net's noise error stays what it was (MODEL_CARD.md).
    """
    stored = {}
    for key, value in state.items():
        if value.ndim < 2:
            stored[key] = value.half().contiguous()
            continue
        largest = value.float().abs().flatten(1).amax(1).clamp_min(1e-12)
        scale = (largest / 127).view(-1, *[1] * (value.ndim - 1))
        stored[key] = (value.float() / scale).round().to(torch.int8).contiguous()
        stored[key + SCALE] = scale
    return stored


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors (float32) and metadata of a safetensors file; what ``in_eight_bits`` stored is scaled back."""
    if not path.exists():
        raise MissingWeightsError(
            f"{path} is missing. The trained weights are part of the repository (tools/demo_model/weights): "
            "fetch a complete copy, name another folder with --weights, "
            "or use --stand-in for untrained weights of the same layout."
        )
    stored, about = tensors.read(path)
    scales = {key: stored.pop(key) for key in list(stored) if key.endswith(SCALE) and key.removesuffix(SCALE) in stored}
    return {key: value.float() * scales.get(key + SCALE, 1.0) for key, value in stored.items()}, about


def read_autoencoder(folder: Path = FOLDER) -> Autoencoder:
    """The trained narrow autoencoder, float32 on the CPU, in eval mode."""
    state, metadata = read(folder / AUTOENCODER_FILE)
    model = Autoencoder(AutoencoderConfig.from_dict(json.loads(metadata["config"])))
    model.load_state_dict(state)
    return model.eval().requires_grad_(False)


def autoencoder_state(source: Path) -> dict[str, Tensor]:
    """Averaged weights of a training checkpoint, or the shipped ones of a folder."""
    if source.is_dir():
        return read(source / AUTOENCODER_FILE)[0]
    return torch.load(source, weights_only=True)["ema"]


def read_unet(folder: Path = FOLDER) -> dict[str, Tensor]:
    """State dict of the trained narrow U-Net, float32."""
    return read(folder / UNET_FILE)[0]


def read_painter(folder: Path = FOLDER) -> dict[str, Tensor]:
    """State dict of the trained painter, the narrow U-Net's inpainting twin, float32."""
    return read(folder / PAINTER_FILE)[0]


def shown_of(state: dict[str, Tensor]) -> int:
    """Channels that a U-Net is shown beside the latent's: 0, or 5 for a painter."""
    return state["conv_in.weight"].shape[1] - 4


def stand_in(seed: int = 0, layout: Layout = SMALL, shown: int = 0) -> tuple[dict[str, Tensor], Autoencoder]:
    """Untrained weights of a layout, equal on every machine for one seed: (narrow U-Net, autoencoder).

    ``shown``: as in ``unet.build_narrow``.
    """
    from .unet import build_narrow

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        unet, autoencoder = build_narrow(layout, shown), Autoencoder()
    return unet.state_dict(), autoencoder.eval().requires_grad_(False)


def load_stand_in(unet: nn.Module, seed: int = 0) -> None:
    """Put stand-in weights into a module of :func:`tools.demo_model.unet.build_narrow`."""
    unet.load_state_dict(stand_in(seed)[0])
