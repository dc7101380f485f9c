"""The nodes' pictures of drags, anchors and clicks. ``nodes/marks.py`` is the one node file that needs no ComfyUI."""

from __future__ import annotations

import importlib
import sys
import types
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
GREY = 0.5


@pytest.fixture(scope="module")
def marks():
    """The module inside of a package, as ComfyUI has it, but without importing the other nodes."""
    names = {"marked": ROOT, "marked.nodes": ROOT / "nodes"}
    for name, folder in names.items():
        package = types.ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
    yield importlib.import_module("marked.nodes.marks")
    for name in [name for name in sys.modules if name.split(".")[0] == "marked"]:
        del sys.modules[name]


def draw(marks, pairs: list[dict], clicks: list[dict] = (), size: tuple[int, int] = (240, 320)) -> torch.Tensor:
    points = importlib.import_module("marked.core.space.points")
    drags = points.points_from_data({"version": 2, "pairs": pairs, "clicks": list(clicks)})
    return marks.draw_arrows(torch.full((1, *size, 3), GREY), drags)[0]


def changed(picture: torch.Tensor) -> torch.Tensor:
    return (picture - GREY).abs().amax(-1) > 0.02


def rgb(colour: str) -> list[float]:
    return [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]


DRAG = {"handle": [0.2, 0.5], "target": [0.8, 0.5]}


def test_a_drag_s_motion_is_told_by_its_shaft(marks):
    plain, move, reshape = (draw(marks, [DRAG | {"motion": motion}]) for motion in (None, "move", "reshape"))
    # Across the middle of the shaft, where nothing but it is.
    bars = [changed(picture)[100:140, 150:170] for picture in (plain, move, reshape)]
    assert bars[0].any(dim=1).sum() < bars[1].any(dim=1).sum()
    on_its_way = plain[120, 160], move[120, 160]
    assert on_its_way[0].tolist() == pytest.approx(rgb(marks.PALETTE[0]), abs=0.02)
    assert on_its_way[1].tolist() != pytest.approx(rgb(marks.PALETTE[0]), abs=0.02)
    tops = [bars[2][:, x].nonzero()[0].item() for x in range(20)]
    assert max(tops) - min(tops) >= 2, "a wave rises and falls"
    assert len({bars[0][:, x].nonzero()[0].item() for x in range(20)}) == 1


def test_an_anchor_is_a_square_and_no_dot(marks):
    at = {"handle": [0.5, 0.5], "target": [0.5, 0.5]}
    anchor = changed(draw(marks, [at]))
    row, column = anchor[120].nonzero(), anchor[:, 160].nonzero()
    left, right, top, bottom = row.min(), row.max(), column.min(), column.max()
    assert right - left == bottom - top
    # A disc of that width would leave its corners free.
    assert anchor[bottom, left] and anchor[bottom, right] and anchor[top, left]


def test_clicks_tell_their_kind_by_shape_and_sign(marks):
    add = {"at": [0.25, 0.25], "kind": "add"}
    out = {"at": [0.75, 0.75], "kind": "leave_out"}
    picture = draw(marks, [DRAG], [add, out])
    assert picture[60, 80].tolist() == [0, 0, 0]
    assert picture[180, 240].tolist() == [1, 1, 1]
    # The ground beside the signs' bars.
    assert picture[62, 82].tolist() == [1, 1, 1]
    assert picture[182, 241].tolist() == [0, 0, 0]
    outlines = [changed(picture)[y - 8 : y + 9, x - 8 : x + 2] for x, y in ((80, 60), (240, 180))]
    assert not torch.equal(*outlines)


def test_a_group_is_written_beside_the_number(marks):
    assert changed(draw(marks, [DRAG | {"group": 12}])).sum() > changed(draw(marks, [DRAG])).sum() + 20


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (2000, 16)])
def test_any_picture_and_any_drag_can_be_drawn_on(marks, size):
    pairs = [
        {"handle": [0, 0], "target": [5, -4], "motion": "reshape"},
        {"handle": [0.5, 0.5], "target": [0.5, 0.5 + 1e-7], "motion": "move", "radius": 2},
        {"handle": [1, 1], "target": [1, 1]},
    ]
    picture = draw(marks, pairs, [{"at": [1, 0], "kind": "leave_out"}], size)
    assert picture.shape == (*size, 3)
    assert picture.isfinite().all()
