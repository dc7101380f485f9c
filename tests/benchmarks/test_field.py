"""The field alone against scenes whose edit is known to the pixel."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from benchmarks import field
from benchmarks.judging import PSNR_CAP
from benchmarks.truth import truth_of
from core.motion.field import MoveSettings
from tests.benchmarks import made


def test_a_thing_that_moves_as_it_is_dragged_is_where_the_truth_has_it():
    scene = made.scene()
    row = field.measure(scene, MoveSettings())
    for name in ("field", "rigid_warp", "true_flow"):
        assert row[name] > 45, name
    assert row["source"] < 25 and row["folded"] == 0
    assert field.of_flow([row]) == pytest.approx(1, abs=0.01)


def test_the_best_similarity_of_the_drags_knows_the_drags_alone():
    scene = made.scene()
    row = field.measure(scene, MoveSettings())
    assert row["drag_warp"] > 45 and row["moving"] > 0.97
    angle = np.exp(0.4j) * 1.2
    handles = np.array([[10.0, 20.0], [50.0, 25.0], [30.0, 70.0]])
    ends = angle * (handles[:, 0] + 1j * handles[:, 1]) + (4 - 3j)
    matrix = field.similar(handles, np.stack([ends.real, ends.imag], -1))
    assert np.allclose(matrix[:, :2], [[angle.real, -angle.imag], [angle.imag, angle.real]])
    assert np.allclose(field.similar(handles[:1], handles[:1] + 5)[:, 2], 5)


def test_what_moves_in_truth_is_what_goes_a_pixel_or_out_of_sight():
    truth = truth_of(made.scene(size=(80, 80), box=(20, 20, 50, 50), way=(0, 0)))
    assert not field.moving(truth).any()
    flow = truth.flow.copy()
    flow[20:30, 20:50, 0] += 2
    flow[30:34, 20:50] = np.nan
    moved = field.moving(dataclasses.replace(truth, flow=flow))
    assert moved[20:34, 20:50].all() and moved.sum() == 14 * 30


def test_the_share_of_a_perfect_flow_is_pooled():
    rows = [
        {"source_error": 10.0, "field_error": 6.0, "true_flow_error": 2.0},
        {"source_error": 30.0, "field_error": 30.0, "true_flow_error": 6.0},
    ]
    assert field.of_flow(rows) == pytest.approx(4 / 32)
    assert field.of_flow(rows, "source") == 0
    assert field.of_flow([{"source_error": 1.0, "field_error": 1.0, "true_flow_error": 2.0}]) is None


def test_the_true_flow_closes_the_gaps_of_what_grows():
    scene = made.scene(size=(80, 80), box=(20, 20, 50, 50), way=(0, 0))
    truth = truth_of(scene)
    y, x = np.mgrid[:80, :80].astype(np.float32)
    flow = np.stack([35 + 1.3 * (x - 35), 35 + 1.3 * (y - 35)], -1)
    grown = dataclasses.replace(
        truth, flow=np.where(truth.moved[..., None], flow, np.nan).astype(np.float32), visible=truth.moved
    )
    picture = field.warped_truly(scene, grown)
    ground = np.array((0.2, 0.5, 0.8))
    # Everywhere inside of where it grows to, the thing and no speck of the ground.
    inside = picture[18:52, 18:52]
    x, y = np.meshgrid(*(35 + (np.arange(18, 52) - 35) / 1.3,) * 2)
    expected = scene.source[np.rint(y).astype(int), np.rint(x).astype(int)]
    assert np.abs(inside - expected).mean() < 0.05 < np.abs(expected - ground).mean()


def test_the_command_reports_by_family(tmp_path, capsys):
    for index, way in enumerate(((24, 8), (16, 0))):
        made.write(tmp_path, made.scene(way=way, name=f"scene{index}"))
    out = tmp_path / "figures.json"
    assert field.main(["--scenes", str(tmp_path), "--out", str(out), "--perspective"]) == 0
    text = capsys.readouterr().out
    assert "rigid_warp" in text and "flat" in text
    figures = json.loads(out.read_text())
    assert set(figures["flat"]) == {"scene0", "scene1"}
    assert all(row["true_flow"] <= PSNR_CAP for row in figures["flat"].values())
    assert field.main(["--scenes", str(tmp_path / "none")]) == 2
