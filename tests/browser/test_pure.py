"""The picker's modules that know no page, run in the browser that will run them."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page

from core.errors import InputError
from core.space.points import make_points, parse_points, points_to_json
from tests.browser.bench import open_bench

share = st.floats(0, 1)
point = st.tuples(share, share)
pair = st.tuples(point, point)


@pytest.fixture(scope="module")
def page(browser: Browser):
    bench = open_bench(browser)
    yield bench.page
    bench.page.context.close()


def run(page: Page, module: str, body: str, argument=None):
    """Runs a function body with the module as `m` and the argument as `a`."""
    return page.evaluate(f"async (a) => {{ const m = await import('/picker/{module}.js'); {body} }}", argument)


@settings(max_examples=40)
@given(pairs=st.lists(pair, min_size=1, max_size=6), radius=st.one_of(st.none(), st.floats(0.01, 1)))
def test_what_the_node_writes_the_picker_reads_and_back(page: Page, pairs, radius):
    stored = points_to_json(make_points(pairs, radius))
    written = run(page, "stored", "return m.write(m.parse(a).pairs)", stored)
    ours, theirs = parse_points(written), parse_points(stored)
    assert len(ours) == len(theirs)
    for a, b in zip(ours.pairs, theirs.pairs, strict=True):
        assert a.handle == pytest.approx(b.handle, abs=1e-6)
        assert a.target == pytest.approx(b.target, abs=1e-6)
        assert (a.radius is None) == (b.radius is None)


REFUSED = [
    "{",
    "[]",
    "null",
    '{"pairs": []}',
    '{"version": 2, "pairs": []}',
    '{"version": true, "pairs": []}',
    '{"version": 1}',
    '{"version": 1, "pairs": [null]}',
    '{"version": 1, "pairs": [{"handle": [0.1, 0.2]}]}',
    '{"version": 1, "pairs": [{"handle": [0.1, "0.2"], "target": [0, 0]}]}',
    '{"version": 1, "pairs": [{"handle": [0.1, 0.2, 0.3], "target": [0, 0]}]}',
    '{"version": 1, "pairs": [{"handle": [0.1, 1e999], "target": [0, 0]}]}',
    '{"version": 1, "pairs": [{"handle": [0.1, 0.2], "target": [0, 0], "radius": 0}]}',
    json.dumps({"version": 1, "pairs": [{"handle": [0, 0], "target": [1, 1]}] * 257}),
]


@pytest.mark.parametrize("stored", REFUSED)
def test_picker_and_node_refuse_the_same(page: Page, stored: str):
    body = "try { m.parse(a); return null } catch (e) { return e instanceof m.StoredValueError ? e.reason : 'thrown' }"
    assert run(page, "stored", body, stored) not in (None, "thrown")
    with pytest.raises(InputError):
        parse_points(stored)


def test_points_outside_are_put_where_the_node_takes_them(page: Page):
    stored = '{"version": 1, "pairs": [{"handle": [1.3, -0.2], "target": [9, 1.5]}]}'
    with pytest.raises(InputError):
        parse_points(stored)
    found = run(page, "stored", "const {pairs, clamped} = m.parse(a); return [m.write(pairs), clamped]", stored)
    assert found[1] == [0]
    (mended,) = parse_points(found[0]).pairs
    assert mended.handle == (1.0, 0.0)
    assert mended.target == (5.0, 1.5)


@settings(max_examples=40)
@given(
    size=st.tuples(st.integers(1, 6000), st.integers(1, 6000)),
    stage=st.tuples(st.integers(60, 2000), st.integers(60, 2000)),
    at=point,
    zooms=st.lists(st.floats(0.3, 3), max_size=5),
)
def test_picture_and_stage_coordinates_are_inverse(page: Page, size, stage, at, zooms):
    body = """
      const picture = {width: a.size[0], height: a.size[1]}, stage = {width: a.stage[0], height: a.stage[1]};
      let view = m.FITTED;
      const fixed = {x: stage.width / 3, y: stage.height / 4};
      for (const zoom of a.zooms) view = m.zoomAt(picture, stage, view, zoom, fixed);
      const frame = m.frameOf(picture, stage, view), point = {x: a.at[0], y: a.at[1]};
      const back = m.toPicture(m.toStage(point, frame), frame);
      return [back.x, back.y, frame.width / frame.height, view.zoom];
    """
    x, y, aspect, zoom = run(page, "geometry", body, {"size": size, "stage": stage, "at": at, "zooms": zooms})
    assert (x, y) == pytest.approx(at, abs=1e-6)
    assert aspect == pytest.approx(size[0] / size[1])
    assert 0.5 <= zoom <= 32


@given(at=point, factor=st.floats(1.05, 8))
@settings(max_examples=30)
def test_zooming_in_keeps_the_point_under_the_pointer(page: Page, at, factor):
    body = """
      const picture = {width: 640, height: 480}, stage = {width: 500, height: 400};
      const before = m.frameOf(picture, stage, m.FITTED), pointer = m.toStage({x: a[0], y: a[1]}, before);
      const after = m.frameOf(picture, stage, m.zoomAt(picture, stage, m.FITTED, a[2], pointer));
      const now = m.toPicture(pointer, after);
      return [now.x, now.y];
    """
    assert run(page, "geometry", body, [*at, factor]) == pytest.approx(at, abs=1e-6)


def test_snapping_measures_in_pixels_not_in_shares(page: Page):
    # 30 % of 100 px is less than 20 % of 1000 px, though 0.3 > 0.2.
    body = "return m.snapToAxis({x: 0, y: 0}, {x: 0.2, y: 0.3}, {width: 1000, height: 100})"
    assert run(page, "geometry", body) == {"x": 0.2, "y": 0}


def test_colours_are_those_of_the_nodes_pictures(page: Page):
    # Read, not imported: nodes/ imports ComfyUI.
    source = Path(__file__).parents[2].joinpath("nodes", "preview.py").read_text(encoding="utf-8")
    values = [
        ast.literal_eval(node.value)
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "PALETTE"
    ]
    assert [tuple(run(page, "palette", "return m.PALETTE"))] == values


def test_a_mask_becomes_see_through_where_it_is_black(page: Page):
    body = "return [...m.tint(new Uint8ClampedArray([0, 0, 0, 255, 255, 255, 255, 255]), 'mask')]"
    assert run(page, "tint", body) == [0, 200, 255, 0, 0, 200, 255, 255]


def test_a_language_may_lack_words_and_be_left_again(page: Page):
    body = """
      const said = () => [m.text("copy"), m.text("deleted", {number: 3})];
      const before = said();
      m.useWords({deleted: "{number} gel\u00f6scht"});
      const other = said();
      m.useWords({});
      return [before, other, said()];
    """
    english = ["Copy", "Drag 3 deleted"]
    assert run(page, "text", body) == [english, ["Copy", "3 gelöscht"], english]
