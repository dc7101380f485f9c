"""Movements in which every object stays one piece: its map on a lattice, and what arrives by it.

Pixels and cells are looked up backwards in the same map, so the picture and the latent agree to a fraction of a pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..planes.morphology import dilate
from ..planes.warp import coordinates, look_up
from ..space.grid import Grid
from ..space.points import DragPair, DragPoints
from . import lattice
from .joint import joined
from .movement import OPAQUE, TOUCHED, Arrival, Movement
from .objects import parted
from .ownership import winners
from .perspective import foot_of, size_after
from .reshape import falloff, stretched
from .rigid import deformation

STILL = 0.02
"""Cells; what goes less far stays where it is."""

BLURRED = 2
"""Cells over which attention is blurred."""

STEPS, DAMPED = 24, 0.7
"""Of inverting a map, whose ways are shown to people only."""

Places = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True, eq=False)
class Piece:
    """One object.

    Attributes:
        element: (B, H, W) in 0..1, what it is.
        strength: (B, h, w) its correlation with its handles, the strongest.
        pairs: its drags.
        reshape: whether it is reshaped, not moved.
    """

    element: torch.Tensor
    strength: torch.Tensor
    pairs: list[DragPair]
    reshape: bool

    @property
    def stays(self) -> bool:
        """Nothing but anchors hold it."""
        return all(pair.is_anchor for pair in self.pairs)


def plan_pieces(
    correlation: torch.Tensor,
    element: torch.Tensor,
    grid: Grid,
    points: DragPoints,
    objects: tuple[int, ...],
    reshape: tuple[bool, ...],
    perspective: bool,
    transition: int,
) -> Movement:
    """The movement of objects, each as one piece.

    Args:
        correlation: (B, P, h, w) in 0..1.
        element: (B, H, W) in 0..1.
        grid, points: of the picture.
        objects: the object of every pair (``objects_of``); one at least has a pair that is no anchor.
        reshape: of every object, whether it is reshaped.
        perspective: whether the size of an object with a single handle follows the drag.
        transition: cells round what changes that sampling may change, too.
    """
    parts = parted(element, correlation, grid, points, objects)
    pieces = []
    for number, part in enumerate(parts.unbind(1)):
        indices = [index for index, own in enumerate(objects) if own == number]
        strength = torch.stack([correlation[:, index] for index in indices]).amax(0)
        pieces.append(Piece(part, strength, [points.pairs[index] for index in indices], reshape[number]))
    maps = [_map(piece, grid, perspective) for piece in pieces]
    return _composed(pieces, maps, grid, transition)


def _map(piece: Piece, grid: Grid, perspective: bool) -> torch.Tensor:
    """(B, 2, n, m): where what arrives at the lattice's nodes was, px."""
    device, batch = piece.element.device, piece.element.shape[0]
    y, x = lattice.nodes(grid, device)
    if piece.stays:
        return torch.stack([x, y]).expand(batch, -1, -1, -1)
    size = torch.tensor([grid.image_width, grid.image_height], device=device, dtype=torch.float32)
    handles, targets = (
        (torch.tensor([getattr(pair, end) for pair in piece.pairs], device=device) * size).expand(batch, -1, -1)
        for end in ("handle", "target")
    )
    moves = [index for index, pair in enumerate(piece.pairs) if not pair.is_anchor]
    pulled = torch.stack([handles[:, index] for index in moves], 1)
    scale = None
    if len(piece.pairs) == 1 and perspective and not piece.reshape:
        scale = size_after(piece.element, handles[:, 0], targets[:, 0])
    handles, targets = joined(piece.element, handles, targets, moves)
    across, down = (place.expand(batch, -1, -1) for place in (x, y))
    if piece.reshape:
        inside = look_up(piece.element[:, None], across - 0.5, down - 0.5)[:, 0]
        known = _strength(piece, torch.stack([across, down], 1), grid)
        step = lattice.spacing(grid)
        share = falloff(inside, known, pulled, x, y, step, BLURRED * grid.cell)
        sources = stretched(handles, targets, share, x, y, step)
    else:
        sources = torch.stack(deformation(handles, targets, scale).source(across, down), 1)
    return lattice.unfolded(sources, grid)


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


def _strength(piece: Piece, places: torch.Tensor, grid: Grid) -> torch.Tensor:
    """An object's correlation with its handles at places (B, 2, n, m) in px, (B, n, m)."""
    x, y = places.unbind(1)
    return look_up(
        piece.strength[:, None], (x - grid.offset_x) / grid.cell - 0.5, (y - grid.offset_y) / grid.cell - 0.5
    )[:, 0]


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
