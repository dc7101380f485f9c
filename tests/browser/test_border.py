"""What may know what in web/: the picker no page, one file ComfyUI's scripts; one file acts when it is imported."""

from __future__ import annotations

import re
from graphlib import TopologicalSorter

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.modules import WEB, open_page

ENTRY = WEB / "attentiondrag.js"
PICKER = sorted(WEB.glob("picker/**/*.js"))
PAGE = sorted(WEB.glob("page/**/*.js"))
_IMPORT = re.compile(r"""(?:\bfrom|^\s*import|\bimport\()\s*["']([^"']+)["']""", re.MULTILINE)
_LOADED = re.compile(r"""^(?:import|(?:import|export)\b[^;"']*\bfrom)\s*["']([^"']+)["'];""", re.MULTILINE)
# Names of ComfyUI's page and routes of its server.
_FOREIGN = re.compile(r"\bapp\.|\bapi\.|LiteGraph|/view\b|/history\b|/i18n\b|/scripts/|\bComfy\.")


def imports(file) -> list[str]:
    return _IMPORT.findall(file.read_text(encoding="utf-8"))


def name(file) -> str:
    return file.relative_to(WEB).as_posix()


def test_there_are_no_other_scripts():
    # ComfyUI imports whatever lies here.
    assert PICKER and PAGE
    assert sorted(WEB.rglob("*.js")) == sorted([ENTRY, *PAGE, *PICKER])


@pytest.mark.parametrize("file", PICKER, ids=name)
def test_the_picker_knows_no_page(file):
    for target in imports(file):
        assert re.fullmatch(r"\./\w+\.js", target), target
    assert _FOREIGN.findall(file.read_text(encoding="utf-8")) == []


def test_one_file_knows_comfyui_s_scripts():
    found = {name(file): target for file in [ENTRY, *PAGE] for target in imports(file) if "/scripts/" in target}
    assert list(found) == ["page/comfyui.js"]


def test_imports_run_in_no_circle():
    # Types in comments may: they are read, not loaded.
    loaded = {}
    for file in [ENTRY, *PAGE, *PICKER]:
        targets = _LOADED.findall(file.read_text(encoding="utf-8"))
        loaded[file] = [(file.parent / target).resolve() for target in targets if "/scripts/" not in target]
    # Raises an error that names the circle. A target that is not there would be one more.
    order = list(TopologicalSorter(loaded).static_order())
    assert sorted(order) == sorted(loaded)


def test_styles_of_the_picker_name_no_colour_of_comfyui_s():
    for file in WEB.glob("picker/**/*.css"):
        used = re.findall(r"var\(\s*(--[\w-]+)", file.read_text(encoding="utf-8"))
        assert [variable for variable in used if not variable.startswith("--ad-")] == [], file.name


# Everything that is read of ComfyUI's app or server, or that a module does to the page.
_SCRIPT = """
const done = globalThis.done ??= [];
const asked = (name) => new Proxy({}, { get: (_, key) => {
  done.push(`${name}.${String(key)}`);
  return (...given) => {
    if (key === "registerExtension") globalThis.extension = given[0];
    return new Promise(() => {});
  };
} });
export const %s = asked("%s");
"""
_WATCH = """() => {
  globalThis.done = [];
  for (const [owner, names] of [
    [EventTarget.prototype, ["addEventListener"]],
    [Node.prototype, ["appendChild", "insertBefore"]],
    [Element.prototype, ["append", "prepend"]],
    [globalThis, ["fetch", "setTimeout", "setInterval", "requestAnimationFrame"]],
  ]) for (const name of names) {
    const before = owner[name];
    owner[name] = function (...given) { globalThis.done.push(name); return before.apply(this, given) };
  }
}"""
_AT = "/extensions/ComfyUI-AttentionDrag/"


@pytest.fixture
def bare(browser: Browser):
    """A page with scripts in ComfyUI's place that keep a record, and everything of the pack's unimported."""
    page = browser.new_page()
    scripts = {f"/scripts/{one}.js": _SCRIPT % (one, one) for one in ("app", "api")}
    open_page(page, "<!doctype html>", "", "page", "picker", given=scripts, at=_AT)
    page.evaluate(_WATCH)
    yield page
    page.close()


def load(page: Page, *files) -> list[str]:
    """Imports modules as ComfyUI does, one by one; what has been done on the page by then."""
    for file in files:
        page.evaluate("(path) => import(path).then(() => null)", _AT + name(file))
    return page.evaluate("done")


def test_only_the_entry_does_anything_and_only_once(bare: Page):
    assert load(bare, *PAGE, *PICKER) == []
    assert load(bare, ENTRY, *PAGE, *PICKER, ENTRY) == ["app.registerExtension"]
    assert bare.evaluate("extension.name") == "attentiondrag.picker"


def test_each_of_the_server_s_events_is_listened_to_once(bare: Page):
    load(bare, ENTRY, *PAGE, *PICKER)
    # init() goes on when the server has answered: here, never.
    bare.evaluate("extension.init() && null")
    bare.wait_for_function("done.some((one) => one === 'api.fetchApi')")
    done = bare.evaluate("done")
    assert done.count("api.addEventListener") == 4
    # The style goes into each picker, nothing of it onto the page.
    assert bare.evaluate("document.querySelectorAll('link, style').length") == 0


def test_a_picker_s_style_is_all_of_its_sheets_in_their_order(bare: Page):
    style = bare.evaluate(
        """async (at) => {
          const { loadStyles, makeStyle } = await import(at + "page/styles.js");
          await loadStyles();
          return makeStyle().textContent;
        }""",
        _AT,
    )
    assert "@import" not in style
    order = re.findall(r'@import "\./([^"]+)"', (WEB / "picker" / "picker.css").read_text(encoding="utf-8"))
    assert sorted(order) == sorted(f"styles/{sheet.name}" for sheet in WEB.glob("picker/styles/*.css"))
    files = [*(WEB / "picker" / sheet for sheet in order), WEB / "page" / "palette.css"]
    places = [style.index(file.read_text(encoding="utf-8").strip()) for file in files]
    assert places == sorted(places)
