"""The checks on a few scenes made for them, and that they can fail."""

from __future__ import annotations

import pytest

from benchmarks import running, self_check
from benchmarks.running import Item, Job
from core.settings import EditSettings

from . import made


@pytest.fixture(scope="module")
def entries(tmp_path_factory):
    root = tmp_path_factory.mktemp("worlds")
    scenes = [made.world(family, turn=0.3 * (index + 1), name=family)
              for index, family in enumerate(self_check.BEYOND_A_PASTE)]  # fmt: skip
    job = Job(self_check.METHODS, EditSettings(), features=False)
    return {scene.name: running.run_item(Item(made.write(root, scene), scene.name), job, None) for scene in scenes}


def test_made_worlds_pass(entries):
    found = self_check.check(entries)
    assert [finding.holds for finding in found] == [True, True, True], self_check.told(found)


def altered(entries, method, figure, value):
    return {
        name: {**entry, "methods": {**entry["methods"], method: {**entry["methods"][method], figure: value}}}
        for name, entry in entries.items()
    }


def test_a_truth_that_is_beaten_is_found_out(entries):
    finding = self_check.truth_is_best(altered(entries, "cut_paste", "seam_gradient", -0.1))
    assert finding.holds is False and "cut_paste" in finding.detail and "seam_gradient" in finding.detail


def test_scenes_on_which_a_paste_is_best_are_found_out(entries):
    finding = self_check.paste_is_not_the_truth(altered(entries, "cut_paste", "changed_psnr", 50.0))
    assert finding.holds is False and finding.detail.startswith("cut_paste")


def test_scenes_without_light_are_found_out(entries):
    flat = altered(entries, "rigid_warp", "errors", {"total": 10.0, "beyond_paste": 3.0})
    finding = self_check.paste_misses_light(flat)
    assert finding.holds is False and "0.300" in finding.detail


def test_nothing_to_tell_by():
    assert [finding.holds for finding in self_check.check({})] == [None, None, None]
