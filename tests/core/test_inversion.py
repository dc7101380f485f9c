"""Inversion against closed forms, and against what the network really saw."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from core.attention.plan import CapturePlan
from core.diffusion import schedule
from core.diffusion.inversion import Inversion, invert
from core.diffusion.sampling import SampleSettings, sample
from core.errors import InputError
from tests.core.toy_unet import LAYERS, SIGMAS, Spy, ToyUNet, latent, sigmas

LEAN = CapturePlan(storage="off")
FREE = SampleSettings(source_attention="off", hold_element=0.0)
MEAN = torch.tensor([0.5, -1.0, 0.0, 2.0])[:, None, None]
VARIANCE = torch.tensor([1.0, 0.25, 3.0, 0.6])[:, None, None]


class Gaussian(ToyUNet):
    """The exact denoiser of Gaussian data with a mean and a variance of its own in each channel.

    Attention runs where the inversion records it, but has no say.
    """

    def denoise(self, x: torch.Tensor, sigma: float, hooks=None) -> torch.Tensor:
        if hooks is not None and any(hooks.wants_projections(layer) for layer in self.layers):
            self.network(x / math.sqrt(1 + sigma**2), sigma, hooks)
        return MEAN + VARIANCE / (VARIANCE + sigma**2) * (x - MEAN)


def error(got: torch.Tensor, expected: torch.Tensor) -> float:
    return float((got - expected).norm() / expected.norm())


def plain_gaussian(x: torch.Tensor, levels: list[float], prediction: str) -> list[torch.Tensor]:
    """DDIM inversion of Gaussian data in the variance-preserving textbook form, step by step, in float64."""
    x, found = x.double(), [x.double()]
    mean, variance = MEAN.double(), VARIANCE.double()
    z = x
    for sigma, sigma_next in zip(levels, levels[1:], strict=False):
        alpha, alpha_next = 1 / (1 + sigma**2), 1 / (1 + sigma_next**2)
        # Network at the next timestep, on the present latent.
        clean = mean + variance / (variance + sigma_next**2) * (z / math.sqrt(alpha_next) - mean)
        eps = (z - math.sqrt(alpha_next) * clean) / math.sqrt(1 - alpha_next)
        if prediction == "v":
            velocity = math.sqrt(alpha_next) * eps - math.sqrt(1 - alpha_next) * clean
            eps = math.sqrt(alpha) * velocity + math.sqrt(1 - alpha) * z
        present = (z - math.sqrt(1 - alpha) * eps) / math.sqrt(alpha)
        z = math.sqrt(alpha_next) * present + math.sqrt(1 - alpha_next) * eps
        found.append(z / math.sqrt(alpha_next))
    return found


@pytest.mark.parametrize("prediction", ["epsilon", "v"])
@pytest.mark.parametrize(("steps", "strength"), [(10, 1.0), (20, 0.5), (1, 1.0)])
def test_plain_inversion_of_gaussian_data_is_the_textbooks(prediction, steps, strength):
    levels = sigmas(steps, strength)
    x = latent(2)
    got = invert(Gaussian(prediction=prediction), x, levels, LEAN, guess_from="present")
    expected = plain_gaussian(x, levels.flip(0).double().tolist(), prediction)
    assert len(got.trajectory) == len(expected) == len(levels)
    for mine, theirs in zip(got.trajectory.flip(0), expected, strict=True):
        assert error(mine.double(), theirs) < 1e-5
    assert torch.equal(got.clean, x)
    assert got.noisy is not None and torch.equal(got.noisy, got.trajectory[0])


@pytest.mark.parametrize("prediction", ["epsilon", "v"])
def test_with_many_steps_it_follows_the_probability_flow(prediction):
    """Its exact solution for Gaussian data: x - mean grows by sqrt((v + sigma^2) / v)."""
    x, errors = latent(), []
    for steps in (20, 80, 320):
        levels = sigmas(steps)
        got = invert(Gaussian(prediction=prediction), x, levels, LEAN).noisy
        exact = MEAN + (x - MEAN) * ((VARIANCE + levels[0] ** 2) / VARIANCE).sqrt()
        errors.append(error(got, exact))
    assert errors[-1] < 0.02
    # A first-order method: a fourth of the step, about a fourth of the error.
    assert errors[1] < 0.45 * errors[0] and errors[2] < 0.45 * errors[1]


@pytest.mark.parametrize("prediction", ["epsilon", "v"])
def test_refined_inversion_solves_the_implicit_equation(prediction):
    levels = sigmas(12, 0.6)
    x = latent()
    expected = x.double()
    ascending = levels.flip(0).double().tolist()
    for sigma, sigma_next in zip(ascending, ascending[1:], strict=False):
        # x' = x + (s' - s) s' (x' - m) / (v + s'^2), solved for x'.
        rate = (sigma_next - sigma) * sigma_next / (VARIANCE.double() + sigma_next**2)
        expected = (expected - rate * MEAN.double()) / (1 - rate)
    got = invert(Gaussian(prediction=prediction), x, levels, LEAN, refinements=25)
    assert error(got.noisy.double(), expected) < 1e-4
    assert got.evaluations == 12 * 0.6 // 1 * 26


def round_trip(denoiser, levels, refinements: int, guess_from="extrapolate") -> float:
    x = latent()
    inversion = invert(denoiser, x, levels, LEAN, refinements, guess_from=guess_from)
    return error(sample(denoiser, inversion, inversion.noisy, None, None, FREE), x)


@pytest.mark.parametrize("prediction", ["epsilon", "v"])
def test_the_round_trip_closes_and_refinements_close_it_further(prediction):
    denoiser, levels = ToyUNet(prediction=prediction), sigmas(50)
    plain, one, several = (round_trip(denoiser, levels, refinements) for refinements in (0, 1, 3))
    assert plain < 0.005
    assert one < plain / 4
    assert several < plain / 50


@pytest.mark.parametrize("prediction", ["epsilon", "v"])
def test_extrapolation_closes_the_round_trip_further_than_plain_inversion_at_no_cost(prediction):
    denoiser, levels = ToyUNet(prediction=prediction), sigmas(50)
    assert round_trip(denoiser, levels, 0) < round_trip(denoiser, levels, 0, "present") / 4


def test_fewer_steps_drift_more_without_refinement():
    """What the round trip measures is the method's error, not a way to put the source back."""
    assert round_trip(ToyUNet(), sigmas(10), 0) > 1.5 * round_trip(ToyUNet(), sigmas(50), 0) > 0


@pytest.mark.parametrize("refinements", [0, 2])
def test_each_step_evaluates_at_the_next_noise_level(refinements):
    spy = Spy(ToyUNet())
    levels = sigmas(6)
    got = invert(spy, latent(), levels, LEAN, refinements)
    expected = [float(sigma) for sigma in levels[:-1].flip(0) for _ in range(refinements + 1)]
    assert [call["sigma"] for call in spy.calls] == expected
    assert got.evaluations == len(spy.calls)


@pytest.mark.parametrize("storage", ["cpu", "device", "auto"])
@pytest.mark.parametrize("refinements", [0, 2])
def test_tokens_are_those_of_the_evaluation_at_the_same_noise_level(storage, refinements):
    spy = Spy(ToyUNet())
    levels = sigmas(5)
    got = invert(spy, latent(2, (9, 7)), levels, CapturePlan(storage=storage), refinements)
    assert len(got.tokens) == got.steps == 5
    for index in range(5):
        last = [call for call in spy.calls if call["sigma"] == float(levels[index])][-1]
        assert set(got.tokens[index]) == {layer.name for layer in LAYERS}
        for name, tokens in got.tokens[index].items():
            assert torch.equal(tokens, last["tokens"][name].half())
    # The levels can be told apart at all.
    first, second = got.tokens[0]["up.0"], got.tokens[1]["up.0"]
    assert error(first.float(), second.float()) > 0.01


def test_refined_tokens_come_from_a_latent_at_the_level_itself():
    """With the implicit equation solved, sampling evaluates on the very latents that were captured."""
    spy = Spy(ToyUNet())
    got = invert(spy, latent(), sigmas(8), CapturePlan(storage="cpu"), refinements=12)
    for index in range(got.steps):
        fresh = Spy(ToyUNet())
        fresh.denoise(got.trajectory[index], float(got.sigmas[index]))
        for name, tokens in got.tokens[index].items():
            assert error(tokens.float(), fresh.calls[0]["tokens"][name]) < 2e-3


def test_only_the_chosen_layers_are_kept():
    got = invert(ToyUNet(), latent(), sigmas(3), CapturePlan(source_sides=("up",), storage="cpu"))
    assert [layer.name for layer in got.source_layers] == ["up.1", "up.0"]
    assert all(set(step) == {"up.1", "up.0"} for step in got.tokens)
    assert got.layers == LAYERS


@pytest.mark.parametrize("storage", ["off", "recompute"])
def test_nothing_is_kept_that_was_not_asked_for(storage):
    got = invert(ToyUNet(), latent(), sigmas(3), CapturePlan(storage=storage))
    assert got.tokens is None
    assert bool(got.source_layers) == (storage == "recompute")


def test_the_correlation_is_read_at_the_planned_steps_only():
    plan = CapturePlan(noise_range=(0.2, 0.8), map_steps=2)
    net = ToyUNet()
    wanted = []

    class Asking(Spy):
        def denoise(self, x, sigma, hooks=None):
            wanted.append(hooks is not None and any(hooks.wants_projections(layer) for layer in LAYERS))
            return super().denoise(x, sigma, hooks)

    invert(Asking(net), latent(), sigmas(10), plan, refinements=1)
    # Two evaluations a step; the last of a chosen step reads.
    expected = [index // 2 in plan.map_indices(10) and index % 2 == 1 for index in range(20)]
    assert wanted == expected


def test_an_inversion_cannot_be_changed_and_shares_nothing_with_its_input():
    x, levels = latent(), sigmas(4)
    kept, kept_levels = x.clone(), levels.clone()
    got = invert(ToyUNet(), x, levels, CapturePlan(storage="cpu"), noise_mask=None)
    assert torch.equal(x, kept) and torch.equal(levels, kept_levels)
    for field in dataclasses.fields(Inversion):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(got, field.name, None)
    x.zero_()
    assert torch.equal(got.clean, kept)
    levels.zero_()
    assert torch.equal(got.sigmas, kept_levels)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_limit_is_a_copy(dtype):
    """What is done to the noise mask after the inversion must not reach an edit that comes later."""
    limit = torch.zeros(1, 64, 64, dtype=dtype)
    limit[:, :, :32] = 1
    kept, x = limit.clone(), latent()
    got = invert(ToyUNet(), x, sigmas(4), LEAN, noise_mask=limit)
    before = sample(ToyUNet(), got, got.noisy + 1, None, None, FREE)
    limit.fill_(1)
    assert torch.equal(got.noise_mask, kept.float()) and got.noise_mask.dtype == torch.float32
    assert torch.equal(sample(ToyUNet(), got, got.noisy + 1, None, None, FREE), before)
    assert torch.equal(before[..., 4:], got.clean[..., 4:])
    got.noise_mask.zero_()
    assert limit.min() == 1, "nor the other way"


def test_the_result_is_float32_on_the_cpu_with_its_sizes():
    got = invert(ToyUNet(), latent(3, (5, 6)), sigmas(4), CapturePlan(storage="cpu"), model_fingerprint="toy")
    assert got.trajectory.shape == (5, 3, 4, 5, 6)
    assert got.trajectory.dtype == got.sigmas.dtype == torch.float32
    assert got.trajectory.device.type == got.sigmas.device.type == "cpu"
    assert (got.steps, got.batch, got.latent_size) == (4, 3, (5, 6))
    assert torch.equal(got.sigmas, sigmas(4)) and float(got.sigmas[-1]) == 0


def test_a_half_precision_latent_is_inverted_in_float32():
    got = invert(ToyUNet(), latent().half(), sigmas(4), LEAN)
    assert got.trajectory.dtype == torch.float32
    assert torch.equal(got.trajectory, invert(ToyUNet(), latent().half().float(), sigmas(4), LEAN).trajectory)


def test_images_of_a_batch_do_not_mix():
    x = latent(3, (6, 5))
    plan = CapturePlan(storage="cpu")
    whole = invert(ToyUNet(), x, sigmas(4), plan)
    for index in range(3):
        alone = invert(ToyUNet(), x[index : index + 1], sigmas(4), plan)
        assert torch.allclose(whole.trajectory[:, index], alone.trajectory[:, 0], rtol=1e-4, atol=1e-4)
        for grid, value in alone.maps.items():
            assert torch.allclose(whole.maps[grid][index].float(), value[0].float(), atol=1e-3)
        for mine, theirs in zip(whole.tokens, alone.tokens, strict=True):
            for name, tokens in theirs.items():
                assert torch.allclose(mine[name][index].float(), tokens[0].float(), atol=1e-2)


def test_steps_are_reported_with_latent_and_clean_estimate():
    seen = []
    levels = sigmas(4)
    got = invert(ToyUNet(), latent(), levels, LEAN, 1, lambda *step: seen.append(step))
    assert [done for done, _, _ in seen] == [1, 2, 3, 4]
    for done, x, _ in seen:
        assert torch.equal(x, got.trajectory[-1 - done])
    # A clean estimate lacks the noise: near the source at every step.
    assert all(error(clean, got.clean) < error(x, got.clean) for _, x, clean in seen[1:])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_latent_that_is_not_finite_is_refused(value):
    x = latent()
    x[0, 1, 2, 3] = value
    spy = Spy(ToyUNet())
    with pytest.raises(InputError) as caught:
        invert(spy, x, sigmas(3), LEAN)
    assert caught.value.input == "latent" and not spy.calls


def test_a_model_that_overflows_is_named():
    class Overflowing(ToyUNet):
        def denoise(self, x, sigma, hooks=None):
            return super().denoise(x, sigma, hooks) * (math.nan if sigma > 2 else 1)

    with pytest.raises(InputError) as caught:
        invert(Overflowing(), latent(), sigmas(5), LEAN)
    assert caught.value.input == "model" and "float32" in caught.value.mend


def test_negative_refinements_are_refused():
    with pytest.raises(InputError) as caught:
        invert(ToyUNet(), latent(), sigmas(3), LEAN, refinements=-1)
    assert caught.value.input == "refinements" and "-1" in str(caught.value)


class Skipping(ToyUNet):
    """A host patched so that one block runs without the hooks' knowledge."""

    def network(self, scaled, sigma, hooks=None):
        class Hooks:
            def wants_projections(self, layer):
                return layer.name != "up.1" and hooks.wants_projections(layer)

            def tokens(self, layer, tokens, rows):
                return None if layer.name == "up.1" else hooks.tokens(layer, tokens, rows)

            def queries(self, *args):
                return hooks.queries(*args)

            def projections(self, *args):
                hooks.projections(*args)

        return super().network(scaled, sigma, Hooks() if hooks is not None else None)


@pytest.mark.parametrize("storage", ["cpu", "off"])
def test_a_layer_that_never_ran_is_named(storage):
    with pytest.raises(InputError) as caught:
        invert(Skipping(), latent(), sigmas(3), CapturePlan(storage=storage, sides=(), levels=(0, 1, 2)))
    assert caught.value.input == "model" and "up.1" in str(caught.value)
    assert "up.0" not in str(caught.value)


class Stop(Exception):
    """Raised as an interrupt."""


def test_an_interrupt_gets_through_and_leaves_the_model_as_it_was():
    net, x, levels = ToyUNet(), latent(), sigmas(6)
    plan = CapturePlan(storage="cpu")
    state = {name: value.clone() for name, value in net.state_dict().items()}
    before = net.denoise(x, 1.0)
    whole = invert(net, x, levels, plan)

    def stop(done, *_):
        if done == 3:
            raise Stop

    with pytest.raises(Stop):
        invert(net, x, levels, plan, on_step=stop)
    assert torch.equal(net.denoise(x, 1.0), before)
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    again = invert(net, x, levels, plan)
    assert torch.equal(again.trajectory, whole.trajectory)
    for mine, theirs in zip(again.tokens, whole.tokens, strict=True):
        assert all(torch.equal(mine[name], theirs[name]) for name in theirs)
    for grid, value in whole.maps.items():
        assert torch.equal(again.maps[grid], value)


def test_another_models_inversion_is_refused():
    got = invert(ToyUNet(), latent(), sigmas(2), LEAN, model_fingerprint="one")
    got.check_model("one")
    with pytest.raises(InputError) as caught:
        got.check_model("two")
    assert caught.value.input == "inversion"


def test_the_toy_schedule_is_the_real_one():
    """Stable Diffusion's highest and lowest noise level, as ComfyUI prints them."""
    assert float(SIGMAS[0]) == pytest.approx(0.0292, abs=1e-4)
    assert float(SIGMAS[-1]) == pytest.approx(14.6146, abs=1e-3)
    assert schedule.TRAIN_TIMESTEPS == len(SIGMAS)
