"""Choices of a setting, written once as ``Literal`` types and read by settings, nodes and command line."""

from __future__ import annotations

from typing import Any, get_args

from .errors import InputError


def choices(kind: Any) -> list[str]:
    """The values of a ``Literal`` type, in order."""
    return list(get_args(kind))


def check_choice(input: str, value: str, kind: Any) -> None:
    """Raises an ``InputError`` unless ``value`` is one of a ``Literal`` type's."""
    if value not in choices(kind):
        raise InputError(input, f"{value!r}.", f"Use one of {', '.join(choices(kind))}.")


def check_share(input: str, value: float) -> None:
    """Raises an ``InputError`` unless ``value`` lies in 0..1."""
    if not 0 <= value <= 1:
        raise InputError(input, f"{value}.", "Use 0 to 1.")


def check_not_negative(input: str, value: float, unit: str = "") -> None:
    """Raises an ``InputError`` unless ``value`` is 0 or more."""
    if not value >= 0:
        raise InputError(input, f"{value}{f' {unit}' if unit else ''}.", "Use 0 or more.")
