"""Movement against a per-cell reference written as loops, and against shifts known beforehand."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InputError
from core.motion.field import MoveSettings, plan_movement
from core.motion.movement import TOUCHED, Movement
from core.motion.ownership import owners
from core.motion.splat import splat
from core.planes.morphology import dilate
from core.space.grid import Grid
from core.space.points import DragPair, DragPoints
from tests.core.builders import box, cell_point, drags, normal, uniform

FIELDS = ("leaving", "arriving", "way_in", "free")


@dataclasses.dataclass
class Case:
    """A drag of random fields."""

    grid: Grid
    points: DragPoints
    scores: torch.Tensor
    mask: torch.Tensor

    def plan(self, **options) -> Movement:
        return plan_movement(self.scores, self.mask, self.grid, self.points, MoveSettings(**options))


shares = st.sampled_from([0.0, 0.5, 1.0]) | st.floats(0, 1)
targets = st.sampled_from([-0.5, 0.0, 1.0, 1.5]) | st.floats(-1, 2)


@st.composite
def cases(draw) -> Case:
    """Images of odd sizes, one to four drags: at the border, on the spot, out of the image, with a radius."""
    grid = Grid.padded(draw(st.integers(5, 26)), draw(st.integers(5, 26)), cell=4)
    pairs = []
    for _ in range(draw(st.integers(1, 4))):
        handle = draw(st.tuples(shares, shares))
        target = handle if draw(st.booleans()) and draw(st.booleans()) else draw(st.tuples(targets, targets))
        pairs.append(DragPair(handle, target, draw(st.none() | st.floats(0.05, 1))))
    seed, batch = draw(st.integers(0, 10**6)), draw(st.integers(1, 2))
    scores = uniform(batch, len(pairs), *grid.latent_size, seed=seed)
    mask = (uniform(batch, *grid.image_size, seed=seed + 1) < draw(st.floats(0, 1))).float()
    return Case(grid, DragPoints(tuple(pairs)), scores, mask)


@given(cases(), st.sampled_from(["rigid", "correlation"]), st.integers(0, 2))
@settings(max_examples=60)
def test_fields_are_shares_and_never_nan(case, falloff, transition):
    move = case.plan(falloff=falloff, transition=transition)
    batch = case.scores.shape[0]
    assert move.way_in.shape == (batch, 2, *case.grid.latent_size)
    for value in (move.leaving, move.arriving, move.free, move.vacated):
        assert value.shape == (batch, *case.grid.latent_size)
        assert torch.isfinite(value).all() and (value >= 0).all() and (value <= 1).all()
    assert torch.isfinite(move.way_in).all()
    planes = normal(batch, 4, *case.grid.latent_size)
    assert torch.isfinite(move.warp(planes)).all() and torch.isfinite(move.warp_noise(planes)).all()


def reference(case: Case, image: int) -> tuple[dict, dict]:
    """By loops: each cell's owner, and what lands where: cell -> pair -> (coverage, mean score)."""
    height, width = case.grid.latent_size
    share = case.grid.image_mask_to_cells(case.mask)[image].tolist()
    scores = case.scores[image].tolist()
    ends = [(case.grid.to_cells(pair.handle), case.grid.to_cells(pair.target)) for pair in case.points.pairs]
    owner, landed = {}, {}
    for y in range(height):
        for x in range(width):
            near = []
            for number, pair in enumerate(case.points.pairs):
                (handle_x, handle_y), _ = ends[number]
                distance = math.hypot(x + 0.5 - handle_x, y + 0.5 - handle_y)
                limit = math.inf if pair.radius is None else case.grid.radius_in_cells(pair.radius)
                # A radius below a cell still reaches the handle's own.
                if distance <= max(limit, 0.75):
                    near.append(number)
            if not near or share[y][x] == 0:
                continue
            number = max(near, key=lambda pair: scores[pair][y][x])
            owner[y, x] = number, share[y][x]
            (handle_x, handle_y), (target_x, target_y) = ends[number]
            to_x, to_y = x + target_x - handle_x, y + target_y - handle_y
            for row in (math.floor(to_y), math.floor(to_y) + 1):
                for column in (math.floor(to_x), math.floor(to_x) + 1):
                    part = share[y][x] * (1 - abs(to_y - row)) * (1 - abs(to_x - column))
                    if part > 0 and 0 <= row < height and 0 <= column < width:
                        pairs = landed.setdefault((row, column), {})
                        amount, weighted = pairs.get(number, (0.0, 0.0))
                        pairs[number] = amount + part, weighted + part * scores[number][y][x]
    landed = {
        cell: {pair: (amount, weighted / amount) for pair, (amount, weighted) in pairs.items()}
        for cell, pairs in landed.items()
    }
    return owner, landed


@given(cases())
@settings(max_examples=25)
def test_against_the_reference_by_loops(case):
    move = case.plan(transition=1)
    ways = [case.grid.displacement(pair) for pair in case.points.pairs]
    anchored = [pair.is_anchor for pair in case.points.pairs]
    height, width = case.grid.latent_size
    for image in range(case.scores.shape[0]):
        owner, landed = reference(case, image)
        for y in range(height):
            for x in range(width):
                number, share = owner.get((y, x), (None, 0.0))
                left = 0.0 if number is None or anchored[number] else share
                assert float(move.leaving[image, y, x]) == pytest.approx(left, abs=1e-5)
                _check_arrival(move, image, y, x, landed.get((y, x), {}), ways, anchored)
        _check_region(move, image, owner, anchored)


def _check_arrival(move, image, y, x, pairs, ways, anchored) -> None:
    arriving = float(move.arriving[image, y, x])
    way = move.way_in[image, :, y, x].tolist()
    pairs = {number: entry for number, entry in pairs.items() if entry[0] > 1e-4}
    if not pairs:
        assert arriving <= 1e-3
        return
    # The stronger correlation wins among those that cover the cell by half; failing any, the larger cover.
    if any(abs(cover - 0.5) < 1e-3 for cover, _ in pairs.values()):
        return
    solid = {number: score for number, (cover, score) in pairs.items() if cover > 0.5}
    ranking = sorted(solid.values() if solid else (cover for cover, _ in pairs.values()), reverse=True)
    if len(ranking) > 1 and ranking[0] - ranking[1] < 2e-3:
        return
    winner = max(solid, key=solid.get) if solid else max(pairs, key=lambda number: pairs[number][0])
    if anchored[winner]:
        assert arriving == 0 and way == [0, 0]
        return
    cover = sum(cover for number, (cover, _) in pairs.items() if not anchored[number])
    assert arriving == pytest.approx(min(cover, 1.0), abs=1e-3)
    assert way == pytest.approx(ways[winner], abs=1e-3)


def _check_region(move, image, owner, anchored) -> None:
    height, width = move.leaving.shape[-2:]
    changed = torch.maximum(move.leaving, move.arriving)[image].tolist()
    for y in range(height):
        for x in range(width):
            around = max(
                float(changed[row][column] > TOUCHED)
                for row in range(max(0, y - 1), min(height, y + 2))
                for column in range(max(0, x - 1), min(width, x + 2))
            )
            number, share = owner.get((y, x), (None, 0.0))
            held = number is not None and anchored[number] and share > 0.5 and changed[y][x] == 0
            assert float(move.free[image, y, x]) == pytest.approx(0.0 if held else around, abs=1e-6)


@given(cases(), st.randoms(use_true_random=False), st.sampled_from(["rigid", "correlation"]))
@settings(max_examples=40)
def test_the_order_of_the_drags_makes_no_difference_at_all(case, random, falloff):
    order = list(range(len(case.points)))
    random.shuffle(order)
    other = Case(
        case.grid, DragPoints(tuple(case.points.pairs[index] for index in order)), case.scores[:, order], case.mask
    )
    one, two = case.plan(falloff=falloff), other.plan(falloff=falloff)
    assert all(torch.equal(getattr(one, name), getattr(two, name)) for name in FIELDS)


@pytest.mark.parametrize("tied", ["scores", "pairs"])
def test_nor_does_it_where_everything_is_tied(tied):
    grid = Grid.padded(64, 64)
    if tied == "scores":
        points = drags(grid, ((2, 4), (5, 4.5)), ((4, 4), (2.5, 4)), ((4, 4), (4, 6.5)))
    else:
        pair = drags(grid, ((3.5, 4), (5, 4.5))).pairs[0]
        points = DragPoints((pair, dataclasses.replace(pair, radius=0.2), dataclasses.replace(pair, radius=0.4)))
    scores = torch.ones(1, 3, 8, 8)
    found = [
        plan_movement(scores, box(grid, 2, 2, 6, 6), grid, DragPoints(tuple(points.pairs[index] for index in order)))
        for order in ((0, 1, 2), (1, 0, 2), (2, 1, 0), (1, 2, 0))
    ]
    for other in found[1:]:
        assert all(torch.equal(getattr(found[0], name), getattr(other, name)) for name in FIELDS)


# ---- shifts that are known beforehand

GRID = Grid.padded(80, 96)
HEIGHT, WIDTH = GRID.latent_size
ONES = torch.ones(1, 1, HEIGHT, WIDTH)
BOX = (3, 3, 7, 7)


def shifted(dx: float, dy: float, mask=None, **options) -> Movement:
    points = drags(GRID, ((5, 5), (5 + dx, 5 + dy)))
    return plan_movement(ONES, box(GRID, *BOX) if mask is None else mask, GRID, points, MoveSettings(**options))


@pytest.mark.parametrize(("dx", "dy"), [(2, 0), (0, -3), (4, 3), (-2, -1), (1, 0)])
def test_a_whole_cell_shift_is_a_roll(dx, dy):
    move = shifted(dx, dy)
    inside = box(GRID, *BOX)[0, ::8, ::8]
    assert torch.allclose(move.leaving[0], inside)
    assert torch.allclose(move.arriving[0], torch.roll(inside, (dy, dx), (0, 1)), atol=1e-5)
    planes = normal(1, 4, HEIGHT, WIDTH)
    there = move.arriving[0] > 0.99
    assert int(there.sum()) == 16
    expected = torch.roll(planes, (dy, dx), (2, 3))
    assert torch.allclose(move.warp(planes)[..., there], expected[..., there], atol=1e-4)
    assert torch.allclose(move.warp_noise(planes)[..., there], expected[..., there], atol=1e-4)
    vacated = inside * (1 - torch.roll(inside, (dy, dx), (0, 1)))
    assert torch.allclose(move.vacated[0], vacated, atol=1e-5)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_half_cell_shift_is_the_average_of_two_cells(axis):
    move = shifted(*((2.5, 0) if axis else (0, 2.5)))
    planes = normal(1, 4, HEIGHT, WIDTH)
    expected = (torch.roll(planes, 2, 2 + axis) + torch.roll(planes, 3, 2 + axis)) / 2
    there = move.arriving[0] > 0.99
    assert int(there.sum()) == 12
    assert torch.allclose(move.warp(planes)[..., there], expected[..., there], atol=1e-4)
    # Half of what leaves lands in each of the two border columns.
    assert float(move.arriving.sum()) == pytest.approx(16, abs=1e-3)
    assert int(((move.arriving - 0.5).abs() < 1e-3).sum()) == 8


@pytest.mark.parametrize(("dx", "dy"), [(0.5, 0), (0.5, 0.5), (0.25, 0.75), (3.3, -1.8), (2, 1)])
def test_moved_noise_keeps_its_variance(dx, dy):
    grid = Grid.padded(8 * 96, 8 * 96)
    points = drags(grid, ((50, 50), (50 + dx, 50 + dy)))
    move = plan_movement(torch.ones(1, 1, 96, 96), torch.ones(1, 768, 768), grid, points)
    noise = normal(1, 4, 96, 96)
    there = move.arriving[0] > 0.999
    assert float(move.warp_noise(noise)[..., there].var()) == pytest.approx(1, abs=0.05)
    if (dx, dy) == (0.5, 0.5):
        assert float(move.warp(noise)[..., there].var()) == pytest.approx(0.25, abs=0.02)


def test_opposing_drags_do_not_cancel():
    """A mouth opens: its upper half goes up, its lower half down, and between them there is a gap."""
    points = drags(GRID, ((6, 4), (6, 2)), ((6, 6), (6, 8)))
    y = torch.arange(HEIGHT)[:, None].expand(HEIGHT, WIDTH) + 0.5
    scores = torch.stack([1 / (1 + (y - 4).abs()), 1 / (1 + (y - 6).abs())])[None]
    move = plan_movement(scores, box(GRID, 3, 3, 7, 9), GRID, points)
    up, down = move.arriving[0, 1:3, 3:9], move.arriving[0, 7:9, 3:9]
    assert torch.allclose(up, torch.ones_like(up), atol=1e-5) and torch.allclose(down, torch.ones_like(down), atol=1e-5)
    assert torch.allclose(move.way_in[0, 1, 1:3, 3:9], torch.tensor(-2.0), atol=1e-5)
    assert torch.allclose(move.way_in[0, 1, 7:9, 3:9], torch.tensor(2.0), atol=1e-5)
    assert torch.allclose(move.vacated[0, 3:7, 3:9], torch.tensor(1.0), atol=1e-5)


@pytest.mark.parametrize("stronger", [0, 1])
@pytest.mark.parametrize("way", [2.0, 2.3])
def test_where_destinations_overlap_the_stronger_correlation_wins(stronger, way):
    points = drags(GRID, ((3, 5), (3 + way, 5)), ((9, 5), (9 - way, 5)))
    scores = torch.zeros(1, 2, HEIGHT, WIDTH)
    scores[:, 0, :, :6], scores[:, 1, :, 6:] = 0.5, 0.5
    scores[:, stronger] *= 1.6
    move = plan_movement(scores, box(GRID, 4, 2, 6, 5).maximum(box(GRID, 4, 7, 6, 10)), GRID, points)
    # Both cover these columns wholly.
    contested = move.way_in[0, 0, 4:6, 6:7] if way == 2.3 else move.way_in[0, 0, 4:6, 5:7]
    assert torch.allclose(contested, torch.tensor(way if stronger == 0 else -way), atol=1e-4)
    assert torch.allclose(move.arriving[0, 4:6, 5:7], torch.tensor(1.0), atol=1e-5)


def test_a_sliver_of_a_strong_handle_does_not_displace_a_whole_cell_of_a_weak_one():
    points = drags(GRID, ((3, 5), (5.1, 5)), ((9, 5), (7, 5)))
    scores = torch.zeros(1, 2, HEIGHT, WIDTH)
    scores[:, 0, :, :6], scores[:, 1, :, 6:] = 1.0, 0.3
    move = plan_movement(scores, box(GRID, 4, 2, 6, 4).maximum(box(GRID, 4, 8, 6, 10)), GRID, points)
    # The first reaches a tenth into column 6, which the second covers.
    assert torch.allclose(move.way_in[0, 0, 4:6, 6], torch.tensor(-2.0), atol=1e-4)


def test_one_element_dragged_by_two_handles_moves_like_one():
    """No seam where the cells of one handle meet those of the other, at a sub-cell way."""
    one = shifted(3.5, 1.25)
    points = drags(GRID, ((4, 5), (7.5, 6.25)), ((6, 5), (9.5, 6.25)))
    scores = torch.full((1, 2, HEIGHT, WIDTH), 0.5)
    scores[:, 0, :, :5], scores[:, 1, :, 5:] = 1.0, 1.0
    two = plan_movement(scores, box(GRID, *BOX), GRID, points)
    there = one.arriving > 0.01
    for name in ("leaving", "arriving", "free", "vacated"):
        assert torch.allclose(getattr(two, name), getattr(one, name), atol=1e-4), name
    assert torch.allclose(two.way_in.movedim(1, -1)[there], one.way_in.movedim(1, -1)[there], atol=1e-4)


def test_an_anchor_holds_its_own():
    points = drags(GRID, ((4, 5), (8, 5)), ((9, 5), (9, 5)))
    scores = torch.zeros(1, 2, HEIGHT, WIDTH)
    scores[:, 0, :, :7], scores[:, 1, :, 7:] = 0.6, 0.9
    move = plan_movement(scores, box(GRID, 4, 3, 6, 10), GRID, points)
    held = (slice(None), slice(4, 6), slice(7, 10))
    for value in (move.leaving, move.arriving, move.free, move.vacated):
        assert not value[held].any()
    assert not move.way_in[0, :, 4:6, 7:10].any()
    # The rest moves.
    assert torch.allclose(move.leaving[0, 4:6, 3:7], torch.tensor(1.0))
    alone = plan_movement(scores[:, :1], box(GRID, 4, 3, 6, 7), GRID, DragPoints(points.pairs[:1]))
    assert alone.arriving[held].any()


def test_only_anchors_move_nothing():
    points = drags(GRID, ((4, 5), (4, 5)), ((9, 5), (9, 5)))
    move = plan_movement(uniform(2, 2, HEIGHT, WIDTH), torch.ones(2, *GRID.image_size), GRID, points)
    assert not any(getattr(move, name).any() for name in FIELDS) and not move.vacated.any()


@pytest.mark.parametrize(("dx", "dy"), [(30, 0), (-30, 0), (0, 25), (-11.5, -11.5), (1e3, 1e3)])
def test_what_is_dragged_out_of_the_image_is_gone(dx, dy):
    move = shifted(dx, dy)
    assert not move.arriving.any()
    assert torch.equal(move.vacated, move.leaving) and float(move.leaving.sum()) == 16


def test_what_is_dragged_out_in_part_arrives_in_part():
    move = shifted(7, 0)
    assert float(move.arriving.sum()) == pytest.approx(8, abs=1e-3)
    assert torch.allclose(move.arriving[0, 3:7, 10:12], torch.tensor(1.0), atol=1e-5)


@given(cases())
@settings(max_examples=30)
def test_the_region_covers_source_and_destination(case):
    move = case.plan(transition=0)
    assert torch.equal(move.free, (torch.maximum(move.leaving, move.arriving) > TOUCHED).float())


@pytest.mark.parametrize("transition", [0, 1, 3])
def test_the_transition_is_as_wide_as_asked(transition):
    region = shifted(0, 3, transition=transition).free[0] > 0
    rows, columns = region.any(1).nonzero(), region.any(0).nonzero()
    assert (int(rows[0]), int(rows[-1])) == (max(0, 3 - transition), min(HEIGHT - 1, 9 + transition))
    assert (int(columns[0]), int(columns[-1])) == (max(0, 3 - transition), min(WIDTH - 1, 6 + transition))


@given(cases())
@settings(max_examples=30)
def test_nothing_beyond_the_radius_moves(case):
    pairs = tuple(dataclasses.replace(pair, radius=pair.radius or 0.3) for pair in case.points.pairs)
    case = dataclasses.replace(case, points=DragPoints(pairs))
    move = case.plan()
    y, x = case.grid.cell_centres()
    near = torch.zeros(case.grid.latent_size, dtype=torch.bool)
    for pair in case.points.pairs:
        handle_x, handle_y = case.grid.to_cells(pair.handle)
        near |= torch.hypot(x - handle_x, y - handle_y) <= max(case.grid.radius_in_cells(pair.radius), 0.75) + 1e-4
    assert not move.leaving[:, ~near].any()


def test_a_pair_beyond_its_radius_leaves_the_cell_to_the_next():
    points = DragPoints(
        (
            DragPair(cell_point(GRID, 3.5, 5), cell_point(GRID, 3.5, 8), radius=1.5 * 8 / 80),
            DragPair(cell_point(GRID, 9, 5), cell_point(GRID, 9, 2)),
        )
    )
    scores = torch.ones(1, 2, HEIGHT, WIDTH)
    scores[:, 1] = 0.1
    owned = owners(scores, torch.ones(1, HEIGHT, WIDTH), GRID, points)
    assert owned[0, 0, 4, 3] == 1 and owned[0, 1, 4, 3] == 0
    assert owned[0, 0, 4, 8] == 0 and owned[0, 1, 4, 8] == 1
    assert torch.allclose(owned.sum(1), torch.ones(1, HEIGHT, WIDTH))


@given(cases())
@settings(max_examples=30)
def test_each_cell_follows_one_handle(case):
    owned = owners(case.scores, case.grid.image_mask_to_cells(case.mask), case.grid, case.points)
    assert ((owned > 0).sum(1) <= 1).all()


def test_falloff_by_correlation_scales_the_way():
    points = drags(GRID, ((5, 5), (9, 5)))
    rigid = plan_movement(0.5 * ONES, box(GRID, *BOX), GRID, points, MoveSettings(falloff="rigid"))
    scaled = plan_movement(0.5 * ONES, box(GRID, *BOX), GRID, points, MoveSettings(falloff="correlation"))
    half = shifted(2, 0)
    assert float(rigid.way_in[0, 0].max()) == pytest.approx(4, abs=1e-4)
    for name in FIELDS:
        assert torch.allclose(getattr(scaled, name), getattr(half, name), atol=1e-4)


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 10**6), st.floats(0, 4))
@settings(max_examples=25)
def test_splat_carries_every_share_to_the_four_cells_around(height, width, seed, reach):
    weight, score = uniform(1, height, width, seed=seed), uniform(1, height, width, seed=seed + 1)
    way = reach * normal(1, 2, height, width, seed=seed + 2)
    share, mean_way, mean_score = splat(weight, way, score)
    sums = torch.zeros(4, height, width, dtype=torch.float64)
    for y in range(height):
        for x in range(width):
            dx, dy = way[0, :, y, x].tolist()
            for row in range(height):
                for column in range(width):
                    near = max(0.0, 1 - abs(x + dx - column)) * max(0.0, 1 - abs(y + dy - row))
                    part = near * float(weight[0, y, x])
                    sums[:, row, column] += part * torch.tensor([1, dx, dy, float(score[0, y, x])])
    assert torch.allclose(share[0].double(), sums[0].clamp(max=1), atol=1e-4)
    there = sums[0] > 1e-3
    for got, expected in ((mean_way[0, 0], sums[1]), (mean_way[0, 1], sums[2]), (mean_score[0], sums[3])):
        assert torch.allclose(got[there].double(), (expected / sums[0])[there], atol=1e-2)


def test_widen_spreads_to_the_cells_around():
    cells = torch.zeros(1, 5, 6)
    cells[0, 0, 2] = 0.7
    assert torch.equal(dilate(cells, 0), cells)
    expected = torch.zeros(1, 5, 6)
    expected[0, :2, 1:4] = 0.7
    assert torch.equal(dilate(cells, 1), expected)


def test_a_negative_transition_is_refused():
    with pytest.raises(InputError) as caught:
        MoveSettings(transition=-1)
    assert caught.value.input == "transition" and "-1" in str(caught.value)


def test_what_arrives_has_a_way_however_little_it_is():
    """A way of 3 cells less a rounding leaves 1e-7 of a cell beside those that it covers."""
    weight = torch.zeros(1, 6, 12)
    weight[:, 2:4, 2:5] = 1
    way = torch.zeros(1, 2, 6, 12)
    way[:, 0] = 3 - 2e-7
    share, ways, _ = splat(weight, way, torch.ones(1, 6, 12))
    assert torch.equal(share > 0, ways[:, 0] > 0)
    assert int((share > 0).sum()) == 6
