"""Where the window of an edit lies, and what is in it."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InputError
from core.space.drags import Click, DragPair, DragPoints
from core.space.points import make_points, parse_points, points_to_json
from core.window.crop import crop, points_in
from core.window.plan import SMALLEST, Window, plan_window, read_context
from tests.core.builders import uniform

share = st.floats(0, 1, allow_nan=False)
point = st.tuples(share, share)
side = st.integers(16, 5000)
natives = st.sampled_from([256, 512, 1024])
contexts = st.one_of(st.just("auto"), st.integers(0, 600))


def box(height: int, width: int, top: float, left: float, bottom: float, right: float) -> torch.Tensor:
    mask = torch.zeros(1, height, width)
    mask[:, int(top * height) : math.ceil(bottom * height), int(left * width) : math.ceil(right * width)] = 1
    return mask


@settings(max_examples=300, deadline=None)
@given(side, side, natives, contexts, st.lists(st.tuples(point, point), min_size=1, max_size=4))
def test_a_window_lies_in_the_picture_and_holds_every_drag(height, width, native, context, pairs):
    drags = make_points(pairs)
    window = plan_window((height, width), drags, native, context)
    assert 0 <= window.top and window.top + window.height <= height
    assert 0 <= window.left and window.left + window.width <= width
    inside = points_in(window, drags)
    for pair in inside.pairs:
        assert all(0 <= value <= 1 for value in pair.handle)
        assert all(-1e-6 <= value <= 1 + 1e-6 for value in pair.target)
    # The model's own area, to a rounded side.
    rows, columns = window.edited
    if window.is_whole:
        assert height * width <= native**2
    else:
        assert (rows - 1) * (columns - 1) <= native**2 * 1.001
        assert 1 <= rows <= window.height and 1 <= columns <= window.width
        # Both axes by the same scale, to the rounding of a side.
        assert abs(rows - window.height * window.scale) <= max(1.0, 2 * window.scale * rows / columns)


@settings(max_examples=200, deadline=None)
@given(side, side, natives, contexts, point, point)
def test_points_go_into_the_window_and_back(height, width, native, context, handle, target):
    drags = make_points([(handle, target)])
    window = plan_window((height, width), drags, native, context)
    for end in (handle, target):
        assert window.leave(window.enter(end)) == pytest.approx(end, abs=1e-9)
    inside = points_in(window, drags)
    again = parse_points(points_to_json(inside))
    assert again.pairs == inside.pairs and inside.image_size == window.edited


@settings(max_examples=100, deadline=None)
@given(st.integers(600, 5000), st.integers(600, 5000), natives, point, st.tuples(st.floats(-4, 5), st.floats(-4, 5)))
def test_a_target_far_outside_of_the_picture_stays_within_what_can_be_stored(height, width, native, handle, target):
    inside = points_in(
        plan_window((height, width), make_points([(handle, target)]), native), make_points([(handle, target)])
    )
    assert parse_points(points_to_json(inside)).pairs == inside.pairs


@pytest.mark.parametrize("size", [(256, 256), (200, 320), (75, 90), (128, 512), (8, 8)])
def test_a_picture_of_the_models_area_and_less_is_taken_whole(size):
    window = plan_window(size, make_points([((0.1, 0.1), (0.9, 0.9))]), 256)
    assert window == Window.whole(*size) and window.is_whole and window.scale == 1
    image = uniform(1, *size, 3)
    drags = make_points([((0.1, 0.1), (0.9, 0.9))], radius=0.3)
    taken = crop(window, image, drags)
    assert torch.equal(taken.image, image) and taken.points == drags.on_image(*size)


def test_a_small_drag_on_a_large_picture_is_edited_at_its_own_size():
    window = plan_window((4096, 4096), make_points([((0.5, 0.5), (0.51, 0.5))]), 512)
    assert (window.height, window.width) == window.edited == (512, 512)


def test_a_long_drag_needs_a_smaller_scale_and_the_window_says_by_how_much():
    short = plan_window((4096, 4096), make_points([((0.2, 0.5), (0.25, 0.5))]), 512)
    long = plan_window((4096, 4096), make_points([((0.1, 0.5), (0.9, 0.5))]), 512)
    assert short.scale == 1 > 0.3 > long.scale
    assert long.width >= 0.8 * 4096 and f"1/{1 / long.scale:.3g} of its size" in str(long)
    assert "of its size" not in str(short)
    # Not a strip that the model never saw.
    assert 0.5 <= long.edited[1] / long.edited[0] <= 4.5


def test_drags_far_apart_share_one_window():
    drags = make_points([((0.05, 0.05), (0.1, 0.1)), ((0.95, 0.9), (0.9, 0.95))])
    window = plan_window((2000, 3000), drags, 512)
    inside = points_in(window, drags)
    assert len(inside) == 2 and window.width > 0.85 * 3000


def test_what_moves_is_in_the_window_before_and_after():
    mask = box(2000, 3000, 0.4, 0.3, 0.6, 0.5)
    drags = make_points([((0.4, 0.5), (0.6, 0.5))])
    window = plan_window((2000, 3000), drags, 512, masks=[mask])
    assert window.left <= 0.3 * 3000 and window.left + window.width >= 0.7 * 3000
    assert window.top <= 0.4 * 2000 and window.top + window.height >= 0.6 * 2000
    # A mask of the coarse look, at another size, says the same.
    coarse = plan_window((2000, 3000), drags, 512, masks=[box(200, 300, 0.4, 0.3, 0.6, 0.5)])
    assert coarse == window


def test_a_mask_of_the_whole_picture_takes_the_whole_picture_at_the_models_area():
    drags = make_points([((0.4, 0.5), (0.6, 0.5))])
    window = plan_window((1500, 3000), drags, 512, masks=[torch.ones(1, 1500, 3000)])
    assert (window.height, window.width) == (1500, 3000)
    assert window.edited[0] * window.edited[1] == pytest.approx(512**2, rel=5e-3)


@settings(max_examples=60, deadline=None)
@given(st.floats(0.2, 0.8), st.floats(0.2, 0.8), st.floats(-0.25, 0.25), st.floats(-0.25, 0.25))
def test_few_small_moves_of_a_target_make_another_window(x, y, dx, dy):
    """Along a way of 200 px, a window of 512 px may change as often as the lattice of 128 px is crossed, by either
    coordinate, and no more."""
    seen = []
    for step in range(101):
        target = (x + dx + step * 2 / 4096, y + dy)
        seen.append(plan_window((4096, 4096), make_points([((x, y), target)]), 512))
    changes = sum(one != other for one, other in zip(seen, seen[1:], strict=False))
    assert changes <= 4


def test_points_move_within_their_lattice_square_without_another_window():
    windows = {
        plan_window((4096, 4096), make_points([((0.5, 0.5), (0.5 + px / 4096, 0.5 + px / 8192))]), 512)
        for px in range(4, 60)
    }
    assert len(windows) == 1


@pytest.mark.parametrize("corner", [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)])
def test_a_handle_in_the_very_corner(corner):
    window = plan_window((3000, 2000), make_points([(corner, (0.5, 0.5))]), 256)
    inside = points_in(window, make_points([(corner, (0.5, 0.5))]))
    assert inside.pairs[0].handle == corner
    near = plan_window((3000, 2000), make_points([(corner, corner)]), 256)
    assert near.edited == (256, 256) and near.scale == 1


def test_anchors_radii_groups_and_clicks_go_into_the_window():
    drags = DragPoints(
        (DragPair((0.5, 0.5), (0.52, 0.5), 0.01, 3, "move"), DragPair((0.49, 0.5), (0.49, 0.5))),
        clicks=(Click((0.505, 0.51), "leave_out", 3),),
    )
    window = plan_window((4000, 3000), drags, 512)
    inside = points_in(window, drags)
    first, anchor = inside.pairs
    assert (first.group, first.motion) == (3, "move") and anchor.is_anchor
    # 30 px of the picture, whose shorter side is 3000.
    assert first.radius * min(window.height, window.width) == pytest.approx(30)
    assert window.leave(inside.clicks[0].at) == pytest.approx((0.505, 0.51)) and inside.clicks[0].kind == "leave_out"


def test_pictures_with_drags_of_their_own_share_the_window():
    one, other = make_points([((0.1, 0.1), (0.2, 0.1))]), make_points([((0.8, 0.8), (0.9, 0.8))])
    both = DragPoints(one.pairs, pictures=(one, other))
    window = plan_window((2000, 2000), both, 512)
    taken = crop(window, uniform(2, 2000, 2000, 3), both)
    assert len(taken.points.pictures) == 2 and taken.image.shape[0] == 2
    for before, after in zip((one, other), taken.points.pictures, strict=True):
        assert window.leave(after.pairs[0].handle) == pytest.approx(before.pairs[0].handle)
        assert after.image_size == window.edited


def test_context_in_px():
    drags = make_points([((0.5, 0.5), (0.5, 0.5))])
    narrow, wide = (plan_window((4096, 4096), drags, 512, context) for context in (8, 1000))
    assert SMALLEST <= narrow.width <= 256 and narrow.scale == 1
    assert wide.width >= 2000 and wide.scale < 0.3
    assert plan_window((4096, 4096), drags, 512, "whole") == Window.whole(4096, 4096)


@pytest.mark.parametrize("size", [(8192, 8192), (8192, 1024), (1024, 8192), (300, 2400)])
@pytest.mark.parametrize("native", [256, 512, 1024])
def test_the_largest_pictures_and_strips_of_one_to_eight_are_planned(size, native):
    """A thing of a tenth of the picture, and a drag from one end of it to the other."""
    height, width = size
    side = math.sqrt(0.1 * height * width)
    down, across = min(side / height, 0.8), min(side / width, 0.8)
    mask = box(80, 80, 0.1, 0.1, 0.1 + down, 0.1 + across)
    for target in ((0.12, 0.12), (0.9, 0.9)):
        drags = make_points([((0.11, 0.11), target)])
        window = plan_window(size, drags, native, masks=[mask])
        rows, columns = window.edited
        # To the sides' rounding, and to a shape that a U-Net of four halvings takes.
        assert rows * columns <= native**2 * 1.02 + 64 * (rows + columns) / 8 and min(rows, columns) >= 24
        assert window.left <= 0.1 * width and window.left + window.width >= (0.1 + across) * width
        inside = points_in(window, drags).pairs[0]
        assert all(0 <= value <= 1 for value in (*inside.handle, *inside.target))


def test_contexts_as_they_are_typed():
    assert [read_context(text) for text in ("auto", " whole ", "64", "64 px")] == ["auto", "whole", 64, 64]
    for bad, word in (("near", "near"), ("-3", "-3"), ("1.5", "1.5"), ("", "''")):
        with pytest.raises(InputError) as caught:
            read_context(bad)
        assert caught.value.input == "window" and word in caught.value.problem


def test_points_outside_of_a_window_are_refused():
    window = plan_window((4096, 4096), make_points([((0.1, 0.1), (0.11, 0.1))]), 512)
    with pytest.raises(InputError) as caught:
        points_in(window, make_points([((0.1, 0.1), (0.11, 0.1)), ((0.9, 0.9), (0.8, 0.9))]))
    assert caught.value.input == "points" and "drag 2" in caught.value.problem
    # A target may lie outside: what moves there leaves the window.
    assert points_in(window, make_points([((0.1, 0.1), (0.9, 0.1))])).pairs[0].target[0] > 1


def test_masks_and_pictures_of_another_size_are_refused():
    drags = make_points([((0.1, 0.1), (0.11, 0.1))])
    window = plan_window((600, 600), drags, 256)
    with pytest.raises(InputError, match="mask: 300x600"):
        crop(window, uniform(1, 600, 600, 3), drags, torch.ones(1, 600, 300))
    with pytest.raises(InputError, match="image: 600x500"):
        crop(window, uniform(1, 500, 600, 3), drags)


def test_a_crop_at_its_own_size_is_the_pictures_pixels_and_a_smaller_one_keeps_the_mean():
    image, mask = uniform(2, 700, 900, 3), box(700, 900, 0.4, 0.4, 0.6, 0.6)
    drags = make_points([((0.5, 0.5), (0.55, 0.5))])
    own = crop(plan_window((700, 900), drags, 512), image, drags, mask)
    rows, columns = own.window.rows, own.window.columns
    assert torch.equal(own.image, image[:, rows, columns]) and torch.equal(own.mask, mask[:, rows, columns])
    small = crop(plan_window((700, 900), drags, 128, masks=[mask]), image, drags, mask)
    assert small.window.scale < 1 and small.image.shape[1:3] == small.window.edited
    part = image[:, small.window.rows, small.window.columns]
    assert small.image.mean() == pytest.approx(float(part.mean()), abs=2e-3)
    assert small.own_mask.sum() == mask.sum()
    assert float(small.mask.mean()) == pytest.approx(float(small.own_mask.mean()), rel=0.02)
