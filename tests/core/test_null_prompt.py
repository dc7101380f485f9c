"""What stands for no prompt: the empty text as the model's own text encoder encodes it, zeros where there is none."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from core import api
from core.diffusion.sampling import SampleSettings
from core.fill.background import FillSettings
from core.region.found import ElementSettings
from core.settings import EditSettings
from tests.core import diffusers_models as models

POINTS = [((0.25, 0.375), (0.6, 0.375))]
OPEN = EditSettings(
    steps=4,
    strength=0.5,
    element=ElementSettings(tau=0.5),
    fill=FillSettings(method="smooth"),
    sample=SampleSettings(hold_element=0.0, hold_rest=0.0),
)


class Encoder:
    """Encodes texts to random embeddings, the empty one to another far from zero; notes what it was asked."""

    def __init__(self, kind: str):
        self._width = models.LAYOUTS[kind]["cross_attention_dim"]
        self._pooled = 20 if kind == "sdxl" else None
        self.asked: list[str] = []

    def __call__(self, prompt: str) -> api.Conditioning:
        self.asked.append(prompt)
        return self.of(prompt)

    def of(self, prompt: str) -> api.Conditioning:
        generator = torch.Generator().manual_seed(len(prompt))
        pooled = None if self._pooled is None else torch.randn(1, self._pooled, generator=generator)
        return api.Conditioning(torch.randn(1, 77, self._width, generator=generator) * 5, pooled)


def model(kind: str, encode=None) -> api.Model:
    return api.Model(
        api.Components(models.unet(kind), models.vae_kl(), models.scheduler(models.PREDICTION[kind]), encode)
    )


@pytest.fixture(scope="module")
def picture():
    return torch.rand(1, 32, 48, 3, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("kind", ["sd15", "sd2"])
def test_no_prompt_is_the_encoded_empty_text_both_ways(kind, picture):
    encoder = Encoder(kind)
    result = api.edit(model(kind, encoder), picture, POINTS, settings=OPEN)
    assert set(encoder.asked) == {""}
    empty = encoder.of("")
    assert torch.equal(result.inversion.conditioning.context, empty.context)

    # The same said by hand: a model without an encoder of its own, told that embedding on both ways.
    said = model(kind, lambda prompt: empty)
    by_hand = api.edit(said, picture, POINTS, "any", source_prompt="any", settings=OPEN)
    assert torch.equal(result.inversion.trajectory, by_hand.inversion.trajectory)
    assert torch.equal(result.image, by_hand.image)

    zeros = api.edit(model(kind), picture, POINTS, settings=OPEN)
    assert zeros.inversion.conditioning is None
    assert not torch.equal(result.inversion.trajectory, zeros.inversion.trajectory)
    assert not torch.equal(result.image, zeros.image)


def test_a_missing_negative_is_the_empty_text(picture):
    encoder = Encoder("sd15")
    spoken = model("sd15", encoder)
    guided = api.edit(spoken, picture, POINTS, "a cat", guidance=3.0, settings=OPEN)
    assert "" in encoder.asked
    written = model("sd15", lambda prompt: encoder.of("") if prompt == "nothing" else encoder.of(prompt))
    assert torch.equal(guided.image, api.edit(written, picture, POINTS, "a cat", "nothing", 3.0, settings=OPEN).image)


def test_sdxl_keeps_its_zeros(picture):
    encoder = Encoder("sdxl")
    result = api.edit(model("sdxl", encoder), picture, POINTS, settings=OPEN)
    assert not encoder.asked and result.inversion.conditioning is None
    assert torch.equal(result.image, api.edit(model("sdxl"), picture, POINTS, settings=OPEN).image)


def test_steps_by_hand_are_the_edit(picture):
    spoken = model("sd15", Encoder("sd15"))
    source = api.invert(spoken, picture, settings=OPEN)
    moved = api.move(source, api.find(source, POINTS, OPEN), OPEN)
    edited = api.edit(spoken, picture, POINTS, settings=OPEN)
    assert torch.equal(api.sample(spoken, source, moved, settings=OPEN), edited.image)


def test_a_cost_is_told_without_the_text_encoder(picture):
    encoder = Encoder("sd15")
    assert "evaluations" in str(api.cost(model("sd15", encoder), picture, OPEN)) and not encoder.asked


def test_a_model_less_its_encoder_gives_what_it_gave(picture):
    """The way back to the pictures of before: zeros."""
    spoken = model("sd15", Encoder("sd15"))
    silent = api.Model(dataclasses.replace(spoken.components, encode=None))
    assert torch.equal(
        api.edit(silent, picture, POINTS, settings=OPEN).image,
        api.edit(model("sd15"), picture, POINTS, settings=OPEN).image,
    )
