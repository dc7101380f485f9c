"""Figures over scenes: means with intervals, differences on the same scenes, the worst, tables, the report's layout.

Scenes are grouped: "all", each domain, and each family within its domain ("worlds/slide"). Over a group a figure is the
mean over its scenes, and a share the ratio of two sums, squared error of the result over that of the source; either is
sum(a) / sum(b) over scenes, with b = 1 for a mean. Intervals are 95 % percentile bootstraps over scenes; a difference
of two methods is taken on the scenes that both have, with the same scenes drawn for both.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .judging import to_be_done

RESAMPLES = 5000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Metric:
    """One figure.

    Attributes:
        name: in reports.
        title: over its column.
        digits: after the point.
        better: 1 where more is better, -1 where less is, 0 where neither.
        area: of a share, whose squared errors are pooled; None for a plain mean.
    """

    name: str
    title: str
    digits: int
    better: int
    area: str | None = None


METRICS = {
    metric.name: metric
    for metric in (
        Metric("changed_psnr", "changed", 2, 1),
        Metric("changed_ssim", "SSIM", 3, 1),
        Metric("moved_psnr", "moved", 2, 1),
        Metric("light_psnr", "light", 2, 1),
        Metric("light_share", "light/S", 2, -1, "light"),
        Metric("old_shadow_psnr", "old shadow", 2, 1),
        Metric("old_shadow_share", "old sh./S", 2, -1, "old_shadow"),
        Metric("new_shadow_psnr", "new shadow", 2, 1),
        Metric("new_shadow_share", "new sh./S", 2, -1, "new_shadow"),
        Metric("revealed_psnr", "revealed", 2, 1),
        Metric("revealed_share", "reveal./S", 2, -1, "revealed"),
        Metric("free_psnr", "free", 2, 1),
        Metric("unchanged_psnr", "unchanged", 2, 1),
        Metric("point_error_px", "points px", 1, -1),
        Metric("point_error_median", "pts med.", 1, -1),
        Metric("point_error_ratio", "pts/drag", 2, -1),
        Metric("point_feature_px", "feat. px", 1, -1),
        Metric("point_feature_median", "ft. med.", 1, -1),
        Metric("point_feature_ratio", "ft./drag", 2, -1),
        Metric("seam_gradient", "seam", 4, -1),
        Metric("colour_shift", "colour", 4, -1),
        Metric("artefacts", "artefacts", 4, -1),
        Metric("target_psnr", "PSNR", 2, 1),
        Metric("target_ssim", "SSIM all", 3, 1),
        Metric("background_psnr", "backgr.", 2, 1),
        Metric("background_psnr_strict", "backgr. s.", 2, 1),
        Metric("background_error", "bg error", 4, -1),
        Metric("seam_mae", "seam mae", 4, -1),
        Metric("vacated_psnr", "vacated", 2, 1),
        Metric("mean_distance_px", "dist px", 2, -1),
        Metric("mean_distance_ratio", "dist/drag", 3, -1),
        Metric("mask_iou", "IoU", 3, 1),
        Metric("unet_evaluations", "evals", 0, 0),
        Metric("seconds", "s", 2, 0),
    )
}
SHOWN = ("changed_psnr", "changed_ssim", "moved_psnr", "light_psnr", "old_shadow_share", "new_shadow_share",
         "revealed_psnr", "free_psnr", "point_error_px", "point_error_median", "point_error_ratio", "point_feature_px",
         "seam_gradient", "colour_shift", "artefacts", "target_psnr", "mask_iou", "unet_evaluations",
         "seconds")  # fmt: skip
"""Columns of the printed tables; those without a figure in a table are left out of it."""
SHOWN_OF_PICTURES = ("artefacts", "background_error", "background_psnr", "unet_evaluations", "seconds")
DIFFERENCES = ("changed_psnr", "changed_ssim", "light_psnr", "revealed_psnr", "point_error_median", "seam_gradient")
"""Columns of the printed differences; the report has all."""

Entry = Mapping[str, Any]
Contribution = tuple[float, float]


def contribution(entry: Entry, method: str, metric: Metric) -> Contribution | None:
    """(a, b) of one scene to the figure sum(a) / sum(b); None where the scene has none."""
    row = entry["methods"].get(method)
    if row is None or (metric.area is not None and "source_errors" not in entry):
        return None
    if metric.area is None:
        value = row.get(metric.name)
        return None if value is None else (float(value), 1.0)
    below = entry["source_errors"].get(metric.area)
    above = row.get("errors", {}).get(metric.area)
    if above is None or below is None or not to_be_done(below, entry["pixels"][metric.area]):
        return None
    return float(above), float(below)


def interval(values: Iterable[float | None], seed: int = 0) -> dict[str, float | int | None]:
    """Mean and its 95 % interval by percentile bootstrap over scenes: ``{mean, ci_low, ci_high, n}``.

    None are left out; without values all but ``n`` is None; with one the interval is that value.
    """
    return pooled([None if value is None else (value, 1.0) for value in values], seed)


def pooled(contributions: Iterable[Contribution | None], seed: int = 0) -> dict[str, float | int | None]:
    """sum(a) / sum(b) with its interval, as ``interval``."""
    known = np.array([one for one in contributions if one is not None], dtype=np.float64).reshape(-1, 2)
    return _bootstrapped(known, lambda sums: sums[..., 0] / sums[..., 1], seed)


def difference(
    first: Sequence[Contribution | None], second: Sequence[Contribution | None], seed: int = 0
) -> dict[str, float | int | None]:
    """The first's figure minus the second's on the scenes that have both, as ``interval``."""
    both = [(*one, *other) for one, other in zip(first, second, strict=True) if one is not None and other is not None]
    known = np.array(both, dtype=np.float64).reshape(-1, 4)
    return _bootstrapped(known, lambda sums: sums[..., 0] / sums[..., 1] - sums[..., 2] / sums[..., 3], seed)


def _bootstrapped(
    rows: np.ndarray, figure: Callable[[np.ndarray], np.ndarray], seed: int
) -> dict[str, float | int | None]:
    """The figure of the rows' sums, (n, k) -> (k,), and its interval."""
    count = len(rows)
    if not count:
        return {"mean": None, "ci_low": None, "ci_high": None, "n": 0}
    mean = float(figure(rows.sum(0)))
    if count == 1:
        return {"mean": mean, "ci_low": mean, "ci_high": mean, "n": 1}
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(figure(_draws(count, seed) @ rows), [tail, 1 - tail])
    return {"mean": mean, "ci_low": float(low), "ci_high": float(high), "n": count}


@functools.lru_cache(maxsize=64)
def _draws(count: int, seed: int) -> np.ndarray:
    """(RESAMPLES, count): how often each of ``count`` scenes is drawn in each resample."""
    drawn = np.random.default_rng(seed).integers(count, size=(RESAMPLES, count))
    drawn += np.arange(RESAMPLES)[:, None] * count
    return np.bincount(drawn.ravel(), minlength=RESAMPLES * count).reshape(RESAMPLES, count).astype(np.float64)


def summarise(rows: Sequence[Mapping[str, Any]], metrics: Iterable[str]) -> dict[str, dict[str, Any]]:
    """``interval`` of every metric over one method's rows; metrics that no row has are left out."""
    return {
        metric: interval(row.get(metric) for row in rows)
        for metric in metrics
        if any(row.get(metric) is not None for row in rows)
    }


def groups_of(entries: Mapping[str, Entry]) -> dict[str, list[str]]:
    """Group -> names of its scenes: "all", then each domain followed by its families."""
    groups: dict[str, list[str]] = {"all": list(entries)}
    for domain in sorted({entry["domain"] for entry in entries.values()}):
        mine = [name for name, entry in entries.items() if entry["domain"] == domain]
        groups[domain] = mine
        for family in sorted({entries[name]["family"] for name in mine}):
            groups[f"{domain}/{family}"] = [name for name in mine if entries[name]["family"] == family]
    return groups


def grouped(entries: Mapping[str, Entry], methods: Sequence[str], against: str | None) -> dict[str, dict[str, Any]]:
    """Per group: the number of scenes, every method's figures, and ``against``'s differences from every other."""
    result: dict[str, dict[str, Any]] = {}
    for group, names in groups_of(entries).items():
        mine = [entries[name] for name in names]
        columns = {
            (method, metric.name): [contribution(entry, method, metric) for entry in mine]
            for method in methods
            for metric in METRICS.values()
        }
        figures: dict[str, dict[str, Any]] = {
            method: {
                name: pooled(columns[method, name])
                for name in METRICS
                if any(one is not None for one in columns[method, name])
            }
            for method in methods
        }
        result[group] = {"scenes": len(mine), "methods": figures}
        if against in methods:
            result[group]["differences"] = {
                method: {
                    name: difference(columns[against, name], columns[method, name])
                    for name in METRICS
                    if name in figures[method] and name in figures[against]
                }
                for method in methods
                if method != against
            }
    return result


def worst(groups: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, dict[str, Any]]]:
    """The worst part of each whole: of "all" its domains, of a domain its families.

    ``{whole: {method: {metric: {"mean", "group"}}}}``; metrics of which neither direction is worse are left out.
    """
    result: dict[str, dict[str, dict[str, Any]]] = {}
    for whole in [name for name in groups if "/" not in name]:
        parts = [name for name in groups if (
            ("/" not in name and name != "all") if whole == "all" else name.startswith(f"{whole}/")
        )]  # fmt: skip
        result[whole] = {}
        for method in groups[whole]["methods"]:
            mine: dict[str, Any] = {}
            for metric in METRICS.values():
                known = [
                    (groups[part]["methods"][method][metric.name]["mean"], part)
                    for part in parts
                    if metric.name in groups[part]["methods"].get(method, {})
                ]
                if known and metric.better:
                    value, part = min(known, key=lambda one, sign=metric.better: sign * one[0])
                    mine[metric.name] = {"mean": value, "group": part.split("/")[-1]}
            result[whole][method] = mine
    return result


# ---- tables


def table(
    group: Mapping[str, Any], worsts: Mapping[str, Mapping[str, Any]] | None = None,
    failures: Mapping[str, int] | None = None, shown: Sequence[str] = SHOWN,
) -> str:
    """Methods as rows, ``mean ±half-width`` of the interval as cells, under each its worst part and whose it is."""
    methods = group["methods"]
    shown = [name for name in shown if any(name in figures for figures in methods.values())]
    lines = [["method", *(METRICS[name].title for name in shown), *(["failed"] if failures is not None else [])]]
    for method, figures in methods.items():
        lines.append([method, *(_cell(figures.get(name), METRICS[name].digits) for name in shown),
                      *([str(failures.get(method, 0))] if failures is not None else [])])  # fmt: skip
        if worsts and worsts.get(method):
            cells = [_named(worsts[method].get(name), METRICS[name].digits) for name in shown]
            lines.append(["  worst", *cells, *([""] if failures is not None else [])])
    return aligned(lines)


def by_family(groups: Mapping[str, Mapping[str, Any]], domain: str, metric: str) -> str:
    """Families as rows, methods as columns, one figure."""
    parts = [name for name in groups if name.startswith(f"{domain}/")]
    methods = list(groups[domain]["methods"])
    digits = METRICS[metric].digits
    lines = [["family", "n", *methods]]
    for part in parts:
        cells = [_cell(groups[part]["methods"][method].get(metric), digits, False) for method in methods]
        lines.append([part.split("/")[1], str(groups[part]["scenes"]), *cells])
    return aligned(lines)


def differences(group: Mapping[str, Any], shown: Sequence[str] = DIFFERENCES) -> str:
    """The reference's figure minus every other's, with intervals; * where the interval leaves 0 out."""
    rows = group.get("differences", {})
    shown = [name for name in shown if any(name in figures for figures in rows.values())]
    lines = [["minus", *(METRICS[name].title for name in shown)]]
    for method, figures in rows.items():
        lines.append([method, *(_range(figures.get(name), METRICS[name].digits) for name in shown)])
    return aligned(lines)


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Columns padded to the widest cell; the first to the left, the others to the right."""
    widths = [max(len(line[index]) for line in lines) for index in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) if index == 0 else cell.rjust(width)
                  for index, (cell, width) in enumerate(zip(line, widths, strict=True)))
        for line in lines
    )  # fmt: skip


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first line is the header."""
    rows = ["| " + " | ".join(line) + " |" for line in lines]
    rows.insert(1, "|" + "---|" * len(lines[0]))
    return "\n".join(rows)


README_COLUMNS = (
    ("changed_psnr", "where the truth changed, dB"),
    ("moved_psnr", "on what moved, dB"),
    ("old_shadow_share", "old shadow left, share"),
    ("new_shadow_share", "new shadow missing, share"),
    ("revealed_psnr", "revealed, dB"),
    ("point_error_median", "points off, median px"),
    ("seam_gradient", "seam"),
    ("artefacts", "artefacts"),
    ("unet_evaluations", "evaluations"),
    ("seconds", "s"),
)


def as_markdown(written: Mapping[str, Any]) -> str:
    """The README's tables: one for each domain, with intervals and the worst family of the first column."""
    parts = []
    for domain in [name for name in written["groups"] if "/" not in name and name != "all"]:
        group = written["groups"][domain]
        shown = [(name, title) for name, title in README_COLUMNS
                 if any(name in figures for figures in group["methods"].values())]  # fmt: skip
        lines = [["method", *(title for _, title in shown)]]
        for method, figures in group["methods"].items():
            cells = []
            for name, _ in shown:
                cell = _spread(figures.get(name), METRICS[name].digits)
                low = written["worst"][domain].get(method, {}).get(name)
                if name == "changed_psnr" and low is not None:
                    cell += f"; worst {_named(low, METRICS[name].digits)}"
                cells.append(cell)
            lines.append([f"`{method}`", *cells])
        parts.append(f"**{domain}**, {group['scenes']} scenes\n\n{markdown(lines)}")
    if written.get("pictures"):
        group = written["pictures"]["groups"]["all"]
        lines = [["method", *(METRICS[name].title for name in SHOWN_OF_PICTURES), "failed"]]
        lines += [
            [f"`{method}`", *(_spread(figures.get(name), METRICS[name].digits) for name in SHOWN_OF_PICTURES),
             str(written["pictures"]["failures"].get(method, 0))]
            for method, figures in group["methods"].items()
        ]  # fmt: skip
        parts.append(f"**pictures without a truth**, {group['scenes']}\n\n{markdown(lines)}")
    return "\n\n".join(parts) + "\n"


def _cell(value: Mapping[str, Any] | None, digits: int, spread: bool = True) -> str:
    if value is None or value["mean"] is None:
        return "-"
    half = (value["ci_high"] - value["ci_low"]) / 2
    shown = f"{value['mean']:.{digits}f}"
    return shown if not spread or half == 0 or math.isnan(half) else f"{shown} ±{half:.{digits}f}"


def _named(value: Mapping[str, Any] | None, digits: int) -> str:
    return "" if value is None else f"{value['mean']:.{digits}f} {value['group']}"


def _range(value: Mapping[str, Any] | None, digits: int) -> str:
    if value is None or value["mean"] is None:
        return "-"
    sure = "*" if value["n"] > 1 and (value["ci_low"] > 0 or value["ci_high"] < 0) else " "
    return f"{value['mean']:+.{digits}f} [{value['ci_low']:+.{digits}f}, {value['ci_high']:+.{digits}f}]{sure}"


def _spread(value: Mapping[str, Any] | None, digits: int) -> str:
    if value is None or value["mean"] is None:
        return ""
    shown = f"{value['mean']:.{digits}f}"
    low, high = f"{value['ci_low']:.{digits}f}", f"{value['ci_high']:.{digits}f}"
    return shown if low == high else f"{shown} ({low} to {high})"
