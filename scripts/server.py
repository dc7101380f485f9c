"""A ComfyUI server of our own: started on loopback on a free port, ended with everything it started."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType, TracebackType

import requests

from scripts.base_directory import BaseDirectory

HOST = "127.0.0.1"
_STOP_SECONDS = 10.0


class ServerError(RuntimeError):
    """The server did not start, or a pack in it did not load; the message ends with its log's last lines."""


class ComfyServer:
    """Context manager round ``main.py`` of a ComfyUI.

    Args:
        comfyui: folder of ComfyUI's sources; only read.
        base: everything the server reads and writes.
        python: interpreter with ComfyUI's requirements.
        arguments: further arguments for ``main.py``; ``--cpu`` is not implied.
        port: 0 picks a free one.
        start_seconds: how long to wait for the first answer.

    The server runs in a process group of its own, which is ended on leaving the context, and on SIGTERM and
    SIGHUP when the context was entered in the main thread (SIGINT leaves it as KeyboardInterrupt).
    """

    def __init__(
        self,
        comfyui: Path,
        base: BaseDirectory,
        python: Path,
        arguments: Sequence[str] = ("--cpu",),
        port: int = 0,
        start_seconds: float = 900.0,
    ) -> None:
        self.comfyui = comfyui
        self.base = base
        self.python = python
        self.arguments = tuple(arguments)
        self.port = port or _free_port()
        self._start_seconds = start_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._handlers: dict[int, object] = {}

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        if self._process is None:
            raise ServerError("the server is not running")
        return self._process.pid

    def log(self) -> str:
        """All that the server wrote so far."""
        return self.base.log.read_text(encoding="utf-8", errors="replace") if self.base.log.exists() else ""

    def command(self) -> list[str]:
        """The command line it is started with."""
        base = self.base
        return [
            *(str(self.python), "-u", str(self.comfyui / "main.py")),
            *("--listen", HOST, "--port", str(self.port), "--disable-auto-launch", "--disable-api-nodes"),
            *("--base-directory", str(base.root), "--user-directory", str(base.user)),
            *("--database-url", f"sqlite:///{base.user / 'comfyui.db'}"),
            *self.arguments,
        ]

    def __enter__(self) -> ComfyServer:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGHUP):
                self._handlers[number] = signal.signal(number, _leave)
        try:
            with self.base.log.open("wb") as log:
                self._process = subprocess.Popen(
                    self.command(),
                    cwd=self.comfyui,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,
                    env={**os.environ, "PYTHONUTF8": "1"},
                )
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the server and everything it started. Does nothing when it is not running."""
        process, self._process = self._process, None
        if process is not None:
            for number, seconds in ((signal.SIGINT, _STOP_SECONDS), (signal.SIGKILL, None)):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(seconds)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers.clear()

    def _wait_until_ready(self) -> None:
        process, deadline = self._process, time.monotonic() + self._start_seconds
        while True:
            if process.poll() is not None:
                raise ServerError(f"ComfyUI ended with status {process.returncode} while starting:\n{self._tail()}")
            with contextlib.suppress(requests.RequestException):
                requests.get(f"{self.url}/system_stats", timeout=5).raise_for_status()
                break
            if time.monotonic() > deadline:
                raise ServerError(f"ComfyUI gave no answer within {self._start_seconds:.0f} s:\n{self._tail()}")
            time.sleep(0.2)
        if "(IMPORT FAILED)" in self.log():
            raise ServerError(f"a pack in {self.base.custom_nodes} could not be loaded:\n{self._tail(60)}")

    def _tail(self, lines: int = 30) -> str:
        return "\n".join(self.log().splitlines()[-lines:])


def _free_port() -> int:
    """A port that nobody has, and that the system gives to nobody until the server takes it, which may be a minute.

    The system's own choice would be among those that it gives to outgoing connections: to another server's clients, or
    to the very requests that ask whether this one is up.
    """
    for _ in range(100):
        port = random.randrange(10_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port
    raise ServerError(f"no free port of {HOST} found between 10000 and 32000")


def _leave(number: int, frame: FrameType | None) -> None:
    # Raised in the main thread, so that every context on the way out is left in order.
    raise SystemExit(128 + number)
