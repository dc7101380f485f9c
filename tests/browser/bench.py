"""The picker alone on an empty page, with a node of our own making behind it: quick, and free of ComfyUI's layout.

The page is served ``web/picker/`` and nothing else, so that the picker needs nothing else.
"""

from __future__ import annotations

import base64
import io
import json
from dataclasses import dataclass
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page

from tests.browser.modules import serve_page

# A machine that does other work besides is slow, not wrong.
WAIT_MS = 300_000
_PAGE = """<!doctype html><meta charset=utf-8>
<link rel=stylesheet href=/picker/picker.css>
<style>
  body { margin: 0; background: #222; overflow: hidden }
  #node { position: absolute; left: 40px; top: 30px; transform-origin: 0 0 }
</style>
<div id=node></div>"""
_SETUP = """async ({text, picture, properties}) => {
  const { Picker } = await import("/picker/picker.js");
  const host = window.host = {
    text, properties, commits: 0, wheels: 0, pointers: 0, written: 0, linked: false, picture,
    outcome: { mask: null, heat: [], points: null, serial: 0, live: false },
    readText: () => host.text,
    writeText: (value) => { host.text = value; host.written += 1; },
    commit: () => { host.commits += 1; },
    passWheel: () => { host.wheels += 1; },
    passPointer: () => { host.pointers += 1; },
    keepMounted: () => {},
    findPicture: () => host.picture,
    hasImageLink: () => host.picture !== null,
    isLinked: () => host.linked,
    hasOtherHandles: () => host.otherHandles ?? false,
    results: () => host.outcome,
    property: (name) => host.properties[name],
    setProperty: (name, value) => {
      if (value === undefined) delete host.properties[name]; else host.properties[name] = value;
    },
  };
  window.outside = [];
  for (const type of ["keydown", "pointerdown", "pointermove", "wheel"])
    window.addEventListener(type, (event) => window.outside.push(`${type} ${event.key ?? ""}`.trim()));
  window.picker = new Picker(host);
  document.querySelector("#node").append(picker.element);
  picker.start();
}"""


def picture_url(width: int, height: int, colour: tuple[int, int, int] = (90, 140, 190)) -> str:
    """A plain picture as a data URL."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def picture(width: int, height: int, **changes: Any) -> dict[str, Any]:
    """What a host would have found (web/picker/host.js)."""
    url = picture_url(width, height)
    return {"key": f"{width}x{height}", "url": url, "name": "a.png", "via": "Load", "exact": True} | changes


@dataclass
class Bench:
    """The page and ways to act on it as a person does."""

    page: Page
    kind: tuple[float, bool]
    """Density and touch of its screen."""

    @property
    def stored(self) -> str:
        return self.page.evaluate("host.text")

    @property
    def pairs(self) -> list[dict[str, Any]]:
        return json.loads(self.stored)["pairs"] if self.stored else []

    @property
    def clicks(self) -> list[dict[str, Any]]:
        return json.loads(self.stored).get("clicks", []) if self.stored else []

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a normalised point of the picture lies on the screen."""
        box = self.box(".ad-picture")
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    def box(self, part: str) -> dict[str, float]:
        """Where a part lies on the screen once what has happened is drawn: before, it lies where it was."""
        self.settle()
        return self.page.locator(part).bounding_box()

    def drag(self, start: tuple[float, float], end: tuple[float, float], steps: int = 5) -> None:
        mouse = self.page.mouse
        mouse.move(*self.at(*start))
        mouse.down()
        mouse.move(*self.at(*end), steps=steps)
        mouse.up()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def click(self, label: str) -> None:
        self.page.get_by_role("button", name=label, exact=True).click()

    def notice(self, name: str) -> str | None:
        """Text of a message, None when it is not shown."""
        found = self.page.locator(f'[data-notice="{name}"]')
        return found.inner_text() if found.count() else None

    def tick(self) -> None:
        """The picker looks at its node again, as it does by itself several times a second."""
        self.page.evaluate("picker.tick()")
        self.settle()

    def settle(self) -> None:
        """Until what has happened is drawn."""
        self.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


class Benches:
    """Opens benches in pages that are used again: each gets a new document, and whatever was pressed is let go."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._idle: dict[tuple[float, bool], list[Page]] = {}

    def open(
        self,
        *,
        text: str = "",
        shown: dict[str, Any] | None = None,
        properties: dict[str, Any] | None = None,
        size: tuple[int, int] = (480, 560),
        scale: float = 1.0,
        dpr: float = 1.0,
        touch: bool = False,
    ) -> Bench:
        """A bench with the picture loaded. The node is scaled as ComfyUI scales it when its canvas is zoomed."""
        idle = self._idle.setdefault((dpr, touch), [])
        page = idle.pop() if idle else self._new_page(dpr, touch)
        page.goto(self._url)
        page.evaluate(
            "({width, height, scale}) => Object.assign(document.querySelector('#node').style,"
            " {width: width + 'px', height: height + 'px', transform: `scale(${scale})`})",
            {"width": size[0], "height": size[1], "scale": scale},
        )
        setup = {"text": text, "picture": shown, "properties": properties or {}}
        page.evaluate(_SETUP, setup)
        if shown is not None:
            page.wait_for_function("document.querySelector('.ad-picture').naturalWidth > 0")
        page.wait_for_function("picker.element.querySelector('.ad-stage').offsetWidth > 0")
        bench = Bench(page, (dpr, touch))
        bench.settle()
        return bench

    def give_back(self, bench: Bench) -> None:
        self._idle[bench.kind].append(bench.page)

    def _new_page(self, dpr: float, touch: bool) -> Page:
        context = self._browser.new_context(
            viewport={"width": 1200, "height": 1300}, device_scale_factor=dpr, has_touch=touch
        )
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("pageerror", lambda error: page.evaluate("(text) => { window.failure = text }", str(error)))
        return page

    def __enter__(self) -> Benches:
        self._server = serve_page(_PAGE, "picker")
        self._url = self._server.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        for page in (page for pages in self._idle.values() for page in pages):
            page.context.close()
        self._server.__exit__(*error)
