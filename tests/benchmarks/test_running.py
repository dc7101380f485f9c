"""Runs that stop and go on, several processes, and what a broken scene does."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import methods, running
from benchmarks.running import Job, items_of
from core.settings import EditSettings
from tests.core.toy_unet import ToyUNet

from . import made

SETTINGS = EditSettings(steps=2, strength=1.0)


@pytest.fixture
def roots(tmp_path):
    for number in range(2):
        made.write(tmp_path / "worlds" / "test", made.world(name=f"w{number}"))
    made.write(tmp_path / "drawn" / "test", made.scene(name="d0"))
    (tmp_path / "drawn" / "test" / "d1").mkdir()
    return [tmp_path / "worlds" / "test", tmp_path / "drawn" / "test"]


def collected(items, job, **kwargs):
    return {item.name: entry for item, entry in running.run(items, job, **kwargs)}


def test_scenes_of_several_folders_keep_their_names_apart(roots):
    names = [item.name for item in items_of([*roots, roots[0]])]
    assert names == ["worlds-test/w0", "worlds-test/w1", "drawn-test/d0", "drawn-test/d1", "worlds-test+/w0",
                     "worlds-test+/w1"]  # fmt: skip
    assert [item.name for item in items_of(roots, per_family=1)] == ["worlds-test/w0", "drawn-test/d0", "drawn-test/d1"]


def test_a_run_goes_on_where_it_stopped(roots, tmp_path, monkeypatch):
    ran = []
    identity = methods.METHODS["identity"]

    def watched(context):
        ran.append(context.scene.name)
        return identity(context)

    monkeypatch.setitem(methods.METHODS, "identity", watched)
    items = items_of(roots)
    job = Job(("identity",), SETTINGS, tmp_path / "work")
    stopped = running.run(items, job)
    next(stopped)
    stopped.close()
    first = collected(items, job)
    assert ran == ["w0", "w1", "d0"]
    assert collected(items, job) == first and ran == ["w0", "w1", "d0"]
    # Another method is added to what is there; other settings or another scene are not the same run.
    both = collected(items, Job(("identity", "cut_paste"), SETTINGS, tmp_path / "work"))
    assert ran == ["w0", "w1", "d0"] and set(both["drawn-test/d0"]["methods"]) == {"identity", "cut_paste"}
    collected(items[:1], Job(("identity",), EditSettings(steps=3), tmp_path / "work"))
    assert ran == ["w0", "w1", "d0", "w0"]
    (items[2].folder / "meta.json").write_text('{"background": "other"}')
    assert collected(items[2:3], job)["drawn-test/d0"]["kind"] == "other" and ran[-1] == "d0"


def test_what_failed_is_tried_again(roots, tmp_path, monkeypatch):
    def broken(context):
        raise RuntimeError("out of luck")

    job = Job(("identity",), SETTINGS, tmp_path / "work")
    items = items_of(roots)[:1]
    whole = methods.METHODS["identity"]
    monkeypatch.setitem(methods.METHODS, "identity", broken)
    assert "out of luck" in collected(items, job)["worlds-test/w0"]["failed"]["identity"]
    monkeypatch.setitem(methods.METHODS, "identity", whole)
    entry = collected(items, job)["worlds-test/w0"]
    assert entry["failed"] == {} and "identity" in entry["methods"]


def test_a_broken_scene_is_told(roots):
    entries = collected(items_of(roots), Job(("identity",), SETTINGS))
    assert "source.png" in entries["drawn-test/d1"]["broken"]


def test_a_method_that_fails_costs_neither_the_scene_nor_the_others(roots):
    class Broken(ToyUNet):
        def denoise(self, x, sigma, hooks=None):
            return super().denoise(x, sigma, hooks) * float("nan")

    job = Job(("attention_drag", "identity"), SETTINGS, features=False)
    entry = collected(items_of(roots)[:1], job, loaded=made.toy_model(denoiser=Broken()))["worlds-test/w0"]
    assert "NaN" in entry["failed"]["attention_drag"] and "identity" in entry["methods"]


def test_processes_give_what_one_gives(roots):
    job = Job(("cut_paste", "rigid_warp"), SETTINGS, threads=1)
    items = items_of(roots)
    alone, together = collected(items, job), collected(items, job, processes=2)
    assert set(alone) == set(together)
    for name, entry in alone.items():
        assert set(entry) == set(together[name])
        for method, row in entry.get("methods", {}).items():
            other = together[name]["methods"][method]
            assert set(row) == set(other) and [name for name in row if row[name] is None] == [
                name for name in other if other[name] is None
            ]
            for figure in [figure for figure in row if figure not in ("seconds", "errors") and row[figure] is not None]:
                assert other[figure] == pytest.approx(row[figure], rel=1e-5), (name, method, figure)


def test_points_are_followed_by_the_model_s_features_too(roots):
    loaded = made.toy_model()
    entry = collected(items_of(roots)[:1], Job(("truth", "identity"), SETTINGS), loaded=loaded)["worlds-test/w0"]
    assert entry["methods"]["truth"]["point_feature_px"] == 0
    assert entry["methods"]["identity"]["point_feature_px"] > 5
    # They are no part of what a method costs.
    assert entry["methods"]["identity"]["unet_evaluations"] == 0
    assert entry["points"]["kept"] > 0 and np.isfinite(entry["source_errors"]["light"])
