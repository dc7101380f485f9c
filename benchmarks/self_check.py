"""Whether the scenes and the figures can be trusted: what must come out before anything is read off them.

1. The true edit scores best, or as good as the best, on every figure of every scene.
2. On worlds, plain cut and paste is not at the top: a paste is not the truth there.
3. Of what the strongest paste (``rigid_warp``) gets wrong, at least a third of the squared error lies in light, shadow
   and revealed area, in the mean over the families slide, lift, turn and open: places that no paste can know of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import report

METHODS = ("truth", "identity", "cut_paste", "rigid_warp")
TRUTHS = frozenset({"truth", "autoencoder", "autoencoder_raw", "autoencoder_composite", "autoencoder_finished"})
BEYOND_A_PASTE = ("slide", "lift", "turn", "open")
LEAST_SHARE = 1 / 3
NOT_JUDGED = frozenset(
    {"point_feature_px", "point_feature_median", "point_feature_ratio", "mask_iou", "mean_distance_px",
     "mean_distance_ratio"}
)  # fmt: skip
"""Figures that are no measure of the picture; the tested model's own; and the distance at which the *source's* look is
found, which a paste keeps better than a truth that mixes a soft edge with its new ground."""
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Finding:
    """One check: what was asked, whether it holds (None: nothing to tell by), and the figures."""

    question: str
    holds: bool | None
    detail: str

    def __str__(self) -> str:
        word = {True: "holds", False: "FAILS", None: "nothing to tell by"}[self.holds]
        return f"{word}: {self.question}\n    {self.detail}"


def check(entries: Mapping[str, Mapping[str, Any]]) -> list[Finding]:
    """All checks on a run's scenes (``benchmarks.running``'s entries)."""
    return [truth_is_best(entries), paste_is_not_the_truth(entries), paste_misses_light(entries)]


def truth_is_best(entries: Mapping[str, Mapping[str, Any]]) -> Finding:
    """Check 1."""
    question = "the true edit scores best on every figure"
    compared, better = 0, []
    for name, entry in entries.items():
        best = entry["methods"].get("truth")
        if best is None:
            continue
        for metric in report.METRICS.values():
            if not metric.better or metric.name in NOT_JUDGED or best.get(metric.name) is None:
                continue
            for method, row in entry["methods"].items():
                value = row.get(metric.name)
                if method == "truth" or value is None:
                    continue
                compared += 1
                if metric.better * (value - best[metric.name]) > TOLERANCE:
                    better.append(f"{name} {metric.name}: {method} {value:.4g}, truth {best[metric.name]:.4g}")
    if not compared:
        return Finding(question, None, "the method truth was not run beside another")
    if better:
        return Finding(question, False, f"{len(better)} of {compared} comparisons: " + "; ".join(better[:8]))
    return Finding(question, True, f"{compared} comparisons")


def paste_is_not_the_truth(entries: Mapping[str, Mapping[str, Any]]) -> Finding:
    """Check 2."""
    question = "cut_paste is not at the top on worlds, where the truth changed"
    worlds = [entry for entry in entries.values() if entry["domain"] == "worlds"]
    means = {}
    for method in sorted({name for entry in worlds for name in entry["methods"]} - TRUTHS):
        values = [entry["methods"].get(method, {}).get("changed_psnr") for entry in worlds]
        if values and all(value is not None for value in values):
            means[method] = float(np.mean(values))
    if "cut_paste" not in means or len(means) < 2:
        return Finding(question, None, "cut_paste and another method were not run on worlds")
    order = sorted(means, key=lambda name: -means[name])
    detail = ", ".join(f"{name} {means[name]:.2f} dB" for name in order)
    return Finding(question, order[0] != "cut_paste", detail)


def paste_misses_light(entries: Mapping[str, Mapping[str, Any]]) -> Finding:
    """Check 3."""
    question = f"rigid_warp has at least a third of its squared error beyond a paste ({', '.join(BEYOND_A_PASTE)})"
    shares = {family: beyond_a_paste(entries, family) for family in BEYOND_A_PASTE}
    known = {family: value for family, value in shares.items() if value is not None}
    if not known:
        return Finding(question, None, "rigid_warp was not run on these families")
    mean = float(np.mean(list(known.values())))
    detail = f"mean {mean:.3f}: " + ", ".join(f"{family} {value:.3f}" for family, value in known.items())
    missing = [family for family in BEYOND_A_PASTE if family not in known]
    if missing:
        detail += f"; without {', '.join(missing)}"
    return Finding(question, mean >= LEAST_SHARE, detail)


def beyond_a_paste(entries: Mapping[str, Mapping[str, Any]], family: str) -> float | None:
    """Mean over a family's worlds of rigid_warp's squared error in light, shadow and revealed area over all of it."""
    shares = []
    for entry in entries.values():
        errors = entry["methods"].get("rigid_warp", {}).get("errors", {})
        if entry["domain"] == "worlds" and entry["family"] == family and errors.get("total", 0) > 0:
            shares.append(errors.get("beyond_paste", 0.0) / errors["total"])
    return float(np.mean(shares)) if shares else None


def told(findings: Sequence[Finding]) -> str:
    """The findings for people."""
    return "\n".join(["self-check", *(str(finding) for finding in findings)])
