"""Recording attention, against dense attention computed naively."""

from __future__ import annotations

import math
import re
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.memory import layers_of
from core.attention import maps as recording
from core.attention import plan as planning
from core.attention.maps import MapRecorder, add_attention
from core.attention.plan import CapturePlan, plan_footprint
from core.attention.pooling import Pooling, pooled_grid
from core.attention.together import Together
from core.attention.tokens import TokenRecorder, to_storage
from core.diffusion.inversion import invert
from core.errors import InputError
from core.families import SD1, SDXL
from core.model.layers import Layer
from tests.core.toy_unet import LAYERS, Spy, ToyUNet, latent, sigmas

MIB = 1024**2


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def size_of(maps) -> int:
    return sum(value.numel() * value.element_size() for value in maps.values())


def dense(query: torch.Tensor, key: torch.Tensor, heads: int) -> torch.Tensor:
    """softmax(Q K^T / sqrt(d)) of every head, (B, heads, N, N) float64, one head and one image at a time."""
    query, key = query.double(), key.double()
    dim = query.shape[-1] // heads
    maps = []
    for image in range(len(query)):
        for head in range(heads):
            part = slice(head * dim, (head + 1) * dim)
            logits = query[image, :, part] @ key[image, :, part].T / math.sqrt(dim)
            weights = torch.exp(logits - logits.max(1, keepdim=True).values)
            maps.append(weights / weights.sum(1, keepdim=True))
    return torch.stack(maps).unflatten(0, (len(query), heads))


@pytest.mark.parametrize("merge", ["mean", "max"])
@pytest.mark.parametrize("heads", [1, 2, 8])
@pytest.mark.parametrize("count", [1, 35, 64])
@pytest.mark.parametrize("block", [1, 3000, 2**30])
def test_attention_is_the_dense_softmax(monkeypatch, merge, heads, count, block):
    monkeypatch.setattr(recording, "ROW_BLOCK_BYTES", block)
    query, key = normal(2, count, heads * 5), normal(2, count, heads * 5, seed=1)
    before = normal(2, count, count, seed=2).abs()
    total = before.clone()
    add_attention(total, query, key, heads, merge)
    expected = dense(query, key, heads)
    expected = expected.mean(1) if merge == "mean" else expected.amax(1)
    assert torch.allclose(total.double(), before.double() + expected, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_projections_are_multiplied_in_float32(dtype):
    # Logits of about 300 differ by less than half precision resolves there.
    query, key = (4 * normal(1, 20, 16)).to(dtype), (4 * normal(1, 20, 16, seed=1)).to(dtype)
    total = torch.zeros(1, 20, 20)
    add_attention(total, query, key, 1, "mean")
    assert torch.allclose(total.double(), dense(query, key, 1)[:, 0], atol=1e-4)


def pooled_by_hand(attention: torch.Tensor, fine: tuple[int, int], coarse: tuple[int, int]) -> torch.Tensor:
    """A dense map (B, N, N) float64, token by token: the sum over what is looked at, the mean over what looks."""
    height, width = fine

    def overlap(token: int, part: int, length: int, parts: int) -> Fraction:
        first, last = max(Fraction(token, length), Fraction(part, parts)), min(
            Fraction(token + 1, length), Fraction(part + 1, parts)
        )
        return max(last - first, Fraction(0)) * length

    inside = torch.zeros(math.prod(coarse), height * width, dtype=torch.float64)
    for part in range(math.prod(coarse)):
        for token in range(height * width):
            down = overlap(token // width, part // coarse[1], height, coarse[0])
            across = overlap(token % width, part % coarse[1], width, coarse[1])
            inside[part, token] = float(down * across)
    looking = inside / inside.sum(1, keepdim=True)
    return looking @ attention.double() @ inside.T


@pytest.mark.parametrize("merge", ["mean", "max"])
@pytest.mark.parametrize(
    ("fine", "coarse"), [((5, 7), (4, 6)), ((6, 4), (3, 2)), ((9, 3), (5, 3)), ((4, 4), (1, 1)), ((1, 12), (1, 5))]
)
@pytest.mark.parametrize("block", [1, 700, 3000, 2**30])
def test_a_pooled_map_is_the_dense_one_pooled(monkeypatch, merge, fine, coarse, block):
    """Blocks of a row, of less than a row of the grid, of some and of all."""
    monkeypatch.setattr(recording, "ROW_BLOCK_BYTES", block)
    count, parts = math.prod(fine), math.prod(coarse)
    query, key = 2 * normal(2, count, 10), 2 * normal(2, count, 10, seed=1)
    before = normal(2, parts, parts, seed=2).abs()
    total = before.clone()
    add_attention(total, query, key, 2, merge, Pooling(fine, coarse))
    whole = dense(query, key, 2)
    whole = whole.mean(1) if merge == "mean" else whole.amax(1)
    expected = pooled_by_hand(whole, fine, coarse)
    assert torch.allclose(total.double(), before.double() + expected, atol=1e-5)
    assert torch.allclose(Pooling(fine, coarse)(whole), expected, atol=1e-6)
    if merge == "mean":
        assert torch.allclose(expected.sum(-1), torch.ones(2, parts, dtype=torch.float64))


@given(st.integers(1, 600), st.integers(1, 600), st.integers(1, 5000))
def test_a_grid_is_pooled_to_no_more_than_it_has_to_be(height, width, most):
    rows, columns = pooled_grid((height, width), most)
    if height * width <= most:
        assert (rows, columns) == (height, width)
        return
    assert 1 <= rows <= height and 1 <= columns <= width and rows * columns <= most
    # A row and a column more are too many, or out of proportion.
    assert (rows + 1) * (columns + 1) > most or min(rows, columns) == 1
    if min(rows, columns) > 1:
        assert rows / height == pytest.approx(columns / width, abs=1 / min(height, width))


class Sizes(TorchDispatchMode):
    """Notes the largest tensor that any operation makes, in bytes."""

    def __init__(self):
        super().__init__()
        self.largest = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, (tuple, list)) else (out,):
            if isinstance(tensor, torch.Tensor):
                self.largest = max(self.largest, tensor.numel() * tensor.element_size())
        return out


def test_no_temporary_is_larger_than_the_block(monkeypatch):
    block = 40_000
    monkeypatch.setattr(recording, "ROW_BLOCK_BYTES", block)
    batch, heads, count = 2, 4, 96
    query, key = normal(batch, count, heads * 4), normal(batch, count, heads * 4, seed=1)
    total = [torch.zeros(1, count, count) for _ in range(batch)]
    assert 4 * batch * heads * count**2 > 5 * block > 5 * 4 * query.numel()
    with Sizes() as sizes:
        # One image at a time, so that the sum itself stays below the block.
        for image in range(batch):
            add_attention(total[image], query[image : image + 1], key[image : image + 1], heads, "mean")
    assert 0 < sizes.largest <= block


def run(plan_layers, projections, size, heads="mean"):
    recorder = MapRecorder(plan_layers, size, heads)
    for layer, query, key in projections:
        if recorder.wants_projections(layer):
            recorder.projections(layer, query, key, slice(0, len(query)))
    return recorder


def layer_of(name: str, level: int, heads: int = 2) -> Layer:
    return Layer(name, "down", level, 8, heads)


@pytest.mark.parametrize("heads", ["mean", "max"])
def test_maps_are_averaged_over_layers_and_steps_of_one_token_grid(heads):
    size = (5, 6)
    fine, fine_too, coarse = layer_of("a", 0), layer_of("b", 0, heads=4), layer_of("c", 1)
    calls = [
        (layer, normal(2, layer.tokens(size), 8, seed=seed), normal(2, layer.tokens(size), 8, seed=seed + 50))
        for seed, layer in enumerate([fine, fine_too, coarse] * 3)
    ]
    recorded = run([fine, fine_too, coarse], calls, size, heads).maps()
    assert set(recorded) == {(5, 6), (3, 3)}
    for grid, level in (((5, 6), 0), ((3, 3), 1)):
        maps = [dense(query, key, layer.heads) for layer, query, key in calls if layer.level == level]
        expected = sum(each.mean(1) if heads == "mean" else each.amax(1) for each in maps)
        expected = expected / expected.sum(-1, keepdim=True)
        got = recorded[grid]
        assert got.dtype == torch.float16 and got.device.type == "cpu"
        assert torch.allclose(got.double(), expected, atol=1e-3)
        assert torch.allclose(got.double().sum(-1), torch.ones(2, math.prod(grid), dtype=torch.float64), atol=5e-3)
    assert size_of(recorded) == 2 * 2 * (30**2 + 9**2)


def test_only_the_positive_conditionings_rows_count():
    size, layer = (3, 4), layer_of("a", 0)
    query, key = normal(6, 12, 8), normal(6, 12, 8, seed=1)
    recorder = MapRecorder([layer], size)
    recorder.projections(layer, query, key, None)
    assert not recorder.seen
    recorder.projections(layer, query, key, slice(2, 4))
    assert torch.allclose(recorder.maps()[size].double(), dense(query[2:4], key[2:4], 2).mean(1), atol=1e-3)


def test_other_layers_are_neither_wanted_nor_counted():
    size, wanted, other = (3, 4), layer_of("a", 0), layer_of("b", 0)
    recorder = MapRecorder([wanted], size)
    assert recorder.wants_projections(wanted) and not recorder.wants_projections(other)
    assert recorder.tokens(wanted, normal(1, 12, 8), slice(0, 1)) is None


def test_a_layer_that_never_ran_at_full_size_is_named():
    size, ran, skipped = (4, 4), layer_of("ran", 0), layer_of("skipped", 0)
    tensor = normal(1, 16, 8)
    recorder = run([ran, skipped], [(ran, tensor, tensor)], size)
    # Area conditioning: a smaller crop, or keys of more tokens than there are queries.
    recorder.projections(skipped, normal(1, 9, 8), normal(1, 9, 8), slice(0, 1))
    recorder.projections(skipped, tensor, normal(1, 32, 8), slice(0, 1))
    with pytest.raises(InputError) as caught:
        recorder.maps()
    assert caught.value.input == "model" and "skipped" in str(caught.value)
    assert "ran," not in str(caught.value)


def test_token_recorder_keeps_the_wanted_layers_rows():
    size, wanted, other = (3, 4), layer_of("a", 0), layer_of("b", 0)
    recorder = TokenRecorder(frozenset([wanted]), size)
    tokens = normal(4, 12, 8)
    assert recorder.tokens(wanted, tokens, slice(2, 4)) is None
    recorder.tokens(other, tokens, slice(2, 4))
    assert list(recorder.kept) == ["a"]
    assert torch.equal(recorder.kept["a"], tokens[2:4])
    recorder.tokens(wanted, normal(4, 6, 8), slice(2, 4))
    recorder.tokens(wanted, normal(4, 12, 8, seed=9), None)
    assert torch.equal(recorder.kept["a"], tokens[2:4])


def test_together_asks_each_and_takes_the_first_change():
    class Hook:
        def __init__(self, wants, change):
            self.wants, self.change, self.projected, self.asked = wants, change, 0, 0

        def wants_projections(self, layer):
            return self.wants

        def tokens(self, layer, tokens, rows):
            self.asked += 1
            return self.change

        def queries(self, layer, tokens, rows):
            return None if self.change is None else -self.change

        def projections(self, layer, query, key, rows):
            self.projected += 1

    layer, tensor = layer_of("a", 0), normal(1, 4, 8)
    first, second, third = Hook(True, None), Hook(False, tensor + 1), Hook(True, tensor + 2)
    both = Together(first, second, third)
    assert both.wants_projections(layer) and not Together(second).wants_projections(layer)
    assert torch.equal(both.tokens(layer, tensor, slice(0, 1)), tensor + 1)
    both.projections(layer, tensor, tensor, slice(0, 1))
    assert [hook.projected for hook in (first, second, third)] == [1, 0, 1]
    assert [hook.asked for hook in (first, second, third)] == [1, 1, 1]
    assert Together(first).tokens(layer, tensor, None) is None
    assert torch.equal(both.queries(layer, tensor, None), -tensor - 1)
    assert Together(first).queries(layer, tensor, None) is None


def test_an_inversions_finer_grids_are_pooled_and_none_is_left_out(monkeypatch):
    monkeypatch.setattr(planning, "MAX_AUTO_TOKENS", 25)
    monkeypatch.setattr(planning, "MIN_AUTO_TOKENS", 1)
    size = (6, 7)
    spy = Spy(ToyUNet())
    plan = CapturePlan(map_steps=2)
    kept = invert(spy, latent(2, size), sigmas(5), plan)
    assert set(kept.maps) == {(4, 5), (3, 4), (2, 2)}
    maps = [
        dense(*spy.calls[index]["projections"][layer.name], layer.heads).mean(1)
        for index in plan.map_indices(5)
        for layer in LAYERS
        if layer.level == 0
    ]
    expected = pooled_by_hand(torch.stack(maps).mean(0), size, (4, 5))
    assert torch.allclose(kept.maps[4, 5].double(), expected, atol=1e-3)
    assert size_of(kept.maps) * 2 == kept.footprint.maps


def test_recorded_maps_of_a_unet_are_dense_attention_of_its_projections():
    """End to end through an inversion: the chosen steps, all layers of a grid, nothing else."""
    size = (7, 6)
    spy = Spy(ToyUNet())
    plan = CapturePlan(sides=(), levels=(0, 1, 2), noise_range=(0.0, 1.0), map_steps=3)
    recorded = invert(spy, latent(2, size), sigmas(8), plan).maps
    assert set(recorded) == {(7, 6), (4, 3), (2, 2)}
    chosen = [spy.calls[index] for index in plan.map_indices(8)]
    for level, grid in enumerate(((7, 6), (4, 3), (2, 2))):
        maps = [
            dense(*call["projections"][layer.name], layer.heads).mean(1)
            for call in chosen
            for layer in LAYERS
            if layer.level == level
        ]
        assert torch.allclose(recorded[grid].double(), torch.stack(maps).mean(0), atol=1e-3)


@pytest.mark.parametrize("storage", ["cpu", "device"])
@pytest.mark.parametrize("size", [(8, 8), (9, 7)])
def test_the_footprint_is_what_is_kept(storage, size):
    plan = CapturePlan(storage=storage)
    kept = invert(ToyUNet(), latent(2, size), sigmas(6), plan)
    footprint = plan_footprint(plan, LAYERS, 2, size, 6)
    assert footprint == kept.footprint and footprint.storage == storage
    tokens = [tensor for step in kept.tokens for tensor in step.values()]
    assert sum(tensor.numel() * tensor.element_size() for tensor in tokens) == footprint.tokens
    # Float32 while they are summed up, float16 after.
    assert size_of(kept.maps) * 2 == footprint.maps
    assert footprint.total == footprint.maps + footprint.tokens
    # No tensor drags a larger one along.
    assert all(tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size() for tensor in tokens)


def test_auto_keeps_the_tokens_of_as_many_steps_as_fit():
    layers = [Layer("a", "up", 0, 320, 8)]
    per_step = 2 * 64 * 64 * 320
    for steps, kept in ((10, 10), (50, 14)):
        footprint = plan_footprint(CapturePlan(budget_mb=100), layers, 1, (64, 64), steps)
        assert footprint.maps == 4 * 4096**2
        assert (footprint.kept_steps, footprint.tokens) == (kept, kept * per_step)
        assert footprint.storage == "cpu"
        assert footprint.total <= 100 * MIB
    assert footprint.total + per_step > 100 * MIB
    nothing = plan_footprint(CapturePlan(budget_mb=65), layers, 1, (64, 64), 50)
    assert (nothing.kept_steps, nothing.tokens, nothing.storage) == (0, 0, "recompute")


def test_a_picture_a_little_larger_than_the_models_own_is_read_as_finely():
    """SD 1.5 at 520 px: 65 x 65 tokens were left out, and 33 x 33 the finest."""
    for side in (512, 520, 768, 1024, 2048):
        size = (side // 8, side // 8)
        layers = layers_of(SD1)
        grids = {CapturePlan().map_grid(layer, size) for layer in CapturePlan().map_layers(layers, size)}
        assert max(grids) == (64, 64) and len(grids) > 1
        assert plan_footprint(CapturePlan(), layers, 1, size, 38).maps <= 4 * (4096**2 + 4096**2 + 1024**2)


@pytest.mark.parametrize("family", [SD1, SDXL], ids=["SD 1.5", "SDXL"])
def test_a_picture_a_little_larger_keeps_keys_and_values_of_nearly_as_many_steps(family):
    def kept(side: int) -> int:
        footprint = plan_footprint(CapturePlan(), layers_of(family), 1, (side // 8, side // 8), 20)
        assert footprint.total <= CapturePlan().budget_mb * MIB
        return footprint.kept_steps

    own = kept(family.native_px)
    assert own > 1
    for side in range(family.native_px, family.native_px * 3 // 2, 8):
        assert own * (family.native_px / side) ** 2 - 1 <= kept(side) <= own


@settings(max_examples=60, deadline=None)
@given(st.integers(8, 1024), st.integers(8, 1024), st.integers(1, 4), st.booleans())
def test_no_maps_are_larger_than_the_budget_whatever_the_picture(height, width, batch, chosen):
    """Up to 8192 px whole: read automatically they fit; of a chosen grid that doesn't, the message names a picture."""
    plan, layers = CapturePlan(levels=(0,) if chosen else ()), layers_of(SD1)
    try:
        footprint = plan_footprint(plan, layers, batch, (height, width), 38)
    except InputError as error:
        assert chosen and error.input == "budget_mb"
        columns, rows = (int(side) // 8 for side in re.search(r"at most (\d+)x(\d+) px", error.mend).groups())
        footprint = plan_footprint(plan, layers, batch, (rows, columns), 38)
    assert footprint.total <= plan.budget_mb * MIB


@pytest.mark.parametrize("storage", ["off", "recompute"])
def test_no_tokens_are_counted_where_none_are_kept(storage):
    footprint = plan_footprint(CapturePlan(storage=storage), LAYERS, 1, (8, 8), 50)
    assert footprint.total == footprint.maps
    assert footprint.storage == storage


def test_a_budget_too_small_says_what_it_takes_and_that_is_enough():
    layers = [Layer("a", "up", 0, 320, 8)]
    for storage, budget in (("auto", 40), ("recompute", 40), ("cpu", 70), ("device", 70)):
        with pytest.raises(InputError) as caught:
            plan_footprint(CapturePlan(storage=storage, budget_mb=budget), layers, 1, (64, 64), 20)
        assert caught.value.input == "budget_mb" and f"{budget} MB" in str(caught.value)
        need = int(caught.value.mend.split("Raise it to ")[1].split(" ")[0])
        plan_footprint(CapturePlan(storage=storage, budget_mb=need), layers, 1, (64, 64), 20)
        with pytest.raises(InputError):
            plan_footprint(CapturePlan(storage=storage, budget_mb=need - 1), layers, 1, (64, 64), 20)


def test_a_budget_too_small_names_the_size_of_picture_that_fits_it():
    layers = [Layer("a", "up", 0, 320, 8)]
    with pytest.raises(InputError) as caught:
        plan_footprint(CapturePlan(levels=(0,), budget_mb=100), layers, 1, (90, 120), 20)
    width, height = (int(side) for side in re.search(r"at most (\d+)x(\d+) px", caught.value.mend).groups())
    assert width / height == pytest.approx(120 / 90, rel=0.05)
    assert plan_footprint(CapturePlan(levels=(0,), budget_mb=100), layers, 1, (height // 8, width // 8), 20)
    with pytest.raises(InputError):
        plan_footprint(CapturePlan(levels=(0,), budget_mb=100), layers, 1, (height // 8 + 3, width // 8 + 4), 20)


def test_the_budget_is_checked_before_anything_runs():
    spy = Spy(ToyUNet())
    with pytest.raises(InputError):
        invert(spy, latent(1, (40, 40)), sigmas(4), CapturePlan(budget_mb=1))
    assert not spy.calls


def test_stored_tokens_are_half_precision_and_stay_bfloat16():
    kept = {"a": normal(1, 4, 8), "b": normal(1, 4, 8).bfloat16(), "c": normal(1, 4, 8).half()}
    stored = to_storage(kept, "cpu")
    assert [stored[name].dtype for name in "abc"] == [torch.float16, torch.bfloat16, torch.float16]
    assert torch.allclose(stored["a"].float(), kept["a"], rtol=1e-3, atol=1e-6)


@given(st.integers(1, 200), st.integers(1, 12), st.floats(0, 1), st.floats(0, 1))
def test_recorded_steps_lie_in_the_range_and_are_evenly_spread(steps, count, one, other):
    low, high = sorted((one, other))
    if low == high:
        high = min(1.0, low + 0.1)
        low = high - 0.1
    got = CapturePlan(noise_range=(low, high), map_steps=count).map_indices(steps)
    first, last = round(low * (steps - 1)), round(high * (steps - 1))
    assert 1 <= len(got) <= count
    assert len(got) == min(count, last - first + 1)
    assert list(got) == sorted(set(got))
    assert first <= got[0] and got[-1] <= last
    if len(got) > 1:
        assert (got[0], got[-1]) == (first, last)
        gaps = [after - before for before, after in zip(got, got[1:], strict=False)]
        assert max(gaps) - min(gaps) <= 1


def names(layers) -> list[str]:
    return [layer.name for layer in layers]


def test_sides_and_levels_choose_the_layers():
    everything = names(LAYERS)
    assert names(CapturePlan(sides=(), levels=(0, 1, 2)).map_layers(LAYERS, (8, 8))) == everything
    assert names(CapturePlan(sides=("up",), levels=(0, 1)).map_layers(LAYERS, (8, 8))) == ["up.1", "up.0"]
    assert names(CapturePlan(sides=(), levels=(1, 2)).map_layers(LAYERS, (8, 8))) == [
        "down.1",
        "middle",
        "up.1",
    ]
    assert names(CapturePlan(sides=("down",), levels=(1,)).map_layers(LAYERS, (8, 8))) == ["down.1"]
    assert names(CapturePlan(source_sides=("middle", "up")).source_layers(LAYERS)) == [
        "middle",
        "up.1",
        "up.0",
    ]
    assert names(CapturePlan(source_sides=()).source_layers(LAYERS)) == everything
    assert CapturePlan(storage="off").source_layers(LAYERS) == ()


def test_automatic_levels_leave_out_grids_that_are_too_small_and_pool_those_that_are_too_large(monkeypatch):
    plan = CapturePlan(sides=())

    def grids(side: int, plan: CapturePlan = plan) -> dict[int, tuple[int, int]]:
        size = (side, side)
        return {layer.level: plan.map_grid(layer, size) for layer in plan.map_layers(LAYERS, size)}

    monkeypatch.setattr(planning, "MIN_AUTO_TOKENS", 1)
    monkeypatch.setattr(planning, "MAX_AUTO_TOKENS", 20)
    assert grids(8) == {0: (4, 4), 1: (4, 4), 2: (2, 2)}
    # Even the coarsest is larger.
    assert grids(32) == dict.fromkeys(range(3), (4, 4))
    # What was chosen is read as it is.
    assert grids(8, CapturePlan(levels=(0, 2))) == {0: (8, 8), 2: (2, 2)}
    monkeypatch.setattr(planning, "MAX_AUTO_TOKENS", 4096)
    assert grids(8) == {0: (8, 8), 1: (4, 4), 2: (2, 2)}
    monkeypatch.setattr(planning, "MIN_AUTO_TOKENS", 16)
    assert grids(8) == {0: (8, 8), 1: (4, 4)}
    # Where even the finest is smaller, it is taken, alone.
    assert grids(3) == {0: (3, 3)}


def test_a_choice_of_no_layer_says_what_there_is():
    with pytest.raises(InputError) as caught:
        CapturePlan(sides=("middle",), levels=(0,)).map_layers(LAYERS, (8, 8))
    message = str(caught.value)
    assert "middle" in message and "(0,)" in message
    assert all(each in message for each in ("down 0", "down 1", "middle 2", "up 1", "up 0"))


@pytest.mark.parametrize(
    ("bad", "input", "shown"),
    [
        ({"noise_range": (0.5, 0.5)}, "noise_range", "0.5"),
        ({"noise_range": (0.8, 0.2)}, "noise_range", "0.8"),
        ({"noise_range": (-0.1, 0.5)}, "noise_range", "-0.1"),
        ({"noise_range": (0.0, 1.1)}, "noise_range", "1.1"),
        ({"noise_range": (math.nan, 1.0)}, "noise_range", "nan"),
        ({"map_steps": 0}, "map_steps", "0"),
        ({"budget_mb": 0}, "budget_mb", "0 MB"),
    ],
)
def test_bad_plans_are_refused(bad, input, shown):
    with pytest.raises(InputError) as caught:
        CapturePlan(**bad)
    assert caught.value.input == input and shown in str(caught.value)
