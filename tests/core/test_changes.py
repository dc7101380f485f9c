"""What two handles mean: taller, wider, larger, turned, or turned away from the camera."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.motion.changes import change_of, turned_by
from core.motion.field import MoveSettings, plan_movement
from core.space.drags import DragPair, DragPoints
from core.space.grid import Grid

SIDE = 128
FOOT = (64.0, 104 - 0.12 * 80)


def thing() -> torch.Tensor:
    """What stands in the columns 40 to 88 and the rows 24 to 104."""
    element = torch.zeros(1, SIDE, SIDE)
    element[:, 24:104, 40:88] = 1
    return element


def changed(*pairs):
    handles, targets = (torch.tensor([list(ends)], dtype=torch.float32) for ends in zip(*pairs, strict=True))
    return change_of(thing(), handles, targets)


def by(matrix, *places):
    """The pairs of a thing that changes by a matrix where it stands."""

    def end(x, y):
        x, y = x - FOOT[0], y - FOOT[1]
        return tuple(foot + across * x + down * y for foot, (across, down) in zip(FOOT, matrix, strict=True))

    return [(place, end(*place)) for place in places]


ASLANT = ((50.0, 40.0), (80.0, 70.0))


@pytest.mark.parametrize(
    "matrix",
    [
        ((1, 0), (0, 1.4)),
        ((1, 0), (0, 0.7)),
        ((1.4, 0), (0, 1)),
        ((0.7, 0), (0, 1)),
        # The picture shows a thing's own width aslant.
        ((1.4, 0), (0.05, 1)),
        ((1.3, 0), (0, 1.3)),
        ((0.75, 0), (0, 0.75)),
        ((math.cos(0.5), -math.sin(0.5)), (math.sin(0.5), math.cos(0.5))),
        ((math.cos(1.6), -math.sin(1.6)), (math.sin(1.6), math.cos(1.6))),
    ],
)
def test_a_thing_changes_by_what_is_likeliest(matrix):
    change = changed(*by(matrix, *ASLANT))
    assert torch.allclose(change.matrix[0], torch.tensor(matrix, dtype=torch.float32), atol=0.06)
    assert not change.turns_away


def test_handles_side_by_side_tell_wider_from_larger_by_whether_they_rise():
    level = ((46.0, 50.0), (82.0, 50.0))
    wider = changed(*by(((1.4, 0), (0, 1)), *level)).matrix[0]
    larger = changed(*by(((1.4, 0), (0, 1.4)), *level)).matrix[0]
    assert float(wider[1, 1]) == pytest.approx(1, abs=0.03)
    assert float(larger[1, 1]) == pytest.approx(1.4, abs=0.06)


def test_a_thing_may_be_carried_as_well():
    pairs = [(handle, (x + 30, y - 9)) for handle, (x, y) in by(((1.3, 0), (0, 1.3)), *ASLANT)]
    assert torch.allclose(changed(*pairs).matrix[0], 1.3 * torch.eye(2), atol=0.06)


def test_handles_that_go_level_against_each_other_turn_a_thing_away():
    pairs = (((64.0, 34.0), (84.0, 35.0)), ((62.0, 84.0), (46.0, 84.0)))
    assert changed(*pairs).turns_away


@given(st.lists(st.tuples(*[st.floats(8, 120)] * 4), min_size=2, max_size=2))
def test_both_handles_arrive_wherever_they_go(ends):
    pairs = [((a, b), (c, d)) for a, b, c, d in ends]
    if math.dist(pairs[0][0], pairs[1][0]) < 10 or not 0.3 < math.dist(pairs[0][1], pairs[1][1]) / 50 < 2:
        return
    matrix = changed(*pairs).matrix[0]
    assert torch.isfinite(matrix).all() and float(torch.det(matrix)) > 0
    between, after = (torch.tensor(pairs[1][end]) - torch.tensor(pairs[0][end]) for end in (0, 1))
    assert torch.allclose(matrix @ between, after, atol=0.1)


@given(st.floats(-3, 3), st.floats(0.5, 2))
def test_a_hinge_keeps_what_is_across_it(angle, longer):
    line = torch.tensor([[30.0, 40.0]])
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    matrix = turned_by(line, longer * line @ turn.T)[0]
    across = torch.tensor([-40.0, 30.0])
    assert torch.allclose(matrix @ line[0], longer * turn @ line[0], atol=0.01)
    assert torch.allclose(matrix @ across, turn @ across, atol=0.01)


def test_what_turns_away_is_reshaped_where_nothing_else_is_said():
    grid = Grid.padded(SIDE, SIDE)
    ends = (((64.0, 34.0), (84.0, 35.0)), ((62.0, 84.0), (46.0, 84.0)))
    points = DragPoints(tuple(
        DragPair(*(tuple(value / SIDE for value in end) for end in pair)) for pair in ends
    ))  # fmt: skip

    def arriving(motion):
        faint = torch.full((1, 2, *grid.latent_size), 0.1)
        move = plan_movement(faint, thing(), grid, points, MoveSettings(motion=motion), (0, 0))
        return move.arrival.share[0]

    rim = thing()[0].bool()
    rim[26:102, 42:86] = False
    assert torch.equal(arriving("auto"), arriving("reshape"))
    assert float(arriving("auto")[rim].mean()) > 0.8 > float(arriving("move")[rim].mean())


def arriving(ends, motion):
    grid = Grid.padded(SIDE, SIDE)
    points = DragPoints(tuple(DragPair(*(tuple(value / SIDE for value in end) for end in pair)) for pair in ends))
    faint = torch.full((1, len(ends), *grid.latent_size), 0.1)
    move = plan_movement(faint, thing(), grid, points, MoveSettings(motion=motion), (0,) * len(ends))
    return move.arrival.origin


PULLED = (((52.0, 40.0), (52.0, 34.0)), ((64.0, 60.0), (64.0, 68.0)), ((76.0, 40.0), (82.0, 40.0)))


def test_three_handles_that_no_similarity_explains_reshape_what_their_targets_lie_on():
    assert torch.equal(arriving(PULLED, "auto"), arriving(PULLED, "reshape"))
    # Beyond the thing they move it.
    beyond = (*PULLED[:2], ((76.0, 40.0), (110.0, 40.0)))
    assert torch.equal(arriving(beyond, "auto"), arriving(beyond, "move"))
    # What turns together moves, wherever it ends.
    turned = tuple((place, end) for place, end in by(((0.97, -0.25), (0.25, 0.97)), (52, 40), (64, 80), (76, 40)))
    assert torch.equal(arriving(turned, "auto"), arriving(turned, "move"))
