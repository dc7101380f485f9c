"""Graphs in API format, built node by node."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scripts.workflow import default_value

CHECKPOINT = "tiny.safetensors"
OTHER_CHECKPOINT = "other.safetensors"
INPAINTING_CHECKPOINT = "inpainting.safetensors"
LORA = "tiny_lora.safetensors"

# Four evaluations each way: enough for an inversion to have a beginning, a middle and an end.
STEPS, STRENGTH = 8, 0.5

# What random weights attend to may be a single pixel, which is less than can be moved.
GROW = 4


@dataclass(frozen=True)
class Node:
    """A node of a graph; ``node[n]`` is a link to its n-th output."""

    id: str

    def __getitem__(self, output: int) -> list[Any]:
        return [self.id, output]


class GraphBuilder:
    """Collects nodes; ``graph`` is what the server takes.

    Widgets that a test says nothing about get the default that the server states for them.
    """

    def __init__(self, object_info: dict[str, Any]) -> None:
        self._object_info = object_info
        self.graph: dict[str, dict[str, Any]] = {}

    def add(self, class_type: str, **inputs: Any) -> Node:
        """Add a node; inputs that are None are left out."""
        node = Node(str(len(self.graph) + 1))
        required = self._object_info[class_type]["input"].get("required", {})
        defaults = {name: default for name, spec in required.items() if (default := default_value(spec)) is not None}
        given = {name: value for name, value in inputs.items() if value is not None}
        self.graph[node.id] = {"class_type": class_type, "inputs": {**defaults, **given}}
        return node

    def set(self, node: Node, **inputs: Any) -> None:
        """Change some of a node's inputs."""
        self.graph[node.id]["inputs"].update(inputs)

    def checkpoint(self, name: str = CHECKPOINT) -> Node:
        """Outputs: MODEL, CLIP (none), VAE."""
        return self.add("CheckpointLoaderSimple", ckpt_name=name)

    def save_image(self, images: list[Any], prefix: str = "image") -> Node:
        return self.add("SaveImage", images=images, filename_prefix=prefix)

    def save_mask(self, mask: list[Any]) -> Node:
        return self.save_image(self.add("MaskToImage", mask=mask)[0], "mask")

    def save_latent(self, samples: list[Any], prefix: str = "latent") -> Node:
        return self.add("SaveLatent", samples=samples, filename_prefix=prefix)


@dataclass
class Chain:
    """The long chain's nodes, by what they do."""

    checkpoint: Node
    image: Node
    points: Node
    encode: Node
    inversion: Node
    mask: Node
    apply: Node
    sampler: Node
    decode: Node
    composite: Node


def build_chain(
    g: GraphBuilder,
    image: str,
    points: str,
    model: list[Any] | None = None,
    steps: int = STEPS,
    strength: float = STRENGTH,
    latent: list[Any] | None = None,
    **more: dict[str, Any],
) -> Chain:
    """Points, encode, inversion, mask, apply, sampler, decode, composite.

    ``model`` and ``latent`` replace the checkpoint's and the encoded image; ``more`` maps a node's name in
    `Chain` to further inputs for it.
    """
    checkpoint = g.checkpoint()
    model = model or checkpoint[0]
    loaded = g.add("LoadImage", image=image)
    drags = g.add("AttentionDragPoints", image=loaded[0], points=points)
    encode = g.add("VAEEncode", pixels=loaded[0], vae=checkpoint[2])
    inversion = g.add(
        "AttentionDragInversion",
        **{"model": model, "latent": latent or encode[0], "steps": steps, "strength": strength}
        | more.get("inversion", {}),
    )
    mask = g.add(
        "AttentionDragMask",
        **{"inversion": inversion[0], "points": drags[0], "image": loaded[0], "grow": GROW} | more.get("mask", {}),
    )
    apply = g.add(
        "AttentionDragApply",
        **{
            "model": model,
            "inversion": inversion[0],
            "points": drags[0],
            "mask": mask[0],
            "image": loaded[0],
            "vae": checkpoint[2],
        }
        | more.get("apply", {}),
    )
    sampler = g.add(
        "AttentionDragSampler",
        **{"model": model, "inversion": inversion[0], "latent": apply[0]} | more.get("sampler", {}),
    )
    decode = g.add("VAEDecode", samples=sampler[0], vae=checkpoint[2])
    composite = g.add(
        "AttentionDragComposite",
        **{"source": loaded[0], "edited": decode[0], "dragged": apply[0]} | more.get("composite", {}),
    )
    return Chain(checkpoint, loaded, drags, encode, inversion, mask, apply, sampler, decode, composite)


@dataclass
class Edit:
    """The all-in-one node with what it needs, and the nodes that save its three outputs."""

    checkpoint: Node
    image: Node
    points: Node
    edit: Node
    saved_image: Node
    saved_mask: Node
    saved_heatmap: Node


def build_edit(
    g: GraphBuilder,
    image: str | list[Any],
    points: str,
    model: list[Any] | None = None,
    steps: int = STEPS,
    strength: float = STRENGTH,
    **inputs: Any,
) -> Edit:
    """``image`` is a name for LoadImage or a link; ``inputs`` go to the edit node."""
    checkpoint = g.checkpoint()
    loaded = g.add("LoadImage", image=image) if isinstance(image, str) else Node(image[0])
    drags = g.add("AttentionDragPoints", image=loaded[0], points=points)
    edit = g.add(
        "AttentionDragEdit",
        **{
            "model": model or checkpoint[0],
            "vae": checkpoint[2],
            "image": loaded[0],
            "points": drags[0],
            "steps": steps,
            "strength": strength,
            "grow": GROW,
        }
        | inputs,
    )
    return Edit(
        checkpoint,
        loaded,
        drags,
        edit,
        g.save_image(edit[0]),
        g.save_mask(edit[1]),
        g.save_image(edit[2], "heatmap"),
    )


def points_json(*pairs: Sequence[float], version: int = 1, radius: float | None = None) -> str:
    """The points' stored form; each pair is (handle x, handle y, target x, target y)."""
    extra = {} if radius is None else {"radius": radius}
    return json.dumps(
        {
            "version": version,
            "pairs": [{"handle": list(p[:2]), "target": list(p[2:]), **extra} for p in pairs],
        }
    )
