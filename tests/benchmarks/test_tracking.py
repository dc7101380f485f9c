"""Surface points are found where they are."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from benchmarks import tracking
from benchmarks.truth import truth_of

from . import made


def points_of(scene):
    return tracking.surface_points(truth_of(scene), scene.source)


def test_points_lie_on_what_is_seen_and_go_where_the_flow_says():
    scene = made.world()
    truth, points = truth_of(scene), points_of(scene)
    assert 20 < len(points.kept) <= tracking.POINTS
    ends = {tuple(end) for end in np.rint(truth.flow[truth.visible]).astype(int).tolist()}
    assert all(point.place in ends for point in points.kept)
    assert all(truth.moved_after[point.place[1], point.place[0]] for point in points.kept)


@pytest.mark.parametrize("way", [(3, 0), (-2, 5)])
def test_what_is_off_by_so_much_is_off_by_so_much(way):
    scene = made.world()
    points = points_of(scene)
    moved = np.roll(scene.target, (way[1], way[0]), axis=(0, 1))
    errors = tracking.patch_errors(points, moved)
    assert np.median(errors) == pytest.approx(np.hypot(*way))
    assert tracking.summary(points, errors, "point_error")["point_error_px"] == pytest.approx(np.mean(errors))


def test_light_on_the_surface_does_not_move_it():
    scene = made.world()
    points = points_of(scene)
    assert max(tracking.patch_errors(points, 0.6 * scene.target + 0.1)) == 0


def test_points_that_repeat_are_dropped_and_counted():
    stripes = np.broadcast_to((np.arange(80) // 4 % 2)[None, :, None].astype(float), (64, 80, 3)) * 0.8
    scene = made.scene(ground=stripes, element=stripes[:24, :16].copy(), way=(24, 0))
    points = points_of(scene)
    # Only along its upper and lower edge could a striped thing on stripes be told, and nothing differs there.
    assert not points.kept and points.dropped > 0
    assert tracking.summary(points, [], "point_error") == dict.fromkeys(
        ("point_error_px", "point_error_median", "point_error_ratio")
    )


def test_plain_points_are_dropped():
    flat = np.full((64, 80, 3), 0.5)
    scene = made.scene(ground=flat, element=np.full((40, 40, 3), 0.5), box=(4, 4, 44, 44), way=(20, 10))
    assert not points_of(scene).kept


def test_what_an_untouched_picture_shows_already_tells_nothing():
    scene = made.world(turn=0.5, way=(12.0, 0.0))
    same = dataclasses.replace(scene, target=scene.source)
    assert points_of(same).kept == [] and points_of(same).dropped > 20


def test_hidden_points_are_not_looked_for():
    scene = made.world()
    hidden = dataclasses.replace(scene, visible=np.zeros_like(scene.visible))
    assert points_of(hidden).kept == [] and points_of(hidden).dropped == 0


def test_features_are_followed_as_patches_are():
    scene = made.world()
    points = points_of(scene)
    generator = np.random.default_rng(0)
    planes = generator.normal(size=(16, 48, 48)).astype(np.float32)
    planes /= np.linalg.norm(planes, axis=0)
    assert tracking.feature_errors(points, planes, planes, 2) == [0.0] * len(points.kept)
    shifted = np.roll(planes, (0, 3), axis=(1, 2))
    assert np.median(tracking.feature_errors(points, planes, shifted, 2)) == 6
