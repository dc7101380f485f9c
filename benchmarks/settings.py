"""``EditSettings`` from and to plain values: ``sample.hold_element=0.5`` on a command line, a table in a report."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import asdict, fields, is_dataclass, replace
from typing import Any

from core.settings import EditSettings


class OverrideError(ValueError):
    """An override that names no setting or gives it a value of another kind."""


def parse_value(text: str) -> Any:
    """A Python literal, or the text itself ("extend" needs no quotes)."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def override(settings: EditSettings, overrides: Iterable[str] | dict[str, Any]) -> EditSettings:
    """Settings with some replaced.

    Args:
        settings: to start from.
        overrides: ``["steps=20", "sample.hold_element=0.5"]`` or ``{"steps": 20, ...}``.

    Raises:
        OverrideError: no such setting.
        InputError: a value that the setting refuses.
    """
    if not isinstance(overrides, dict):
        pairs = {}
        for text in overrides:
            name, separator, value = text.partition("=")
            if not separator:
                raise OverrideError(f"'{text}': write it as name=value, for instance sample.hold_element=0.5.")
            pairs[name.strip()] = parse_value(value.strip())
        overrides = pairs
    for name, value in overrides.items():
        settings = _set(settings, name.split("."), value, name)
    return settings


def as_dict(settings: EditSettings) -> dict[str, Any]:
    """All settings as plain values that JSON can hold."""
    return asdict(settings)


def _set(owner: Any, path: list[str], value: Any, name: str) -> Any:
    names = [field.name for field in fields(owner)]
    if path[0] not in names:
        raise OverrideError(f"'{name}': no setting '{path[0]}'; there are {', '.join(names)}.")
    present = getattr(owner, path[0])
    if len(path) > 1:
        if not is_dataclass(present):
            raise OverrideError(f"'{name}': '{path[0]}' holds no settings of its own.")
        return replace(owner, **{path[0]: _set(present, path[1:], value, name)})
    if is_dataclass(present):
        raise OverrideError(f"'{name}': name one of {', '.join(f'{name}.{field.name}' for field in fields(present))}.")
    if isinstance(present, tuple):
        value = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    elif isinstance(present, bool):
        if value not in (True, False, 0, 1, "true", "false"):
            raise OverrideError(f"'{name}': {value!r} is neither true nor false.")
        value = value in (True, 1, "true")
    elif isinstance(present, float) and isinstance(value, int):
        value = float(value)
    elif isinstance(present, (int, float)) and not isinstance(value, (int, float)) and value is not None:
        raise OverrideError(f"'{name}': {value!r} is not a number.")
    return replace(owner, **{path[0]: value})
