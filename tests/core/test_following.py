"""Keys and values that follow the drag: whose token each cell reads."""

from __future__ import annotations

import pytest
import torch

from core.attention.plan import CapturePlan
from core.diffusion.dragged import DraggedLatent, apply
from core.diffusion.following import Followed, FollowingInjector
from core.diffusion.inversion import Inversion, invert
from core.diffusion.sampling import SampleSettings, sample
from core.motion.field import MoveSettings, plan_movement
from core.space.grid import Grid
from tests.core.builders import box, drags, normal
from tests.core.toy_unet import LAYERS, Spy, ToyUNet, latent, sigmas

SIZE = (8, 10)
GRID = Grid.padded(SIZE[0] * 8, SIZE[1] * 8)
FOLLOW = SampleSettings(source_attention="follow", hold_element=0.0, hold_rest=0.0)


def inverted(batch: int = 1) -> Inversion:
    return invert(ToyUNet(), latent(batch, SIZE), sigmas(4), CapturePlan(storage="cpu"))


def moved(inversion: Inversion, target: tuple[float, float], transition: int = 1) -> DraggedLatent:
    """Rows 2..3 and columns 1..2 go from (2, 3) to ``target``."""
    points = drags(GRID, ((2.0, 3.0), target))
    mask = box(GRID, 2, 1, 4, 3).expand(inversion.batch, -1, -1)
    correlation = torch.ones(inversion.batch, 1, *SIZE)
    movement = plan_movement(correlation, mask, GRID, points, MoveSettings(transition=transition))
    return apply(inversion, movement, inversion.clean)


def test_every_cell_reads_its_own_source_and_what_was_left_reads_itself():
    inversion = inverted(2)
    followed = Followed(moved(inversion, (7.0, 4.0), 0).movement, torch.device("cpu"))
    source, own = normal(4, 80, 16), normal(4, 80, 16, seed=1)
    got = followed.tokens(source, own, SIZE).unflatten(1, SIZE)
    source, own = source.unflatten(1, SIZE), own.unflatten(1, SIZE)
    for y in range(8):
        for x in range(10):
            if 3 <= y < 5 and 6 <= x < 8:
                expected = source[:, y - 1, x - 5]
            elif 2 <= y < 4 and 1 <= x < 3:
                expected = own[:, y, x]
            else:
                expected = source[:, y, x]
            torch.testing.assert_close(got[:, y, x], expected, atol=1e-5, rtol=0)


def test_on_a_coarser_grid_ways_are_in_its_own_tokens():
    mask, points = box(GRID, 2, 0, 4, 2), drags(GRID, ((1.0, 3.0), (5.0, 5.0)))
    movement = plan_movement(torch.ones(1, 1, *SIZE), mask, GRID, points)
    from_x, from_y, arriving, _ = Followed(movement, torch.device("cpu")).on((4, 5))
    assert float(arriving[0, 0, 2, 2]) == 1.0 and float(arriving.sum()) == 1.0
    assert (float(from_x[0, 2, 2]), float(from_y[0, 2, 2])) == pytest.approx((0.0, 1.0))


def test_the_elements_old_tokens_are_not_read_where_it_was():
    """Other tokens under the element change what the arrived cells read, and nothing else."""
    inversion = inverted()
    dragged = moved(inversion, (7.0, 4.0))
    layer = LAYERS[0]
    source, own = normal(1, 80, layer.channels), normal(1, 80, layer.channels, seed=1)
    other = source.unflatten(1, SIZE).clone()
    other[:, 2:4, 1:3] += 5
    followed = Followed(dragged.movement, torch.device("cpu"))
    first, second = (
        FollowingInjector({layer.name: tokens}, followed).tokens(layer, own, slice(0, 1)).unflatten(1, SIZE)
        for tokens in (source, other.flatten(1, 2))
    )
    differs = (first - second).abs().amax(-1)[0] > 1e-6
    assert differs[3:5, 6:8].all() and int(differs.sum()) == 4


def test_sampling_reads_what_was_captured_at_that_level_as_the_drag_moved_it():
    inversion = inverted()
    dragged, spy = moved(inversion, (7.0, 4.0)), Spy(ToyUNet())
    sample(spy, inversion, dragged.at(inversion, 0), dragged, None, FOLLOW)
    assert len(spy.calls) == 4
    for index, call in enumerate(spy.calls):
        captured = inversion.tokens[index][LAYERS[0].name].float().unflatten(1, SIZE)
        read = call["read"][LAYERS[0].name].unflatten(1, SIZE)
        torch.testing.assert_close(read[:, 3:5, 6:8], captured[:, 2:4, 1:3], atol=1e-5, rtol=0)
        torch.testing.assert_close(read[:, 7], captured[:, 7], atol=1e-5, rtol=0)
        own = call["tokens"][LAYERS[0].name].unflatten(1, SIZE)
        torch.testing.assert_close(read[:, 2:3, 1:3], own[:, 2:3, 1:3], atol=1e-5, rtol=0)


def test_without_a_known_drag_it_replaces():
    inversion = inverted()
    x = inversion.noisy + 0.2 * normal(1, 4, *SIZE, seed=4)
    replaced = SampleSettings(source_attention="replace", hold_element=0.0, hold_rest=0.0)
    assert torch.equal(
        sample(ToyUNet(), inversion, x, None, None, FOLLOW), sample(ToyUNet(), inversion, x, None, None, replaced)
    )


def test_what_arrived_asks_as_its_source_as_far_as_they_match():
    """Cell by cell, by the formula: own + gate max(0, cos(own, source's)) (source's - own)."""
    inversion = inverted()
    followed = Followed(moved(inversion, (7.0, 4.0), 0).movement, torch.device("cpu"))
    source, own = normal(1, 80, 16), normal(1, 80, 16, seed=1)
    # One cell asks as its source already, one the other way round.
    planes = own.unflatten(1, SIZE)
    planes[:, 3, 6], planes[:, 4, 7] = source.unflatten(1, SIZE)[:, 2, 1], -source.unflatten(1, SIZE)[:, 3, 2]
    got = followed.queries(source, own, SIZE, 0.6).unflatten(1, SIZE)
    source, own = source.unflatten(1, SIZE), own.unflatten(1, SIZE)
    for y in range(8):
        for x in range(10):
            expected = own[0, y, x]
            if 3 <= y < 5 and 6 <= x < 8:
                theirs = source[0, y - 1, x - 5]
                match = float(expected @ theirs / expected.norm() / theirs.norm())
                expected = expected + 0.6 * max(0.0, match) * (theirs - expected)
            torch.testing.assert_close(got[0, y, x], expected, atol=1e-4, rtol=0)
    torch.testing.assert_close(got[0, 4, 7], own[0, 4, 7])


def test_the_gate_falls_to_nothing_and_shut_it_changes_nothing():
    inversion = inverted()
    dragged, layer = moved(inversion, (7.0, 4.0)), LAYERS[0].name
    gated = SampleSettings(source_attention="follow", hold_element=0.0, hold_rest=0.0, source_queries=1.0)
    spy = Spy(ToyUNet())
    opened = sample(spy, inversion, dragged.at(inversion, 0), dragged, None, gated)
    for index, call in enumerate(spy.calls):
        captured = inversion.tokens[index][layer].float().unflatten(1, SIZE)[:, 2:4, 1:3]
        own, asked = (call[name][layer].unflatten(1, SIZE) for name in ("tokens", "asked"))
        torch.testing.assert_close(asked[:, :3], own[:, :3])
        own, asked = own[:, 3:5, 6:8], asked[:, 3:5, 6:8]
        match = torch.cosine_similarity(own, captured, -1).clamp_min(0)[..., None]
        torch.testing.assert_close(asked, own + (1 - index / 4) * match * (captured - own), atol=1e-4, rtol=0)
    spy = Spy(ToyUNet())
    shut = sample(spy, inversion, dragged.at(inversion, 0), dragged, None, FOLLOW)
    assert all(torch.equal(call["asked"][layer], call["tokens"][layer]) for call in spy.calls)
    assert not torch.equal(opened, shut)
