"""Takes the pictures of the help pages and the README from a running ComfyUI with this pack.

    python -m scripts.screenshots http://127.0.0.1:8188

The server needs what example_workflows/attentiondrag_edit.json names; ``scripts/demo.sh --serve`` starts one that has
it. Needs Chromium and Playwright's Python package.
"""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path

from PIL import Image
from playwright.sync_api import Locator

from scripts.chromium import launch
from scripts.comfy_page import ComfyPage
from scripts.environment import REPOSITORY
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
_SIZE = """([width, height]) => {
  app.graph.nodes.find((node) => node.type === "AttentionDragPoints").setSize([width, height]);
}"""
_WRITE = """(pairs) => {
  const node = app.graph.nodes.find((candidate) => candidate.type === "AttentionDragPoints");
  node.widgets.find((widget) => widget.name === "points").value = JSON.stringify({ version: 1, pairs });
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

        page.evaluate(_SIZE, [500, 680])
        page.evaluate(_PLACE, [-280, 90, 1])
        hold = {"handle": [0.16, 0.82], "target": [0.16, 0.82]}
        page.evaluate(_WRITE, [{**pair, "radius": 0.22}, {"handle": [0.22, 0.3], "target": [0.34, 0.16]}, hold])
        page.wait_for_function("document.querySelectorAll('.ad-pair').length === 3")
        page.locator(".ad-badge").first.click()
        comfy.settle()
        save(page.locator(".ad-picker"), folder / "picker.png")

        page.evaluate(_WRITE, [pair])
        page.wait_for_function("document.querySelectorAll('.ad-pair').length === 1")
        if not run:
            return
        page.evaluate("app.queuePrompt(0)")
        page.wait_for_function(_RESULT, timeout=1_800_000)
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
        comfy.page.evaluate("app.queuePrompt(0)")
        comfy.page.wait_for_function(_RESULT, timeout=1_800_000)
        comfy.page.evaluate(_PLACE, [20, 120, 0.8])
        comfy.page.wait_for_timeout(1500)
        # The canvas below ComfyUI's bars; its own statistics stand in the lower left corner.
        save(comfy.page.locator("body"), folder / "edit.png", (80, 88, 1500, 800))


def _hide_furniture(comfy: ComfyPage) -> None:
    """Menus, toasts and banners of ComfyUI that would lie over the graph."""
    comfy.page.add_style_tag(
        content=".p-toast, .graph-canvas-menu, [role=banner], .actionbar, .side-tool-bar-container, .comfyui-body-left,"
        " .comfyui-body-top, .workflow-tabs-container, .p-breadcrumb, .subgraph-breadcrumb, .p-buttongroup"
        " { visibility: hidden !important }"
    )


def save(part: Locator, path: Path, box: tuple[int, int, int, int] | None = None) -> None:
    """A screenshot; with a palette, a third of the size, only where it would be too large for a help page."""
    picture = Image.open(io.BytesIO(part.screenshot())).convert("RGB")
    if box is not None:
        picture = picture.crop(box)
    picture.save(path, optimize=True)
    if path.stat().st_size > _MAX_BYTES:
        picture.quantize(256, dither=Image.Dither.FLOYDSTEINBERG).save(path, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server", help="address of the server, http://127.0.0.1:8188 for instance")
    parser.add_argument("--out", type=Path, default=ASSETS, help="folder for the pictures")
    parser.add_argument("--no-run", action="store_true", help="only those that need no edit")
    parser.add_argument("--steps", type=int, help="run the edit with so many steps")
    given = parser.parse_args()
    take(given.server.rstrip("/"), given.out, not given.no_run, given.steps)


if __name__ == "__main__":
    main()
