"""The picker in ComfyUI's own page: both front ends, both ways of drawing nodes, a run to its end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts.comfy_page import ComfyPage
from tests.browser.conftest import ODD_NAME, FrontEnds
from tests.browser.contrast import measure
from tests.comfy.graphs import CHECKPOINT

OVERLAY = "document.querySelector('.ad-overlay[data-showing=\"%s\"]') !== null"


def near(*expected: float):
    return pytest.approx(expected, abs=0.015)


def test_draw_run_and_see_the_result(comfy: ComfyPage):
    comfy.build("wide.png", CHECKPOINT)
    before = comfy.canvas_state
    comfy.drag((0.35, 0.4), (0.7, 0.6))
    assert comfy.canvas_state == before
    (pair,) = comfy.pairs
    assert pair["handle"] == near(0.35, 0.4)
    assert pair["target"] == near(0.7, 0.6)

    with comfy.page.expect_request("**/prompt") as posted:
        comfy.page.keyboard.press("Control+Enter")
    sent = posted.value.post_data_json["prompt"]
    (inputs,) = (node["inputs"] for node in sent.values() if node["class_type"] == "AttentionDragPoints")
    assert inputs["points"] == comfy.stored
    assert sorted(inputs) == ["image", "points"]

    # The mask of the run, over the picture; then the edited image in the node behind.
    comfy.wait_for_run(OVERLAY % "mask")
    comfy.page.get_by_role("button", name="Heatmap", exact=True).click()
    comfy.page.wait_for_selector('.ad-overlay[data-showing="heat"]')
    comfy.wait_for_run("Object.values(app.nodeOutputs).some((o) => o.images?.[0]?.type === 'output')")


def test_keys_stay_in_the_picker_and_both_undos_work(comfy: ComfyPage):
    comfy.build("wide.png")
    comfy.drag((0.2, 0.3), (0.4, 0.3))
    comfy.drag((0.6, 0.7), (0.8, 0.7))
    two = comfy.stored
    comfy.page.keyboard.press("Delete")
    comfy.page.keyboard.press("Delete")
    comfy.wait_for_pairs(1)
    assert comfy.page.evaluate("app.graph.nodes.length") == 2
    comfy.page.keyboard.press("Control+z")
    comfy.wait_for_pairs(2)
    assert comfy.stored == two
    comfy.wait_until_recorded()
    # ComfyUI's own history has these as steps, too: back by the undone deletion, then by the deletion.
    comfy.leave_picker()
    for count in (1, 2, 1):
        comfy.undo_in_comfyui()
        comfy.wait_for_pairs(count)
    comfy.page.wait_for_function("document.querySelectorAll('.ad-pair').length === 1")


def test_clicks_are_put_moved_and_taken_back_where_comfyui_has_keys_of_its_own(comfy: ComfyPage):
    page = comfy.page
    comfy.build("wide.png")
    comfy.drag((0.2, 0.7), (0.5, 0.7))
    before = comfy.canvas_state
    # ComfyUI selects several nodes with one of these keys held, and copies a node that is dragged with the other.
    for key, at in (("Control", (0.3, 0.2)), ("Alt", (0.7, 0.3))):
        page.keyboard.down(key)
        page.mouse.click(*comfy.at(*at))
        page.keyboard.up(key)
    assert [(click["at"], click["kind"]) for click in comfy.clicks] == [
        (near(0.3, 0.2), "add"),
        (near(0.7, 0.3), "leave_out"),
    ]
    comfy.drag((0.7, 0.3), (0.8, 0.6))
    assert comfy.clicks[1]["at"] == near(0.8, 0.6)
    # Letters that are shortcuts of ComfyUI's: R reloads its nodes, A, D, H, K and L may be a user's own.
    for key in ("k", "h", "n"):
        page.keyboard.press(key)
    assert comfy.clicks[1]["kind"] == "add"
    comfy.wait_for_pairs(2)
    assert comfy.pairs[1]["handle"] == comfy.pairs[1]["target"]
    assert comfy.canvas_state == before
    assert page.evaluate("app.graph.nodes.length") == 2
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    comfy.wait_for_pairs(1)
    assert comfy.clicks[1]["kind"] == "leave_out"
    stored = comfy.stored
    comfy.wait_until_recorded()
    comfy.leave_picker()
    added = "(count) => document.querySelectorAll('.ad-click[data-kind=\"add\"]').length === count"
    comfy.undo_in_comfyui()
    page.wait_for_function(added, arg=2)
    page.keyboard.press("Control+y")
    page.wait_for_function(added, arg=1)
    assert comfy.stored == stored


@pytest.mark.parametrize("scale", [0.5, 2])
def test_exact_on_a_zoomed_canvas_and_the_wheel_goes_through(comfy: ComfyPage, scale: float):
    comfy.build("wide.png")
    comfy.zoom_canvas(scale)
    comfy.drag((0.3, 0.3), (0.6, 0.5))
    (pair,) = comfy.pairs
    assert pair["handle"] == near(0.3, 0.3)
    assert pair["target"] == near(0.6, 0.5)
    # Half way down: at twice the size what lies lower may be under a notice of the page's own.
    at, before = comfy.at(0.8, 0.4), comfy.canvas_state
    comfy.page.mouse.move(*at)
    comfy.page.mouse.wheel(0, -120)
    comfy.page.wait_for_function("document.querySelector('.ad-zoom').textContent !== '100%'")
    assert comfy.canvas_state == before
    comfy.leave_picker()
    comfy.page.mouse.wheel(0, 120)
    comfy.page.wait_for_function("(before) => app.canvas.ds.scale < before", arg=before[0])


def test_another_picture_shows_at_once_and_says_so(comfy: ComfyPage):
    comfy.build("wide.png")
    comfy.drag((0.3, 0.3), (0.6, 0.5))
    stored = comfy.stored
    for name, size in (("tall.png", "64 × 96"), (ODD_NAME, "80 × 80")):
        comfy.choose_picture(name)
        comfy.page.wait_for_function(
            "([name, size]) => document.querySelector('.ad-picture-info').textContent === `${name} · ${size}`",
            arg=[name, size],
        )
        assert size in comfy.page.locator('[data-notice="size"]').inner_text()
    assert comfy.stored == stored
    assert comfy.page.evaluate("window.hacked") is None


def test_copies_exports_and_subgraphs_keep_the_drags(pinned: ComfyPage):
    pinned.build("wide.png")
    pinned.drag((0.3, 0.3), (0.6, 0.5))
    stored = pinned.stored
    values = pinned.page.evaluate(
        """async () => {
          const text = (node) => node.widgets.find((w) => w.name === 'points').value;
          const points = app.graph.nodes.find((n) => n.type === 'AttentionDragPoints');
          app.canvas.selectNode(points);
          app.canvas.copyToClipboard();
          app.canvas.pasteFromClipboard();
          const copies = app.graph.nodes.filter((n) => n.type === 'AttentionDragPoints').map(text);
          app.graph.remove(app.graph.nodes.filter((n) => n.type === 'AttentionDragPoints')[1]);
          const exported = JSON.parse(JSON.stringify(app.graph.serialize()));
          app.graph.clear();
          await app.loadGraphData(exported);
          const again = text(app.graph.nodes.find((n) => n.type === 'AttentionDragPoints'));
          return { copies, again };
        }"""
    )
    assert values["copies"] == [stored, stored]
    assert values["again"] == stored
    pinned.wait_for_picture()
    inside = pinned.page.evaluate(
        """() => {
          const points = app.graph.nodes.find((n) => n.type === 'AttentionDragPoints');
          const { subgraph } = app.graph.convertToSubgraph(new Set([points]));
          app.canvas.setGraph(subgraph);
          const inner = subgraph.nodes.find((n) => n.type === 'AttentionDragPoints');
          return inner.widgets.find((w) => w.name === 'points').value;
        }"""
    )
    assert inside == stored
    # Its picture comes from outside of the subgraph.
    pinned.wait_for_picture()
    pinned.page.wait_for_function("document.querySelector('.ad-picture-info').textContent.startsWith('wide.png')")
    pinned.page.evaluate("app.canvas.setGraph(app.rootGraph ?? app.graph.rootGraph)")


def test_the_workflow_in_a_saved_png_brings_the_drags_back(pinned: ComfyPage):
    pinned.build("wide.png", CHECKPOINT)
    pinned.drag((0.35, 0.4), (0.7, 0.6))
    stored = pinned.stored
    saved = "Object.values(app.nodeOutputs).flatMap((o) => o.images ?? []).find((i) => i.type === 'output')"
    reference = pinned.run(saved)
    pinned.build("tall.png")
    assert pinned.stored == ""
    pinned.page.evaluate(
        """async (reference) => {
          const response = await fetch(`/view?${new URLSearchParams(reference)}`);
          await app.handleFile(new File([await response.blob()], "saved.png", { type: "image/png" }));
        }""",
        reference,
    )
    pinned.wait_for_pairs(1)
    assert pinned.stored == stored
    pinned.wait_for_picture()


@pytest.mark.parametrize("palette", ["dark", "light"])
def test_everything_can_be_read_in_comfyui_s_palettes(comfy: ComfyPage, palette: str):
    comfy.use_palette(palette)
    try:
        comfy.build("wide.png")
        comfy.drag((0.3, 0.3), (0.6, 0.5))
        comfy.drag((0.3, 0.7), (0.6, 0.8))
        for tool, at in (("Anchor", (0.8, 0.2)), ("Add", (0.1, 0.1)), ("Leave out", (0.9, 0.9))):
            comfy.page.get_by_role("button", name=tool, exact=True).click()
            comfy.page.mouse.click(*comfy.at(*at))
        comfy.choose_picture("tall.png")
        comfy.page.wait_for_selector('[data-notice="size"]')
        comfy.page.locator(".ad-details summary").click()
        comfy.page.mouse.move(5, 500)
        # Colours of what the pointer was over fade.
        fading = "document.querySelector('.ad-picker').getAnimations({ subtree: true })"
        comfy.page.wait_for_function(f"() => {fading}.every((one) => one.playState !== 'running')")
        # All of the list, which scrolls.
        high = comfy.page.add_style_tag(content=".ad-panel.ad-panel { height: 300px }")
        comfy.settle()
        parts = measure(comfy.page, ".ad-picker")
        high.evaluate("(style) => style.remove()")
        # Under a node that is selected or shifted, nothing would be found and all would seem well.
        kinds = [part.kind for part in parts]
        assert kinds.count("text") > 10
        assert kinds.count("icon") > 10
        assert kinds.count("edge") > 10
        least = {"text": 4.5, "icon": 3, "edge": 3}
        faint = [part for part in parts if part.contrast < least[part.kind]]
        assert not faint, "\n".join(map(str, faint))
    finally:
        comfy.use_palette("dark")


def shown(comfy: ComfyPage) -> list[tuple[int, str]]:
    """Pairs drawn and picture told of, for every picker on the page."""
    return comfy.page.evaluate(
        """() => [...document.querySelectorAll('.ad-picker')].map((picker) =>
          [picker.querySelectorAll('.ad-pair').length, picker.querySelector('.ad-picture-info').textContent])"""
    )


def test_workflow_tabs_keep_their_own_picker(comfy: ComfyPage):
    comfy.build("wide.png")
    comfy.drag((0.3, 0.3), (0.6, 0.5))
    first, first_text = comfy.workflow_key, comfy.stored
    # The second workflow's nodes have the same ids.
    comfy.build("tall.png")
    assert comfy.workflow_key != first
    assert shown(comfy) == [[0, "tall.png · 64 × 96"]]
    comfy.drag((0.2, 0.2), (0.7, 0.2))
    comfy.drag((0.2, 0.8), (0.7, 0.8))
    second_text = comfy.stored

    comfy.next_workflow(-1)
    assert comfy.workflow_key == first
    comfy.wait_for_picture()
    comfy.page.wait_for_function("document.querySelector('.ad-picture-info').textContent.startsWith('wide.png')")
    comfy.page.wait_for_function("document.querySelectorAll('.ad-pair').length === 1")
    assert shown(comfy) == [[1, "wide.png · 128 × 64"]]
    assert comfy.stored == first_text
    # The graph was loaded anew: there is nothing to undo in it, rather than something of the other tab.
    undo = comfy.page.get_by_role("button", name="Undo (Ctrl+Z)", exact=True)
    assert undo.is_disabled()

    comfy.drag((0.25, 0.8), (0.75, 0.8))
    kept, drawn = comfy.pairs
    assert kept == json.loads(first_text)["pairs"][0]
    assert drawn["handle"] == near(0.25, 0.8)
    assert drawn["target"] == near(0.75, 0.8)
    undo.click()
    comfy.wait_for_pairs(1)
    assert comfy.stored == first_text
    comfy.page.get_by_role("button", name="Redo (Ctrl+Y)", exact=True).click()
    comfy.wait_for_pairs(2)
    both_text = comfy.stored

    for step, text, info in ((1, second_text, "tall.png · 64 × 96"), (-1, both_text, "wide.png · 128 × 64")):
        comfy.next_workflow(step)
        comfy.wait_for_picture()
        told = "(info) => document.querySelector('.ad-picture-info').textContent === info"
        comfy.page.wait_for_function(told, arg=info)
        assert shown(comfy) == [[2, info]]
        assert comfy.stored == text


def test_survives_a_reload_of_the_page(pinned: ComfyPage):
    pinned.build("wide.png")
    pinned.drag((0.3, 0.3), (0.6, 0.5))
    stored = pinned.stored
    pinned.wait_until_kept()
    pinned.load()
    pinned.wait_for_picture()
    assert pinned.stored == stored
    assert pinned.page.locator(".ad-pair").count() == 1


def test_mask_and_heatmap_are_there_after_a_reload(pinned: ComfyPage):
    pinned.build("wide.png", CHECKPOINT)
    # Points of its own: a run that is cached whole, from another test's graph, sends no mask.
    pinned.drag((0.4, 0.35), (0.65, 0.75))
    pinned.run_until_overlay()
    # The mask shows while the way back still runs, and the history has a run once it has ended.
    pinned.wait_for_queue()
    pinned.wait_until_kept()
    pinned.load()
    pinned.wait_for_picture()
    # Nothing runs again: what the run before the reload made is the server's to tell.
    for name, kind in (("Mask", "mask"), ("Heatmap", "heat")):
        pinned.page.get_by_role("button", name=name, exact=True).click()
        pinned.page.wait_for_selector(f'.ad-overlay[data-showing="{kind}"]')
    assert pinned.page.locator('[data-notice="stale"]').count() == 0
    pinned.drag((0.2, 0.8), (0.4, 0.8))
    pinned.page.wait_for_selector('[data-notice="stale"]')


_WAIT_BEFORE_SAVING = """(file) => {
  const find = (type) => app.graph.nodes.find((node) => node.type === type);
  const wait = LiteGraph.createNode("ProbeWait");
  wait.pos = [1180, 400];
  app.graph.add(wait);
  wait.widgets.find((widget) => widget.name === "file").value = file;
  find("AttentionDragEdit").connect(0, wait, 0);
  wait.connect(0, find("SaveImage"), 0);
}"""


def run_until_it_waits(
    front_ends: FrontEnds, comfy: ComfyPage, handle: tuple[float, float], name: str
) -> Path:
    """Runs an edit that has shown its mask and doesn't end before the file is there whose path this gives."""
    comfy.build("wide.png", CHECKPOINT)
    comfy.drag(handle, (handle[0] + 0.25, 0.85))
    comfy.page.evaluate(_WAIT_BEFORE_SAVING, name)
    comfy.run_until_overlay()
    # ComfyUI looks for changes after the user has done something.
    comfy.page.get_by_role("button", name="Fit the picture in (0)", exact=True).click()
    comfy.wait_until_kept("ProbeWait")
    return front_ends.base.input / name


def test_mask_is_there_after_a_reload_in_the_middle_of_a_run(front_ends: FrontEnds, pinned: ComfyPage):
    go = run_until_it_waits(front_ends, pinned, (0.4, 0.45), "go")
    pinned.load()
    pinned.wait_for_picture()
    running = pinned.page.evaluate("async () => (await (await fetch('/queue')).json()).queue_running.length")
    assert running == 1, "the run has ended: this tests nothing"
    assert pinned.page.locator('.ad-overlay[data-showing="mask"]').count() == 0
    go.touch()
    try:
        pinned.page.wait_for_selector('.ad-overlay[data-showing="mask"]')
    finally:
        go.unlink()
    assert pinned.page.locator('[data-notice="stale"]').count() == 0


def test_mask_is_there_when_the_run_ends_while_the_server_tells_a_loaded_page_of_earlier_ones(
    front_ends: FrontEnds, pinned: ComfyPage
):
    go = run_until_it_waits(front_ends, pinned, (0.35, 0.45), "go on")
    told = []
    pinned.page.route("**/history?max_items=24", lambda route: told.append((route, route.fetch())), times=1)
    pinned.load()
    pinned.wait_for_picture()
    assert told, "nobody has asked for the history: this tests nothing"
    go.touch()
    try:
        pinned.wait_for_queue()
    finally:
        go.unlink()
    ((route, before_the_end),) = told
    route.fulfill(response=before_the_end)
    # The page shows one by itself after its own runs; this one's end it has seen.
    pinned.page.wait_for_selector('.ad-overlay[data-showing="mask"]')


def test_mask_and_heatmap_are_there_when_another_workflow_ran_the_same(pinned: ComfyPage):
    pinned.build("wide.png", CHECKPOINT)
    pinned.drag((0.45, 0.3), (0.6, 0.85))
    text = pinned.stored
    pinned.run_until_overlay()

    # Other ids: the cache doesn't go by them.
    pinned.build("wide.png", CHECKPOINT, first_id=31)
    assert pinned.page.locator('.ad-overlay[data-showing="mask"]').count() == 0
    pinned.write(text)
    pinned.run_until_overlay()
    history = pinned.page.evaluate("async () => (await fetch('/history?max_items=1')).json()")
    (entry,) = history.values()
    shown_of_mask = [one for one in entry["outputs"].values() if "attentiondrag_mask" in one]
    assert shown_of_mask == [], "the server told of the mask by itself: this tests nothing"

    pinned.wait_until_kept()
    pinned.load()
    pinned.wait_for_picture()
    for name, kind in (("Mask", "mask"), ("Heatmap", "heat")):
        pinned.page.get_by_role("button", name=name, exact=True).click()
        pinned.page.wait_for_selector(f'.ad-overlay[data-showing="{kind}"]')
    assert pinned.page.locator('[data-notice="stale"]').count() == 0


def test_where_light_changed_is_shown_and_mask_and_heatmap_with_it_after_a_reload(pinned: ComfyPage):
    pinned.build("wide.png", CHECKPOINT)
    pinned.drag((0.45, 0.3), (0.6, 0.85))
    edit = "app.graph.nodes.find((node) => node.type === 'AttentionDragEdit')"
    pinned.page.evaluate(f"{edit}.widgets.find((one) => one.name === 'light').value = 0.8")
    light = pinned.page.get_by_role("button", name="Light", exact=True)
    pinned.run("[...document.querySelectorAll('[data-overlay=light]')].some((button) => !button.hidden)")
    light.click()
    pinned.page.wait_for_selector('.ad-overlay[data-showing="light"]')

    pinned.wait_until_kept()
    pinned.load()
    pinned.wait_for_picture()
    for name, kind in (("Mask", "mask"), ("Heatmap", "heat"), ("Light", "light")):
        pinned.page.get_by_role("button", name=name, exact=True).click()
        pinned.page.wait_for_selector(f'.ad-overlay[data-showing="{kind}"]')
    assert pinned.page.locator('[data-notice="stale"]').count() == 0

    # The mask comes from the cache now, and only the light is told anew, or that there is none.
    shown = "!document.querySelector('[data-overlay=light]').hidden"
    for amount, told in ((0, f"!({shown})"), (0.6, shown)):
        pinned.page.evaluate(f"{edit}.widgets.find((one) => one.name === 'light').value = {amount}")
        pinned.run(told)
        pinned.page.wait_for_selector('.ad-overlay[data-showing="mask"]')


def test_a_node_cannot_be_made_too_small_to_use(pinned: ComfyPage):
    pinned.build("wide.png")
    corner = pinned.page.evaluate(
        """() => {
          const node = app.graph.nodes.find((n) => n.type === 'AttentionDragPoints');
          const box = app.canvas.canvas.getBoundingClientRect();
          const [x, y] = app.canvas.ds.convertOffsetToCanvas([node.pos[0] + node.size[0], node.pos[1] + node.size[1]]);
          return [box.left + x - 3, box.top + y - 3];
        }"""
    )
    mouse = pinned.page.mouse
    mouse.move(*corner)
    mouse.down()
    mouse.move(corner[0] - 440, corner[1] - 500, steps=8)
    mouse.up()
    pinned.settle()
    width, height = pinned.page.evaluate("app.graph.nodes.find((n) => n.type === 'AttentionDragPoints').size")
    assert (width, height) < (480, 600), "the corner was not where the node can be resized: this tests nothing"
    picker, stage = (pinned.page.locator(part).bounding_box() for part in (".ad-picker", ".ad-stage"))
    assert picker["width"] >= 240
    assert stage["height"] >= 100
    # With all there may be: Light is hidden until a run has changed some. In one go, or the next tick hides it again.
    boxes = pinned.page.evaluate(
        """() => {
          const buttons = [...document.querySelectorAll('.ad-toolbar button')];
          for (const button of buttons) button.hidden = false;
          return buttons.map((button) => button.getBoundingClientRect().toJSON());
        }"""
    )
    assert len(boxes) == 17
    for box in boxes:
        assert picker["x"] <= box["x"]
        assert box["x"] + box["width"] <= picker["x"] + picker["width"] + 1


def test_points_promoted_to_a_subgraph_still_feed_the_run(pinned: ComfyPage):
    pinned.build("wide.png", CHECKPOINT)
    pinned.drag((0.35, 0.4), (0.7, 0.6))
    stored = pinned.stored
    sent = pinned.page.evaluate(
        """async () => {
          const points = app.graph.nodes.find((n) => n.type === 'AttentionDragPoints');
          app.graph.convertToSubgraph(new Set([points]));
          return (await app.graphToPrompt()).output;
        }"""
    )
    (inputs,) = (node["inputs"] for node in sent.values() if node["class_type"] == "AttentionDragPoints")
    assert inputs["points"] == stored


def test_the_server_refuses_broken_text_with_words_for_a_user(pinned: ComfyPage):
    pinned.build("wide.png", CHECKPOINT)
    answer = pinned.page.evaluate(
        """async () => {
          const { output } = await app.graphToPrompt();
          for (const node of Object.values(output)) if (node.class_type === 'AttentionDragPoints')
            node.inputs.points = '{"version": 1, "pairs": [{"handle": [0.5, 0.5]}]}';
          const response = await fetch('/prompt', { method: 'POST', body: JSON.stringify({ prompt: output }) });
          return [response.status, await response.text()];
        }"""
    )
    assert answer[0] == 400
    assert "drag 1 has no target" in json.dumps(json.loads(answer[1]))


@pytest.mark.parametrize("end", ["pinned", "newest"])
def test_what_is_rarely_set_shows_on_demand(front_ends: FrontEnds, end: str):
    comfy = front_ends.page(end)
    comfy.render_with(False)
    comfy.build("wide.png")
    shown = """() => {
      const node = app.graph.nodes.find((one) => one.type === "AttentionDragEdit");
      const visible = node.widgets.filter((one) => node.isWidgetVisible(one));
      const rows = visible.map((one) => one.y);
      const gaps = rows.slice(1).map((y, at) => y - rows[at]);
      return { names: visible.map((one) => one.name), lowest: Math.max(...rows) + 20, gaps, height: node.size[1] };
    }"""
    drawn = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    edit = "app.graph.nodes.find((one) => one.type === 'AttentionDragEdit')"
    comfy.page.evaluate("() => void app.graph.add(LiteGraph.createNode('AttentionDragEdit'))")
    comfy.page.evaluate(f"() => {{ {edit}.pos = [890, 60]; app.canvas.setDirty(true, true) }}")
    comfy.page.evaluate(drawn)
    few = comfy.page.evaluate(shown)
    assert few["names"] == ["strength", "seed", "preset"]
    assert set(few["gaps"]) == {24}, "room is kept for what is hidden"
    assert few["lowest"] < few["height"] < few["lowest"] + 40

    # Its own menu's entry does this.
    comfy.page.evaluate(f"() => {edit}.toggleAdvanced()")
    comfy.page.evaluate(drawn)
    many = comfy.page.evaluate(shown)
    assert len(many["names"]) > 10
    assert set(many["gaps"]) == {24}
    assert many["lowest"] < many["height"]
    comfy.page.evaluate(f"() => {edit}.toggleAdvanced()")

    # What somebody has set is not hidden from them when the file opens; what is as it was, is.
    load = "async () => { await app.loadGraphData(JSON.parse(JSON.stringify(app.graph.serialize()))) }"
    comfy.page.evaluate(load)
    assert comfy.page.evaluate(shown)["names"] == few["names"]
    comfy.page.evaluate(f"() => {{ {edit}.widgets.find((one) => one.name === 'tau').value = 0.3 }}")
    comfy.page.evaluate(load)
    assert comfy.page.evaluate(shown)["names"] == many["names"]


_BREAK = """() => {
  const find = (type) => app.graph.nodes.find((node) => node.type === type);
  const broken = LiteGraph.createNode("ProbeBrokenModel"), edit = find("AttentionDragEdit");
  broken.pos = [0, 620];
  app.graph.add(broken);
  for (const [name, value] of [["call", 2], ["how", "nan"]])
    broken.widgets.find((widget) => widget.name === name).value = value;
  find("CheckpointLoaderSimple").connect(0, broken, 0);
  broken.connect(0, edit, edit.inputs.findIndex((input) => input.name === "model"));
}"""


def test_an_error_in_a_stage_leads_to_the_edit_node(front_ends: FrontEnds):
    """In a page of its own: the newest front end's report stays open beside the canvas."""
    comfy = ComfyPage.open(front_ends.browser, front_ends.page("newest").url)
    page, edit = comfy.page, "app.graph.nodes.find((one) => one.type === 'AttentionDragEdit')"
    try:
        for vue in (False, True):
            comfy.render_with(vue)
            comfy.build("wide.png", CHECKPOINT)
            comfy.drag((0.35, 0.4), (0.7, 0.6))
            page.evaluate(_BREAK)
            page.evaluate("window.runFailed = null; app.queuePrompt(0)")
            page.wait_for_function("window.runFailed")
            # Which node it was: in the message, on the node where that is an element, and in the report.
            page.get_by_text("AttentionDrag Edit failed").first.wait_for()
            if vue:
                marked = f"() => document.querySelector(`[data-node-id='${{{edit}.id}}']`).innerText.includes('Error')"
                page.wait_for_function(marked)
            page.get_by_role("button", name="View details").first.click()
            report = page.get_by_text("# ComfyUI Error Report").first
            report.wait_for()
            text = report.inner_text()
            assert f"**Node ID:** {page.evaluate(edit + '.id')}\n" in text
            assert "**Node Type:** AttentionDragEdit\n" in text
            sentence = "attention_drag.errors.InputError: AttentionDrag Edit, input 'model': The inversion gave NaN"
            assert f"**Exception Message:** {sentence}" in text
            assert "in invert\n" in text
    finally:
        page.context.close()
