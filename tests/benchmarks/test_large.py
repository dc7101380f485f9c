"""What the benchmark of large pictures calls near a window's border, and the scenes that it makes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.large import BORDER, composed, near_border, psnr, quality, rendered, summary
from core.window.plan import Window

from . import made


def test_borders_of_the_picture_are_none_of_the_window():
    near = near_border(Window((100, 120), 0, 30, 60, 90, (60, 90)))
    expected = torch.zeros(100, 120, dtype=torch.bool)
    expected[60 - BORDER : 60, 30:] = expected[:60, 30 : 30 + BORDER] = True
    assert torch.equal(near, expected)
    assert not near_border(Window.whole(100, 120)).any()
    beyond = torch.zeros(100, 120, dtype=torch.bool)
    beyond[60 : 60 + BORDER, 30 - BORDER :] = beyond[:60, 30 - BORDER : 30] = True
    assert torch.equal(near_border(Window((100, 120), 0, 30, 60, 90, (60, 90)), outside=True), beyond)


@pytest.mark.parametrize("seed", range(4))
def test_a_scene_is_its_object_at_two_places(tmp_path, seed):
    generator = np.random.default_rng(seed)
    Image.fromarray(generator.integers(0, 256, (90, 120, 3), np.uint8)).save(tmp_path / "ground.jpg")
    thing = np.full((20, 30, 4), 255, np.uint8)
    Image.fromarray(thing).save(tmp_path / "thing.png")
    scene = composed(tmp_path / "thing.png", tmp_path / "ground.jpg", 128, seed)
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


def test_both_edits_of_a_scene_are_judged(tmp_path):
    """A textured box on a soft ground: in its window its texture arrives, enlarged from the model's size it doesn't."""
    scene = made.scene((192, 192), (60, 40, 100, 80), (70, 10), made.texture(192, 192, seed=2, smooth=60),
                       made.texture(40, 40, seed=1, smooth=1))  # fmt: skip
    folder = made.write(tmp_path, scene)
    large = rendered(folder)
    assert large.source.shape == (1, 192, 192, 3) and float(large.arrived.sum()) == 40 * 40
    row, edits = quality(made.toy_model().host, large, 96)
    assert set(edits) == {"window", "small"} and all(one.shape == large.source.shape for one in edits.values())
    assert row["moved"]["window"] > row["moved"]["small"] + 2
    told = summary([row, {**row, "family": "another"}])
    assert told["n"] == 2 and set(told["families"]) == {row["family"], "another"}
    assert told["moved"]["better"]["mean"] == pytest.approx(row["moved"]["window"] - row["moved"]["small"])
    # Nothing but the object changes: at the window's border the truth is the source.
    assert told["border"]["source"]["mean"] == told["border"]["outside"]["mean"] == 0
