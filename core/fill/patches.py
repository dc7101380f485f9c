"""A continuation made of the picture's own patches: it carries on stripes, tiles and textures.

Coherent completion by patches that overlap and vote (Wexler, Shechtman and Irani 2007, "Space-Time Completion of
Video"): every patch that touches the hole looks for its nearest neighbour among the patches that lie wholly outside of
it, every pixel of the hole becomes the mean of what these neighbours say of it, and so on, from a small version of the
picture to the picture. Up to ``SEARCHED`` pixels the search is exhaustive; finer sizes keep the neighbours' places, as
PatchMatch (Barnes et al. 2009) would find them, and correct them by a pixel.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from ..planes.morphology import dilate
from .harmonic import harmonic
from .pyramid import halved

RADIUS = 3
"""Patches are 7 x 7 pixels."""

COARSEST = 24
"""Shorter side, at least, of the smallest version."""

SEARCHED = 128 * 128
"""Largest version, in pixels, in which every patch is compared with every other."""

REFINED = 150_000
"""Most patches whose place is corrected at the finer sizes; more of them are copied as they are."""

ITERATIONS = 6
SETTLED = 2e-3
"""Largest change of a pixel at which a size is done, for values in 0..1."""

BLOCK = 1024
"""Patches compared at once: 64 MB of distances at ``SEARCHED``."""


def patches(planes: torch.Tensor, hole: torch.Tensor, searched: int = SEARCHED) -> torch.Tensor:
    """Fills holes with patches from elsewhere.

    Args:
        planes: (B, C, h, w) float32 in 0..1, finite outside the hole.
        hole: (B, h, w) bool, cells to fill; nothing is read from them.
        searched: largest version, in pixels, that is searched exhaustively.

    Returns:
        (B, C, h, w); cells outside the hole unchanged. Where not a single whole patch is known, as ``harmonic``.
    """
    return torch.cat([_one(planes[i : i + 1], hole[i : i + 1], searched) for i in range(len(planes))])


def _one(planes: torch.Tensor, hole: torch.Tensor, searched: int) -> torch.Tensor:
    if not bool(hole.any()) or not bool(_sources(hole[0]).any()):
        return harmonic(planes, hole)
    sizes = [(planes.masked_fill(hole[:, None], 0), hole)]
    while min(sizes[-1][1].shape[-2:]) >= 2 * COARSEST:
        sizes.append(halved(*sizes[-1]))
    current = harmonic(*sizes[-1])
    ways: torch.Tensor | None = None
    for known, unknown in reversed(sizes):
        unread = unknown[:, None]
        if known is not sizes[-1][0]:
            finer = F.interpolate(current, size=known.shape[-2:], mode="bilinear", align_corners=False)
            current = torch.where(unread, finer, known)
        # There may be no whole patch in small versions and yet some in the finer ones.
        if not bool(unknown.any()) or not bool(_sources(unknown[0]).any()):
            continue
        if ways is None or unknown[0].numel() <= searched:
            current, ways = _searched(known, unknown, current)
        else:
            current, ways = _carried(known, unknown, current, ways)
    return torch.where(hole[:, None], current, planes)


def _sources(hole: torch.Tensor) -> torch.Tensor:
    """(h, w) bool: centres of patches that lie in the picture and outside the hole."""
    whole = torch.zeros_like(hole)
    inner = slice(RADIUS, -RADIUS)
    if min(hole.shape) >= 2 * RADIUS + 1:
        whole[inner, inner] = ~_touching(hole)[inner, inner]
    return whole


def _touching(hole: torch.Tensor) -> torch.Tensor:
    """(h, w) bool: centres of patches that reach into the hole."""
    return dilate(hole[None].float(), RADIUS)[0] > 0


def _searched(
    known: torch.Tensor, hole: torch.Tensor, current: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """One size with exhaustive search: the picture and the ways (2, h, w) from patches to their neighbours."""
    centres, sources = _touching(hole[0]).nonzero(), _sources(hole[0]).nonzero()
    among = _unfolded(known)[:, sources[:, 0], sources[:, 1]].T
    lengths = among.square().sum(1)
    ways = torch.zeros(2, *hole.shape[-2:], dtype=torch.long, device=hole.device)
    for _ in range(ITERATIONS):
        sought = _unfolded(current)[:, centres[:, 0], centres[:, 1]].T
        nearest = torch.cat([(lengths - 2 * block @ among.T).argmin(1) for block in sought.split(BLOCK)])
        ways[:, centres[:, 0], centres[:, 1]] = (sources[nearest] - centres).T
        before, current = current, _voted(known, hole, ways)
        if float((current - before).abs().max()) < SETTLED:
            break
    return current, ways


def _carried(
    known: torch.Tensor, hole: torch.Tensor, current: torch.Tensor, ways: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """One size with the neighbours of half of it, each corrected by at most a pixel."""
    height, width = hole.shape[-2:]
    centres, sources = _touching(hole[0]).nonzero(), _sources(hole[0])
    coarse = [(centres[:, axis] // 2).clamp(max=ways.shape[axis + 1] - 1) for axis in (0, 1)]
    guess = centres + 2 * ways[:, coarse[0], coarse[1]].T
    around = (-1, 0, 1) if len(centres) <= REFINED else (0,)
    least = torch.full((len(centres),), float("inf"), device=hole.device)
    found = centres.clone()
    for dy in around:
        for dx in around:
            y, x = (guess[:, 0] + dy).clamp(0, height - 1), (guess[:, 1] + dx).clamp(0, width - 1)
            place = torch.stack([y, x], 1)
            distance = _distances(known, current, centres, place).masked_fill(~sources[y, x], float("inf"))
            better = distance < least
            least = torch.where(better, distance, least)
            found = torch.where(better[:, None], place, found)
    finer = torch.zeros(2, height, width, dtype=torch.long, device=hole.device)
    finer[:, centres[:, 0], centres[:, 1]] = (found - centres).T
    # A patch without any whole one within reach has no vote.
    lost = torch.zeros(height, width, dtype=torch.bool, device=hole.device)
    lost[centres[:, 0], centres[:, 1]] = least.isinf()
    return _voted(known, hole, finer, lost, current), finer


def _unfolded(planes: torch.Tensor) -> torch.Tensor:
    """All patches of (1, C, h, w), (C * side^2, h, w); the picture's border reflects."""
    padded = F.pad(planes, (RADIUS,) * 4, mode="reflect")
    return F.unfold(padded, 2 * RADIUS + 1)[0].unflatten(1, planes.shape[-2:])


def _distances(
    known: torch.Tensor, current: torch.Tensor, centres: torch.Tensor, others: torch.Tensor
) -> torch.Tensor:
    """Squared differences (n,) of patches of ``current`` and, at ``others`` (n, 2), of ``known``."""
    height, width = known.shape[-2:]
    total = torch.zeros(len(centres), device=known.device)
    for dy in range(-RADIUS, RADIUS + 1):
        for dx in range(-RADIUS, RADIUS + 1):
            y, x = centres[:, 0] + dy, centres[:, 1] + dx
            inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
            own = current[0][:, y.clamp(0, height - 1), x.clamp(0, width - 1)]
            other = known[0][:, (others[:, 0] + dy).clamp(0, height - 1), (others[:, 1] + dx).clamp(0, width - 1)]
            total += (own - other).square().sum(0) * inside
    return total


def _voted(
    known: torch.Tensor,
    hole: torch.Tensor,
    ways: torch.Tensor,
    lost: torch.Tensor | None = None,
    fallback: torch.Tensor | None = None,
) -> torch.Tensor:
    """Each pixel of the hole as the mean of what the patches over it bring there, (1, C, h, w)."""
    height, width = hole.shape[-2:]
    pixels = hole[0].nonzero()
    total = known.new_zeros(known.shape[1], len(pixels))
    votes = known.new_zeros(len(pixels))
    for dy in range(-RADIUS, RADIUS + 1):
        for dx in range(-RADIUS, RADIUS + 1):
            y, x = pixels[:, 0] - dy, pixels[:, 1] - dx
            has = (y >= 0) & (y < height) & (x >= 0) & (x < width)
            y, x = y.clamp(0, height - 1), x.clamp(0, width - 1)
            if lost is not None:
                has = has & ~lost[y, x]
            way = ways[:, y, x]
            from_y, from_x = (pixels[:, 0] + way[0]).clamp(0, height - 1), (pixels[:, 1] + way[1]).clamp(0, width - 1)
            total += known[0][:, from_y, from_x] * has
            votes += has
    filled = known.clone()
    values = total / votes.clamp_min(1)
    if fallback is not None:
        values = torch.where(votes > 0, values, fallback[0][:, pixels[:, 0], pixels[:, 1]])
    filled[0][:, pixels[:, 0], pixels[:, 1]] = values
    return filled
