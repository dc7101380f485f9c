"""Write example_workflows/*.json and subgraphs/*.json: graphs laid out in the front end's own format.

    python -m scripts.make_workflows

The node descriptions come from a running server, so inputs, widgets and their defaults are the nodes' own. Run it
again when a node's inputs change, then look at the result in the browser. The graphs are in ``example_graphs`` and
``chain_graphs``.
"""

from __future__ import annotations

import json
import sys
import uuid
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from scripts.base_directory import make_base_directory
from scripts.chain_graphs import CHAIN, CHAIN_INPUTS, CHAIN_OUTPUTS, CHAIN_WIDGETS, LARGE, RESTYLE, STEP_BY_STEP
from scripts.client import ComfyClient
from scripts.comfyui import find_comfyui, unpack_comfyui
from scripts.environment import REPOSITORY, cache_directory
from scripts.example_graphs import BATCH, EDIT, MASK, PLATE, REGION, TURN_AND_BEND
from scripts.graph_parts import IMAGE, Spec
from scripts.server import ComfyServer
from scripts.workflow import default_value, is_widget, widget_names

PACK = "attentiondrag"
BLUEPRINT = "AttentionDrag chain"
WORKFLOWS = {
    "attentiondrag_edit": EDIT,
    "attentiondrag_turn_and_bend": TURN_AND_BEND,
    "attentiondrag_region": REGION,
    "attentiondrag_batch": BATCH,
    "attentiondrag_step_by_step": STEP_BY_STEP,
    "attentiondrag_large_picture": LARGE,
    "attentiondrag_prompted_restyle": RESTYLE,
}
# What App mode shows of a workflow: (node, widget), and the nodes whose pictures it shows.
APP_INPUTS = {
    "attentiondrag_edit": (
        *(("model", "ckpt_name"), ("image", "image"), ("points", "attentiondrag_picker")),
        *(("edit", "strength"), ("edit", "seed")),
    )
}
APP_OUTPUTS = ("edited",)
# The bird of the demo picture, as somebody would paint over it.
_BIRD = [(15, 124), (45, 96), (74, 86), (88, 80), (104, 92), (94, 98), (90, 116), (70, 130), (66, 146), (52, 144)]


def workflow(name: str, specs: dict[str, Spec], object_info: dict[str, Any]) -> dict[str, Any]:
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
        "extra": {"ds": {"scale": 0.7, "offset": [130, 140]}, **_app(name, ids)},
        "version": 0.4,
    }


def _app(name: str, ids: dict[str, int]) -> dict[str, Any]:
    if name not in APP_INPUTS:
        return {}
    inputs = [[ids[node], widget] for node, widget in APP_INPUTS[name]]
    return {"linearData": {"inputs": inputs, "outputs": [ids[node] for node in APP_OUTPUTS]}}


def blueprint(object_info: dict[str, Any]) -> dict[str, Any]:
    """The chain as a subgraph that ComfyUI offers as a node of its own."""
    ids = {key: number for number, key in enumerate(CHAIN, start=1)}
    nodes = {key: _node(spec, ids[key], object_info[spec.type]) for key, spec in CHAIN.items()}
    links: list[dict[str, Any]] = []

    def link(origin: tuple[int, int], target: tuple[int, int], kind: str) -> int:
        links.append(
            {"id": len(links) + 1, "origin_id": origin[0], "origin_slot": origin[1]}
            | {"target_id": target[0], "target_slot": target[1], "type": kind}
        )
        return len(links)

    inputs = [_border(name, kind) for name, kind in CHAIN_INPUTS]
    outputs = []
    for key, node in nodes.items():
        for slot, entry in enumerate(node["inputs"]):
            source = CHAIN[key].inputs.get(entry["name"])
            if not isinstance(source, tuple):
                continue
            if source[0] == "in":
                entry["link"] = link((-10, source[1]), (ids[key], slot), entry["type"])
                inputs[source[1]]["linkIds"].append(entry["link"])
                continue
            output = nodes[source[0]]["outputs"][source[1]]
            entry["link"] = link((ids[source[0]], source[1]), (ids[key], slot), output["type"])
            output["links"] = [*(output["links"] or []), entry["link"]]
    for slot, (name, key, at) in enumerate(CHAIN_OUTPUTS):
        output = nodes[key]["outputs"][at]
        number = link((ids[key], at), (-20, slot), output["type"])
        output["links"] = [*(output["links"] or []), number]
        outputs.append({**_border(name, output["type"]), "linkIds": [number]})
    own = str(uuid.uuid5(uuid.NAMESPACE_URL, BLUEPRINT))
    definition = {
        "id": own,
        "version": 1,
        "revision": 0,
        "state": {"lastGroupId": 0, "lastNodeId": len(nodes), "lastLinkId": len(links), "lastRerouteId": 0},
        "config": {},
        "name": BLUEPRINT,
        "inputNode": {"id": -10, "bounding": [-200, 0, 120, 120]},
        "outputNode": {"id": -20, "bounding": [2400, 0, 120, 120]},
        "inputs": inputs,
        "outputs": outputs,
        "widgets": [],
        "nodes": list(nodes.values()),
        "groups": [],
        "links": links,
        "extra": {},
    }
    outside = {
        "id": len(nodes) + 1,
        "type": own,
        "pos": [0, 0],
        "size": [300, 300],
        "flags": {},
        "order": 0,
        "mode": 0,
        "inputs": [{"name": name, "type": kind, "link": None} for name, kind in CHAIN_INPUTS],
        "outputs": [{"name": one["name"], "type": one["type"], "links": []} for one in outputs],
        "title": BLUEPRINT,
        "properties": {"proxyWidgets": [[str(ids[key]), widget] for key, widget in CHAIN_WIDGETS]},
        "widgets_values": [],
    }
    return {
        "revision": 0,
        "last_node_id": len(nodes) + 1,
        "last_link_id": 0,
        "nodes": [outside],
        "links": [],
        "version": 0.4,
        "definitions": {"subgraphs": [definition]},
        "extra": {
            "BlueprintDescription": "The whole edit as a chain of nodes: open it to change what is between.",
            "BlueprintSearchAliases": ["drag", "move object", "puppet warp"],
        },
    }


def _border(name: str, kind: str) -> dict[str, Any]:
    """A slot on a subgraph's border."""
    own = uuid.uuid5(uuid.NAMESPACE_URL, f"{BLUEPRINT} {name} {kind}")
    return {"id": str(own), "name": name, "type": kind, "linkIds": []}


def drawn_mask(size: tuple[int, int] = (256, 256)) -> Image.Image:
    """The mask that the region workflow loads: white over the demo picture's bird."""
    mask = Image.new("RGB", size)
    ImageDraw.Draw(mask).polygon(_BIRD, fill="white", outline="white", width=9)
    return mask


def clean_plate(picture: Image.Image) -> Image.Image:
    """The demo picture without its bird: the ground, a cubic in x and y fitted to what isn't an object, goes on."""
    values = np.asarray(picture.convert("RGB")).astype(float).reshape(-1, 3)
    y, x = np.mgrid[: picture.height, : picture.width] / max(picture.size) - 0.5
    terms = np.stack([x**i * y**j for i in range(4) for j in range(4 - i)], -1).reshape(len(values), -1)
    ground, off = np.ones(len(values), bool), np.zeros(len(values))
    for _ in range(12):
        fitted = terms @ np.linalg.lstsq(terms[ground], values[ground], rcond=None)[0]
        off = abs(fitted - values).max(-1)
        ground = off < max(4.0, 2.5 * float(np.median(off[ground])))
    smooth = Image.fromarray(fitted.clip(0, 255).round().astype(np.uint8).reshape(*x.shape, 3))
    bird = drawn_mask(picture.size).convert("L").filter(ImageFilter.MaxFilter(13))
    return Image.composite(smooth, picture.convert("RGB"), bird)


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
    # As front ends order them. Some find a subgraph's links by the slot's number alone.
    node["inputs"].sort(key=lambda entry: "widget" in entry)
    for name, kind in zip(info["output_name"], info["output"], strict=True):
        node["outputs"].append({"name": name, "type": kind, "links": None})
    node["widgets_values"] = _widget_values(spec, info)
    return node


def _widget_values(spec: Spec, info: dict[str, Any]) -> list[Any]:
    values, kind = [], None
    for name in widget_names(info):
        if name is None:  # what the front end adds: the mode of a seed, the button that uploads an image
            values.append("fixed" if kind == "INT" else "image")
            continue
        spec_of_input = {**info["input"].get("required", {}), **info["input"].get("optional", {})}[name]
        given = spec.inputs.get(name)
        # A linked widget keeps a value under its link.
        values.append(default_value(spec_of_input) if given is None or isinstance(given, tuple) else given)
        kind = spec_of_input[0]
    return values


def main() -> None:
    base = make_base_directory(cache_directory() / "workflows")
    comfyui = find_comfyui() or unpack_comfyui(Path(sys.executable))
    with ComfyServer(comfyui, base, Path(sys.executable)) as server:
        object_info = ComfyClient(server.url).object_info()
    for name, specs in WORKFLOWS.items():
        path = REPOSITORY / "example_workflows" / f"{name}.json"
        _write(path, workflow(name, specs, object_info))
    _write(REPOSITORY / "subgraphs" / f"{BLUEPRINT}.json", blueprint(object_info))
    folder = REPOSITORY / "example_workflows"
    drawn_mask().save(folder / MASK, optimize=True)
    with Image.open(folder / IMAGE) as picture:
        clean_plate(picture).save(folder / PLATE, optimize=True)


def _write(path: Path, data: dict[str, Any]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main()
