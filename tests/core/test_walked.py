"""The rule "walk": pieces, walks, cuts, clicks; nothing of it waits for the device."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.region import next_click
from core.attention.correlation import correlate
from core.planes.guided_filter import guided_filter, guided_upsample
from core.region import walk
from core.region import walked as walked_module
from core.region.asking import objects_in
from core.region.found import ElementSettings, find_element
from core.region.sight import sights_of
from core.region.superpixels import superpixels
from core.region.walk import reached, relations
from core.space.grid import Grid
from core.space.points import Click, DragPair, DragPoints
from tests.core.builders import uniform

SIDE = 128
GRID = Grid.padded(SIDE, SIDE)
RED, BLUE, GREY = (0.8, 0.2, 0.1), (0.1, 0.2, 0.8), (0.5, 0.5, 0.45)


def block(top: int, left: int, bottom: int, right: int) -> torch.Tensor:
    """(SIDE, SIDE) bool, given in latent cells."""
    area = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    area[8 * top : 8 * bottom, 8 * left : 8 * right] = True
    return area


def painted(*things: tuple[torch.Tensor, tuple[float, float, float]]) -> torch.Tensor:
    """(1, SIDE, SIDE, 3), a little uneven."""
    picture = torch.tensor(GREY).expand(SIDE, SIDE, 3).clone()
    for area, colour in things:
        picture[area] = torch.tensor(colour)
    noise = torch.rand(SIDE, SIDE, 3, generator=torch.Generator().manual_seed(1)) - 0.5
    return (picture + 0.04 * noise)[None].clamp(0, 1)


def attending(*things: torch.Tensor) -> dict[tuple[int, int], torch.Tensor]:
    """Maps in which each thing looks at itself, the rest at the rest, and everything at everything a little."""
    maps = {}
    for count in (16, 8):
        step = SIDE // count
        kind = torch.zeros(count, count, dtype=torch.long)
        for number, area in enumerate(things, start=1):
            kind[area[step // 2 :: step, step // 2 :: step]] = number
        alike = (kind.flatten()[:, None] == kind.flatten()).float() + 0.05
        maps[count, count] = (alike / alike.sum(-1, keepdim=True))[None]
    return maps


def points_at(*handles: tuple[float, float], clicks: tuple[Click, ...] = (), radius: float | None = None) -> DragPoints:
    """Drags from places (x, y) in latent cells."""
    pairs = tuple(DragPair(share(*at), (share(*at)[0] + 0.1, share(*at)[1]), radius) for at in handles)
    return DragPoints(pairs, (SIDE, SIDE), clicks)


def share(x: float, y: float) -> tuple[float, float]:
    return x * 8 / SIDE, y * 8 / SIDE


def found(maps, points: DragPoints, picture: torch.Tensor, **settings) -> torch.Tensor:
    """(SIDE, SIDE)."""
    correlation = correlate(maps, GRID, points)
    return find_element(correlation, GRID, points, ElementSettings(**settings), picture, maps)[0]


def overlap(element: torch.Tensor, truth: torch.Tensor) -> float:
    inside = element > 0.5
    return float((inside & truth).sum() / (inside | truth).sum())


LEFT, RIGHT = block(4, 3, 10, 6), block(4, 6, 10, 9)
WHOLE = LEFT | RIGHT
FAR = block(11, 11, 15, 15)


def test_pieces_keep_to_edges_and_cover_the_picture():
    picture = painted((WHOLE, RED))[0].movedim(-1, 0)
    pieces = superpixels(picture)
    assert float(pieces.area.sum()) == SIDE * SIDE
    assert torch.equal(pieces.shared, pieces.shared.T)
    inside = pieces.average(WHOLE.float())[pieces.area > 0]
    assert ((inside < 0.02) | (inside > 0.98)).float().mean() > 0.99


def test_a_walker_comes_to_the_handle_from_its_own_thing():
    picture = painted((WHOLE, RED), (FAR, BLUE))
    pieces = superpixels(picture[0].movedim(-1, 0))
    maps = {size: attention[0] for size, attention in attending(WHOLE, FAR).items()}
    related = relations(maps, GRID, pieces)
    seed = pieces.labels[7 * 8, 6 * 8]
    ways = pieces.spread(reached(related, pieces, seed[None], 16.0)[0])
    assert float(ways[7 * 8, 6 * 8]) == pytest.approx(1)
    assert float(ways.max()) <= 1
    assert float(ways[WHOLE].min()) > float(ways[~WHOLE].quantile(0.99))


def test_a_thing_of_two_colours_is_found_whole_where_attention_joins_them():
    picture = painted((LEFT, RED), (RIGHT, BLUE))
    assert overlap(found(attending(WHOLE), points_at((4.5, 7)), picture), WHOLE) > 0.9


def test_attention_parts_what_it_gives_to_the_ground():
    picture = painted((LEFT, RED), (RIGHT, BLUE))
    assert overlap(found(attending(LEFT), points_at((4.5, 7)), picture), LEFT) > 0.9


def test_clicks_add_and_leave_out():
    picture = painted((LEFT, RED), (RIGHT, BLUE))
    apart, joined = attending(LEFT), attending(WHOLE)
    added = points_at((4.5, 7), clicks=(Click(share(7.5, 7), "add"),))
    assert overlap(found(apart, added, picture), WHOLE) > 0.85
    without = points_at((4.5, 7), clicks=(Click(share(7.5, 7), "leave_out"),))
    element = found(joined, without, picture)
    assert overlap(element, LEFT) > 0.8
    assert element[7 * 8, 7 * 8 + 4] == 0


UPPER, LOWER = block(4, 3, 7, 9), block(7, 3, 10, 9)
ERRORS = {
    "joined": (attending(WHOLE), painted((LEFT, RED), (RIGHT, BLUE)), LEFT),
    "parted": (attending(LEFT, RIGHT), painted((LEFT, RED), (RIGHT, BLUE)), WHOLE),
    "parted in quarters": (
        attending(LEFT & UPPER, LEFT & LOWER, RIGHT & UPPER, RIGHT & LOWER),
        painted((LEFT & UPPER, RED), (RIGHT & UPPER, BLUE), (LEFT & LOWER, BLUE), (RIGHT & LOWER, RED)),
        WHOLE,
    ),
    "apart": (attending(WHOLE, FAR), painted((WHOLE, RED), (FAR, RED)), WHOLE | FAR),
    "with the ground": (attending(WHOLE | block(2, 9, 14, 14)), painted((WHOLE, RED)), WHOLE),
    "upper half": (attending(WHOLE), painted((UPPER, RED), (LOWER, BLUE)), UPPER),
}


@pytest.mark.parametrize("case", ERRORS)
def test_a_click_on_the_largest_error_never_makes_it_worse(case):
    maps, picture, truth = ERRORS[case]
    at = (4.5, 5.5)
    clicks: tuple[Click, ...] = ()
    element = found(maps, points_at(at), picture)
    before = overlap(element, truth)
    for _ in range(4):
        if torch.equal(element > 0.5, truth):
            break
        clicks = (*clicks, next_click((element > 0.5).numpy(), truth.numpy()))
        element = found(maps, points_at(at, clicks=clicks), picture)
        after = overlap(element, truth)
        assert after >= before - 0.01, clicks
        before = after
        for click in clicks:
            y, x = GRID.pixel_at(click.at)
            assert (element[y, x] > 0.5) == (click.kind == "add")
    assert before > 0.85


def sized(points: DragPoints, size: int) -> DragPoints:
    return replace(points, pairs=tuple(replace(pair, size=size) for pair in points.pairs))


@pytest.mark.parametrize("rule", ["walk", "threshold"])
def test_a_size_takes_what_is_larger_or_smaller(rule):
    picture = painted((LEFT, RED), (RIGHT, BLUE))
    maps, points = attending(LEFT), points_at((4.5, 7))
    areas = [float((found(maps, sized(points, size), picture, rule=rule) > 0.5).sum()) for size in (-2, -1, 0, 1, 2)]
    assert areas == sorted(areas) and areas[2] < areas[-1]
    if rule == "walk":
        assert areas[0] < areas[1] < areas[2]


def test_a_part_is_one_step_from_its_thing():
    picture = painted((LEFT, RED), (RIGHT, BLUE))
    part, whole = points_at((4.5, 7)), points_at((4.5, 7))
    assert overlap(found(attending(LEFT), sized(part, 1), picture), WHOLE) > 0.85
    assert overlap(found(attending(WHOLE), sized(whole, -1), picture), LEFT) > 0.7


def test_a_size_beyond_all_there_is_stays():
    picture, maps = painted((WHOLE, RED)), attending(WHOLE)
    largest, beyond = (found(maps, sized(points_at((4.5, 7)), size), picture) for size in (8, 9))
    assert torch.equal(largest, beyond)
    y, x = GRID.pixel_at(share(4.5, 7))
    assert found(maps, sized(points_at((4.5, 7)), -9), picture)[y, x] == 1


def test_clicks_count_for_the_threshold_too():
    maps = attending(LEFT, RIGHT)
    picture = painted((LEFT, RED), (RIGHT, BLUE))
    added = points_at((4.5, 7), clicks=(Click(share(7.5, 7), "add"),))
    assert overlap(found(maps, added, picture, rule="threshold", tau=0.5), WHOLE) > 0.8
    without = points_at((4.5, 7), clicks=(Click(share(7.5, 7), "leave_out"),))
    plain = found(attending(WHOLE), points_at((4.5, 7)), picture, rule="threshold", tau=0.5)
    assert found(attending(WHOLE), without, picture, rule="threshold", tau=0.5).sum() < plain.sum()


def test_groups_are_never_each_others():
    picture = painted((LEFT, RED), (RIGHT, BLUE))
    one, other = points_at((4.5, 7), (7.5, 7)).pairs
    one, other = (DragPair(p.handle, p.target, 0.12, n) for n, p in enumerate((one, other), start=1))
    both = found(attending(WHOLE), DragPoints((one, other), (SIDE, SIDE)), picture)
    assert both[7 * 8, 4 * 8 + 4] > 0.5 and both[7 * 8, 7 * 8 + 4] > 0.5


def test_a_radius_ends_it_and_the_clicked_pixel_is_in():
    picture = painted((WHOLE, RED))
    element = found(attending(WHOLE), points_at((4.5, 7), radius=0.1), picture)
    y, x = torch.meshgrid(torch.arange(SIDE) + 0.5, torch.arange(SIDE) + 0.5, indexing="ij")
    beyond = torch.hypot(x - 4.5 * 8, y - 7 * 8) > 0.1 * SIDE + 1
    assert float(element[beyond].max()) == 0
    assert element[7 * 8, int(4.5 * 8)] == 1


def test_far_from_the_outline_it_is_all_or_nothing():
    element = found(attending(WHOLE), points_at((4.5, 7)), painted((WHOLE, RED)))
    assert float(element[12 * 8 :].max()) == 0
    assert float(element[6 * 8 : 8 * 8, 4 * 8 : 8 * 8].min()) == 1


@pytest.mark.parametrize("settings", [{"tau": 0.4}, {"rule": "threshold"}, {"refined": False}])
def test_the_old_rule_is_there(settings):
    maps, points, picture = attending(WHOLE), points_at((4.5, 7)), painted((WHOLE, RED))
    correlation = correlate(maps, GRID, points)
    without = find_element(correlation, GRID, points, ElementSettings(**{**settings, "rule": "threshold"}), picture)
    assert torch.equal(found(maps, points, picture, **settings), without[0])


def test_a_batch_is_its_pictures_one_by_one():
    pictures = [painted((WHOLE, RED)), painted((FAR, BLUE), (WHOLE, BLUE))]
    maps = [attending(WHOLE), attending(WHOLE, FAR)]
    points = points_at((4.5, 7))
    both = {size: torch.cat([one[size] for one in maps]) for size in maps[0]}
    correlation = correlate(both, GRID, points)
    together = find_element(correlation, GRID, points, None, torch.cat(pictures), both)
    for index, (one, picture) in enumerate(zip(maps, pictures, strict=True)):
        assert torch.allclose(together[index], found(one, points, picture), atol=1e-3)


@pytest.mark.parametrize("size", [(8, 8), (40, 120), (64, 9), (300, 520)])
def test_any_size(size):
    grid = Grid.padded(*size)
    maps = {grid.latent_size: torch.full((1, *2 * (grid.latent_height * grid.latent_width,)), 1.0)}
    points = DragPoints((DragPair((0.5, 0.5), (0.6, 0.5)),), size)
    picture = torch.rand(1, *size, 3, generator=torch.Generator().manual_seed(0))
    element = find_element(correlate(maps, grid, points), grid, points, None, picture, maps)
    assert element.shape == (1, *size) and torch.isfinite(element).all()


class NoWaiting(TorchDispatchMode):
    """Refuses whatever would wait for a device: reading a value, or a result whose size depends on values."""

    REFUSED = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "is_nonzero")

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if any(name in str(function) for name in self.REFUSED):
            raise AssertionError(f"waits: {function}")
        return function(*args, **(kwargs or {}))


def test_it_never_waits_for_the_device():
    maps, picture = attending(WHOLE), painted((WHOLE, RED))
    points = points_at((4.5, 7), clicks=(Click(share(13, 3), "leave_out"), Click(share(7.5, 7), "add")))
    correlation = correlate(maps, GRID, points)
    with NoWaiting():
        find_element(correlation, GRID, points, None, picture, maps)


def test_guided_upsampling_at_one_size_is_the_guided_filter():
    generator = torch.Generator().manual_seed(3)
    target, guide = torch.rand(1, 1, 20, 24, generator=generator), torch.rand(1, 3, 20, 24, generator=generator)
    assert torch.allclose(
        guided_upsample(target, guide, guide, 3, 1e-2), guided_filter(target, guide, 3, 1e-2), atol=1e-4
    )


def test_tokens_that_are_passed_over_would_add_nothing():
    shares = uniform((40, 96), seed=2) * (uniform((40, 96), seed=3) > 0.9)
    attention = uniform((96, 96), seed=4)
    torch.testing.assert_close(walk._between(shares, attention), shares @ attention @ shares.T)


def test_handles_without_a_radius_share_one_outline(monkeypatch):
    """What costs most is done once for them, and one that a radius bounds has an outline of its own within it."""
    counts, refine = [], walked_module.refine
    monkeypatch.setattr(walked_module, "refine", lambda prior, *rest: counts.append(len(prior)) or refine(prior, *rest))
    picture, maps = painted((LEFT, RED), (FAR, BLUE)), attending(LEFT, FAR)
    both = found(maps, points_at((4.5, 7), (13, 13)), picture)
    each = [found(maps, points_at(at), picture) > 0.5 for at in ((4.5, 7), (13, 13))]
    assert overlap(both, each[0] | each[1]) > 0.95
    bounded = points_at((4.5, 7), (13, 13), (4.5, 6)).pairs
    bounded = (*bounded[:2], DragPair(share(4.5, 6), share(6, 6), radius=0.05))
    third = found(maps, DragPoints(bounded, (SIDE, SIDE)), picture)
    alone = found(maps, DragPoints(bounded[2:], (SIDE, SIDE)), picture)
    assert counts == [1, 1, 1, 2, 1]
    assert torch.equal(third, torch.maximum(both, alone)) and alone[~LEFT].max() < 0.5


def test_handles_that_find_each_other_are_asked_together_and_others_alone():
    picture = painted((LEFT, RED), (RIGHT, BLUE), (FAR, RED))
    maps, whole = attending(WHOLE, FAR), points_at((4.5, 7), (7.5, 7))
    sight = sights_of(maps, correlate(maps, GRID, whole), GRID, whole, picture)[0]
    together = objects_in(sight, whole, True)
    assert torch.equal(together[0], together[1]), "one thing, one answer"
    inside = sight.pieces.average(WHOLE.float()) > 0.5
    assert ((together[0] > 0) == inside)[sight.pieces.area > 0].float().mean() > 0.97
    apart = points_at((4.5, 7), (13, 13))
    sight = sights_of(maps, correlate(maps, GRID, apart), GRID, apart, picture)[0]
    both = objects_in(sight, apart, True)
    for own, pair in zip(both, apart.pairs, strict=True):
        one = DragPoints((pair,), apart.image_size)
        alone = sights_of(maps, correlate(maps, GRID, one), GRID, one, picture)[0]
        assert torch.equal(own, objects_in(alone, one, True)[0]), "what another handle lies on is not asked for"
