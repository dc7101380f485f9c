"""The example workflows and the blueprint as ComfyUI's page opens them."""

from __future__ import annotations

import pytest
import requests

from scripts.comfy_page import ComfyPage
from scripts.environment import REPOSITORY
from scripts.workflow import default_value, load_workflow, to_prompt

PATHS = sorted((REPOSITORY / "example_workflows").glob("*.json"))
# As earlier versions of the pack saved them, with fewer widgets.
SAVED = sorted((REPOSITORY / "tests" / "comfy" / "saved").glob("*.json"))
[BLUEPRINT] = (REPOSITORY / "subgraphs").glob("*.json")

# What covers what, on the screen, in units of the graph.
_OVERLAPS = """(vue) => {
  const scale = app.canvas.ds.scale;
  const boxes = app.graph.nodes.map((node) => {
    if (!vue) return [node.title, ...node.getBounding()];
    const { x, y, width, height } = document.querySelector(`[data-node-id="${node.id}"]`).getBoundingClientRect();
    return [node.title, ...[x, y, width, height].map((value) => value / scale)];
  });
  const covers = (a, b) => Math.min(a[1] + a[3], b[1] + b[3]) - Math.max(a[1], b[1]) > 1
    && Math.min(a[2] + a[4], b[2] + b[4]) - Math.max(a[2], b[2]) > 1;
  return boxes.flatMap((a, at) => boxes.slice(at + 1).filter((b) => covers(a, b)).map((b) => [a[0], b[0]]));
}"""
_OPEN = """async (workflow) => {
  await app.loadGraphData(workflow);
  app.canvas.ds.scale = 0.4;
  app.canvas.ds.offset = [60, 100];
  app.canvas.setDirty(true, true);
}"""
_DRAWN = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
_LAID_OUT = """() => app.graph.nodes.every((node) => {
  const box = document.querySelector(`[data-node-id="${node.id}"]`)?.getBoundingClientRect();
  return box?.width > 0 && (node.type !== "LoadImage" || document.querySelector(`[data-node-id="${node.id}"] img`));
})"""


def test_templates_open_as_they_were_meant(comfy: ComfyPage):
    info = requests.get(f"{comfy.url}/object_info", timeout=120).json()
    vue = comfy.page.evaluate("LiteGraph.vueNodesMode")
    assert len(PATHS) == 7
    for path in PATHS:
        workflow = load_workflow(path)
        comfy.page.evaluate(_OPEN, workflow)
        comfy.page.wait_for_selector(".ad-picker")
        comfy.page.evaluate(_DRAWN)
        if vue:
            comfy.page.wait_for_function(_LAID_OUT)
        assert comfy.page.evaluate(_OVERLAPS, vue) == [], path.stem
        # Every widget has the value that was meant for it, and every link its place.
        sent = comfy.page.evaluate("async () => (await app.graphToPrompt()).output")
        meant = to_prompt(workflow, info)
        assert {number: one["class_type"] for number, one in sent.items()} == {
            number: one["class_type"] for number, one in meant.items()
        }, path.stem
        for number, one in sent.items():
            assert one["inputs"] == meant[number]["inputs"], (path.stem, one["class_type"])


@pytest.mark.parametrize("end", ["pinned", "newest"])
def test_what_earlier_versions_saved_opens_with_its_values(front_ends, end: str):
    comfy = front_ends.page(end)
    comfy.render_with(False)
    info = requests.get(f"{comfy.url}/object_info", timeout=120).json()
    assert SAVED
    for path in SAVED:
        workflow = load_workflow(path)
        comfy.page.evaluate(_OPEN, workflow)
        comfy.page.wait_for_selector(".ad-picker")
        sent = comfy.page.evaluate("async () => (await app.graphToPrompt()).output")
        meant = to_prompt(workflow, info)
        assert sent.keys() == meant.keys(), path.stem
        for number, one in sent.items():
            takes = info[one["class_type"]]["input"]
            specs = {**takes.get("required", {}), **takes.get("optional", {})}
            # What the file does not know of has its default.
            given = meant[number]["inputs"]
            expected = {name: given[name] if name in given else default_value(specs[name]) for name in one["inputs"]}
            assert one["inputs"] == expected and given.keys() <= expected.keys(), (path.stem, one["class_type"])


@pytest.mark.parametrize("end", ["pinned", "newest"])
def test_the_blueprint_opens_as_one_node_with_its_widgets(front_ends, end: str):
    comfy = front_ends.page(end)
    comfy.render_with(False)
    workflow = load_workflow(BLUEPRINT)
    comfy.page.evaluate(_OPEN, workflow)
    shown = comfy.page.evaluate(
        """() => {
          const [node] = app.graph.nodes;
          const names = (slots) => slots.filter((one) => !one.widget).map((one) => one.name);
          const widgets = node.widgets.map((one) => one.name), inner = node.subgraph.nodes.length;
          const inputs = names(node.inputs), outputs = names(node.outputs), count = app.graph.nodes.length;
          return { inputs, outputs, widgets, inner, count };
        }"""
    )
    assert (shown["count"], shown["inner"]) == (1, 7)
    assert shown["inputs"] == ["model", "vae", "image", "points"]
    assert shown["outputs"] == ["image", "mask", "heatmap", "displacement"]
    assert [name.split(": ")[-1] for name in shown["widgets"]] == [
        widget for _, widget in workflow["nodes"][0]["properties"]["proxyWidgets"]
    ]
    comfy.page.evaluate("() => app.canvas.setGraph(app.graph.nodes[0].subgraph)")
    try:
        comfy.page.evaluate(_DRAWN)
        assert comfy.page.evaluate(_OVERLAPS.replace("app.graph", "app.canvas.graph"), False) == []
    finally:
        comfy.page.evaluate("() => app.canvas.setGraph(app.rootGraph ?? app.graph.rootGraph ?? app.graph)")
