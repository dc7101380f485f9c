"""DDIM inversion: from a clean latent to the noise that samples back to it.

Each step evaluates the U-Net at the *next* noise level (Song et al. 2021, arXiv 2010.02502, section 4.3, run
backwards), so that attention is recorded at exactly the levels at which sampling evaluates. What is unknown is the
latent there, and the steps differ in what they take for it:

- "extrapolate": the latent that the last step's noise leads to. The noise changes little from step to step, so this is
  close, at the same single evaluation.
- "present": the latent the step starts from. This is plain DDIM inversion, number for number that of diffusers'
  DDIMInverseScheduler.

Optional fixed-point refinements repeat the step with the latent it led to, which solves the implicit equation that
makes sampling its exact inverse (Pan et al. 2023, arXiv 2309.04907).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch

from . import schedule
from .capture import (
    AttentionRecord,
    CapturePlan,
    CorrelationRecorder,
    Footprint,
    Storage,
    Together,
    TokenRecorder,
    plan_footprint,
    to_storage,
)
from .errors import InputError
from .fingerprint import same_weights
from .hooks import Denoiser, Layer

Guess = Literal["extrapolate", "present"]


@dataclass(frozen=True, eq=False)
class Inversion:
    """All that later steps need of the source; nothing writes to it.

    Attributes:
        sigmas: (n + 1,) descending noise levels to sample back with, closing with 0.
        trajectory: (n + 1, B, C, h, w) float32 on the CPU; ``trajectory[i]`` is the latent at ``sigmas[i]``, so
            the last is the clean one.
        record: averaged attention maps.
        tokens: per index of ``sigmas``, layer name -> (B, N, channels) self-attention input captured in the
            evaluation at that noise level; None when they are recomputed while sampling.
        plan, footprint: what was asked for and what it took.
        layers: self-attention layers of the model it ran with.
        consistency_layers: those whose keys and values are preserved.
        model_fingerprint: tells another model's inversion; compared by the hosts.
        evaluations: number of U-Net evaluations it took.
        limit: (B or 1, H, W) share in 0..1 that an edit may change (a latent's noise mask), float32 on the CPU;
            or None.
    """

    sigmas: torch.Tensor
    trajectory: torch.Tensor
    record: AttentionRecord
    tokens: tuple[Mapping[str, torch.Tensor], ...] | None
    plan: CapturePlan
    footprint: Footprint
    layers: tuple[Layer, ...]
    consistency_layers: tuple[Layer, ...]
    model_fingerprint: str = ""
    evaluations: int = 0
    limit: torch.Tensor | None = None

    @property
    def steps(self) -> int:
        """Number of sampling steps."""
        return len(self.sigmas) - 1

    @property
    def clean(self) -> torch.Tensor:
        """The source's clean latent, (B, C, h, w)."""
        return self.trajectory[-1]

    @property
    def noisy(self) -> torch.Tensor:
        """The inverted latent at ``sigmas[0]``, (B, C, h, w)."""
        return self.trajectory[0]

    @property
    def latent_size(self) -> tuple[int, int]:
        """(height, width) in cells."""
        return self.trajectory.shape[-2], self.trajectory.shape[-1]

    @property
    def batch(self) -> int:
        """Number of images."""
        return self.trajectory.shape[1]

    def check_model(self, fingerprint: str) -> None:
        """Raises an ``InputError`` when ``fingerprint`` is another model's, or this model's with other LoRAs."""
        if fingerprint == self.model_fingerprint:
            return
        if same_weights(fingerprint, self.model_fingerprint):
            raise InputError(
                "inversion",
                "made with the linked model, but with other LoRAs (or other patches of its weights) on it.",
                "Link the MODEL that made the inversion, LoRAs included, or invert again with this one.",
            )
        raise InputError(
            "inversion",
            "made with another model than the one linked.",
            "Link the MODEL that made the inversion, or invert again with this one.",
        )


def invert(
    denoiser: Denoiser,
    latent: torch.Tensor,
    sigmas: torch.Tensor,
    plan: CapturePlan | None = None,
    refinements: int = 0,
    on_step: Callable[[int, torch.Tensor, torch.Tensor], None] | None = None,
    model_fingerprint: str = "",
    limit: torch.Tensor | None = None,
    guess_from: Guess = "extrapolate",
) -> Inversion:
    """Runs the inversion.

    Args:
        denoiser: the U-Net under its host.
        latent: clean latent (B, C, h, w) in the model's own scale, on the model's device.
        sigmas: (n + 1,) descending with a closing 0 (``schedule.sampling_sigmas``).
        plan: what to record.
        refinements: extra evaluations a step.
        on_step: called after each of n steps with (steps done, latent, clean estimate); may raise to stop.
        model_fingerprint, limit: kept in the result.
        guess_from: which latent a step is first evaluated on (see above).

    Raises:
        InputError: the budget is too small, or the latent or the model's answer is not finite.
    """
    plan = plan or CapturePlan()
    if refinements < 0:
        raise InputError("refinements", f"{refinements}.", "Use 0 or more.")
    if not torch.isfinite(latent).all():
        raise InputError("latent", "it holds NaN or infinite values.", "Check the image and the VAE that made it.")
    size = (latent.shape[-2], latent.shape[-1])
    ascending = sigmas.flip(0).tolist()
    steps = len(ascending) - 1
    footprint = plan_footprint(plan, denoiser.layers, latent.shape[0], size, steps)
    consistency_layers = plan.consistency_layers(denoiser.layers)
    correlation = CorrelationRecorder(plan.correlation_layers(denoiser.layers, size), size, plan.heads)
    recorded_steps = plan.correlation_indices(steps)
    keeps = footprint.storage in ("cpu", "device")

    x = latent.float()
    trajectory = [x.to("cpu")]
    tokens: list[dict[str, torch.Tensor]] = []
    eps: torch.Tensor | None = None
    for index in range(steps):
        sigma, sigma_next = ascending[index], ascending[index + 1]
        kept = TokenRecorder(frozenset(consistency_layers if keeps else ()), size)
        if guess_from == "extrapolate" and eps is not None:
            guess = schedule.step(x, eps, sigma, sigma_next)
        else:
            guess = schedule.at_level(x, sigma, sigma_next)
        for attempt in range(refinements + 1):
            last = attempt == refinements
            hooks = None
            if last:
                hooks = Together(kept, correlation) if index in recorded_steps else kept
            denoised = denoiser.denoise(guess, sigma_next, hooks)
            if attempt == 0 and guess_from == "present":
                eps = schedule.first_epsilon(x, denoised, sigma, sigma_next, denoiser.prediction)
            else:
                eps = schedule.epsilon(guess, denoised, sigma_next)
            guess = schedule.step(x, eps, sigma, sigma_next)
        x = guess
        trajectory.append(x.to("cpu"))
        if keeps:
            tokens.append(_complete(to_storage(kept.kept, footprint.storage), consistency_layers))
        if on_step is not None:
            on_step(index + 1, x, denoised)
    check_finite(x, "The inversion")
    return Inversion(
        # Copies, the limit's too: the caller hands the same tensors on to others.
        sigmas=sigmas.detach().to("cpu", torch.float32, copy=True),
        trajectory=torch.stack(trajectory[::-1]),
        record=correlation.record(),
        tokens=tuple(tokens[::-1]) if keeps else None,
        plan=plan,
        footprint=footprint,
        layers=tuple(denoiser.layers),
        consistency_layers=consistency_layers,
        model_fingerprint=model_fingerprint,
        evaluations=steps * (refinements + 1),
        limit=None if limit is None else limit.detach().to("cpu", torch.float32, copy=True),
    )


def check_finite(x: torch.Tensor, what: str) -> None:
    """Raises an ``InputError`` when a result holds NaN or infinity."""
    if not torch.isfinite(x).all():
        raise InputError(
            "model",
            f"{what} gave NaN or infinite values.",
            "The model overflows in this precision: run it in float32 (ComfyUI: --force-fp32) or bfloat16.",
        )


def _complete(stored: dict[str, torch.Tensor], layers: tuple[Layer, ...]) -> dict[str, torch.Tensor]:
    missing = [layer.name for layer in layers if layer.name not in stored]
    if missing:
        raise InputError(
            "model",
            f"its self-attention {', '.join(missing)} never ran at full size.",
            "Remove area-restricted conditioning or other patches that skip blocks before inverting.",
        )
    return stored


__all__ = ["Inversion", "Storage", "check_finite", "invert"]
