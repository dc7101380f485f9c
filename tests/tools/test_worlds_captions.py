"""Words for training pictures: true of what is seen, and of nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tools.worlds import captions, records, training
from tools.worlds.families import StageError
from tools.worlds.material import Material, linear, srgb
from tools.worlds.mesh import Part, translation
from tools.worlds.shapes import rounded_box
from tools.worlds.thing import Body, Pose, Thing


def body(*parts: tuple[float, Material], name: str = "box", kind: str = "solid") -> Body:
    """Cubes beside each other, each of a side and a material."""
    built = [
        Part(rounded_box((side,) * 3, 0.0).transformed(translation(2.0 * at, 0, side / 2)), material)
        for at, (side, material) in enumerate(parts)
    ]
    return Body(Thing(name, kind, lambda state: built), Pose(), Pose())


def painted(code: str, **look: float) -> Material:
    return Material(tuple(linear(srgb(code))), **look)


@pytest.mark.parametrize(("code", "word"), [("ff2010", "red"), ("101010", "black"), ("fafafa", "white"),
                                            ("2040d0", "blue"), ("20a030", "green"), ("808080", "grey"),
                                            ("f0e020", "yellow"), ("6b4423", "brown")])  # fmt: skip
def test_colours_are_called_as_people_do(code: str, word: str) -> None:
    assert captions.colour_word(srgb(code)) == word


def test_oklab_of_white_and_blue() -> None:
    assert np.allclose(captions.oklab(np.ones(3)), (1, 0, 0), atol=1e-3)
    # The author's own figures for sRGB blue.
    assert np.allclose(captions.oklab(np.array([0.0, 0.0, 1.0])), (0.452, -0.032, -0.312), atol=1e-3)


def test_the_largest_surface_gives_the_word() -> None:
    large, small = painted("b01010", roughness=0.1), painted("1010b0", roughness=0.9)
    words = captions.words_of(body((1.0, large), (0.2, small)))
    assert words == {"colour": "red", "finish": "glossy", "pattern": "", "shape": "box"}
    assert captions.words_of(body((0.2, large), (1.0, small)))["finish"] == "matt"
    assert captions.words_of(body((1.0, large), name="A/chaise", kind="package"))["shape"] == "thing"
    wood = Material(texture=np.full((4, 4, 3), (120, 80, 45), np.uint8), roughness=0.2, kind="wood")
    words = captions.words_of(body((1.0, wood)))
    assert words["finish"] == "wooden" and words["colour"] == "brown" and not words["pattern"]
    spotted = Material(texture=np.full((4, 4, 3), 250, np.uint8), metallic=1.0, kind="dots")
    assert captions.words_of(body((1.0, spotted)))["pattern"] == "dots"


def test_a_caption_is_a_sentence() -> None:
    things = [
        {"colour": "orange", "finish": "plain", "pattern": "dots", "shape": "jug"},
        {"colour": "black", "finish": "metal", "pattern": "", "shape": "box"},
        {"colour": "red", "finish": "matt", "pattern": "", "shape": "head"},
    ]
    meta = {"ground": "tiles", "light": "hard"}
    wanted = "an orange jug with dots, a metal black box and a matt red head on tiles, hard light"
    assert captions.caption(things, meta) == wanted
    assert captions.caption([], {"ground": "plain", "light": "overcast"}) == "nothing on a plain floor, dull light"


def test_pictures_are_described_from_their_seeds(tmp_path: Path) -> None:
    for seed in (0, 4):
        stage, _ = training.draw_picture("train", seed, None, 32)
        records.add(tmp_path / "index.jsonl", {**stage.meta, "file": f"00/{seed:06d}.png", "size": 32})
    assert captions.describe_pictures(tmp_path, None) == 2
    rows = records.read(tmp_path / "captions.jsonl")
    stage, without = training.draw_picture("train", 4, None, 32)
    assert rows[1]["file"] == "00/000004.png" and len(rows[1]["things"]) == len(stage.bodies) - len(without)
    assert captions.describe_pictures(tmp_path, None) == 0, "what is there is kept"
    row = records.read(tmp_path / "index.jsonl")[0]
    records.add(tmp_path / "index.jsonl", {**row, "file": "x.png", "ground": "another"})
    with pytest.raises(StageError, match="x.png"):
        captions.describe_pictures(tmp_path, None)
