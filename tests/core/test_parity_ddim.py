"""Inversion and sampling against DDIMInverseScheduler and DDIMScheduler on the same weights."""

from __future__ import annotations

import math

import pytest
import torch
from diffusers import DDIMInverseScheduler

from core.attention.plan import CapturePlan
from core.diffusion import schedule
from core.diffusion.inversion import invert
from core.diffusion.sampling import SampleSettings, sample
from core.hosts.diffusers import DiffusersDenoiser
from tests.core import diffusers_models as models

TOLERANCE = 1e-4
FREE = SampleSettings(source_attention="off", hold_element=0.0)


def error(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return float((ours - theirs).norm() / theirs.norm())


def setting(kind: str, steps: int, strength: float):
    unet, scheduler = models.unet(kind), models.scheduler(models.PREDICTION[kind])
    model = DiffusersDenoiser(unet, scheduler)
    sigmas = schedule.sampling_sigmas(model.sigma, schedule.timesteps(steps, strength))
    width = models.LAYOUTS[kind]["cross_attention_dim"]

    def predict(x: torch.Tensor, timestep: int) -> torch.Tensor:
        added = {}
        if kind == "sdxl":
            sizes = torch.tensor([[x.shape[-2] * 8, x.shape[-1] * 8, 0, 0, x.shape[-2] * 8, x.shape[-1] * 8]])
            added["added_cond_kwargs"] = {
                "text_embeds": torch.zeros(len(x), 20), "time_ids": sizes.expand(len(x), -1)
            }
        return unet(x, timestep, torch.zeros(len(x), 77, width), **added).sample

    return model, scheduler, sigmas, predict


@pytest.mark.parametrize("kind", models.KINDS)
@pytest.mark.parametrize(("steps", "strength"), [(20, 1.0), (50, 0.3)])
def test_inversion_follows_ddim_inverse_scheduler(kind, steps, strength):
    model, scheduler, sigmas, predict = setting(kind, steps, strength)
    inverse = DDIMInverseScheduler.from_config(scheduler.config)
    inverse.set_timesteps(steps)
    x = latent = torch.randn(2, 4, 8, 10, generator=torch.Generator().manual_seed(0))
    trajectory = [x]
    for timestep in inverse.timesteps[: len(sigmas) - 1]:
        x = inverse.step(predict(x, timestep), int(timestep), x).prev_sample
        trajectory.append(x)
    ours = invert(model, latent, sigmas, CapturePlan(storage="off"), guess_from="present").trajectory.flip(0)
    assert len(ours) == len(trajectory)
    for sigma, mine, theirs in zip(sigmas.flip(0).tolist(), ours, trajectory, strict=True):
        assert error(mine / math.sqrt(1 + sigma**2), theirs) < TOLERANCE


@pytest.mark.parametrize("kind", models.KINDS)
@pytest.mark.parametrize(("steps", "strength"), [(20, 1.0), (50, 0.3)])
def test_sampling_follows_ddim_scheduler(kind, steps, strength):
    model, scheduler, sigmas, predict = setting(kind, steps, strength)
    inversion = invert(model, torch.randn(2, 4, 8, 10), sigmas, CapturePlan(storage="off"))
    start = torch.randn(2, 4, 8, 10, generator=torch.Generator().manual_seed(0)) * sigmas[0]
    ours = []
    sample(model, inversion, start, None, None, FREE, lambda index, x, denoised: ours.append(x.clone()))
    scheduler.set_timesteps(steps)
    x = start / math.sqrt(1 + float(sigmas[0]) ** 2)
    timesteps = scheduler.timesteps[-len(ours) :]
    for mine, sigma, timestep in zip(ours, sigmas[1:].tolist(), timesteps, strict=True):
        x = scheduler.step(predict(x, timestep), int(timestep), x).prev_sample
        assert error(mine / math.sqrt(1 + sigma**2), x) < TOLERANCE


@pytest.mark.parametrize("kind", models.KINDS)
def test_refined_inversion_samples_back_to_the_source(kind):
    model, _, sigmas, _ = setting(kind, 20, 0.7)
    latent = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))

    def back(refinements: int) -> float:
        inversion = invert(model, latent, sigmas, CapturePlan(storage="off"), refinements)
        return error(sample(model, inversion, inversion.noisy, None, None, FREE), latent)

    assert back(6) < 0.1 * back(0)


def test_sampling_evaluates_where_the_inversion_did():
    model, _, sigmas, _ = setting("sd2", 20, 0.5)
    visited = []
    plain = model.denoise

    def spy(x, sigma, hooks=None):
        visited.append(model.timestep(sigma))
        return plain(x, sigma, hooks)

    model.denoise = spy
    inversion = invert(model, torch.randn(1, 4, 8, 8), sigmas)
    upwards = list(visited)
    visited.clear()
    sample(model, inversion, inversion.noisy, None)
    assert upwards == visited[::-1] == schedule.timesteps(20, 0.5)
