"""The method on a picture of any size: a look at all of it, a window where something is to happen, and an edit there.

Where a picture is larger than those that the model was trained on, ``edit_anywhere`` takes a window at the model's own
size (``window.plan``), edits it as ``edit.edit`` edits a picture, and stitches it back. It must know how large the
element is for that: without a mask, a short inversion of the whole picture at the model's size tells (``look``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from . import edit as stations
from .diffusion.inversion import Inversion
from .edit import EditResult, check_one_behind, check_pictures
from .errors import InputError
from .fill.background import check_clean_plate
from .hosts import Host
from .model.protocols import OnStep
from .motion.movement import Movement
from .region.given import given_element
from .settings import EditSettings
from .space.grid import Grid, check_image
from .space.points import DragPoints
from .window.crop import Crop, crop, points_in, shrunk
from .window.plan import Context, Window, check_context, overview, plan_window
from .window.stitch import Stitched, spread, stitch

LOOKS = 4
"""Evaluations of a look: maps are read at so many noise levels, and what lies between them is not needed."""


@dataclass(frozen=True, eq=False)
class Look:
    """A whole picture as the model sees it at its own size.

    Attributes:
        window: all of the picture, at the edited size.
        image: (B, h, w, 3) in 0..1, so small.
        inversion: of it, in a few steps; its attention maps alone are of use.
    """

    window: Window
    image: torch.Tensor
    inversion: Inversion

    def element(self, points: DragPoints, settings: EditSettings | None = None) -> torch.Tensor:
        """What belongs to the handles, (B, h, w) in 0..1 over the whole picture; costs no evaluation."""
        grid = Grid.padded(*self.window.edited)
        inside = points_in(self.window, points).on_image(*self.window.edited)
        own = settings_in(self.window, settings or EditSettings())
        return stations.find(self.inversion, grid, inside, own, self.image).element


@dataclass(frozen=True, eq=False)
class WindowedResult(EditResult):
    """An edit of a window; ``inversion``, ``found`` and ``dragged`` are of the window, all else of the picture.

    Attributes:
        window: where it was edited.
        moved: (B, H, W) in 0..1, what was moved.
    """

    window: Window
    moved: torch.Tensor

    @property
    def element(self) -> torch.Tensor:
        """(B, H, W) what was moved."""
        return self.moved


def edit_anywhere(
    host: Host,
    image: torch.Tensor,
    points: DragPoints,
    native_px: int,
    context: Context = "auto",
    settings: EditSettings | None = None,
    mask: torch.Tensor | None = None,
    on_step: OnStep | None = None,
    clean_plate: torch.Tensor | None = None,
    lit: torch.Tensor | None = None,
) -> EditResult:
    """As ``edit.edit``, in a window where the picture is larger than the model's own size.

    Args:
        native_px: side of the pictures that the model was trained on (``families``).
        context: of ``window.plan.plan_window``; "whole" never takes a window.

    Raises:
        InputError: anything the user can mend.
    """
    settings = settings or EditSettings()
    check_before(host, image, points, context, mask, clean_plate, lit)
    size = (image.shape[1], image.shape[2])
    seen: Look | None = None
    if mask is None and needs_look(size, native_px, context):
        seen = look(host, image, native_px, settings)
    taken = take(image, points, native_px, context, settings, mask, seen)
    window = taken.window
    plate = None
    if clean_plate is not None:
        plate = shrunk(clean_plate[:, window.rows, window.columns], window)
    inside = settings_in(window, settings)
    result = stations.edit(host, taken.image, taken.points, inside, taken.mask, on_step, plate, lit_in(window, lit))
    if window.is_whole:
        return result
    movements = [one.movement for one in result.dragged.pictures or [result.dragged]]
    done = put_back(taken, result.image, result.shown, movements, settings, clean_plate)
    moved = spread(window, result.element) if mask is None else _whole_mask(mask, len(result.image))
    revealed, seam, light = (spread(window, one) for one in (result.revealed, result.seam, result.light))
    return WindowedResult(
        done.image, done.shown, result.inversion, result.found, result.dragged, revealed, seam, light, window, moved
    )


def lit_in(window: Window, lit: torch.Tensor | None) -> torch.Tensor | None:
    """A picture's mask of where light may change, in a window of it at its edited size."""
    if lit is None or window.is_whole:
        return lit
    masks = stations.as_masks(lit)[:, window.rows, window.columns, None]
    return shrunk(masks, window)[..., 0]


def needs_look(size: tuple[int, int], native_px: int, context: Context) -> bool:
    """Whether the window of a picture (height, width) depends on what a look finds."""
    return context != "whole" and size[0] * size[1] > native_px**2


def look(host: Host, image: torch.Tensor, native_px: int, settings: EditSettings | None = None) -> Look:
    """Inverts a whole picture at the model's size in ``LOOKS`` steps, whatever the points: one goes for all of them.

    Args:
        host: the model.
        image: (B, H, W, 3) in 0..1.
        native_px: side of the pictures that the model was trained on.
        settings: ``strength``, ``schedule`` and ``capture`` of it are used.
    """
    window = overview((image.shape[1], image.shape[2]), native_px)
    small = shrunk(image, window)
    inverted = stations.invert(host, host.encode(Grid.padded(*window.edited).pad_image(small)), of_look(settings))
    return Look(window, small, inverted)


def of_look(settings: EditSettings | None = None) -> EditSettings:
    """The settings of a look: as many steps as evaluations are wanted, and nothing kept but the maps."""
    settings = settings or EditSettings()
    steps = max(round(LOOKS / settings.strength), 1)
    return replace(
        settings, steps=min(steps, settings.steps), refinements=0, capture=replace(settings.capture, storage="off")
    )


def settings_in(window: Window, settings: EditSettings) -> EditSettings:
    """The settings for a window that is edited smaller than it is: what is told in px of the picture is less there."""
    if window.scale == 1:
        return settings
    element = settings.element
    grow, feather = (round(value * window.scale) for value in (element.grow, element.feather))
    return replace(settings, element=replace(element, grow=grow, feather=feather))


def take(
    image: torch.Tensor,
    points: DragPoints,
    native_px: int,
    context: Context = "auto",
    settings: EditSettings | None = None,
    mask: torch.Tensor | None = None,
    seen: Look | None = None,
) -> Crop:
    """The window of an edit with what is in it.

    Args:
        seen: what tells how large the element is where no mask does; None for handles and targets alone.
    """
    masks = [mask] if mask is not None else [] if seen is None else [seen.element(points, settings)]
    window = plan_window((image.shape[1], image.shape[2]), points, native_px, context, masks)
    taken = crop(window, image, points, mask)
    if taken.mask is not None and not window.is_whole:
        _check_small(taken.mask, window, image.shape[0])
    return taken


def put_back(
    taken: Crop,
    edited: torch.Tensor,
    shown: torch.Tensor | None,
    movements: Sequence[Movement],
    settings: EditSettings,
    clean_plate: torch.Tensor | None = None,
) -> Stitched:
    """Stitches an edit's picture (B, h, w, 3), shown where ``shown`` (B, h, w), as the settings want it."""
    if shown is not None and settings.repaint.surroundings > 0:
        # Light reaches beyond what moved; where it did not, the edit is the source bit for bit.
        lit = (edited[:, : taken.window.edited[0], : taken.window.edited[1]].cpu() != taken.image.cpu()).any(-1)
        shown = torch.maximum(shown, lit.to(shown))
    everywhere = None if not settings.source_background else shown
    return stitch(taken, edited, movements, everywhere, settings.restore_detail, clean_plate)


def check_before(
    host: Host,
    image: torch.Tensor,
    points: DragPoints,
    context: Context,
    mask: torch.Tensor | None,
    clean_plate: torch.Tensor | None,
    lit: torch.Tensor | None = None,
) -> None:
    """Raises an ``InputError`` for what would fail later: before the look, which is dear."""
    check_context(context)
    check_image(image)
    check_pictures(points, image.shape[0])
    grid = Grid.padded(*image.shape[1:3])
    if mask is not None:
        given_element(mask, grid, image.shape[0])
    if clean_plate is not None:
        check_one_behind(host.paints)
        check_clean_plate(clean_plate, grid, image.shape[0])
    if lit is not None:
        stations.check_lit(lit, grid, image.shape[0])


def _check_small(mask: torch.Tensor, window: Window, batch: int) -> None:
    try:
        given_element(mask, Grid.padded(*window.edited), batch)
    except InputError as error:
        raise InputError(
            "mask",
            f"it is too small for {window}: there {error.problem}",
            "Drag less far, mask more, or set window to 'whole'.",
        ) from error


def _whole_mask(mask: torch.Tensor, batch: int) -> torch.Tensor:
    return mask.reshape(-1, *mask.shape[-2:]).cpu().float().expand(batch, -1, -1)
