"""The picker's modules that know no page, run in the browser that will run them."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Page

from core.errors import InputError
from core.space.drags import Click, DragPair, DragPoints
from core.space.points import parse_points, points_to_json
from tests.browser.bench import Benches

share = st.floats(0, 1)
point = st.tuples(share, share)
group = st.none() | st.integers(1, 256)
pair = st.builds(
    DragPair,
    point,
    point,
    st.none() | st.floats(0.01, 1),
    group,
    st.none() | st.sampled_from(["move", "reshape", "push"]),
    st.integers(-9, 9),
)
click = st.builds(Click, point, st.sampled_from(["add", "leave_out"]), group)


@pytest.fixture(scope="module")
def page(benches: Benches):
    bench = benches.open()
    yield bench.page
    benches.give_back(bench)


def run(page: Page, module: str, body: str, argument=None):
    """Runs a function body with the module as `m` and the argument as `a`."""
    return page.evaluate(f"async (a) => {{ const m = await import('/picker/{module}.js'); {body} }}", argument)


@settings(max_examples=60)
@given(pairs=st.lists(pair, min_size=1, max_size=6), clicks=st.lists(click, max_size=4))
def test_what_the_node_writes_the_picker_reads_and_back(page: Page, pairs, clicks):
    stored = points_to_json(DragPoints(tuple(pairs), clicks=tuple(clicks)))
    written = run(page, "stored", "return m.write(m.parse(a))", stored)
    assert json.loads(written)["version"] == json.loads(stored)["version"]
    ours, theirs = parse_points(written), parse_points(stored)
    assert (len(ours.pairs), len(ours.clicks)) == (len(theirs.pairs), len(theirs.clicks))
    for a, b in zip(ours.pairs, theirs.pairs, strict=True):
        assert a.handle == pytest.approx(b.handle, abs=1e-6)
        assert a.target == pytest.approx(b.target, abs=1e-6)
        assert a.radius == pytest.approx(b.radius, abs=1e-6)
        assert (a.group, a.motion, a.size) == (b.group, b.motion, b.size)
    for a, b in zip(ours.clicks, theirs.clicks, strict=True):
        assert a.at == pytest.approx(b.at, abs=1e-6)
        assert (a.kind, a.group) == (b.kind, b.group)


PLAIN = {"handle": [0.1, 0.2], "target": [0.3, 0.4]}
AT = {"at": [0.5, 0.6], "kind": "add"}
EMPTY = [
    {"version": 2, "pairs": [PLAIN]},
    {"version": 2, "pairs": [PLAIN], "clicks": []},
    {"version": 2, "pairs": [PLAIN | {"group": None, "motion": None, "radius": None, "size": 0}], "clicks": None},
]


@pytest.mark.parametrize("stored", EMPTY, ids=["missing", "empty", "null"])
def test_what_needs_no_second_version_is_written_for_older_packs(page: Page, stored):
    written = run(page, "stored", "return m.write(m.parse(a))", json.dumps(stored))
    assert json.loads(written) == {"version": 1, "pairs": [PLAIN]}
    assert json.loads(points_to_json(parse_points(json.dumps(stored)))) == json.loads(written)


def test_clicks_are_kept_where_no_drag_is_left(page: Page):
    # The node asks for a drag; what else was set must not be lost until there is one.
    stored = json.dumps({"version": 2, "pairs": [], "clicks": [AT]})
    assert json.loads(run(page, "stored", "return m.write(m.parse(a))", stored)) == json.loads(stored)
    with pytest.raises(InputError, match="no drags"):
        parse_points(stored)


def second(*pairs: object, clicks: object = None) -> str:
    return json.dumps({"version": 2, "pairs": list(pairs) or [PLAIN], "clicks": clicks})


REFUSED = [
    "{",
    "[]",
    "null",
    '{"pairs": []}',
    '{"version": 0, "pairs": []}',
    '{"version": 3, "pairs": []}',
    '{"version": true, "pairs": []}',
    '{"version": 1}',
    '{"version": 1, "pairs": [null]}',
    '{"version": 1, "pairs": [{"handle": [0.1, 0.2]}]}',
    '{"version": 1, "pairs": [{"handle": [0.1, "0.2"], "target": [0, 0]}]}',
    '{"version": 1, "pairs": [{"handle": [0.1, 0.2, 0.3], "target": [0, 0]}]}',
    '{"version": 1, "pairs": [{"handle": [0.1, 1e999], "target": [0, 0]}]}',
    '{"version": 1, "pairs": [{"handle": [0.1, 0.2], "target": [0, 0], "radius": 0}]}',
    json.dumps({"version": 1, "pairs": [{"handle": [0, 0], "target": [1, 1]}] * 257}),
    json.dumps({"version": 1, "pairs": [PLAIN], "clicks": []}),
    json.dumps({"version": 1, "pairs": [PLAIN | {"group": 1}]}),
    json.dumps({"version": 1, "pairs": [PLAIN | {"motion": "move"}]}),
    json.dumps({"version": 1, "pairs": [PLAIN | {"size": 1}]}),
    *(second(PLAIN | {"size": wrong}) for wrong in (10, -10, 0.5, "1", True)),
    *(second(PLAIN | {"group": wrong}) for wrong in (0, 257, 1.5, "1", True)),
    *(second(PLAIN | {"motion": wrong}) for wrong in ("auto", "", 1)),
    *(second(clicks=wrong) for wrong in ({}, [None], [AT] * 257)),
    *(second(clicks=[{"kind": "add"} | wrong]) for wrong in ({}, {"at": None}, {"at": [0.1]}, {"at": [0.1, "0"]})),
    *(second(clicks=[{"at": [0.5, 0.5]} | wrong]) for wrong in ({}, {"kind": "remove"}, {"kind": None})),
    *(second(clicks=[AT | {"group": wrong}]) for wrong in (0, 257, "1")),
]


@pytest.mark.parametrize("stored", REFUSED)
def test_picker_and_node_refuse_the_same(page: Page, stored: str):
    body = "try { m.parse(a); return null } catch (e) { return e instanceof m.StoredValueError ? e.reason : 'thrown' }"
    assert run(page, "stored", body, stored) not in (None, "thrown")
    with pytest.raises(InputError):
        parse_points(stored)


def test_points_outside_are_put_where_the_node_takes_them(page: Page):
    pairs, clicks = [{"handle": [1.3, -0.2], "target": [9, 1.5]}], [AT, {"at": [-2, 0.5], "kind": "leave_out"}]
    stored = json.dumps({"version": 2, "pairs": pairs, "clicks": clicks})
    with pytest.raises(InputError):
        parse_points(stored)
    found = run(page, "stored", "const drags = m.parse(a); return [m.write(drags), drags.clamped]", stored)
    assert found[1] == {"pairs": [0], "clicks": [1]}
    (mended,), (_, held) = parse_points(found[0]).pairs, parse_points(found[0]).clicks
    assert held.at == (0.0, 0.5)
    assert mended.handle == (1.0, 0.0)
    assert mended.target == (5.0, 1.5)


@given(handle=point, target=point)
@settings(max_examples=60)
def test_an_anchor_is_what_the_node_takes_for_one(page: Page, handle, target):
    near = (handle[0] + 4e-7, handle[1])
    for end in (target, handle, near):
        body = (
            "const d = m.parse(a), p = await import('/picker/points.js'); return [m.write(d), p.isAnchor(d.pairs[0])]"
        )
        stored = json.dumps({"version": 1, "pairs": [{"handle": handle, "target": end}]})
        written, anchor = run(page, "stored", body, stored)
        assert parse_points(written).pairs[0].is_anchor == anchor


MODEL = """
  const {PointsModel} = m, model = new PointsModel(), at = (x, y) => ({x, y});
  const told = () => JSON.parse(model.text || '{"version": 0}');
"""


def test_the_model_takes_every_edit_back_and_again(page: Page):
    body = (
        MODEL
        + """
      const steps = [
        () => model.add(at(0.1, 0.2), at(0.3, 0.4)),
        () => model.addAnchor(at(0.5, 0.5)),
        () => model.addClick(at(0.6, 0.7), "add"),
        () => model.addClick(at(0.8, 0.9), "leave_out"),
        () => model.setMotion(0, "reshape"),
        () => model.setGroup({index: 0, end: "handle"}, 3),
        () => model.setGroup({index: 1, end: "click"}, 3),
        () => model.setKind(0, "leave_out"),
        () => model.place({index: 0, end: "click"}, at(2, -1)),
        () => model.setRadius(1, 0.5),
        () => model.remove({index: 0, end: "click"}),
        () => model.remove({index: 0, end: "target"}),
        () => model.clear(),
      ];
      const texts = [model.text];
      for (const step of steps) { step(); texts.push(model.text); }
      const back = [], forth = [];
      while (model.undo()) back.unshift(model.text);
      while (model.redo()) forth.push(model.text);
      return {texts, back, forth, distinct: new Set(texts).size};
    """
    )
    found = run(page, "model", body)
    assert found["back"] == found["texts"][:-1]
    assert found["forth"] == found["texts"][1:]
    # The last one, nothing, is as the first.
    assert found["distinct"] == len(found["texts"]) - 1
    assert json.loads(found["texts"][9])["clicks"][0]["at"] == [1, 0]
    assert json.loads(found["texts"][8])["pairs"][0] == {
        "handle": [0.1, 0.2],
        "target": [0.3, 0.4],
        "group": 3,
        "motion": "reshape",
    }


def test_the_model_has_limits_for_each_kind_and_says_when_they_are_met(page: Page):
    body = (
        MODEL
        + """
      for (let n = 0; n < 256; n += 1) { model.addAnchor(at(n / 256, 0.5)); model.addClick(at(n / 256, 0.2), "add"); }
      const before = model.text, now = [model.add(at(0, 0), at(1, 1)), model.addAnchor(at(0, 0))];
      now.push(model.addClick(at(0, 0), "leave_out"));
      return {now, same: model.text === before, selected: model.selection};
    """
    )
    found = run(page, "model", body)
    assert found == {"now": [-1, -1, -1], "same": True, "selected": {"index": 255, "end": "click"}}


def test_groups_are_whole_and_within_their_range(page: Page):
    body = (
        MODEL
        + """
      model.addClick(at(0.5, 0.5), "add");
      return [3.4, 0, 999, null].map((group) => {
        model.setGroup({index: 0, end: "click"}, group);
        return told().clicks[0].group ?? null;
      });
    """
    )
    assert run(page, "model", body) == [3, 1, 256, None]


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
    source = Path(__file__).parents[2].joinpath("nodes", "marks.py").read_text(encoding="utf-8")
    values = [
        ast.literal_eval(node.value)
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "PALETTE"
    ]
    assert [tuple(run(page, "palette", "return m.PALETTE"))] == values


def test_a_mask_becomes_see_through_where_it_is_black(page: Page):
    body = "return [...m.tint(new Uint8ClampedArray([0, 0, 0, 255, 255, 255, 255, 255]), 'mask')]"
    assert run(page, "tint", body) == [0, 200, 255, 0, 0, 200, 255, 255]
    assert run(page, "tint", body.replace("mask", "light")) == [255, 190, 0, 0, 255, 190, 0, 255]


def test_a_language_may_lack_words_and_be_left_again(page: Page):
    body = """
      const said = () => [m.text("copy"), m.text("deleted", {what: "Drag 3"})];
      const before = said();
      m.useWords({deleted: "{what} gel\u00f6scht"});
      const other = said();
      m.useWords({});
      return [before, other, said()];
    """
    english = ["Copy", "Drag 3: deleted"]
    assert run(page, "text", body) == [english, ["Copy", "Drag 3 gelöscht"], english]
