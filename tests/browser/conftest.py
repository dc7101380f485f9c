"""One browser for all browser tests, and one ComfyUI with an open page per front end."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from PIL import Image, ImageDraw
from playwright.sync_api import Browser
from playwright.sync_api import Error as PlaywrightError

from scripts.base_directory import BaseDirectory, make_base_directory
from scripts.chromium import launch
from scripts.comfy_page import ComfyPage
from scripts.comfyui import find_comfyui, unpack_comfyui
from scripts.demo import WORKFLOWS, install
from scripts.server import ComfyServer
from tests.browser.bench import Bench, Benches, picture
from tests.browser.frontends import newest_frontend
from tests.comfy.graphs import CHECKPOINT
from tests.comfy.tiny_checkpoint import write_checkpoint

PROBES = Path(__file__).resolve().parents[1] / "comfy" / "probe_nodes"
ODD_NAME = "we'ird \"<script>window.hacked=1<_script>\" é名.png"
FAILED = pytest.StashKey[bool]()
EVERYWHERE = [(end, vue) for end in ("pinned", "newest") for vue in (False, True)]
IDS = [f"{end}-{'vue' if vue else 'canvas'}" for end, vue in EVERYWHERE]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with launch() as browser:
        yield browser


@pytest.fixture(scope="session")
def benches(browser: Browser) -> Iterator[Benches]:
    with Benches(browser) as benches:
        yield benches


@pytest.fixture
def bench(request: pytest.FixtureRequest, benches: Benches) -> Iterator[Callable[..., Bench]]:
    """Opens benches; a 640 x 480 picture unless told otherwise. Fails if a page threw an error."""
    opened: list[Bench] = []

    def open_one(**settings) -> Bench:
        settings.setdefault("shown", picture(640, 480))
        opened.append(benches.open(**settings))
        return opened[-1]

    yield open_one
    failures = [one.page.evaluate("window.failure ?? null") for one in opened]
    for one in opened:
        # A test that failed may have left a button or a key down.
        if request.node.stash.get(FAILED, False):
            one.page.context.close()
        else:
            benches.give_back(one)
    assert not any(failures), failures


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> BaseDirectory:
    """Pictures of two sizes, those of the templates, a checkpoint that takes seconds, and a stranger's nodes."""
    base = make_base_directory(tmp_path_factory.mktemp("browser"), packs=[PROBES])
    write_checkpoint(base.checkpoints / CHECKPOINT)
    for name, size in (("wide.png", (128, 64)), ("tall.png", (64, 96)), (ODD_NAME, (80, 80))):
        scene = Image.new("RGB", size, (60, 120, 160))
        ImageDraw.Draw(scene).ellipse((size[0] // 4, size[1] // 4, size[0] // 2, size[1] // 2), fill=(220, 90, 40))
        scene.save(base.input / name)
    for source in WORKFLOWS.glob("*.png"):
        install(source, base.input / source.name)
    return base


@dataclass
class FrontEnds:
    """Pages by front end, opened when first asked for and shared by the tests."""

    browser: Browser
    base: BaseDirectory
    servers: dict[str, ComfyServer]
    pages: dict[str, ComfyPage]

    def page(self, which: str) -> ComfyPage:
        if which not in self.servers:
            comfyui = find_comfyui() or unpack_comfyui(Path(sys.executable))
            arguments = ["--cpu"]
            if which == "newest":
                arguments += ["--front-end-root", str(newest_frontend())]
            server = ComfyServer(comfyui, self.base, Path(sys.executable), arguments)
            self.servers[which] = server.__enter__()
        if which not in self.pages:
            self.pages[which] = ComfyPage.open(self.browser, self.servers[which].url)
        return self.pages[which]

    def leave(self, which: str) -> None:
        """Closes a page that a failed test may have left with a dialog open, a button down or a run under way."""
        page = self.pages.pop(which, None)
        if page is not None:
            # It may be gone already, with the browser.
            with contextlib.suppress(PlaywrightError):
                page.page.context.close()
            for action, body in (("queue", {"clear": True}), ("interrupt", {})):
                requests.post(f"{page.url}/{action}", json=body, timeout=60)

    def restart(self, which: str) -> None:
        """Ends the server and starts it again at the same address."""
        self.servers[which].stop()
        self.servers[which].__enter__()


@pytest.fixture(scope="session")
def front_ends(browser: Browser, base: BaseDirectory) -> Iterator[FrontEnds]:
    ends = FrontEnds(browser, base, {}, {})
    yield ends
    for page in ends.pages.values():
        page.page.context.close()
    for server in ends.servers.values():
        server.stop()


@pytest.fixture(params=EVERYWHERE, ids=IDS)
def comfy(request: pytest.FixtureRequest, front_ends: FrontEnds) -> ComfyPage:
    end, vue = request.param
    page = front_ends.page(end)
    page.render_with(vue)
    return page


@pytest.fixture
def pinned(front_ends: FrontEnds) -> ComfyPage:
    page = front_ends.page("pinned")
    page.render_with(False)
    return page


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Generator[None, pytest.TestReport]:
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    if report.failed and "front_ends" in getattr(item, "funcargs", {}):
        for which in list(item.funcargs["front_ends"].pages):
            item.funcargs["front_ends"].leave(which)
    return report
