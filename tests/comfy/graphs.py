"""Graphs in API format, built node by node."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

CHECKPOINT = "tiny.safetensors"
LORA = "tiny_lora.safetensors"


@dataclass(frozen=True)
class Node:
    """A node of a graph; ``node[n]`` is a link to its n-th output."""

    id: str

    def __getitem__(self, output: int) -> list[Any]:
        return [self.id, output]


class GraphBuilder:
    """Collects nodes; ``graph`` is what the server takes."""

    def __init__(self) -> None:
        self.graph: dict[str, dict[str, Any]] = {}

    def add(self, class_type: str, **inputs: Any) -> Node:
        """Add a node; inputs that are None are left out."""
        node = Node(str(len(self.graph) + 1))
        self.graph[node.id] = {
            "class_type": class_type,
            "inputs": {name: value for name, value in inputs.items() if value is not None},
        }
        return node

    def set(self, node: Node, **inputs: Any) -> None:
        """Change some of a node's inputs."""
        self.graph[node.id]["inputs"].update(inputs)

    def checkpoint(self) -> Node:
        """Outputs: MODEL, CLIP (none), VAE."""
        return self.add("CheckpointLoaderSimple", ckpt_name=CHECKPOINT)

    def save_image(self, images: list[Any], prefix: str = "image") -> Node:
        return self.add("SaveImage", images=images, filename_prefix=prefix)

    def save_latent(self, samples: list[Any], prefix: str = "latent") -> Node:
        return self.add("SaveLatent", samples=samples, filename_prefix=prefix)


def points_json(*pairs: Sequence[float], version: int = 1, radius: float | None = None) -> str:
    """The points' stored form; each pair is (handle x, handle y, target x, target y)."""
    extra = {} if radius is None else {"radius": radius}
    return json.dumps(
        {
            "version": version,
            "pairs": [{"handle": list(p[:2]), "target": list(p[2:]), **extra} for p in pairs],
        }
    )
