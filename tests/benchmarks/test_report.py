"""The report's layout, its intervals, and what happens to broken scenes."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import scipy.stats
import torch

from benchmarks import report, running, scenes, settings
from core.errors import InputError
from core.settings import EditSettings

from . import made


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


def test_a_difference_is_taken_on_the_same_scenes():
    generator = np.random.default_rng(0)
    scene, noise = generator.normal(0, 10, size=60), generator.normal(0, 0.1, size=60)
    first = [(value + 1 + own, 1.0) for value, own in zip(scene, noise, strict=True)]
    second = [(value, 1.0) for value in scene]
    paired = report.difference([*first, (50.0, 1.0)], [*second, None])
    assert paired["n"] == 60
    assert paired["mean"] == pytest.approx(1, abs=0.05)
    # The scenes differ by far more than the methods; drawn alike, their spread cancels.
    assert paired["ci_high"] - paired["ci_low"] < 0.1
    assert report.pooled(first)["ci_high"] - report.pooled(first)["ci_low"] > 1


def test_shares_are_pooled_over_scenes():
    assert report.pooled([(1.0, 100.0), (9.0, 10.0)])["mean"] == pytest.approx(10 / 110)


def entry(domain, family, **methods):
    return {
        "domain": domain, "family": family, "source_errors": {"old_shadow": 4.0}, "pixels": {"old_shadow": 100},
        "methods": {
            name: {"changed_psnr": value, "seam_gradient": 1 / value, "errors": {"old_shadow": 40.0 / value}}
            for name, value in methods.items()
        },
    }  # fmt: skip


def test_groups_and_their_worst():
    entries = {
        "a": entry("worlds", "slide", ours=20.0, other=25.0), "b": entry("worlds", "slide", ours=22.0, other=23.0),
        "c": entry("worlds", "lift", ours=30.0, other=20.0), "d": entry("drawn", "flat", ours=40.0, other=10.0),
    }  # fmt: skip
    groups = report.grouped(entries, ["ours", "other"], "ours")
    assert list(groups) == ["all", "drawn", "drawn/flat", "worlds", "worlds/lift", "worlds/slide"]
    assert groups["worlds"]["scenes"] == 3
    assert groups["worlds"]["methods"]["ours"]["changed_psnr"]["mean"] == pytest.approx(24)
    assert groups["worlds/slide"]["methods"]["ours"]["old_shadow_share"]["mean"] == pytest.approx((2 + 40 / 22) / 8)
    gain = groups["worlds"]["differences"]["other"]["changed_psnr"]
    assert gain["mean"] == pytest.approx((-5 - 1 + 10) / 3) and gain["n"] == 3
    worst = report.worst(groups)
    assert worst["worlds"]["ours"]["changed_psnr"] == {"mean": pytest.approx(21), "group": "slide"}
    assert worst["worlds"]["ours"]["seam_gradient"]["group"] == "slide"
    assert worst["worlds"]["other"]["changed_psnr"]["group"] == "lift"
    assert worst["all"]["other"]["changed_psnr"]["group"] == "drawn"
    text = report.table(groups["worlds"], worst["worlds"])
    assert "21.00 slide" in text and "20.00 lift" in text
    assert report.by_family(groups, "worlds", "changed_psnr").splitlines()[1].split() == ["lift", "1", "30.00", "20.00"]


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "scenes"
    for name, kind in (("a", "flat"), ("b", "flat"), ("c", "stripes"), ("d", None)):
        made.write(root, made.scene(name=name, kind=kind))
    (root / "e").mkdir()
    return root


def test_the_report_s_layout(folder, tmp_path):
    worlds = tmp_path / "worlds"
    made.write(worlds, made.world("slide", name="w"))
    names = ("attention_drag", "rigid_warp", "identity")
    results = scenes.Results(list(names))
    job = running.Job(names, EditSettings(steps=2, strength=1.0))
    for item, found in running.run(running.items_of([folder, worlds]), job, loaded=made.toy_model()):
        results.add(item, found)
    written = json.loads(json.dumps(results.as_report({"edit": settings.as_dict(EditSettings())})))
    assert list(written["groups"]) == ["all", "drawn", "drawn/flat", "drawn/other", "drawn/stripes", "worlds",
                                       "worlds/slide"]  # fmt: skip
    whole = written["groups"]["all"]
    assert set(whole["methods"]) == set(names) and set(whole["differences"]) == {"rigid_warp", "identity"}
    for group in written["groups"].values():
        for figures in (*group["methods"].values(), *group["differences"].values()):
            for value in figures.values():
                assert set(value) == {"mean", "ci_low", "ci_high", "n"}
    assert whole["methods"]["attention_drag"]["unet_evaluations"]["mean"] == 3
    assert written["groups"]["worlds"]["methods"]["identity"]["old_shadow_share"]["mean"] == pytest.approx(1)
    assert "mean_distance_px" not in written["groups"]["worlds"]["methods"]["identity"]
    assert "old_shadow_share" not in written["groups"]["drawn"]["methods"]["identity"]
    assert written["failures"] == dict.fromkeys(names, 1)
    assert all("e" in failure["scene"] and "source.png" in failure["error"] for failure in written["failed"])
    text = scenes.summary(written)
    assert "worlds: 1 scenes" in text and "self-check" in text and "source.png" in text
    table = report.as_markdown(written)
    assert "**worlds**, 1 scenes" in table and "| `rigid_warp` |" in table


def test_the_command_writes_report_and_sheet(folder, tmp_path, capsys):
    out, sheet = tmp_path / "report.json", tmp_path / "sheet.png"
    arguments = ["--scenes", str(folder), "--methods", "cut_paste,identity", "--out", str(out), "--sheet", str(sheet),
                 "--markdown", str(tmp_path / "table.md")]  # fmt: skip
    assert scenes.main([*arguments, "--settings", "steps=7", "sample.hold_element=0.25"]) == 0
    written = json.loads(out.read_text("utf-8"))
    assert written["settings"]["edit"]["steps"] == 7
    assert written["settings"]["edit"]["sample"]["hold_element"] == 0.25
    assert written["settings"]["versions"]["torch"].startswith(torch.__version__.split("+")[0])
    assert written["groups"]["drawn"]["methods"]["cut_paste"]["target_psnr"]["mean"] > 45
    assert "`cut_paste`" in (tmp_path / "table.md").read_text("utf-8")
    assert sheet.stat().st_size > 1000
    assert "cut_paste" in capsys.readouterr().out


def test_the_self_check_fails_where_a_paste_is_the_truth(folder, tmp_path, capsys):
    worlds = tmp_path / "worlds"
    made.write(worlds, made.world(name="w"))
    arguments = ["--self-check", "--out", str(tmp_path / "report.json")]
    assert scenes.main([*arguments, "--scenes", str(worlds)]) == 0
    assert "holds: cut_paste is not at the top on worlds" in capsys.readouterr().out
    # A thing that only slides over its ground, without light: nothing is beyond a paste there but what it hid.
    flat = made.scene(name="w")
    y, x = np.mgrid[:64, :80]
    flow = np.where(flat.object_mask[..., None] > 0, np.stack([x + 24.5, y + 8.5], -1), np.nan).astype(np.float32)
    pasted = dataclasses.replace(flat, flow=flow, visible=flat.object_mask > 0, meta={"family": "slide"})
    made.write(tmp_path / "pasted", pasted)
    assert scenes.main([*arguments, "--scenes", str(tmp_path / "pasted")]) == 1
    assert "FAILS" in capsys.readouterr().out


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
    assert changed.source_background is False
    assert changed.sample.source_attention == "off"
    assert isinstance(changed.sample.hold_element, float)


@pytest.mark.parametrize("text", ["steps", "nothing=1", "element.nothing=1", "element=3", "steps.more=1", "steps=many"])
def test_overrides_that_name_nothing_are_refused(text):
    with pytest.raises(settings.OverrideError):
        settings.override(EditSettings(), [text])


def test_overrides_are_checked_by_the_settings_themselves():
    with pytest.raises(InputError):
        settings.override(EditSettings(), ["element.tau=2"])
