"""The model that the benchmarks run on, as a host of the core whose evaluations are counted."""

from __future__ import annotations

import hashlib
import platform
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from core.hosts.diffusers import DiffusersDenoiser, DiffusersVae
from core.hosts.diffusers import load as load_components
from core.hosts.direct import DirectHost
from core.model.protocols import AttentionHooks, Autoencoder, Denoiser, PaintingWork

PACKAGES = ("torch", "diffusers", "numpy", "opencv-python-headless", "scikit-image", "scipy")


class CountingDenoiser:
    """A denoiser that counts its evaluations."""

    def __init__(self, denoiser: Denoiser):
        self._denoiser = denoiser
        self.layers = denoiser.layers
        self.prediction = denoiser.prediction
        self.evaluations = 0

    def denoise(self, x: torch.Tensor, sigma: float, hooks: AttentionHooks | None = None) -> torch.Tensor:
        """As the denoiser's own."""
        self.evaluations += 1
        return self._denoiser.denoise(x, sigma, hooks)


@dataclass
class Model:
    """A loaded model.

    Attributes:
        host: for ``core.edit.edit`` and its parts.
        counter: the denoiser under the host.
        description: name, files and their hashes, for reports.
        weights: folder of the demo model's narrow weights, where it is that; None for those in the repository.
    """

    host: DirectHost
    counter: CountingDenoiser
    description: dict[str, Any] = field(default_factory=dict)
    weights: Path | None = None

    @property
    def evaluations(self) -> int:
        """U-Net evaluations so far, the painter's included."""
        asked = self.__dict__.get("painter")
        return self.counter.evaluations + (0 if asked is None else asked.evaluations)

    @cached_property
    def painter(self) -> NarrowPainter:
        """The demo model's painter, read when it is first asked for."""
        return NarrowPainter(self.weights)


class ChannelsLast:
    """The demo model's autoencoder with the core's layout of images, (B, H, W, 3)."""

    def __init__(self, vae: Any):
        self._vae = vae

    def encode(self, image: torch.Tensor) -> torch.Tensor:
        """(B, H, W, 3) in 0..1 -> (B, 4, H / 8, W / 8)."""
        return self._vae.encode(image.movedim(-1, 1))

    def decode(self, latent: torch.Tensor) -> torch.Tensor:
        """(B, 4, h, w) -> (B, 8 h, 8 w, 3) in 0..1."""
        return self._vae.decode(latent).movedim(1, -1)


class NarrowPainter:
    """The demo model's inpainting twin at its narrow width (a ``model.protocols.Painter``)."""

    def __init__(self, folder: Path | None = None):
        from diffusers import DDIMScheduler

        from tools.demo_model.load import load_painter
        from tools.demo_model.painter import PREDICTION, grey_of
        from tools.demo_model.weights import FOLDER
        from tools.demo_model.write import SCHEDULER

        self._unet, vae, _ = load_painter(folder or FOLDER)
        self._scheduler = DDIMScheduler.from_config({**SCHEDULER, "prediction_type": PREDICTION})
        self._grey = grey_of(vae.encode)
        self.evaluations = 0

    def painting(self, picture: torch.Tensor, hole: torch.Tensor, work: PaintingWork) -> torch.Tensor:
        from tools.demo_model.painter import shown

        seen = shown(hole.to(picture), picture, self._grey)
        denoiser = DiffusersDenoiser(self._unet, self._scheduler, shown=seen)

        def denoise(x: torch.Tensor, sigma: float) -> torch.Tensor:
            self.evaluations += 1
            return denoiser.denoise(x, sigma)

        return work(denoise)


def load(
    path: Path | None = None, weights: Path | None = None, stand_in: bool = False, device: str | None = None
) -> Model:
    """Loads the model.

    Args:
        path: a local diffusers folder (unet, vae, scheduler) or a checkpoint in one .safetensors file; None for the
            demo model at its narrow width, which computes the same as the shipped wide one in a fraction of the time.
        weights: folder of the narrow weights; None for those in the repository.
        stand_in: untrained weights, to try the plumbing.
        device: for ``path``: where to run it; None takes the machine's accelerator (in float16), or the CPU (in
        float32).

    Raises:
        FileNotFoundError: there are no weights.
        InputError: ``path`` holds no model that can be used.
    """
    if path is not None:
        return _from_files(Path(path), device)
    return _narrow(weights, stand_in)


def make(
    denoiser: Denoiser, autoencoder: Autoencoder, sigma_of: Any, description: dict[str, Any],
    device: torch.device | None = None,
) -> Model:
    """A model of parts that are already there, on ``device``."""
    counter = CountingDenoiser(denoiser)
    return Model(DirectHost(counter, autoencoder, sigma_of, device=device), counter, description)


def versions() -> dict[str, str]:
    """Of Python and the packages that the figures depend on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _from_files(path: Path, device: str | None) -> Model:
    if device is None:
        accelerator = getattr(torch, "accelerator", None)
        device = accelerator.current_accelerator() if accelerator and accelerator.is_available() else "cpu"
    place = torch.device(device)
    parts = load_components(path, place, torch.float32 if place.type == "cpu" else torch.float16)
    denoiser = DiffusersDenoiser(parts.unet, parts.scheduler)
    files = [path] if path.is_file() else [file for file in sorted(path.glob("*/*.safetensors"))]
    description = {
        "name": path.name, "device": str(place),
        "files": {str(file.relative_to(path.parent if path.is_file() else path)): _hash(file) for file in files},
    }  # fmt: skip
    return make(denoiser, DiffusersVae(parts.vae), denoiser.sigma, description, place)


def _narrow(folder: Path | None, stand_in: bool) -> Model:
    from diffusers import DDIMScheduler

    from tools.demo_model import load_narrow, weights
    from tools.demo_model.write import SCHEDULER

    folder = Path(folder or weights.FOLDER)
    unet, vae, _ = load_narrow(folder, untrained=stand_in)
    if stand_in:
        description: dict[str, Any] = {"name": "demo model, untrained stand-in"}
    else:
        names = (weights.UNET_FILE, weights.AUTOENCODER_FILE)
        description = {"name": "demo model, narrow", "files": {name: _hash(folder / name) for name in names}}
    denoiser = DiffusersDenoiser(unet, DDIMScheduler.from_config(SCHEDULER))
    return replace(make(denoiser, ChannelsLast(vae), denoiser.sigma, description), weights=folder)


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
