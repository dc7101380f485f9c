"""What "auto" takes a drag for: a thing that moves, or something that is pushed about on what it is a part of.

Told by the element (a part is pushed: ``region.parts`` by the attention, ``outline`` by the picture) and by the drags.
The farther something is to go, the surer it must be a part to be pushed. A drag that is short beside its thing means
the place where it is drawn and not the thing; so do several that no likely change of the whole explains. Looked at on
people's drags and counted on scenes whose truth is known (``benchmarks/FIELD.md``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from ..space.grid import Grid
from ..space.points import DragPair, DragPoints, PairMotion
from .objects import parted
from .outline import PART, Outline

SHORT = 0.3
"""Of the root of its thing's area, the length below which a drag means a place on it."""

ALIKE = 0.3
"""Of the longest drag's length, by how much drags may differ that count as one."""

SPAN = 0.6
"""Of the root of the thing's area, the distance from handle to handle from which they hold the thing."""

SCALED = 1.75
"""By how much two handles change a thing's size at the most, and in its inverse at the least."""

UNEXPLAINED = 0.1
"""Of the longest drag's length, what a turn, shift and change of size may leave of the drags of a thing."""


def told_motions(
    element: torch.Tensor,
    correlation: torch.Tensor,
    grid: Grid,
    points: DragPoints,
    objects: tuple[int, ...],
    outlines: Sequence[Outline] | None,
    odds: torch.Tensor | None,
) -> tuple[PairMotion | None, ...]:
    """Of every pair, how its object moves, None where ``piece`` sees to it. Waits once for the tensors' device.

    Args:
        element, correlation, grid, points, objects: as for ``objects.parted``.
        outlines: of every pair; None where nobody knows.
        odds: (B, P) logarithm of those that what hangs together with each handle is a part; None where nobody knows.
    """
    each = element[:, None] if max(objects) == 0 else parted(element, correlation, grid, points, objects)
    areas, count = each.sum((-2, -1)).mean(0), len(points)
    known = areas.new_full((count,), -torch.inf) if odds is None else odds.mean(0).to(areas)
    if outlines is not None:
        shares = torch.stack([one.share.mean() for one in outlines]).to(areas)
        known = torch.where(shares >= PART, torch.inf, known)
    values = torch.cat([areas, known]).tolist()
    sizes, parts = values[: len(areas)], values[len(areas) :]
    found = []
    for number in objects:
        own = [index for index, other in enumerate(objects) if other == number]
        part = max(parts[index] for index in own)
        found.append(told_motion([points.pairs[index] for index in own], grid, sizes[number], part))
    return tuple(found)


def told_motion(pairs: Sequence[DragPair], grid: Grid, area: float, odds: float) -> PairMotion | None:
    """How the object of these drags moves, None where ``piece`` sees to it.

    Args:
        pairs: its drags.
        grid: of the picture.
        area: px of the object.
        odds: logarithm of those that it is a part of something.
    """
    if any(pair.is_anchor for pair in pairs):
        # They say themselves what stays.
        return None
    size = math.sqrt(max(area, 1.0))
    extent = np.array([grid.image_width, grid.image_height])
    handles, targets = (np.array([getattr(pair, end) for pair in pairs]) * extent for end in ("handle", "target"))
    ways = targets - handles
    longest = float(np.linalg.norm(ways, axis=-1).max())
    # What goes far is a thing: as far as it is large, at even odds.
    if np.linalg.norm(ways[:, None] - ways, axis=-1).max() < ALIKE * longest:
        moves = longest >= SHORT * size and 2 * math.log(longest / size) >= odds
    else:
        apart = float(np.linalg.norm(handles[:, None] - handles, axis=-1).max())
        moves = odds <= 0 and apart >= SPAN * size and _explained(handles, targets, longest)
    return None if moves else "push"


def _explained(handles: np.ndarray, targets: np.ndarray, longest: float) -> bool:
    """Whether a turn, shift and likely change of size takes handles (n, 2) to targets; two have one that does."""
    before, after = (_complex(ends - ends.mean(0)) for ends in (handles, targets))
    change = (before.conj() @ after) / max(float((before.conj() @ before).real), 1e-6)
    left = math.sqrt(float(np.mean(np.abs(change * before - after) ** 2)))
    # Of three and more it is a sign of its own that they agree.
    return left < UNEXPLAINED * longest and (len(handles) > 2 or 1 / SCALED < abs(change) < SCALED)


def _complex(places: np.ndarray) -> np.ndarray:
    """(n,) numbers x + iy of places (n, 2)."""
    return places[:, 0] + 1j * places[:, 1]
