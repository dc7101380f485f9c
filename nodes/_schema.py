"""Schemas that use what the installed ComfyUI knows, and leave out what it doesn't."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from comfy_api.latest import io


def node_schema(
    *,
    aliases: Iterable[str] = (),
    advanced: Iterable[str] = (),
    intermediate_output: bool = False,
    dev_only: bool = False,
    **fields: Any,
) -> io.Schema:
    """An ``io.Schema`` of ``fields``, with what came to it after 0.3.52.

    Args:
        aliases: other words under which the search finds the node.
        advanced: ids of inputs that show only on demand.
        intermediate_output: what it shows (``ui``) is sent again when its result is cached.
        dev_only: in no menu and no search.
    """
    schema = io.Schema(**fields)
    hidden = set(advanced)
    for one in schema.inputs or ():
        if one.id in hidden:
            hidden.remove(one.id)
            mark_advanced(one)
    if hidden:
        raise ValueError(f"{schema.node_id} has no input {', '.join(sorted(hidden))}")
    if hasattr(schema, "search_aliases"):
        schema.search_aliases = list(aliases)
    if hasattr(schema, "has_intermediate_output"):
        schema.has_intermediate_output = intermediate_output
    if dev_only:
        # Where there is no such switch, deprecated nodes are kept out of menus and search alike.
        setattr(schema, "is_dev_only" if hasattr(schema, "is_dev_only") else "is_deprecated", True)
    return schema


def mark_advanced(one: io.Input) -> None:
    """Lets an input show only on demand; front ends read the same key, whoever writes it."""
    if hasattr(one, "advanced"):
        one.advanced = True
    else:
        one.extra_dict = {**one.extra_dict, "advanced": True}
