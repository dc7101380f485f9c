"""Sharpens a coarse region by the picture's own edges.

Attention knows regions to within a latent cell or two. Within that band colour decides: every pixel is compared
with the mean colour, and its spread, of what is inside and what is outside *around it* (local models, so a
textured background doesn't spoil it), and a guided filter (He et al. 2013, "Guided Image Filtering") then draws
the boundary along the picture's edges.
"""

from __future__ import annotations

import torch

from ..planes.guided_filter import box_mean, guided_filter, guided_upsample

WINDOW = 0.16
"""Half width of the window of the local colour models, as a share of the picture's shorter side: wide enough to hold
what an element and its surroundings are made of, narrow enough to leave out other parts of the picture."""

SMALLEST_WINDOW = 20
"""Least half width of that window in pixels: two and a half cells, what the coarse region may be off by."""

ITERATIONS = 3
COLOUR_FLOOR = 0.03
"""Least spread of a colour model: what noise and compression make of a flat colour."""

MAX_EVIDENCE = 6.0

EVIDENCE_SHARE = 0.35
"""What a pixel's colour counts for against its correlation. Neighbouring pixels are no independent witnesses, and in
photographs inside and outside share colours: at full weight the region follows any like colour nearby. Measured."""

GUIDE_RADIUS = 4
GUIDE_EPSILON = 1e-4


def refine(prior: torch.Tensor, image: torch.Tensor, full: torch.Tensor | None = None) -> torch.Tensor:
    """Region probabilities that follow the picture's edges.

    Args:
        prior: (B, h, w) probability in 0..1 that a pixel belongs to the region.
        image: (B, h, w, 3) in 0..1.
        full: (B, H, W, 3), the picture that ``image`` is the small version of; None for ``image`` itself.

    Returns:
        (B, H, W) float32 in 0..1; the region is where it exceeds a half.
    """
    planes = image.movedim(-1, 1).to(prior).float()
    prior = prior[:, None].float().clamp(0.02, 0.98)
    belief = torch.logit(prior)
    window = max(SMALLEST_WINDOW, round(WINDOW * min(prior.shape[-2:])))
    inside = prior
    moments = torch.cat([torch.ones_like(planes[:, :1]), planes, planes**2], 1)
    # What is outside is all but what is inside: its sums need no windows of their own.
    every = box_mean(moments, window)
    for _ in range(ITERATIONS):
        own = box_mean(inside * moments, window)
        evidence = _log_likelihood(planes, own) - _log_likelihood(planes, every - own)
        evidence = box_mean(evidence.clamp(-MAX_EVIDENCE, MAX_EVIDENCE), 1)
        inside = torch.sigmoid(EVIDENCE_SHARE * evidence + belief)
    if full is None:
        return guided_filter(inside, planes, GUIDE_RADIUS, GUIDE_EPSILON)[:, 0].clamp(0, 1)
    whole = full.movedim(-1, 1).to(planes)
    return guided_upsample(inside, planes, whole, GUIDE_RADIUS, GUIDE_EPSILON)[:, 0].clamp(0, 1)


def _log_likelihood(planes: torch.Tensor, sums: torch.Tensor) -> torch.Tensor:
    """Of each pixel's colour under the weighted mean and spread of its window, (B, 1, H, W).

    ``sums`` (B, 7, H, W) are the window's weights, and they times the colours and times their squares.
    """
    total = sums[:, :1].clamp_min(0) + 1e-4
    mean = sums[:, 1:4] / total
    spread = (sums[:, 4:] / total - mean**2).clamp_min(0) + COLOUR_FLOOR**2
    return -0.5 * ((planes - mean) ** 2 / spread + spread.log()).sum(1, keepdim=True)
