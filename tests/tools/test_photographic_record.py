"""The record of photographs and outlines: splits, licences, polygons that can be cut out."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from tools.scenes import wallpapers
from tools.scenes.cutouts import POSES, Outline, load_outlines
from tools.scenes.photographs import SKIMAGE, PhotographError, load_record, locate, read
from tools.scenes.photos import PHOTOS
from tools.scenes.wallpapers import PACKAGES, WallpaperError, fetch

SPLITS = ("train", "validation", "test")
FREE = {
    "CC0-1.0", "CC-BY-4.0", "CC-BY-SA-3.0", "CC-BY-SA-4.0", "LGPL-3.0", "public domain",
    "no known copyright restrictions",
}  # fmt: skip
RECORD = {photograph.name: photograph for photograph in load_record()}
OUTLINES = load_outlines()


def split_of(outline: Outline) -> str:
    return RECORD[outline.picture].split


def area(points: np.ndarray) -> float:
    """Shoelace formula."""
    x, y = points.T
    return abs(float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))) / 2


def crosses_itself(points: np.ndarray) -> bool:
    """Whether any two sides that are no neighbours meet."""
    a, b = points, np.roll(points, -1, axis=0)

    def side(p: np.ndarray, q: np.ndarray, r: np.ndarray) -> np.ndarray:
        return np.sign(
            (q[..., 0] - p[..., 0]) * (r[..., 1] - p[..., 1]) - (q[..., 1] - p[..., 1]) * (r[..., 0] - p[..., 0])
        )

    first, second = np.triu_indices(len(points), 2)
    wrap = (first == 0) & (second == len(points) - 1)
    p, q, r, s = a[first[~wrap]], b[first[~wrap]], a[second[~wrap]], b[second[~wrap]]
    return bool(((side(p, q, r) * side(p, q, s) < 0) & (side(r, s, p) * side(r, s, q) < 0)).any())


def test_no_picture_and_no_object_is_in_two_splits() -> None:
    record = load_record()
    assert len({photograph.name for photograph in record}) == len(record)
    assert len({(photograph.package, photograph.path) for photograph in record}) == len(record)
    assert {photograph.split for photograph in record} == set(SPLITS)
    names = [outline.name for outline in OUTLINES]
    assert len(set(names)) == len(names) >= 25
    for one, other in combinations(SPLITS, 2):
        pictures = [{outline.picture for outline in OUTLINES if split_of(outline) == split} for split in (one, other)]
        assert not pictures[0] & pictures[1]
    for split in SPLITS:
        assert sum(split_of(outline) == split for outline in OUTLINES) >= 8
        assert sum(photograph.split == split and photograph.background for photograph in record) >= 5


def test_photographs_of_scikit_image_keep_their_split() -> None:
    known = {name: split for split, names in PHOTOS.items() for name in names}
    for photograph in RECORD.values():
        if photograph.package == SKIMAGE and photograph.path in known:
            assert photograph.split == known[photograph.path], photograph.name


def test_every_entry_names_author_and_a_free_licence() -> None:
    for photograph in RECORD.values():
        assert photograph.author.strip() and photograph.licence in FREE, photograph.name
        assert photograph.package == SKIMAGE or photograph.package in PACKAGES
        assert set(photograph.credit) == {"source", "author", "licence"} and all(photograph.credit.values())
        # Weights are offered under CC BY-SA 4.0, which software licences can't be turned into.
        assert photograph.split != "train" or "GPL" not in photograph.licence, photograph.name


@pytest.mark.parametrize("outline", OUTLINES, ids=lambda outline: outline.name)
def test_outline_is_a_simple_polygon_inside_its_picture(outline: Outline) -> None:
    width, height = RECORD[outline.picture].size
    x, y = outline.points.T
    assert x.min() >= 0 and y.min() >= 0 and x.max() <= width and y.max() <= height
    assert not crosses_itself(outline.points)
    extent = np.ptp(outline.points, axis=0)
    assert extent.max() >= 40
    assert 0.15 * extent.prod() <= area(outline.points) <= extent.prod()
    assert outline.pose in POSES


def test_crossing_polygons_are_told_from_simple_ones() -> None:
    assert crosses_itself(np.array([(0, 0), (10, 10), (10, 0), (0, 10)], float))
    assert not crosses_itself(np.array([(0, 0), (10, 0), (10, 10), (5, 2), (0, 10)], float))


def test_other_versions_of_a_package_are_refused(tmp_path) -> None:
    photograph = next(one for one in RECORD.values() if one.package != SKIMAGE)
    assert locate(photograph, None) is None
    with pytest.raises(PhotographError, match=PACKAGES[photograph.package]):
        locate(photograph, tmp_path)
    from PIL import Image

    path = tmp_path / photograph.package / photograph.path
    path.parent.mkdir(parents=True)
    Image.new("RGB", (64, 48)).save(path)
    with pytest.raises(PhotographError, match="64x48"):
        read(photograph, locate(photograph, tmp_path))


def test_wallpapers_without_apt_get(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wallpapers.shutil, "which", lambda tool: None)
    with pytest.raises(WallpaperError, match="apt-get is not on this machine"):
        fetch(tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
    for package in PACKAGES:
        (tmp_path / "cache" / package).mkdir(parents=True)
    fetch(tmp_path / "cache")  # nothing is missing: neither tool is asked for
