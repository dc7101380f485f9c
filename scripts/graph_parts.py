"""What the graphs of example_workflows/ and subgraphs/ are made of: a node, and the nodes that several share."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

IMAGE = "attentiondrag_demo.png"
CHECKPOINT = "attentiondrag_demo.safetensors"
POINTS = {"version": 1, "pairs": [{"handle": [0.31, 0.404], "target": [0.42, 0.74]}]}

Link = tuple[str, int]
Place = tuple[int, int]


@dataclass
class Spec:
    """One node: its type, place, inputs (a value, or (key of another node, output)) and size."""

    type: str
    at: Place
    inputs: dict[str, Any] = field(default_factory=dict)
    size: tuple[int, int] = (300, 120)
    title: str | None = None


@dataclass(frozen=True)
class Given:
    """The links that everything begins with."""

    model: Link = ("model", 0)
    vae: Link = ("model", 2)
    image: Link = ("image", 0)
    points: Link = ("points", 0)


LOADED = Given()


def loaders(checkpoint: str = CHECKPOINT) -> dict[str, Spec]:
    return {
        "model": Spec("CheckpointLoaderSimple", (0, 0), {"ckpt_name": checkpoint}, (300, 100)),
        "image": Spec("LoadImage", (0, 180), {"image": IMAGE}, (300, 330)),
    }


def points(at: Place = (360, 0), drags: dict[str, Any] | Link = POINTS, **linked: Link) -> Spec:
    """A Points node with its drags, or with a text from elsewhere, and further inputs."""
    stored = drags if isinstance(drags, tuple) else json.dumps(drags, separators=(",", ":"))
    return Spec("AttentionDragPoints", at, {"image": LOADED.image, "points": stored, **linked}, (420, 520))


def edit(**more: Any) -> Spec:
    linked = {name: getattr(LOADED, name) for name in ("model", "vae", "image", "points")}
    return Spec("AttentionDragEdit", (840, 0), {**linked, **more}, (320, 330))


def encode(at: Place, given: Given = LOADED) -> Spec:
    return Spec("VAEEncode", at, {"pixels": given.image, "vae": given.vae}, (225, 60))


def inversion(at: Place, given: Given = LOADED, **more: Link) -> Spec:
    linked = {"model": given.model, "latent": ("encode", 0), **more}
    return Spec("AttentionDragInversion", at, linked, (300, 230))


def mask(at: Place, given: Given = LOADED, **more: Link) -> Spec:
    linked = {"inversion": ("inversion", 0), "points": given.points, **more}
    return Spec("AttentionDragMask", at, linked, (300, 230))


def apply(at: Place, given: Given = LOADED) -> Spec:
    linked = {
        "model": given.model,
        "inversion": ("inversion", 0),
        "points": given.points,
        "mask": ("mask", 0),
        "image": given.image,
        "vae": given.vae,
    }
    return Spec("AttentionDragApply", at, linked, (300, 300))


def sampler(at: Place, given: Given = LOADED) -> Spec:
    linked = {"model": given.model, "inversion": ("inversion", 0), "latent": ("apply", 0)}
    return Spec("AttentionDragSampler", at, linked, (300, 290))


def decode(at: Place, given: Given = LOADED) -> Spec:
    return Spec("VAEDecode", at, {"samples": ("sampler", 0), "vae": given.vae}, (225, 60))


def composite(at: Place, given: Given = LOADED, **more: Any) -> Spec:
    linked = {"source": given.image, "edited": ("decode", 0), "dragged": ("apply", 0), **more}
    return Spec("AttentionDragComposite", at, linked, (300, 180))


def edited(at: Place = (1220, 0), source: Link = ("edit", 0), width: int = 580) -> Spec:
    """Saves the edit."""
    return Spec("SaveImage", at, {"images": source, "filename_prefix": "AttentionDrag"}, (width, 460), "Edited")


def show(at: Place, title: str, source: Link) -> Spec:
    return Spec("PreviewImage", at, {"images": source}, (280, 300), title)


def mask_image(at: Place, source: Link) -> Spec:
    return Spec("MaskToImage", at, {"mask": source}, (280, 40))


def prompt(at: Place, title: str, text: str) -> Spec:
    return Spec("CLIPTextEncode", at, {"clip": ("model", 1), "text": text}, (400, 110), title)


def note(at: Place, size: tuple[int, int], text: str) -> Spec:
    return Spec("MarkdownNote", at, {"text": text}, size, "Note")
