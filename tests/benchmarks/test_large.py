"""What the benchmark of large pictures calls near a window's border, and the scenes that it makes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.large import BORDER, EDITS, near_border, psnr, quality, summary
from benchmarks.large_scenes import Large, composed
from benchmarks.scene import load_scene
from benchmarks.true_motion import flow_in
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
    large = Large.of(load_scene(folder))
    assert large.source.shape == (1, 192, 192, 3) and float(large.arrived.sum()) == 40 * 40
    row, edits = quality(made.toy_model().host, large, 96)
    assert set(edits) == set(EDITS) and all(one.shape == large.source.shape for one in edits.values())
    assert row["moved"]["window"] > row["moved"]["small"] + 2
    # The drag says all of this movement: by the true flow it goes to the same place.
    assert row["moved"]["oracle"] > row["moved"]["window"] - 1 and row["moved"]["oracle"] > row["moved"]["oracle small"]
    for kind in ("window", "small"):
        assert row["moved"][f"true {kind}"] == pytest.approx(row["moved"][kind], abs=1.5)
    told = summary([row, {**row, "family": "another"}])
    assert told["n"] == 2 and set(told["families"]) == {row["family"], "another"}
    assert told["moved"]["better"]["mean"] == pytest.approx(row["moved"]["window"] - row["moved"]["small"])
    # Nothing but the object changes: at the window's border the truth is the source.
    assert told["border"]["source"]["mean"] == told["border"]["outside"]["mean"] == 0


def test_where_a_thing_grows_the_true_flow_keeps_its_detail(tmp_path):
    large = Large.of(made.world(size=192, turn=0.4, grown=1.2))
    row, _ = quality(made.toy_model().host, large, 96)
    assert row["moved"]["true window"] > max(row["moved"]["window"], row["moved"]["true small"]) + 2


@pytest.mark.parametrize("edited", [(60, 80), (30, 40), (45, 61)])
def test_a_flow_in_a_window_goes_as_far_at_its_scale(edited):
    height, width = 120, 160
    y, x = np.mgrid[:height, :width].astype(np.float32)
    moved = (x > 70) & (y > 50)
    flow = np.where(moved[..., None], np.stack([x + 8, y - 4 + 0.1 * x], -1), np.nan)
    window = Window((height, width), 30, 40, 60, 80, edited)
    inside, way, visible = flow_in(window, moved, flow, moved)
    assert inside.shape == edited and way.shape == (*edited, 2) and (visible == inside).all()
    rows, columns = np.mgrid[: edited[0], : edited[1]]
    across = (columns + 0.5) * 80 / edited[1] + 40
    assert (inside == ((np.floor(across) > 70) & (np.floor((rows + 0.5) * 60 / edited[0] + 30) > 50))).all()
    assert np.isnan(way[~inside]).all()
    went = (way - np.stack([columns, rows], -1))[inside] * (80 / edited[1], 60 / edited[0])
    assert went[:, 0] == pytest.approx(8, abs=1e-3)
    assert went[:, 1] == pytest.approx(-4 + 0.1 * np.floor(across[inside]), abs=1e-3)
