"""Write example_workflows/*.json: the graphs below, laid out, in the front end's own format.

    python -m scripts.make_workflows

The node descriptions come from a running server, so inputs, widgets and their defaults are the nodes' own. Run it
again when a node's inputs change, then look at the result in the browser.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.base_directory import make_base_directory
from scripts.client import ComfyClient
from scripts.comfyui import find_comfyui, unpack_comfyui
from scripts.environment import REPOSITORY, cache_directory
from scripts.server import ComfyServer
from scripts.workflow import default_value, is_widget, widget_names

IMAGE = "attentiondrag_demo.png"
CHECKPOINT = "attentiondrag_demo.safetensors"
SD15 = "v1-5-pruned-emaonly-fp16.safetensors"
POINTS = {"version": 1, "pairs": [{"handle": [0.31, 0.404], "target": [0.42, 0.74]}]}
PACK = "attentiondrag"


@dataclass
class Spec:
    """One node: its type, place, inputs (a value, or (key of another node, output)) and size."""

    type: str
    at: tuple[int, int]
    inputs: dict[str, Any] = field(default_factory=dict)
    size: tuple[int, int] = (300, 120)
    title: str | None = None


def picture(at: tuple[int, int]) -> Spec:
    return Spec("LoadImage", at, {"image": IMAGE}, (300, 330))


def points(at: tuple[int, int], image: str) -> Spec:
    return Spec(
        "AttentionDragPoints",
        at,
        {"image": (image, 0), "points": json.dumps(POINTS, separators=(",", ":"))},
        (420, 520),
    )


def show(at: tuple[int, int], title: str, source: tuple[str, int]) -> Spec:
    return Spec("PreviewImage", at, {"images": source}, (280, 300), title)


def note(at: tuple[int, int], size: tuple[int, int], text: str) -> Spec:
    return Spec("MarkdownNote", at, {"text": text}, size, "Note")


EDIT = {
    "model": Spec("CheckpointLoaderSimple", (0, 0), {"ckpt_name": CHECKPOINT}, (300, 100)),
    "image": picture((0, 160)),
    "points": points((360, 0), "image"),
    "edit": Spec(
        "AttentionDragEdit",
        (840, 0),
        {"model": ("model", 0), "vae": ("model", 2), "image": ("image", 0), "points": ("points", 0)},
        (320, 400),
    ),
    "edited": Spec(
        "SaveImage",
        (1220, 0),
        {"images": ("edit", 0), "filename_prefix": "AttentionDrag"},
        (420, 460),
        "Edited",
    ),
    "maskimage": Spec("MaskToImage", (840, 460), {"mask": ("edit", 1)}, (200, 30)),
    "mask": show((1220, 520), "Mask", ("maskimage", 0)),
    "heatmap": show((1520, 520), "Heatmap", ("edit", 2)),
    "preview": show((920, 560), "Points", ("points", 2)),
    "note": note(
        (0, 560),
        (780, 200),
        "### AttentionDrag: edit\n"
        "1. Choose a Stable Diffusion 1.x, 2.x or SDXL checkpoint and a picture.\n"
        "2. In **AttentionDrag Points**, press on what should move and drag it to where it should go.\n"
        "3. Run. *Heatmap* and *Mask* show what the model takes to belong to the point; `tau` and `grow` on the "
        "edit node widen or narrow it.\n\n"
        "The checkpoint and the picture named here are the demo's: `scripts/demo.sh --serve` puts both in place.",
    ),
}

STEP_BY_STEP = {
    "model": Spec("CheckpointLoaderSimple", (0, 0), {"ckpt_name": CHECKPOINT}, (300, 100)),
    "image": picture((0, 160)),
    "points": points((360, 0), "image"),
    "encode": Spec("VAEEncode", (0, 560), {"pixels": ("image", 0), "vae": ("model", 2)}, (200, 50)),
    "capture": Spec("AttentionDragCapture", (360, 580), {}, (320, 280)),
    "inversion": Spec(
        "AttentionDragInversion",
        (840, 0),
        {"model": ("model", 0), "latent": ("encode", 0), "capture": ("capture", 0)},
        (300, 240),
    ),
    "mask": Spec(
        "AttentionDragMask",
        (840, 300),
        {"inversion": ("inversion", 0), "points": ("points", 0), "image": ("image", 0)},
        (300, 260),
    ),
    "apply": Spec(
        "AttentionDragApply",
        (1200, 0),
        {
            "model": ("model", 0),
            "inversion": ("inversion", 0),
            "points": ("points", 0),
            "mask": ("mask", 0),
            "image": ("image", 0),
            "vae": ("model", 2),
        },
        (300, 240),
    ),
    "sampler": Spec(
        "AttentionDragSampler",
        (1200, 300),
        {"model": ("model", 0), "inversion": ("inversion", 0), "latent": ("apply", 0)},
        (300, 260),
    ),
    "decode": Spec("VAEDecode", (1560, 0), {"samples": ("sampler", 0), "vae": ("model", 2)}, (220, 50)),
    "composite": Spec(
        "AttentionDragComposite",
        (1560, 110),
        {"source": ("image", 0), "edited": ("decode", 0), "dragged": ("apply", 0)},
        (300, 190),
    ),
    "edited": Spec(
        "SaveImage",
        (1920, 0),
        {"images": ("composite", 0), "filename_prefix": "AttentionDrag"},
        (420, 460),
        "Edited",
    ),
    "maskimage": Spec("MaskToImage", (1200, 620), {"mask": ("mask", 0)}, (200, 30)),
    "shownmask": show((1200, 700), "Mask", ("maskimage", 0)),
    "heatmap": show((840, 620), "Heatmap", ("mask", 1)),
    "displacement": show((1560, 700), "Displacement", ("apply", 2)),
    "note": note(
        (360, 920),
        (440, 200),
        "### AttentionDrag: step by step\n"
        "The inversion is the dear step. Moving points, `tau`, a drawn mask or the sampler's settings leaves it in "
        "ComfyUI's cache.\n\n"
        "A drawn mask goes into **AttentionDrag Mask** (add, subtract, intersect or replace); the free "
        "cells of **AttentionDrag Apply** tell other nodes what may have changed.",
    ),
}

RESTYLE = {
    "model": Spec("CheckpointLoaderSimple", (0, 0), {"ckpt_name": SD15}, (300, 100)),
    "image": picture((0, 160)),
    "points": points((360, 0), "image"),
    "encode": Spec("VAEEncode", (0, 560), {"pixels": ("image", 0), "vae": ("model", 2)}, (200, 50)),
    "describe": Spec(
        "CLIPTextEncode",
        (360, 580),
        {"clip": ("model", 1), "text": "a black bird, a school and a cloud on a violet background"},
        (400, 110),
        "What the picture shows",
    ),
    "prompt": Spec(
        "CLIPTextEncode",
        (360, 750),
        {"clip": ("model", 1), "text": "a colourful parrot, a school and a cloud on a violet background"},
        (400, 110),
        "What the element becomes",
    ),
    "negative": Spec("CLIPTextEncode", (360, 920), {"clip": ("model", 1), "text": ""}, (400, 110), "Negative"),
    "inversion": Spec(
        "AttentionDragInversion",
        (840, 0),
        {"model": ("model", 0), "latent": ("encode", 0), "positive": ("describe", 0)},
        (300, 240),
    ),
    "mask": Spec("AttentionDragMask", (840, 300), {"inversion": ("inversion", 0), "points": ("points", 0)}, (300, 260)),
    "apply": Spec(
        "AttentionDragApply",
        (1200, 0),
        {
            "model": ("model", 0),
            "inversion": ("inversion", 0),
            "points": ("points", 0),
            "mask": ("mask", 0),
            "image": ("image", 0),
            "vae": ("model", 2),
        },
        (300, 240),
    ),
    "select": Spec(
        "AttentionDragSamplerSelect",
        (1200, 300),
        {"inversion": ("inversion", 0), "latent": ("apply", 0), "preserve": 0.2},
        (300, 170),
    ),
    "guider": Spec(
        "CFGGuider",
        (1200, 530),
        {"model": ("model", 0), "positive": ("prompt", 0), "negative": ("negative", 0), "cfg": 5.0},
        (300, 110),
    ),
    "noise": Spec("DisableNoise", (1200, 700), {}, (300, 30)),
    "sampler": Spec(
        "SamplerCustomAdvanced",
        (1560, 0),
        {
            "noise": ("noise", 0),
            "guider": ("guider", 0),
            "sampler": ("select", 0),
            "sigmas": ("inversion", 2),
            "latent_image": ("apply", 0),
        },
        (300, 120),
    ),
    "decode": Spec("VAEDecode", (1560, 180), {"samples": ("sampler", 0), "vae": ("model", 2)}, (220, 50)),
    "composite": Spec(
        "AttentionDragComposite",
        (1560, 290),
        {"source": ("image", 0), "edited": ("decode", 0), "dragged": ("apply", 0), "keep_element": False},
        (300, 190),
    ),
    "edited": Spec(
        "SaveImage",
        (1920, 0),
        {"images": ("composite", 0), "filename_prefix": "AttentionDrag"},
        (420, 460),
        "Edited",
    ),
    "heatmap": show((840, 620), "Heatmap", ("mask", 1)),
    "displacement": show((1560, 520), "Displacement", ("apply", 2)),
    "note": note(
        (0, 680),
        (300, 330),
        "### AttentionDrag: move and restyle\n"
        "For a checkpoint with a text encoder. The inversion runs with a prompt that describes the picture; the "
        "way back runs with another, under ComfyUI's own guider and **SamplerCustomAdvanced**.\n\n"
        "`preserve` says for how long the moved element is held to what it was: lower it, and the prompt gets more "
        "say. SIGMAS must be the inversion's, and no noise is added.",
    ),
}

WORKFLOWS = {
    "attentiondrag_edit": EDIT,
    "attentiondrag_step_by_step": STEP_BY_STEP,
    "attentiondrag_prompted_restyle": RESTYLE,
}


def workflow(specs: dict[str, Spec], object_info: dict[str, Any]) -> dict[str, Any]:
    """The front end's JSON of a graph."""
    ids = {key: number for number, key in enumerate(specs, start=1)}
    nodes = {key: _node(spec, ids[key], object_info.get(spec.type)) for key, spec in specs.items()}
    links = []
    for key, node in nodes.items():
        for slot, entry in enumerate(node["inputs"]):
            source = specs[key].inputs.get(entry["name"])
            if not isinstance(source, tuple):
                continue
            output = nodes[source[0]]["outputs"][source[1]]
            links.append([len(links) + 1, ids[source[0]], source[1], ids[key], slot, output["type"]])
            entry["link"] = links[-1][0]
            output["links"] = [*(output["links"] or []), links[-1][0]]
    return {
        "last_node_id": len(nodes),
        "last_link_id": len(links),
        "nodes": list(nodes.values()),
        "links": links,
        "groups": [],
        "config": {},
        "extra": {"ds": {"scale": 0.7, "offset": [130, 140]}},
        "version": 0.4,
    }


def _node(spec: Spec, number: int, info: dict[str, Any] | None) -> dict[str, Any]:
    node: dict[str, Any] = {
        "id": number,
        "type": spec.type,
        "pos": list(spec.at),
        "size": list(spec.size),
        "flags": {},
        "order": number - 1,
        "mode": 0,
        "inputs": [],
        "outputs": [],
    }
    if spec.title:
        node["title"] = spec.title
    if info is None:  # lives in the front end alone
        node["properties"] = {}
        node["widgets_values"] = list(spec.inputs.values())
        return node
    known = {name for group in info["input"].values() for name in group}
    if unknown := spec.inputs.keys() - known:
        raise ValueError(f"{spec.type} has no input {', '.join(sorted(unknown))}")
    ours = spec.type.startswith("AttentionDrag")
    node["properties"] = {
        "Node name for S&R": spec.type,
        "cnr_id": PACK if ours else "comfy-core",
    }
    for group in ("required", "optional"):
        inputs = info["input"].get(group, {})
        for name in info["input_order"].get(group, inputs):
            kind = inputs[name][0]
            entry: dict[str, Any] = {"name": name, "type": "COMBO" if isinstance(kind, list) else kind}
            if is_widget(inputs[name]):
                entry["widget"] = {"name": name}
            elif group == "optional":
                entry["shape"] = 7
            node["inputs"].append({**entry, "link": None})
    for name, kind in zip(info["output_name"], info["output"], strict=True):
        node["outputs"].append({"name": name, "type": kind, "links": None})
    node["widgets_values"] = _widget_values(spec, info)
    return node


def _widget_values(spec: Spec, info: dict[str, Any]) -> list[Any]:
    values, previous = [], None
    for name in widget_names(info):
        if name is None:  # what the front end adds: the mode of a seed, the upload button of an image
            values.append("image" if previous == "image" else "fixed")
            continue
        spec_of_input = {**info["input"].get("required", {}), **info["input"].get("optional", {})}[name]
        values.append(spec.inputs[name] if name in spec.inputs else default_value(spec_of_input))
        previous = name
    return values


def main() -> None:
    base = make_base_directory(cache_directory() / "workflows")
    comfyui = find_comfyui() or unpack_comfyui(Path(sys.executable))
    with ComfyServer(comfyui, base, Path(sys.executable)) as server:
        object_info = ComfyClient(server.url).object_info()
    for name, specs in WORKFLOWS.items():
        path = REPOSITORY / "example_workflows" / f"{name}.json"
        path.write_text(json.dumps(workflow(specs, object_info), indent=2) + "\n", encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
