"""Drags far apart: the scenes, and that both ways are judged alike."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks import apart

from . import made


@pytest.mark.parametrize("seed", range(4))
def test_two_objects_go_a_little_way_in_opposite_corners(tmp_path, seed):
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (90, 120, 3), np.uint8)).save(tmp_path / "ground.png")
    Image.fromarray(np.full((20, 30, 4), 255, np.uint8)).save(tmp_path / "thing.png")
    scene = apart.composed([tmp_path / "thing.png"] * 2, tmp_path / "ground.png", 256, seed)
    assert scene.masks.shape == scene.arrived.shape == (2, 256, 256)
    for pair, before, after in zip(scene.points.pairs, scene.masks, scene.arrived, strict=True):
        way = [round((end - start) * 256) for start, end in zip(pair.handle, pair.target, strict=True)]
        assert max(map(abs, way)) <= 0.7 * 0.15 * 256 + 1
        assert torch.equal(before.roll((way[1], way[0]), (0, 1)), after) and before.sum() == after.sum() > 0
        assert before[int(pair.handle[1] * 256), int(pair.handle[0] * 256)] == 1
    assert scene.masks[0, :128, :128].sum() == scene.masks[0].sum()
    assert scene.masks[1, 128:, 128:].sum() == scene.masks[1].sum()
    still = (scene.masks.amax(0) == 0) & (scene.arrived.amax(0) == 0)
    assert torch.equal(scene.source[0, still], scene.truth[0, still])


def test_both_ways_are_counted(tmp_path):
    Image.fromarray((made.texture(64, 64, seed=1) * 255).astype(np.uint8)).save(tmp_path / "ground.png")
    Image.fromarray(np.full((20, 30, 4), 255, np.uint8)).save(tmp_path / "thing.png")
    scene = apart.composed([tmp_path / "thing.png"] * 2, tmp_path / "ground.png", 256, 0)
    row = apart.measure(made.toy_model(), scene, 96)
    assert row["evaluations"]["apart"] == 2 * row["evaluations"]["together"] > 0
    assert row["scale"]["apart"] > row["scale"]["together"]
    told = apart.summary([row, row])
    assert told["n"] == 2 and told["moved"]["difference"]["mean"] == pytest.approx(
        row["moved"]["apart"] - row["moved"]["together"]
    )
