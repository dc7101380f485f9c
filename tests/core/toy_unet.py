"""A tiny U-Net with real self-attention, its noise schedule, and an invertible autoencoder: what an edit needs."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

from core.diffusion import schedule
from core.hosts.direct import DirectHost
from core.model.layers import Layer
from core.space.grid import CELL

ALPHAS = (1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2).cumprod(0)
SIGMAS = ((1 - ALPHAS) / ALPHAS).sqrt()

LAYERS = (
    Layer("down.0", "down", 0, 16, 2),
    Layer("down.1", "down", 1, 24, 3),
    Layer("middle", "middle", 2, 24, 1),
    Layer("up.1", "up", 1, 24, 3),
    Layer("up.0", "up", 0, 16, 2),
)


def sigma_of(timestep: int) -> float:
    """Stable Diffusion's noise level."""
    return float(SIGMAS[timestep])


def sigmas(steps: int, strength: float = 1.0) -> torch.Tensor:
    """Noise levels of an edit."""
    return schedule.sampling_sigmas(sigma_of, schedule.timesteps(steps, strength))


class SelfAttention(nn.Module):
    """Pre-norm residual self-attention that calls the hooks as a host has to."""

    def __init__(self, layer: Layer):
        super().__init__()
        self.layer = layer
        self.norm = nn.LayerNorm(layer.channels)
        self.to_q, self.to_k, self.to_v, self.to_out = (nn.Linear(layer.channels, layer.channels) for _ in range(4))

    def forward(self, planes: torch.Tensor, hooks) -> torch.Tensor:
        batch, channels, height, width = planes.shape
        tokens = self.norm(planes.flatten(2).transpose(1, 2))
        source = tokens
        everything = slice(0, batch)
        if hooks is not None:
            changed = hooks.tokens(self.layer, tokens, everything)
            source = tokens if changed is None else changed
            asked = hooks.queries(self.layer, tokens, everything)
            tokens = tokens if asked is None else asked
        query, key, value = self.to_q(tokens), self.to_k(source), self.to_v(source)
        if hooks is not None and hooks.wants_projections(self.layer):
            hooks.projections(self.layer, query, key, everything)
        query, key, value = (part.unflatten(-1, (self.layer.heads, -1)).transpose(1, 2) for part in (query, key, value))
        out = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        return planes + self.to_out(out).transpose(1, 2).unflatten(2, (height, width))


class ToyUNet(nn.Module):
    """A ``Denoiser``: unit Gaussian data's exact posterior mean, disturbed by a small random U-Net.

    Args:
        seed: of the weights.
        prediction: parametrisation of the network's answer.
        disturbance: share of the random network in the answer; 0 leaves the linear denoiser.
    """

    layers = LAYERS

    def __init__(self, seed: int = 0, prediction: str = "epsilon", disturbance: float = 0.3):
        super().__init__()
        self.prediction = prediction
        self.disturbance = disturbance
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.level = nn.Linear(2, 16)
            self.enter = nn.Conv2d(4, 16, 3, padding=1)
            self.attend = nn.ModuleDict({layer.name.replace(".", "_"): SelfAttention(layer) for layer in LAYERS})
            self.halve_0 = nn.Conv2d(16, 24, 3, stride=2, padding=1)
            self.halve_1 = nn.Conv2d(24, 24, 3, stride=2, padding=1)
            self.rise_1 = nn.Conv2d(24, 24, 3, padding=1)
            self.rise_0 = nn.Conv2d(24, 16, 3, padding=1)
            self.leave = nn.Conv2d(16, 4, 3, padding=1)
        with torch.no_grad():
            for attention in self.attend.values():
                # A fresh layer's attention is all but uniform, and would hide mistakes.
                attention.to_q.weight.mul_(3)
                attention.to_k.weight.mul_(3)
        self.requires_grad_(False)

    def network(self, scaled: torch.Tensor, sigma: float, hooks=None) -> torch.Tensor:
        """The network's answer on an input of unit variance."""
        level = self.level(scaled.new_tensor([math.log1p(sigma), 1 / (1 + sigma)]))
        fine = self.enter(scaled) + level[:, None, None]
        fine = self.attend["down_0"](fine, hooks)
        coarse = self.attend["down_1"](torch.tanh(self.halve_0(fine)), hooks)
        bottom = self.attend["middle"](torch.tanh(self.halve_1(coarse)), hooks)
        coarse = coarse + self.rise_1(F.interpolate(bottom, size=coarse.shape[-2:]))
        coarse = self.attend["up_1"](torch.tanh(coarse), hooks)
        fine = fine + self.rise_0(F.interpolate(coarse, size=fine.shape[-2:]))
        fine = self.attend["up_0"](torch.tanh(fine), hooks)
        return self.leave(torch.tanh(fine))

    def denoise(self, x: torch.Tensor, sigma: float, hooks=None) -> torch.Tensor:
        scaled = x / math.sqrt(1 + sigma**2)
        random = self.disturbance * self.network(scaled, sigma, hooks)
        if self.prediction == "epsilon":
            return x - sigma * (scaled * sigma / math.sqrt(1 + sigma**2) + random)
        # Velocity of unit Gaussian data is 0.
        return (scaled - sigma * random) / math.sqrt(1 + sigma**2)


class Spy:
    """A denoiser that notes what each evaluation's attention was given and what it read.

    Attributes:
        calls: per evaluation, sigma, the latent, whether hooks were there, and by layer the tokens that the
            layer had and those that its keys and values were made of.
    """

    def __init__(self, inner: ToyUNet):
        self.inner = inner
        self.layers, self.prediction = inner.layers, inner.prediction
        self.calls: list[dict] = []

    def denoise(self, x: torch.Tensor, sigma: float, hooks=None) -> torch.Tensor:
        call = {"sigma": sigma, "x": x.clone(), "hooks": hooks is not None, "tokens": {}, "read": {}, "asked": {}}
        call["projections"] = {}
        self.calls.append(call)
        return self.inner.denoise(x, sigma, _Noting(hooks, call))


class _Noting:
    def __init__(self, hooks, call: dict):
        self._hooks, self._call = hooks, call

    def wants_projections(self, layer):
        return True

    def tokens(self, layer, tokens, rows):
        self._call["tokens"][layer.name] = tokens.clone()
        changed = self._hooks.tokens(layer, tokens, rows) if self._hooks is not None else None
        self._call["read"][layer.name] = (tokens if changed is None else changed).clone()
        return changed

    def queries(self, layer, tokens, rows):
        changed = self._hooks.queries(layer, tokens, rows) if self._hooks is not None else None
        self._call["asked"][layer.name] = (tokens if changed is None else changed).clone()
        return changed

    def projections(self, layer, query, key, rows):
        self._call["projections"][layer.name] = query.clone(), key.clone()
        if self._hooks is not None and self._hooks.wants_projections(layer):
            self._hooks.projections(layer, query, key, rows)


class Patchify:
    """An autoencoder without loss: each cell's pixels, mixed by a fixed orthogonal matrix.

    ``kept`` channels of them make the latent; with fewer than all, decoding is the projection.
    """

    def __init__(self, kept: int = 4, seed: int = 0):
        generator = torch.Generator().manual_seed(seed)
        pixels = 3 * CELL**2
        basis = torch.randn(pixels, pixels, generator=generator, dtype=torch.float64)
        # The first channels are the colour means, so that a latent tells what is where.
        for channel in range(3):
            basis[:, channel] = 0
            basis[channel * CELL**2 : (channel + 1) * CELL**2, channel] = 1
        self.matrix = torch.linalg.qr(basis).Q[:, :kept].T.float()

    def encode(self, image: torch.Tensor) -> torch.Tensor:
        batch, height, width, _ = image.shape
        cells = F.pixel_unshuffle(image.movedim(-1, 1).float() - 0.5, CELL)
        return torch.einsum("kp,bphw->bkhw", self.matrix, cells) / 2

    def decode(self, latent: torch.Tensor) -> torch.Tensor:
        cells = torch.einsum("kp,bkhw->bphw", self.matrix, latent.float() * 2)
        return F.pixel_shuffle(cells, CELL).movedim(1, -1) + 0.5


def host(seed: int = 0, **options) -> DirectHost:
    """A toy model of everything."""
    return DirectHost(ToyUNet(seed, **options), Patchify(), sigma_of, model_fingerprint=f"toy {seed}")


def latent(batch: int = 1, size: tuple[int, int] = (8, 8), seed: int = 1) -> torch.Tensor:
    """Unit Gaussian data."""
    return torch.randn(batch, 4, *size, generator=torch.Generator().manual_seed(seed))
