"""Pastes, where their result is known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from benchmarks import metrics, pasting
from benchmarks.truth import truth_of
from core.space.points import make_points

from . import made


def test_the_best_affine_map_is_the_world_s_own():
    scene = made.world(turn=0.4, grown=1.2, way=(20.0, 5.0))
    ((piece, affine),) = pasting.affine_pieces(scene, truth_of(scene))
    np.testing.assert_array_equal(piece, scene.object_mask > 0.5)
    cosine, sine = 1.2 * np.cos(0.4), 1.2 * np.sin(0.4)
    np.testing.assert_allclose(affine[:, :2], [[cosine, -sine], [sine, cosine]], atol=1e-4)


def test_rigid_warp_brings_a_turned_thing_where_it_belongs():
    scene = made.world(turn=0.4, grown=1.2)
    warped, pasted = pasting.rigid_warp(scene, truth_of(scene)), pasting.cut_and_paste(scene, scene.object_mask)
    inside = metrics.widened(scene.target_mask > 0.5, -2)
    assert metrics.psnr(warped.image, scene.target, inside) > 33
    assert metrics.psnr(pasted.image, scene.target, inside) < 22
    unchanged = warped.free == 0
    np.testing.assert_array_equal(warped.image[unchanged], scene.source[unchanged])


@pytest.mark.parametrize("way", [(7.5, 0.0), (-4.25, 3.5)])
def test_rigid_warp_is_finer_than_a_pixel(way):
    scene = made.world(turn=0.0, grown=1.0, way=way)
    warped = pasting.rigid_warp(scene, truth_of(scene))
    inside = metrics.widened(scene.target_mask > 0.5, -2)
    assert metrics.psnr(warped.image, scene.target, inside) > 38


def test_several_things_have_a_map_each():
    ground = made.texture(64, 96, seed=3)
    first = made.scene(size=(64, 96), box=(8, 8, 24, 24), way=(32, 4), ground=ground, element=made.texture(16, 16, 4))
    second = made.scene(size=(64, 96), box=(40, 60, 56, 76), way=(-20, -8), ground=ground,
                        element=made.texture(16, 16, 5))  # fmt: skip
    pairs = [(pair.handle, pair.target) for one in (first, second) for pair in one.points.pairs]
    both = dataclasses.replace(
        first, object_mask=np.maximum(first.object_mask, second.object_mask),
        target_mask=np.maximum(first.target_mask, second.target_mask),
        points=make_points(pairs).on_image(64, 96), meta={"family": "several"},
    )  # fmt: skip
    pieces = pasting.affine_pieces(both, truth_of(both))
    ways = sorted(tuple(np.rint(affine[:, 2] + (affine[:, :2] - np.eye(2)) @ (16, 16)).astype(int))
                  for _, affine in pieces)  # fmt: skip
    assert ways == [(-20, -8), (32, 4)]


def test_an_anchor_keeps_its_surroundings_in_a_cut_and_paste():
    scene = made.scene(box=(8, 16, 56, 32), way=(24, 0))
    points = make_points([((24 / 80, 12 / 64), (48 / 80, 12 / 64)), ((24 / 80, 52 / 64), (24 / 80, 52 / 64))])
    anchored = dataclasses.replace(scene, points=points.on_image(64, 80))
    result = pasting.cut_and_paste(anchored, anchored.object_mask).image
    np.testing.assert_allclose(result[40:56, 16:32], scene.source[40:56, 16:32], atol=1e-6)
    np.testing.assert_allclose(result[10:24, 40:56], scene.source[10:24, 16:32], atol=1e-6)
