"""Rows of single scenes to the figures of the card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .figures import summary
from .holes import STRENGTHS

Rows = Mapping[str, Mapping[str, Any]]
"""Scene -> what was measured of it, with its "domain"."""
STARTS = ("noise", *(f"fill at {strength}" for strength in STRENGTHS))
PLACES = (("object", "alone"), ("object", "both"), ("shadow", "both"))
TARGETS = {"object": 2.0, "shadow": 1.5, "textured": 1.0}
"""dB over the classical fill, of the best start."""


def by_domain(rows: Rows) -> dict[str, list[Mapping[str, Any]]]:
    """The rows of each domain."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows.values():
        found.setdefault(row["domain"], []).append(row)
    return found


def holes(rows: Rows) -> dict[str, Any]:
    """For every place and hole, on all grounds and on textured ones: the fill, each start, and its paired gain, dB."""
    found = {}
    for place, hole in PLACES:
        for ground in ("all", "textured"):
            own = [row for row in rows.values() if f"{place}, {hole}, fill" in row
                   and (ground == "all" or row["textured"])]  # fmt: skip
            if not own:
                continue
            fill = [row[f"{place}, {hole}, fill"] for row in own]
            ways = {
                start: {
                    "psnr": summary([row[f"{place}, {hole}, {start}"] for row in own]),
                    "gain": summary([row[f"{place}, {hole}, {start}"] - row[f"{place}, {hole}, fill"] for row in own]),
                }
                for start in STARTS
            }
            best = max(STARTS, key=lambda start: ways[start]["gain"]["mean"])
            found[f"{place}, {hole}, {ground}"] = {"fill": summary(fill), **ways, "best": best}
    return found


def shadows(rows: Rows) -> dict[str, Any]:
    """Error of the painted shadows against that of none: mean over scenes of the ratio, and the ratio of the sums."""
    own = [row for row in rows.values() if row.get("without", 0) > 0]
    return {
        name: {
            "ratio": summary([row[name] / row["without"] for row in own]),
            "pooled": sum(row[name] for row in own) / sum(row["without"] for row in own),
        }
        for name in ("noise", "start at 0.6", "autoencoder") if own
    }  # fmt: skip


def means(rows: Rows) -> dict[str, dict[str, dict[str, float]]]:
    """Domain -> figure -> summary."""
    return {
        domain: {
            name: summary([row[name] for row in own if name in row])
            for name in own[0] if isinstance(own[0][name], float)
        }
        for domain, own in sorted(by_domain({key: row for key, row in rows.items() if len(row) > 1}).items())
    }  # fmt: skip


def report(parts: Mapping[str, Rows]) -> dict[str, Any]:
    """Everything that was measured, summed up."""
    found: dict[str, Any] = {}
    if parts.get("holes"):
        found["holes"] = holes(parts["holes"])
    if parts.get("shadows"):
        found["shadows"] = shadows(parts["shadows"])
    for name in ("noise", "pictures", "lettering", "roundtrip", "attention"):
        if parts.get(name):
            found[name] = means(parts[name])
    return found
