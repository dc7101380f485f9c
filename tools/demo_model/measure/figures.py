"""Means with intervals; the domains and grounds that figures are told by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

PLAIN_GROUNDS = ("plain", "concrete", "carpet", "sand")
"""Grounds that a smooth fill continues about as well as anything; the others count as textured."""


def summary(values: Sequence[float]) -> dict[str, float]:
    """Mean, its 95 % interval (Student's t) and the number of values; NaN where there are too few."""
    array = np.asarray(values, np.float64)
    count = len(array)
    mean = float(array.mean()) if count else float("nan")
    half = float(stats.t.ppf(0.975, count - 1) * array.std(ddof=1) / count**0.5) if count > 1 else float("nan")
    return {"mean": mean, "ci_low": mean - half, "ci_high": mean + half, "n": count}


def psnr(shown: np.ndarray, truth: np.ndarray, place: np.ndarray | None = None) -> float:
    """PSNR (dB) of pictures (H, W, 3) in 0..1, within ``place`` (H, W) bool."""
    error = (np.asarray(shown, np.float64) - truth) ** 2
    return float(-10 * np.log10(max(1e-10, (error if place is None else error[place]).mean())))


def textured(meta: dict) -> bool:
    """Whether a world's ground has a pattern that must be continued."""
    return meta.get("ground") not in PLAIN_GROUNDS
