"""What a drag does to the latent grid, as one object that filling, sampling and compositing read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch

from ..planes.morphology import dilate
from ..planes.warp import coordinates, look_up
from ..space.grid import Grid
from ..space.points import PairMotion

TOUCHED = 0.02
"""Share of a cell from which something left or arrived counts: half a pixel row of 8."""

OPAQUE = 0.1
"""Share of a pixel from which it shows the element rather than what is behind: a soft edge belongs to it."""


@dataclass(frozen=True, eq=False)
class Arrival:
    """What arrives at every pixel, by the map that moves cells, too; on the movement's device.

    Attributes:
        origin: (B, 2, H, W) place (x, y) in px from the picture's corner where it was.
        share: (B, H, W) in 0..1 of the pixel that it covers.
    """

    origin: torch.Tensor
    share: torch.Tensor


@dataclass(frozen=True, eq=False)
class Movement:
    """One edit's movement on the latent grid; float32 on one device. Ways are (x, y).

    Attributes:
        grid: where the latent lies over the image.
        element: (B, H, W) what moves, at image size, in 0..1.
        leaving: (B, h, w) share of each cell that leaves its place: ``element`` on cells.
        arriving: (B, h, w) share of each cell that is covered by something that arrived.
        way: (B, 2, h, w) way in cells that the content of each leaving cell goes; 0 where nothing leaves.
        way_in: (B, 2, h, w) way in cells that brought what arrives: cell q receives the content of q - way_in.
        free: (B, h, w) share that sampling may change: leaving, arriving and transition.
        held: (B, H, W) in 0..1, what anchors alone hold in its place: no background to go by; None for nothing.
        arrival: what arrives at every pixel; None where that follows from ``way_in``.
        folded: (B, H, W) bool, where something arrives folded in spite of all; None where nothing can.
        uncovers: (B, H, W) in 0..1, the element without what is pushed, which leaves nothing behind; None: all of it.
        motions: of every pair, how its object moves, None where its drags tell or it stays; None where nobody asked.
    """

    grid: Grid
    element: torch.Tensor
    leaving: torch.Tensor
    arriving: torch.Tensor
    way: torch.Tensor
    way_in: torch.Tensor
    free: torch.Tensor
    held: torch.Tensor | None = None
    arrival: Arrival | None = None
    folded: torch.Tensor | None = None
    uncovers: torch.Tensor | None = None
    motions: tuple[PairMotion | None, ...] | None = None

    @classmethod
    def together(cls, pictures: Sequence[Movement]) -> Movement:
        """Single pictures' movements as one batch. What arrives at every pixel is left to the single ones."""
        values: dict[str, Any] = {"grid": pictures[0].grid}
        for one in fields(cls):
            parts = [getattr(picture, one.name) for picture in pictures]
            if one.name == "uncovers" and any(part is not None for part in parts):
                parts = [own.element if part is None else part for own, part in zip(pictures, parts, strict=True)]
            there = [part for part in parts if isinstance(part, torch.Tensor)]
            if there:
                nothing = torch.zeros_like(there[0])
                values[one.name] = torch.cat([nothing if part is None else part for part in parts])
        return cls(**values)

    def picture(self, index: int) -> Movement:
        """The movement of one picture of the batch."""
        own = slice(index, index + 1)
        values: dict[str, Any] = {}
        for one in fields(self):
            value = getattr(self, one.name)
            values[one.name] = value[own] if isinstance(value, torch.Tensor) else value
        if self.arrival is not None:
            values["arrival"] = Arrival(self.arrival.origin[own], self.arrival.share[own])
        return Movement(**values)

    @property
    def vacated(self) -> torch.Tensor:
        """(B, h, w) share of each cell that was left and not covered again."""
        return (self.uncovering * (1 - self.arriving)).clamp(0, 1)

    @property
    def uncovering(self) -> torch.Tensor:
        """(B, h, w) share of each cell that leaves something behind: ``uncovers`` on cells."""
        return self.leaving if self.uncovers is None else self.grid.image_mask_to_cells(self.uncovers)

    def goes(self, least: float = 1.0) -> torch.Tensor:
        """(B, H, W) bool: pixels of the element that go ``least`` px and more; the rest of it is held where it is."""
        way = torch.stack([self.grid.cells_to_image_mask(plane) for plane in self.way.unbind(1)]) * self.grid.cell
        # Between a cell that leaves and one that does not the way is no mean: the leaving one's is meant.
        known = self.grid.cells_to_image_mask((self.leaving > 0).float()).clamp_min(1e-3)
        return (torch.hypot(*way) >= least * known) & (self.element > 0.5)

    def hole_cells(self, margin: int) -> torch.Tensor:
        """(B, h, w) bool: cells that show nothing of the background to go by, with ``margin`` px round them.

        A cell that a thin part leaves shows that part whole: it is filled whole, whatever its share.
        """
        return dilate((self.uncovering > TOUCHED).float(), math.ceil(margin / self.grid.cell)) > 0

    def hole_pixels(self, margin: int) -> torch.Tensor:
        """(B, H, W) bool: the element with ``margin`` px round it, but for what is pushed."""
        left = self.element if self.uncovers is None else self.uncovers
        return dilate((left > OPAQUE).float(), margin) > 0.5

    def held_cells(self, margin: int) -> torch.Tensor:
        """(B, h, w) bool: cells that anchors alone hold, with ``margin`` px round them: no background to go by."""
        if self.held is None:
            return torch.zeros_like(self.leaving, dtype=torch.bool)
        held = self.grid.image_mask_to_cells(self.held)
        return dilate((held > TOUCHED).float(), math.ceil(margin / self.grid.cell)) > 0

    def held_pixels(self, margin: int) -> torch.Tensor:
        """(B, H, W) bool: what anchors alone hold with ``margin`` px round it."""
        if self.held is None:
            return torch.zeros_like(self.element, dtype=torch.bool)
        return dilate((self.held > OPAQUE).float(), margin) > 0.5

    def warp(self, planes: torch.Tensor) -> torch.Tensor:
        """Content (B, C, h, w) as it arrives at every cell, bilinear between cells; same dtype and device."""
        way_in = self.way_in.to(planes.device)
        y, x = coordinates(*self.grid.latent_size, planes.device)
        return look_up(planes, x - way_in[:, 0], y - way_in[:, 1]).to(planes.dtype)

    def warp_noise(self, noise: torch.Tensor) -> torch.Tensor:
        """As ``warp`` for Gaussian noise: scaled so that interpolation between cells keeps its variance."""
        fraction = (self.way_in - self.way_in.floor()).to(noise.device)
        square = fraction**2 + (1 - fraction) ** 2
        return self.warp(noise) / square.prod(1, keepdim=True).sqrt()
