"""Objects that move or are reshaped as one piece: whose is whose, the maps, their folds, and what comes of them."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import ndimage

from core.fill.background import FillSettings, continue_background
from core.motion import lattice
from core.motion.field import MoveSettings, plan_movement
from core.motion.lookup import carry
from core.motion.objects import objects_of, parted
from core.motion.reshape import distance_to
from core.motion.rigid import NEAR, deformation
from core.planes.flood import flood
from core.space.drags import DragPair, DragPoints
from core.space.grid import Grid
from tests.core.builders import box, drags, normal, uniform

GRID = Grid.padded(96, 112)
HEIGHT, WIDTH = GRID.image_size
FAINT = 0.1


def shares(count: int) -> torch.Tensor:
    """A correlation that says nothing."""
    return torch.full((1, count, *GRID.latent_size), FAINT)


def at(*pairs) -> DragPoints:
    """Drags from ((x, y), (x, y)) in px."""
    return DragPoints(tuple(
        DragPair((hx / WIDTH, hy / HEIGHT), (tx / WIDTH, ty / HEIGHT)) for (hx, hy), (tx, ty) in pairs
    ))  # fmt: skip


def plan(points, element=None, objects=None, scores=None, **options):
    element = box(GRID, 3, 3, 8, 9) if element is None else element
    objects = (0,) * len(points) if objects is None else objects
    scores = shares(len(points)) if scores is None else scores
    return plan_movement(scores, element, GRID, points, MoveSettings(**options), objects)


def origins(move) -> torch.Tensor:
    """(2, H, W) where what arrives at every pixel was, less the pixel's own place."""
    y, x = torch.meshgrid(torch.arange(HEIGHT) + 0.5, torch.arange(WIDTH) + 0.5, indexing="ij")
    return move.arrival.origin[0] - torch.stack([x, y])


# ---- whose is whose


@given(st.integers(0, 10**6), st.integers(4, 24), st.integers(4, 24), st.floats(0.3, 0.8))
@settings(max_examples=40)
def test_flooding_finds_the_part_that_labelling_finds(seed, height, width, share):
    mask = uniform(height, width, seed=seed) < share
    place = int(uniform(1, seed=seed + 1) * height * width)
    seeds = torch.zeros(1, 1, height, width)
    seeds.view(-1)[place] = 1
    labels, _ = ndimage.label(mask.numpy(), structure=np.ones((3, 3)))
    own = labels.flat[place]
    expected = (labels == own) & (own > 0)
    assert np.array_equal(flood(seeds, mask[None, None], rounds=200)[0, 0].numpy() > 0, expected)
    # Fewer rounds never reach too much.
    assert not (flood(seeds, mask[None, None])[0, 0].numpy() > 0)[~expected].any()


TWO = box(GRID, 3, 1, 9, 6).maximum(box(GRID, 3, 8, 9, 13))


@pytest.mark.parametrize(
    ("places", "groups", "expected"),
    [
        ([(16, 40), (40, 60)], (None, None), (0, 0)),
        ([(16, 40), (80, 60)], (None, None), (0, 1)),
        ([(16, 40), (80, 60), (40, 60), (96, 30)], (None,) * 4, (0, 1, 0, 1)),
        # Beside the element: the part that is nearest.
        ([(16, 40), (4, 4), (110, 90), (80, 60)], (None,) * 4, (0, 0, 1, 1)),
        ([(16, 40), (40, 60)], (1, 2), (0, 1)),
        ([(16, 40), (80, 60)], (7, 7), (0, 0)),
        # One group decides for the pair that has none, and not between two.
        ([(16, 40), (40, 60), (30, 50)], (None, 1, 2), (0, 1, 0)),
        ([(16, 40), (80, 60), (40, 60)], (5, 5, None), (0, 0, 0)),
    ],
)
def test_handles_share_an_object_where_they_lie_on_one_part_unless_told_otherwise(places, groups, expected):
    points = at(*[(place, (50, 50)) for place in places])
    pairs = tuple(dataclasses.replace(pair, group=group) for pair, group in zip(points.pairs, groups, strict=True))
    assert objects_of(TWO, shares(len(pairs)), GRID, DragPoints(pairs)) == expected


def test_attention_parts_what_touches_and_joins_what_is_cut_apart():
    points = at(((16, 40), (20, 40)), ((80, 60), (80, 70)))
    touching = box(GRID, 3, 1, 9, 13)
    assert objects_of(touching, shares(2), GRID, points) == (0, 0)
    foreign = torch.full((1, 2, *GRID.latent_size), 0.001)
    assert objects_of(touching, foreign, GRID, points) == (0, 1)
    kin = torch.full((1, 2, *GRID.latent_size), 0.8)
    assert objects_of(TWO, kin, GRID, points) == (0, 0)


def test_an_object_has_every_pixel_of_its_part_and_no_other():
    points = at(((16, 40), (20, 40)), ((80, 60), (80, 70)))
    # All of the second part correlates better with the handle on the first.
    scores = torch.stack([torch.full(GRID.latent_size, 0.9), torch.full(GRID.latent_size, 0.1)])[None]
    parts = parted(TWO, scores, GRID, points, (0, 1))
    assert torch.equal(parts.sum(1), TWO)
    assert torch.equal(parts[0, 0], box(GRID, 3, 1, 9, 6)[0])
    # Where one part is two objects', attention tells them apart.
    scores[0, 0, :, 7:], scores[0, 1, :, :7] = 0.05, 0.05
    whole = box(GRID, 3, 1, 9, 13)
    parts = parted(whole, scores, GRID, points, (0, 1))
    assert torch.equal(parts.sum(1), whole)
    assert parts[0, 0, 30, 60:].sum() == 0 and parts[0, 1, 30, :56].sum() == 0


def test_a_radius_limits_an_object():
    (pair,) = at(((40, 50), (60, 50))).pairs
    points = DragPoints((dataclasses.replace(pair, radius=0.1), at(((44, 50), (64, 50))).pairs[0]))
    near = DragPoints((points.pairs[0], dataclasses.replace(points.pairs[1], radius=0.1)))
    element = box(GRID, 2, 2, 10, 10)
    assert torch.equal(parted(element, shares(2), GRID, points, (0, 0))[:, 0], element)
    limited = parted(element, shares(2), GRID, near, (0, 0))[0, 0]
    y, x = limited.nonzero().T + 0.5
    reached = torch.minimum(torch.hypot(x - 40, y - 50), torch.hypot(x - 44, y - 50))
    assert float(reached.max()) <= 9.6 + 1e-4 and len(x) > 200


# ---- the map of one object

places = st.tuples(st.floats(5, 90), st.floats(5, 90))


def apart(handles, least=4.0) -> bool:
    return all(math.dist(a, b) >= least for index, a in enumerate(handles) for b in handles[:index])


def sources(handles, targets, x, y):
    made = deformation(torch.tensor([handles], dtype=torch.float32), torch.tensor([targets], dtype=torch.float32))
    return torch.stack(made.source(torch.tensor([x]), torch.tensor([y])), 1)[0]


X, Y = (plane.flatten().float() for plane in torch.meshgrid(torch.arange(0, 100, 9), torch.arange(0, 100, 9),
                                                            indexing="xy"))  # fmt: skip


@given(st.lists(places, min_size=1, max_size=5), st.tuples(st.floats(-40, 40), st.floats(-40, 40)))
def test_handles_that_go_one_way_move_everything_that_way(handles, way):
    targets = [(hx + way[0], hy + way[1]) for hx, hy in handles]
    back = sources(handles, targets, X.tolist(), Y.tolist())
    assert torch.allclose(back, torch.stack([X - way[0], Y - way[1]]), atol=0.02)


@given(st.lists(places, min_size=2, max_size=5), st.floats(-3, 3), places)
def test_handles_that_turn_about_a_point_turn_everything_about_it(handles, angle, centre):
    assume(apart(handles))
    cosine, sine = math.cos(angle), math.sin(angle)

    def turned(point, sine):
        dx, dy = point[0] - centre[0], point[1] - centre[1]
        return centre[0] + cosine * dx - sine * dy, centre[1] + sine * dx + cosine * dy

    back = sources(handles, [turned(handle, sine) for handle in handles], X.tolist(), Y.tolist())
    expected = torch.stack(turned((X, Y), -sine))
    assert torch.allclose(back, expected, atol=0.05)


@given(st.lists(places, min_size=3, max_size=5), st.floats(0.5, 2))
def test_three_handles_that_grow_alike_scale_everything(handles, factor):
    assume(apart(handles))
    back = sources(handles, [(factor * hx, factor * hy) for hx, hy in handles], X.tolist(), Y.tolist())
    assert torch.allclose(back, torch.stack([X, Y]) / factor, atol=0.05)


@given(st.lists(st.tuples(places, places), min_size=2, max_size=5))
def test_every_handle_arrives_at_its_target_and_anchors_stay(pairs):
    handles, targets = zip(*pairs, strict=True)
    # An anchor among them.
    targets = (handles[0], *targets[1:])
    assume(apart(handles, 8) and apart(targets, 8))
    back = sources(handles, targets, *zip(*targets, strict=True))
    if len(handles) == 2 and not 1 / 12 < math.dist(*targets) / math.dist(*handles) < 12:
        return
    # Weights that don't become infinite leave a little.
    assert torch.allclose(back.T, torch.tensor(handles), atol=0.01 if len(handles) == 2 else 0.5)


def test_moving_least_squares_against_its_formulas_in_complex_numbers():
    handles = [(10.0, 20.0), (60.0, 15.0), (40.0, 80.0), (75.0, 70.0)]
    targets = [(12.0, 28.0), (70.0, 10.0), (40.0, 80.0), (70.0, 85.0)]
    p, q = (np.array([complex(*point) for point in points]) for points in (handles, targets))
    pc, qc = p - p.mean(), q - q.mean()
    similarity = (np.conj(pc) * qc).sum() / (np.abs(pc) ** 2).sum()
    placed = q.mean() + similarity * pc
    for place in (complex(30, 30), complex(0, 99), complex(71, 11), complex(40, 80)):
        weight = 1 / (np.abs(place - q) ** 2 + NEAR**2)
        middle, image = (weight * q).sum() / weight.sum(), (weight * placed).sum() / weight.sum()
        turn = (weight * np.conj(q - middle) * (placed - image)).sum()
        there = image + turn / abs(turn) * (place - middle)
        expected = p.mean() + (there - q.mean()) / similarity
        back = sources(handles, targets, [place.real], [place.imag])[:, 0]
        assert back.tolist() == pytest.approx([expected.real, expected.imag], abs=1e-2)


@pytest.mark.parametrize(
    ("handles", "targets"),
    [
        ([(50.0, 50.0)] * 2, [(60.0, 50.0), (40.0, 50.0)]),
        ([(50.0, 50.0)] * 3, [(60.0, 50.0), (40.0, 50.0), (50.0, 90.0)]),
        ([(20.0, 50.0), (70.0, 50.0)], [(40.0, 50.0)] * 2),
        ([(20.0, 50.0), (70.0, 50.0), (40.0, 10.0)], [(40.0, 50.0)] * 3),
        ([(20.0, 50.0), (70.0, 50.0), (45.0, 50.0)], [(70.0, 50.0), (20.0, 50.0), (45.0, 50.0)]),
    ],
)
def test_drags_that_make_no_sense_still_give_numbers(handles, targets):
    assert torch.isfinite(sources(handles, targets, X.tolist(), Y.tolist())).all()


# ---- folds


def test_between_nodes_an_affine_map_is_itself():
    y, x = lattice.nodes(GRID)
    matrix, shift = torch.tensor([[1.2, -0.3], [0.4, 0.8]]), torch.tensor([5.0, -7.0])
    nodes = torch.einsum("ij,jnm->inm", matrix, torch.stack([x, y])) + shift[:, None, None]
    places_x, places_y = torch.tensor([[0.0, 3.3, 111.9, 50.5]]), torch.tensor([[0.0, 95.9, 17.2, 50.5]])
    found = lattice.at_places(nodes[None], GRID, places_x, places_y)[0]
    expected = torch.einsum("ij,jnm->inm", matrix, torch.stack([places_x, places_y])) + shift[:, None, None]
    assert torch.allclose(found, expected, atol=1e-3)


def test_folds_are_found_and_evened_out_and_what_has_none_is_left_alone():
    y, x = lattice.nodes(GRID)
    plain = torch.stack([0.7 * x + 0.1 * y, 1.3 * y])[None]
    assert not lattice.folds(plain, GRID).any()
    assert torch.equal(lattice.unfolded(plain, GRID), plain)
    mirrored = torch.stack([112 - x, y])[None]
    assert lattice.folds(mirrored, GRID).all()
    folded = plain.clone()
    folded[:, 0, 8:14, 10:13] += 25 * (torch.arange(3.0) - 1).flip(0)
    assert lattice.folds(folded, GRID).any()
    assert not lattice.folds(lattice.unfolded(folded, GRID), GRID).any()


# ---- movements


inner = st.tuples(st.floats(20, 84), st.floats(20, 76))


@given(st.lists(st.tuples(inner, st.tuples(st.floats(-25, 25), st.floats(-25, 25))), min_size=2, max_size=4),
       st.sampled_from(["auto", "reshape"]))  # fmt: skip
@settings(max_examples=40)
def test_an_object_stays_one_piece(pairs, motion):
    element = box(GRID, 2, 2, 10, 11)
    points = at(*[((hx, hy), (hx + dx, hy + dy)) for (hx, hy), (dx, dy) in pairs])
    assume(not all(pair.is_anchor for pair in points.pairs))
    move = plan(points, element, motion=motion)
    assert torch.isfinite(move.arrival.origin).all() and torch.isfinite(move.way_in).all()
    assume(not move.folded.any())
    # Where the map runs out of the picture it may well come in again elsewhere.
    _, count = ndimage.label(move.arrival.share[0].numpy() > 0.5)
    assert count <= 1


@given(st.integers(0, 10**6))
@settings(max_examples=20)
def test_cells_and_pixels_follow_one_map(seed):
    handles = 25 + 50 * uniform(3, 2, seed=seed)
    targets = handles + 8 * normal(3, 2, seed=seed + 1)
    points = at(*zip(handles.tolist(), targets.tolist(), strict=True))
    move = plan(points, torch.ones(1, *GRID.image_size), motion="move")
    assume(not move.folded.any())
    covered = move.arriving[0] > 0.99
    assume(covered.any())
    ways = -origins(move)
    around = torch.stack([ways[:, dy::8, dx::8] for dy in range(2, 6) for dx in range(2, 6)])
    spread = around.amax(0) - around.amin(0)
    assert ((move.way_in[0] * 8 - around.mean(0)).abs() <= spread + 0.01)[:, covered].all()
    assert torch.allclose(move.arriving, GRID.image_mask_to_cells(move.arrival.share), atol=1e-5)
    picture = uniform(1, *GRID.image_size, 3, seed=seed)
    carried, share = carry(picture, move)
    assert torch.equal(share, move.arrival.share) and carried.shape == picture.shape


def test_two_handles_turn_an_object_and_an_anchor_holds_its_place():
    points = at(((30, 48), (48, 30)), ((48, 48), (48, 48)))
    move = plan(points, box(GRID, 3, 3, 9, 9), motion="move")
    way = origins(move)
    assert way[:, 47:49, 47:49].abs().max() < 1.01
    # A quarter turn about the anchor: what was on its left is above it.
    left = torch.tensor([-18.0, 17.0])
    assert torch.allclose(way[:, 30, 48], left, atol=0.1)
    # All of it is the object's: the anchored half is no background.
    assert torch.equal(move.element, box(GRID, 3, 3, 9, 9))


def test_one_handle_moves_as_ever():
    points = at(((40, 40), (53, 47)))
    scores, element = uniform(1, 1, *GRID.latent_size), box(GRID, 3, 3, 8, 9)
    old = plan_movement(scores, element, GRID, points, MoveSettings(motion="apart"))
    new = plan_movement(scores, element, GRID, points, MoveSettings(), (0,))
    for name in ("element", "leaving", "arriving", "way", "way_in", "free"):
        assert torch.equal(getattr(old, name), getattr(new, name)), name


@pytest.mark.parametrize("motion", ["auto", "correlation", "paper"])
def test_apart_and_as_published_two_handles_are_what_they_were(motion):
    points = at(((40, 40), (53, 47)), ((60, 60), (66, 50)))
    scores, element = uniform(1, 2, *GRID.latent_size), box(GRID, 3, 3, 8, 9)
    falloff = {"auto": "rigid"}.get(motion, "correlation")
    old = plan_movement(scores, element, GRID, points, MoveSettings(falloff=falloff))
    named = {"auto": MoveSettings(motion="apart"), "correlation": MoveSettings(falloff="correlation"),
             "paper": MoveSettings(motion="paper")}[motion]  # fmt: skip
    new = plan_movement(scores, element, GRID, points, named, (0, 0))
    for name in ("element", "leaving", "arriving", "way", "way_in", "free"):
        assert torch.equal(getattr(old, name), getattr(new, name)), name


def test_the_published_rule_against_its_formula():
    """v[p] = A[h, p] / A[h, h] V where the ratio is above tau, and 0 elsewhere, cell by cell."""
    points = at(((40, 40), (53, 47)), ((60, 60), (66, 50)))
    scores, element = uniform(1, 2, *GRID.latent_size, seed=3), torch.ones(1, *GRID.image_size)
    tau = torch.tensor([[0.4, 0.7]])
    move = plan_movement(scores, element, GRID, points, MoveSettings(motion="paper"), (0, 0), tau)
    drags_of = [GRID.displacement(pair) for pair in points.pairs]
    for y in range(GRID.latent_height):
        for x in range(GRID.latent_width):
            ratios = scores[0, :, y, x].tolist()
            handle = 0 if ratios[0] > ratios[1] else 1
            moves = ratios[handle] > float(tau[0, handle])
            assert bool(move.leaving[0, y, x] > 0) == moves
            if moves:
                expected = [ratios[handle] * length for length in drags_of[handle]]
                assert move.way[0, :, y, x].tolist() == pytest.approx(expected, abs=1e-5)


def own_only(element, count=1):
    """A correlation of the element's cells alone."""
    return (FAINT * GRID.image_mask_to_cells(element))[:, None].repeat(1, count, 1, 1)


def test_reshaping_leaves_the_far_rim_and_takes_the_handle_all_the_way():
    element = box(GRID, 4, 2, 7, 11)
    points = at(((84, 44), (100, 44)))
    move = plan(points, element, motion="reshape", scores=own_only(element))
    way = origins(move)
    assert float(way[0, 44, 100]) == pytest.approx(-16, abs=0.6)
    assert way[:, 33:55, 17:19].abs().max() < 0.6
    # What lies between stretches evenly, and nothing tears.
    along = 100 + way[0, 44, 16:100] + torch.arange(16, 100) - 100
    assert (along.diff() > 0.2).all() and (along.diff() < 1.3).all()
    assert move.arrival.share[0, 44, 17:100].min() > 0.99
    # Pushed towards the far rim it is squeezed.
    squeezed = plan(at(((84, 44), (50, 44))), element, motion="reshape", scores=own_only(element))
    assert not squeezed.folded.any() and squeezed.arrival.share[0, 44, 17:48].min() > 0.99
    # One drag may say so for itself.
    said = DragPoints((dataclasses.replace(points.pairs[0], motion="reshape"),))
    assert torch.equal(plan(said, element, scores=own_only(element)).arrival.origin, move.arrival.origin)


def test_a_reshaped_part_stays_with_what_goes_on_beyond_its_mask():
    """The mask covers a part of what attention sees as one: all its rim stays, and no seam opens."""
    element = box(GRID, 4, 3, 9, 10)
    move = plan(at(((52, 52), (60, 52))), element, motion="reshape")
    way = origins(move)
    # On all sides of the rim what is shown hardly moves against what is shown beside it.
    for rim in (way[:, 33, 26:78], way[:, 70, 26:78], way[:, 34:70, 25], way[:, 34:70, 78]):
        assert rim.abs().max() < 1.5
    assert float(way[0, 52, 60]) == pytest.approx(-8, abs=0.7)
    assert not move.folded.any()


def test_handles_side_by_side_pull_what_lies_between_them_along():
    element = box(GRID, 3, 2, 9, 11)
    move = plan(at(((24, 30), (24, 20)), ((80, 30), (80, 20))), element, motion="reshape", scores=own_only(element, 2))
    assert torch.allclose(origins(move)[1, 20, 24:80], torch.tensor(10.0), atol=0.6)


@given(st.integers(0, 10**6), st.integers(3, 20), st.integers(3, 20))
@settings(max_examples=20)
def test_distances_are_nearly_those_of_circles(seed, height, width):
    there = uniform(1, height, width, seed=seed) < 0.05
    assume(there.any())
    exact = ndimage.distance_transform_edt(~there[0].numpy())
    found = distance_to(there)[0].numpy()
    near = exact <= max(height, width) // 2
    assert (found[near] >= 0.99 * exact[near]).all() and (found[near] <= 1.09 * exact[near]).all()


def test_attention_is_the_falloff_at_the_rim():
    element = box(GRID, 3, 2, 8, 11)
    scores = torch.full((1, 1, *GRID.latent_size), 0.6)
    scores[..., :4, :] = 0.0
    move = plan(at(((60, 50), (60, 60))), element, motion="reshape", scores=scores)
    sure = plan(at(((60, 50), (60, 60))), element, motion="reshape")
    assert origins(move)[:, 24:28, 60].abs().max() < 0.3 < origins(sure)[:, 30:40, 60].abs().max()


def test_an_anchor_beside_a_part_is_its_joint_for_a_drag_at_its_far_end():
    arm = box(GRID, 5, 3, 7, 11)
    points = at(((80, 48), (80, 70)), ((10, 48), (10, 48)))
    way = origins(plan(points, arm))
    assert way[:, 48, 25].abs().max() < 2
    # In the middle of its width, not on its rim: what is above it goes one way, what is below the other.
    assert way[0, 42, 25] * way[0, 54, 25] < 0
    # Away from the joint it is moved along, like a drawer.
    drawer = origins(plan(at(((80, 48), (96, 48)), ((10, 48), (10, 48))), arm))
    assert torch.allclose(drawer, torch.tensor([-16.0, 0.0])[:, None, None].expand_as(drawer), atol=0.01)


def test_a_part_that_turns_about_its_joint_gets_longer_if_it_must_but_no_wider():
    arm = box(GRID, 5, 3, 7, 11)
    # 52 px from the joint, about, and then 70.
    share = plan(at(((80, 48), (80, 96)), ((10, 48), (10, 48))), arm).arrival.share
    assert 0.95 < float(share.sum()) / float(arm.sum()) < 1.5
    y, x = (share[0] > 0.5).nonzero().T.double()
    middle = torch.stack([x - x.mean(), y - y.mean()])
    across = torch.linalg.eigvalsh(middle @ middle.T / len(x))[0].sqrt()
    assert float(across) == pytest.approx(16 / math.sqrt(12), rel=0.1)


def test_perspective_shrinks_what_goes_up_over_the_ground_and_what_is_lifted_grows_a_little():
    element = box(GRID, 4, 4, 9, 8)
    far = plan(at(((56, 52), (80, 28))), element, perspective=True)
    near = plan(at(((56, 52), (80, 72))), element, perspective=True)
    lifted = plan(at(((56, 52), (56, 22))), element, perspective=True)
    full = float(element.sum())
    # The horizon lies a quarter of the height above: 76 px from the handle, then 52.
    assert float(far.arrival.share.sum()) == pytest.approx((52 / 76) ** 2 * full, rel=0.05)
    assert float(near.arrival.share.sum()) == pytest.approx((96 / 76) ** 2 * full, rel=0.05)
    assert 1.05 < float(lifted.arrival.share.sum()) / full < 1.3
    # The handle arrives where it was dragged all the same.
    assert torch.allclose(origins(far)[:, 27:29, 79:81].mean((-1, -2)), torch.tensor([-24.0, 24.0]), atol=0.01)


def test_of_two_objects_that_meet_the_one_that_stands_lower_is_in_front():
    element = box(GRID, 2, 1, 6, 4).maximum(box(GRID, 5, 9, 9, 12))
    points = at(((20, 32), (56, 36)), ((84, 56), (60, 52)))
    move = plan(points, element, (0, 1))
    assert torch.allclose(origins(move)[:, 44, 58], torch.tensor([24.0, 4.0]), atol=0.01)


def test_an_object_that_anchors_alone_hold_stays_in_front_and_is_no_background():
    element = box(GRID, 2, 1, 6, 4).maximum(box(GRID, 5, 9, 9, 12))
    points = at(((20, 32), (70, 44)), ((84, 56), (84, 56)))
    move = plan(points, element, (0, 1))
    assert torch.equal(move.held, box(GRID, 5, 9, 9, 12))
    assert torch.equal(move.element, box(GRID, 2, 1, 6, 4))
    assert not move.arrival.share[0][box(GRID, 5, 9, 9, 12)[0] > 0].any()
    assert not move.way_in[0, :, 5:9, 9:12].any() and not move.arriving[0, 5:9, 9:12].any()


def test_an_anchored_end_is_not_free_to_change():
    points = at(((84, 44), (84, 52)), ((20, 44), (20, 44)), ((28, 36), (28, 36)), ((28, 52), (28, 52)))
    move = plan(points, box(GRID, 4, 2, 7, 11), motion="reshape", transition=0)
    assert move.free[0, 5, 10] == 1 and not move.free[0, 5, 2:4].any()


def test_what_anchors_hold_is_held_and_bends_towards_the_handle():
    """A pole on which two anchors hold the lower end and a handle at the upper one turns it aside."""
    pole = box(GRID, 1, 6, 11, 8)
    points = at(((56, 16), (76, 22)), ((56, 76), (56, 76)), ((56, 68), (56, 68)))
    move = plan(points, pole)
    way = origins(move)
    # Within a quarter of the way from the anchors nothing goes, near the handle all of it.
    assert way[:, 62:88, 50:62].abs().max() < 0.01
    assert torch.allclose(way[:, 21:23, 75:77].mean((-1, -2)), torch.tensor([-20.0, -6.0]), atol=0.1)
    goes = move.goes()[0]
    assert goes[8:40, 50:62].all() and not goes[64:88].any()
    # Seen upwards it leaves its place in one sweep, nothing goes back.
    aside = (move.arrival.share[0] > 0.5).float()
    middle = (aside * torch.arange(WIDTH)).sum(1)[24:84] / aside.sum(1)[24:84]
    assert (middle.diff() < 0.6).all() and float(middle[0] - middle[-1]) > 10
    assert not move.folded.any()


def test_what_is_told_to_go_turns_about_where_it_joins_what_stays():
    """A pole of which the upper half is told to go: it stays as it is, and turns about its lower end."""
    pole, upper = box(GRID, 1, 6, 11, 8), box(GRID, 1, 6, 5, 8)
    points = at(((56, 12), (84, 24)), ((56, 76), (56, 76)))
    asked = (shares(2), pole, GRID, points, MoveSettings(motion="move"), (0, 0))
    move = plan_movement(*asked, going=upper)
    alone = plan_movement(shares(2), upper, GRID, points, MoveSettings(motion="move"), (0, 0))
    assert torch.equal(move.element, upper)
    assert torch.equal(move.held, pole - upper)
    for name in ("leaving", "arriving", "way_in", "free"):
        assert torch.equal(getattr(move, name), getattr(alone, name)), name
    assert torch.equal(move.arrival.origin, alone.arrival.origin)
    # All of it told to go is nothing told, and where it is not asked to go as one the anchor holds as ever.
    for motion, going in (("move", pole), ("auto", upper), ("reshape", upper), ("push", upper)):
        asked = (shares(2), pole, GRID, points, MoveSettings(motion=motion), (0, 0))
        assert torch.equal(plan_movement(*asked, going=going).way_in, plan_movement(*asked).way_in), motion


@pytest.mark.parametrize("enclosed", [True, False])
def test_what_leaves_a_body_shows_the_body_and_what_leaves_its_side_the_ground(enclosed):
    chest = box(GRID, 2, 2, 10, 10)
    drawer = box(GRID, 5, 4, 7, 8) if enclosed else box(GRID, 4, 8, 8, 10)
    picture = torch.full((1, HEIGHT, WIDTH, 3), 0.5)
    picture[chest > 0.5] = torch.tensor([1.0, 0.0, 0.0])
    picture[drawer > 0.5] = torch.tensor([0.0, 0.0, 1.0])
    x, y = (48, 48) if enclosed else (72, 48)
    points = at(((x, y), (x + 24, y)), ((24, 24), (24, 24)))
    move = plan_movement(shares(2), chest, GRID, points, MoveSettings(motion="move"), (0, 0), going=drawer)
    clean = GRID.image_mask_to_cells(picture[..., 0])[:, None]
    filled = continue_background(move, clean, FillSettings(method="smooth", hole_margin=0), picture, Copier()).picture
    expected = torch.tensor([1.0, 0.0, 0.0]) if enclosed else torch.tensor([0.5, 0.5, 0.5])
    hole = drawer[0] > 0.5
    shown = filled[0, hole] if enclosed else filled[0, :, 76:][hole[:, 76:]]
    assert torch.allclose(shown, expected.expand_as(shown), atol=0.02)


def test_what_goes_is_what_goes_a_pixel_and_more():
    element = box(GRID, 3, 3, 8, 9)
    far = plan(at(((40, 40), (53, 47))), element)
    assert torch.equal(far.goes(), element > 0.5)
    assert not plan(at(((40, 40), (40.5, 40))), element).goes().any()
    assert plan(at(((40, 40), (40.5, 40))), element).goes(0.4).any()
    held = plan(at(((32, 44), (40, 44)), ((56, 44), (56, 44)), ((60, 60), (60, 60))), element)
    assert held.goes()[0, 40:48, 28:34].all() and not held.goes()[0, 40:60, 54:72].any()


@pytest.mark.parametrize("options", [{}, {"motion": "reshape"}, {"perspective": True}, {"motion": "paper"}])
def test_the_field_never_waits_for_the_device(options):
    """On a device whose values can't be read at all."""
    points = at(((40, 40), (53, 47)), ((60, 60), (60, 60)), ((20, 70), (25, 75)))
    scores = torch.ones(2, 3, *GRID.latent_size, device="meta")
    move = plan_movement(
        scores, torch.ones(2, *GRID.image_size, device="meta"), GRID, points, MoveSettings(**options), (0, 0, 1)
    )
    assert move.way_in.device.type == "meta" and move.way_in.shape == (2, 2, *GRID.latent_size)


def test_whose_is_whose_waits_once_and_for_groups_not_at_all():
    scores, element = torch.ones(1, 2, *GRID.latent_size, device="meta"), torch.ones(1, HEIGHT, WIDTH, device="meta")
    points = at(((40, 40), (53, 47)), ((60, 60), (60, 60)))
    assert objects_of(element, scores[:, :1], GRID, DragPoints(points.pairs[:1])) == (0,)
    grouped = DragPoints(tuple(dataclasses.replace(pair, group=3) for pair in points.pairs))
    assert objects_of(element, scores, GRID, grouped) == (0, 0)


@given(st.permutations(range(4)), st.integers(0, 10**6))
@settings(max_examples=15)
def test_the_order_of_the_drags_makes_no_difference(order, seed):
    points = drags(GRID, *[((hx, hy), (tx, ty)) for hx, hy, tx, ty in (2 + 8 * uniform(4, 4, seed=seed)).tolist()])
    scores, element = uniform(1, 4, *GRID.latent_size, seed=seed), box(GRID, 1, 1, 11, 13)
    objects = (0, 1, 0, 1)
    one = plan_movement(scores, element, GRID, points, MoveSettings(), objects)
    other = DragPoints(tuple(points.pairs[index] for index in order))
    two = plan_movement(scores[:, order], element, GRID, other, MoveSettings(), tuple(objects[i] for i in order))
    for name in ("leaving", "arriving", "way_in", "free"):
        assert torch.equal(getattr(one, name), getattr(two, name)), name
    assert torch.equal(one.arrival.origin, two.arrival.origin)


def test_what_an_anchor_holds_is_not_continued_over_the_hole():
    """The element is red, what is anchored beside it is red, too; the ground is grey, and so is what is filled."""
    element = box(GRID, 4, 3, 8, 10)
    points = at(((40, 48), (40, 16)), ((68, 48), (68, 48)))
    scores = torch.full((1, 2, *GRID.latent_size), 0.1)
    scores[0, 0, :, :7], scores[0, 1, :, 7:] = 0.9, 0.9
    picture = torch.full((1, HEIGHT, WIDTH, 3), 0.5)
    picture[element > 0.5] = torch.tensor([1.0, 0.0, 0.0])
    clean = GRID.image_mask_to_cells(picture[..., 0])[:, None]
    for motion, objects in (("apart", None), ("auto", (0, 1)), ("auto", (0, 0))):
        move = plan_movement(scores, element, GRID, points, MoveSettings(motion=motion), objects)
        filled = continue_background(move, clean, FillSettings(method="smooth"), picture, Copier()).picture
        left = (element > 0.5) & (move.element > 0.5)
        assert torch.allclose(filled[left], torch.tensor(0.5), atol=0.02), motion
        # What stays shows itself.
        assert torch.equal(filled[move.held > 0.5], picture[move.held > 0.5])
        latent = continue_background(move, clean, FillSettings(space="latent")).latent
        assert float(latent[0, 0, 4:8, 3:6].max()) < 0.52, motion


class Copier:
    """An autoencoder whose latent is the mean of the red channel."""

    def encode(self, image):
        return GRID.image_mask_to_cells(image[..., 0])[:, None]
