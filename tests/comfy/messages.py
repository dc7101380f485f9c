"""The server's websocket, listened to in a thread."""

from __future__ import annotations

import contextlib
import json
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

import websocket

from scripts.client import ComfyClient

PREVIEW_IMAGE = 1  # BinaryEventTypes.PREVIEW_IMAGE


class MessageLog:
    """Context manager: ``events`` fills with (type, data); ("preview", bytes) holds an image file."""

    def __init__(self, client: ComfyClient) -> None:
        self._url = f"ws{client.url.removeprefix('http')}/ws?clientId={client.client_id}"
        self.events: list[tuple[str, Any]] = []
        self._changed = threading.Condition()

    def __enter__(self) -> MessageLog:
        self._socket = websocket.create_connection(self._url, timeout=60)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        self.wait_for(lambda kind, data: kind == "status")
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.close()
        self._thread.join(10)

    def of(self, kind: str) -> list[Any]:
        """The data of all events of one type so far."""
        with self._changed:
            return [data for name, data in self.events if name == kind]

    def wait_for(self, wanted: Callable[[str, Any], bool], seconds: float = 60.0) -> Any:
        """Wait until an event (past ones count) is wanted; return its data."""
        deadline, seen = time.monotonic() + seconds, 0
        with self._changed:
            while True:
                for kind, data in self.events[seen:]:
                    if wanted(kind, data):
                        return data
                seen = len(self.events)
                if not self._changed.wait(deadline - time.monotonic()):
                    raise TimeoutError(f"no such event within {seconds:.0f} s; got {[e[0] for e in self.events]}")

    def _listen(self) -> None:
        with contextlib.suppress(websocket.WebSocketException, OSError):
            while True:
                opcode, payload = self._socket.recv_data()
                if opcode == websocket.ABNF.OPCODE_TEXT:
                    message = json.loads(payload)
                    event = (message["type"], message.get("data"))
                elif opcode == websocket.ABNF.OPCODE_BINARY:
                    kind, _format = struct.unpack(">II", payload[:8])
                    event = ("preview", payload[8:]) if kind == PREVIEW_IMAGE else ("binary", payload)
                else:
                    continue
                with self._changed:
                    self.events.append(event)
                    self._changed.notify_all()
