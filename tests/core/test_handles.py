"""Handles as pixel lists and masks."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from core.errors import InputError
from core.space.handles import centres, from_pixels, to_pixels, with_handles
from core.space.points import make_points

SIZE = (40, 80)


def test_pixels_there_and_back():
    points = ((0.0, 0.0), (0.5, 0.25), (1.0, 1.0), (0.3, 0.7))
    listed = json.loads(to_pixels(points, SIZE))
    assert listed == [{"x": 0, "y": 0}, {"x": 40, "y": 10}, {"x": 79, "y": 39}, {"x": 24, "y": 28}]
    back = from_pixels(json.dumps(listed), SIZE)
    assert json.loads(to_pixels(back, SIZE)) == listed
    for (x, y), (x0, y0) in zip(back, points, strict=True):
        assert abs(x - x0) <= 1 / 80 and abs(y - y0) <= 1 / 40


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not a list of pixels"),
        ("{}", "empty"),
        ("[]", "empty"),
        ("[1]", "not a list of pixels"),
        ('[{"x": 1}]', "not a list of pixels"),
        ('[{"x": "a", "y": 1}]', "not a list of pixels"),
        ('[{"x": 1, "y": 1}, {"x": 80, "y": 1}]', "point 2 is (80, 1), outside of the image of 80x40 px"),
        ('[{"x": NaN, "y": 1}]', "point 1"),
        ('[{"x": -1, "y": 1}]', "point 1"),
        ("[" * 100_000, "not a list of pixels"),
    ],
)
def test_what_is_no_list_of_pixels_in_the_image(text, words):
    with pytest.raises(InputError) as caught:
        from_pixels(text, SIZE)
    assert caught.value.input == "handles" and words in str(caught.value)


def test_a_mask_s_centre_lies_in_it():
    square, ring = torch.zeros(2, *SIZE)
    square[10:21, 30:41] = 1
    y, x = torch.meshgrid(torch.arange(40.0), torch.arange(80.0), indexing="ij")
    radius = torch.hypot(x - 40, y - 20)
    ring[(radius > 10) & (radius < 14)] = 0.9
    first, second = centres(torch.stack([square, ring]), SIZE)
    assert first == (35.5 / 80, 15.5 / 40)
    assert ring[int(second[1] * 40), int(second[0] * 80)] > 0.5
    # One alone may lack the batch's axis.
    assert centres(square, SIZE) == (first,)


@pytest.mark.parametrize(
    ("masks", "words"),
    [
        (torch.zeros(1, *SIZE), "mask 1 is empty"),
        (torch.cat([torch.ones(1, *SIZE), torch.zeros(1, *SIZE)]), "mask 2 is empty"),
        (torch.ones(1, 20, 20), "20x20 px, but the image is 80x40 px"),
        (torch.full((1, *SIZE), float("nan")), "NaN"),
    ],
)
def test_masks_without_a_centre(masks, words):
    with pytest.raises(InputError, match=words):
        centres(masks, SIZE)


def test_drags_keep_their_way_from_other_handles():
    drags = make_points([((0.1, 0.2), (0.3, 0.1)), ((0.5, 0.5), (0.5, 0.5))], 0.2)
    moved = with_handles(drags, [(0.4, 0.4), (0.9, 0.8)])
    assert moved.pairs[0].handle == (0.4, 0.4) and moved.pairs[0].target == pytest.approx((0.6, 0.3))
    assert moved.pairs[1].is_anchor
    assert [pair.radius for pair in moved.pairs] == [0.2, 0.2]


def test_one_drag_goes_for_all_handles_and_several_need_one_each():
    one = make_points([((0.1, 0.2), (0.3, 0.1))])
    assert len(with_handles(one, [(0.1, 0.1), (0.2, 0.2), (0.3, 0.3)])) == 3
    two = make_points([((0.1, 0.2), (0.3, 0.1)), ((0.5, 0.5), (0.6, 0.5))])
    with pytest.raises(InputError, match="3 handles for 2 drags"):
        with_handles(two, [(0.1, 0.1), (0.2, 0.2), (0.3, 0.3)])


def test_drags_of_every_picture_s_own_stay_theirs():
    one, two = make_points([((0.1, 0.2), (0.3, 0.1))]), make_points([((0.5, 0.5), (0.6, 0.5))])
    with pytest.raises(InputError, match="every picture"):
        with_handles(replace(one, pictures=(one, two)), [(0.1, 0.1)])
