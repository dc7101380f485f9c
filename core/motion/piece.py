"""One object, and the map that its drags mean."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from ..planes.morphology import dilate
from ..planes.warp import look_up
from ..space.grid import Grid
from ..space.points import DragPair, PairMotion
from . import lattice
from .changes import change_of, disagree
from .joint import Joined, joined
from .perspective import size_after
from .reshape import falloff, partly, stretched, unheld
from .rigid import deformation

BLURRED = 2
"""Cells over which attention is blurred."""

NEAR = 0.03
"""Of the picture's longer side; what ends this near to an object ends within it."""


@dataclass(frozen=True, eq=False)
class Piece:
    """One object.

    Attributes:
        element: (B, H, W) in 0..1, what it is.
        strength: (B, h, w) its correlation with its handles, the strongest.
        pairs: its drags.
        motion: how it moves; None where its drags tell.
        goes_on: (B, H, W) 1 along its outline where the picture goes on beyond it; None where nobody knows.
    """

    element: torch.Tensor
    strength: torch.Tensor
    pairs: list[DragPair]
    motion: PairMotion | None
    goes_on: torch.Tensor | None = None

    @property
    def stays(self) -> bool:
        """Nothing but anchors hold it."""
        return all(pair.is_anchor for pair in self.pairs)

    @property
    def moves(self) -> list[int]:
        """Which of its drags are no anchors."""
        return [index for index, pair in enumerate(self.pairs) if not pair.is_anchor]

    def ends(self, grid: Grid) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, k, 2) px, its handles and targets."""
        device, batch = self.element.device, self.element.shape[0]
        size = torch.tensor([grid.image_width, grid.image_height], device=device, dtype=torch.float32)
        handles, targets = (
            (torch.tensor([getattr(pair, end) for pair in self.pairs], device=device) * size).expand(batch, -1, -1)
            for end in ("handle", "target")
        )
        return handles, targets

    def map(self, grid: Grid, perspective: bool) -> torch.Tensor:
        """(B, 2, n, m): where what arrives at the lattice's nodes was, px.

        Args:
            perspective: whether its size follows the drag of a single handle.
        """
        device, batch = self.element.device, self.element.shape[0]
        y, x = lattice.nodes(grid, device)
        if self.stays:
            return torch.stack([x, y]).expand(batch, -1, -1, -1)
        handles, targets = self.ends(grid)
        moves = self.moves
        own = joined(self.element, handles, targets, moves)
        pulled = torch.stack([handles[:, index] for index in moves], 1)
        if self.motion == "reshape":
            return lattice.unfolded(self._reshaped(own, pulled, x, y, grid), grid)
        matrix = away = None
        if len(self.pairs) == 1 and perspective:
            larger = size_after(handles[:, 0], targets[:, 0], *grid.image_size)
            matrix = larger[:, None, None] * torch.eye(2, device=device)
        elif len(self.pairs) == 2:
            change = change_of(self.element, own.handles, own.targets)
            matrix, away = change.matrix, change.turns_away
        elif len(moves) == len(self.pairs) > 2:
            away = disagree(handles, targets)
        sources = _moved(own, moves, matrix, x, y, lattice.spacing(grid))
        if self.motion is None and away is not None:
            # Its outline stays about where it is, and what is in it goes by: no map moves it, but one reshapes it.
            away = away & _within(self.element, targets) & ~_hangs(own)
            # On the host it is known at once, elsewhere both maps are made: nothing waits.
            if device.type == "cpu" and not away.any():
                return sources if len(self.pairs) <= 2 else lattice.unfolded(sources, grid)
            if len(self.pairs) > 2:
                sources = lattice.unfolded(sources, grid)
            reshaped = lattice.unfolded(self._reshaped(own, pulled, x, y, grid), grid)
            return torch.where(away[:, None, None, None], reshaped, sources)
        # An affine map has no folds.
        return sources if len(self.pairs) <= 2 else lattice.unfolded(sources, grid)

    def _reshaped(self, own: Joined, pulled: torch.Tensor, x: torch.Tensor, y: torch.Tensor, grid: Grid):
        """The map (B, 2, n, m) that lets the far rim stay; ``pulled`` (B, k, 2) are the handles that move."""
        batch, step = self.element.shape[0], lattice.spacing(grid)
        across, down = (place.expand(batch, -1, -1) for place in (x, y))
        inside = look_up(self.element[:, None], across - 0.5, down - 0.5)[:, 0]
        known = look_up(self.strength[:, None], (across - grid.offset_x) / grid.cell - 0.5,
                        (down - grid.offset_y) / grid.cell - 0.5)[:, 0]  # fmt: skip
        held = None
        if self.goes_on is not None:
            # A line of one pixel falls between nodes.
            near = dilate(self.goes_on.to(known), -(-step // 2))
            held = look_up(near[:, None], across - 0.5, down - 0.5, "nearest")[:, 0] > 0
        share = falloff(inside, known, pulled, x, y, step, BLURRED * grid.cell, held)
        return stretched(own.handles, own.targets, share, x, y, step)


def _moved(
    own: Joined, moves: list[int], matrix: torch.Tensor | None, x: torch.Tensor, y: torch.Tensor, step: int
) -> torch.Tensor:
    """The map (B, 2, n, m) of an object that goes as one piece; ``matrix`` (B, 2, 2) where it is known."""
    batch, count = own.handles.shape[:2]
    across, down = (place.expand(batch, -1, -1) for place in (x, y))
    held = count > 2 and len(moves) < count
    if held:
        # What anchors hold is where it is: no turn of the whole is meant, and it bends between them and the handles.
        matrix = torch.eye(2, device=x.device).expand(batch, 2, 2)
    sources = torch.stack(deformation(own.handles, own.targets, matrix).source(across, down), 1)
    if held:
        ends = own.handles.unbind(1)
        pulled = torch.stack([ends[index] for index in moves], 1)
        anchors = torch.stack([end for index, end in enumerate(ends) if index not in moves], 1)
        share = unheld(pulled, anchors, x, y)
        place = torch.stack([x, y])
        sources = partly(place, place - sources, share, step)
    if own.hinge is None:
        return sources
    first = slice(moves[0], moves[0] + 1)
    hinged = deformation(own.handles[:, first], own.targets[:, first], own.hinge).source(across, down)
    return torch.where(_hangs(own)[:, None, None, None], torch.stack(hinged, 1), sources)


def _within(element: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """(B,) whether places (B, n, 2) px all lie in an object (B, H, W), or within about ``NEAR`` of it."""
    step = math.ceil(max(element.shape[-2:]) * NEAR / 2)
    near = dilate(F.max_pool2d(element[:, None], step, ceil_mode=True)[:, 0], 1)
    x, y = (places[:, None] / step - 0.5).unbind(-1)
    there = look_up(near[:, None], x, y, "nearest")
    return (there[:, 0, 0] > 0.5).all(-1)


def _hangs(own: Joined) -> torch.Tensor:
    """(B,) whether the hinge alone counts."""
    batch, device = own.handles.shape[0], own.handles.device
    return torch.zeros(batch, dtype=torch.bool, device=device) if own.hangs is None else own.hangs
