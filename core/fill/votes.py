"""What patches make of a hole together, once each has found the one that it resembles (``fill.patches``)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from ..planes.morphology import dilate
from .bounds import within_known
from .harmonic import harmonic

RADIUS = 3
"""Patches are 7 x 7 pixels."""

BROAD, SHARP = 0.3, 0.1
"""How much worse than the best vote one may fit that still counts, as a share of the mean misfit: while everything is
still looked for, and once places are known. Sharp from the start, a first wrong guess stays. Less than ``SHARP`` is
farther from the truth (0.05 in the place of 0.2: 0.3 to 0.7 dB on twelve holes), more is blurred."""


@dataclass(frozen=True, eq=False)
class Matches:
    """Which patch each patch resembles. Places are numbers of pixels, row by row; tensors of n on one device.

    Attributes:
        hole: (1, h, w) bool, that they are about.
        centres: (n,) int64, patches that reach into the hole.
        place: (n,) int64, the patch that each resembles; it lies wholly in the picture and outside the hole.
        misfit: (n,) float32, squared difference of both; infinite where none was found.
    """

    hole: torch.Tensor
    centres: torch.Tensor
    place: torch.Tensor
    misfit: torch.Tensor

    def at(self, row: torch.Tensor, column: torch.Tensor) -> tuple[tuple[torch.Tensor, torch.Tensor], torch.Tensor]:
        """Ways in rows and in columns, and misfits, of the patches nearest to these places; 0 and infinite if none."""
        height, width = self.hole.shape[-2:]
        number = torch.full((height * width,), len(self.centres), device=self.place.device)
        number[self.centres] = torch.arange(len(self.centres), device=self.place.device)
        which = number[row.clamp(0, height - 1) * width + column.clamp(0, width - 1)]
        down = F.pad(self.place // width - self.centres // width, (0, 1))
        along = F.pad(self.place % width - self.centres % width, (0, 1))
        return (down[which], along[which]), F.pad(self.misfit, (0, 1), value=float("inf"))[which]


def voted(
    known: torch.Tensor,
    hole: torch.Tensor,
    current: torch.Tensor,
    found: Matches,
    sharpness: float = SHARP,
    shown: torch.Tensor | None = None,
) -> torch.Tensor:
    """Each pixel of the hole as the mean of what the patches over it bring there, those that fit best before all.

    Args:
        known: (1, C, h, w) float32, that is read where ``found`` says.
        hole: (1, h, w) bool.
        current: (1, C, h, w), shown where no patch has a vote.
        found: the patches.
        sharpness: ``BROAD`` or ``SHARP``.
        shown: (1, h, w) bool, what gets votes; None for the hole.
    """
    height, width = hole.shape[-2:]
    pixels = (hole if shown is None else shown).flatten().nonzero()[:, 0]
    # A frame that the patches of the border reach into.
    wide = width + 2 * RADIUS
    at, framed = ((one // width + RADIUS) * wide + one % width + RADIUS for one in (pixels, found.centres))
    misfits = known.new_full(((height + 2 * RADIUS) * wide,), float("inf"))
    misfits[framed] = found.misfit
    ways = torch.zeros(len(misfits), dtype=torch.long, device=known.device)
    ways[framed] = (found.place - found.centres).masked_fill(found.misfit.isinf(), 0)
    steps = [down * wide + along for down in range(-RADIUS, RADIUS + 1) for along in range(-RADIUS, RADIUS + 1)]
    least = misfits[at]
    for step in steps:
        least = torch.minimum(least, misfits[at + step])
    least = least.masked_fill(least.isinf(), 0)
    scale = sharpness * found.misfit.masked_fill(found.misfit.isinf(), 0).mean().clamp_min(1e-5)
    contents = known[0].flatten(1).T.contiguous()
    total, votes = torch.zeros_like(contents[pixels]), known.new_zeros(len(pixels))
    for step in steps:
        weight = ((least - misfits[at + step]) / scale).exp()
        total += contents[pixels + ways[at + step]] * weight[:, None]
        votes += weight
    values = torch.where(votes[:, None] > 0, total / votes[:, None].clamp_min(1e-6), current[0].flatten(1).T[pixels])
    filled = known.flatten(2).clone()
    filled[0][:, pixels] = values.T
    return filled.view_as(known)


def levelled(known: torch.Tensor, hole: torch.Tensor, current: torch.Tensor, found: Matches) -> torch.Tensor:
    """The votes, with what they are off at the hole's rim taken off all over it: no seam, and the shading goes on.

    Round the hole it is known what the same patches ought to have voted for; the difference, as it is over a
    patch, is continued smoothly (a membrane, as in Perez et al. 2003, "Poisson Image Editing"). Within the range of
    what is known.
    """
    near = dilate(hole.float(), RADIUS) > 0
    votes = voted(known, hole, current, found, shown=near)
    ring = (near & ~hole)[:, None].to(known.dtype)
    off, share = (F.avg_pool2d(one, 2 * RADIUS + 1, 1, RADIUS) for one in ((known - votes) * ring, ring))
    off = harmonic(off / share.clamp_min(1e-6) * (share > 0), hole)
    return within_known(votes + off, known, hole)
