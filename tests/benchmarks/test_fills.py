"""The continuations on scenes whose hidden ground is known."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import fills
from tests.benchmarks import made


def tiles(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    plane = (y // 8 + x // 8) % 2
    return np.stack([plane, 1 - 0.5 * plane, 0.5 * plane], -1)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fills")
    made.write(folder / "scenes", made.scene(name="a"))
    size = {"size": (112, 128), "box": (40, 24, 72, 56), "way": (48, 0)}
    made.write(folder / "scenes", made.scene(**size, ground=tiles(112, 128), name="b", kind="tiles"))
    assert fills.main(["--scenes", str(folder / "scenes"), "--out", str(folder / "out.json")]) == 0
    return json.loads((folder / "out.json").read_text())


def test_a_flat_ground_is_told_exactly_by_all(written):
    assert all(written["scenes"]["a"][name] > 55 for name in fills.NAMES)


def test_tiles_need_patches_and_the_trial_finds_out(written):
    row = written["scenes"]["b"]
    assert row["chosen"] == "patches"
    assert row["auto"] == row["best"] == row["patches"] > row["smooth"] + 10
    assert abs(row["auto_slopes"]) < 0.1 and row["smooth_slopes"] < -1
    assert abs(written["scenes"]["a"]["auto_slopes"]) < 0.1
    assert written["backgrounds"]["tiles"]["auto"]["n"] == 1
    assert written["methods"]["auto"]["mean"] == pytest.approx(np.mean([row["auto"], written["scenes"]["a"]["auto"]]))


def test_no_scenes_is_an_error_for_a_user(tmp_path, capsys):
    assert fills.main(["--scenes", str(tmp_path / "nothing")]) == 2
    assert "no such folder" in capsys.readouterr().err
