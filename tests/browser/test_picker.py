"""The picker's behaviour on a bare page: pointer, keyboard, numbers, history, messages."""

from __future__ import annotations

import io
import json

import pytest
from PIL import Image
from playwright.sync_api import CDPSession

from tests.browser.bench import picture, picture_url

ONE = json.dumps({"version": 1, "pairs": [{"handle": [0.25, 0.5], "target": [0.75, 0.5]}]})
TWO = json.dumps(
    {
        "version": 1,
        "pairs": [
            {"handle": [0.25, 0.25], "target": [0.75, 0.25]},
            {"handle": [0.25, 0.75], "target": [0.75, 0.75], "radius": 0.2},
        ],
    }
)
PIXEL = (1 / 640, 1 / 480)


def near(*expected: float, pixels: float = 2.5):
    """A point as read back, within what a screen pixel of a scaled node can tell."""
    return pytest.approx(expected if len(expected) > 1 else expected[0], abs=pixels * PIXEL[1])


@pytest.mark.parametrize(("scale", "dpr"), [(0.5, 1), (1, 1), (1, 2), (2, 1)])
def test_a_drag_is_stored_where_it_was_drawn(bench, scale, dpr):
    b = bench(scale=scale, dpr=dpr)
    b.drag((0.3, 0.4), (0.7, 0.6))
    (pair,) = b.pairs
    assert pair["handle"] == near(0.3, 0.4, pixels=3 / scale)
    assert pair["target"] == near(0.7, 0.6, pixels=3 / scale)
    assert b.page.evaluate("host.commits") == 1


def test_marks_lie_where_the_points_are(bench):
    b = bench(text=ONE)
    for mark, expected in ((".ad-disc", (0.25, 0.5)), (".ad-circle", (0.75, 0.5))):
        box = b.box(mark)
        middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        assert middle == pytest.approx(b.at(*expected), abs=1)


def test_a_click_draws_nothing(bench):
    b = bench()
    b.page.mouse.click(*b.at(0.5, 0.5))
    assert b.stored == ""


def test_ends_move_alone_and_the_shaft_moves_both(bench):
    b = bench(text=ONE)
    b.drag((0.75, 0.5), (0.75, 0.8))
    assert b.pairs[0]["handle"] == near(0.25, 0.5)
    assert b.pairs[0]["target"] == near(0.75, 0.8)
    b.drag((0.25, 0.5), (0.25, 0.8))
    assert b.pairs[0]["handle"] == near(0.25, 0.8)
    b.drag((0.5, 0.8), (0.6, 0.3))
    assert b.pairs[0]["handle"] == near(0.35, 0.3)
    assert b.pairs[0]["target"] == near(0.85, 0.3)


def test_a_pair_keeps_its_length_at_the_edge(bench):
    b = bench(text=ONE)
    b.drag((0.5, 0.5), (0.01, 0.5))
    (pair,) = b.pairs
    assert pair["handle"][0] == 0
    assert pair["target"][0] == near(0.5)


def test_the_pointer_keeps_the_drag_outside_of_the_picker(bench):
    b = bench()
    b.drag((0.5, 0.5), (3.0, -2.0))
    assert b.pairs[0]["target"] == [1, 0]


def test_shift_snaps_to_the_nearer_axis(bench):
    b = bench()
    b.page.mouse.move(*b.at(0.3, 0.3))
    b.page.mouse.down()
    b.page.keyboard.down("Shift")
    b.page.mouse.move(*b.at(0.7, 0.35), steps=3)
    b.page.mouse.up()
    b.page.keyboard.up("Shift")
    (pair,) = b.pairs
    assert pair["target"][1] == pair["handle"][1]
    assert pair["target"][0] == near(0.7)


def test_escape_breaks_a_drag_off(bench):
    b = bench(text=ONE)
    b.page.mouse.move(*b.at(0.75, 0.5))
    b.page.mouse.down()
    b.page.mouse.move(*b.at(0.9, 0.9), steps=3)
    b.settle()
    ring = b.box(".ad-circle")
    assert (ring["x"] + ring["width"] / 2, ring["y"] + ring["height"] / 2) == pytest.approx(b.at(0.9, 0.9), abs=1)
    b.press("Escape")
    b.page.mouse.up()
    assert b.pairs == json.loads(ONE)["pairs"]


def test_half_a_drag_is_never_stored(bench):
    # ComfyUI takes steps of its undo of what is stored at moments of its own.
    b = bench(text=ONE)
    for start, end in (((0.75, 0.5), (0.9, 0.9)), ((0.1, 0.1), (0.3, 0.2))):
        before, written = b.stored, b.page.evaluate("host.written")
        b.page.mouse.move(*b.at(*start))
        b.page.mouse.down()
        b.page.mouse.move(*b.at(*end), steps=5)
        b.tick()
        assert (b.stored, b.page.evaluate("host.written")) == (before, written)
        b.page.mouse.up()
        assert b.stored != before
        assert b.page.evaluate("host.written") == written + 1


def test_arrows_move_by_pixels_of_the_picture(bench):
    b = bench(text=ONE)
    b.page.locator(".ad-ground").focus()
    b.press("Tab")
    b.press("ArrowRight", "ArrowUp", "Shift+ArrowDown")
    assert b.pairs[0]["handle"] == pytest.approx([0.25 + PIXEL[0], 0.5 + 9 * PIXEL[1]], abs=1e-6)
    b.press("Tab", "Shift+ArrowLeft")
    assert b.pairs[0]["target"] == pytest.approx([0.75 - 10 * PIXEL[0], 0.5], abs=1e-6)
    assert "ArrowRight" not in str(b.page.evaluate("outside"))


def test_keys_alone_make_and_delete_a_drag(bench):
    b = bench()
    b.page.locator(".ad-ground").focus()
    b.press("n")
    assert b.pairs[0]["handle"] == [0.5, 0.5]
    b.press("ArrowLeft", "Delete")
    assert b.stored == ""
    # One more finds nothing to delete, and must still not reach ComfyUI, which would delete the node.
    b.press("Delete", "Backspace")
    assert not [event for event in b.page.evaluate("outside") if "Delete" in event or "Backspace" in event]
    b.press("Escape")
    assert b.page.evaluate("document.activeElement === document.body")


def test_points_can_be_read_out_and_focus_can_be_seen(bench):
    b = bench(text=TWO)
    slider = b.page.get_by_role("slider", name="Drag 2, target")
    assert slider.get_attribute("aria-valuetext") == "x 480, y 360 px"
    b.page.locator(".ad-ground").focus()
    b.press("Tab", "Tab", "Tab")
    b.settle()
    assert b.page.locator(".ad-focused").count() == 1
    assert b.page.locator(".ad-handle.ad-focused .ad-number").text_content() == "2"
    unnamed = b.page.evaluate(
        "[...document.querySelectorAll('.ad-picker :is(button, input, select, textarea)')]"
        ".filter((e) => !(e.getAttribute('aria-label') || e.textContent.trim())).length"
    )
    assert unnamed == 0


def test_undo_and_redo_by_keys_and_buttons(bench):
    b = bench()
    b.drag((0.2, 0.2), (0.4, 0.4))
    first = b.stored
    b.drag((0.6, 0.6), (0.8, 0.8))
    second = b.stored
    b.press("Control+z")
    assert b.stored == first
    b.press("Control+z")
    assert b.stored == ""
    b.press("Control+y")
    assert b.stored == first
    b.press("Control+Shift+z")
    assert b.stored == second
    b.click("Undo (Ctrl+Z)")
    assert b.stored == first
    b.click("Redo (Ctrl+Y)")
    b.click("Delete all drags and clicks")
    assert b.stored == ""
    b.click("Undo (Ctrl+Z)")
    assert b.stored == second


def test_a_run_of_arrow_keys_is_one_step_back(bench):
    b = bench(text=ONE)
    b.page.locator('[data-end="target"]').focus()
    b.press(*["ArrowRight"] * 5)
    assert b.pairs[0]["target"][0] == pytest.approx(0.75 + 5 * PIXEL[0], abs=1e-6)
    b.press("Control+z")
    assert b.pairs == json.loads(ONE)["pairs"]


def test_numbers_can_be_typed(bench):
    b = bench(text=ONE)
    b.page.get_by_label("Drag 1, target, x").fill("320")
    b.press("Tab")
    assert b.pairs[0]["target"] == [0.5, 0.5]
    b.page.get_by_label("Drag 1, handle, y").fill("48")
    b.press("Enter")
    assert b.pairs[0]["handle"] == [0.25, 0.1]


def test_radius_is_in_units_of_the_shorter_side(bench):
    b = bench(text=ONE)
    b.click("Limit how far drag 1 reaches")
    assert b.pairs[0]["radius"] == 0.2
    b.page.get_by_label("Drag 1: radius").fill("120")
    b.press("Enter")
    assert b.pairs[0]["radius"] == 0.25
    grip = b.box(".ad-grip")
    disc = b.box(".ad-disc")
    frame = b.box(".ad-picture")
    centre = disc["x"] + disc["width"] / 2, disc["y"] + disc["height"] / 2
    b.page.mouse.move(grip["x"] + grip["width"] / 2, grip["y"] + grip["height"] / 2)
    b.page.mouse.down()
    b.page.mouse.move(centre[0], centre[1] + frame["height"] * 0.4, steps=4)
    b.page.mouse.up()
    assert b.pairs[0]["radius"] == pytest.approx(0.4, abs=0.02)
    b.click("Lift the limit of drag 1")
    assert "radius" not in b.pairs[0]


def test_the_wheel_is_the_canvas_s_until_the_picker_is_in_use(bench):
    b = bench()
    b.page.mouse.move(*b.at(0.5, 0.5))
    b.page.mouse.wheel(0, -200)
    b.settle()
    assert (b.page.evaluate("host.wheels"), b.page.locator(".ad-zoom").inner_text()) == (1, "100%")
    b.page.mouse.click(*b.at(0.5, 0.5))
    b.page.mouse.wheel(0, -200)
    b.settle()
    assert b.page.evaluate("host.wheels") == 1
    assert b.page.locator(".ad-zoom").inner_text() != "100%"
    # Zooming out of the fitted picture is not the picker's either.
    for _ in range(4):
        b.page.mouse.wheel(0, 400)
    b.settle()
    assert b.page.locator(".ad-zoom").inner_text() == "100%"
    assert b.page.evaluate("host.wheels") > 1


def test_drawing_is_exact_when_zoomed_in_and_panned(bench):
    b = bench()
    for _ in range(6):
        b.click("Zoom in (+)")
    b.click("Move the picture instead of drawing")
    before = b.at(0.5, 0.5)
    b.page.mouse.move(*before)
    b.page.mouse.down()
    b.page.mouse.move(before[0] + 40, before[1] + 30, steps=3)
    b.page.mouse.up()
    b.settle()
    assert b.at(0.5, 0.5) == pytest.approx((before[0] + 40, before[1] + 30), abs=1)
    assert b.stored == ""
    b.click("Move the picture instead of drawing")
    b.drag((0.45, 0.45), (0.5, 0.5))
    (pair,) = b.pairs
    assert pair["handle"] == near(0.45, 0.45, pixels=0.6)
    assert pair["target"] == near(0.5, 0.5, pixels=0.6)


def test_the_picture_does_not_move_while_drawing(bench):
    b = bench()
    before = b.at(0, 0)
    for at in (0.2, 0.4, 0.6, 0.8):
        b.drag((at, 0.2), (at, 0.8))
    assert b.at(0, 0) == before


def test_nothing_of_a_drag_reaches_the_page_behind(bench):
    b = bench()
    b.drag((0.3, 0.3), (0.6, 0.6))
    assert not [event for event in b.page.evaluate("outside") if event.startswith("pointerdown")]


def touch(session: CDPSession, kind: str, *points: tuple[float, float]) -> None:
    listed = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
    session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": listed})


def test_a_finger_draws_and_two_fingers_zoom(bench):
    b = bench(touch=True)
    session = b.page.context.new_cdp_session(b.page)
    touch(session, "touchStart", b.at(0.3, 0.3))
    touch(session, "touchMove", b.at(0.5, 0.5))
    touch(session, "touchMove", b.at(0.6, 0.6))
    touch(session, "touchEnd")
    assert b.pairs[0]["target"] == near(0.6, 0.6)
    stored = b.stored
    left, right = b.at(0.4, 0.2), b.at(0.6, 0.2)
    touch(session, "touchStart", left)
    touch(session, "touchStart", left, right)
    touch(session, "touchMove", left, (right[0] + 80, right[1]))
    touch(session, "touchEnd")
    assert b.page.locator(".ad-zoom").inner_text() != "100%"
    assert b.stored == stored


def test_a_pen_draws_and_moves_an_end(bench):
    b = bench()
    session = b.page.context.new_cdp_session(b.page)
    b.page.evaluate(
        "for (const type of ['pointerdown', 'pointermove', 'pointerup']) document.querySelector('.ad-stage')"
        ".addEventListener(type, (event) => (window.kinds ??= new Set()).add(event.pointerType))"
    )

    def pen(kind: str, x: float, y: float) -> None:
        down = {"button": "left", "buttons": 1, "clickCount": 1, "force": 0.4} if kind != "mouseReleased" else {}
        event = {"type": kind, "x": x, "y": y, "pointerType": "pen", "button": "left"}
        session.send("Input.dispatchMouseEvent", event | down)

    def stroke(start: tuple[float, float], end: tuple[float, float]) -> None:
        pen("mousePressed", *start)
        for part in (0.3, 0.7, 1):
            pen("mouseMoved", *(a + (z - a) * part for a, z in zip(start, end, strict=True)))
        pen("mouseReleased", *end)

    stroke(b.at(0.3, 0.3), b.at(0.6, 0.6))
    (pair,) = b.pairs
    assert b.page.evaluate("[...kinds]") == ["pen"]
    assert pair["handle"] == near(0.3, 0.3)
    assert pair["target"] == near(0.6, 0.6)
    # A pen is aimed less well than a mouse: 14 px beside the end still takes it, where a mouse would draw anew.
    x, y = b.at(0.6, 0.6)
    to_x, to_y = b.at(0.8, 0.4)
    stroke((x + 14, y), (to_x + 14, to_y))
    (pair,) = b.pairs
    assert pair["handle"] == near(0.3, 0.3)
    assert pair["target"] == near(0.8, 0.4)
    assert b.page.evaluate("host.commits") == 2


@pytest.mark.parametrize("stored", ["{oops <img src=x onerror=alert(1)>", '{"version": 9, "pairs": []}', "[[1, 2]]"])
def test_what_cannot_be_read_is_kept_for_copying(bench, stored):
    b = bench(text=stored)
    assert b.stored == ""
    assert "could not be read" in b.notice("broken")
    assert b.page.locator(".ad-kept").input_value() == stored
    assert b.page.locator(".ad-notices img").count() == 0
    b.drag((0.3, 0.3), (0.6, 0.6))
    b.tick()
    assert b.page.locator(".ad-kept").input_value() == stored
    b.page.locator('[data-notice="broken"]').get_by_role("button", name="Dismiss").click()
    b.tick()
    assert b.notice("broken") is None
    assert len(b.pairs) == 1


def test_drags_for_each_picture_of_a_batch_stay_until_something_is_drawn(bench):
    sets = f"[{ONE}, {TWO}]"
    b = bench(text=sets)
    b.tick()
    assert b.stored == sets
    assert "each of 2 pictures" in b.notice("pictures")
    assert b.notice("broken") is None
    b.drag((0.3, 0.3), (0.6, 0.6))
    b.tick()
    assert json.loads(b.stored)["pairs"][0]["handle"] == near(0.3, 0.3)
    assert b.notice("pictures") is None
    assert b.page.locator(".ad-kept").input_value() == sets
    assert b.notice("broken").startswith("Drags of its own for each of 2 pictures were replaced")
    # One that no node would take is none.
    b.page.evaluate("(text) => { host.text = text }", f"[{ONE}, 3]")
    b.tick()
    assert b.stored == ""


def test_points_outside_are_marked_and_not_lost(bench):
    outside = {"version": 1, "pairs": [{"handle": [1.5, 0.5], "target": [0.5, 0.5]}]}
    b = bench(text=json.dumps(outside))
    assert b.pairs == [{"handle": [1, 0.5], "target": [0.5, 0.5]}]
    assert "Drag 1" in b.notice("clamped")


def test_a_target_outside_is_shown_at_the_edge_and_can_be_fetched_back(bench):
    leaving = {"version": 1, "pairs": [{"handle": [0.5, 0.5], "target": [2.5, 0.5]}]}
    b = bench(text=json.dumps(leaving))
    assert b.pairs == leaving["pairs"]
    assert b.page.locator(".ad-target.ad-outside").count() == 1
    ring = b.box(".ad-circle")
    stage = b.box(".ad-stage")
    assert ring["x"] + ring["width"] <= stage["x"] + stage["width"]
    b.page.mouse.move(ring["x"] + ring["width"] / 2, ring["y"] + ring["height"] / 2)
    b.page.mouse.down()
    b.page.mouse.move(*b.at(0.8, 0.4), steps=4)
    b.page.mouse.up()
    assert b.pairs[0]["target"] == near(0.8, 0.4)


def test_another_picture_keeps_the_points_and_says_so(bench):
    b = bench()
    b.drag((0.3, 0.4), (0.7, 0.6))
    stored = b.stored
    b.page.evaluate("(found) => { host.picture = found }", picture(300, 500))
    b.page.wait_for_function("document.querySelector('[data-notice=\"size\"]')")
    assert "300 × 500" in b.notice("size")
    assert "640 × 480" in b.notice("size")
    assert b.stored == stored
    disc = b.box(".ad-disc")
    middle = disc["x"] + disc["width"] / 2, disc["y"] + disc["height"] / 2
    assert middle == pytest.approx(b.at(*b.pairs[0]["handle"]), abs=1)


def test_a_picture_from_further_up_is_called_an_approximation(bench):
    b = bench(shown=picture(640, 480, exact=False, via="<b>Scale</b>"))
    assert "<b>Scale</b>" in b.notice("approximate")


def test_names_are_shown_as_text(bench):
    name = "we'ird \"<script>window.hacked=1</script>é名.png"
    b = bench(shown=picture(64, 64, name=name))
    assert name in b.page.locator(".ad-picture-info").inner_text()
    assert b.page.evaluate("window.hacked") is None
    assert b.page.locator(".ad-picker script").count() == 0


def test_without_a_picture_drags_can_be_set_all_the_same(bench):
    b = bench(shown=None)
    assert "Link an image" in b.page.locator(".ad-empty").inner_text()
    b.page.locator(".ad-ground").focus()
    b.press("n")
    assert b.pairs[0]["handle"] == [0.5, 0.5]


def test_a_picture_that_is_gone_is_said_to_be(bench):
    b = bench()
    b.page.evaluate("(found) => { host.picture = found }", picture(1, 1, key="gone", url="/nowhere.png"))
    b.page.wait_for_function("document.querySelector('.ad-empty').textContent.includes('could not be loaded')")


def test_mask_and_heatmap_of_the_selected_drag(bench):
    b = bench(text=TWO)
    mask = b.page.get_by_role("button", name="Mask", exact=True)
    assert mask.is_disabled()
    outcome = {
        "mask": picture_url(64, 48, (255, 255, 255)),
        "heat": [picture_url(64, 48, (200, 0, 0)), picture_url(64, 48, (0, 200, 0))],
        "points": b.stored,
        "serial": 1,
        "live": True,
    }
    b.page.evaluate("(outcome) => { host.outcome = outcome }", outcome)
    b.page.wait_for_selector('.ad-overlay[data-showing="mask"]')
    overlay, shown = (b.box(part) for part in (".ad-overlay", ".ad-picture"))
    assert overlay == shown
    b.click("Heatmap")
    b.page.wait_for_selector('.ad-overlay[data-showing="heat"]')
    colour = "[...document.querySelector('.ad-overlay').getContext('2d').getImageData(3, 3, 1, 1).data].slice(0, 2)"
    red, green = b.page.evaluate(colour)
    assert red > green
    b.page.locator(".ad-badge").nth(1).click()
    b.page.wait_for_function(f"(() => {{ const [r, g] = {colour}; return g > r }})()")
    assert b.notice("stale") is None
    # Nothing says where light changed yet.
    light = b.page.get_by_role("button", name="Light", exact=True)
    assert not light.is_visible()
    lit = {**outcome, "light": picture_url(64, 48, (255, 255, 255)), "serial": 2}
    b.page.evaluate("(outcome) => { host.outcome = outcome }", lit)
    b.tick()
    light.click()
    b.page.wait_for_selector('.ad-overlay[data-showing="light"]')
    assert b.page.evaluate(colour.replace("0, 2)", "0, 3)")) == [255, 190, 0]
    # The next run changed no light: what it did make is shown.
    b.page.evaluate("(outcome) => { host.outcome = outcome }", {**outcome, "serial": 3})
    b.page.wait_for_selector('.ad-overlay[data-showing="mask"]')
    b.tick()
    assert not light.is_visible()
    b.drag((0.25, 0.25), (0.4, 0.3))
    b.tick()
    assert "last run" in b.notice("stale")
    b.press("Control+z")
    b.tick()
    assert b.notice("stale") is None


def test_a_window_is_a_frame_over_the_picture_and_holds_the_mask_that_is_of_it(bench):
    b = bench(text=TWO)
    frame = b.page.locator(".ad-window")
    assert frame.is_hidden()
    outcome = {
        "mask": picture_url(64, 48, (255, 255, 255)), "heat": [], "points": b.stored, "serial": 1, "live": True,
        "window": {"left": 0.25, "top": 0.5, "width": 0.5, "height": 0.25, "inside": False},
    }  # fmt: skip

    def boxes():
        b.page.wait_for_selector(".ad-overlay[data-showing='mask']")
        b.tick()
        return [b.box(part) for part in (".ad-picture", ".ad-overlay", ".ad-window")]

    b.page.evaluate("(outcome) => { host.outcome = outcome }", outcome)
    shown, overlay, window = boxes()
    expected = {
        "x": shown["x"] + shown["width"] / 4, "y": shown["y"] + shown["height"] / 2,
        "width": shown["width"] / 2, "height": shown["height"] / 4,
    }  # fmt: skip
    assert frame.is_visible() and window == pytest.approx(expected, abs=0.5) and overlay == shown
    # It goes with the picture, and takes no press from it.
    b.click("Zoom in (+)")
    shown, _, window = boxes()
    assert window["width"] == pytest.approx(shown["width"] / 2, abs=0.5)
    b.click("Fit the picture in (0)")
    before = len(b.pairs)
    b.drag((0.3, 0.6), (0.4, 0.6))
    assert len(b.pairs) == before + 1
    outcome["window"]["inside"], outcome["serial"] = True, 2
    b.page.evaluate("(outcome) => { host.outcome = outcome }", outcome)
    _, overlay, window = boxes()
    assert overlay == pytest.approx(window, abs=0.5)
    b.page.evaluate("(outcome) => { host.outcome = outcome }", {**outcome, "window": None, "serial": 3})
    b.tick()
    b.page.wait_for_function("document.querySelector('.ad-window').hidden")


def test_a_value_from_outside_replaces_what_is_shown(bench):
    b = bench(text=ONE)
    b.page.evaluate("(text) => { host.text = text }", TWO)
    b.tick()
    assert b.page.locator(".ad-pair").count() == 2
    assert b.page.evaluate("host.written") == 0


def test_a_picker_taken_off_and_put_back_draws_again(bench):
    b = bench()
    # Taken off with a frame still to be drawn.
    b.page.evaluate("picker.tick(); picker.stop(); picker.start()")
    b.page.evaluate("(text) => { host.text = text }", TWO)
    b.tick()
    assert b.page.locator(".ad-pair").count() == 2


def test_a_linked_text_is_said_to_overrule_the_drawing(bench):
    b = bench()
    b.page.evaluate("host.linked = true")
    b.tick()
    assert "linked" in b.notice("linked")
    assert b.notice("handles") is None
    b.page.evaluate("host.otherHandles = true")
    b.tick()
    assert "which way" in b.notice("handles")


@pytest.mark.parametrize("size", [(260, 260), (480, 560), (1100, 1100)])
def test_fits_small_and_large_nodes(bench, size):
    b = bench(text=TWO, size=size)
    node = b.box("#node")
    for part in (".ad-toolbar", ".ad-stage", ".ad-status"):
        box = b.box(part)
        assert box["x"] >= node["x"] - 1 and box["x"] + box["width"] <= node["x"] + node["width"] + 1, part
        assert box["y"] + box["height"] <= node["y"] + node["height"] + 1, part
    assert b.box(".ad-stage")["height"] >= 0.4 * size[1]


@pytest.mark.parametrize("width", [250, 300, 430, 480])
def test_numbers_have_room_in_a_narrow_node(bench, width):
    ends = {"handle": [0.25, 0.75], "target": [0.75, 0.75]}
    pair = ends | {"radius": 0.2, "group": 256, "motion": "reshape", "size": -9}
    click = {"at": [0.5, 0.5], "kind": "leave_out", "group": 256}
    b = bench(text=json.dumps({"version": 2, "pairs": [pair], "clicks": [click]}), size=(width, 560))
    panel = b.box(".ad-panel")
    for row in b.page.locator(".ad-row").all():
        controls = [control for control in row.locator("input, select, button").all() if control.is_visible()]
        boxes = [control.bounding_box() for control in controls]
        assert all(box["x"] >= panel["x"] and box["x"] + box["width"] <= panel["x"] + panel["width"] for box in boxes)
        for field in row.locator("input").all():
            assert field.input_value()
            assert field.evaluate("(field) => field.scrollWidth <= field.clientWidth"), field.get_attribute("title")
        for at, one in enumerate(boxes):
            for other in boxes[at + 1 :]:
                apart_x = one["x"] + one["width"] <= other["x"] + 0.5 or other["x"] + other["width"] <= one["x"] + 0.5
                apart_y = one["y"] + one["height"] <= other["y"] + 0.5 or other["y"] + other["height"] <= one["y"] + 0.5
                assert apart_x or apart_y


def test_a_radius_is_seen_on_a_picture_of_its_own_colour(bench):
    blue = (0, 114, 178)
    text = json.dumps({"version": 1, "pairs": [{"handle": [0.5, 0.5], "target": [0.8, 0.5], "radius": 0.4}]})
    b = bench(text=text, shown=picture(640, 480, url=picture_url(640, 480, blue)))
    shown = Image.open(io.BytesIO(b.page.screenshot())).convert("RGB")
    x, y = b.at(0.5, 0.5)
    reach = b.at(0.5 + 0.4 * 480 / 640, 0.5)[0] - x
    # The circle's top: away from the arrow and from the handle.
    top = shown.crop((round(x - reach / 2), round(y - reach - 5), round(x + reach / 2), round(y - reach / 2)))
    assert top.convert("L").getextrema()[1] > 150
