"""Sampling back: what is read, what is kept, what is refused."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from core.attention.plan import CapturePlan
from core.attention.tokens import TokenInjector
from core.diffusion.dragged import DraggedLatent, apply
from core.diffusion.inversion import Inversion, invert
from core.diffusion.kept import Kept
from core.diffusion.sampling import SampleSettings, check_sigmas, sample
from core.errors import InputError
from core.motion.field import plan_movement
from core.space.grid import Grid
from tests.core.builders import box, drags, normal, uniform
from tests.core.toy_unet import LAYERS, Spy, ToyUNet, latent, sigmas

SIZE = (8, 10)
GRID = Grid.padded(SIZE[0] * 8, SIZE[1] * 8)
FREE = SampleSettings(source_attention="off", hold_element=0.0)
EVERYWHERE = torch.ones(1, *SIZE)


def inverted(storage: str = "cpu", batch: int = 1, steps: int = 6, **options) -> Inversion:
    return invert(ToyUNet(), latent(batch, SIZE), sigmas(steps), CapturePlan(storage=storage), **options)


def dragged(inversion: Inversion, *pairs) -> DraggedLatent:
    """A box of cells, rows 2..4 and columns 2..4, dragged."""
    points = drags(GRID, *(pairs or [((3.5, 3.5), (6.5, 4.0))]))
    scores = torch.ones(inversion.batch, len(points), *SIZE)
    mask = box(GRID, 2, 2, 5, 5).expand(inversion.batch, -1, -1)
    return apply(inversion, plan_movement(scores, mask, GRID, points), inversion.clean)


def error(got: torch.Tensor, expected: torch.Tensor) -> float:
    return float((got - expected).norm() / expected.norm())


# ---- without a drag


def test_a_free_sampling_is_ddim():
    inversion = inverted()
    net, x = ToyUNet(), inversion.noisy + 0.1 * normal(1, 4, *SIZE)
    expected = x
    levels = inversion.sigmas.tolist()
    for sigma, sigma_next in zip(levels, levels[1:], strict=False):
        clean = net.denoise(expected, sigma)
        noise = (expected - clean) / sigma
        expected = clean + sigma_next * noise
    got = sample(net, inversion, x, None, None, FREE)
    assert torch.allclose(got, expected, atol=1e-4)


KEPT = SampleSettings(source_attention="replace", hold_element=1.0)


@pytest.mark.parametrize("settings", [SampleSettings(), FREE, KEPT])
def test_a_zero_drag_gives_the_plain_round_trip(settings):
    inversion = inverted(steps=8)
    drag = dragged(inversion, ((3.5, 3.5), (3.5, 3.5)))
    start = drag.at(inversion, 0)
    assert torch.allclose(start, inversion.noisy, atol=1e-5)
    got = sample(ToyUNet(), inversion, start, drag, EVERYWHERE, settings)
    plain = sample(ToyUNet(), inversion, inversion.noisy, None, EVERYWHERE, settings)
    assert torch.allclose(got, plain, atol=1e-4)
    # And with its own region, which is empty, the source itself.
    assert torch.equal(sample(ToyUNet(), inversion, start, drag, None, settings), inversion.clean)


def test_no_drag_closes_the_round_trip_with_the_default_settings():
    """Reading the source's keys and values changes nothing where they are the latent's own."""
    inversion = invert(ToyUNet(), latent(1, SIZE), sigmas(25), CapturePlan(storage="cpu"), refinements=3)
    for mode in ("extend", "replace", "off"):
        got = sample(ToyUNet(), inversion, inversion.noisy, None, None, SampleSettings(source_attention=mode))
        assert error(got, inversion.clean) < 0.01


# ---- background


def test_outside_the_region_it_is_the_stored_clean_latent_exactly():
    inversion = inverted(batch=2)
    drag = dragged(inversion)
    got = sample(ToyUNet(), inversion, drag.at(inversion, 0), drag)
    outside = (drag.movement.free == 0)[:, None].expand_as(got)
    assert 0 < int(outside.sum()) < outside.numel()
    assert torch.equal(got[outside], inversion.clean[outside])
    assert error(got[~outside], inversion.clean[~outside]) > 0.05


def test_at_every_step_the_model_sees_the_stored_background():
    spy = Spy(ToyUNet())
    inversion = inverted()
    drag = dragged(inversion)
    outside = (drag.movement.free == 0)[:, None].expand_as(inversion.clean)
    seen = []
    settings = SampleSettings(hold_rest=0.0)
    keep = lambda index, x, _: seen.append((index, x.clone()))  # noqa: E731
    sample(spy, inversion, drag.at(inversion, 0), drag, None, settings, keep)
    assert len(spy.calls) == inversion.steps
    for index, x in seen:
        assert torch.equal(x[outside], inversion.trajectory[index + 1][outside])
    for index, call in enumerate(spy.calls):
        assert torch.allclose(call["x"][outside], inversion.trajectory[index][outside], atol=1e-5)


def test_a_soft_region_mixes_in_proportion():
    inversion = inverted(steps=1)
    x = inversion.noisy + normal(1, 4, *SIZE, seed=3)
    free = sample(ToyUNet(), inversion, x, None, EVERYWHERE, FREE)
    region = uniform(1, *SIZE)
    got = sample(ToyUNet(), inversion, x, None, region, FREE)
    assert torch.allclose(got, region[:, None] * free + (1 - region[:, None]) * inversion.clean, atol=1e-5)


def test_a_noise_mask_limits_what_may_change():
    limit = torch.zeros(1, SIZE[0] * 8, SIZE[1] * 8)
    limit[:, :, : 5 * 8] = 1
    # The cell in column 5 is half inside.
    limit[:, :, 5 * 8 : 5 * 8 + 4] = 1
    inversion = inverted(noise_mask=limit)
    x = inversion.noisy + normal(1, 4, *SIZE, seed=3)
    got = sample(ToyUNet(), inversion, x, None, None, FREE)
    assert torch.equal(got[..., 6:], inversion.clean[..., 6:])
    assert error(got[..., :5], inversion.clean[..., :5]) > 0.05
    unlimited = sample(ToyUNet(), dataclasses.replace(inversion, noise_mask=None), x, None, None, FREE)
    assert not torch.allclose(unlimited[..., 6:], inversion.clean[..., 6:], atol=0.05)
    # Of region and limit, both must allow a change.
    region = torch.zeros(1, *SIZE)
    region[:, :, 3:] = 1
    got = sample(ToyUNet(), inversion, x, None, region, FREE)
    assert torch.equal(got[..., :3], inversion.clean[..., :3]) and torch.equal(got[..., 6:], inversion.clean[..., 6:])
    assert not torch.allclose(got[..., 3:5], inversion.clean[..., 3:5], atol=0.05)


# ---- preservation


def test_preserved_wholly_the_element_arrives_as_it_was():
    inversion = inverted()
    drag = dragged(inversion)
    arrived = (drag.movement.arriving > 0.999)[:, None].expand_as(inversion.clean)
    assert arrived.any()
    whole = sample(ToyUNet(), inversion, drag.at(inversion, 0), drag, None, SampleSettings(hold_element=1.0))
    assert torch.allclose(whole[arrived], drag.clean[arrived], atol=1e-5)
    none = sample(ToyUNet(), inversion, drag.at(inversion, 0), drag, None, SampleSettings(hold_element=0.0))
    assert not torch.allclose(none[arrived], drag.clean[arrived], atol=1e-2)


@pytest.mark.parametrize("preserve", [0.0, 0.5, 1.0])
def test_the_share_preserved_is_of_the_steps_from_the_noisy_end(preserve):
    inversion = inverted(steps=6)
    drag = dragged(inversion)
    arrived = (drag.movement.arriving > 0.999)[:, None].expand_as(inversion.clean)
    follows = []

    def look(index, x, _):
        expected = drag.at(inversion, index + 1)
        follows.append(torch.allclose(x[arrived], expected[arrived], atol=1e-4))

    sample(ToyUNet(), inversion, drag.at(inversion, 0), drag, None, SampleSettings(hold_element=preserve), look)
    assert follows == [index < preserve * 6 for index in range(6)]


@pytest.mark.parametrize("hold", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("preserve", [0.0, 1.0])
def test_the_vacated_area_and_the_seam_are_held_for_a_share_of_the_steps(hold, preserve):
    inversion = inverted(steps=6)
    drag = dragged(inversion)
    move = drag.movement
    fully = ((move.arriving == 0) & (move.free > 0))[:, None].expand_as(inversion.clean)
    assert (move.vacated > 0.999).any() and ((move.free > 0) & (move.vacated == 0) & (move.arriving == 0)).any()
    held = []

    def look(index, x, _):
        expected = drag.at(inversion, index + 1)
        # A cell at the region's border is mixed with the stored background, which is what was put there, too.
        held.append(torch.allclose(x[fully], expected[fully], atol=1e-3))

    settings = SampleSettings(hold_rest=hold, hold_element=preserve)
    sample(ToyUNet(), inversion, drag.at(inversion, 0), drag, EVERYWHERE, settings, look)
    assert held == [index < hold * 6 for index in range(6)]


def test_steps_in_which_all_is_held_are_not_evaluated_and_would_change_nothing(monkeypatch):
    inversion = inverted(steps=6)
    drag = dragged(inversion)
    results, calls = [], []
    for skipping in (True, False):
        if not skipping:
            monkeypatch.setattr(Kept, "known", lambda *_: None)
        spy = Spy(ToyUNet())
        results.append(sample(spy, inversion, drag.at(inversion, 0), drag))
        calls.append(len(spy.calls))
    assert calls == [2, 6]
    assert torch.equal(*results)


def test_a_wider_region_is_sampled_at_every_step():
    inversion = inverted(steps=6)
    drag, spy = dragged(inversion), Spy(ToyUNet())
    sample(spy, inversion, drag.at(inversion, 0), drag, EVERYWHERE)
    assert len(spy.calls) == 6


# ---- consistency


def reads(inversion: Inversion, settings: SampleSettings, batch: int = 1) -> list[dict]:
    spy = Spy(ToyUNet())
    x = inversion.noisy + 0.2 * normal(*inversion.clean.shape, seed=4)
    sample(spy, inversion, x, None, None, settings)
    return [call for call in spy.calls if not torch.equal(call["x"], inversion.trajectory[_at(inversion, call)])]


def _at(inversion: Inversion, call: dict) -> int:
    return inversion.sigmas.tolist().index(call["sigma"])


@pytest.mark.parametrize("storage", ["cpu", "device", "recompute"])
@pytest.mark.parametrize("refinements", [0, 2])
def test_the_tokens_read_at_each_step_are_those_captured_at_its_noise_level(storage, refinements):
    inversion = inverted(storage, batch=2, refinements=refinements)
    captured = inverted("cpu", batch=2, refinements=12).tokens
    for index, call in enumerate(reads(inversion, SampleSettings(source_attention="replace"))):
        assert call["sigma"] == float(inversion.sigmas[index])
        for layer in LAYERS:
            read = call["read"][layer.name]
            if inversion.tokens is not None:
                assert torch.equal(read, inversion.tokens[index][layer.name].float())
            # No other level's tokens are as near.
            distance = [error(step[layer.name].float(), read) for step in captured]
            assert min(range(len(distance)), key=distance.__getitem__) == index
    assert index == inversion.steps - 1


def test_recomputed_tokens_equal_stored_ones_up_to_half_precision():
    """Exactly so where the inversion is refined: then the trajectory is what was evaluated."""
    stored = invert(ToyUNet(), latent(2, SIZE), sigmas(8), CapturePlan(storage="cpu"), refinements=15)
    recomputed = dataclasses.replace(stored, tokens=None)
    settings = SampleSettings(source_attention="replace")
    for one, other in zip(reads(stored, settings), reads(recomputed, settings), strict=True):
        for layer in LAYERS:
            assert torch.allclose(one["read"][layer.name], other["read"][layer.name], atol=5e-3)
    x = stored.noisy + 0.2 * normal(2, 4, *SIZE, seed=4)
    one, other = (sample(ToyUNet(), kept, x, None, None, settings) for kept in (stored, recomputed))
    assert error(one, other) < 5e-3


@pytest.mark.parametrize("storage", ["cpu", "recompute"])
def test_replace_and_extend(storage):
    inversion = inverted(storage)
    for mode in ("replace", "extend", "off"):
        for call in reads(inversion, SampleSettings(source_attention=mode)):
            for layer in LAYERS:
                own, read = call["tokens"][layer.name], call["read"][layer.name]
                if mode == "off":
                    assert torch.equal(read, own)
                elif mode == "extend":
                    assert torch.equal(read[:, : own.shape[1]], own)
                    assert read.shape[1] == 2 * own.shape[1]
                    assert not torch.allclose(read[:, own.shape[1] :], own, atol=1e-2)
                else:
                    assert read.shape == own.shape and not torch.allclose(read, own, atol=1e-2)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_share_of_consistent_steps_counts_from_the_noisy_end(share):
    calls = reads(inverted(steps=6), SampleSettings(source_attention="replace", source_attention_share=share))
    changed = [not torch.equal(call["read"]["up.0"], call["tokens"]["up.0"]) for call in calls]
    assert changed == [index < share * 6 for index in range(6)]


def test_only_the_captured_layers_are_changed():
    inversion = invert(ToyUNet(), latent(1, SIZE), sigmas(3), CapturePlan(storage="cpu", source_sides=("up",)))
    for call in reads(inversion, SampleSettings(source_attention="replace")):
        changed = {name for name in call["read"] if not torch.equal(call["read"][name], call["tokens"][name])}
        assert changed == {"up.0", "up.1"}


def test_recomputing_costs_one_evaluation_a_step_and_only_where_it_is_used():
    for storage, share, expected in (("cpu", 1.0, 6), ("recompute", 1.0, 12), ("recompute", 0.5, 9), ("off", 1.0, 6)):
        spy = Spy(ToyUNet())
        inversion = inverted(storage)
        sample(spy, inversion, inversion.noisy, None, None, SampleSettings(source_attention_share=share))
        assert len(spy.calls) == expected


def test_every_conditioning_of_a_batch_reads_its_own_images_source():
    layer = LAYERS[0]
    source, tokens = normal(2, 12, 16), normal(4, 12, 16, seed=1)
    replaced = TokenInjector({layer.name: source.half()}, "replace").tokens(layer, tokens, slice(0, 2))
    # Two conditionings of two images: [first 0, first 1, second 0, second 1].
    assert torch.equal(replaced, torch.cat([source, source]).half().float())
    extended = TokenInjector({layer.name: source.half()}, "extend").tokens(layer, tokens, slice(2, 4))
    assert torch.equal(extended, torch.cat([tokens, replaced], 1))
    assert replaced.dtype == tokens.dtype


def test_a_layer_at_another_size_keeps_its_own_tokens():
    injector = TokenInjector({"down.0": normal(2, 12, 16)}, "replace")
    assert injector.tokens(LAYERS[0], normal(2, 9, 16), slice(0, 2)) is None
    assert injector.tokens(LAYERS[0], normal(3, 12, 16), slice(0, 3)) is None
    assert injector.tokens(LAYERS[1], normal(2, 12, 24), slice(0, 2)) is None
    assert not injector.wants_projections(LAYERS[0])


# ---- steps, errors, leftovers


def test_steps_are_reported_with_latent_and_clean_estimate():
    inversion = inverted()
    seen = []
    got = sample(ToyUNet(), inversion, inversion.noisy, None, None, FREE, lambda *step: seen.append(step))
    assert [index for index, _, _ in seen] == list(range(6))
    assert torch.equal(seen[-1][1], got)
    # The last step goes all the way to the clean estimate.
    assert torch.allclose(seen[-1][1], seen[-1][2], atol=1e-5)


def test_the_input_is_left_alone_and_half_precision_is_sampled_in_float32():
    inversion = inverted()
    x = inversion.noisy.half()
    kept = x.clone()
    got = sample(ToyUNet(), inversion, x, None)
    assert torch.equal(x, kept) and got.dtype == torch.float32


class Stop(Exception):
    """Raised as an interrupt."""


@pytest.mark.parametrize("storage", ["cpu", "recompute"])
def test_an_interrupt_gets_through_and_changes_neither_inversion_nor_model(storage):
    net, inversion = ToyUNet(), inverted(storage)
    drag = dragged(inversion)
    trajectory = inversion.trajectory.clone()
    tokens = [{name: value.clone() for name, value in step.items()} for step in inversion.tokens or ()]
    state = {name: value.clone() for name, value in net.state_dict().items()}
    before = net.denoise(inversion.noisy, 1.0)
    whole = sample(net, inversion, drag.at(inversion, 0), drag)

    def stop(index, *_):
        if index == 2:
            raise Stop

    with pytest.raises(Stop):
        sample(net, inversion, drag.at(inversion, 0), drag, on_step=stop)
    assert torch.equal(inversion.trajectory, trajectory)
    for step, kept in zip(inversion.tokens or (), tokens, strict=True):
        assert all(torch.equal(step[name], kept[name]) for name in kept)
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    assert torch.equal(net.denoise(inversion.noisy, 1.0), before)
    assert torch.equal(sample(net, inversion, drag.at(inversion, 0), drag), whole)


def test_images_of_a_batch_do_not_mix():
    inversion = inverted(batch=2)
    drag = dragged(inversion)
    whole = sample(ToyUNet(), inversion, drag.at(inversion, 0), drag)
    alone = invert(ToyUNet(), latent(2, SIZE)[:1], sigmas(6), CapturePlan(storage="cpu"))
    lone_drag = dragged(alone)
    got = sample(ToyUNet(), alone, lone_drag.at(alone, 0), lone_drag)
    # Fresh noise of a batch begins with that of its first image.
    assert torch.allclose(whole[:1], got, atol=2e-2)


@pytest.mark.parametrize("shape", [(1, 4, 8, 9), (2, 4, 8, 10), (1, 3, 8, 10), (4, 8, 10)])
def test_another_latents_shape_is_refused(shape):
    inversion = inverted()
    with pytest.raises(InputError) as caught:
        sample(ToyUNet(), inversion, torch.zeros(shape), None)
    assert caught.value.input == "latent"
    assert str(shape) in str(caught.value) and "(1, 4, 8, 10)" in str(caught.value)


@pytest.mark.parametrize("shape", [(1, 8, 9), (3, 8, 10), (8, 10, 1), (1, 64, 80)])
def test_another_regions_shape_is_refused(shape):
    inversion = inverted(batch=2)
    with pytest.raises(InputError) as caught:
        sample(ToyUNet(), inversion, inversion.noisy, None, torch.ones(shape))
    assert caught.value.input == "free"


def test_another_latents_drag_is_refused():
    drag = dragged(inverted(batch=2))
    inversion = inverted()
    for call in (
        lambda: sample(ToyUNet(), inversion, inversion.noisy, drag),
        lambda: apply(inversion, drag.movement, inversion.clean),
    ):
        with pytest.raises(InputError) as caught:
            call()
        assert "10x8" in str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_latent_that_is_not_finite_is_refused(value):
    inversion = inverted()
    x = inversion.noisy.clone()
    x[0, 0, 0, 0] = value
    with pytest.raises(InputError) as caught:
        sample(ToyUNet(), inversion, x, None)
    assert caught.value.input == "latent"


def test_a_model_that_overflows_is_named():
    class Overflowing(ToyUNet):
        def denoise(self, x, sigma, hooks=None):
            return super().denoise(x, sigma, hooks) * float("nan")

    inversion = inverted()
    with pytest.raises(InputError) as caught:
        sample(Overflowing(), inversion, inversion.noisy, None)
    assert caught.value.input == "model"


def test_sampling_must_run_over_the_inversions_noise_levels():
    inversion = inverted(steps=6)
    check_sigmas(inversion, sigmas(6))
    check_sigmas(inversion, sigmas(6).double() * (1 + 1e-6))
    for bad in (sigmas(5), sigmas(7), sigmas(6, 0.5), sigmas(6)[:-1], sigmas(6) * 1.01, sigmas(6).flip(0)):
        with pytest.raises(InputError) as caught:
            check_sigmas(inversion, bad)
        assert caught.value.input == "sigmas" and "6 steps" in str(caught.value)


def test_no_sigmas_at_all_are_refused():
    with pytest.raises(InputError):
        check_sigmas(inverted(steps=2), torch.zeros(0))


@pytest.mark.parametrize("name", ["hold_element", "hold_rest", "source_attention_share"])
@pytest.mark.parametrize("value", [-0.01, 1.01, float("nan")])
def test_shares_out_of_range_are_refused(name, value):
    with pytest.raises(InputError) as caught:
        SampleSettings(**{name: value})
    assert caught.value.input == name and str(value) in str(caught.value)
