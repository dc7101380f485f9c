"""The shape of one continuation with the grain of another."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from .bounds import within_known
from .harmonic import harmonic
from .pyramid import halved
from .texture import texture

SIDE = 128
"""Shorter side, at most, of the version in which shape and grain part."""

WIDTH = 2
"""Pixels of that version round each over which a mean is taken, twice: what varies faster is grain."""

STRONGEST = 1.5
"""Most that grain is off the shape, as a multiple of the mean slopes along x and y: three deviations of a white one."""


def grained(shape: torch.Tensor, grain: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
    """``shape`` with what varies fast in ``grain``.

    A smooth continuation is seldom far off and always bare; patches have the texture of the ground but put things where
    there are none. Where these can't be trusted, this takes of each what it is good for.

    Args:
        shape, grain: (1, C, h, w) float32, two continuations of one picture.
        hole: (1, h, w) bool, that they continue it over.

    Returns:
        (1, C, h, w); ``grain`` outside the hole, and within the range of what is there inside.
    """
    off, inside = grain - shape, hole
    while min(off.shape[-2:]) > SIDE:
        off, outside = halved(off, ~inside)
        inside = ~outside
    share = inside[:, None].to(off.dtype)
    off = off * share
    for _ in range(2):
        off, share = (F.avg_pool2d(one, 2 * WIDTH + 1, 1, WIDTH) for one in (off, share))
    off = F.interpolate(off / share.clamp_min(1e-6), size=hole.shape[-2:], mode="bilinear", align_corners=False)
    # No more than the ground has: where it is smooth, what patches leave is where they met.
    most = STRONGEST * harmonic(texture(grain, hole), hole).sum(1, keepdim=True)
    return within_known(shape + (grain - shape - off).clamp(-most, most), grain, hole)
