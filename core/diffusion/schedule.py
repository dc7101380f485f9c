"""Noise levels of an edit, and the one DDIM step, in sigma space.

``x = x0 + sigma * eps`` with ``sigma = sqrt((1 - a) / a)``, ``a`` the cumulative alpha of the timestep. A
deterministic DDIM step (Song et al. 2021, arXiv 2010.02502, eq. 12 with eta = 0) is then an Euler step, for
epsilon- and v-prediction alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch

from ..errors import InputError
from ..families import Schedule
from ..options import check_choice

TRAIN_TIMESTEPS = 1000


def timesteps(
    steps: int, strength: float, train_timesteps: int = TRAIN_TIMESTEPS, schedule: Schedule = "full"
) -> list[int]:
    """Timesteps at which the U-Net is evaluated, ascending.

    ``steps`` of them are spread over the whole schedule; of these the lowest ``strength`` share is used, one at least.

    Args:
        schedule: "full" counts up from timestep 1 ("leading" spacing with offset 1, as Stable Diffusion's own DDIM
            configuration has it). "distilled" counts down from the last ("trailing"): LCM, Turbo, Lightning and Hyper
            were trained at these, and at few of them no other is like what they know (Luo et al. 2023, arXiv
            2310.04378, section 4; Lin et al. 2023, arXiv 2305.08891, section 3.3).

    Raises:
        InputError: steps outside 1..train_timesteps - 1, strength outside (0, 1], another schedule.
    """
    check_choice("schedule", schedule, Schedule)
    if not 1 <= steps < train_timesteps:
        raise InputError("steps", f"{steps} steps.", f"Use 1 to {train_timesteps - 1}.")
    if not 0 < strength <= 1:
        raise InputError("strength", f"{strength}.", "Use a number above 0 and up to 1.")
    used = max(1, round(steps * strength))
    if schedule == "distilled":
        return [round((index + 1) * train_timesteps / steps) - 1 for index in range(used)]
    spacing = train_timesteps // steps
    return [1 + index * spacing for index in range(used)]


def sampling_sigmas(sigma_of: Callable[[int], float], ascending: Sequence[int]) -> torch.Tensor:
    """Descending noise levels of ascending timesteps with a closing 0, (n + 1,) float32 on the CPU."""
    levels = [float(sigma_of(timestep)) for timestep in reversed(ascending)]
    sigmas = torch.tensor([*levels, 0.0], dtype=torch.float32)
    if not torch.isfinite(sigmas).all() or (sigmas.diff() >= 0).any():
        raise InputError(
            "model",
            f"its noise levels at timesteps {list(ascending)} are not increasing and finite.",
            "Use fewer steps, or a model with Stable Diffusion's discrete noise schedule.",
        )
    return sigmas


def sigmas_from_alphas(alphas_cumprod: torch.Tensor) -> torch.Tensor:
    """sqrt((1 - a) / a) of cumulative alphas (T,), float64."""
    alphas = alphas_cumprod.double()
    return ((1 - alphas) / alphas).sqrt()


def epsilon(x: torch.Tensor, denoised: torch.Tensor, sigma: float) -> torch.Tensor:
    """The noise that the model sees in ``x``: (x - x0) / sigma."""
    return (x - denoised) / sigma


def step(x: torch.Tensor, eps: torch.Tensor, sigma: float, sigma_next: float) -> torch.Tensor:
    """One DDIM step from ``sigma`` to ``sigma_next``, either way."""
    return x + (sigma_next - sigma) * eps


def at_level(x: torch.Tensor, sigma: float, sigma_next: float) -> torch.Tensor:
    """``x`` of noise level ``sigma`` with the magnitude that the model expects at ``sigma_next``.

    DDIM inversion evaluates the model at the next timestep on the present latent; in sigma space the host
    divides its input by sqrt(1 + sigma^2), so the present latent must carry the ratio of both.
    """
    return x * math.sqrt((1 + sigma_next**2) / (1 + sigma**2))


def first_epsilon(
    x: torch.Tensor, denoised: torch.Tensor, sigma: float, sigma_next: float, prediction: str
) -> torch.Tensor:
    """The noise estimate of an unrefined inversion step from ``sigma`` to ``sigma_next``.

    Args:
        x: latent of level ``sigma``.
        denoised: the model's answer at ``sigma_next`` on ``at_level(x, ...)``.
        prediction: "epsilon" takes the model's noise as it is. "v" takes the model's *velocity* as it is and
            reads the noise off it with the present level's alpha, as diffusers' DDIMInverseScheduler does.
    """
    scaled = at_level(x, sigma, sigma_next)
    eps = epsilon(scaled, denoised, sigma_next)
    if prediction == "epsilon":
        return eps
    alpha, alpha_next = 1 / (1 + sigma**2), 1 / (1 + sigma_next**2)
    sample = x * math.sqrt(alpha)
    velocity = (eps - math.sqrt(1 - alpha_next) * sample) / math.sqrt(alpha_next)
    return math.sqrt(alpha) * velocity + math.sqrt(1 - alpha) * sample
