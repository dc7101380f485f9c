"""How far a result is from a truth that is no paste.

Pictures are (H, W, 3) in 0..1. With S the source, T the true edit, R the result, the squared error at a pixel is
e(R) = mean over channels of (R - T)^2, E(A) its sum over an area A, and

    PSNR(A)  = 10 log10(|A| / E(A)), at most ``PSNR_CAP`` dB (a quarter of a level: less than a picture in 8 bits shows)
    share(A) = E(A) of the result / E(A) of the source: 0 is right, 1 is what an untouched picture has, more is worse

Areas are ``benchmarks.truth.Truth``'s. An area of fewer than ``MIN_PIXELS`` px has no figures. Shares are stored as
their two sums (``Judgement.errors``), since a mean of ratios is ruled by scenes in which next to nothing was to be
done: reports pool them, sum over scenes of E(R) / sum over scenes of E(S). Where the source is within ``DONE`` dB of
the truth already there is nothing to take a share of.

    changed_psnr, changed_ssim   where the truth changed (SSIM: Wang et al. 2004, its map's mean over the area)
    moved_psnr                   where what moved is after
    light_*                      where light and shadow changed; of it
    old_shadow_*                     the shadow that must go
    new_shadow_*                     the shadow that must come
    revealed_*                   what was hidden
    free_psnr                    where the method was free to change and the truth did not; a method that has no region
                                 was free everywhere
    unchanged_psnr               where the truth did not change, whatever the method did there
    seam_gradient                mean over channels of |dx R - dx T| + |dy R - dy T|, over ``SEAM`` px on both sides of
                                 the borders of what moved (after) and of what was revealed: torn and blurred edges
    colour_shift                 |G * (R - T)| in the mean over channels and over a ring of ``RING`` px on both sides of
                                 the border of the change, G a Gaussian of ``LOW`` px: a patch of another colour
    artefacts                    max(0, a(R) - a(T)), a the share of pixels of which a channel is clipped (within half a
                                 level of 0 or 1) where the source is nowhere near, or lies more than ``SLACK`` outside
                                 the source's range; both within a square of (longest drag + ``NEIGHBOURHOOD``) px
    point_error_*                ``benchmarks.tracking``
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from skimage.metrics import structural_similarity

from . import metrics, tracking
from .scene import Scene
from .truth import Truth

PSNR_CAP = 60.0
DONE = 40.0
MIN_PIXELS = metrics.MIN_PIXELS
SEAM = 3
RING = 8
LOW = 6.0
SLACK = 0.02
NEIGHBOURHOOD = 16
HALF_LEVEL = 0.5 / 255

AREAS = ("changed", "moved_after", "light", "old_shadow", "new_shadow", "revealed", "beyond_paste")
"""Whose squared errors are stored, beside "total", "unchanged" and "free"."""
NAMED = {"moved_after": "moved"}
"""Areas whose figures go by a shorter name."""
SHARES = ("light", "old_shadow", "new_shadow", "revealed")


@dataclass(frozen=True)
class Judgement:
    """Figures of one result.

    Attributes:
        figures: name -> value, None where the scene has no such area.
        errors: area -> E(A), summed over pixels; areas that the scene lacks are left out.
        pixels: area -> |A|.
    """

    figures: dict[str, float | None]
    errors: dict[str, float]
    pixels: dict[str, int] = field(default_factory=dict)


class Judge:
    """One scene's truth, ready to judge many results."""

    def __init__(self, scene: Scene, truth: Truth):
        self.scene, self.truth = scene, truth
        self.points = tracking.surface_points(truth, scene.source)
        self._areas = {name: area for name in AREAS if (area := getattr(truth, name)) is not None}
        self._areas["total"] = np.ones_like(truth.changed)
        self._areas["unchanged"] = ~truth.changed
        self._source_error = _squared(scene.source, truth.picture)
        self._seam = border(truth.moved_after, SEAM) | border(truth.revealed, SEAM)
        self._ring = border(truth.changed, RING)
        self._range = SourceRange(scene)
        self._own_artefacts = self._range.share(truth.picture)

    def judge(self, result: np.ndarray, free: np.ndarray | None = None) -> Judgement:
        """All figures of ``result`` (H, W, 3); ``free`` (H, W) is what the method was free to change, above 0."""
        truth = self.truth
        error = _squared(result, truth.picture)
        areas = self._areas | {"free": ~truth.changed if free is None else (free > 0) & ~truth.changed}
        pixels = {name: int(area.sum()) for name, area in areas.items()}
        errors = {name: float(error[area].sum()) for name, area in areas.items()}
        figures: dict[str, float | None] = {}
        for name in ("changed", "moved_after", *SHARES, "free", "unchanged"):
            shown = NAMED.get(name, name)
            known = pixels.get(name, 0) >= MIN_PIXELS
            figures[f"{shown}_psnr"] = psnr(errors[name], pixels[name]) if known else None
            if name in SHARES:
                source = float(self._source_error[areas[name]].sum()) if known else 0.0
                figures[f"{shown}_share"] = errors[name] / source if to_be_done(source, pixels.get(name, 0)) else None
        figures["changed_ssim"] = self._ssim(result)
        figures["seam_gradient"] = self._seam_gradient(result)
        figures["colour_shift"] = self._colour_shift(result)
        figures["artefacts"] = max(0.0, self._range.share(result) - self._own_artefacts)
        figures |= tracking.summary(self.points, tracking.patch_errors(self.points, result), "point_error")
        return Judgement(figures, errors, pixels)

    def _ssim(self, result: np.ndarray) -> float | None:
        if self.truth.changed.sum() < MIN_PIXELS:
            return None
        _, plane = structural_similarity(
            result.astype(np.float64), self.truth.picture.astype(np.float64), channel_axis=-1, data_range=1.0,
            gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True,
        )  # fmt: skip
        return float(plane[self.truth.changed].mean())

    def _seam_gradient(self, result: np.ndarray) -> float | None:
        if self._seam.sum() < MIN_PIXELS:
            return None
        difference = result.astype(np.float64) - self.truth.picture
        slope = sum(np.abs(np.gradient(difference, axis=axis)) for axis in (0, 1))
        return float(slope[self._seam].mean())

    def _colour_shift(self, result: np.ndarray) -> float | None:
        if self._ring.sum() < MIN_PIXELS:
            return None
        difference = result.astype(np.float64) - self.truth.picture
        low = cv2.GaussianBlur(difference, (0, 0), LOW, borderType=cv2.BORDER_REFLECT)
        return float(np.abs(low)[self._ring].mean())


class SourceRange:
    """The source's range of values round every pixel, by which artefacts are told."""

    def __init__(self, scene: Scene):
        longest = max(float(np.hypot(*(target - handle))) for handle, target in scene.drags())
        reach = int(np.ceil(longest)) + NEIGHBOURHOOD
        square = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
        source = scene.source.astype(np.float32)
        self._low, self._high = cv2.erode(source, square), cv2.dilate(source, square)

    def share(self, picture: np.ndarray) -> float:
        """a of the module's docstring."""
        outside = (picture < self._low - SLACK) | (picture > self._high + SLACK)
        black = (picture <= HALF_LEVEL) & (self._low > HALF_LEVEL)
        white = (picture >= 1 - HALF_LEVEL) & (self._high < 1 - HALF_LEVEL)
        return float((outside | black | white).any(-1).mean())


def psnr(error: float, pixels: int) -> float:
    """In dB, of a squared error summed over so many pixels, at most ``PSNR_CAP``."""
    if error <= pixels * 10 ** (-PSNR_CAP / 10):
        return PSNR_CAP
    return float(10 * np.log10(pixels / error))


def to_be_done(source_error: float, pixels: int) -> bool:
    """Whether the source is off by enough over an area, a squared error summed over so many pixels, to have a share."""
    return pixels >= MIN_PIXELS and source_error > pixels * 10 ** (-DONE / 10)


def border(area: np.ndarray, by: int) -> np.ndarray:
    """Pixels within ``by`` px of the border of an area (H, W) bool, on both sides; none where it has none."""
    return metrics.widened(area, by) & ~metrics.widened(area, -by)


def _squared(result: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return ((result.astype(np.float64) - truth.astype(np.float64)) ** 2).mean(-1)
