"""What the speed report counts (never how long it takes)."""

from __future__ import annotations

import json

import pytest

from benchmarks import beyond, phases, speed
from core.model.layers import Layer
from core.settings import EditSettings

from . import made

QUICK = EditSettings(steps=4, strength=0.5)

def test_a_naive_capture_s_bytes_by_hand():
    layers = (Layer("a", "down", 0, 320, 8), Layer("b", "up", 1, 640, 4))
    found = speed.naive(layers, (8, 8), steps=5, batch=2, element=2)
    assert found["attention_maps"] == 2 * 5 * 2 * (8 * 64 * 64 + 4 * 16 * 16)
    assert found["keys_values"] == 2 * 5 * 2 * (2 * 64 * 320 + 2 * 16 * 640)


def test_the_default_plan_fits_a_gigabyte_at_512_px():
    planned = speed.planned_512(EditSettings())
    assert 0 < planned["total"] <= 1024**3
    assert planned["naive"]["attention_maps"] > 20 * planned["total"]


def test_stable_diffusion_s_layers():
    layers = speed.sd15_layers()
    assert len(layers) == 16 == len({layer.name for layer in layers})
    assert [sum(layer.side == side for layer in layers) for side in ("down", "middle", "up")] == [6, 1, 9]
    # The widths and grids of Stable Diffusion 1.5 at 512 px.
    assert {(layer.channels, layer.tokens((64, 64))) for layer in layers} == {
        (320, 4096), (640, 1024), (1280, 256), (1280, 64)
    }  # fmt: skip


@pytest.mark.parametrize("refinements", [0, 1])
def test_all_figures_are_there_and_probes_are_not_counted(refinements):
    image, points = speed.picture((64, 64))
    chosen = EditSettings(steps=4, strength=0.5, refinements=refinements)
    figures = json.loads(json.dumps(speed.measure(made.toy_model(), image, points, chosen, repeats=2)))
    assert set(figures["phases"]) == {"encode", "invert", "find", "move", "sample", "decode", "other"}
    assert figures["evaluations"] == 2 * (1 + refinements) + 1
    assert figures["one_evaluation_seconds"]["n"] == 2 * (2 + 2)
    assert figures["edit_ratio"] > 0
    assert set(figures["wanted"]) == {"edit_ratio", "capture_overhead", "planned_512_bytes"}
    kept = figures["memory"]["kept"]
    # 64 tokens of 16, 16 of 24 and 4 of 24 channels in half precision, two of each but the last, two steps.
    assert kept["tokens"] == 2 * 2 * (2 * 64 * 16 + 2 * 16 * 24 + 4 * 24)
    assert kept["trajectory"] == 3 * 4 * 64 * 4


def test_region_and_field_are_timed_on_what_a_capture_would_give():
    rows = phases.measure(EditSettings(), sizes=(128,), repeats=1)
    assert {(row["object"], row["handles"]) for row in rows} == {
        (name, count) for name in phases.OBJECTS for count in phases.HANDLES
    }
    assert all(row["region"] > 0 and row["field"] > 0 for row in rows)
    image, points, maps = phases.drawn(512, 0.15, 3)
    assert image.shape == (1, 512, 512, 3) and len(points) == 3
    assert set(maps) == {(64, 64), (32, 32)}
    assert max(len(one[0]) for one in phases.drawn(2048, 0.15, 1)[2].values()) <= phases.LARGEST_TOKENS


def test_the_table_of_large_pictures():
    table = json.loads(json.dumps(beyond.table(made.toy_model().host, [(80, 120), (64, 64)], 64, QUICK)))
    assert [row["image"] for row in table["rows"]] == [[64, 64], [120, 80]]
    assert [row["edited"] is None for row in table["rows"]] == [True, False]
    assert all(min(row[name] for name in ("seconds", "evaluations", "autoencoder")) > 0 for row in table["rows"])
    assert [pixels for _, pixels in table["growing"]] == [120 * 80 / 64**2]
    image, points = beyond.drawn(100, 140)
    assert image.shape == (1, 100, 140, 3)
    assert float((image[..., 0] > 0.6).float().mean()) == pytest.approx(0.1, abs=0.01)
    assert float(image[0, int(points.pairs[0].handle[1] * 100), int(points.pairs[0].handle[0] * 140), 0]) > 0.6


def test_what_is_wanted_of_large_pictures():
    row = {"image": [4096, 4096], "seconds": 8.5, "bytes": 3 * 1024**3}
    told = beyond.judged([row], [[3.9, 4.0], [4.1, 4.0]])
    assert (told["seconds"]["met"], told["bytes"]["met"], told["no faster than the pixels"]) == (False, True, False)
    assert beyond.judged([{**row, "seconds": 8.0}], [[4.0, 4.0]])["seconds"]["met"]
    # Only of a picture of that size.
    assert set(beyond.judged([{**row, "image": [2048, 2048]}], [])) == {"no faster than the pixels"}
