"""A page of our own that is served some folders of ``web/``, and no ComfyUI."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Page, Route

WEB = Path(__file__).resolve().parents[2] / "web"
_ORIGIN = "http://bench.invalid"
_TYPES = {".js": "text/javascript", ".css": "text/css"}


def open_page(page: Page, html: str, *folders: str, at: str = "/", given: dict[str, str] | None = None) -> None:
    """Opens ``html`` with ``web/``'s files at the path ``at``; all else is refused.

    Args:
        folders: those of ``web/`` that are served, ``""`` for the files beside them.
        given: further scripts, by path ("/scripts/app.js").
    """

    def serve(route: Route) -> None:
        path = urlsplit(route.request.url).path
        inner = path.removeprefix(at)
        file = WEB / inner
        folder = inner.partition("/")[0] if "/" in inner else ""
        if path == "/":
            route.fulfill(body=html, content_type="text/html")
        elif path in (given or {}):
            route.fulfill(body=given[path], content_type="text/javascript")
        elif folder in folders and file.is_file() and file.suffix in _TYPES:
            route.fulfill(body=file.read_text(encoding="utf-8"), content_type=_TYPES[file.suffix])
        else:
            route.abort()

    page.route("**/*", serve)
    page.goto(_ORIGIN)
