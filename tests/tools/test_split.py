"""The split by object."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import tools.scenes
from tools.scenes.photos import PHOTOS
from tools.scenes.sprites import base_code, is_variant, split_of

HERE = Path(tools.scenes.__file__).parent


def recorded() -> dict[str, set[str]]:
    rows = json.loads((HERE / "split.json").read_text("utf-8"))
    return {name: set(codes.split()) for name, codes in rows.items()}


def test_no_object_is_in_two_splits() -> None:
    split = recorded()
    assert set(split) == {"train", "validation", "test"}
    names = list(split)
    for number, name in enumerate(names):
        for other in names[number + 1 :]:
            assert not split[name] & split[other]
    assert min(len(codes) for codes in split.values()) > 100


def test_record_is_what_the_rule_gives() -> None:
    for name, codes in recorded().items():
        assert all(split_of(code) == name for code in codes)


@pytest.mark.parametrize("split", ["validation", "test"])
def test_shipped_art_belongs_to_its_split(split: str) -> None:
    files = sorted((HERE / "art" / split).glob("*.png"))
    assert len(files) == 40
    codes = [path.stem.split("_", 1)[1] for path in files]
    assert set(codes) <= recorded()[split]
    assert len(set(codes)) == len(codes)


def test_photographs_are_in_one_split_each() -> None:
    names = [name for photos in PHOTOS.values() for name in photos]
    assert len(names) == len(set(names))


def test_both_sets_name_an_emoji_alike() -> None:
    assert base_code("2764-FE0F") == base_code("2764") == "2764"
    assert base_code("1f600") == "1F600"


@pytest.mark.parametrize(
    ("code", "variant"),
    [
        ("1F44B", False),  # waving hand
        ("1F44B-1F3FD", True),  # the same in a skin tone
        ("1F3C3-200D-2640", True),  # woman running
        ("1F468-200D-1F692", True),  # man firefighter
        ("1F9D1-200D-1F692", False),  # firefighter
        ("1F43B-200D-2744", False),  # polar bear: joined, but an object of its own
    ],
)
def test_repeated_emoji_are_left_out(code: str, variant: bool) -> None:
    assert is_variant(code) is variant
