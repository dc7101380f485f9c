"""Where the picker's picture, mask and heatmap come from, and that they stay or are said to be old."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator

import pytest
from PIL import Image

from scripts.comfy_page import ComfyPage
from tests.browser.conftest import FrontEnds
from tests.comfy.graphs import CHECKPOINT, GROW

INFO = "document.querySelector('.ad-picture-info').textContent"
_NEW_FILE = """([name, data]) => {
  const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
  window.carried = new DataTransfer();
  window.carried.items.add(new File([bytes], name, { type: "image/png" }));
}"""
_FIND = "const node = app.graph.nodes.find((one) => one.type === 'LoadImage');"
# Where LoadImage's title ends and its body begins, on the screen.
_PLACE = f"""() => {{
  {_FIND}
  const box = app.canvas.canvas.getBoundingClientRect();
  const [x, y] = app.canvas.ds.convertOffsetToCanvas([node.pos[0] + 60, node.pos[1] + 12]);
  return [box.left + x, box.top + y];
}}"""
_DROP = """([clientX, clientY]) => {
  for (const type of ["dragenter", "dragover", "drop"]) {
    const given = { clientX, clientY, dataTransfer: window.carried, bubbles: true, cancelable: true, composed: true };
    document.elementFromPoint(clientX, clientY).dispatchEvent(new DragEvent(type, given));
  }
}"""
# What ComfyUI asks of the selected node when a file is pasted; which node that is differs between its renderings.
_PASTE = f"""() => {{
  {_FIND}
  if (node.pasteFiles) node.pasteFiles([...window.carried.files]);
  else node.pasteFile(window.carried.files[0]);
}}"""
# LoadImage -> ImageScale -> AttentionDragPoints -> PreviewImage
_BETWEEN = """([width, height]) => {
  const find = (type) => app.graph.nodes.find((node) => node.type === type);
  const [load, points] = ["LoadImage", "AttentionDragPoints"].map(find);
  const [scale, preview] = ["ImageScale", "PreviewImage"].map((type) => LiteGraph.createNode(type));
  for (const [node, x] of [[scale, 0], [preview, 900]]) {
    node.pos = [x, 480];
    app.graph.add(node);
  }
  scale.title = "<i>Smaller</i>";
  for (const [name, value] of Object.entries({ width, height }))
    scale.widgets.find((widget) => widget.name === name).value = value;
  load.connect(0, scale, 0);
  scale.connect(0, points, points.inputs.findIndex((input) => input.name === "image"));
  points.connect(1, preview, 0);
}"""
# What stands between AttentionDrag Mask and Apply: the mask that takes effect is the other half of the picture.
_CHAIN = """([checkpoint, grow]) => {
  const node = (type) => app.graph.nodes.find((one) => one.type === type);
  const add = (type, values = {}) => {
    const made = LiteGraph.createNode(type);
    made.pos = [app.graph.nodes.length * 90, 760];
    app.graph.add(made);
    for (const [name, value] of Object.entries(values)) made.widgets.find((one) => one.name === name).value = value;
    return made;
  };
  const link = (from, slot, to, name) => from.connect(slot, to, to.inputs.findIndex((input) => input.name === name));
  const load = node("LoadImage"), points = node("AttentionDragPoints");
  const model = add("CheckpointLoaderSimple", { ckpt_name: checkpoint }), encode = add("VAEEncode");
  const inversion = add("AttentionDragInversion", { steps: 4, strength: 0.5 });
  const mask = add("AttentionDragMask", { grow }), invert = add("InvertMask");
  const apply = add("AttentionDragApply"), preview = add("PreviewImage");
  link(load, 0, encode, "pixels");
  link(model, 2, encode, "vae");
  link(model, 0, inversion, "model");
  link(encode, 0, inversion, "latent");
  for (const one of [mask, apply]) {
    link(inversion, 0, one, "inversion");
    link(points, 0, one, "points");
  }
  link(mask, 0, invert, "mask");
  link(model, 0, apply, "model");
  link(invert, 0, apply, "mask");
  link(apply, 2, preview, "images");
}"""


def png(width: int, height: int, colour: str) -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def wait_for_size(comfy: ComfyPage, size: str) -> None:
    comfy.page.wait_for_function(f"(size) => {INFO}.endsWith(size)", arg=size)


def wait_for_upload(comfy: ComfyPage) -> None:
    """Until the newer front end would take another file: it shows the last one a moment before, and warns meanwhile."""
    comfy.page.wait_for_function(f"() => {{ {_FIND} return !node.isUploading; }}")


def set_widget(comfy: ComfyPage, node_type: str, name: str, value: object) -> None:
    change = """([type, name, value]) => {
      const widget = app.graph.nodes.find((node) => node.type === type).widgets.find((one) => one.name === name);
      widget.value = value;
      widget.callback?.(value);
    }"""
    comfy.page.evaluate(change, [node_type, name, value])


def test_a_file_uploaded_dropped_or_pasted_shows_at_once(comfy: ComfyPage):
    comfy.build("wide.png")
    page = comfy.page
    with page.expect_file_chooser() as chosen:
        page.evaluate(f"{_FIND} node.widgets.find((one) => one.type === 'button').callback()")
    uploaded = {"name": "up & down.png", "mimeType": "image/png", "buffer": base64.b64decode(png(70, 30, "green"))}
    chosen.value.set_files([uploaded])
    wait_for_size(comfy, "70 × 30")
    assert page.evaluate(INFO).startswith("up & down")
    wait_for_upload(comfy)

    page.evaluate(_NEW_FILE, ["dropped.png", png(50, 40, "red")])
    page.evaluate(_DROP, page.evaluate(_PLACE))
    wait_for_size(comfy, "50 × 40")
    wait_for_upload(comfy)

    page.evaluate(_NEW_FILE, ["image.png", png(60, 90, "blue")])
    page.evaluate(_PASTE)
    wait_for_size(comfy, "60 × 90")
    # All of it without a run, and into the node that was there.
    assert page.evaluate("app.graph.nodes.length") == 2


def test_a_preview_of_the_node_before_is_taken(pinned: ComfyPage):
    pinned.build("wide.png")
    pinned.page.evaluate(_BETWEEN, [96, 32])
    pinned.page.wait_for_selector('[data-notice="approximate"]')
    # As nodes with a preview of their own leave it.
    pinned.page.evaluate(
        """() => {
          const scale = app.graph.nodes.find((one) => one.type === "ImageScale");
          app.nodeOutputs[scale.id] = { images: [{ filename: "tall.png", subfolder: "", type: "input" }] };
        }"""
    )
    wait_for_size(pinned, "64 × 96")
    assert pinned.page.locator('[data-notice="approximate"]').count() == 0


def test_a_picture_made_in_between_is_kept_through_reload_and_restart(front_ends: FrontEnds, pinned: ComfyPage):
    pinned.build("wide.png")
    page = pinned.page
    page.evaluate(_BETWEEN, [96, 32])
    approximate = page.locator('[data-notice="approximate"]')
    approximate.wait_for()
    assert "<i>Smaller</i>" in approximate.inner_text()
    pinned.drag((0.2, 0.3), (0.6, 0.7))
    pinned.run(f"{INFO} === '96 × 32'")
    assert approximate.count() == 0

    # Another file: what was made of the old one is no longer what will be edited.
    pinned.choose_picture("tall.png")
    page.wait_for_function(f"{INFO} === 'tall.png · 64 × 96'")
    approximate.wait_for()
    pinned.choose_picture("wide.png")
    page.wait_for_function(f"{INFO} === '96 × 32'")
    assert approximate.count() == 0

    stored = pinned.stored
    # ComfyUI looks for changes after the user has done something.
    page.get_by_role("button", name="Fit the picture in (0)", exact=True).click()
    pinned.wait_until_kept("data:image/jpeg")
    pinned.load()
    pinned.wait_for_picture()
    page.wait_for_function(f"{INFO} === '96 × 32'")
    assert page.locator('[data-notice="copy"]').count() == 0

    # The server's temporary pictures end with it; the browser may have one for a while, or not.
    front_ends.restart("pinned")
    page.context.new_cdp_session(page).send("Network.clearBrowserCache")
    pinned.load()
    pinned.wait_for_picture()
    page.wait_for_selector('[data-notice="copy"]')
    page.wait_for_function(f"{INFO} === '96 × 32'")
    assert pinned.stored == stored
    pinned.drag((0.3, 0.8), (0.5, 0.8))
    assert len(pinned.pairs) == 2
    pinned.run("document.querySelector('[data-notice=copy]') === null")
    page.wait_for_function(f"{INFO} === '96 × 32'")


def test_a_mask_of_other_settings_or_another_picture_is_said_to_be_old(pinned: ComfyPage):
    pinned.build("wide.png", CHECKPOINT)
    pinned.drag((0.3, 0.45), (0.65, 0.6))
    pinned.run_until_overlay()
    stale = pinned.page.locator('[data-notice="stale"]')
    assert stale.count() == 0
    set_widget(pinned, "AttentionDragEdit", "tau", 0.25)
    stale.wait_for()
    set_widget(pinned, "AttentionDragEdit", "tau", 0.0)
    stale.wait_for(state="detached")
    # No part of the mask.
    set_widget(pinned, "AttentionDragEdit", "cfg", 1.5)
    pinned.choose_picture("tall.png")
    stale.wait_for()
    pinned.choose_picture("wide.png")
    stale.wait_for(state="detached")

    # It stays so after the page was loaded again. ComfyUI looks for changes after the user has done something.
    pinned.page.get_by_role("button", name="Fit the picture in (0)", exact=True).click()
    pinned.wait_until_kept("behind")
    pinned.load()
    pinned.wait_for_picture()
    pinned.page.get_by_role("button", name="Mask", exact=True).click()
    pinned.page.wait_for_selector('.ad-overlay[data-showing="mask"]')
    assert stale.count() == 0
    set_widget(pinned, "AttentionDragEdit", "grow", 3)
    stale.wait_for()
    set_widget(pinned, "AttentionDragEdit", "grow", 0)
    stale.wait_for(state="detached")
    pinned.choose_picture("tall.png")
    stale.wait_for()


def test_the_mask_that_takes_effect_is_shown(pinned: ComfyPage):
    pinned.build("wide.png")
    pinned.page.evaluate(_CHAIN, [CHECKPOINT, GROW])
    pinned.drag((0.3, 0.4), (0.7, 0.6))
    at = """([x, y]) => {
      const canvas = document.querySelector(".ad-overlay");
      const place = [Math.floor(x * canvas.width), Math.floor(y * canvas.height)];
      return canvas.getContext("2d").getImageData(...place, 1, 1).data[3];
    }"""
    handle = pinned.pairs[0]["handle"]
    made = "Object.values(app.nodeOutputs).filter((output) => output.attentiondrag_mask).length === 2"
    pinned.run(made)
    # Found at the handle, and turned round before it is applied.
    turned = f"([handle, corner]) => ({at})(handle) === 0 && ({at})(corner) === 255"
    pinned.page.wait_for_function(turned, arg=[handle, [0.99, 0.02]])

    # Changed before Apply: from the cache comes nothing, and the mask that takes effect stays.
    set_widget(pinned, "AttentionDragMask", "grow", GROW + 1)
    pinned.page.wait_for_selector('[data-notice="stale"]')
    set_widget(pinned, "AttentionDragMask", "grow", GROW)
    set_widget(pinned, "AttentionDragApply", "transition", 3)
    with pinned.page.expect_response("**/history?*"):
        pinned.run("true")
    pinned.page.wait_for_timeout(500)
    assert pinned.page.evaluate(at, handle) == 0

    pinned.wait_until_kept()
    pinned.load()
    pinned.wait_for_picture()
    pinned.page.get_by_role("button", name="Mask", exact=True).click()
    pinned.page.wait_for_selector('.ad-overlay[data-showing="mask"]')
    assert pinned.page.evaluate(at, handle) == 0
    assert pinned.page.evaluate(at, [0.99, 0.02]) == 255
    assert pinned.page.locator('[data-notice="stale"]').count() == 0


@pytest.fixture(scope="module")
def tablet(front_ends: FrontEnds) -> Iterator[ComfyPage]:
    """A page on a touch screen of double density."""
    page = ComfyPage.open(front_ends.browser, front_ends.page("pinned").url, dpr=2, touch=True)
    yield page
    page.page.context.close()


@pytest.mark.parametrize("vue", [False, True], ids=["canvas", "vue"])
def test_a_finger_on_a_screen_of_double_density_draws_exactly(tablet: ComfyPage, vue: bool):
    comfy = tablet
    comfy.render_with(vue)
    comfy.build("wide.png")
    comfy.zoom_canvas(0.75)
    before = comfy.canvas_state
    session = comfy.page.context.new_cdp_session(comfy.page)

    def touch(kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": x, "y": y, "id": 1} for x, y in places]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", comfy.at(0.3, 0.3))
    touch("touchMove", comfy.at(0.5, 0.5))
    touch("touchMove", comfy.at(0.7, 0.6))
    touch("touchEnd")
    (pair,) = comfy.pairs
    assert pair["handle"] == pytest.approx([0.3, 0.3], abs=0.015)
    assert pair["target"] == pytest.approx([0.7, 0.6], abs=0.015)
    assert comfy.canvas_state == before
