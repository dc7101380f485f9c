"""From correlation to the element: the mask that nobody has to draw.

Two rules. *walk*: what a random walk along the attention and within the picture's edges finds (``walked``); it needs a
picture. *threshold*: the published M[p] = A[h, p] / A[h, h] > tau (AttentionDrag, arXiv 2506.13301), read as a belief:
a half at the threshold, rising with the logarithm of the correlation. Where a picture is given, the belief follows its
edges (``edges``) and then its colours (``colours``) before it is cut at a half.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from ..errors import InputError
from ..options import check_choice, check_not_negative
from ..planes.morphology import connected_to, soften
from ..space.grid import Grid
from ..space.points import DragPair, DragPoints
from .choice import STEP
from .colours import refine
from .edges import EdgeWeights, edge_weights, smooth
from .sight import Sight, sights_of
from .threshold import ABOVE_OTSU, automatic_tau
from .walked import walked

Rule = Literal["walk", "threshold"]

SHARPNESS = 3.0
"""How fast belief rises with the logarithm of the correlation."""


@dataclass(frozen=True, kw_only=True)
class ElementSettings:
    """How the element is cut out. Lengths are in image pixels.

    Attributes:
        tau: correlation from which a pixel belongs to the handle, 0..1; None chooses it per handle.
        above_otsu: how many times Otsu's threshold the chosen one is (``threshold``).
        grow: widens the element (negative: narrows it).
        feather: width of the soft edge.
        connected: keep only the part connected to the handle.
        refined: let the element follow the picture's edges, where a picture is given.
        rule: how it is found; "walk" is "threshold" where tau is set, or where no picture is given or followed.
    """

    tau: float | None = None
    above_otsu: float = ABOVE_OTSU
    grow: int = 0
    feather: int = 0
    connected: bool = True
    refined: bool = True
    rule: Rule = "walk"

    @property
    def walks(self) -> bool:
        """Whether it is found by walks, if there is a picture."""
        return self.rule == "walk" and self.tau is None and self.refined

    def __post_init__(self):
        if self.tau is not None and not 0 < self.tau <= 1:
            raise InputError("tau", f"{self.tau}.", "Use a number above 0 and up to 1, or 'automatic'.")
        if not self.above_otsu >= 1:
            raise InputError("above_otsu", f"{self.above_otsu}.", "Use 1 or more.")
        check_not_negative("feather", self.feather, "px")
        check_choice("rule", self.rule, Rule)


def find_element(
    correlation: torch.Tensor,
    grid: Grid,
    points: DragPoints,
    settings: ElementSettings | None = None,
    image: torch.Tensor | None = None,
    maps: Mapping[tuple[int, int], torch.Tensor] | None = None,
    sights: Sequence[Sight] | None = None,
) -> torch.Tensor:
    """The union of what belongs to each handle, mended by the clicks.

    Args:
        correlation: (B, P + C, h, w) in 0..1 (``attention.correlation``) with every pair's handle, then every click.
        grid, points: as there.
        settings: thresholds and edges.
        image: (B, H, W, 3) in 0..1; the element then follows its edges and colours.
        maps: the attention maps that the correlation was read from; without them the rule is "threshold".
        sights: at each picture, where they are made already (``sight.sights_of``).

    Returns:
        (B, H, W) float32 in 0..1 at image size, on the correlation's device. What belongs to a pair ends at its
        radius, but for ``grow`` and ``feather``.
    """
    settings = settings or ElementSettings()
    picture = image.to(correlation) if image is not None and settings.refined else None
    if settings.walks and picture is not None and maps is not None:
        sights = sights or sights_of(maps, correlation, grid, points, picture)
        element = walked(sights, grid, points, picture, settings.connected)
        return soften(element, settings.grow, settings.feather)
    return soften(_thresholded(correlation, grid, points, settings, picture), settings.grow, settings.feather)


def _thresholded(
    correlation: torch.Tensor, grid: Grid, points: DragPoints, settings: ElementSettings, picture: torch.Tensor | None
) -> torch.Tensor:
    """The element (B, H, W) of 0 and 1 by the published rule."""
    weights = edge_weights(picture.movedim(-1, 1)) if picture is not None else None
    element = correlation.new_zeros(correlation.shape[0], *grid.image_size)
    added = [DragPair(click.at, click.at) for click in points.clicks if click.kind == "add"]
    numbers = range(len(points.pairs), len(points.pairs) + len(points.clicks))
    kinds = dict(zip(numbers, (click.kind for click in points.clicks), strict=True))
    seeds = [*range(len(points.pairs)), *(number for number, kind in kinds.items() if kind == "add")]
    for index, pair in zip(seeds, [*points.pairs, *added], strict=True):
        belief = _belief(correlation[:, index], grid, weights, settings, pair.size)
        if picture is not None:
            belief = refine(belief, picture)
        element = torch.maximum(element, _cut(belief, pair, grid, settings.connected))
    left_out = [number for number, kind in kinds.items() if kind == "leave_out"]
    if left_out:
        # A place is the point's that it correlates with most.
        own, foreign = (correlation[:, numbers].amax(1) for numbers in (seeds, left_out))
        element = element * (grid.cells_to_image_mask(own - foreign) > 0)
    return element


def _belief(
    correlation: torch.Tensor, grid: Grid, weights: EdgeWeights | None, settings: ElementSettings, size: int
) -> torch.Tensor:
    """Probability (B, H, W) of belonging to the handle whose correlation (B, h, w) is.

    Every step of ``size`` lowers the threshold by a third. With ``weights`` it is smoothed between the picture's edges,
    on the logarithm too: across an edge it differs by factors.
    """
    taus = torch.stack(
        [
            automatic_tau(one, settings.above_otsu) if settings.tau is None else one.new_tensor(settings.tau)
            for one in correlation.unbind()
        ]
    )
    logarithm = grid.cells_to_image_mask(correlation).clamp_min(1e-4).log()[:, None]
    if weights is not None:
        logarithm = smooth(logarithm, weights)
    return torch.sigmoid(SHARPNESS * (logarithm[:, 0] - taus.log()[:, None, None] + size * math.log(STEP)))


def _cut(belief: torch.Tensor, pair: DragPair, grid: Grid, connected: bool) -> torch.Tensor:
    """What one handle's belief (B, H, W) leaves of the picture, (B, H, W) of 0 and 1."""
    handle = grid.pixel_at(pair.handle)
    inside = (belief >= 0.5) & (grid.reach(pair, pixels=True).to(belief) > 0)
    # The clicked pixel belongs to its own element whatever the threshold.
    inside[:, handle[0], handle[1]] = True
    if connected:
        inside = torch.stack([connected_to(one, handle) for one in inside.unbind()])
    return inside.float()
