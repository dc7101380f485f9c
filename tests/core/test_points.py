"""Reading and writing drags."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError
from core.space.drags import Click, DragPair, DragPoints
from core.space.points import MAX_CLICKS, MAX_PAIRS, make_points, parse_points, points_to_json

shares = st.floats(0, 1)
beyond = st.floats(-4, 5)
pairs = st.builds(
    DragPair,
    st.tuples(shares, shares),
    st.tuples(beyond, beyond),
    st.none() | st.floats(min_value=0, max_value=10, exclude_min=True),
)
groups = st.none() | st.integers(1, 256)
newer_pairs = st.builds(
    DragPair,
    st.tuples(shares, shares),
    st.tuples(beyond, beyond),
    st.none() | st.floats(min_value=0, max_value=10, exclude_min=True),
    groups,
    st.sampled_from([None, "move", "reshape", "push"]),
    st.integers(-9, 9),
)
clicks = st.builds(Click, st.tuples(shares, shares), st.sampled_from(["add", "leave_out"]), groups)
GOOD = {"handle": [0.25, 0.5], "target": [0.75, 0.5]}


def stored(*entries, **changes) -> str:
    return json.dumps({"version": 1, "pairs": list(entries), **changes})


def newer(*entries, **changes) -> str:
    return stored(*entries, **{"version": 2, **changes})


def told(text) -> str:
    """What the user is told; it must name the input and say what to do."""
    with pytest.raises(InputError) as caught:
        parse_points(text)
    assert caught.value.input == "points"
    assert caught.value.problem and caught.value.mend
    return str(caught.value)


@given(st.lists(pairs, min_size=1, max_size=8))
def test_round_trip_is_exact(drawn):
    points = DragPoints(tuple(drawn))
    assert parse_points(points_to_json(points)) == points


@given(st.lists(pairs, min_size=1, max_size=3))
def test_stored_form_is_plain_json_of_version_1(drawn):
    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    data = json.loads(points_to_json(DragPoints(tuple(drawn))), parse_constant=refuse)
    assert data["version"] == 1
    assert [entry["handle"] for entry in data["pairs"]] == [list(pair.handle) for pair in drawn]
    assert [entry["target"] for entry in data["pairs"]] == [list(pair.target) for pair in drawn]
    assert [entry.get("radius") for entry in data["pairs"]] == [pair.radius for pair in drawn]
    assert all("radius" in entry or pair.radius is None for entry, pair in zip(data["pairs"], drawn, strict=True))


@given(st.lists(newer_pairs, min_size=1, max_size=5), st.lists(clicks, max_size=4))
def test_round_trip_is_exact_in_the_oldest_version_that_holds_it(drawn, clicked):
    points = DragPoints(tuple(drawn), clicks=tuple(clicked))
    text = points_to_json(points)
    assert parse_points(text) == points
    data = json.loads(text)
    used = bool(clicked) or any(pair.group is not None or pair.motion is not None or pair.size for pair in drawn)
    assert data["version"] == (2 if used else 1)
    assert ("clicks" in data) == bool(clicked)
    for entry, pair in zip(data["pairs"], drawn, strict=True):
        assert (entry.get("group"), entry.get("motion"), entry.get("size", 0)) == (pair.group, pair.motion, pair.size)
        assert None not in entry.values()
    assert data.get("clicks", []) == [
        {"at": list(click.at), "kind": click.kind} | ({} if click.group is None else {"group": click.group})
        for click in clicked
    ]


@pytest.mark.parametrize("value", [10, -10, 0.5, 1.0, "1", True, [1]])
def test_a_bad_size_is_named_with_its_value_and_those_there_are(value):
    message = told(newer(GOOD, {**GOOD, "size": value}))
    assert "drag 2" in message and "size" in message and repr(value) in message and "-9 (smaller) to 9" in message


@pytest.mark.parametrize("clicked", [{}, {"clicks": []}, {"clicks": None}])
def test_version_2_needs_nothing_that_is_new(clicked):
    points = parse_points(newer(GOOD, **clicked))
    assert points == parse_points(stored(GOOD)) and points.clicks == ()


def test_version_1_does_not_swallow_what_it_does_not_have():
    click = {"at": [0.5, 0.5], "kind": "add"}
    assert "clicks" in told(stored(GOOD, clicks=[click])) and "2" in told(stored(GOOD, clicks=[click]))
    for key, value in (("group", 1), ("motion", "move"), ("size", 1)):
        message = told(stored(GOOD, {**GOOD, key: value}))
        assert "drag 2" in message and key in message and "2" in message


@pytest.mark.parametrize("value", [0, 257, -1, 1.0, 1.5, True, "1", [1], {}, 10**300])
def test_a_bad_group_is_named_with_its_value(value):
    message = told(newer(GOOD, {**GOOD, "group": value}))
    assert "drag 2" in message and "group" in message and repr(value)[:20] in message
    message = told(newer(GOOD, clicks=[{"at": [0.5, 0.5], "kind": "add", "group": value}]))
    assert "click 1" in message and "group" in message and repr(value)[:20] in message


@pytest.mark.parametrize("value", ["moves", "", "paper", "auto", 1, True, ["move"], {}])
def test_a_bad_motion_is_named_with_its_value_and_those_there_are(value):
    message = told(newer(GOOD, {**GOOD, "motion": value}))
    assert "drag 2" in message and "motion" in message and repr(value) in message
    assert "'move'" in message and "'reshape'" in message


@pytest.mark.parametrize("value", [None, "leave-out", "Add", 1, ["add"], {}])
def test_a_bad_kind_of_click_is_named_with_its_value_and_those_there_are(value):
    good = {"at": [0.5, 0.5], "kind": "add"}
    message = told(newer(GOOD, clicks=[good, {**good, "kind": value}]))
    assert "click 2" in message and "kind" in message and repr(value) in message
    assert "'add'" in message and "'leave_out'" in message


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "no place"), ([0.5], "[0.5]"), ([1.2, 0.5], "1.2"), ([0.5, -0.1], "-0.1"), ("x", "'x'")]
)
def test_a_bad_place_of_a_click_is_named_with_its_value(value, shown):
    message = told(newer(GOOD, clicks=[{"at": value, "kind": "add"}]))
    assert "click 1" in message and shown in message


@pytest.mark.parametrize("value", [3, "x", {}, True])
def test_clicks_of_another_type(value):
    assert repr(value) in told(newer(GOOD, clicks=value))


@pytest.mark.parametrize("value", [None, 3, "x", [], [0.1, 0.2], True])
def test_a_click_of_another_type_is_named(value):
    message = told(newer(GOOD, clicks=[{"at": [0.5, 0.5], "kind": "add"}, value]))
    assert "click 2" in message and repr(value) in message


def test_too_many_clicks():
    click = {"at": [0.5, 0.5], "kind": "add"}
    assert len(parse_points(newer(GOOD, clicks=[click] * MAX_CLICKS)).clicks) == MAX_CLICKS
    message = told(newer(GOOD, clicks=[click] * (MAX_CLICKS + 1)))
    assert str(MAX_CLICKS) in message and str(MAX_CLICKS + 1) in message


def test_whole_numbers_and_unknown_keys_are_fine():
    points = parse_points('{"version": 1, "pairs": [{"handle": [0, 1], "target": [1, 0], "name": "nose"}], "by": "x"}')
    assert points.pairs == (DragPair((0.0, 1.0), (1.0, 0.0)),)
    assert all(isinstance(value, float) for value in points.pairs[0].handle)


@given(st.text())
def test_any_text_is_read_or_refused_with_an_input_error(text):
    try:
        parse_points(text)
    except InputError as error:
        assert "points" in str(error)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(
                ["handle", "target", "radius", "pairs", "version", "group", "motion", "size", "clicks", "at", "kind"]
            ), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(json_values)
def test_any_json_in_place_of_the_pairs_is_read_or_refused(value):
    for data in (
        {"version": 1, "pairs": value},
        {"version": 2, "pairs": [value]},
        {"version": 2, "pairs": [GOOD], "clicks": value},
        {"version": 2, "pairs": [GOOD], "clicks": [value]},
        value,
    ):
        try:
            points = parse_points(json.dumps(data))
        except InputError:
            continue
        for pair in points.pairs:
            assert all(math.isfinite(number) for number in (*pair.handle, *pair.target, pair.radius or 1.0))


@pytest.mark.parametrize(
    "text",
    ["{", "[1, 2", "{'version': 1}", "null null", None, 7, b"\xff\xfe\x00", "[" * 100_000, "9" * 5000],
    ids=lambda text: repr(text)[:20],
)
def test_not_json(text):
    assert "JSON" in told(text)


@pytest.mark.parametrize("text", ["[]", "null", "3", '"points"', "true", "NaN"])
def test_not_an_object(text):
    assert text in told(text)


@pytest.mark.parametrize(
    ("version", "shown"),
    [
        (3, "3"),
        (10**30, "1" + "0" * 30),
        (0, "0"),
        (-1, "-1"),
        (True, "True"),
        ("1", "'1'"),
        (1.5, "1.5"),
        (None, "None"),
    ],
)
def test_another_version(version, shown):
    message = told(json.dumps({"version": version, "pairs": [GOOD]}))
    assert "version" in message and shown in message


def test_a_newer_version_asks_for_an_update_and_an_older_one_does_not():
    assert "Update" in told(stored(GOOD, version=3))
    assert "Update" not in told(stored(GOOD, version=0))


def test_no_version():
    assert "version" in told(json.dumps({"pairs": [GOOD]}))


def test_no_pairs():
    assert "no drags" in told(stored())
    # What the picker stores where nothing was drawn.
    assert told("") == told(" \n") == told(stored())


@pytest.mark.parametrize("value", [None, {}, "x", 3, True])
def test_pairs_of_another_type(value):
    assert repr(value) in told(json.dumps({"version": 1, "pairs": value}))


def test_too_many_pairs():
    assert len(parse_points(stored(*[GOOD] * MAX_PAIRS))) == MAX_PAIRS
    message = told(stored(*[GOOD] * (MAX_PAIRS + 1)))
    assert str(MAX_PAIRS) in message and str(MAX_PAIRS + 1) in message


@pytest.mark.parametrize("value", [None, 3, "x", [], [0.1, 0.2], True])
def test_a_pair_of_another_type_is_named(value):
    message = told(stored(GOOD, value))
    assert "drag 2" in message and repr(value) in message


@pytest.mark.parametrize("end", ["handle", "target"])
def test_a_missing_end_is_named(end):
    for entry in ({key: value for key, value in GOOD.items() if key != end}, {**GOOD, end: None}):
        message = told(stored(GOOD, GOOD, entry))
        assert f"drag 3 has no {end}" in message


@pytest.mark.parametrize("end", ["handle", "target"])
@pytest.mark.parametrize(
    ("literal", "shown"),
    [
        ("[NaN, 0.5]", "nan"),
        ("[0.5, Infinity]", "inf"),
        ("[-Infinity, 0]", "-inf"),
        ("[1e999, 0]", "inf"),
        ("[true, 0.5]", "True"),
        ("[0.5, false]", "False"),
        ('["0.5", 0.5]', "'0.5'"),
        ("[null, 0.5]", "None"),
        ("[0.5]", "[0.5]"),
        ("[0.1, 0.2, 0.3]", "0.3"),
        ("0.5", "0.5"),
        ('"0.5 0.5"', "0.5 0.5"),
        ("{}", "{}"),
        ("[[0.5], 0.5]", "[[0.5], 0.5]"),
        ("[]", "[]"),
        (f"[1{'0' * 400}, 0.5]", "1000"),
    ],
)
def test_a_malformed_end_is_named_with_its_value(end, literal, shown):
    entry = json.dumps({**GOOD, end: "HERE"}).replace('"HERE"', literal)
    message = told(f'{{"version": 1, "pairs": [{json.dumps(GOOD)}, {entry}]}}')
    assert "drag 2" in message and end in message and shown in message
    assert len(message) < 400


@pytest.mark.parametrize("value", [-1e-9, 1.0000001, 512, -3, 10**300])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_handle_outside_the_image_is_named_with_its_value(value, axis):
    handle = [0.5, 0.5]
    handle[axis] = value
    message = told(stored(GOOD, {**GOOD, "handle": handle}))
    assert "drag 2" in message and "handle" in message and str(float(value)) in message


@pytest.mark.parametrize("value", [300, -40, 1e300])
def test_a_target_in_pixels_is_refused(value):
    message = told(stored({**GOOD, "target": [0.5, value]}))
    assert "drag 1" in message and "target" in message and str(float(value)) in message


def test_a_target_outside_the_image_is_allowed():
    assert parse_points(stored({**GOOD, "target": [1.3, -0.4]})).pairs[0].target == (1.3, -0.4)


@pytest.mark.parametrize(
    ("literal", "shown"),
    [
        ("0", "0"),
        ("-0.1", "-0.1"),
        ("NaN", "nan"),
        ("Infinity", "inf"),
        ("true", "True"),
        ('"1"', "'1'"),
        ("[1]", "[1]"),
        (f"1{'0' * 400}", "1000"),
    ],
)
def test_a_bad_radius_is_named_with_its_value(literal, shown):
    entry = json.dumps({**GOOD, "radius": "HERE"}).replace('"HERE"', literal)
    message = told(f'{{"version": 1, "pairs": [{entry}]}}')
    assert "drag 1" in message and "radius" in message and shown in message


def test_make_points_checks_as_parsing_does():
    points = make_points([((0.1, 0.2), (0.3, 0.4))], radius=0.5)
    assert points.pairs == (DragPair((0.1, 0.2), (0.3, 0.4), 0.5),)
    points = make_points([((0.1, 0.2), (0.3, 0.4))], clicks=[((0.5, 0.6), "leave_out")])
    assert points.clicks == (Click((0.5, 0.6), "leave_out"),)
    for bad in ([], [((math.nan, 0.0), (0.0, 0.0))], [((1.5, 0.0), (0.0, 0.0))]):
        with pytest.raises(InputError):
            make_points(bad)


def test_anchor_means_handle_and_target_are_the_same():
    points = parse_points(stored(GOOD, {"handle": [0.2, 0.3], "target": [0.2, 0.3]}))
    assert [pair.is_anchor for pair in points.pairs] == [False, True]


def test_on_image_keeps_the_pairs():
    points = parse_points(stored(GOOD))
    assert points.on_image(30, 40) == DragPoints(points.pairs, (30, 40))
    assert points.image_size is None


def test_a_named_error_keeps_its_words():
    error = InputError("points", "there are no drags.", "Draw one.").named("AttentionDrag Points")
    assert str(error) == "AttentionDrag Points, input 'points': there are no drags. Draw one."
