"""The stations of an edit, one call each, so that variants of it share what comes before the station they change."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from core import mask as masking
from core import movement as moving
from core.correlation import correlate
from core.drag import Drag
from core.edit import EditSettings, finish, moved_drag
from core.grid import CELL, Grid
from core.host import DirectHost
from core.inversion import Inversion
from core.movement import Movement
from core.points import DragPoints

__all__ = ["Found", "find", "finish", "invert", "move", "moved", "sample"]


@dataclass(frozen=True, eq=False)
class Found:
    """What belongs to the handles: element (B, H, W) in 0..1, and the correlation (B, P, h, w) behind it."""

    element: torch.Tensor
    correlation: torch.Tensor


def invert(host: DirectHost, image: torch.Tensor, settings: EditSettings) -> Inversion:
    """Encodes (B, H, W, 3) and inverts."""
    grid = Grid.padded(image.shape[1], image.shape[2], CELL)
    latent = host.encode(grid.pad_image(image))
    sigmas = host.sigmas(settings.steps, settings.strength)
    return host.invert(latent, sigmas, settings.capture, settings.refinements, None)


def find(
    inversion: Inversion, grid: Grid, points: DragPoints, settings: EditSettings, image: torch.Tensor,
    given: torch.Tensor | None = None, correlation: torch.Tensor | None = None,
) -> Found:
    """The element; ``given`` (B, H, W) takes its place, ``correlation`` (B, P, h, w) that of the attention's."""
    if correlation is None:
        correlation = correlate(inversion.record, grid, points, settings.correlation)
    if given is None:
        given = masking.region(correlation, grid, points, settings.mask, image)
    return Found(given, correlation)


def move(
    host: DirectHost, image: torch.Tensor, inversion: Inversion, found: Found, points: DragPoints,
    settings: EditSettings,
) -> Drag:
    """The dragged latent of an element."""
    grid = Grid.padded(image.shape[1], image.shape[2], CELL)
    return moved(host, image, inversion, moving.plan(found.correlation, found.element, grid, points, settings.move),
                 settings)  # fmt: skip


def moved(
    host: DirectHost, image: torch.Tensor, inversion: Inversion, movement: Movement, settings: EditSettings
) -> Drag:
    """The dragged latent of a movement."""
    return moved_drag(host, image, inversion, movement, settings.fill)


def sample(
    host: DirectHost, inversion: Inversion, drag: Drag, settings: EditSettings, device: torch.device
) -> torch.Tensor:
    """The latent that sampling gives, on ``device``, the model's."""
    return host.sample(inversion, drag.at(inversion, 0).to(device), drag, None, settings.sample, None)
