"""Noise levels and the DDIM step, against the textbook's variance-preserving formulas."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.diffusion import schedule
from core.errors import InputError
from tests.core.toy_unet import ALPHAS, SIGMAS, sigma_of

levels = st.integers(0, 999)
Z = torch.randn(3, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
EPS = torch.randn(3, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def ddim(z: torch.Tensor, eps: torch.Tensor, alpha: float, alpha_next: float) -> torch.Tensor:
    """Equation 12 of DDIM with eta = 0, in z = sqrt(a) x0 + sqrt(1 - a) eps."""
    clean = (z - math.sqrt(1 - alpha) * eps) / math.sqrt(alpha)
    return math.sqrt(alpha_next) * clean + math.sqrt(1 - alpha_next) * eps


@given(levels, levels)
def test_a_step_is_the_textbooks(one, other):
    alpha, alpha_next = float(ALPHAS[one]), float(ALPHAS[other])
    sigma, sigma_next = float(SIGMAS[one]), float(SIGMAS[other])
    x = Z * math.sqrt(1 + sigma**2)
    got = schedule.step(x, EPS, sigma, sigma_next) / math.sqrt(1 + sigma_next**2)
    assert torch.allclose(got, ddim(Z, EPS, alpha, alpha_next), rtol=1e-9, atol=1e-9)


def test_the_last_step_gives_the_clean_estimate():
    clean = torch.full_like(Z, 0.3)
    x = clean + 2.5 * EPS
    assert torch.allclose(schedule.epsilon(x, clean, 2.5), EPS)
    assert torch.allclose(schedule.step(x, EPS, 2.5, 0.0), clean)


def test_sigmas_from_alphas():
    got = schedule.sigmas_from_alphas(ALPHAS.float())
    assert got.dtype == torch.float64
    for timestep in (0, 1, 500, 999):
        alpha = float(ALPHAS[timestep])
        assert float(got[timestep]) == pytest.approx(math.sqrt((1 - alpha) / alpha), rel=1e-4)
        # x0 + sigma eps, scaled to unit variance, is the textbook's mixture.
        scale = 1 / math.sqrt(1 + float(SIGMAS[timestep]) ** 2)
        assert scale == pytest.approx(math.sqrt(alpha))
        assert scale * float(SIGMAS[timestep]) == pytest.approx(math.sqrt(1 - alpha))


@given(st.integers(1, 999), st.floats(0, 1, exclude_min=True))
def test_timesteps_are_the_low_end_of_an_even_grid(steps, strength):
    got = schedule.timesteps(steps, strength)
    whole = schedule.timesteps(steps, 1.0)
    assert len(whole) == steps
    assert got == whole[: len(got)]
    assert len(got) == max(1, round(steps * strength))
    assert whole[0] == 1 and whole[-1] <= 999
    assert {after - before for before, after in zip(whole, whole[1:], strict=False)} <= {1000 // steps}


def test_timesteps_of_stable_diffusions_ddim():
    assert schedule.timesteps(50, 1.0) == list(range(1, 1000, 20))
    assert schedule.timesteps(50, 0.7) == list(range(1, 700, 20))
    assert schedule.timesteps(4, 0.01) == [1]


@pytest.mark.parametrize("steps", [0, -3, 1000, 10**9])
def test_steps_out_of_range(steps):
    with pytest.raises(InputError) as caught:
        schedule.timesteps(steps, 0.5)
    assert caught.value.input == "steps" and str(steps) in str(caught.value)


@pytest.mark.parametrize("strength", [0.0, -0.1, 1.01, math.nan, math.inf])
def test_strength_out_of_range(strength):
    with pytest.raises(InputError) as caught:
        schedule.timesteps(10, strength)
    assert caught.value.input == "strength" and str(strength) in str(caught.value)


@pytest.mark.parametrize("steps", [1, 7, 50, 333, 999])
def test_every_allowed_number_of_steps_gives_descending_noise_levels(steps):
    ascending = schedule.timesteps(steps, 1.0)
    got = schedule.sampling_sigmas(sigma_of, ascending)
    assert got.dtype == torch.float32 and got.device.type == "cpu"
    assert len(got) == len(ascending) + 1 and float(got[-1]) == 0.0
    assert torch.allclose(got[:-1].double(), SIGMAS[ascending[::-1]], rtol=1e-6)
    assert (got.diff() < 0).all()


@pytest.mark.parametrize(
    "bad",
    [lambda t: math.nan, lambda t: math.inf, lambda t: 1.0, lambda t: 10.0 - t, lambda t: 0.0, lambda t: t - 5.0],
    ids=["nan", "inf", "constant", "falling", "zero", "negative"],
)
def test_noise_levels_that_do_not_rise_are_refused(bad):
    with pytest.raises(InputError) as caught:
        schedule.sampling_sigmas(bad, [1, 4, 7])
    assert caught.value.input == "model" and "[1, 4, 7]" in str(caught.value)


@given(levels, levels)
def test_at_level_leaves_what_the_network_sees_unchanged(one, other):
    """A host divides by sqrt(1 + sigma^2) before the network."""
    sigma, sigma_next = float(SIGMAS[one]), float(SIGMAS[other])
    seen = schedule.at_level(Z * math.sqrt(1 + sigma**2), sigma, sigma_next) / math.sqrt(1 + sigma_next**2)
    assert torch.allclose(seen, Z, rtol=1e-10)


@given(st.integers(-1, 998), st.integers(1, 400))
def test_first_epsilon_of_epsilon_prediction_is_the_networks_answer(low, gap):
    sigma = 0.0 if low < 0 else float(SIGMAS[low])
    sigma_next = float(SIGMAS[min(low + gap, 999)])
    x = Z * math.sqrt(1 + sigma**2)
    # What a host returns for an epsilon model: x - sigma * eps.
    denoised = schedule.at_level(x, sigma, sigma_next) - sigma_next * EPS
    got = schedule.first_epsilon(x, denoised, sigma, sigma_next, "epsilon")
    assert torch.allclose(got, EPS, rtol=1e-7, atol=1e-7)


@given(st.integers(-1, 998), st.integers(1, 400))
def test_first_epsilon_of_v_prediction_reads_the_velocity_at_the_present_level(low, gap):
    alpha = 1.0 if low < 0 else float(ALPHAS[low])
    sigma = 0.0 if low < 0 else float(SIGMAS[low])
    sigma_next = float(SIGMAS[min(low + gap, 999)])
    alpha_next = float(ALPHAS[min(low + gap, 999)])
    velocity = EPS
    # What a host returns for a v model: x0 = sqrt(a) z - sqrt(1 - a) v (Salimans & Ho 2022), at the next level.
    denoised = math.sqrt(alpha_next) * Z - math.sqrt(1 - alpha_next) * velocity
    got = schedule.first_epsilon(Z * math.sqrt(1 + sigma**2), denoised, sigma, sigma_next, "v")
    # eps = sqrt(a) v + sqrt(1 - a) z, with the level of the latent itself.
    expected = math.sqrt(alpha) * velocity + math.sqrt(1 - alpha) * Z
    assert torch.allclose(got, expected, rtol=1e-6, atol=1e-6)
