"""Figures of worlds against known truths."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

from benchmarks import judging
from benchmarks.judging import Judge
from benchmarks.truth import truth_of

from . import made

HIGHER = ("changed_psnr", "changed_ssim", "moved_psnr", "light_psnr", "old_shadow_psnr", "new_shadow_psnr",
          "revealed_psnr", "unchanged_psnr")  # fmt: skip
LOWER = ("light_share", "old_shadow_share", "new_shadow_share", "revealed_share", "seam_gradient", "colour_shift",
         "artefacts", "point_error_px", "point_error_ratio")  # fmt: skip


def judge_of(scene):
    return Judge(scene, truth_of(scene))


def test_the_truth_has_nothing_wrong():
    scene = made.world()
    figures = judge_of(scene).judge(scene.target).figures
    assert all(figures[name] == judging.PSNR_CAP for name in HIGHER if name.endswith("psnr"))
    assert figures["changed_ssim"] == pytest.approx(1)
    assert all(figures[name] == 0 for name in LOWER)


def test_the_source_has_all_its_error_left():
    scene = made.world()
    judged = judge_of(scene).judge(scene.source)
    for name in ("light", "old_shadow", "new_shadow", "revealed"):
        assert judged.figures[f"{name}_share"] == pytest.approx(1)
    assert judged.figures["point_error_ratio"] == pytest.approx(1, abs=0.15)
    # Where the scene changed by less than its threshold, nothing was changed.
    assert judged.figures["unchanged_psnr"] > 40
    assert judged.errors["total"] == pytest.approx(judged.errors["changed"] + judged.errors["unchanged"])


@pytest.mark.parametrize("name", ["light", "old_shadow", "new_shadow", "revealed", "moved_after"])
def test_an_error_is_told_where_it_is(name):
    scene = made.world()
    truth = truth_of(scene)
    area = getattr(truth, name)
    result = scene.target.copy()
    result[area] = np.clip(result[area] + 0.1, 0, 1)
    judged = judge_of(scene).judge(result)
    shown = {"moved_after": "moved"}.get(name, name)
    wanted = -10 * np.log10(((result - scene.target)[area] ** 2).mean())
    assert judged.figures[f"{shown}_psnr"] == pytest.approx(float(wanted), abs=1e-3)
    apart = ("old_shadow", "new_shadow", "revealed")
    elsewhere = [other for other in apart if not (getattr(truth, other) & area).any()]
    assert elsewhere
    assert all(judged.figures[f"{other}_psnr"] == judging.PSNR_CAP for other in elsewhere)
    assert judged.errors["total"] == pytest.approx(judged.errors[name])


def test_where_nothing_was_to_be_done_there_is_no_share():
    assert judging.to_be_done(100 * 10**-3.9, 100) and not judging.to_be_done(100 * 10**-4.1, 100)
    assert not judging.to_be_done(1.0, judging.MIN_PIXELS - 1)
    scene = made.world()
    still = np.where(scene.areas["new_shadow"][..., None], scene.target, scene.source)
    figures = judge_of(dataclasses.replace(scene, source=still)).judge(scene.target).figures
    assert figures["new_shadow_share"] is None and figures["old_shadow_share"] == 0


def test_free_is_what_the_method_may_change_and_the_truth_does_not():
    scene = made.world()
    judge = judge_of(scene)
    result = scene.target.copy()
    result[:10, :10] = 0
    region = np.zeros(scene.size)
    assert judge.judge(result, region).figures["free_psnr"] is None
    region[:10, :10] = 0.2
    wanted = -10 * np.log10((scene.target[:10, :10].astype(np.float64) ** 2).mean())
    assert judge.judge(result, region).figures["free_psnr"] == pytest.approx(wanted, abs=1e-6)
    region[:10, :10], region[60:, 70:] = 0, 1
    assert judge.judge(result, region).figures["free_psnr"] == judging.PSNR_CAP
    # Without a region everything was free.
    assert judge.judge(result).figures["free_psnr"] == judge.judge(result).figures["unchanged_psnr"]


def test_a_patch_of_another_colour_is_a_shift_and_noise_is_none():
    scene = made.world()
    judge = judge_of(scene)
    tinted = np.where(truth_of(scene).moved_after[..., None], scene.target + 0.05, scene.target)
    noise = np.random.default_rng(0).choice([-0.05, 0.05], size=scene.target.shape)
    noisy = np.where(truth_of(scene).moved_after[..., None], scene.target + noise, scene.target)
    assert judge.judge(tinted).figures["colour_shift"] > 4 * judge.judge(noisy).figures["colour_shift"]


def test_a_torn_edge_shows_at_the_seam():
    scene = made.world()
    judge = judge_of(scene)
    shifted = np.roll(scene.target, 2, axis=1)
    torn = np.where(truth_of(scene).moved_after[..., None], shifted, scene.target)
    blurred = cv2.GaussianBlur(scene.target, (0, 0), 1.5)
    for worse in (torn, blurred):
        assert judge.judge(worse).figures["seam_gradient"] > 0.01


def test_artefacts_are_clipped_or_unlike_anything_near():
    scene = made.world()
    judge = judge_of(scene)
    calm = dataclasses.replace(scene, source=scene.source * 0.5 + 0.2, target=scene.target * 0.5 + 0.2)
    judge = judge_of(calm)
    burnt = calm.target.copy()
    burnt[20:30, 20:30] = 1.0
    assert judge.judge(burnt).figures["artefacts"] == pytest.approx(100 / calm.target[..., 0].size)
    swapped = calm.target.copy()
    swapped[20:30, 20:30] = calm.target[40:50, 40:50]
    assert judge.judge(swapped).figures["artefacts"] == 0


def test_scenes_without_light_have_no_figures_of_it():
    scene = made.scene()
    judged = judge_of(scene).judge(scene.source)
    assert judged.figures["light_psnr"] is None and judged.figures["old_shadow_share"] is None
    assert "light" not in judged.errors
    assert judged.figures["revealed_share"] == pytest.approx(1)
