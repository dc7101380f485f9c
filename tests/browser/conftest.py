"""One browser for all browser tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.bench import Bench, open_bench, picture
from tests.browser.chromium import launch


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with launch() as browser:
        yield browser


@pytest.fixture
def bench(browser: Browser) -> Iterator[Callable[..., Bench]]:
    """Opens benches; a 640 x 480 picture unless told otherwise. Fails if a page threw an error."""
    opened: list[Bench] = []

    def open_one(**settings) -> Bench:
        settings.setdefault("shown", picture(640, 480))
        opened.append(open_bench(browser, **settings))
        return opened[-1]

    yield open_one
    failures = [one.page.evaluate("window.failure ?? null") for one in opened]
    for one in opened:
        one.page.context.close()
    assert not any(failures), failures
