"""What reads ComfyUI's graph and the server's answers: plain objects in, no app needed."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.modules import open_page


@pytest.fixture(scope="module")
def page(browser: Browser):
    page = browser.new_page()
    open_page(page, "", "page")
    yield page
    page.close()


def run(page: Page, module: str, body: str, argument=None):
    """Runs a function body with the module as `m` and the argument as `a`."""
    return page.evaluate(f"async (a) => {{ const m = await import('/page/{module}.js'); {body} }}", argument)


def test_file_names_with_folders_and_kinds(page: Page):
    body = "return a.map((name) => m.parseAnnotatedName(name))"
    names = ["a.png", "sub/d ir/a [1].png [output]", "we'ird \"<b>é名.png", "", None]
    assert run(page, "sources", body, names) == [
        {"filename": "a.png", "subfolder": "", "type": "input"},
        {"filename": "a [1].png", "subfolder": "sub/d ir", "type": "output"},
        {"filename": "we'ird \"<b>é名.png", "subfolder": "", "type": "input"},
        None,
        None,
    ]


def run_of(workflow: str, points: str, *, ids: str = "abc", cached: str = "", **outputs) -> dict:
    """An entry of ComfyUI's history: a loader, points and a mask, by those ids."""
    load, drags, mask = ids
    graph = {
        load: {"class_type": "Load", "inputs": {"image": "a.png"}},
        drags: {"class_type": "Points", "inputs": {"points": points, "image": [load, 0]}},
        mask: {"class_type": "Mask", "inputs": {"tau": 1, "points": [drags, 0], "image": [load, 0]}},
    }
    extra = {"extra_pnginfo": {"workflow": {"id": workflow}}}
    messages = [["execution_start", {}], ["execution_cached", {"nodes": list(cached)}]]
    return {"prompt": [0, "id", graph, extra, []], "outputs": outputs, "status": {"messages": messages}}


NEWEST = [
    # The newest of the workflow's own.
    ([run_of("w", "p", c="old"), run_of("w", "q", c="new"), run_of("v", "r", c="stranger")], {"c": "new"}),
    # What a node shows that has expanded into others, and its result taken from the cache.
    ([run_of("w", "p", **{"c.0.0.move": "M"})], {"c": "M"}),
    ([run_of("w", "p", **{"c.0.0.a": {"x": 1}, "c.0.0.b": {"y": 2}})], {"c": {"x": 1, "y": 2}}),
    ([run_of("v", "p", ids="xyz", **{"z.0.0.move": "M"}), run_of("w", "p", cached="abc")], {"c": "M"}),
    # Its stage was cached when it last ran.
    ([run_of("w", "p", **{"c.0.0.move": "M"}), run_of("w", "p", cached="ab")], {"c": "M"}),
    # Cached from a run of another workflow, by other ids; the newest of those.
    (
        [run_of("v", "p", ids="xyz", z="old"), run_of("v", "p", ids="zxy", y="M"), run_of("w", "p", cached="abc")],
        {"c": "M"},
    ),
    # A stranger's, not cached here.
    ([run_of("v", "p", c="M"), run_of("w", "p")], {}),
    # Cached, but only runs of other points are known: not theirs, be it of this workflow.
    ([run_of("w", "q", c="M"), run_of("w", "p", cached="abc")], {}),
    # Back to points of before, with a cache that holds more than the last run.
    ([run_of("w", "p", c="M"), run_of("w", "q", c="N"), run_of("w", "p", cached="abc")], {"c": "M"}),
    # A run that came after is none that the cache was filled by.
    ([run_of("w", "p", cached="abc"), run_of("v", "p", c="M")], {}),
]


@pytest.mark.parametrize(("runs", "expected"), NEWEST)
def test_what_the_history_tells_of_a_workflow(page: Page, runs, expected):
    history = {f"prompt {number}": one for number, one in enumerate(runs)}
    assert run(page, "history", "return Object.fromEntries(m.newestOutputs(a, 'w'))", history) == expected


@pytest.mark.parametrize("history", [None, {}, {"a": None}, {"a": {"prompt": [0, "a", None, {}, []], "outputs": None}}])
def test_an_odd_history_tells_nothing(page: Page, history):
    assert run(page, "history", "return [...m.newestOutputs(a, 'w')]", history) == []
