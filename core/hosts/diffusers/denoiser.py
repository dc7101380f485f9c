"""A diffusers U-Net as the method's ``Denoiser``."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import Any, Literal

import torch

from ...diffusion import schedule
from ...errors import InputError, UnsupportedModelError
from ...model.fingerprint import digest, patched
from ...model.protocols import AttentionHooks
from ...space.grid import CELL
from .conditioning import Conditioning, check_embeddings, null_conditioning, unet_arguments
from .layers import hooked, self_attention

PREDICTIONS: dict[str, Literal["epsilon", "v"]] = {"epsilon": "epsilon", "v_prediction": "v"}

LOWEST_ALPHA = 4.8973451890853435e-08
"""Stands for the 0 at the end of a zero-terminal-SNR schedule, whose noise level would be infinite."""


COMPUTES = (torch.float32, torch.float16, torch.bfloat16)
FUSED = re.compile(r"\.to_(qkv|kv)\.")
ADAPTER = re.compile(r"\.lora_")


class DiffusersDenoiser:
    """``model.protocols.Denoiser`` over a ``UNet2DConditionModel`` (SD 1.x, SD 2.x, SDXL), eps- or v-prediction.

    The U-Net is used where it is and in the dtype it has; nothing of it is changed between calls. LoRAs,
    offloading, memory-efficient attention and fused projections set up by the caller stay in force.

    Args:
        unet: the U-Net, or anything built of the same parts with a ``config``.
        scheduler: a diffusers scheduler; only its ``alphas_cumprod`` and ``config.prediction_type`` are read.
        positive: conditioning of the edit; None for none (zeros).
        negative: conditioning to move away from; None for none. Only evaluated when ``guidance`` is not 1.
        guidance: classifier-free guidance scale (Ho and Salimans 2022, arXiv 2207.12598); 1 leaves it out.
        shown: (B or 1, E, h, w) float planes that an inpainting U-Net is shown beside the latent; None for others.

    Attributes:
        fingerprint: tells this U-Net from another by its self-attention, its prediction and some values of every
            weight and every active LoRA; the same in float32 and in float16.

    Raises:
        UnsupportedModelError: no self-attention, extra inputs, another prediction type, no discrete schedule.
    """

    def __init__(
        self,
        unet: Any,
        scheduler: Any,
        positive: Conditioning | None = None,
        negative: Conditioning | None = None,
        guidance: float = 1.0,
        shown: torch.Tensor | None = None,
    ):
        # torch.compile would have traced the layers' own processors in.
        self._unet: Any = getattr(unet, "_orig_mod", unet)
        self._attentions = self_attention(self._unet)
        self.layers = tuple(attention.layer for attention in self._attentions)
        self._shown = shown
        check_embeddings(self._unet, 0 if shown is None else shown.shape[1])
        self.prediction = _prediction(scheduler)
        alphas = _alphas(scheduler)
        self._sigmas: list[float] = schedule.sigmas_from_alphas(alphas).tolist()
        self._log_sigmas = [math.log(sigma) for sigma in self._sigmas]
        if not math.isfinite(guidance):
            raise InputError("guidance", f"{guidance}.", "Use a number; 1 means none.")
        self._guidance = float(guidance)
        positive = positive or null_conditioning(self._unet)
        negative = negative or null_conditioning(self._unet)
        self._conditionings = (positive,) if guidance == 1 else (positive, negative)
        self._arguments: tuple[Any, dict[str, Any]] | None = None

    @property
    def train_timesteps(self) -> int:
        """Length of the noise schedule."""
        return len(self._sigmas)

    def sigma(self, timestep: int) -> float:
        """Noise level of a timestep."""
        return self._sigmas[timestep]

    def timestep(self, sigma: float) -> int:
        """The timestep whose noise level is nearest to ``sigma`` by its logarithm, as ComfyUI takes it."""
        if sigma <= 0:
            return 0
        log_sigma = math.log(sigma)
        above = bisect_left(self._log_sigmas, log_sigma)
        if above == 0:
            return 0
        if above == len(self._log_sigmas):
            return above - 1
        below = above - 1
        nearer = log_sigma - self._log_sigmas[below] <= self._log_sigmas[above] - log_sigma
        return below if nearer else above

    @torch.no_grad()
    def denoise(self, x: torch.Tensor, sigma: float, hooks: AttentionHooks | None = None) -> torch.Tensor:
        """The clean latent in ``x = x0 + sigma * eps``; (B, C, h, w) float32 both ways, on ``x``'s device.

        With guidance the batch that the hooks see is [positive, negative], their ``rows`` the first half.

        Raises:
            InputError: ``x`` has another number of channels than the U-Net.
        """
        sigma = float(sigma)
        batch = x.shape[0]
        channels = self._unet.config.out_channels
        if x.shape[1] != channels:
            raise InputError(
                "latent", f"it has {x.shape[1]} channels, the model takes {channels}.",
                "Use the model's own VAE, and no inpainting model.",
            )
        dtype, device = _compute_dtype(self._unet), x.device
        scale = math.sqrt(1 + sigma**2)
        sample = (x / scale).to(dtype)
        if self._shown is not None:
            sample = torch.cat([sample, self._shown.to(sample).expand(batch, -1, -1, -1)], 1)
        if len(self._conditionings) > 1:
            sample = sample.repeat(len(self._conditionings), 1, 1, 1)
        timestep = torch.tensor(self.timestep(sigma), device=device)
        attached = nullcontext() if hooks is None else hooked(self._attentions, hooks, slice(0, batch))
        with _uncompiled(), attached:
            output = self._unet(sample, timestep, return_dict=False, **self._inputs(x, dtype))[0]
        output = output[:, :channels].to(torch.float32)
        if len(self._conditionings) > 1:
            positive, negative = output.chunk(2)
            output = torch.lerp(negative, positive, self._guidance)
        if self.prediction == "epsilon":
            return x - sigma * output
        return x / scale**2 - output * (sigma / scale)

    @cached_property
    def fingerprint(self) -> str:
        # Fused projections hold again what the single ones hold, and a LoRA's weights lie among the model's own.
        own = [
            parameter for name, parameter in self._unet.named_parameters()
            if not FUSED.search(name) and not ADAPTER.search(name)
        ]
        return patched(digest(own, (self.layers, self.prediction)), _adapters_digest(self._unet))

    def _inputs(self, x: torch.Tensor, dtype: torch.dtype) -> dict[str, Any]:
        # The same for every evaluation of an edit: built once a shape.
        key = (tuple(x.shape), x.device, dtype)
        if self._arguments is None or self._arguments[0] != key:
            pixels = (x.shape[-2] * CELL, x.shape[-1] * CELL)
            built = unet_arguments(self._unet, self._conditionings, x.shape[0], pixels, x.device, dtype)
            self._arguments = (key, built)
        return self._arguments[1]


def _adapters_digest(unet: Any) -> str:
    """Of the LoRAs in force (peft's layers), with their scales; "" without any."""
    weights: list[torch.Tensor] = []
    layout: list[tuple[int, float, bool]] = []
    for module in unet.modules():
        active = getattr(module, "active_adapters", ())
        if not hasattr(module, "lora_A") or getattr(module, "disable_adapters", False):
            continue
        for adapter in active:
            if adapter in module.scaling:
                layout.append((len(weights), float(module.scaling[adapter]), bool(module.merged)))
                weights += [
                    parameter for name, parameter in module.named_parameters()
                    if ADAPTER.search(f".{name}") and f".{adapter}." in f"{name}."
                ]
    return digest(weights, layout) if layout else ""


def _compute_dtype(unet: Any) -> torch.dtype:
    """The precision that a U-Net takes its input in: its weights' own, or its normalisations' where those are quantised
    (fp8 with layerwise casting, GGUF)."""
    if unet.dtype in COMPUTES:
        return unet.dtype
    plain = (norm.weight.dtype for norm in unet.modules() if isinstance(norm, torch.nn.LayerNorm | torch.nn.GroupNorm))
    return next((dtype for dtype in plain if dtype in COMPUTES), torch.float16)


def _prediction(scheduler: Any) -> Literal["epsilon", "v"]:
    name = scheduler.config.get("prediction_type", "epsilon")
    if name not in PREDICTIONS:
        raise UnsupportedModelError(
            "model", f"its prediction_type is {name!r}.", f"Use one of {', '.join(PREDICTIONS)}."
        )
    return PREDICTIONS[name]


def _alphas(scheduler: Any) -> torch.Tensor:
    alphas = getattr(scheduler, "alphas_cumprod", None)
    if alphas is None:
        raise UnsupportedModelError(
            "model", f"its {type(scheduler).__name__} has no alphas_cumprod.",
            "Use a model with Stable Diffusion's discrete noise schedule, with DDIMScheduler for instance.",
        )
    return alphas.detach().to(device="cpu", dtype=torch.float64).clamp(min=LOWEST_ALPHA)


def _uncompiled() -> AbstractContextManager:
    # A block compiled by `torch.compile` doesn't look at its present processors; PyTorch 2.6 can set that
    # aside.
    set_stance = getattr(torch.compiler, "set_stance", None)
    return nullcontext() if set_stance is None else set_stance("force_eager")
