"""Variants on shared inversions give what they would give on their own."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from benchmarks import ablation, settings
from benchmarks.context import Context
from benchmarks.maps import map_store
from benchmarks.methods import METHODS
from benchmarks.metrics import iou, measure
from benchmarks.scene import load_scene
from core.attention.correlation import correlate
from core.attention.plan import CapturePlan
from core.region.found import find_element
from core.settings import EditSettings
from core.space.grid import Grid
from core.space.points import make_points
from tests.core.toy_unet import latent

from . import made

BASE = EditSettings(steps=4, strength=1.0)


@pytest.mark.parametrize("refinements", [0, 2])
@pytest.mark.parametrize(
    "plan",
    [
        CapturePlan(),
        CapturePlan(sides=("up",), levels=(0,), heads="max", map_steps=2),
        CapturePlan(levels=(1, 2), noise_range=(0.3, 1.0), map_steps=3),
    ],
)
def test_maps_put_together_are_those_that_an_inversion_records(plan, refinements):
    loaded, clean = made.toy_model(), latent(size=(8, 6))
    others = [
        CapturePlan(),
        CapturePlan(heads="max", levels=(0, 1, 2), noise_range=(0.0, 1.0), map_steps=9),
        plan,
    ]
    store = map_store(loaded, clean, 8, 0.75, refinements, others)
    host = loaded.host
    own = host.invert(clean, host.sigmas(8, 0.75), plan, refinements, None).maps
    built = store.record(plan)
    assert set(built) == set(own)
    for grid, value in own.items():
        torch.testing.assert_close(built[grid], value, atol=1e-3, rtol=2e-2)
    # Another plan's maps would not pass for them.
    other = store.record(others[1])
    grid = next(iter(own))
    assert (other[grid] - own[grid]).abs().max() > 5e-3


def test_maps_are_kept_no_further_than_needed():
    loaded = made.toy_model()
    map_store(loaded, latent(), 8, 1.0, 0, [CapturePlan(noise_range=(0.0, 0.3), map_steps=2)])
    # Levels 0 and round(0.3 * 7) = 2: three evaluations.
    assert loaded.evaluations == 3


def test_a_variant_is_the_edit_with_its_settings():
    scene, loaded = made.scene(), made.toy_model()
    variant = ablation.parse_variant("weak: sample.hold_element=0.1 sample.source_attention=off", BASE)
    figures = ablation.edit_figures(ablation.Inversions(scene, loaded), variant, False)
    image = METHODS["attention_drag"](Context(scene, made.toy_model(), variant.settings)).image
    for name, value in measure(scene, image).items():
        assert figures[name] == pytest.approx(value), name


def test_variants_share_inversions_where_they_can(tmp_path):
    made.write(tmp_path / "scenes", made.scene(name="a"))
    made.write(tmp_path / "scenes", made.scene(name="b", way=(16, 0)))
    loaded = made.toy_model()
    texts = ["default", "weak: sample.hold_element=0.1", "other: steps=2"]
    variants = [ablation.parse_variant(text, BASE) for text in texts]
    written = ablation.run(tmp_path / "scenes", loaded, variants, out=tmp_path / "table")
    # Each scene: inversions of 4 and 2 steps, samplings of 4, 4 and 2, less those in which everything is held.
    assert loaded.evaluations == 2 * (4 + 2 + 1 + 4 + 1)
    assert set(written["variants"]) == {"default", "weak", "other"}
    first, second = (written["scenes"][name] for name in ("default", "weak"))
    differences = [second[scene]["target_psnr"] - first[scene]["target_psnr"] for scene in ("a", "b")]
    assert written["against_first"]["weak"]["target_psnr"]["mean"] == pytest.approx(np.mean(differences))
    assert json.loads((tmp_path / "table.json").read_text())["variants"]
    assert (tmp_path / "table.csv").read_text().startswith("variant,target_psnr")
    assert (tmp_path / "table.md").read_text().startswith("| variant |")


def test_masks_alone(tmp_path):
    folder = made.write(tmp_path / "scenes", made.scene(name="a"))
    loaded = made.toy_model()
    texts = ["default", "fixed: element.tau=0.7", "best: element.tau=oracle", "coarse: capture.levels=2"]
    variants = [ablation.parse_variant(text, BASE) for text in texts]
    written = ablation.run(tmp_path / "scenes", loaded, variants, clicks=3)
    assert loaded.evaluations <= 4
    # Each click, read off an inversion of the variant's own.
    scene = load_scene(folder)
    for variant in (variants[0], variants[1], variants[3]):
        inversion, _, _ = ablation.Inversions(scene, made.toy_model()).get(variant)
        wanted = []
        for x, y in ablation.clicks_inside(scene.object_mask, 3, seed=0):
            points = make_points([((x / 80, y / 64), (0.9, 0.9))]).on_image(64, 80)
            grid = Grid.padded(64, 80)
            scores = correlate(inversion.maps, grid, points)
            found = find_element(scores, grid, points, variant.settings.element, scene.image, inversion.maps)
            wanted.append(iou(found[0].numpy(), scene.object_mask))
        values = written["scenes"][variant.name]["a"]
        assert values["clicks"] == pytest.approx(wanted, abs=0.03)
        assert values["mask_iou"] == pytest.approx(np.mean(values["clicks"]))
        assert values["mask_iou_low"] == pytest.approx(np.mean(np.array(values["clicks"]) < 0.5))
    # Everything taken is one of the thresholds that it tries.
    assert written["variants"]["best"]["mask_iou"]["mean"] >= 24 * 16 / (64 * 80) - 1e-6


def test_the_best_threshold_of_scores_that_tell_is_perfect():
    truth = np.zeros((20, 20))
    truth[5:12, 6:15] = 1
    scores = np.where(truth > 0, 0.4, 0.1)
    scores[17, 17] = 1.0
    assert ablation.best_iou(scores, truth, (8.5, 8.5)) == 1


def test_clicks_fall_inside():
    mask = np.zeros((30, 30))
    mask[4:20, 6:26] = 1
    clicks = ablation.clicks_inside(mask, 20, seed=3)
    assert len(set(clicks)) == 20
    assert all(6 + 2 <= x <= 26 - 2 and 4 + 2 <= y <= 20 - 2 for x, y in clicks)
    assert clicks == ablation.clicks_inside(mask, 20, seed=3)
    thin = np.zeros((9, 9))
    thin[4, 2:7] = 1
    assert all(thin[int(y), int(x)] for x, y in ablation.clicks_inside(thin, 3, seed=0))


def test_variants_are_read():
    variant = ablation.parse_variant("a b: steps=3 element.tau=0.5", BASE)
    assert variant.name == "a b" and variant.settings.steps == 3 and variant.settings.element.tau == 0.5
    assert ablation.parse_variant("steps=3", BASE).settings.steps == 3
    assert ablation.parse_variant("plain", BASE).settings == BASE
    with pytest.raises(settings.OverrideError):
        ablation.parse_variant("x: steps", BASE)
