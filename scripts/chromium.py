"""Debian's Chromium, driven by Playwright's Python package; nothing is downloaded."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--force-color-profile=srgb",
)


def find_chromium() -> str:
    """Path of an installed Chromium.

    Raises:
        RuntimeError: there is none.
    """
    for name in _NAMES:
        if path := shutil.which(name):
            return path
    raise RuntimeError("The browser tests need Chromium on the PATH (Debian and Ubuntu: apt-get install chromium).")


@contextmanager
def launch() -> Iterator[Browser]:
    """A headless Chromium without a network of its own beyond what pages ask for."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(_ARGUMENTS))
        yield browser
        browser.close()
