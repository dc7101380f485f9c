"""The model that the benchmarks run on, as a host of the core whose evaluations are counted."""

from __future__ import annotations

import hashlib
import platform
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from core.diffusion.dragged import DraggedLatent
from core.diffusion.inversion import Inversion
from core.diffusion.sampling import SampleSettings
from core.hosts.diffusers import DiffusersDenoiser, DiffusersVae
from core.hosts.direct import DirectHost
from core.model.protocols import AttentionHooks, Autoencoder, Denoiser, OnStep

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
class RecordingHost(DirectHost):
    """A direct host that keeps the latent it sampled last, so that it can be decoded in other ways, too."""

    sampled: torch.Tensor | None = None

    def sample(
        self, inversion: Inversion, x: torch.Tensor, dragged: DraggedLatent | None, free: torch.Tensor | None,
        settings: SampleSettings, on_step: OnStep | None,
    ) -> torch.Tensor:
        """As ``DirectHost.sample``."""
        self.sampled = super().sample(inversion, x, dragged, free, settings, on_step)
        return self.sampled


@dataclass
class Model:
    """A loaded model.

    Attributes:
        host: for ``core.edit.edit`` and its parts.
        counter: the denoiser under the host.
        description: name, files and their hashes, for reports.
    """

    host: RecordingHost
    counter: CountingDenoiser
    description: dict[str, Any] = field(default_factory=dict)

    @property
    def evaluations(self) -> int:
        """U-Net evaluations so far."""
        return self.counter.evaluations


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


def load(folder: Path | None = None, weights: Path | None = None, stand_in: bool = False) -> Model:
    """Loads the model.

    Args:
        folder: a local diffusers folder (unet, vae, scheduler); None for the demo model at its narrow width, which
            computes the same as the shipped wide one in a fraction of the time.
        weights: folder of the narrow weights; None for those in the repository.
        stand_in: untrained weights, to try the plumbing.

    Raises:
        FileNotFoundError: there are no weights.
    """
    if folder is not None:
        return _from_diffusers(Path(folder))
    return _narrow(weights, stand_in)


def make(denoiser: Denoiser, autoencoder: Autoencoder, sigma_of: Any, description: dict[str, Any]) -> Model:
    """A model of parts that are already there."""
    counter = CountingDenoiser(denoiser)
    return Model(RecordingHost(counter, autoencoder, sigma_of), counter, description)


def versions() -> dict[str, str]:
    """Of Python and the packages that the figures depend on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _from_diffusers(folder: Path) -> Model:
    from diffusers import AutoencoderKL, AutoencoderTiny, DDIMScheduler, UNet2DConditionModel

    if not (folder / "unet").is_dir() or not (folder / "vae").is_dir():
        raise FileNotFoundError(f"{folder}: not a diffusers folder (it needs unet/, vae/ and scheduler/).")
    tiny = "AutoencoderTiny" in (folder / "vae" / "config.json").read_text("utf-8")
    kind = AutoencoderTiny if tiny else AutoencoderKL
    unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet", torch_dtype=torch.float32).eval()
    vae = kind.from_pretrained(folder, subfolder="vae", torch_dtype=torch.float32).eval()
    scheduler = DDIMScheduler.from_pretrained(folder, subfolder="scheduler")
    denoiser = DiffusersDenoiser(unet.requires_grad_(False), scheduler)
    files = [path for path in sorted(folder.glob("*/*")) if path.suffix in (".safetensors", ".bin")]
    description = {"name": folder.name, "files": {f"{p.parent.name}/{p.name}": _hash(p) for p in files}}
    return make(denoiser, DiffusersVae(vae.requires_grad_(False)), denoiser.sigma, description)


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
    return make(denoiser, ChannelsLast(vae), denoiser.sigma, description)


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
