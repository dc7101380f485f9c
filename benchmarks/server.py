"""A ComfyUI server with two checkpoints and small graphs, for what runs a hundred of them (``soak``, ``fuzz``)."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from scripts.base_directory import BaseDirectory, make_base_directory
from scripts.client import ComfyClient, Graph
from scripts.comfyui import find_comfyui, unpack_comfyui
from scripts.demo import server_arguments, write_checkpoint
from scripts.environment import REPOSITORY
from scripts.server import ComfyServer
from scripts.workflow import load_workflow, nodes_of_type, to_prompt
from tools.demo_model import write

DEMO, STAND_IN = "attentiondrag_demo.safetensors", "stand_in.safetensors"
WORKFLOWS = ("attentiondrag_edit", "attentiondrag_step_by_step")
PROBES = REPOSITORY / "tests" / "comfy" / "probe_nodes"


@contextmanager
def running(root: Path) -> Iterator[tuple[ComfyServer, ComfyClient]]:
    """A server below ``root`` with the demo model, one of random weights, and the tests' probe nodes."""
    base = make_base_directory(root, packs=[PROBES])
    make_checkpoints(base)
    comfyui = find_comfyui() or unpack_comfyui(Path(sys.executable))
    with ComfyServer(comfyui, base, Path(sys.executable), server_arguments()) as server:
        yield server, ComfyClient(server.url)


def make_checkpoints(base: BaseDirectory) -> None:
    """Writes both checkpoints where they are missing."""
    write_checkpoint(base, stand_in=False)
    if not (base.checkpoints / STAND_IN).exists():
        write.main(["--comfy", str(base.checkpoints / STAND_IN), "--stand-in"])


def picture(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """A square on a shaded ground, of random colours."""
    y, x = np.mgrid[:height, :width]
    low, high, square = rng.integers(0, 256, (3, 3))
    pixels = low + (high - low) * ((x / width + y / height) / 2)[..., None]
    side = min(width, height) // 4
    inside = (abs(x - width // 3) <= side // 2) & (abs(y - height // 2) <= side // 2)
    pixels[inside] = square
    return Image.fromarray(pixels.round().astype(np.uint8))


def small_graph(object_info: dict[str, Any], workflow: str, image: str, **changes: Any) -> Graph:
    """An example workflow in API form that takes few steps.

    Args:
        image: name for LoadImage.
        changes: inputs of every node that has one of that name.
    """
    graph = copy.deepcopy(to_prompt(load_workflow(REPOSITORY / "example_workflows" / f"{workflow}.json"), object_info))
    # A mask that random weights find may be less than can be moved.
    changes = {"steps": 6, "strength": 0.5, "grow": 4, "image": image, **changes}
    for node in graph.values():
        for name, value in changes.items():
            given = node["inputs"].get(name)
            if name in node["inputs"] and not isinstance(given, list):
                node["inputs"][name] = value
    return graph


def edited(graph: Graph) -> list[Any]:
    """The link to a graph's finished picture."""
    [save] = nodes_of_type(graph, "SaveImage")
    return graph[save]["inputs"]["images"]
