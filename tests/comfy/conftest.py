"""A real ComfyUI server for the whole session, with a small checkpoint, and a client for it."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from scripts.base_directory import BaseDirectory, make_base_directory
from scripts.client import ComfyClient, Run
from scripts.comfyui import find_comfyui, unpack_comfyui
from scripts.server import ComfyServer
from tests.comfy.graphs import CHECKPOINT, INPAINTING_CHECKPOINT, LORA, OTHER_CHECKPOINT, GraphBuilder
from tests.comfy.messages import MessageLog
from tests.comfy.tiny_checkpoint import write_checkpoint, write_lora

PROBES = Path(__file__).parent / "probe_nodes"


@pytest.fixture(scope="session")
def comfyui() -> Path:
    return find_comfyui() or unpack_comfyui(Path(sys.executable))


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> BaseDirectory:
    base = make_base_directory(tmp_path_factory.mktemp("comfyui"), packs=[PROBES])
    write_checkpoint(base.checkpoints / CHECKPOINT)
    write_checkpoint(base.checkpoints / OTHER_CHECKPOINT, seed=1)
    write_checkpoint(base.checkpoints / INPAINTING_CHECKPOINT, seed=2, channels=9)
    write_lora(base.loras / LORA)
    return base


@pytest.fixture(scope="session")
def server(comfyui: Path, base: BaseDirectory) -> Iterator[ComfyServer]:
    arguments = ("--cpu", "--preview-method", "latent2rgb")
    with ComfyServer(comfyui, base, Path(sys.executable), arguments) as server:
        yield server
        # ComfyUI looks for models that outlive their owners whenever it loads one, and says so.
        leaks = [line for line in server.log().splitlines() if "leak" in line.lower()]
    assert not leaks, leaks


@pytest.fixture(scope="session")
def client(server: ComfyServer) -> ComfyClient:
    return ComfyClient(server.url)


@pytest.fixture(scope="session")
def object_info(client: ComfyClient) -> dict[str, Any]:
    return client.object_info()


@pytest.fixture
def g(object_info: dict[str, Any]) -> GraphBuilder:
    """An empty graph."""
    return GraphBuilder(object_info)


@pytest.fixture
def messages(client: ComfyClient) -> Iterator[MessageLog]:
    """What the server sends this client over its websocket while the test runs."""
    with MessageLog(client) as log:
        yield log


@pytest.fixture
def server_log(server: ComfyServer) -> Callable[[], str]:
    """What the server wrote since the test began."""
    start = len(server.log())
    return lambda: server.log()[start:]


@pytest.fixture(scope="session")
def saved_latent(client: ComfyClient) -> Callable[[Run, str], torch.Tensor]:
    """Reads back exactly what a SaveLatent node was given."""

    def read(run: Run, node_id: str) -> torch.Tensor:
        reference = run.outputs[node_id]["latents"][0]
        return safetensors.torch.load(client.file(reference))["latent_tensor"]

    return read


@pytest.fixture(scope="session")
def pixels(client: ComfyClient) -> Callable[[Run, str], np.ndarray]:
    """All images of an output node, (B, H, W, C) uint8."""

    def read(run: Run, node_id: str) -> np.ndarray:
        references = run.outputs[node_id]["images"]
        return np.stack([np.asarray(Image.open(io.BytesIO(client.file(r)))) for r in references])

    return read


@pytest.fixture(scope="session")
def scene(client: ComfyClient) -> Callable[..., str]:
    """Uploads a picture of a red square on a smooth background; returns its name for LoadImage."""

    def upload(width: int = 64, height: int = 64, hue: int = 0) -> str:
        return client.upload_image(f"scene_{width}x{height}_{hue}.png", make_scene(width, height, hue))

    return upload


def make_scene(width: int, height: int, hue: int = 0) -> Image.Image:
    """A square a quarter of the picture's shorter side wide, centred at a third of its width."""
    y, x = np.mgrid[:height, :width]
    picture = np.stack([40 + 60 * x / width, 120 + 80 * y / height, np.full(x.shape, 90 + hue)], -1)
    side = min(width, height) // 4
    inside = (abs(x - width // 3) <= side // 2) & (abs(y - height // 2) <= side // 2)
    picture[inside] = (230, 40 + hue, 40)
    return Image.fromarray(picture.round().astype(np.uint8))
