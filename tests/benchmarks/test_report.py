"""The report's layout, its intervals, and what happens to broken scenes."""

from __future__ import annotations

import json

import numpy as np
import pytest
import scipy.stats
import torch

from benchmarks import report, scenes, settings
from core.errors import InputError
from core.settings import EditSettings
from tests.core.toy_unet import ToyUNet

from . import made

ISSUE_METRICS = {
    "mean_distance_px", "mean_distance_ratio", "background_psnr", "target_psnr", "target_ssim", "vacated_psnr",
    "seam_mae", "mask_iou", "unet_evaluations", "seconds",
}  # fmt: skip


def test_intervals_agree_with_scipy_s_bootstrap():
    values = np.random.default_rng(0).normal(3, 2, size=40)
    mine = report.interval(values)
    theirs = scipy.stats.bootstrap(
        (values,), np.mean, confidence_level=0.95, method="percentile", n_resamples=20000, random_state=1
    ).confidence_interval
    assert mine["mean"] == pytest.approx(values.mean())
    assert mine["n"] == 40
    width = theirs.high - theirs.low
    assert mine["ci_low"] == pytest.approx(theirs.low, abs=0.05 * width)
    assert mine["ci_high"] == pytest.approx(theirs.high, abs=0.05 * width)


def test_intervals_of_little():
    assert report.interval([None, None]) == {"mean": None, "ci_low": None, "ci_high": None, "n": 0}
    assert report.interval([None, 2.0]) == {"mean": 2.0, "ci_low": 2.0, "ci_high": 2.0, "n": 1}


def nan_denoiser():
    class Broken(ToyUNet):
        def denoise(self, x, sigma, hooks=None):
            return super().denoise(x, sigma, hooks) * float("nan")

    return Broken()


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "scenes"
    for name, kind in (("a", "flat"), ("b", "flat"), ("c", "stripes"), ("d", None)):
        made.write(root, made.scene(name=name, kind=kind))
    (root / "e").mkdir()
    return root


def test_the_report_s_layout(folder):
    names = ["attention_drag", "fastdrag", "cut_paste", "latent_shift", "identity"]
    results = scenes.run(folder, names, made.toy_model(), EditSettings(steps=2, strength=1.0))
    written = json.loads(json.dumps(results.as_report({"edit": settings.as_dict(EditSettings())})))
    assert set(written["methods"]) == set(names)
    for name, metrics in written["methods"].items():
        wanted = ISSUE_METRICS if name == "attention_drag" else ISSUE_METRICS - {"mask_iou"}
        assert wanted <= set(metrics) <= wanted | set(scenes.EXTRA_METRICS)
        for value in metrics.values():
            assert set(value) == {"mean", "ci_low", "ci_high", "n"}
            assert value["n"] == 4
            assert value["ci_low"] <= value["mean"] <= value["ci_high"] or value["ci_low"] == value["ci_high"]
    assert written["methods"]["attention_drag"]["unet_evaluations"]["mean"] == 3
    assert written["methods"]["identity"]["mean_distance_ratio"]["mean"] == pytest.approx(1)
    assert written["failures"] == dict.fromkeys(names, 1)
    assert all("e" in entry["scene"] and "source.png" in entry["error"] for entry in written["failed"])
    assert set(written["scenes"]) == {"a", "b", "c", "d"}
    assert set(written["backgrounds"]) == {"flat", "stripes"}
    assert written["backgrounds"]["flat"]["identity"]["seconds"]["n"] == 2
    text = scenes.summary(written)
    assert "background: stripes (1)" in text and "source.png" in text


def test_a_method_that_fails_costs_neither_the_scene_nor_the_others(folder):
    results = scenes.run(folder, ["attention_drag", "identity"], made.toy_model(denoiser=nan_denoiser()),
                         EditSettings(steps=2, strength=1.0), noise_mask=2)  # fmt: skip
    assert results.failures() == {"attention_drag": 2, "identity": 0}
    assert "NaN" in results.failed[0]["error"]
    assert len(results.rows("identity")) == 2 and not results.rows("attention_drag")
    assert results.as_report({})["methods"]["attention_drag"] == {}


def test_the_command_writes_report_and_sheet(folder, tmp_path, capsys):
    out, sheet = tmp_path / "report.json", tmp_path / "sheet.png"
    arguments = ["--scenes", str(folder), "--methods", "cut_paste,identity", "--out", str(out), "--sheet", str(sheet)]
    assert scenes.main([*arguments, "--settings", "steps=7", "sample.hold_element=0.25"]) == 0
    written = json.loads(out.read_text("utf-8"))
    assert written["settings"]["edit"]["steps"] == 7
    assert written["settings"]["edit"]["sample"]["preserve"] == 0.25
    assert written["settings"]["versions"]["torch"].startswith(torch.__version__.split("+")[0])
    assert written["methods"]["cut_paste"]["target_psnr"]["mean"] > 45
    assert sheet.stat().st_size > 1000
    assert "cut_paste" in capsys.readouterr().out


def test_the_command_names_what_it_cannot_do(folder, tmp_path, capsys):
    assert scenes.main(["--scenes", str(tmp_path / "nowhere"), "--methods", "identity"]) == 2
    assert "nowhere" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        scenes.main(["--scenes", str(folder), "--methods", "magic"])
    assert scenes.main(["--scenes", str(folder), "--methods", "identity", "--settings", "stepps=3"]) == 2
    assert "stepps" in capsys.readouterr().err


def test_overrides_reach_nested_settings():
    changed = settings.override(
        EditSettings(), ["steps=12", "element.tau=None", "capture.sides=('up',)", "capture.levels=1",
                         "source_background=false", "sample.source_attention=off", "sample.hold_element=1"],
    )  # fmt: skip
    assert changed.steps == 12
    assert changed.element.tau is None
    assert changed.capture.sides == ("up",) and changed.capture.levels == (1,)
    assert changed.keep_pixels is False
    assert changed.sample.consistency == "off"
    assert isinstance(changed.sample.hold_element, float)


@pytest.mark.parametrize("text", ["steps", "nothing=1", "mask.nothing=1", "mask=3", "steps.more=1", "steps=many"])
def test_overrides_that_name_nothing_are_refused(text):
    with pytest.raises(settings.OverrideError):
        settings.override(EditSettings(), [text])


def test_overrides_are_checked_by_the_settings_themselves():
    with pytest.raises(InputError):
        settings.override(EditSettings(), ["element.tau=2"])
