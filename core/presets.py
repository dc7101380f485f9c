"""Presets: named changes of the settings, in one table.

| preset | what it is |
|---|---|
| auto | changes nothing: the defaults of ``EditSettings``, or whatever was set |
| keep | the element arrives bit for bit as it was, the model joins what meets, the rest is the source |
| paper | AttentionDrag as published: the mask by a threshold, every cell its share of the way, what is left empty \
interpolated by attention, the source's keys and values at every step, and nothing held or put back |

The paper (arXiv 2506.13301): M[p] = A[h, p] / A[h, h] > tau, v[p] = A[h, p] / A[h, h] V. Ours in it: the interpolation
leaves the element's own cells out, and is of the clean latent, under fresh noise (a mean of noises is none).

A preset's options count whatever was set before; what it doesn't name stays as it was set. Every one of them is an
option of the nodes of the long chain as well, and none is of the inversion: another preset inverts nothing again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from .errors import InputError
from .options import check_choice
from .settings import EditSettings

Preset = Literal["auto", "keep", "paper"]

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "auto": {},
    "keep": {
        "move.start": "latents",
        "fill.space": "pixels",
        "fill.method": "auto",
        "sample.source_attention": "replace",
        "sample.source_attention_share": 1.0,
        "sample.source_queries": 0.0,
        "sample.hold_element": 1.0,
        "sample.hold_rest": 0.75,
        "sample.hold_background": True,
        "repaint.revealed": 0.0,
        "repaint.surroundings": 0.0,
        "source_background": True,
        "restore_detail": True,
    },
    "paper": {
        "correlation.disc": 0.0,
        "correlation.symmetric": False,
        "element.rule": "threshold",
        "element.refined": False,
        "element.connected": False,
        "move.motion": "paper",
        "move.start": "latents",
        "fill.method": "attention",
        "sample.source_attention": "replace",
        "sample.source_attention_share": 1.0,
        "sample.source_queries": 0.0,
        "sample.hold_element": 0.0,
        "sample.hold_rest": 0.0,
        "sample.hold_background": False,
        "repaint.revealed": 0.0,
        "repaint.surroundings": 0.0,
        "source_background": False,
        "restore_detail": False,
    },
}
"""By preset and option, with the station's settings that it belongs to ("sample.hold_rest") or without ("seed")."""


def applied(settings: EditSettings, preset: Preset) -> EditSettings:
    """``settings`` with a preset's changes.

    Raises:
        InputError: there is no such preset.
    """
    for option, value in _changes(preset).items():
        station, _, name = option.rpartition(".")
        if station:
            settings = replace(settings, **{station: replace(getattr(settings, station), **{name: value})})
        else:
            settings = replace(settings, **{name: value})
    return settings


def value_of(settings: EditSettings, option: str) -> Any:
    """What an option of the table is set to."""
    station, _, name = option.rpartition(".")
    return getattr(getattr(settings, station) if station else settings, name)


def overruled(settings: EditSettings, preset: Preset, defaults: EditSettings | None = None) -> tuple[str, ...]:
    """The options that somebody set, away from ``defaults``, and that a preset sets to something else."""
    defaults = defaults or EditSettings()
    return tuple(
        option
        for option, value in _changes(preset).items()
        if value_of(settings, option) not in (value, value_of(defaults, option))
    )


def check_not_overruled(settings: EditSettings, preset: Preset, defaults: EditSettings | None = None) -> None:
    """Raises an ``InputError`` for options that somebody set and that would not count."""
    lost = [option.rpartition(".")[2] for option in overruled(settings, preset, defaults)]
    if lost:
        raise InputError(
            "preset", f"'{preset}' sets {', '.join(lost)} by itself.", "Leave those options out, or the preset."
        )


def _changes(preset: Preset) -> Mapping[str, Any]:
    check_choice("preset", preset, Preset)
    return PRESETS[preset]
