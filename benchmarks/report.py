"""Figures over scenes: means with intervals, tables, the report's layout."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

RESAMPLES = 5000
CONFIDENCE = 0.95

COLUMNS = (
    ("mean_distance_px", "dist px", 2),
    ("mean_distance_ratio", "dist/drag", 3),
    ("target_psnr", "PSNR", 2),
    ("target_ssim", "SSIM", 3),
    ("vacated_psnr", "vacated", 2),
    ("background_psnr", "backgr.", 2),
    ("seam_mae", "seam", 4),
    ("mask_iou", "IoU", 3),
    ("unet_evaluations", "evals", 0),
    ("seconds", "s", 2),
)
METRICS = tuple(name for name, _, _ in COLUMNS)


def interval(values: Iterable[float | None], seed: int = 0) -> dict[str, float | int | None]:
    """Mean and its 95 % interval by percentile bootstrap over scenes: ``{mean, ci_low, ci_high, n}``.

    None are left out; without values all but ``n`` is None; with one the interval is that value.
    """
    known = np.array([value for value in values if value is not None], dtype=np.float64)
    if not len(known):
        return {"mean": None, "ci_low": None, "ci_high": None, "n": 0}
    mean = float(known.mean())
    if len(known) == 1:
        return {"mean": mean, "ci_low": mean, "ci_high": mean, "n": 1}
    generator = np.random.default_rng(seed)
    means = known[generator.integers(len(known), size=(RESAMPLES, len(known)))].mean(1)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return {"mean": mean, "ci_low": float(low), "ci_high": float(high), "n": len(known)}


def summarise(rows: Sequence[Mapping[str, Any]], metrics: Iterable[str]) -> dict[str, dict[str, Any]]:
    """``interval`` of every metric over one method's rows; metrics that no row has are left out."""
    return {
        metric: interval(row.get(metric) for row in rows)
        for metric in metrics
        if any(row.get(metric) is not None for row in rows)
    }


def table(methods: Mapping[str, Mapping[str, Any]], failures: Mapping[str, int] | None = None) -> str:
    """Methods as rows, ``mean ±half-width`` of the interval as cells."""
    header = ["method", *(title for _, title, _ in COLUMNS), *(["failed"] if failures is not None else [])]
    lines = [header]
    for name, metrics in methods.items():
        line = [name]
        for metric, _, digits in COLUMNS:
            line.append(_cell(metrics.get(metric), digits))
        if failures is not None:
            line.append(str(failures.get(name, 0)))
        lines.append(line)
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


def _cell(value: Mapping[str, Any] | None, digits: int) -> str:
    if value is None or value["mean"] is None:
        return "-"
    half = (value["ci_high"] - value["ci_low"]) / 2
    shown = f"{value['mean']:.{digits}f}"
    return shown if half == 0 or math.isnan(half) else f"{shown} ±{half:.{digits}f}"
