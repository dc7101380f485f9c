"""Takes the pictures of the help pages and the README from ComfyUI with this pack and its demo model.

    python -m scripts.screenshots

starts a server of its own (COMFYUI_PATH, or one from PyPI) and ends it. A server that is running already, with what
example_workflows/attentiondrag_edit.json names, can be given by its address. Needs Chromium and Playwright's Python
package.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from PIL import Image
from playwright.sync_api import Locator

from scripts.base_directory import make_base_directory
from scripts.chromium import launch
from scripts.comfy_page import ComfyPage
from scripts.comfyui import find_comfyui, unpack_comfyui
from scripts.demo import IMAGE, install, server_arguments, write_checkpoint
from scripts.environment import REPOSITORY, cache_directory
from scripts.server import ComfyServer
from scripts.workflow import load_workflow

WORKFLOW = REPOSITORY / "example_workflows" / "attentiondrag_edit.json"
ASSETS = REPOSITORY / "web" / "docs" / "assets"
_MAX_BYTES = 280_000
_LOAD = """async (workflow) => {
  await app.loadGraphData(workflow);
  app.graph.remove(app.graph.nodes.find((node) => node.type === "MarkdownNote"));
}"""
_PLACE = """([left, top, scale]) => {
  app.canvas.ds.scale = scale;
  app.canvas.ds.offset = [left / scale, top / scale];
  app.canvas.deselectAll?.();
  app.canvas.setDirty(true, true);
}"""
# Fits the whole graph into the window, and tells where it is: left, top, right, bottom.
_FIT = """([width, height, margin]) => {
  const boxes = app.graph.nodes.map((node) => node.getBounding());
  const [left, top] = [0, 1].map((axis) => Math.min(...boxes.map((box) => box[axis])));
  const [right, bottom] = [0, 1].map((axis) => Math.max(...boxes.map((box) => box[axis] + box[axis + 2])));
  const { ds } = app.canvas;
  ds.scale = Math.min((width - 2 * margin) / (right - left), (height - 2 * margin) / (bottom - top));
  ds.offset = [margin / ds.scale - left, margin / ds.scale - top];
  app.canvas.deselectAll?.();
  app.canvas.show_info = false;
  app.canvas.setDirty(true, true);
  return [0, 0, (right - left) * ds.scale + 2 * margin, (bottom - top) * ds.scale + 2 * margin].map(Math.round);
}"""
_SIZE = """([width, height]) => {
  app.graph.nodes.find((node) => node.type === "AttentionDragPoints").setSize([width, height]);
}"""
_WRITE = """({ pairs, clicks }) => {
  const node = app.graph.nodes.find((candidate) => candidate.type === "AttentionDragPoints");
  node.widgets.find((widget) => widget.name === "points").value = JSON.stringify({ version: 2, pairs, clicks });
}"""
_RESULT = "Object.values(app.nodeOutputs).some((output) => output.images?.[0]?.type === 'output')"


def take(server: str, folder: Path, run: bool = True, steps: int | None = None) -> None:
    """Write all pictures into ``folder``. ``steps`` replaces the workflow's own for a quick look."""
    folder.mkdir(parents=True, exist_ok=True)
    workflow = load_workflow(WORKFLOW)
    (stored,) = (node["widgets_values"][0] for node in workflow["nodes"] if node["type"] == "AttentionDragPoints")
    (pair,) = json.loads(stored)["pairs"]
    if steps is not None:
        for node in workflow["nodes"]:
            if node["type"] == "AttentionDragEdit":
                node["widgets_values"][0] = steps
    with launch() as browser:
        comfy = ComfyPage.open(browser, server, dpr=2)
        page = comfy.page
        page.evaluate(_LOAD, workflow)
        comfy.wait_for_picture()
        _hide_furniture(comfy)

        page.evaluate(_SIZE, [500, 760])
        page.evaluate(_PLACE, [-280, 90, 1])
        hold = {"handle": [0.56, 0.75], "target": [0.56, 0.75]}
        bend = {"handle": [0.765, 0.44], "target": [0.82, 0.24], "motion": "reshape", "group": 2}
        clicks = [{"at": [0.13, 0.47], "kind": "add"}, {"at": [0.7, 0.53], "kind": "leave_out", "group": 2}]
        page.evaluate(_WRITE, {"pairs": [{**pair, "radius": 0.22}, bend, hold], "clicks": clicks})
        page.wait_for_function("document.querySelectorAll('.ad-pair').length === 3")
        page.locator(".ad-badge").first.click()
        comfy.settle()
        save(page.locator(".ad-picker"), folder / "picker.png")

        page.evaluate(_SIZE, [500, 690])
        page.evaluate(_WRITE, {"pairs": [pair], "clicks": []})
        page.wait_for_function("document.querySelectorAll('.ad-pair').length === 1")
        if not run:
            return
        comfy.run(_RESULT)
        page.wait_for_selector('.ad-overlay[data-showing="mask"]', timeout=60_000)
        comfy.settle()
        save(page.locator(".ad-picker"), folder / "mask.png")
        page.get_by_role("button", name="Heatmap", exact=True).click()
        page.wait_for_selector('.ad-overlay[data-showing="heat"]', timeout=60_000)
        save(page.locator(".ad-picker"), folder / "heatmap.png")
        page.context.close()

        comfy = ComfyPage.open(browser, server, dpr=1)
        comfy.page.evaluate(_LOAD, workflow)
        comfy.wait_for_picture()
        _hide_furniture(comfy)
        comfy.run(_RESULT)
        canvas = comfy.page.locator("#graph-canvas").bounding_box()
        box = comfy.page.evaluate(_FIT, [canvas["width"], canvas["height"], 16])
        comfy.settle()
        comfy.page.wait_for_timeout(1500)
        save(comfy.page.locator("#graph-canvas"), folder / "edit.png", box)


def _hide_furniture(comfy: ComfyPage) -> None:
    """Hides all of ComfyUI's page but the graph: menus, toasts and banners differ from release to release."""
    comfy.page.add_style_tag(
        content="body * { visibility: hidden !important }"
        " body #graph-canvas, body .ad-picker.ad-picker, body .ad-picker.ad-picker * { visibility: visible !important }"
    )
    comfy.page.mouse.move(5, 500)


def save(part: Locator, path: Path, box: tuple[int, int, int, int] | None = None) -> None:
    """A screenshot; with a palette, a third of the size, only where it would be too large for a help page."""
    picture = Image.open(io.BytesIO(part.screenshot())).convert("RGB")
    if box is not None:
        picture = picture.crop(box)
    picture.save(path, optimize=True)
    if path.stat().st_size > _MAX_BYTES:
        picture.quantize(256, dither=Image.Dither.FLOYDSTEINBERG).save(path, optimize=True)


@contextmanager
def demo_server() -> Iterator[str]:
    """Address of a server with the demo model and the demo picture."""
    base = make_base_directory(cache_directory() / "demo")
    write_checkpoint(base, stand_in=False)
    install(IMAGE, base.input / IMAGE.name)
    python = Path(sys.executable)
    comfyui = find_comfyui() or unpack_comfyui(python)
    with ComfyServer(comfyui, base, python, server_arguments()) as server:
        yield server.url


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server", nargs="?", help="address of a running server, http://127.0.0.1:8188 for instance")
    parser.add_argument("--out", type=Path, default=ASSETS, help="folder for the pictures")
    parser.add_argument("--no-run", action="store_true", help="only those that need no edit")
    parser.add_argument("--steps", type=int, help="run the edit with so many steps")
    given = parser.parse_args()
    with demo_server() if given.server is None else nullcontext(given.server.rstrip("/")) as server:
        take(server, given.out, not given.no_run, given.steps)


if __name__ == "__main__":
    main()
