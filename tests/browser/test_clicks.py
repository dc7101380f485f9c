"""Clicks that add and leave out, anchors, groups and motions: by pointer, keyboard, touch, pen and numbers."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import expect

from tests.browser.bench import Bench, picture, picture_url
from tests.browser.contrast import contrast

PAIR = {"handle": [0.25, 0.5], "target": [0.75, 0.5]}
ANCHOR = {"handle": [0.5, 0.25], "target": [0.5, 0.25]}
ADD = {"at": [0.25, 0.2], "kind": "add"}
LEAVE_OUT = {"at": [0.75, 0.8], "kind": "leave_out"}
PIXEL = (1 / 640, 1 / 480)
FOCUSED = "document.activeElement.getAttribute('aria-label')"


def stored(*pairs: dict, clicks: tuple[dict, ...] = ()) -> str:
    return json.dumps({"version": 2, "pairs": list(pairs), "clicks": list(clicks)})


ALL = stored(PAIR, ANCHOR, clicks=(ADD, LEAVE_OUT))


def near(x: float, y: float, pixels: float = 2.5):
    return pytest.approx([x, y], abs=pixels * PIXEL[1])


def put(b: Bench, x: float, y: float, key: str | None = None) -> None:
    if key:
        b.page.keyboard.down(key)
    b.page.mouse.click(*b.at(x, y))
    if key:
        b.page.keyboard.up(key)


def said(b: Bench) -> str:
    return b.page.locator(".ad-live").inner_text().strip()


def test_tools_put_clicks_and_anchors_where_they_are_pressed(bench):
    b = bench(text=stored(PAIR))
    for tool, at in (("Add", (0.3, 0.2)), ("Leave out", (0.6, 0.8)), ("Anchor", (0.5, 0.25))):
        b.click(tool)
        put(b, *at)
    assert b.clicks == [{"at": near(0.3, 0.2), "kind": "add"}, {"at": near(0.6, 0.8), "kind": "leave_out"}]
    drag, anchor = b.pairs
    assert drag == PAIR
    assert anchor["handle"] == anchor["target"] == near(0.5, 0.25)
    assert b.page.evaluate("host.commits") == 3
    b.click("Drag")
    b.drag((0.1, 0.9), (0.3, 0.9))
    assert len(b.pairs) == 3


def test_keys_held_stand_for_a_tool(bench):
    b = bench(text=stored(PAIR))
    put(b, 0.3, 0.2, "Control")
    put(b, 0.6, 0.8, "Alt")
    put(b, 0.4, 0.8, "Meta")
    assert [click["kind"] for click in b.clicks] == ["add", "leave_out", "add"]
    # On the arrow, where a press without the key would take the drag.
    put(b, 0.5, 0.5, "Control")
    assert b.clicks[-1] == {"at": near(0.5, 0.5), "kind": "add"}
    assert b.pairs == [PAIR]
    b.drag((0.5, 0.4), (0.6, 0.3))
    assert len(b.pairs) == 2


def test_no_menu_comes_up_over_a_click_put_with_ctrl(bench):
    b = bench(text=stored(PAIR))
    opened = """(ctrlKey) => {
      const given = { bubbles: true, cancelable: true, ctrlKey, button: ctrlKey ? 0 : 2 };
      const event = new MouseEvent("contextmenu", given);
      return document.querySelector(".ad-stage").dispatchEvent(event);
    }"""
    assert b.page.evaluate(opened, True) is False
    # The page's own menu stays.
    assert b.page.evaluate(opened, False) is True


def test_a_press_may_slide_to_its_place_and_can_be_broken_off(bench):
    b = bench(text=stored(PAIR))
    b.click("Add")
    b.drag((0.3, 0.2), (0.4, 0.3))
    assert b.clicks == [{"at": near(0.4, 0.3), "kind": "add"}]
    b.page.mouse.move(*b.at(0.8, 0.2))
    b.page.mouse.down()
    b.page.mouse.move(*b.at(0.9, 0.2), steps=3)
    b.settle()
    assert b.page.locator(".ad-click").count() == 2
    b.press("Escape")
    b.page.mouse.up()
    assert len(b.clicks) == 1
    b.press("Control+z")
    assert b.clicks == []


def test_clicks_are_moved_and_stay_on_the_picture(bench):
    b = bench(text=ALL)
    b.drag(ADD["at"], (0.35, 0.3))
    assert b.clicks[0]["at"] == near(0.35, 0.3)
    b.drag(LEAVE_OUT["at"], (1.4, 0.8))
    assert b.clicks[1]["at"] == near(1, 0.8)
    assert b.clicks[1]["at"][0] == 1
    assert b.pairs == [PAIR, ANCHOR]


def test_an_anchor_goes_as_one_and_a_drag_drawn_back_becomes_one(bench):
    b = bench(text=ALL)
    b.drag(ANCHOR["handle"], (0.6, 0.3))
    moved = b.pairs[1]
    assert moved["handle"] == moved["target"] == near(0.6, 0.3)
    assert b.box(".ad-pair.ad-anchor .ad-square")["width"] > 10
    assert b.page.locator(".ad-pair.ad-anchor .ad-disc").is_hidden()
    x, y = b.at(*PAIR["handle"])
    b.page.mouse.move(*b.at(*PAIR["target"]))
    b.page.mouse.down()
    b.page.mouse.move(x + 4, y - 2, steps=4)
    b.page.mouse.up()
    assert b.pairs[0] == {"handle": PAIR["handle"], "target": PAIR["handle"]}
    assert b.page.locator(".ad-pair.ad-anchor").count() == 2
    assert b.page.evaluate(FOCUSED).startswith("Anchor 1")


def test_everything_by_keyboard(bench):
    b = bench(text=stored(PAIR))
    b.page.locator(".ad-ground").focus()
    b.press("a", "n")
    assert b.clicks == [{"at": [0.5, 0.5], "kind": "add"}]
    assert b.page.evaluate(FOCUSED) == "Click 1, Add"
    b.press("ArrowRight", "ArrowRight", "Shift+ArrowUp", "k")
    (click,) = b.clicks
    assert click == {"at": pytest.approx([0.5 + 2 * PIXEL[0], 0.5 - 10 * PIXEL[1]], abs=1e-6), "kind": "leave_out"}
    assert said(b) == "Click 1, Leave out"
    b.press("l", "n")
    assert [one["kind"] for one in b.clicks] == ["leave_out", "leave_out"]
    b.press("Delete")
    assert said(b) == "Click 2, Leave out: deleted"
    assert len(b.clicks) == 1
    b.press("h", "n")
    assert b.pairs[1] == {"handle": [0.5, 0.5], "target": [0.5, 0.5]}
    b.press("ArrowDown")
    assert b.pairs[1]["handle"] == b.pairs[1]["target"] == pytest.approx([0.5, 0.5 + PIXEL[1]], abs=1e-6)
    b.press("k")
    assert "motion" not in b.pairs[1]
    b.press("PageUp")
    assert b.page.evaluate(FOCUSED) == "Drag 1, target"
    motions = []
    for _ in range(4):
        b.press("k")
        motions.append((b.pairs[0].get("motion"), said(b)))
    assert motions == [
        ("move", "Drag 1: move"),
        ("reshape", "Drag 1: reshape"),
        ("push", "Drag 1: push"),
        (None, "Drag 1: auto"),
    ]
    b.press("PageDown", "PageDown")
    assert b.page.evaluate(FOCUSED) == "Click 1, Leave out"
    b.press("d", "n")
    assert len(b.pairs) == 3


def test_size_by_keys_and_number(bench):
    b = bench(text=ALL)
    b.page.locator(".ad-ground").focus()
    b.press("PageDown")
    sizes = []
    for key in (".", ".", ",", ",", ","):
        b.press(key)
        sizes.append((b.pairs[0].get("size"), said(b)))
    assert sizes == [
        (1, "Drag 1: size +1"),
        (2, "Drag 1: size +2"),
        (1, "Drag 1: size +1"),
        (None, "Drag 1: size as found"),
        (-1, "Drag 1: size \u22121"),
    ]
    # The stage is drawn with the next frame.
    expect(b.page.locator(".ad-pair .ad-tag").first).to_have_text("\u22121")
    b.press("Control+z")
    assert "size" not in b.pairs[0]
    field = b.page.get_by_label("Drag 1: size")
    for typed, kept in (("3", 3), ("12", 9), ("-40", -9), ("", None)):
        field.fill(typed)
        b.press("Enter")
        assert b.pairs[0].get("size") == kept
    # Clicks have none, and a key that would give one does nothing.
    before = b.stored
    b.page.locator(".ad-ground").focus()
    b.press("PageUp", ".")
    assert b.stored == before


def test_from_a_point_to_its_numbers_and_back(bench):
    b = bench(text=ALL)
    b.page.locator(".ad-ground").focus()
    b.press("PageUp", "Enter")
    assert b.page.evaluate(FOCUSED) == "Click 2, Leave out, x"
    b.page.keyboard.type("64")
    b.press("Tab")
    assert b.clicks[1]["at"] == [0.1, 0.8]
    b.press("PageUp")
    assert b.page.evaluate(FOCUSED) == "Click 1, Add, y"
    b.press("PageUp", "PageUp")
    assert b.page.evaluate(FOCUSED) == "Drag 1, handle, x"
    before = b.stored
    b.page.keyboard.type("7")
    b.press("Escape")
    assert b.page.evaluate(FOCUSED) == "Drag 1, handle"
    assert b.stored == before
    assert b.page.get_by_label("Drag 1, handle, x").input_value() == "160"


def test_kind_group_and_motion_in_the_list(bench):
    b = bench(text=ALL)
    page = b.page
    page.get_by_label("Click 1, Add: kind").select_option("leave_out")
    assert b.clicks[0]["kind"] == "leave_out"
    page.get_by_label("Drag 1: motion").select_option("reshape")
    page.get_by_label("Drag 1: group").fill("2")
    b.press("Enter")
    page.get_by_label("Click 2, Leave out: group").fill("2")
    b.press("Tab")
    assert b.pairs[0] == PAIR | {"group": 2, "motion": "reshape"}
    assert b.clicks[1] == LEAVE_OUT | {"group": 2}
    assert page.locator(".ad-pair .ad-tag").first.text_content() == "G2"
    assert page.locator(".ad-click .ad-tag").nth(1).text_content() == "2 G2"
    page.get_by_label("Drag 1: group").fill("")
    b.press("Tab")
    assert "group" not in b.pairs[0]
    # An anchor has no motion of its own: the list calls it what it is.
    assert page.get_by_label("Anchor 2: motion").is_hidden()
    assert page.locator(".ad-row").nth(1).locator(".ad-held").inner_text() == "anchor"
    page.get_by_label("Anchor 2, x").fill("64")
    b.press("Enter")
    assert b.pairs[1]["handle"] == b.pairs[1]["target"] == [0.1, 0.25]
    page.get_by_label("Anchor 2, target, y").fill("240")
    b.press("Enter")
    assert b.pairs[1] == {"handle": [0.1, 0.25], "target": [0.1, 0.5]}
    assert page.get_by_label("Drag 2: motion").is_visible()
    b.click("Delete: Click 1, Leave out")
    assert b.clicks == [LEAVE_OUT | {"group": 2}]


def test_undo_and_redo_of_clicks_by_keys(bench):
    b = bench(text=stored(PAIR))
    put(b, 0.3, 0.2, "Control")
    one = b.stored
    b.press("k")
    b.press("Control+z")
    assert b.stored == one
    b.press("Control+z")
    assert json.loads(b.stored) == {"version": 1, "pairs": [PAIR]}
    b.press("Control+y", "Control+y")
    assert b.clicks[0]["kind"] == "leave_out"


def test_a_finger_and_a_pen_put_and_move_clicks(bench):
    b = bench(text=stored(PAIR), touch=True)
    b.click("Leave out")
    b.page.touchscreen.tap(*b.at(0.3, 0.2))
    assert b.clicks == [{"at": near(0.3, 0.2), "kind": "leave_out"}]
    session = b.page.context.new_cdp_session(b.page)

    def send(kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    # A finger is aimed less well than a mouse: 18 px beside it still takes it.
    x, y = b.at(0.3, 0.2)
    send("touchStart", (x + 18, y))
    send("touchMove", (x + 40, y + 40))
    send("touchMove", (x + 78, y + 60))
    send("touchEnd")
    moved = b.at(*b.clicks[0]["at"])
    assert (len(b.clicks), moved) == (1, pytest.approx((x + 60, y + 60), abs=2))
    # Two fingers zoom, and leave no click behind.
    send("touchStart", b.at(0.5, 0.8))
    send("touchStart", b.at(0.5, 0.8), b.at(0.7, 0.8))
    send("touchEnd")
    assert len(b.clicks) == 1

    def pen(kind: str, at: tuple[float, float], **more) -> None:
        event = {"type": kind, "x": at[0], "y": at[1], "pointerType": "pen", "button": "left", "clickCount": 1}
        session.send("Input.dispatchMouseEvent", event | more)

    pen("mousePressed", b.at(0.8, 0.8), buttons=1, force=0.4)
    pen("mouseReleased", b.at(0.8, 0.8))
    assert b.clicks[1] == {"at": near(0.8, 0.8), "kind": "leave_out"}


def test_no_more_than_there_may_be_and_it_is_said(bench):
    many = tuple({"at": [n / 300, 0.9], "kind": "add"} for n in range(256))
    b = bench(text=stored(PAIR, clicks=many))
    before = b.stored
    put(b, 0.5, 0.2, "Alt")
    assert b.stored == before
    assert said(b) == "No more than 256 clicks."
    # The last row of a long list comes into sight when its mark is taken.
    b.page.mouse.click(*b.at(255 / 300, 0.9))
    row, panel = b.page.locator(".ad-row").nth(256).bounding_box(), b.box(".ad-panel")
    assert panel["y"] - 1 <= row["y"] and row["y"] + row["height"] <= panel["y"] + panel["height"] + 1
    b.press("Enter")
    assert b.page.evaluate(FOCUSED) == "Click 256, Add, x"


def test_clicks_outside_are_put_on_the_edge_and_it_is_said(bench):
    b = bench(text=stored(PAIR, clicks=(ADD, {"at": [1.5, 0.5], "kind": "leave_out"})))
    assert b.clicks == [ADD, {"at": [1, 0.5], "kind": "leave_out"}]
    assert b.notice("clamped").startswith("Click 2 lay outside")


def test_a_click_makes_the_mask_of_the_last_run_old(bench):
    b = bench(text=stored(PAIR))
    outcome = {"mask": picture_url(64, 48, (255, 255, 255)), "heat": [], "points": b.stored, "serial": 1, "live": True}
    b.page.evaluate("(outcome) => { host.outcome = outcome }", outcome)
    b.page.wait_for_selector('.ad-overlay[data-showing="mask"]')
    assert b.notice("stale") is None
    put(b, 0.3, 0.2, "Control")
    b.tick()
    assert "last run" in b.notice("stale")
    b.press("Control+z")
    b.tick()
    assert b.notice("stale") is None


def test_a_drag_left_to_the_node_shows_what_the_last_run_made_of_it(bench):
    other = {"handle": [0.2, 0.7], "target": [0.5, 0.7]}
    b = bench(text=stored(PAIR | {"motion": "move"}, other, {"handle": [0.8, 0.8], "target": [0.9, 0.8]}))
    arrows = b.page.locator(".ad-pair")
    shown = lambda: [arrows.nth(index).get_attribute("data-motion") for index in range(3)]  # noqa: E731
    auto = lambda index: b.page.get_by_label(f"Drag {index}: motion").locator("option").first.text_content()  # noqa: E731
    assert shown() == ["move", "", ""]
    outcome = {"mask": picture_url(64, 48, (255, 255, 255)), "heat": [], "points": b.stored, "serial": 1, "live": True}
    outcome["motions"] = ["move", "push", "nonsense"]
    b.page.evaluate("(outcome) => { host.outcome = outcome }", outcome)
    b.page.wait_for_selector('.ad-pair[data-motion="push"]')
    assert shown() == ["move", "push", ""]
    assert [auto(index) for index in (2, 3)] == ["auto: push", "auto"]
    assert "motion" not in b.pairs[1], "it is shown, not stored"
    # It holds for these drags alone.
    put(b, 0.3, 0.2, "Control")
    b.tick()
    assert shown() == ["move", "", ""] and auto(2) == "auto"
    b.press("Control+z")
    b.tick()
    assert shown() == ["move", "push", ""] and auto(2) == "auto: push"


@pytest.mark.parametrize("level", [0, 128, 255])
def test_marks_of_clicks_stand_out_on_any_picture_and_by_their_shape(bench, level):
    ground = (level,) * 3
    b = bench(text=ALL, shown=picture(640, 480, url=picture_url(640, 480, ground)))
    outlines = set()
    for kind in ("add", "leave_out"):
        mark = b.page.locator(f'.ad-click[data-kind="{kind}"]')
        parts = [mark.locator(f".ad-click-{part}") for part in ("shape", "halo")]
        styles = [part.evaluate("(part) => getComputedStyle(part).stroke") for part in parts]
        colours = [tuple(int(value) for value in re.findall(r"\d+", style)) for style in styles]
        assert max(contrast(colour, ground) for colour in colours) > 3
        assert contrast(*colours) > 15
        outlines.add(re.sub(r"[^a-zA-Z]", "", parts[0].get_attribute("d")))
    assert len(outlines) == 2
