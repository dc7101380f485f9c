"""Movements in which every object stays one piece: its map on a lattice, and what arrives by it.

Pixels and cells are looked up backwards in the same map, so the picture and the latent agree to a fraction of a pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from ..planes.morphology import dilate
from ..planes.warp import coordinates, look_up
from ..space.grid import Grid
from ..space.points import DragPoints, PairMotion
from . import lattice
from .movement import OPAQUE, TOUCHED, Arrival, Movement
from .objects import parted
from .outline import Outline
from .ownership import winners
from .perspective import foot_of
from .piece import Piece
from .push import pushed

STILL = 0.02
"""Cells; what goes less far stays where it is."""

STEPS, DAMPED = 24, 0.7
"""Of inverting a map, whose ways are shown to people only."""

Places = tuple[torch.Tensor, torch.Tensor]


def plan_pieces(
    correlation: torch.Tensor,
    element: torch.Tensor,
    grid: Grid,
    points: DragPoints,
    objects: tuple[int, ...],
    motions: tuple[PairMotion | None, ...],
    perspective: bool,
    transition: int,
    outlines: Sequence[Outline | None],
    going: torch.Tensor | None = None,
) -> Movement:
    """The movement of objects, each as one piece.

    Args:
        correlation: (B, P, h, w) in 0..1.
        element: (B, H, W) in 0..1.
        grid, points: of the picture.
        objects: the object of every pair (``objects_of``); one at least has a pair that is no anchor.
        motions: of every object, how it moves; None where its drags tell.
        perspective: whether the size of an object with a single handle follows the drag.
        transition: cells round what changes that sampling may change, too.
        outlines: of every object, what the picture says of its outline; None where nobody knows.
        going: (B, H, W) in 0..1, what of the element goes where anchors hold the rest; None: all of it.
    """
    parts = parted(element, correlation, grid, points, objects)
    rest = torch.zeros_like(element)
    if going is not None:
        # What stays is none of the piece: its anchors lie beside it, at a joint.
        moves = {number for pair, number in zip(points.pairs, objects, strict=True) if not pair.is_anchor}
        moves = {number for number in moves if motions[number] == "move"}
        share = torch.minimum(going.to(element), element)
        goes = [torch.minimum(part, share) if at in moves else part for at, part in enumerate(parts.unbind(1))]
        whole, parts = parts, torch.stack(goes, 1)
        rest = (whole - parts).sum(1)
    pieces = []
    for number, part in enumerate(parts.unbind(1)):
        indices = [index for index, own in enumerate(objects) if own == number]
        strength = torch.stack([correlation[:, index] for index in indices]).amax(0)
        own = [points.pairs[index] for index in indices]
        outline = outlines[number]
        pieces.append(Piece(part, strength, own, motions[number], None if outline is None else outline.goes_on))
    uncovers = None
    if any(piece.motion == "push" and not piece.stays for piece in pieces):
        left = [piece.element for piece in pieces if piece.motion != "push" and not piece.stays]
        uncovers = sum(left, torch.zeros_like(pieces[0].element))
    maps = []
    for number, piece in enumerate(pieces):
        if piece.motion == "push" and not piece.stays:
            sources, gone = pushed(parts, number, *piece.ends(grid), piece.moves, grid)
            pieces[number] = replace(piece, element=gone)
        else:
            sources = piece.map(grid, perspective)
        maps.append(sources)
    movement = _composed(pieces, maps, grid, transition)
    held = rest if movement.held is None else (movement.held + rest).clamp(max=1)
    return replace(movement, held=held, uncovers=uncovers)


def _composed(pieces: list[Piece], maps: list[torch.Tensor], grid: Grid, transition: int) -> Movement:
    pixels, cells = _centres(grid, maps[0].device)
    moving = torch.tensor([not piece.stays for piece in pieces], device=maps[0].device)
    origins = torch.stack([lattice.at_places(sources, grid, *pixels) for sources in maps], 1)
    shares = torch.stack([_arrived(piece, origins[:, index], grid) for index, piece in enumerate(pieces)], 1)
    # What stands nearer reaches lower down the picture, and hides what stands behind it.
    nearness = foot_of(shares) / grid.image_height
    first, arrived = _foremost(shares, moving, nearness)
    arrival = Arrival(_of(origins, first), arrived)

    cell_origins = torch.stack([lattice.at_places(sources, grid, *cells) for sources in maps], 1)
    coverage = torch.stack([grid.image_mask_to_cells(share) for share in shares.unbind(1)], 1)
    winner, arriving = _foremost(coverage, moving, nearness)
    way_in = (torch.stack(cells) - _of(cell_origins, winner)) / grid.cell * (arriving > 0)[:, None]

    zero = torch.zeros_like(pieces[0].element)
    element = sum((piece.element for piece in pieces if not piece.stays), zero)
    leaving = grid.image_mask_to_cells(element)
    way = torch.zeros_like(way_in)
    for piece, sources in zip(pieces, maps, strict=True):
        own = grid.image_mask_to_cells(piece.element) > 0.5 * leaving.clamp_min(1e-6)
        way = torch.where(own[:, None], _forwards(sources, grid, cells) / grid.cell, way)
    held = sum((piece.element for piece in pieces if piece.stays), zero)
    folded = torch.stack([_folded(sources, share, grid) for sources, share in zip(maps, shares.unbind(1), strict=True)])
    free = _free(leaving, arriving, way_in, transition)
    return Movement(grid, element, leaving, arriving, way * (leaving > 0)[:, None], way_in, free,
                    held, arrival, folded.amax(0))  # fmt: skip


def _centres(grid: Grid, device: torch.device) -> tuple[Places, Places]:
    """(x, y) in px of the pixels' and of the cells' centres."""
    pixel_y, pixel_x = coordinates(*grid.image_size, device)
    cell_y, cell_x = grid.cell_centres(device)
    return (pixel_x + 0.5, pixel_y + 0.5), (cell_x * grid.cell + grid.offset_x, cell_y * grid.cell + grid.offset_y)


def _arrived(piece: Piece, origins: torch.Tensor, grid: Grid) -> torch.Tensor:
    """(B, H, W): the share of each pixel that an object covers, of which the pixel shows ``origins`` (B, 2, H, W)."""
    x, y = origins.unbind(1)
    inside = (x >= 0) & (x <= grid.image_width) & (y >= 0) & (y <= grid.image_height)
    return look_up(piece.element[:, None], x - 0.5, y - 0.5)[:, 0] * inside


def _foremost(
    coverage: torch.Tensor, moving: torch.Tensor, nearness: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Which object (B, 1, ...) is in front, and the share (B, ...) that moving ones cover, 0 behind one that stays."""
    if coverage.shape[1] == 1:
        return torch.zeros_like(coverage[:, :1], dtype=torch.long), coverage[:, 0]
    first = winners(coverage, nearness[..., None, None].expand_as(coverage))
    share = (coverage * moving[None, :, None, None]).sum(1).clamp(max=1)
    return first, share * moving[first[:, 0]]


def _of(planes: torch.Tensor, first: torch.Tensor) -> torch.Tensor:
    """The planes (B, O, 2, n, m) of each place's object (B, 1, n, m), (B, 2, n, m)."""
    if planes.shape[1] == 1:
        return planes[:, 0]
    return planes.gather(1, first[:, :, None].expand(-1, 1, 2, -1, -1))[:, 0]


def _forwards(sources: torch.Tensor, grid: Grid, places: Places) -> torch.Tensor:
    """The way (B, 2, n, m) in px that what is at places goes: the map inverted by steps, w = p + w - map(p + w)."""
    start = torch.stack(places)
    way = torch.zeros(sources.shape[0], *start.shape, device=sources.device)
    for _ in range(STEPS):
        end = start + way
        x, y = (end / lattice.spacing(grid)).unbind(1)
        at = look_up(sources, x, y)
        way = way + DAMPED * (start - at)
    return way


def _folded(sources: torch.Tensor, share: torch.Tensor, grid: Grid) -> torch.Tensor:
    """(B, H, W) bool: pixels to which an object comes folded."""
    step = lattice.spacing(grid)
    squares = lattice.folds(sources, grid).repeat_interleave(step, -1).repeat_interleave(step, -2)
    return squares[:, : grid.image_height, : grid.image_width] & (share > OPAQUE)


def _free(leaving: torch.Tensor, arriving: torch.Tensor, way_in: torch.Tensor, transition: int) -> torch.Tensor:
    """(B, h, w) share that sampling may change: not what an anchor holds in its place."""
    stays = (arriving >= leaving - TOUCHED) & (way_in.abs().amax(1) < STILL)
    changed = torch.maximum(leaving, arriving) * ~stays
    return dilate((changed > TOUCHED).float(), transition)
