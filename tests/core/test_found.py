"""From correlation to a region: threshold, connected part, edges, corrections."""

from __future__ import annotations

import math
from collections import deque

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InputError
from core.planes.morphology import connected_to, soften
from core.region.found import ElementSettings, find_element
from core.region.given import check_mask, combine
from core.region.threshold import automatic_tau, otsu_threshold
from core.space.grid import Grid
from core.space.points import DragPair, DragPoints
from tests.core.builders import cell_point, drags, normal, uniform

GRID = Grid.padded(60, 76)
SIZE = GRID.latent_size
BARE = ElementSettings(grow=0, feather=0)


# ---- automatic threshold


def within_variance(values: list[float], tau: float) -> float:
    """What Otsu minimises: the variance that remains within the two classes."""
    total = 0.0
    for part in ([v for v in values if v >= tau], [v for v in values if v < tau]):
        if part:
            mean = sum(part) / len(part)
            total += sum((v - mean) ** 2 for v in part)
    return total


@given(st.integers(0, 10**6), st.floats(0.02, 0.6), st.floats(0.01, 0.3), st.floats(0.0, 0.3))
@settings(max_examples=40)
def test_the_threshold_is_otsus_on_the_logarithms(seed, share, low, spread):
    inside = uniform(9, 8, seed=seed) < share
    inside[0, 0], inside[-1, -1] = True, False
    noise = (spread * normal(9, 8, seed=seed + 1)).exp()
    scores = (torch.where(inside, torch.tensor(0.8), low * torch.ones(9, 8)) * noise).clamp(1e-3, 1)
    values = scores.double().log().flatten().tolist()
    tau = math.log(otsu_threshold(scores))
    best = min(within_variance(values, (a + b) / 2) for a, b in _neighbours(values))
    spread_of_all = within_variance(values, math.inf)
    # Some grid of thresholds is tried, not every split: a small loss against the best of all is allowed.
    assert within_variance(values, tau) <= best + 0.02 * spread_of_all


def _neighbours(values: list[float]):
    ordered = sorted(set(values))
    return zip(ordered, ordered[1:], strict=False)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_other_objects_that_score_above_the_background_are_left_out(seed):
    scores = 0.02 + 0.02 * uniform(24, 24, seed=seed)
    scores[2:8, 2:8] = 0.7
    scores[14:22, 6:22] = torch.linspace(0.06, 0.12, 128).view(8, 16)
    assert bool((scores[14:22] >= otsu_threshold(scores)).any())
    inside = torch.zeros(24, 24, dtype=torch.bool)
    inside[2:8, 2:8] = True
    assert torch.equal(scores >= automatic_tau(scores), inside)


@given(st.integers(0, 10**6), st.floats(0.1, 4.0))
@settings(max_examples=30)
def test_the_threshold_is_raised_but_not_to_the_handles_own(seed, contrast):
    scores = uniform(9, 8, seed=seed) ** contrast
    otsu = otsu_threshold(scores)
    assert otsu < automatic_tau(scores) <= max(otsu**0.5, 1.0e-4)


@pytest.mark.parametrize("share", [0.03, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("background", [0.002, 0.05, 0.3])
def test_two_clear_groups_are_told_apart_whatever_their_sizes(share, background):
    inside = uniform(24, 24) < share
    scores = torch.where(inside, 0.85 + 0.1 * uniform(24, 24, seed=1), background * (1 + 0.2 * uniform(24, 24, seed=2)))
    assert torch.equal(scores >= automatic_tau(scores), inside)


@pytest.mark.parametrize("value", [0.0, 0.4, 1.0])
def test_where_everything_is_alike_there_is_still_a_threshold(value):
    assert 0 < automatic_tau(torch.full((5, 6), value)) <= 1


@given(st.integers(0, 10**6))
@settings(max_examples=30)
def test_the_threshold_is_a_correlation(seed):
    tau = automatic_tau(uniform(6, 7, seed=seed))
    assert 0 < tau <= 1


# ---- connected part


def flooded(inside: list[list[bool]], seed: tuple[int, int]) -> set[tuple[int, int]]:
    """Breadth first, over eight neighbours."""
    if not inside[seed[0]][seed[1]]:
        return set()
    reached, queue = {seed}, deque([seed])
    while queue:
        y, x = queue.popleft()
        for row in range(max(0, y - 1), min(len(inside), y + 2)):
            for column in range(max(0, x - 1), min(len(inside[0]), x + 2)):
                if inside[row][column] and (row, column) not in reached:
                    reached.add((row, column))
                    queue.append((row, column))
    return reached


@given(st.integers(1, 24), st.integers(1, 24), st.floats(0.1, 0.9), st.integers(0, 10**6))
@settings(max_examples=60)
def test_the_connected_part_is_a_flood_fills(height, width, share, number):
    inside = uniform(height, width, seed=number) < share
    seed = (number % height, number // 7 % width)
    expected = torch.zeros(height, width, dtype=torch.bool)
    for cell in flooded(inside.tolist(), seed):
        expected[cell] = True
    assert torch.equal(connected_to(inside, seed), expected)


def test_a_long_winding_region_is_followed_to_its_end():
    inside = torch.zeros(41, 41, dtype=torch.bool)
    inside[::2] = True
    for row in range(1, 41, 2):
        inside[row, -1 if row % 4 == 1 else 0] = True
    inside[20, 20] = False
    got = connected_to(inside, (0, 0))
    assert got[20, 0] != got[20, 40] and int(got.sum()) == len(flooded(inside.tolist(), (0, 0)))


def test_diagonal_neighbours_are_connected():
    assert connected_to(torch.eye(9, dtype=torch.bool), (0, 0)).sum() == 9


# ---- the region


def hill(cells: torch.Tensor, high: float = 0.9, low: float = 0.05) -> torch.Tensor:
    return torch.where(cells, high, low).expand(1, 1, *SIZE).clone()


def cells_of(top: int, left: int, bottom: int, right: int) -> torch.Tensor:
    out = torch.zeros(SIZE, dtype=torch.bool)
    out[top:bottom, left:right] = True
    return out


def at(x: float, y: float) -> DragPoints:
    return drags(GRID, ((x, y), (x + 2, y)))


@pytest.mark.parametrize("tau", [None, 0.3, 0.6])
def test_the_region_is_where_the_correlation_is(tau):
    got = find_element(hill(cells_of(2, 3, 6, 8)), GRID, at(5, 4), ElementSettings(tau=tau))
    assert got.shape == (1, *GRID.image_size) and got.dtype == torch.float32
    # Between the cells' centres the edge may lie anywhere.
    assert got[:, 2 * 8 + 4 : 6 * 8 - 4, 3 * 8 + 4 : 8 * 8 - 4].all()
    outside = torch.ones(GRID.image_size, dtype=torch.bool)
    outside[2 * 8 - 4 : 6 * 8 + 4, 3 * 8 - 4 : 8 * 8 + 4] = False
    assert not got[:, outside].any()


def test_a_higher_threshold_gives_a_smaller_region():
    y, x = GRID.cell_centres()
    scores = (1 - torch.hypot(x - 5, y - 4) / 8).clamp(0, 1)[None, None]
    areas = [float(find_element(scores, GRID, at(5, 4), ElementSettings(tau=tau)).sum()) for tau in (0.2, 0.5, 0.8)]
    assert areas[0] > areas[1] > areas[2] > 0
    # The cone's own circle, give or take the pixels of its rim.
    assert areas[1] == pytest.approx(math.pi * (4 * 8) ** 2, rel=0.12)


def test_what_is_not_connected_to_the_handle_is_left_out_unless_wanted():
    scores = hill(cells_of(1, 1, 4, 4) | cells_of(4, 6, 7, 9))
    near, far = (slice(None), slice(12, 28), slice(12, 28)), (slice(None), slice(36, 52), slice(52, 68))
    connected = find_element(scores, GRID, at(2.5, 2.5), ElementSettings(tau=0.5))
    assert connected[near].all() and not connected[far].any()
    everything = find_element(scores, GRID, at(2.5, 2.5), ElementSettings(tau=0.5, connected=False))
    assert everything[near].all() and everything[far].all()


@pytest.mark.parametrize("tau", [None, 0.5])
@pytest.mark.parametrize("with_picture", [False, True])
def test_the_radius_cuts_the_region_off_and_changes_nothing_within(tau, with_picture):
    scores = hill(cells_of(1, 1, 7, 8))
    image = spread(scores) if with_picture else None
    free = find_element(scores, GRID, at(4, 4), ElementSettings(tau=tau), image)
    limit = 18
    limited = DragPoints((DragPair(cell_point(GRID, 4, 4), (0.5, 0.5), limit / 60),))
    y, x = torch.meshgrid(torch.arange(60) + 0.5, torch.arange(76) + 0.5, indexing="ij")
    within = torch.hypot(x - 32, y - 32) <= limit
    assert bool((free[0].bool() & ~within).any())
    assert torch.equal(find_element(scores, GRID, limited, ElementSettings(tau=tau), image)[0], free[0] * within)


def spread(scores: torch.Tensor) -> torch.Tensor:
    """A grey picture (1, H, W, 3) of a correlation, every cell in one tone."""
    return GRID.spread_cells(scores[:, 0])[..., None].expand(-1, -1, -1, 3).clone()


def test_a_region_that_attention_sees_blurred_ends_at_an_outline():
    """A drawing: the element has its surroundings' colour, so only the line round it tells where it ends."""
    y, x = torch.meshgrid(torch.arange(60) + 0.5, torch.arange(76) + 0.5, indexing="ij")
    element = (x > 20) & (x < 54) & (y > 17) & (y < 43)
    line = element & ~((x > 22) & (x < 52) & (y > 19) & (y < 41))
    image = torch.where(line, 0.1, 0.9)[None, ..., None].expand(-1, -1, -1, 3).clone()
    cells = GRID.image_mask_to_cells(torch.where(element, 0.8, 0.03)[None])
    scores = torch.nn.functional.avg_pool2d(cells[None], 3, stride=1, padding=1, count_include_pad=False)

    def overlap(mask: torch.Tensor) -> float:
        return float((mask[0].bool() & element).sum() / (mask[0].bool() | element).sum())

    # Whatever the threshold between the two, within reason.
    for tau in (0.15, 0.2):
        found = find_element(scores, GRID, at(4.6, 3.8), ElementSettings(tau=tau), image)
        coarse = find_element(scores, GRID, at(4.6, 3.8), ElementSettings(tau=tau, refined=False), image)
        assert overlap(found) > 0.95 > 0.8 > overlap(coarse)


def test_the_picture_is_left_out_when_it_shall_not_refine():
    scores = hill(cells_of(1, 1, 4, 4), 0.9, 0.05)
    image = uniform(1, *GRID.image_size, 3)
    plain = find_element(scores, GRID, at(2.5, 2.5), BARE)
    coarse = ElementSettings(grow=0, feather=0, refined=False)
    assert torch.equal(find_element(scores, GRID, at(2.5, 2.5), coarse, image), plain)
    assert not torch.equal(find_element(scores, GRID, at(2.5, 2.5), BARE, image), plain)


def test_the_handles_own_pixel_belongs_to_its_region():
    scores = torch.zeros(1, 1, *SIZE)
    scores[..., 0, 0] = 1
    for x, y in ((5, 4), (0, 0), (9.5, 7.5)):
        points = DragPoints((drags(GRID, ((x, y), (x, y))).pairs[0],))
        got = find_element(scores, GRID, points, ElementSettings(tau=1.0))
        pixel = (min(int(y * 8), 59), min(int(x * 8), 75))
        assert got[0][pixel] == 1


def test_handles_on_the_far_border_are_inside_the_image():
    corner = DragPoints((drags(GRID, ((0, 0), (1, 1))).pairs[0],))
    corner = DragPoints((type(corner.pairs[0])((1.0, 1.0), (0.5, 0.5)),))
    assert find_element(torch.ones(1, 1, *SIZE), GRID, corner, ElementSettings(tau=0.5))[0, -1, -1] == 1


def test_all_handles_regions_are_united_and_images_kept_apart():
    one, two = cells_of(1, 1, 4, 4), cells_of(4, 6, 7, 9)
    scores = torch.cat([hill(one), hill(two)], 1)
    points = DragPoints((at(2.5, 2.5).pairs[0], at(7.5, 5.5).pairs[0]))
    both = find_element(scores, GRID, points, ElementSettings(tau=0.5))
    parts = [
        find_element(scores[:, [index]], GRID, DragPoints((points.pairs[index],)), ElementSettings(tau=0.5))
        for index in range(2)
    ]
    assert torch.equal(both, torch.maximum(*parts))
    other = scores.flip(1)
    batch = find_element(torch.cat([scores, other]), GRID, points, ElementSettings(tau=0.5))
    assert torch.equal(batch[0], both[0])
    assert torch.equal(batch[1], find_element(other, GRID, points, ElementSettings(tau=0.5))[0])
    swapped = find_element(other, GRID, DragPoints(points.pairs[::-1]), ElementSettings(tau=0.5))
    assert torch.equal(swapped, both)


def test_the_threshold_is_chosen_for_each_handle():
    scores = torch.cat([hill(cells_of(1, 1, 4, 4), 0.9, 0.3), hill(cells_of(4, 6, 7, 9), 0.25, 0.01)], 1)
    points = DragPoints((at(2.5, 2.5).pairs[0], at(7.5, 5.5).pairs[0]))
    got = find_element(scores, GRID, points, BARE)
    assert got[0, 12:28, 12:28].all() and got[0, 36:52, 52:68].all()
    # Neither handle's threshold is the other's: the first's ground would be inside, or the second's element out.
    assert not got[0, :4].any() and not got[0, :, :4].any() and float(got.mean()) < 0.6


# ---- edges


@given(st.integers(-5, 5), st.integers(0, 10**6))
@settings(max_examples=40)
def test_growing_and_shrinking_by_squares(grow, seed):
    mask = (uniform(1, 14, 17, seed=seed) < 0.4).float()
    got = soften(mask, grow)
    reach, value = abs(grow), mask[0].tolist()
    pick = max if grow >= 0 else min
    for y in range(14):
        for x in range(17):
            around = [
                value[row][column]
                for row in range(max(0, y - reach), min(14, y + reach + 1))
                for column in range(max(0, x - reach), min(17, x + reach + 1))
            ]
            assert float(got[0, y, x]) == pick(around)


@pytest.mark.parametrize("feather", [1, 4, 9, 30])
def test_a_feathered_edge_falls_evenly_across_the_border(feather):
    mask = torch.zeros(1, 40, 80)
    mask[:, :, :40] = 1
    got = soften(mask, 0, feather)
    assert got.shape == mask.shape and (got >= 0).all() and (got <= 1).all()
    row = got[0, 20]
    assert torch.allclose(got[0], row.expand_as(got[0]), atol=1e-5)
    assert (row.diff() <= 1e-6).all()
    # Symmetric about the border, and done within the feather's width.
    assert torch.allclose(row + row.flip(0), torch.ones(80), atol=1e-4)
    assert torch.allclose(row[: 40 - feather], torch.tensor(1.0), atol=1e-5)
    assert torch.allclose(row[40 + feather :], torch.tensor(0.0), atol=1e-5)
    if feather > 3:
        assert row[40 + feather // 3] > 0.02


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("options", [(3, 0), (-3, 0), (0, 5), (2, 5), (-2, 40)])
def test_an_empty_mask_and_a_full_one_stay_so(value, options):
    mask = torch.full((1, 12, 13), value)
    assert torch.allclose(soften(mask, *options), mask, atol=1e-5)


def test_grow_and_feather_reach_the_region():
    scores = hill(cells_of(2, 3, 6, 8))
    plain = find_element(scores, GRID, at(5, 4), ElementSettings(tau=0.5))
    for grow, feather in ((3, 0), (-3, 0), (2, 4)):
        got = find_element(scores, GRID, at(5, 4), ElementSettings(tau=0.5, grow=grow, feather=feather))
        assert torch.allclose(got, soften(plain, grow, feather))
        assert not torch.equal(got, plain)


# ---- a drawn mask


@pytest.mark.parametrize("mode", ["multiply", "", None, "Add"])
def test_an_unknown_mode_is_refused(mode):
    with pytest.raises(InputError) as caught:
        combine(torch.zeros(1, 6, 7), torch.ones(1, 6, 7), mode)
    assert caught.value.input == "combine" and repr(mode) in str(caught.value)
    for known in ("add", "subtract", "replace", "intersect"):
        assert known in caught.value.mend


def test_combining_with_a_drawn_mask():
    automatic, drawn = uniform(2, 6, 7), uniform(1, 6, 7, seed=1)
    for y in range(6):
        for x in range(7):
            for image in range(2):
                a, d = float(automatic[image, y, x]), float(drawn[0, y, x])
                for mode, expected in (
                    ("add", max(a, d)),
                    ("subtract", min(a, 1 - d)),
                    ("intersect", min(a, d)),
                    ("replace", d),
                ):
                    assert float(combine(automatic, drawn, mode)[image, y, x]) == pytest.approx(expected)


@pytest.mark.parametrize("mode", ["add", "subtract", "intersect", "replace"])
def test_combining_writes_to_neither_mask(mode):
    automatic, drawn = uniform(2, 6, 7), uniform(1, 6, 7, seed=1)
    kept = automatic.clone(), drawn.clone()
    combine(automatic, drawn, mode).zero_()
    assert torch.equal(automatic, kept[0]) and torch.equal(drawn, kept[1])


def test_a_drawn_mask_without_a_batch_or_beyond_0_to_1_is_taken():
    automatic = torch.zeros(2, 4, 5)
    got = combine(automatic, 3 * torch.ones(4, 5, dtype=torch.float64), "add")
    assert got.dtype == torch.float32 and torch.equal(got, torch.ones(2, 4, 5))


@pytest.mark.parametrize(
    ("shape", "shown"), [((1, 6, 8), "8x6"), ((1, 7, 6), "6x7"), ((3, 6, 7), "3 masks"), ((1, 1, 6, 7), "7x6")]
)
def test_a_mask_of_another_size_or_batch_is_refused(shape, shown):
    with pytest.raises(InputError) as caught:
        combine(torch.zeros(2, 6, 7), torch.zeros(shape), "add")
    assert caught.value.input == "mask" and shown in str(caught.value)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_mask_that_is_not_finite_is_refused(value):
    mask = torch.zeros(1, 6, 7)
    mask[0, 2, 3] = value
    with pytest.raises(InputError) as caught:
        check_mask(mask, (6, 7), 1, "drawn")
    assert caught.value.input == "drawn"


@pytest.mark.parametrize(
    ("bad", "input"),
    [
        ({"tau": 0.0}, "tau"),
        ({"tau": 1.01}, "tau"),
        ({"tau": math.nan}, "tau"),
        ({"tau": -0.5}, "tau"),
        ({"feather": -1}, "feather"),
        ({"above_otsu": 0.9}, "above_otsu"),
        ({"above_otsu": math.nan}, "above_otsu"),
    ],
)
def test_bad_settings_are_refused(bad, input):
    with pytest.raises(InputError) as caught:
        ElementSettings(**bad)
    assert caught.value.input == input and str(bad[input]) in str(caught.value)


def test_centre_cropped_latents_keep_their_place():
    grid = Grid.between((61, 77), (7, 9))
    assert (grid.offset_y, grid.offset_x) == (2, 2)
    scores = torch.full((1, 1, 7, 9), 0.05)
    scores[..., 2:5, 3:6] = 0.9
    points = DragPoints((type(at(1, 1).pairs[0])(cell_point(grid, 4.5, 3.5), (0.5, 0.5)),))
    got = find_element(scores, grid, points, ElementSettings(tau=0.5))[0]
    rows, columns = got.any(1).nonzero(), got.any(0).nonzero()
    assert abs(int(rows[0]) - (2 * 8 + 2)) <= 4 and abs(int(rows[-1]) - (5 * 8 + 1)) <= 4
    centre = (float(rows.float().mean()), float(columns.float().mean()))
    assert centre == pytest.approx((3.5 * 8 + 1.5, 4.5 * 8 + 1.5), abs=0.6)
