"""Whether what belongs to a handle is a thing, or a part of one.

What is moved out of its surroundings must be a thing: a muzzle that goes as one piece is torn out of its face, however
plain its outline. Where the pieces along the outline, from without, still belong to the handle by the walks and the
attention, and where little speaks for the outline as an object's (``choice``), it is a part. The numbers were fitted on
pieces of rendered, pasted and drawn things and on such things whole (``benchmarks.fit_parts``).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from . import fitted
from .choice import a_thing
from .cut import connected
from .sight import Sight
from .support import support

INSIDE = 0.5
"""Share of a piece from which it belongs."""


def part_odds(sights: Sequence[Sight], element: torch.Tensor, count: int) -> torch.Tensor:
    """(B, P) logarithm of the odds that what hangs together with each handle is a part of something; no waiting.

    Args:
        sights: at each picture.
        element: (B, H, W) in 0..1, what is to move, whoever found it.
        count: P, of handles, which are the first points of the sights.
    """
    found = []
    for sight, own in zip(sights, element, strict=True):
        small = F.interpolate(own[None, None].float(), size=sight.pieces.labels.shape, mode="area")[0, 0]
        inside = (sight.pieces.average(small) > INSIDE).to(small)
        figures = torch.stack([part_figures(sight, inside, handle) for handle in range(count)])
        found.append(figures @ figures.new_tensor(fitted.PART) + fitted.PART_OFFSET)
    return torch.stack(found)


def part_figures(sight: Sight, inside: torch.Tensor, handle: int) -> torch.Tensor:
    """(15,) what speaks for a part: the support of it as an object, and what the pieces round it are to the handle.

    Args:
        sight: of the picture.
        inside: (N,) of 0 and 1, the pieces that belong.
        handle: which of its points.
    """
    pieces, view = sight.pieces, sight.views[handle]
    seed = sight.points[handle]
    own = connected(torch.maximum(inside, seed), seed, pieces)
    ring = (own @ pieces.shared) * (1 - own) * (pieces.area > 0)
    ring = ring / ring.sum().clamp_min(1e-6)
    score = a_thing(support(own[None], view, sight.related, pieces))
    return torch.cat([score, ring @ view.clue, (ring @ view.belief.clamp(-MOST, MOST))[None]])


MOST = 6.0
"""Largest belief that is averaged."""
