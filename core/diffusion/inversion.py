"""DDIM inversion: from a clean latent to the noise that samples back to it (step 1).

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

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch

from ..attention.maps import AttentionMaps, MapRecorder
from ..attention.plan import CapturePlan, Footprint, plan_footprint
from ..attention.together import Together
from ..attention.tokens import TokenRecorder, to_storage
from ..errors import InputError
from ..model.fingerprint import same_weights
from ..model.layers import Layer, check_all_ran
from ..model.protocols import AttentionHooks, Denoiser, OnStep
from ..options import check_not_negative
from . import schedule

Guess = Literal["extrapolate", "present"]


@dataclass(frozen=True, eq=False)
class Inversion:
    """All that later steps need of the source; nothing writes to it.

    Attributes:
        sigmas: (n + 1,) descending noise levels to sample back with, closing with 0.
        trajectory: (n + 1, B, C, h, w) float32 on the CPU; ``trajectory[i]`` is the latent at ``sigmas[i]``, so
            the last is the clean one.
        maps: averaged attention, one map a token grid.
        tokens: per index of ``sigmas``, layer name -> (B, N, channels) self-attention input captured in the
            evaluation at that noise level; empty for a step, or None for all, when they are recomputed while sampling.
        plan, footprint: what was asked for and what it took.
        layers: self-attention layers of the model it ran with.
        source_layers: those whose keys and values sampling reads.
        model_fingerprint: tells another model's inversion; compared by the hosts.
        evaluations: number of U-Net evaluations it took.
        noise_mask: (B or 1, H, W) share in 0..1 that an edit may change, the user's own limit; float32 on the CPU, or
            None.
        conditioning: what the model was told besides, as its host takes it; the host tells it again where keys and
            values are recomputed. None for nothing.
        null: what stands for no text on the way back, as its host takes it; None for the host's own, zeros.
    """

    sigmas: torch.Tensor
    trajectory: torch.Tensor
    maps: AttentionMaps
    tokens: tuple[Mapping[str, torch.Tensor], ...] | None
    plan: CapturePlan
    footprint: Footprint
    layers: tuple[Layer, ...]
    source_layers: tuple[Layer, ...]
    model_fingerprint: str = ""
    evaluations: int = 0
    noise_mask: torch.Tensor | None = None
    conditioning: Any = None
    null: Any = None

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

    def picture(self, index: int) -> Inversion:
        """The inversion of one picture of the batch."""
        own = slice(index, index + 1)
        tokens, limit = self.tokens, self.noise_mask
        if tokens is not None:
            tokens = tuple({name: kept[own] for name, kept in step.items()} for step in tokens)
        return replace(
            self,
            trajectory=self.trajectory[:, own],
            maps={grid: maps[own] for grid, maps in self.maps.items()},
            tokens=tokens,
            noise_mask=limit if limit is None or limit.shape[0] == 1 else limit[own],
        )

    def check_model(self, fingerprint: str) -> str | None:
        """What there is to say of sampling with the model of ``fingerprint``; None for the inversion's own.

        Other LoRAs on its weights are a way to restyle. They are told of, as they may be a mistake as well: what was
        kept of the source is the source's, whatever samples with it, but the trajectory is not the patched model's
        own, so that unheld content drifts, and keys and values that weren't kept are evaluated by the patched model.

        Raises:
            InputError: it is another model.
        """
        if fingerprint == self.model_fingerprint:
            return None
        if same_weights(fingerprint, self.model_fingerprint):
            said = (
                "the inversion was made with this model, but with other LoRAs (or other patches of its weights) on it. "
                "What isn't held is sampled with those that are linked now."
            )
            missing = sum(not step for step in self.tokens) if self.tokens is not None else self.steps
            if self.source_layers and missing:
                said += (
                    f" So are the original's keys and values of {missing} of {self.steps} steps, which weren't kept: "
                    "raise budget_mb (AttentionDrag Capture) to keep them."
                )
            return said
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
    on_step: OnStep | None = None,
    model_fingerprint: str = "",
    noise_mask: torch.Tensor | None = None,
    guess_from: Guess = "extrapolate",
    conditioning: Any = None,
    null: Any = None,
) -> Inversion:
    """Runs the inversion.

    Args:
        denoiser: the U-Net under its host.
        latent: clean latent (B, C, h, w) in the model's own scale, on the model's device.
        sigmas: (n + 1,) descending with a closing 0 (``schedule.sampling_sigmas``).
        plan: what to record.
        refinements: extra evaluations a step.
        on_step: called with (steps done, latent, clean estimate); may raise to stop.
        model_fingerprint, noise_mask, conditioning, null: kept in the result.
        guess_from: which latent a step is first evaluated on (see above).

    Raises:
        InputError: the budget is too small, or the latent or the model's answer is not finite.
    """
    check_not_negative("refinements", refinements)
    if not torch.isfinite(latent).all():
        raise InputError("latent", "it holds NaN or infinite values.", "Check the image and the VAE that made it.")
    steps = len(sigmas) - 1
    capture = _Capture.planned(plan or CapturePlan(), denoiser.layers, latent, steps)
    trajectory = trajectory_of(denoiser, latent, sigmas, refinements, on_step, guess_from, capture)
    return Inversion(
        sigmas=_kept_copy(sigmas),
        trajectory=trajectory,
        layers=denoiser.layers,
        model_fingerprint=model_fingerprint,
        evaluations=steps * (refinements + 1),
        noise_mask=None if noise_mask is None else _kept_copy(noise_mask),
        conditioning=conditioning,
        null=null,
        **capture.results(),
    )


def trajectory_of(
    denoiser: Denoiser,
    latent: torch.Tensor,
    sigmas: torch.Tensor,
    refinements: int = 0,
    on_step: OnStep | None = None,
    guess_from: Guess = "extrapolate",
    capture: _Capture | None = None,
) -> torch.Tensor:
    """The latents of an inversion alone, (n + 1, B, C, h, w) float32 on the CPU, noisiest first; see ``invert``.

    Raises:
        InputError: the model's answer is not finite.
    """
    ascending = sigmas.flip(0).tolist()
    x = latent.float()
    eps: torch.Tensor | None = None
    trajectory = [x.to("cpu")]
    for index, (sigma, sigma_next) in enumerate(zip(ascending, ascending[1:], strict=False)):
        guess = _guess(x, None if guess_from == "present" else eps, sigma, sigma_next)
        for attempt in range(refinements + 1):
            hooks = capture.hooks(index) if capture is not None and attempt == refinements else None
            denoised = denoiser.denoise(guess, sigma_next, hooks)
            if attempt == 0 and guess_from == "present":
                eps = schedule.first_epsilon(x, denoised, sigma, sigma_next, denoiser.prediction)
            else:
                eps = schedule.epsilon(guess, denoised, sigma_next)
            guess = schedule.step(x, eps, sigma, sigma_next)
        x = guess
        trajectory.append(x.to("cpu"))
        if capture is not None:
            capture.end_step(index)
        if on_step is not None:
            on_step(index + 1, x, denoised)
    check_finite(x, "The inversion")
    return torch.stack(trajectory[::-1])


def _kept_copy(tensor: torch.Tensor) -> torch.Tensor:
    """A copy (float32, CPU), whatever it is: the caller hands the same tensor on to others."""
    return tensor.detach().to("cpu", torch.float32, copy=True)


def _guess(x: torch.Tensor, eps: torch.Tensor | None, sigma: float, sigma_next: float) -> torch.Tensor:
    """The latent at ``sigma_next`` that a step from ``x`` is first evaluated on; None knows no noise to go by."""
    return schedule.at_level(x, sigma, sigma_next) if eps is None else schedule.step(x, eps, sigma, sigma_next)


@dataclass
class _Capture:
    """What one inversion records while it runs, ascending in noise."""

    plan: CapturePlan
    footprint: Footprint
    source_layers: tuple[Layer, ...]
    recorder: MapRecorder
    recorded_steps: tuple[int, ...]
    latent_size: tuple[int, int]
    kept: list[Mapping[str, torch.Tensor]] = field(default_factory=list)
    now: TokenRecorder | None = None

    @classmethod
    def planned(cls, plan: CapturePlan, layers: tuple[Layer, ...], latent: torch.Tensor, steps: int) -> _Capture:
        size = (latent.shape[-2], latent.shape[-1])
        footprint = plan_footprint(plan, layers, latent.shape[0], size, steps)
        recorder = MapRecorder(plan.map_layers(layers, size), size, plan.heads, plan.most_tokens)
        return cls(plan, footprint, plan.source_layers(layers), recorder, plan.map_indices(steps), size)

    def _keeps_tokens(self, step: int) -> bool:
        return step < self.footprint.kept_steps

    def hooks(self, step: int) -> AttentionHooks:
        """For the last evaluation of a step."""
        self.now = TokenRecorder(frozenset(self.source_layers if self._keeps_tokens(step) else ()), self.latent_size)
        return Together(self.now, self.recorder) if step in self.recorded_steps else self.now

    def end_step(self, step: int) -> None:
        """Stores what the step's last evaluation recorded."""
        if self.now is None:
            return
        if self._keeps_tokens(step):
            check_all_ran(self.source_layers, self.now.kept)
        self.kept.append(to_storage(self.now.kept, self.footprint.storage))

    def results(self) -> dict[str, Any]:
        """What the inversion holds of it, by ``Inversion``'s names."""
        return {
            "maps": self.recorder.maps(),
            "tokens": tuple(self.kept[::-1]) if self.footprint.kept_steps else None,
            "plan": self.plan,
            "footprint": self.footprint,
            "source_layers": self.source_layers,
        }


def check_finite(x: torch.Tensor, what: str) -> None:
    """Raises an ``InputError`` when a result holds NaN or infinity."""
    if not torch.isfinite(x).all():
        raise InputError(
            "model",
            f"{what} gave NaN or infinite values.",
            "The model overflows in this precision: run it in float32 (ComfyUI: --force-fp32) or bfloat16.",
        )
