"""Keys and values are the source's, under the inversion's own conditioning, whether they were kept or not."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from core import api
from core.attention.plan import CapturePlan
from core.attention.tokens import TokenRecorder
from core.diffusion.sampling import SampleSettings
from core.fill.background import FillSettings
from core.hosts.direct import DirectHost
from core.settings import EditSettings
from tests.core import diffusers_models as models
from tests.core import toy_unet
from tests.core.toy_unet import Patchify, Spy, ToyUNet, latent, sigma_of, sigmas

SIZE = (8, 8)
# All of it sampled, so that what attention reads is seen in the result.
OPEN = SampleSettings(hold_element=0.0, hold_rest=0.0)


class Guided:
    """Another prompt and guidance on the same U-Net: far from it, and asked with the edit's words."""

    def __init__(self):
        self._inner = ToyUNet(7)
        self.layers, self.prediction = self._inner.layers, self._inner.prediction

    def denoise(self, x, sigma, hooks=None):
        return self._inner.denoise(x, sigma, hooks) * 1.5


def sampled(storage: str, told=None, way_back=None):
    plain = ToyUNet(0)
    host = DirectHost(
        plain, Patchify(), sigma_of, sampling_denoiser=way_back or Guided(), conditioning="the source", told=told
    )
    inversion = host.invert(latent(1, SIZE), sigmas(6), CapturePlan(storage=storage), 4)
    return inversion, host.sample(inversion, inversion.noisy, None, torch.ones(1, *SIZE), OPEN)


def test_a_prompt_and_guidance_on_the_way_back_change_nothing_of_what_is_read():
    kept, recomputed = sampled("cpu")[1], sampled("recompute")[1]
    off = SampleSettings(source_attention="off", hold_element=0.0, hold_rest=0.0)
    host = DirectHost(ToyUNet(0), Patchify(), sigma_of, sampling_denoiser=Guided())
    inversion = host.invert(latent(1, SIZE), sigmas(6), CapturePlan(storage="cpu"), 4)
    without = host.sample(inversion, inversion.noisy, None, torch.ones(1, *SIZE), off)
    apart = (kept - recomputed).norm() / kept.norm()
    assert apart < 2e-3 < 0.02 < (kept - without).norm() / kept.norm()


def test_the_host_is_asked_for_the_conditioning_that_the_inversion_kept():
    asked, source = [], Spy(ToyUNet(0))

    def told(conditioning):
        asked.append(conditioning)
        return source

    inversion, result = sampled("recompute", told)
    assert inversion.conditioning == "the source" and asked == ["the source"]
    assert [call["sigma"] for call in source.calls] == pytest.approx(inversion.sigmas[:-1].tolist())
    assert torch.equal(result, sampled("recompute")[1])


def test_kept_ones_are_not_evaluated_again():
    source = Spy(ToyUNet(0))
    sampled("cpu", lambda _: source)
    assert not source.calls


def test_pictures_of_a_batch_keep_it():
    assert sampled("cpu")[0].picture(0).conditioning == "the source"
    assert toy_unet.host().invert(latent(), sigmas(2), CapturePlan(), 0).conditioning is None


@pytest.mark.parametrize("kind", ["sd15", "sdxl"])
def test_keeping_and_recomputing_give_the_same_picture(kind):
    """With a prompt, a negative one and guidance on the way back, and another prompt on the way in."""

    def encode(prompt):
        generator = torch.Generator().manual_seed(len(prompt))
        width = models.LAYOUTS[kind]["cross_attention_dim"]
        pooled = torch.randn(1, 20, generator=generator) if kind == "sdxl" else None
        return api.Conditioning(torch.randn(1, 77, width, generator=generator) * 5, pooled)

    parts = api.Components(models.unet(kind), models.vae_kl(), models.scheduler(models.PREDICTION[kind]), encode)
    model, image = api.Model(parts), torch.rand(1, 32, 48, 3, generator=torch.Generator().manual_seed(0))
    settings = EditSettings(steps=6, strength=0.5, sample=OPEN, fill=FillSettings(method="smooth"))
    mask = torch.zeros(32, 48)
    mask[8:16, 8:16] = 1
    source = api.invert(model, image, "the source", settings)
    found = api.find(source, [((0.25, 0.375), (0.6, 0.375))], settings, mask)
    dragged = api.move(source, found, settings)
    inversion = source.inversion

    def kept_exactly(prompt: str) -> tuple[dict[str, torch.Tensor], ...]:
        """Every step's tokens in float32, as a model told ``prompt`` alone has them."""
        steps = []
        for x, sigma in zip(inversion.trajectory[:-1], inversion.sigmas[:-1], strict=True):
            recorder = TokenRecorder(frozenset(inversion.source_layers), inversion.latent_size)
            model._told(encode(prompt)).denoise(x, float(sigma), recorder)
            steps.append(recorder.kept)
        return tuple(steps)

    def picture(tokens) -> torch.Tensor:
        held = dataclasses.replace(source, inversion=dataclasses.replace(inversion, tokens=tokens))
        return api.sample(model, held, dragged, "a longer prompt", "negative", 4.0, settings)

    recomputed = picture(None)
    assert torch.equal(recomputed, picture(kept_exactly("the source")))
    # What used to be read: the way back's own.
    assert (recomputed - picture(kept_exactly("a longer prompt"))).abs().max() > 1e-3
