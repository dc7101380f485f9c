"""Pushing: nothing torn, nothing left behind; and what "auto" pushes."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.edit import Found, planned
from core.motion.field import MoveSettings, plan_movement
from core.motion.push import REACH, share_round
from core.motion.telling import SCALED, SHORT, SPAN, told_motion
from core.settings import EditSettings
from core.space.drags import DragPair, DragPoints
from core.space.grid import Grid
from tests.core.builders import box

GRID = Grid.padded(160, 200)
HEIGHT, WIDTH = GRID.image_size
THING = box(GRID, 8, 9, 12, 14)
"""Pixels 64 to 96 down and 72 to 112 across."""


def at(*pairs, motion=None) -> DragPoints:
    """Drags from ((x, y), (x, y)) in px."""
    ends = [((hx / WIDTH, hy / HEIGHT), (tx / WIDTH, ty / HEIGHT)) for (hx, hy), (tx, ty) in pairs]
    return DragPoints(tuple(DragPair(*one, motion=motion) for one in ends), GRID.image_size)


def plan(points, element=THING, objects=None, motion="push"):
    scores = torch.full((1, len(points), *GRID.latent_size), 0.5)
    objects = (0,) * len(points) if objects is None else objects
    return plan_movement(scores, element, GRID, points, MoveSettings(motion=motion), objects)


def went(move) -> torch.Tensor:
    """(2, H, W) the way that brought what arrives at every pixel."""
    y, x = torch.meshgrid(torch.arange(HEIGHT) + 0.5, torch.arange(WIDTH) + 0.5, indexing="ij")
    return torch.where(move.arrival.share[0] > 0.5, torch.stack([x, y]) - move.arrival.origin[0], torch.zeros(()))


def test_the_object_goes_and_its_surroundings_go_ever_less():
    """As the formula has it, read at the places where things arrive."""
    way = went(plan(at(((92, 80), (112, 80)))))
    assert way[0, 80, 112] == pytest.approx(20, abs=0.1) and way[1].abs().max() < 1e-4
    along = way[0, 80, 112:190]
    assert (along[1:] - along[:-1]).max() < 0.02, "it falls off"
    for x in (120.5, 128.5, 134.5, 140.5):
        gone = float(way[0, 80, int(x)])
        start = x - gone
        d = max(start - 112, 0) + 0.5 * max(start - 92 - 6, 0)
        near = max(0.0, 1 - d / (REACH * 20))
        assert gone == pytest.approx(20 * near**2 * (3 - 2 * near), abs=1.3)
    assert way[:, :, 190:].abs().max() < 0.01


places = st.tuples(st.floats(75, 110), st.floats(66, 94))


@given(st.lists(st.tuples(places, st.tuples(st.floats(-25, 25), st.floats(-25, 25))), min_size=1, max_size=3))
@settings(max_examples=30, deadline=None)
def test_nothing_is_left_behind_and_nothing_comes_from_beyond_the_picture(pairs):
    points = at(*[((x, y), (x + dx, y + dy)) for (x, y), (dx, dy) in pairs])
    assume(not all(pair.is_anchor for pair in points.pairs))
    move = plan(points)
    assume(not move.folded.any())
    assert not move.hole_pixels(4).any() and float((move.leaving - move.arriving).max()) < 0.01
    origin = move.arrival.origin[0]
    assert origin[0].min() >= 0 and origin[0].max() <= WIDTH and origin[1].min() >= 0 and origin[1].max() <= HEIGHT
    # No farther than the longest drag, and not at all along the border.
    longest = max(math.hypot(dx, dy) for _, (dx, dy) in pairs)
    way = went(move)
    assert float(torch.hypot(*way).max()) <= longest + 0.1
    border = torch.cat([way[:, 0], way[:, -1], way[:, :, 0], way[:, :, -1]], 1)
    assert float(border.abs().max()) < 1


def test_a_large_object_bends_and_a_small_one_goes_as_one():
    large = went(plan(at(((60, 80), (66, 80))), box(GRID, 5, 3, 15, 22)))
    small = went(plan(at(((92, 80), (132, 80)))))
    assert large[0, 80, 66] == pytest.approx(6, abs=0.1) and large[0, 80, 150] < 0.01
    assert small[0, 66:94, 116:138].min() > 30


def test_anchors_hold_what_is_near_them():
    way = went(plan(at(((80, 80), (80, 70)), ((108, 80), (108, 80)))))
    assert way[1, 70, 80] == pytest.approx(-10, abs=0.2)
    assert way[:, 78:82, 106:110].abs().max() < 0.2


def test_objects_push_neither_each_other_nor_what_is_the_other_s():
    other = box(GRID, 8, 16, 12, 20)
    move = plan(at(((92, 80), (102, 80)), ((144, 80), (144, 70))), THING + other, (0, 1))
    way = went(move)
    assert way[0, 80, 102] == pytest.approx(10, abs=0.3) and way[1, 70, 144] == pytest.approx(-10, abs=0.3)
    # Half way between them nothing goes.
    assert way[:, 60:100, 120].abs().max() < 1.5
    assert not move.folded.any()


def test_one_object_pushes_while_another_is_moved():
    points = DragPoints(at(((92, 80), (98, 80)), motion="push").pairs + at(((20, 140), (40, 140)), motion="move").pairs)
    element = THING + box(GRID, 16, 1, 19, 4)
    move = plan(points, element, (0, 1), "auto")
    assert went(move)[0, 140, 38] == pytest.approx(20, abs=0.1)
    assert float(move.vacated[0, 17, 2]) > 0.9, "what is moved leaves a hole"
    assert not move.hole_pixels(4)[0, 50:110, 60:150].any()


def test_the_share_is_one_at_the_handle_and_none_at_the_border():
    zero, far = torch.zeros(1, 1, 1), torch.full((1, 1, 1), 50.0)
    length = torch.tensor(10.0)
    assert share_round(zero, far, zero, length) == 1
    assert share_round(zero + 25, far, zero, length) == 0
    assert share_round(far, far, zero, length * 100) == 0


# ---- what "auto" pushes


def told(*pairs, area=10_000.0, odds=-9.0):
    return told_motion(at(*pairs).pairs, GRID, area, odds)


SIZE = 100
LEFT, RIGHT = (40, 80), (40 + SPAN * SIZE + 5, 80)


def test_a_part_is_pushed_unless_anchors_say_what_stays():
    assert told((LEFT, RIGHT), odds=3) == "push"
    assert told((LEFT, RIGHT), (RIGHT, RIGHT), odds=3) is None
    ends = ((40, 80), (34, 80)), ((110, 80), (116, 80))
    assert told(*ends, odds=0.1) == "push" and told(*ends, odds=-0.1) is None


def test_what_goes_far_must_be_the_surer_a_part():
    near, far = ((40, 80), (40 + 0.5 * SIZE, 80)), ((20, 80), (20 + 1.5 * SIZE, 80))
    assert told(near, odds=0) == "push" and told(far, odds=0) is None
    for drag, sizes in ((near, 0.5), (far, 1.5)):
        even = 2 * math.log(sizes)
        assert told(drag, odds=even + 0.1) == "push" and told(drag, odds=even - 0.1) is None


def test_a_short_drag_means_a_place_on_its_thing():
    assert told((LEFT, (40 + SHORT * SIZE - 1, 80))) == "push"
    assert told((LEFT, (40 + SHORT * SIZE + 1, 80))) is None
    short, alike = (40 + SHORT * SIZE - 1, 80), (RIGHT[0] + SHORT * SIZE - 1, 83)
    assert told((LEFT, short), (RIGHT, alike)) == "push"


@pytest.mark.parametrize(
    ("scale", "expected"), [(1.3, None), (1 / 1.3, None), (1.1 * SCALED, "push"), (0.9 / SCALED, "push")]
)
def test_two_handles_change_a_thing_s_size_within_reason(scale, expected):
    middle = (LEFT[0] + RIGHT[0]) / 2
    ends = [((x, 80), (middle + scale * (x - middle), 80)) for x in (LEFT[0], RIGHT[0])]
    assert told(*ends) == expected


def test_two_handles_close_together_mean_a_place():
    assert told(((60, 80), (50, 60)), ((80, 80), (90, 100))) == "push"


def test_three_handles_that_agree_may_change_the_size_by_more():
    def ends(scale):
        return [((100 + x, 80 + y), (100 + scale * x, 80 + scale * y)) for x, y in ((-40, 0), (40, 0), (0, 40))]

    assert told(*ends(1.2 * SCALED)) is None
    apart = [*ends(1.3)[:2], ((100, 120), (100, 90))]
    assert told(*apart) == "push"


def test_auto_goes_by_what_was_told_and_drags_come_first():
    points = at(((92, 80), (98, 80)))
    correlation = torch.full((1, 1, *GRID.latent_size), 0.5)
    found = Found(GRID, points, correlation, THING, (0,), parts=torch.tensor([[3.0]]))
    thing = Found(GRID, points, correlation, THING, (0,), parts=torch.tensor([[-3.0]]))
    image = torch.full((1, HEIGHT, WIDTH, 3), 0.5)
    image[0, 64:96, 72:112] = torch.tensor([0.9, 0.1, 0.1])
    far = at(((92, 80), (132, 80)))
    pushed = plan(points)
    assert torch.equal(planned(found, EditSettings(), image).way_in, pushed.way_in)
    assert torch.equal(planned(thing, EditSettings(), image).way_in, pushed.way_in), "a short drag"
    moved = planned(Found(GRID, far, correlation, THING, (0,), parts=thing.parts), EditSettings(), image)
    assert torch.equal(moved.way_in, plan(far, motion="move").way_in)
    own = Found(GRID, at(((92, 80), (98, 80)), motion="move"), correlation, THING, (0,), parts=found.parts)
    assert torch.equal(planned(own, EditSettings(), image).way_in, plan(points, motion="move").way_in)
    still = EditSettings(move=MoveSettings(motion="move"))
    assert torch.equal(planned(found, still, image).way_in, plan(points, motion="move").way_in)
    # And it says which it was.
    every = (planned(found, EditSettings(), image), planned(own, EditSettings(), image), planned(found, still, image))
    assert [one.motions for one in every] == [("push",), ("move",), ("move",)]
    assert moved.motions == ("move",)


def test_what_was_told_is_of_the_drags_as_they_were_given():
    handles = {"push": ((20, 20), (24, 20)), "move": ((92, 80), (99, 80)), None: ((40, 130), (40, 130))}
    names = ["move", None, "push"]
    element = torch.zeros(1, HEIGHT, WIDTH)
    element[:, 8:40, 8:40] = element[:, 64:96, 72:112] = 1
    correlation = torch.full((1, 3, *GRID.latent_size), 0.5)
    pairs = at(*(handles[name] for name in names)).pairs
    for order in itertools.permutations(range(3)):
        points = DragPoints(tuple(pairs[index] for index in order), (HEIGHT, WIDTH))
        objects = tuple((0, 1, 2)[index] for index in order)
        told = tuple(names[index] for index in order)
        movement = plan_movement(correlation, element, GRID, points, MoveSettings(), objects, told=told)
        assert movement.motions == told


# ---- the whole edit


@pytest.mark.parametrize("side", [128, 512], ids=["whole", "in a window"])
def test_a_pushed_edit_reveals_nothing_and_ends_where_nothing_goes(side):
    """With the demo model: what was not pushed is the source bit for bit, and what was is its own, sharp."""
    from benchmarks import model
    from core.windowed import edit_anywhere

    y, x = torch.meshgrid(*[torch.linspace(0, 1, side)] * 2, indexing="ij")
    image = torch.stack([0.5 + 0.3 * (40 * x).sin(), 0.5 + 0.3 * (40 * y).cos(), 0.3 + 0.4 * x], -1)[None]
    image[0][(x - 0.5).square() + (y - 0.5).square() < 0.01] = torch.tensor([0.9, 0.2, 0.1])
    points = DragPoints((DragPair((0.5, 0.5), (0.55, 0.5), motion="push"),))
    result = edit_anywhere(model.load().host, image, points, 256)
    assert float(result.revealed.max()) == 0
    still = result.shown == 0
    assert still.float().mean() > 0.3
    assert torch.equal(result.image[still], image[still])
    # By its colours at the target, and by the ring of ground in front of it, that was squeezed and not covered.
    assert torch.allclose(result.image[0, side // 2, int(0.55 * side)], torch.tensor([0.9, 0.2, 0.1]), atol=0.06)
    assert float((result.image - image).abs().amax()) > 0.3
