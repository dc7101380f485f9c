"""Broken input by ComfyUI's API: ``python -m benchmarks.fuzz --points 300 --graphs 100 --seed 0``.

Point files (stored drags, damaged in every way) go through AttentionDrag Points, as its widget and as a linked text;
graphs are the example workflows with inputs taken away, mislinked or set to what can't be. Each must run, or be refused
by ComfyUI before it runs, or end in an error of the pack's own words (``InputError``), and the server must go on:
printed as JSON, with every case that did otherwise.
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from scripts.client import ComfyClient, Graph, PromptError

from . import server

ODD: tuple[Any, ...] = (
    *(None, True, False, "", "x", "0.5", [], {}, [[]], -1, 2, 0.5, 1e308, -1e308, 10**400, float("nan"), float("inf")),
    *("\u0000", "😀" * 50, [0.5], [0.5, 0.5, 0.5], [None, 0.5], {"x": 1, "y": 1}, "a" * 10_000),
)
SIZES = (0, 1, 7, 8, 63)


def point_file(rng: random.Random) -> str:
    """Stored drags of either version, damaged once or more, or not at all."""
    pairs = [_pair(rng) for _ in range(rng.choice((1, 1, 2, 5, 300)))]
    data: dict[str, Any] = {"version": rng.choice((1, 2)), "pairs": pairs}
    if data["version"] == 2:
        data["clicks"] = [{"at": [rng.random(), rng.random()], "kind": rng.choice(("add", "leave_out"))}]
    for _ in range(rng.randrange(4)):
        _damage(rng, data)
    text = json.dumps(data, ensure_ascii=rng.random() < 0.5)
    how = rng.randrange(8)
    if how == 0:
        return text[: rng.randrange(len(text))]
    if how == 1:
        at = rng.randrange(len(text))
        return text[:at] + chr(rng.randrange(1, 0xD800)) + text[at + 1 :]
    if how == 2:
        return rng.choice(("", " ", "null", "[]", "[" * 50_000, '"', text + text, f"[{text}]", "{" * 99))
    return text


def _pair(rng: random.Random) -> dict[str, Any]:
    pair: dict[str, Any] = {end: [round(rng.random(), 3), round(rng.random(), 3)] for end in ("handle", "target")}
    for name, value in (("radius", rng.random()), ("group", rng.randrange(1, 257)), ("motion", "move")):
        if rng.random() < 0.2:
            pair[name] = value
    return pair


def _damage(rng: random.Random, data: Any) -> None:
    """Takes something out of nested data, or puts something odd in its place."""
    while isinstance(data, (dict, list)) and data:
        key = rng.choice(list(data)) if isinstance(data, dict) else rng.randrange(len(data))
        if not isinstance(data[key], (dict, list)) or rng.random() < 0.3:
            if rng.random() < 0.3:
                del data[key]
            else:
                data[key] = copy.deepcopy(rng.choice(ODD))
            return
        data = data[key]


def points_graph(object_info: dict[str, Any], image: str, text: str, linked: bool) -> Graph:
    """A picture and its drags, nothing else."""
    points: Any = text
    graph: Graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": image}},
        "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 2]}},
    }
    if linked:
        graph["4"] = {"class_type": "PrimitiveStringMultiline", "inputs": {"value": text}}
        points = ["4", 0]
    graph["2"] = {"class_type": "AttentionDragPoints", "inputs": {"image": ["1", 0], "points": points}}
    return graph


def broken_graph(rng: random.Random, graph: Graph) -> Graph:
    """A copy of a graph with one to three things wrong."""
    graph = copy.deepcopy(graph)
    for _ in range(rng.randrange(1, 4)):
        rng.choice((_take_away, _mislink, _set_odd, _set_extreme, _resize, _cut_out))(rng, graph)
    return graph


def _node_and_input(rng: random.Random, graph: Graph, linked: bool | None = None) -> tuple[dict, str] | None:
    found = [
        (node, name)
        for node in graph.values()
        for name, value in node["inputs"].items()
        if linked is None or isinstance(value, list) == linked
    ]
    return rng.choice(found) if found else None


def _take_away(rng: random.Random, graph: Graph) -> None:
    if at := _node_and_input(rng, graph):
        del at[0]["inputs"][at[1]]


def _mislink(rng: random.Random, graph: Graph) -> None:
    if at := _node_and_input(rng, graph, linked=True):
        at[0]["inputs"][at[1]] = [rng.choice([*graph, "no such node"]), rng.choice((0, 0, 1, 2, 9, -1))]


def _set_odd(rng: random.Random, graph: Graph) -> None:
    if at := _node_and_input(rng, graph, linked=False):
        # What JSON can't say never reaches a server.
        at[0]["inputs"][at[1]] = rng.choice([value for value in ODD if value == value and abs_finite(value)])


def _set_extreme(rng: random.Random, graph: Graph) -> None:
    if at := _node_and_input(rng, graph, linked=False):
        value = at[0]["inputs"][at[1]]
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            at[0]["inputs"][at[1]] = rng.choice((0, 1, -1, 256, 0.999, 1e9, type(value)(value * 3 + 1)))


def _resize(rng: random.Random, graph: Graph) -> None:
    """Another size before one of the nodes that take the picture."""
    takers = [node for node in graph.values() for name in ("image", "source", "pixels") if name in node["inputs"]]
    takers = [node for node in takers if node["class_type"] != "LoadImage"]
    if not takers:
        return
    node = rng.choice(takers)
    name = next(name for name in ("image", "source", "pixels") if name in node["inputs"])
    scaled = {"upscale_method": "nearest-exact", "crop": "disabled", "image": node["inputs"][name]}
    scaled |= {"width": rng.choice((1, 8, 40, 65)), "height": rng.choice((1, 8, 40, 65))}
    key = f"resized {len(graph)}"
    graph[key] = {"class_type": "ImageScale", "inputs": scaled}
    node["inputs"][name] = [key, 0]


def _cut_out(rng: random.Random, graph: Graph) -> None:
    del graph[rng.choice(list(graph))]


def abs_finite(value: Any) -> bool:
    """Whether JSON can say a number; true for everything else."""
    return not isinstance(value, float) or abs(value) < float("inf")


def outcome(client: ComfyClient, graph: Graph) -> tuple[str, str]:
    """("ran", ""), ("refused", why) by ComfyUI before it ran, ("told", why) by the pack, ("others", why) by another
    node, or ("unclear", why): an error of ours that is no ``InputError``."""
    try:
        prompt = client.queue(graph)
    except PromptError as error:
        return "refused", str(error)
    except Exception as error:  # an answer that is no refusal either
        return "unclear", f"the server answered: {error}"
    try:
        client.wait(prompt)
    except PromptError as error:
        if not any(one.node_type.startswith("AttentionDrag") for one in error.errors):
            return "others", str(error)
        clear = all("InputError" in one.message or "UnsupportedModelError" in one.message for one in error.errors)
        return ("told" if clear else "unclear"), str(error)
    return "ran", ""


def fuzz(client: ComfyClient, graphs: list[Graph], image: str, points: int, broken: int, seed: int) -> dict[str, Any]:
    """Runs the cases on a server; returns counts and every unclear one.

    Args:
        graphs: that run, to be broken.
        image: name of a picture for LoadImage.
    """
    rng = random.Random(seed)
    object_info = client.object_info()
    made: list[tuple[str, Callable[[], Graph]]] = []
    for number in range(points):
        text, linked = point_file(rng), bool(number % 2)
        made.append(("points", lambda text=text, linked=linked: points_graph(object_info, image, text, linked)))
    for number in range(broken):
        graph = broken_graph(rng, graphs[number % len(graphs)])
        made.append(("graphs", lambda graph=graph: graph))
    counts = {"points": Counter(), "graphs": Counter()}
    unclear = []
    for number, (kind, make) in enumerate(made):
        graph = make()
        what, why = outcome(client, graph)
        counts[kind][what] += 1
        sys.stderr.write(f"{number + 1}/{len(made)} {kind}: {what}\n")
        if what == "unclear":
            unclear.append({"case": number, "kind": kind, "why": why[:500], "graph": json.dumps(graph)[:2000]})
    client.system_stats()
    return {"seed": seed, **{kind: dict(count) for kind, count in counts.items()}, "unclear": unclear}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=300)
    parser.add_argument("--graphs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as root, server.running(Path(root)) as (_, client):
        image = client.upload_image("fuzz.png", server.picture(np.random.default_rng(options.seed), 64, 64))
        info = client.object_info()
        graphs = [server.small_graph(info, name, image, steps=2, grow=8) for name in server.WORKFLOWS]
        report = fuzz(client, graphs, image, options.points, options.graphs, options.seed)
        report["still_edits"] = all(outcome(client, graph)[0] == "ran" for graph in graphs)
    print(json.dumps(report, indent=2))
    return 0 if not report["unclear"] and report["still_edits"] else 1


if __name__ == "__main__":
    sys.exit(main())
