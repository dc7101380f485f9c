"""A page of our own that is served some folders of ``web/``, and no ComfyUI."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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


@contextmanager
def serve_page(html: str, folder: str) -> Iterator[str]:
    """Address of a page ``html`` with one folder of ``web/``; all else is refused there.

    For pages that are opened often: the browser keeps the scripts, which it doesn't where Playwright hands them out.
    """

    class Files(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            file = (WEB / path.lstrip("/")).resolve()
            if path == "/":
                self._answer(html.encode(), "text/html", "no-store")
            elif file.is_relative_to(WEB / folder) and file.suffix in _TYPES and file.is_file():
                self._answer(file.read_bytes(), _TYPES[file.suffix], "max-age=86400")
            else:
                self.send_error(404)

        def _answer(self, body: bytes, kind: str, keep: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", keep)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Files) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
