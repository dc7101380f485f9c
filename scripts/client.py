"""ComfyUI's HTTP API, as much of it as the demo and the tests need."""

from __future__ import annotations

import io
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from PIL import Image

Graph = dict[str, dict[str, Any]]
_HTTP_SECONDS = 60.0


@dataclass(frozen=True)
class NodeError:
    """One node's complaint, whether found before the run (validation) or in it."""

    node_id: str
    node_type: str
    message: str

    def __str__(self) -> str:
        return f"node {self.node_id} ({self.node_type}): {self.message}"


class PromptError(RuntimeError):
    """A prompt that was refused, failed or was interrupted. ``errors`` says where and why."""

    def __init__(self, errors: list[NodeError], interrupted: bool = False) -> None:
        super().__init__("\n".join(map(str, errors)) or "the prompt was interrupted")
        self.errors = errors
        self.interrupted = interrupted


@dataclass(frozen=True)
class Run:
    """A prompt that ran to its end.

    Attributes:
        outputs: what each output node told the front end, by node id.
        cached: ids of the nodes whose result ComfyUI had from an earlier run.
    """

    prompt_id: str
    outputs: dict[str, dict[str, Any]]
    cached: frozenset[str]
    seconds: float
    entry: dict[str, Any] = field(repr=False)


class ComfyClient:
    """Talks to the server at ``url``; one client id, so that websocket messages can be matched."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client_id = uuid.uuid4().hex
        self._session = requests.Session()

    def object_info(self, node_type: str | None = None) -> dict[str, Any]:
        """The nodes' descriptions: all of them, or that of one type."""
        return self._get("/object_info" + (f"/{node_type}" if node_type else "")).json()

    def system_stats(self) -> dict[str, Any]:
        return self._get("/system_stats").json()

    def upload_image(self, name: str, image: Image.Image | Path) -> str:
        """Put an image into the server's input folder under ``name``; returns the name LoadImage takes."""
        if isinstance(image, Path):
            data = image.read_bytes()
        else:
            buffer = io.BytesIO()
            image.save(buffer, "PNG")
            data = buffer.getvalue()
        answer = self._post("/upload/image", files={"image": (name, data)}, data={"overwrite": "true"}).json()
        return "/".join(part for part in (answer["subfolder"], answer["name"]) if part)

    def queue(self, graph: Graph, extra_data: dict[str, Any] | None = None) -> str:
        """Queue a graph in API format and return its prompt id.

        Raises:
            PromptError: the server found an input missing or out of range.
        """
        body = {"prompt": graph, "client_id": self.client_id, "extra_data": extra_data or {}}
        response = self._session.post(f"{self.url}/prompt", json=body, timeout=_HTTP_SECONDS)
        answer = response.json()
        if errors := _validation_errors(answer):
            raise PromptError(errors)
        response.raise_for_status()
        return answer["prompt_id"]

    def wait(self, prompt_id: str, seconds: float = 600.0) -> Run:
        """Wait for a queued prompt's end.

        Raises:
            PromptError: a node failed, or the prompt was interrupted.
            TimeoutError: it is not done after ``seconds``.
        """
        start = time.monotonic()
        while True:
            entry = self._get(f"/history/{prompt_id}").json().get(prompt_id)
            if entry is not None:
                break
            if time.monotonic() - start > seconds:
                raise TimeoutError(f"prompt {prompt_id} is not done after {seconds:.0f} s")
            # The server answers from the same interpreter that runs the model: ask seldom when it takes long.
            time.sleep(min(1.0, 0.05 + (time.monotonic() - start) / 20))
        messages = entry["status"]["messages"]
        failed = [_execution_error(data) for kind, data in messages if kind == "execution_error"]
        interrupted = any(kind == "execution_interrupted" for kind, _ in messages)
        if failed or interrupted:
            raise PromptError(failed, interrupted)
        stamps = [data["timestamp"] for _, data in messages]
        return Run(
            prompt_id=prompt_id,
            outputs=entry["outputs"],
            cached=frozenset(n for kind, data in messages if kind == "execution_cached" for n in data["nodes"]),
            seconds=(max(stamps) - min(stamps)) / 1000,
            entry=entry,
        )

    def run(self, graph: Graph, seconds: float = 600.0) -> Run:
        """`queue`, then `wait`."""
        return self.wait(self.queue(graph), seconds)

    def file(self, reference: dict[str, str]) -> bytes:
        """A file as an output node names it: ``{"filename", "subfolder", "type"}``."""
        return self._get("/view", params=reference).content

    def image(self, run: Run, node_id: str, index: int = 0) -> Image.Image:
        """One image that output node ``node_id`` saved or previewed."""
        return Image.open(io.BytesIO(self.file(run.outputs[node_id]["images"][index])))

    def interrupt(self) -> None:
        self._post("/interrupt", json={})

    def free(self) -> None:
        """Unload the models and drop the cached results, once the server is idle."""
        self._post("/free", json={"unload_models": True, "free_memory": True})

    def _get(self, path: str, **options: Any) -> requests.Response:
        response = self._session.get(self.url + path, timeout=_HTTP_SECONDS, **options)
        response.raise_for_status()
        return response

    def _post(self, path: str, **options: Any) -> requests.Response:
        response = self._session.post(self.url + path, timeout=_HTTP_SECONDS, **options)
        response.raise_for_status()
        return response


def _validation_errors(answer: dict[str, Any]) -> list[NodeError]:
    found = [
        NodeError(node_id, node["class_type"], f"{error['message']}: {error['details']}")
        for node_id, node in (answer.get("node_errors") or {}).items()
        for error in node["errors"]
    ]
    if not found and (error := answer.get("error")):
        text = error if isinstance(error, str) else f"{error['message']} {error['details']}".strip()
        found.append(NodeError("-", "prompt", text))
    return found


def _execution_error(data: dict[str, Any]) -> NodeError:
    message = f"{data['exception_type']}: {data['exception_message'].strip()}"
    return NodeError(data["node_id"], data["node_type"], message)
