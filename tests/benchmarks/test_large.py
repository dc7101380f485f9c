"""What the benchmark of large pictures calls near a window's border, and the scenes that it makes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.large import BORDER, Scene, near_border, psnr
from core.window.plan import Window


def test_borders_of_the_picture_are_none_of_the_window():
    near = near_border(Window((100, 120), 0, 30, 60, 90, (60, 90)))
    expected = torch.zeros(100, 120, dtype=torch.bool)
    expected[60 - BORDER : 60, 30:] = expected[:60, 30 : 30 + BORDER] = True
    assert torch.equal(near, expected)
    assert not near_border(Window.whole(100, 120)).any()


@pytest.mark.parametrize("seed", range(4))
def test_a_scene_is_its_object_at_two_places(tmp_path, seed):
    generator = np.random.default_rng(seed)
    Image.fromarray(generator.integers(0, 256, (90, 120, 3), np.uint8)).save(tmp_path / "ground.jpg")
    thing = np.full((20, 30, 4), 255, np.uint8)
    Image.fromarray(thing).save(tmp_path / "thing.png")
    scene = Scene(tmp_path / "thing.png", tmp_path / "ground.jpg", 128, seed)
    [pair] = scene.points.pairs
    way = [round((end - start) * 128) for start, end in zip(pair.handle, pair.target, strict=True)]
    assert torch.equal(scene.mask.roll((way[1], way[0]), (1, 2)), scene.arrived)
    assert scene.mask.sum() == scene.arrived.sum() > 0
    still = (scene.mask == 0) & (scene.arrived == 0)
    assert torch.equal(scene.source[still], scene.truth[still])
    assert (scene.truth[scene.arrived == 1] == 1).all()


def test_psnr_of_a_known_error():
    one = torch.zeros(1, 4, 4, 3)
    where = torch.zeros(1, 4, 4, dtype=torch.bool)
    where[:, 1] = True
    assert psnr(one, one + 0.1, where) == pytest.approx(20, abs=1e-3)
