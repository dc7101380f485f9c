"""When a node may put a graph of others in its place, and with which links."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from comfy.cli_args import args
from comfy_execution.graph_utils import is_link

import nodes as comfyui_nodes


def links_to_pass_on(hidden: Any, names: Iterable[str]) -> dict[str, list] | None:
    """The links [node id, output] behind a running node's inputs, or None where it must do its work itself.

    A node in an expanded graph is cached only if its inputs are links or plain values: a MODEL or an IMAGE as a
    constant has no key (Comfy-Org/ComfyUI#931). So it is None

    - without ComfyUI's executor, and for inputs that another expanding node filled with objects;
    - with ``--cache-none``, where expanding saves nothing and what is linked would run once more;
    - behind a node that gives a list: this node runs once for each of its items, and a link means all of them.

    Args:
        hidden: the node's ``cls.hidden``, with ``unique_id`` and ``dynprompt``.
        names: inputs that are objects (MODEL, IMAGE, ...) and are given.
    """
    if hidden is None or hidden.dynprompt is None or getattr(args, "cache_none", False):
        return None
    inputs = hidden.dynprompt.get_node(hidden.unique_id)["inputs"]
    links = {name: inputs.get(name) for name in names}
    if not all(map(is_link, links.values())) or _is_behind_a_list(hidden.dynprompt, hidden.unique_id):
        return None
    return links


def _is_behind_a_list(prompt: Any, node_id: str) -> bool:
    """Whether a list of items reaches this node, from however far; a node that takes a whole list ends it."""
    waiting, seen = [node_id], {node_id}
    while waiting:
        for value in prompt.get_node(waiting.pop())["inputs"].values():
            if not is_link(value) or value[0] in seen:
                continue
            seen.add(value[0])
            kind = comfyui_nodes.NODE_CLASS_MAPPINGS[prompt.get_node(value[0])["class_type"]]
            if any(getattr(kind, "OUTPUT_IS_LIST", None) or ()):
                return True
            if not getattr(kind, "INPUT_IS_LIST", False):
                waiting.append(value[0])
    return False
