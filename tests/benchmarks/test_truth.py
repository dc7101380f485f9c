"""What is derived of a truth where a scene has no file for it."""

from __future__ import annotations

import dataclasses

import numpy as np

from benchmarks.truth import truth_of

from . import made


def test_given_truth_is_taken_as_it_is():
    scene = made.world()
    truth = truth_of(scene)
    for name, area in scene.areas.items():
        np.testing.assert_array_equal(getattr(truth, name), area)
    np.testing.assert_allclose(truth.flow, scene.flow - 0.5)
    union = scene.areas["light"] | scene.areas["revealed"]
    np.testing.assert_array_equal(truth.beyond_paste, union)


def test_light_splits_into_what_gets_brighter_and_what_gets_darker():
    scene = made.world()
    areas = {name: area for name, area in scene.areas.items() if not name.endswith("shadow")}
    truth = truth_of(dataclasses.replace(scene, areas=areas))
    np.testing.assert_array_equal(truth.old_shadow, scene.areas["old_shadow"])
    np.testing.assert_array_equal(truth.new_shadow, scene.areas["new_shadow"])


def test_a_pasted_scene_s_truth_follows_from_masks_and_drags():
    scene = made.scene(box=(16, 16, 40, 32), way=(24, 8))
    truth = truth_of(scene)
    assert truth.light is None and truth.old_shadow is None
    np.testing.assert_array_equal(truth.revealed, (scene.object_mask > 0) & (scene.target_mask == 0))
    np.testing.assert_array_equal(truth.changed, (scene.object_mask > 0) | (scene.target_mask > 0))
    rows, columns = np.nonzero(truth.moved)
    np.testing.assert_allclose(truth.flow[rows, columns], np.stack([columns + 24, rows + 8], 1), atol=1e-4)
    assert np.isnan(truth.flow[~truth.moved]).all()
    assert truth.visible[truth.moved].all()


def test_a_painted_shadow_is_light():
    scene = made.scene(box=(16, 16, 40, 32), way=(24, 0))
    target = scene.target.copy()
    target[44:50, 60:70] *= 0.5
    truth = truth_of(dataclasses.replace(scene, target=target))
    wanted = np.zeros(scene.size, bool)
    wanted[44:50, 60:70] = True
    np.testing.assert_array_equal(truth.light, wanted)
    np.testing.assert_array_equal(truth.new_shadow, wanted)
    assert not truth.old_shadow.any()
    np.testing.assert_array_equal(truth.changed, wanted | truth.moved | truth.moved_after)


def test_what_leaves_the_picture_is_not_visible():
    scene = made.scene(box=(16, 56, 40, 72), way=(16, 0))
    truth = truth_of(scene)
    assert not truth.visible[20, 66] and truth.visible[20, 60]


def test_domain_and_family():
    assert made.world("lift").domain == "worlds" and made.world("lift").family == "lift"
    assert made.scene(kind="wood").domain == "drawn" and made.scene(kind="wood").family == "wood"
    scene = dataclasses.replace(made.scene(), meta={"domain": "photographic", "family": "cut"})
    assert (scene.domain, scene.family) == ("photographic", "cut")
    scene = dataclasses.replace(made.scene(), meta={"domain": "photographic", "background": "photo:a", "shadows": True})
    assert scene.family == "with shadow"
