"""From the front end's workflow format to the API's prompt format.

What the front end does on "Queue": nodes with their links and widget values, by input name. Kept to what
example_workflows/ use: no subgraphs, no reroutes, no primitive nodes, no muted nodes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Graph = dict[str, dict[str, Any]]

_WIDGET_TYPES = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}
# Nodes that live in the front end alone.
_FRONT_END_TYPES = {"Note", "MarkdownNote"}


class WorkflowError(ValueError):
    """The workflow and the server's nodes do not fit together."""


def load_workflow(path: Path) -> dict[str, Any]:
    """Read a workflow that the front end saved."""
    return json.loads(path.read_text(encoding="utf-8"))


def is_widget(spec: list[Any]) -> bool:
    """Whether an input, as ``/object_info`` describes it, is a widget of the node."""
    kind, options = spec[0], (spec + [{}])[1]
    return (isinstance(kind, list) or kind in _WIDGET_TYPES) and not options.get("forceInput")


def default_value(spec: list[Any]) -> Any:
    """An input's default: the stated one, else the first choice; None where there is neither."""
    kind, options = spec[0], (spec + [{}])[1]
    if "default" in options:
        return options["default"]
    choices = kind if isinstance(kind, list) else options.get("options")
    return choices[0] if choices else None


def widget_names(info: dict[str, Any], groups: tuple[str, ...] = ("required", "optional")) -> list[str | None]:
    """Names of a node's widgets in the order of ``widgets_values``; None for one the API does not take.

    ``info`` is the node's entry in ``/object_info``.
    """
    names: list[str | None] = []
    for group in groups:
        inputs, uploads = info["input"].get(group, {}), False
        for name in info.get("input_order", {}).get(group, inputs):
            kind, options = inputs[name][0], (inputs[name] + [{}])[1]
            if not is_widget(inputs[name]):
                continue
            names.append(name)
            # A seed gets a widget for what becomes of it after the run, unless its node says otherwise.
            is_seed = kind == "INT" and name in ("seed", "noise_seed")
            if options.get("control_after_generate", is_seed):
                names.append(None)
            uploads = uploads or bool(options.get("image_upload"))
        # The button for a file comes after all others that are required.
        names += [None] * uploads
    return names


def to_prompt(workflow: dict[str, Any], object_info: dict[str, Any]) -> Graph:
    """Convert a workflow to the graph that ``POST /prompt`` takes.

    Raises:
        WorkflowError: a node type the server does not have, or widget values that do not fit its inputs.
    """
    sources = {link[0]: [str(link[1]), link[2]] for link in workflow["links"]}
    graph: Graph = {}
    for node in workflow["nodes"]:
        if node["type"] in _FRONT_END_TYPES:
            continue
        if node["type"] not in object_info:
            raise WorkflowError(f"node {node['id']}: the server has no node of type {node['type']}")
        names, values = widget_names(object_info[node["type"]]), node.get("widgets_values") or []
        least = len(widget_names(object_info[node["type"]], ("required",)))
        if not least <= len(values) <= len(names):
            raise WorkflowError(
                f"node {node['id']} ({node['type']}) stores {len(values)} widget values for {len(names)}: {names}"
            )
        # Optional widgets that a node got since the workflow was saved stay at their defaults, as in the front end.
        inputs = {name: value for name, value in zip(names, values, strict=False) if name is not None}
        for slot in node.get("inputs", ()):
            if slot.get("link") is not None:
                inputs[slot["name"]] = sources[slot["link"]]
        graph[str(node["id"])] = {
            "class_type": node["type"],
            "inputs": inputs,
            "_meta": {"title": node.get("title", node["type"])},
        }
    return graph


def nodes_of_type(graph: Graph, node_type: str) -> list[str]:
    """Ids of a graph's nodes of one type, in the graph's order."""
    return [node_id for node_id, node in graph.items() if node["class_type"] == node_type]
