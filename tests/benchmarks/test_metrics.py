"""Figures against known truths."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import metrics
from benchmarks.metrics import locate, mean_distance, measure, psnr, regions
from core.space.points import make_points

from . import made


@given(st.floats(1e-4, 0.9), st.integers(0, 2**31))
def test_psnr_is_its_formula(error, seed):
    truth = np.random.default_rng(seed).random((12, 9, 3))
    assert psnr(truth + error, truth) == pytest.approx(-20 * math.log10(error), abs=1e-6)


def test_psnr_looks_at_its_region_alone():
    truth = np.zeros((10, 10, 3))
    result = truth.copy()
    result[:5] = 0.5
    upper = np.zeros((10, 10), bool)
    upper[:5] = True
    assert psnr(result, truth, ~upper) == metrics.PSNR_CAP
    assert psnr(result, truth, upper) == pytest.approx(20 * math.log10(2))
    assert psnr(result, truth, np.zeros((10, 10), bool)) is None


def test_regions_are_what_they_are_called():
    scene = made.scene(box=(20, 20, 44, 36), way=(8, 0))
    areas = regions(scene)
    vacated = np.zeros(scene.size, bool)
    vacated[20:44, 20:28] = True
    np.testing.assert_array_equal(areas["vacated"], vacated)
    union = np.zeros(scene.size, bool)
    union[20:44, 20:44] = True
    np.testing.assert_array_equal(areas["background_strict"], ~union)
    # A disc's reach along the axes is the margin itself.
    assert not areas["background"][30, 44 + metrics.BACKGROUND_MARGIN - 1]
    assert areas["background"][30, 44 + metrics.BACKGROUND_MARGIN]
    assert areas["seam"][30, 44 - metrics.SEAM] and areas["seam"][30, 44 + metrics.SEAM - 1]
    assert not areas["seam"][30, 44 - metrics.SEAM - 1] and not areas["seam"][30, 44 + metrics.SEAM]


@given(st.integers(-15, 30), st.integers(-15, 20), st.integers(0, 1000))
def test_a_moved_texture_is_found_where_it_went(dx, dy, seed):
    ground = made.texture(64, 80, seed=seed + 1)
    element = made.texture(24, 16, seed=seed)
    scene = made.scene(way=(dx, dy), ground=ground, element=element)
    assert mean_distance(scene, scene.target)[0] == pytest.approx(0, abs=1e-6)
    length = math.hypot(dx, dy)
    distance, ratio = mean_distance(scene, scene.source)
    assert distance == pytest.approx(length, abs=1e-6)
    assert ratio is None if length == 0 else ratio == pytest.approx(1)


@given(st.floats(-6, 6), st.floats(-6, 6), st.integers(0, 1000))
def test_the_match_is_finer_than_a_pixel(dx, dy, seed):
    plane = made.texture(64, 64, seed=seed, smooth=4)
    part = np.zeros((64, 64), bool)
    part[20:44, 20:44] = True
    found = locate(plane, part, np.ones((64, 64)), np.zeros(2), made.rolled(plane, dx, dy))
    np.testing.assert_allclose(found, (dx, dy), atol=0.1)


def test_a_plain_object_is_found_by_its_outline():
    scene = made.scene(element=np.full((24, 16, 3), 0.9), way=(21, 7))
    assert mean_distance(scene, scene.target)[0] == pytest.approx(0, abs=1e-6)
    assert mean_distance(scene, scene.source)[0] == pytest.approx(math.hypot(21, 7), abs=1e-6)


def test_an_object_half_outside_is_matched_by_what_is_left():
    scene = made.scene(box=(16, 56, 40, 72), way=(16, 0))
    assert scene.target_mask.sum() < scene.object_mask.sum()
    assert mean_distance(scene, scene.target)[0] == pytest.approx(0, abs=1e-6)


def test_an_object_that_has_left_has_no_distance():
    scene = made.scene(way=(80, 0))
    assert mean_distance(scene, scene.target) == (None, None)


def test_several_objects_are_measured_apart():
    ground = made.texture(64, 80, seed=3)
    first = made.scene(box=(8, 8, 24, 24), way=(32, 0), ground=ground, element=made.texture(16, 16, seed=4))
    second = made.scene(box=(40, 40, 56, 56), way=(0, -8), ground=first.leaving, element=made.texture(16, 16, seed=5))
    points = make_points([(pair.handle, pair.target) for made_ in (first, second) for pair in made_.points.pairs])
    # The second object was dragged, the first was left.
    scene = dataclasses.replace(
        second, object_mask=np.maximum(first.object_mask, second.object_mask),
        target_mask=np.maximum(first.target_mask, second.target_mask), points=points.on_image(64, 80),
    )  # fmt: skip
    distance, ratio = mean_distance(scene, second.target)
    assert distance == pytest.approx((32 + 0) / 2, abs=1e-6)
    assert ratio == pytest.approx((1 + 0) / 2)


def test_the_true_edit_is_perfect_and_the_source_is_not():
    scene = made.scene()
    best, none = measure(scene, scene.target), measure(scene, scene.source)
    assert best["target_psnr"] == best["vacated_psnr"] == best["background_psnr"] == metrics.PSNR_CAP
    assert best["target_ssim"] == pytest.approx(1)
    assert best["seam_mae"] == 0
    assert none["background_psnr"] == metrics.PSNR_CAP
    assert none["vacated_psnr"] < 20
    error = np.abs(scene.source - scene.target)[regions(scene)["seam"]].mean()
    assert none["seam_mae"] == pytest.approx(float(error))


def test_iou_counts_pixels():
    first, second = np.zeros((4, 4)), np.zeros((4, 4))
    first[:2], second[1:3] = 1, 0.9
    assert metrics.iou(first, second) == pytest.approx(4 / 12)
    assert metrics.iou(first * 0, second * 0) == 1
