"""Drag scenes: what is written is a true translation of one object, and the clicks lie on it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from core.space.points import parse_points
from tests.tools.pixels import grown, load, shifted
from tools.scenes.__main__ import main

COUNT = 8
# Mean grey of the 4 x 4 blocks of 64 px of scene 1 of seed 0, its drag and its object, as published figures used them.
PUBLISHED = {
    "validation": (
        [[85.3, 79.7, 86.3, 82.9], [82.8, 85.3, 100.2, 85.6], [85.1, 82.9, 85.5, 83.3], [85.9, 82.1, 84.8, 84.2]],
        [[85.3, 79.7, 105.2, 82.3], [82.8, 85.3, 83.6, 83.2], [85.1, 82.9, 85.5, 83.3], [85.9, 82.1, 84.8, 84.2]],
        ((0.779296875, 0.365234375), (0.744140625, 0.138671875)), "openmoji_1F41D", 2720,
    ),
    "test": (
        [[52.9, 47.9, 52.5, 53.6], [48.5, 50.7, 46.5, 49.3], [64.0, 142.6, 64.7, 50.6], [51.1, 74.6, 54.8, 52.8]],
        [[52.9, 47.9, 52.5, 53.6], [50.9, 66.1, 46.6, 49.3], [104.5, 118.7, 50.4, 50.6], [50.7, 59.4, 51.0, 52.8]],
        ((0.310546875, 0.654296875), (0.208984375, 0.599609375)), "twitter_1F6A0", 5869,
    ),
}  # fmt: skip


@pytest.fixture(scope="module", params=["validation", "test"])
def scenes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    out = tmp_path_factory.mktemp("scenes")
    main(["--split", request.param, "--count", str(COUNT), "--seed", "5", "--out", str(out)])
    folders = sorted(out.iterdir())
    assert len(folders) == COUNT
    return folders


def test_one_object_moved_and_nothing_else(scenes: list[Path]) -> None:
    for folder in scenes:
        source, target = load(folder / "source.png"), load(folder / "target.png")
        before, after = load(folder / "object_mask.png") > 127, load(folder / "target_mask.png") > 127
        meta = json.loads((folder / "meta.json").read_text("utf-8"))
        dx, dy = meta["displacement_px"]
        assert source.shape == target.shape == (256, 256, 3) and before.shape == after.shape == (256, 256)
        both = after & shifted(before, dx, dy)
        # Occluders may hide part of it on either side, never most of it.
        assert both.sum() >= 0.5 * before.sum() and both.sum() >= 0.5 * after.sum()
        ys, xs = np.nonzero(both)
        difference = np.abs(target[ys, xs] - source[ys - dy, xs - dx]).max(-1)
        # Half-transparent border pixels show the background through; the inside is the same to the last bit.
        assert np.median(difference) <= 1 and (difference <= 2).mean() > 0.85
        changed = np.abs(source - target).max(-1) > 0
        whole = grown(before | shifted(before, dx, dy) | after | shifted(after, -dx, -dy), 3)
        assert changed.any()
        # An occluded part of the object lies outside its visible masks, but it can't change what hides it.
        assert not (changed & ~whole).any()


def test_click_and_target_lie_on_the_object(scenes: list[Path]) -> None:
    for folder in scenes:
        meta = json.loads((folder / "meta.json").read_text("utf-8"))
        (pair,) = parse_points((folder / "points.json").read_text("utf-8")).pairs
        (hx, hy), (gx, gy) = ([value * 256 for value in point] for point in (pair.handle, pair.target))
        assert load(folder / "object_mask.png")[int(hy), int(hx)] == 255
        assert load(folder / "target_mask.png")[int(gy), int(gx)] == 255
        assert (gx - hx, gy - hy) == pytest.approx(meta["displacement_px"])
        assert 24 <= np.hypot(gx - hx, gy - hy) <= 100


def test_seed_decides_everything(tmp_path: Path) -> None:
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        main(["--split", "validation", "--count", "1", "--seed", seed, "--out", str(tmp_path / name)])
    a, b, c = (next((tmp_path / name).iterdir()) for name in "abc")
    for file in ("source.png", "target.png", "object_mask.png", "target_mask.png", "points.json", "meta.json"):
        assert (a / file).read_bytes() == (b / file).read_bytes()
    assert (a / "source.png").read_bytes() != (c / "source.png").read_bytes()


@pytest.mark.parametrize("split", ["validation", "test"])
def test_drawn_scenes_of_a_seed_stay_as_published(tmp_path: Path, split: str) -> None:
    """Block means and not checksums: another version of Pillow may round a pixel otherwise, no more than that."""
    main(["--split", split, "--count", "2", "--out", str(tmp_path)])
    folder = tmp_path / f"{split}_0_001"
    source, target, (handle, goal), name, pixels = PUBLISHED[split]
    for file, means in (("source.png", source), ("target.png", target)):
        blocks = load(folder / file).mean(-1).reshape(4, 64, 4, 64).mean((1, 3))
        assert np.abs(blocks - means).max() < 0.3
    (pair,) = parse_points((folder / "points.json").read_text("utf-8")).pairs
    assert (tuple(pair.handle), tuple(pair.target)) == (handle, goal)
    meta = json.loads((folder / "meta.json").read_text("utf-8"))
    assert meta["object"] == name and abs(meta["object_pixels"] - pixels) <= 5
