"""A continuation made of the picture's own patches: it carries on stripes, tiles and textures.

Coherent completion by patches that overlap and vote (Wexler, Shechtman and Irani 2007, "Space-Time Completion of
Video"): every patch that touches the hole looks for its nearest neighbour among the patches that lie wholly outside of
it, every pixel of the hole becomes what these neighbours say of it, and so on, from a small version of the picture to
the picture. Up to ``SEARCHED`` pixels the search is exhaustive; finer sizes keep the neighbours' places and correct
them by a pixel and by those beside them, as PatchMatch does (Barnes et al. 2009).

Two things keep texture, which small versions do not show and a mean of votes blurs: patches are also told apart by how
strong the slopes of the full picture are (``fill.texture``; Newson et al. 2014, "Video Inpainting of Complex Scenes"),
and the votes of those that fit best count most (``fill.votes``).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from ..planes.morphology import dilate
from ..planes.warp import coordinates
from .harmonic import harmonic
from .pyramid import halved
from .texture import CHANNELS, texture
from .votes import BROAD, RADIUS, Matches, levelled, voted

FREQUENCIES = 4
"""Patches are compared by their cosines up to this sum of both frequencies: a third of their numbers."""

COARSEST = 24
"""Shorter side, at least, of the smallest version."""

SEARCHED = 64 * 128
"""Largest version, in pixels, in which every patch is compared with every other: to search 128 x 128 as well takes
three times as long and gains nothing."""

REFINED = 1 << 20
"""Largest version, in pixels, in which places are corrected; finer ones copy what they have (128 MB at this size)."""

ITERATIONS = 6
SETTLED = 2e-3
"""Largest change of a pixel at which a size is done, for values in 0..1."""

TEXTURE = 5.0
"""Weight of a difference of texture against one of colour."""

NEAR = 0.5
"""Weight of a picture's side of distance against a difference of 1 all over a patch's colours: of patches that look
alike the nearer one is behind the same thing."""

COMPARED = 1 << 21
"""Distances held at once: 8 MB."""

BESIDE = ((0, 1), (0, -1), (1, 0), (-1, 0))


def patches(planes: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
    """Fills holes with patches from elsewhere.

    Args:
        planes: (B, C, h, w) float32 in 0..1, finite outside the hole.
        hole: (B, h, w) bool, cells to fill; nothing is read from them.

    Returns:
        (B, C, h, w); cells outside the hole unchanged, those inside within the range of what is known. Where not a
        single whole patch is known, as ``harmonic``.
    """
    filled = []
    for index in range(len(planes)):
        one, gap = planes[index : index + 1], hole[index : index + 1]
        if not bool(gap.any()) or not bool(_sources(gap[0]).any()):
            filled.append(harmonic(one, gap))
            continue
        seen = torch.cat([one.masked_fill(gap[:, None], 0), texture(one, gap)], 1)
        filled.append(torch.where(gap[:, None], textured(seen, gap)[:, : planes.shape[1]], one))
    return torch.cat(filled)


def textured(planes: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
    """As ``patches`` for one picture (1, C + CHANNELS, h, w), 0 in the hole, that has its texture behind its colours;
    the texture is filled as well."""
    sizes = [(planes, hole)]
    while min(sizes[-1][1].shape[-2:]) >= 2 * COARSEST:
        sizes.append(halved(*sizes[-1]))
    current = harmonic(*sizes[-1])
    found: Matches | None = None
    for known, unknown in reversed(sizes):
        if known is not sizes[-1][0]:
            finer = F.interpolate(current, size=known.shape[-2:], mode="bilinear", align_corners=False)
            current = torch.where(unknown[:, None], finer, known)
        # There may be no whole patch in small versions and yet some in the finer ones.
        if not bool(unknown.any()) or not bool(_sources(unknown[0]).any()):
            found = None
            continue
        if found is None or unknown[0].numel() <= SEARCHED:
            current, found = _searched(known, unknown, current)
        else:
            current, found = _carried(known, unknown, current, found)
    return current if found is None else levelled(planes, hole, current, found)


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


def _searched(known: torch.Tensor, hole: torch.Tensor, current: torch.Tensor) -> tuple[torch.Tensor, Matches]:
    """One size with exhaustive search: the picture and each patch's neighbour."""
    centres, sources = (mask.flatten().nonzero()[:, 0] for mask in (_touching(hole[0]), _sources(hole[0])))
    among = _told(known)[sources]
    lengths, turned = among.square().sum(1), among.T.contiguous()
    # A picture that is known nearly nowhere is still searched at least patch by patch.
    at_once = max(1, COMPARED // len(sources))
    for _ in range(ITERATIONS):
        sought = _told(current)[centres]
        nearest = torch.cat([torch.addmm(lengths, part, turned, alpha=-2).argmin(1) for part in sought.split(at_once)])
        # Told anew, since a difference of large numbers has few digits.
        found = Matches(hole, centres, sources[nearest], (sought - among[nearest]).square().sum(1))
        before, current = current, voted(known, hole, current, found, BROAD)
        if float((current - before).abs().max()) < SETTLED:
            break
    return current, found


def _carried(
    known: torch.Tensor, hole: torch.Tensor, current: torch.Tensor, coarse: Matches
) -> tuple[torch.Tensor, Matches]:
    """One size with the neighbours of half of it, each corrected by at most a pixel, and by those beside it."""
    height, width = hole.shape[-2:]
    centres, sources = _touching(hole[0]).flatten().nonzero()[:, 0], _sources(hole[0]).flatten()
    row, column = centres // width, centres % width
    (down, along), fits = coarse.at(row // 2, column // 2)
    down, along = 2 * down, 2 * along

    def elsewhere(down: torch.Tensor, along: torch.Tensor) -> torch.Tensor:
        return (row + down).clamp(0, height - 1) * width + (column + along).clamp(0, width - 1)

    if height * width > REFINED:
        place = elsewhere(down, along)
        found = Matches(hole, centres, place, fits.masked_fill(~sources[place], float("inf")))
        return voted(known, hole, current, found), found
    there = _told(known)
    sought = _told(current)[centres]
    found = Matches(hole, centres, centres, torch.full_like(fits, float("inf")))

    def tried(down: torch.Tensor, along: torch.Tensor) -> None:
        nonlocal found
        place = elsewhere(down, along)
        misfit = (sought - there[place]).square().sum(1).masked_fill(~sources[place], float("inf"))
        better = misfit < found.misfit
        place, misfit = torch.where(better, place, found.place), torch.where(better, misfit, found.misfit)
        found = Matches(hole, centres, place, misfit)

    def as_beside() -> None:
        before = found
        for step_down, step_along in BESIDE:
            tried(*before.at(row + step_down, column + step_along)[0])

    # What is there already comes first: of equals it stays.
    for step_down in (0, -1, 1):
        for step_along in (0, -1, 1):
            tried(down + step_down, along + step_along)
    as_beside()
    # Once more with what they voted for in the place of the coarser picture, that is blurred.
    current = voted(known, hole, current, found)
    sought = _told(current)[centres]
    misfit = (sought - there[found.place]).square().sum(1).masked_fill(found.misfit.isinf(), float("inf"))
    found = Matches(hole, centres, found.place, misfit)
    as_beside()
    return voted(known, hole, current, found), found


def _told(planes: torch.Tensor) -> torch.Tensor:
    """What patches (1, C + CHANNELS, h, w) are told apart by, (h * w, D): squared differences of it are those of the
    patches up to their highest frequencies. The picture's border reflects."""
    side = 2 * RADIUS + 1
    place = torch.arange(side, device=planes.device, dtype=planes.dtype) + 0.5
    waves = [(math.pi / side * order * place).cos() * math.sqrt((2 if order else 1) / side) for order in range(side)]
    both = [(a, b) for a in range(side) for b in range(side) if a + b <= FREQUENCIES]
    filters = torch.stack([waves[a][:, None] * waves[b] for a, b in both])[:, None]
    padded = F.pad(planes, (RADIUS,) * 4, mode="reflect")[0][:, None]
    colours = F.conv2d(padded[:-CHANNELS], filters).flatten(0, 1)
    # A texture is the same all over a patch, nearly.
    grain = TEXTURE * F.conv2d(padded[-CHANNELS:], filters[:1]).flatten(0, 1)
    height, width = planes.shape[-2:]
    y, x = coordinates(height, width, planes.device)
    place = NEAR / min(height, width) * torch.stack([x, y]).to(planes)
    return torch.cat([colours, grain, place]).flatten(1).T.contiguous()
