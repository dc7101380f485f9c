"""From correlation to the region that moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
import torch.nn.functional as F

from .correlation import reach
from .errors import InputError
from .grid import Grid
from .points import DragPoints
from .refine import refine
from .smoothing import EdgeWeights, edge_weights, smooth

Combine = Literal["add", "subtract", "replace", "intersect"]

SHARPNESS = 3.0
"""How fast belief rises with the logarithm of the correlation."""

LEVELS = 64
"""Number of thresholds that the automatic choice tries."""


@dataclass(frozen=True, kw_only=True)
class MaskSettings:
    """How the region is cut out. Lengths are in image pixels.

    Attributes:
        tau: correlation from which a pixel belongs to the handle, 0..1; None chooses it per handle.
        above_otsu: how many times Otsu's threshold the chosen one is: Otsu's parts all that is some object from
            the background, and other objects score higher than background does. 1.8 was measured
            (``benchmarks/ABLATION.md``).
        grow: widens the region (negative: narrows it).
        feather: width of the soft edge.
        connected: keep only the part connected to the handle.
        refined: let the region follow the picture's edges, where a picture is given.
    """

    tau: float | None = None
    above_otsu: float = 1.8
    grow: int = 0
    feather: int = 0
    connected: bool = True
    refined: bool = True

    def __post_init__(self):
        if self.tau is not None and not 0 < self.tau <= 1:
            raise InputError("tau", f"{self.tau}.", "Use a number above 0 and up to 1, or 'automatic'.")
        if not self.above_otsu >= 1:
            raise InputError("above_otsu", f"{self.above_otsu}.", "Use 1 or more.")
        if self.feather < 0:
            raise InputError("feather", f"{self.feather} px.", "Use 0 or more.")


def region(
    scores: torch.Tensor,
    grid: Grid,
    points: DragPoints,
    settings: MaskSettings | None = None,
    image: torch.Tensor | None = None,
) -> torch.Tensor:
    """The union of all handles' regions.

    Args:
        scores: (B, P, h, w) from ``correlation.correlate``.
        grid, points: as there.
        settings: thresholds and edges.
        image: (B, H, W, 3) in 0..1; the region then follows its edges (``smoothing``) and colours (``refine``).

    Returns:
        (B, H, W) float32 in 0..1 at image size, on the scores' device. A pair's region ends at its radius, but for
        ``grow`` and ``feather``.
    """
    settings = settings or MaskSettings()
    batch, pairs = scores.shape[:2]
    fine = grid.cells_to_image_mask(scores.flatten(0, 1)).unflatten(0, (batch, pairs))
    masks = torch.zeros_like(fine[:, 0])
    picture = image.to(fine) if image is not None and settings.refined else None
    weights = edge_weights(picture.movedim(-1, 1)) if picture is not None else None
    for index, pair in enumerate(points.pairs):
        seed = _seed(grid, pair.handle)
        belief = _belief(fine[:, index], scores[:, index], weights, settings)
        if picture is not None:
            belief = refine(belief, picture)
        within = reach(pair, grid, pixels=True).to(belief) > 0
        for number in range(batch):
            inside = (belief[number] >= 0.5) & within
            # The clicked pixel belongs to its own region whatever the threshold.
            inside[seed] = True
            if settings.connected:
                inside = connected_to(inside, seed)
            masks[number] = torch.maximum(masks[number], inside.float())
    return soften(masks, settings.grow, settings.feather)


def _belief(
    values: torch.Tensor, scores: torch.Tensor, weights: EdgeWeights | None, settings: MaskSettings
) -> torch.Tensor:
    """Probability (B, H, W) of belonging to one handle: a half at the threshold, rising with the logarithm.

    ``values`` (B, H, W) and ``scores`` (B, h, w) are its correlation in pixels and in cells; with ``weights`` it is
    smoothed between the picture's edges, on the logarithm too: across an edge it differs by factors.
    """
    taus = [
        automatic_tau(one, settings.above_otsu) if settings.tau is None else settings.tau for one in scores.unbind()
    ]
    logarithm = values.clamp_min(1e-4).log()[:, None]
    if weights is not None:
        logarithm = smooth(logarithm, weights)
    return torch.sigmoid(SHARPNESS * (logarithm[:, 0] - values.new_tensor(taus).log()[:, None, None]))


def automatic_tau(scores: torch.Tensor, above_otsu: float = MaskSettings.above_otsu) -> float:
    """The threshold of one handle's correlation (h, w): ``above_otsu`` times Otsu's.

    It is never raised more than halfway, on the logarithm, to the handle's own correlation of 1.
    """
    otsu = otsu_threshold(scores)
    return min(above_otsu * otsu, otsu**0.5)


def otsu_threshold(scores: torch.Tensor) -> float:
    """Otsu's threshold (1979) of one handle's correlation (h, w), on its logarithm.

    Attention spans orders of magnitude; its logarithm has two modes where the plain values have a spike and a
    tail, and there Otsu's criterion, the variance between the classes, finds the gap.
    """
    values = scores.flatten().float().clamp_min(1e-4).log()
    low, high = values.min(), values.max()
    if not bool(high > low):
        return 1.0
    levels = torch.linspace(0, 1, LEVELS + 2, device=values.device)[1:-1] * (high - low) + low
    above = values[None, :] >= levels[:, None]
    weight = above.float().mean(1)
    mean_above = (values * above).sum(1) / above.sum(1).clamp_min(1)
    mean_below = (values * ~above).sum(1) / (~above).sum(1).clamp_min(1)
    between = weight * (1 - weight) * (mean_above - mean_below) ** 2
    # Every threshold inside an empty gap is as good: the middle one leaves both sides room.
    best = levels[between >= between.max() * (1 - 1e-4)]
    return float(best.mean().exp())


def connected_to(inside: torch.Tensor, seed: tuple[int, int]) -> torch.Tensor:
    """The 8-connected part of ``inside`` (H, W) bool that holds ``seed`` (y, x); empty if the seed is outside."""
    reached = torch.zeros_like(inside)
    reached[seed] = inside[seed]
    allowed = inside.float()[None, None]
    current = reached.float()[None, None]
    while True:
        grown = current
        for _ in range(16):
            grown = F.max_pool2d(grown, 3, stride=1, padding=1) * allowed
        if torch.equal(grown, current):
            return current[0, 0] > 0
        current = grown


def soften(mask: torch.Tensor, grow: int = 0, feather: int = 0) -> torch.Tensor:
    """Widens a mask (B, H, W) by ``grow`` px (narrows it when negative), then blurs its edge over ``feather`` px."""
    planes = mask[:, None].float()
    if grow > 0:
        planes = F.max_pool2d(planes, 2 * grow + 1, stride=1, padding=grow)
    elif grow < 0:
        planes = 1 - F.max_pool2d(1 - planes, 1 - 2 * grow, stride=1, padding=-grow)
    if feather > 0:
        planes = _blur(planes, feather)
    return planes[:, 0]


def combine(automatic: torch.Tensor, drawn: torch.Tensor, mode: Combine) -> torch.Tensor:
    """The automatic mask (B, H, W) corrected by a drawn one (B or 1, H, W).

    Raises:
        InputError: another size, a batch that fits neither 1 nor B, or no such mode.
    """
    if mode not in get_args(Combine):
        raise InputError("mode", f"'{mode}'.", f"Use one of {', '.join(get_args(Combine))}.")
    if drawn.ndim == 2:
        drawn = drawn[None]
    check_mask(drawn, (automatic.shape[-2], automatic.shape[-1]), automatic.shape[0])
    drawn = drawn.to(automatic).clamp(0, 1)
    if mode == "add":
        return torch.maximum(automatic, drawn)
    if mode == "subtract":
        return torch.minimum(automatic, 1 - drawn)
    if mode == "intersect":
        return torch.minimum(automatic, drawn)
    return drawn.expand_as(automatic).clone()


def check_mask(mask: torch.Tensor, image_size: tuple[int, int], batch: int, input: str = "mask") -> None:
    """Raises an ``InputError`` unless ``mask`` is (batch or 1, *image_size) and finite."""
    if mask.ndim != 3 or tuple(mask.shape[-2:]) != tuple(image_size):
        shape = "x".join(str(side) for side in reversed(mask.shape[-2:]))
        raise InputError(
            input,
            f"{shape} px, but the image is {image_size[1]}x{image_size[0]} px.",
            "Use a mask made for this image, or resize it.",
        )
    if mask.shape[0] not in (1, batch):
        raise InputError(
            input,
            f"{mask.shape[0]} masks for {batch} images.",
            "Use one mask for all, or one for each image.",
        )
    if not torch.isfinite(mask).all():
        raise InputError(input, "it holds NaN or infinite values.", "Check the node that made it.")


def _seed(grid: Grid, handle: tuple[float, float]) -> tuple[int, int]:
    y = min(int(handle[1] * grid.image_height), grid.image_height - 1)
    x = min(int(handle[0] * grid.image_width), grid.image_width - 1)
    return y, x


def _blur(planes: torch.Tensor, width: int) -> torch.Tensor:
    """Gaussian blur of (B, 1, H, W) whose edge of a step runs over about ``width`` px."""
    sigma = width / 3
    taps = torch.arange(-width, width + 1, device=planes.device, dtype=planes.dtype)
    kernel = torch.exp(-0.5 * (taps / sigma) ** 2)
    kernel = kernel / kernel.sum()
    planes = F.pad(planes, (width, width, 0, 0), mode="replicate")
    planes = F.conv2d(planes, kernel.view(1, 1, 1, -1))
    planes = F.pad(planes, (0, 0, width, width), mode="replicate")
    return F.conv2d(planes, kernel.view(1, 1, -1, 1)).clamp(0, 1)
