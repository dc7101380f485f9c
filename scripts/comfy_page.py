"""ComfyUI's own page in a browser, with a graph that holds the picker: for tests and screenshots."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

import requests
from playwright.sync_api import Browser, Page

SETTINGS = {
    "Comfy.TutorialCompleted": True,
    "Comfy.InstalledVersion": "1.32.9",
    "Comfy.VueNodes.Enabled": False,
    "Comfy.Workflow.ShowMissingModelsWarning": False,
    "Comfy.Minimap.Visible": False,
}
_START_MS = 300_000
_WAIT_MS = 300_000
_RUN_MS = 1_800_000

_BUILD = """async ({picture, checkpoint, before}) => {
  // Without its renderer's name a graph counts as old: Vue rendering moves its nodes, a step of its own in undo.
  const extra = {workflowRendererVersion: LiteGraph.vueNodesMode ? "Vue" : "LG"};
  await app.loadGraphData({nodes: [], links: [], groups: [], config: {}, extra, version: 0.4,
                           last_node_id: before, last_link_id: 0});
  const add = (type, x, y) => {
    const node = LiteGraph.createNode(type);
    node.pos = [x, y];
    app.graph.add(node);
    return node;
  };
  const set = (node, values) => {
    for (const widget of node.widgets) if (widget.name in values) {
      widget.value = values[widget.name];
      widget.callback?.(widget.value);
    }
  };
  const link = (from, slot, to, name) => from.connect(slot, to, to.inputs.findIndex((input) => input.name === name));
  const image = add("LoadImage", 0, 60), points = add("AttentionDragPoints", 340, 60);
  set(image, {image: picture});
  link(image, 0, points, "image");
  if (checkpoint) {
    const model = add("CheckpointLoaderSimple", 0, 500), edit = add("AttentionDragEdit", 890, 60);
    const save = add("SaveImage", 1180, 60);
    set(model, {ckpt_name: checkpoint});
    set(edit, {steps: 4, strength: 0.5});
    link(model, 0, edit, "model");
    link(model, 2, edit, "vae");
    link(image, 0, edit, "image");
    link(points, 0, edit, "points");
    link(edit, 0, save, "images");
  }
  app.canvas.ds.scale = 1;
  app.canvas.ds.offset = [60, 40];
  app.canvas.setDirty(true, true);
}"""
_WATCH_RUNS = """async () => {
  const { api } = await import("/scripts/api.js");
  window.serverApi = api;
  api.addEventListener("execution_start", () => { window.runFailed = null });
  api.addEventListener("execution_error", ({ detail }) => {
    window.runFailed = `${detail.node_type}: ${detail.exception_type}: ${detail.exception_message}`;
  });
}"""
_POINTS = "[...app.graph.nodes].find((node) => node.type === 'AttentionDragPoints')"


@dataclass
class ComfyPage:
    """One page of a running ComfyUI."""

    page: Page
    url: str

    @classmethod
    def open(cls, browser: Browser, url: str, dpr: float = 1, touch: bool = False, **settings: Any) -> ComfyPage:
        for name, value in (SETTINGS | settings).items():
            requests.post(f"{url}/settings/{name}", json=value, timeout=60).raise_for_status()
        context = browser.new_context(
            viewport={"width": 1500, "height": 950}, device_scale_factor=dpr, has_touch=touch
        )
        # The front end's own advertisement for Nodes 2.0, dismissed.
        context.add_init_script("localStorage.setItem('vueNodesBannerDismissed', 'true')")
        context.set_default_timeout(_WAIT_MS)
        one = cls(context.new_page(), url)
        one.load()
        return one

    def load(self) -> None:
        """(Re)loads the page and waits until ComfyUI is ready, and its server knows it.

        Before that, a run is nobody's and the server tells nobody of it; and the page stores its workflow where, loaded
        again, it doesn't look first.
        """
        self.page.goto(self.url, wait_until="domcontentloaded", timeout=_START_MS)
        ready = "window.LiteGraph?.registered_node_types?.AttentionDragPoints && window.app?.canvas"
        ready += " && window.app.extensionManager?.workflow?.activeWorkflow?.changeTracker"
        self.page.wait_for_function(ready, timeout=_START_MS)
        self.page.evaluate(_WATCH_RUNS)
        self.page.wait_for_function("window.serverApi.clientId", timeout=_START_MS)
        self.page.wait_for_timeout(500)

    def render_with(self, vue_nodes: bool) -> None:
        """Switches between LiteGraph's canvas and Nodes 2.0."""
        # A page tells the server what changes in it alone, and others of the same user have changed the server's: this
        # page, loaded again, would come as they are.
        requests.post(f"{self.url}/settings/Comfy.VueNodes.Enabled", json=vue_nodes, timeout=60).raise_for_status()
        if self.page.evaluate("LiteGraph.vueNodesMode") == vue_nodes:
            return
        setting = "(on) => app.extensionManager.setting.set('Comfy.VueNodes.Enabled', on)"
        self.page.evaluate(setting, vue_nodes)
        self.page.wait_for_function("(on) => LiteGraph.vueNodesMode === on", arg=vue_nodes)
        self.page.wait_for_timeout(300)

    def build(self, picture: str, checkpoint: str | None = None, first_id: int = 1) -> None:
        """A new workflow with LoadImage and the points node, and an edit of its result if there is a checkpoint."""
        given = {"picture": picture, "checkpoint": checkpoint, "before": first_id - 1}
        self.page.evaluate(_BUILD, given)
        self.wait_for_picture()

    def run(self, arrived: str) -> Any:
        """Runs the workflow; see `wait_for_run`."""
        self.page.evaluate("window.runFailed = null; app.queuePrompt(0)")
        return self.wait_for_run(arrived)

    def run_until_overlay(self, kind: str = "mask") -> None:
        """Runs the workflow until its mask or heatmap lies over the picture."""
        self.run(f"document.querySelector('.ad-overlay[data-showing=\"{kind}\"]') !== null")

    def wait_for_run(self, arrived: str) -> Any:
        """Until a run that has been started brings something to the page; returns it.

        Args:
            arrived: a JavaScript expression, true once it is there.

        Raises:
            AssertionError: a node failed; the message is what it said.
        """
        failed = "window.runFailed && { failed: window.runFailed }"
        ended = f"() => ({failed}) || ((found) => found && {{ found }})({arrived})"
        outcome = self.page.wait_for_function(ended, timeout=_RUN_MS).json_value()
        assert "failed" not in outcome, outcome["failed"]
        return outcome["found"]

    def wait_for_queue(self) -> None:
        """Until nothing runs and nothing waits: what a run made is in the server's history from then on."""
        until = time.monotonic() + _RUN_MS / 1000
        # Not `wait_for_function`: it takes the promise of an asynchronous function for its answer.
        while any(requests.get(f"{self.url}/queue", timeout=60).json().values()):
            assert time.monotonic() < until, "the queue is not empty yet"
            self.page.wait_for_timeout(100)

    def use_palette(self, name: str) -> None:
        """ComfyUI's colours: "dark", "light" or another that it has."""
        text = "getComputedStyle(document.body).getPropertyValue('--input-text')"
        change = f"""async (id) => {{
          const {{ setting }} = app.extensionManager, before = {text}, same = setting.get("Comfy.ColorPalette") === id;
          await setting.set("Comfy.ColorPalette", id);
          return same ? null : before;
        }}"""
        before = self.page.evaluate(change, name)
        self.page.wait_for_function(f"(before) => {text} !== before", arg=before)

    def choose_picture(self, name: str) -> None:
        """Another file in LoadImage."""
        choose = """(name) => {
          const image = app.graph.nodes.find((node) => node.type === "LoadImage");
          const widget = image.widgets.find((one) => one.name === "image");
          widget.value = name;
          widget.callback?.(name);
        }"""
        self.page.evaluate(choose, name)

    @property
    def workflow_key(self) -> str:
        """Names the workflow tab that is open."""
        return self.page.evaluate("app.extensionManager.workflow.activeWorkflow.key")

    def next_workflow(self, step: int = 1) -> None:
        """Goes one workflow tab on (or back, with -1), until its graph is loaded."""
        before = self.workflow_key
        command = "Workspace.NextOpenedWorkflow" if step > 0 else "Workspace.PreviousOpenedWorkflow"
        self.page.evaluate("(id) => app.extensionManager.command.execute(id)", command)
        loaded = "(key) => { const open = app.extensionManager.workflow.activeWorkflow;"
        loaded += " return open.key !== key && !open.changeTracker._restoringState }"
        self.page.wait_for_function(loaded, arg=before)

    def wait_for_picture(self) -> None:
        shown = "(() => { const i = document.querySelector('.ad-picture'); return i && !i.hidden && i.naturalWidth })()"
        self.page.wait_for_function(shown)
        self.settle()

    def settle(self) -> None:
        """Until the picker lies still."""
        self.page.wait_for_function(
            """() => {
              const box = document.querySelector('.ad-picture')?.getBoundingClientRect();
              const now = box?.width > 0 && [box.x, box.y, box.width, box.height].join();
              const still = (window.stillSince ??= {});
              if (!now || now !== still.box) Object.assign(still, { box: now, time: performance.now(), frames: 0 });
              still.frames += 1;
              const done = now && still.frames > 5 && performance.now() - still.time > 300;
              if (done) window.stillSince = null;
              return done;
            }""",
            polling="raf",
        )

    def zoom_canvas(self, scale: float) -> None:
        """Zooms ComfyUI's canvas so that the points node is in view."""
        move = f"(s) => {{ const n = {_POINTS}; app.canvas.ds.scale = s;"
        move += " app.canvas.ds.offset = [120 / s - n.pos[0], 90 / s - n.pos[1]]; app.canvas.setDirty(true, true) }"
        self.page.evaluate(move, scale)
        self.settle()

    @property
    def stored(self) -> str:
        return self.page.evaluate(f"{_POINTS}.widgets.find((widget) => widget.name === 'points').value")

    @property
    def pairs(self) -> list[dict[str, Any]]:
        return json.loads(self.stored)["pairs"] if self.stored else []

    @property
    def clicks(self) -> list[dict[str, Any]]:
        return json.loads(self.stored).get("clicks", []) if self.stored else []

    @property
    def canvas_state(self) -> list[float]:
        """What must not change by accident: place and zoom of the canvas, place of the node."""
        return self.page.evaluate(f"[app.canvas.ds.scale, ...app.canvas.ds.offset, ...{_POINTS}.pos]")

    def at(self, x: float, y: float) -> tuple[float, float]:
        box = self.page.locator(".ad-picture").bounding_box()
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        mouse = self.page.mouse
        mouse.move(*self.at(*start))
        mouse.down()
        mouse.move(*self.at(*end), steps=5)
        mouse.up()

    def write(self, stored: str) -> None:
        """Puts a text into the node, as a script would."""
        write = f"(text) => {{ {_POINTS}.widgets.find((widget) => widget.name === 'points').value = text }}"
        self.page.evaluate(write, stored)

    def wait_until_kept(self, *texts: str) -> None:
        """Until ComfyUI has put the open workflow into the browser's storage, with its points and further texts in it.

        All of them in one entry: others may be of another workflow, or of an earlier state of this one.
        """
        kept = """(texts) => {
          const within = texts.map((text) => JSON.stringify(text).slice(1, -1));
          const entries = [localStorage, sessionStorage].flatMap((one) => Object.values(one));
          return entries.some((entry) => within.every((text) => entry.includes(text)));
        }"""
        self.page.wait_for_function(kept, arg=[self.stored, *texts])

    def wait_until_recorded(self) -> None:
        """Until ComfyUI's own history has the points as they are: from then on undoing leads back to them."""
        tracker = "app.extensionManager.workflow.activeWorkflow.changeTracker"
        recorded = f"(text) => JSON.stringify({tracker}.activeState).includes(JSON.stringify(text).slice(1, -1))"
        self.page.wait_for_function(recorded, arg=self.stored)

    def leave_picker(self) -> None:
        """The focus back to ComfyUI's canvas, so that its own undo answers."""
        self.page.evaluate("document.activeElement?.blur()")

    def wait_for_pairs(self, count: int) -> None:
        counted = f"(n) => {{ const t = {_POINTS}?.widgets.find((w) => w.name === 'points').value;"
        counted += " return t !== undefined && (t ? JSON.parse(t).pairs.length : 0) === n }"
        self.page.wait_for_function(counted, arg=count)

    def undo_in_comfyui(self) -> None:
        """ComfyUI's own undo of one step, until its graph is loaded: a key pressed before that mixes two loads."""
        tracker = "app.extensionManager.workflow.activeWorkflow.changeTracker"
        steps = self.page.evaluate(f"{tracker}.undoQueue.length")
        self.page.keyboard.press("Control+z")
        done = f"(steps) => {tracker}.undoQueue.length < steps && !{tracker}._restoringState"
        self.page.wait_for_function(done, arg=steps)
