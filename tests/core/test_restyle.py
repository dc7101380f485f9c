"""Two prompts: one describes the picture, both ways; one restyles what may change, on the way back alone."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from core import api, cli
from core import edit as stations
from core.attention.plan import CapturePlan
from core.attention.tokens import TokenRecorder
from core.diffusion.sampling import SampleSettings
from core.errors import InputError
from core.settings import EditSettings
from tests.core.test_null_prompt import OPEN, POINTS, Encoder, model

WORDS = {"restyle": "a dog in snow", "negative_prompt": "blurred", "guidance": 3.0}
FREE = SampleSettings(hold_element=0.0, hold_rest=0.0)


@pytest.fixture(scope="module")
def picture():
    return torch.rand(1, 32, 48, 3, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def spoken():
    return model("sd15", Encoder("sd15"))


def test_restyling_leaves_the_way_in_to_the_describing_prompt(spoken, picture):
    plain = api.edit(spoken, picture, POINTS, "a cat", settings=OPEN)
    restyled = api.edit(spoken, picture, POINTS, "a cat", settings=OPEN, **WORDS)
    assert torch.equal(restyled.inversion.trajectory, plain.inversion.trajectory)
    assert torch.equal(restyled.inversion.conditioning.context, Encoder("sd15").of("a cat").context)
    assert not torch.equal(restyled.image, plain.image)
    by_hand = api.edit(spoken, picture, POINTS, "a dog in snow", "blurred", 3.0, source_prompt="a cat", settings=OPEN)
    assert torch.equal(restyled.image, by_hand.image), "it is the way back's prompt"


def test_steps_by_hand_are_the_edit(spoken, picture):
    source = api.invert(spoken, picture, "a cat", OPEN)
    moved = api.move(source, api.find(source, POINTS, OPEN), OPEN)
    image = api.sample(spoken, source, moved, "a cat", settings=OPEN, **WORDS)
    assert torch.equal(image, api.edit(spoken, picture, POINTS, "a cat", settings=OPEN, **WORDS).image)


def one_step(spoken, picture, free: torch.Tensor, **words) -> tuple[torch.Tensor, torch.Tensor]:
    """The latent after one step of the way back from a changed start, and the source's."""
    settings = EditSettings(steps=1, strength=1.0, sample=FREE)
    source = api.invert(spoken, picture, "a cat", settings)
    host = spoken.host("a cat", **words)
    start = source.inversion.noisy + 0.3
    return stations.sample(host, source.inversion, None, settings, start, free), source.inversion.clean


def test_guidance_and_restyling_act_by_each_cells_free_share(spoken, picture):
    """Nothing outside, all of it in free cells, and between as much as the share says."""
    free = torch.tensor([0.0, 0.25, 0.5, 1.0, 1.0, 0.0])[None, None].expand(1, 4, 6)
    got, source = one_step(spoken, picture, free, **WORDS)
    everywhere, _ = one_step(spoken, picture, torch.ones_like(free), **WORDS)
    plain, _ = one_step(spoken, picture, free)
    assert not torch.allclose(everywhere, one_step(spoken, picture, torch.ones_like(free))[0], atol=1e-2)
    torch.testing.assert_close(got, free[:, None] * everywhere + (1 - free[:, None]) * source)
    for still in (0, 5):
        assert torch.equal(got[..., still], source[..., still]) and torch.equal(plain[..., still], source[..., still])


def test_over_all_steps_nothing_is_seen_of_it_outside(spoken, picture):
    source = api.invert(spoken, picture, "a cat", OPEN)
    mask = torch.zeros(32, 48)
    mask[8:16, 8:16] = 1
    moved = api.move(source, api.find(source, [((0.25, 0.375), (0.4, 0.375))], OPEN, mask), OPEN)
    latent = stations.sample(spoken.host("a cat", **WORDS), source.inversion, moved, OPEN)
    outside = (moved.movement.free == 0)[:, None].expand_as(latent)
    assert 0 < outside.float().mean() < 1
    assert torch.equal(latent[outside], source.inversion.clean[outside])


def test_what_attention_reads_is_the_sources_whatever_restyles(spoken, picture):
    """Keys and values evaluated anew are those of the inversion's prompt, without guidance, to the bit."""
    settings = EditSettings(steps=6, strength=0.5, sample=FREE, capture=CapturePlan(storage="recompute"))
    inversion = api.invert(spoken, picture, "a cat", settings).inversion
    host, start = spoken.host("a cat", **WORDS), inversion.noisy + 0.3

    def told(prompt: str) -> tuple[dict[str, torch.Tensor], ...]:
        steps = []
        for x, sigma in zip(inversion.trajectory[:-1], inversion.sigmas[:-1], strict=True):
            recorder = TokenRecorder(frozenset(inversion.source_layers), inversion.latent_size)
            spoken._told(Encoder("sd15").of(prompt)).denoise(x, float(sigma), recorder)
            steps.append(recorder.kept)
        return tuple(steps)

    def latent(tokens) -> torch.Tensor:
        kept = dataclasses.replace(inversion, tokens=tokens)
        return stations.sample(host, kept, None, settings, start, torch.ones(1, 4, 6))

    recomputed = latent(None)
    assert torch.equal(recomputed, latent(told("a cat")))
    assert (recomputed - latent(told("a dog in snow"))).abs().max() > 1e-3


def test_without_a_text_encoder_it_is_named(picture):
    with pytest.raises(InputError, match="restyle: 'a dog', but the model came without a text encoder"):
        api.edit(model("sd15"), picture, POINTS, restyle="a dog", settings=OPEN)


def test_the_command_line_hands_it_on(monkeypatch, tmp_path, spoken, picture):
    monkeypatch.setattr(api, "load", lambda *_: spoken)
    api.save_image(picture, tmp_path / "a.png")

    def run(out: str, *more: str) -> torch.Tensor:
        line = ["any", str(tmp_path / "a.png"), "--out", str(tmp_path / out), "--drag=0.25,0.375,0.6,0.375"]
        settings = ["--steps=4", "--strength=0.5", "--tau=0.5", "--hold-element=0", "--hold-rest=0"]
        assert cli.main([*line, *settings, "--prompt=a cat", *more]) == 0
        return api.read_image(tmp_path / out / "a.png.dragged.png")

    plain, restyled = run("plain"), run("restyled", "--restyle=a dog in snow", "--guidance=3")
    by_hand = run("by hand", "--source-prompt=a cat", "--prompt=a dog in snow", "--guidance=3")
    assert torch.equal(restyled, by_hand) and not torch.equal(restyled, plain)
