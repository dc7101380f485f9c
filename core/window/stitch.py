"""A window's edit put back into the picture: outside the window its own pixels, inside its own detail.

Where the window was edited smaller than it is, the movement is looked up once more in the full-size pixels, and what
the model changed, which is the edit less the same composition at the window's size, is enlarged and added. What was
hidden before is known at the edit's size alone, and is enlarged as it is. In strips of rows, on the CPU.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from ..errors import InputError
from ..motion.movement import Movement
from ..planes.morphology import soften
from ..space.grid import Grid, check_image
from .crop import Crop, shrunk
from .enlarged import Part, enlarged
from .moved import Layers, moved_layers, unmoved_layers
from .plan import FEATHER, Window

SAME = 0.02
"""Of a mask's area, how much of it may be otherwise in what moved, to be told by it at full size."""

STRIP = 2**20
"""Pixels in a strip, about: what one takes at a time beside the picture."""


@dataclass(frozen=True, eq=False)
class Stitched:
    """A picture with its window back in; float32 on the CPU.

    Attributes:
        image: (B, H, W, 3) in 0..1; where ``shown`` is 0 the source bit for bit.
        shown: (B, H, W) in 0..1, how far it is the edit.
    """

    image: torch.Tensor
    shown: torch.Tensor


def stitch(
    crop: Crop,
    edited: torch.Tensor,
    moved: Sequence[Movement] = (),
    shown: torch.Tensor | None = None,
    detail: bool = True,
    plate: torch.Tensor | None = None,
) -> Stitched:
    """Puts an edited window back.

    Args:
        crop: the window and its picture.
        edited: (B, h, w, 3) in 0..1, at the window's edited size or as large as its latent decodes to.
        moved: the movement on the window, one for the whole batch or one for each picture; () where nobody knows what
            was done: the picture keeps its own detail where the edit changed next to nothing.
        shown: (B or 1, h, w) in 0..1, where the edit shows, and ``edited`` is the source elsewhere; None: everywhere.
        detail: give the full-size detail; off, what is shown is ``edited``, enlarged.
        plate: (B or 1, H, W, 3) in 0..1, a clean plate that was shown behind the element.

    Raises:
        InputError: another size or batch than the crop's.
    """
    window, source = crop.window, crop.source.cpu().float()
    edited = _fitting(crop, edited).cpu().float()
    batch = max(len(source), len(edited))
    shown = torch.ones(1, *window.edited) if shown is None else shown.cpu().float()
    if tuple(shown.shape[-2:]) != window.edited:
        raise InputError(
            "shown",
            f"{shown.shape[-1]}x{shown.shape[-2]} px, but the edited window has {window.edited[1]}x"
            f"{window.edited[0]} px.",
            "Link a mask of the window.",
        )
    if window.is_whole:
        return Stitched(edited.expand(batch, -1, -1, -1), shown.reshape(-1, *window.edited).expand(batch, -1, -1))
    images = source.expand(batch, -1, -1, -1).clone()
    share = torch.zeros(batch, *window.picture)
    ways = [_of_picture(moved, at) for at in range(batch)]
    for at in range(batch):
        one = _Picture(
            planes(_at(source, at)[:, window.rows, window.columns]), planes(_at(crop.image.cpu().float(), at)),
            planes(_at(edited, at)), _at(shown.reshape(-1, *window.edited), at)[:, None],
        )  # fmt: skip
        behind = None
        if plate is not None:
            own_plate = _at(plate.cpu().float(), at)[:, window.rows, window.columns]
            behind = planes(own_plate), planes(shrunk(own_plate, window))
        _put_back(window, one, ways[at], detail, behind, _own_element(crop, ways[at], at), images[at], share[at])
    return Stitched(images, share)


def spread(window: Window, masks: torch.Tensor) -> torch.Tensor:
    """Masks (B, h, w) of an edited window at the picture's size, (B, H, W) float32 on the CPU; 0 outside of it."""
    whole = torch.zeros(len(masks), *window.picture)
    whole[:, window.rows, window.columns] = enlarged(masks.cpu().float()[:, None], window.size)[:, 0]
    return whole


@dataclass(frozen=True, eq=False)
class _Picture:
    """One picture's window as planes (1, C, ...): ``source`` at its own size, the others at the edited one."""

    source: torch.Tensor
    small: torch.Tensor
    edited: torch.Tensor
    shown: torch.Tensor


def planes(image: torch.Tensor) -> torch.Tensor:
    """An image (B, H, W, C) as planes (B, C, H, W)."""
    return image.movedim(-1, 1)


def _put_back(
    window: Window,
    one: _Picture,
    way: Movement | None,
    detail: bool,
    behind: tuple[torch.Tensor, torch.Tensor] | None,
    own: torch.Tensor | None,
    image: torch.Tensor,
    share: torch.Tensor,
) -> None:
    """Writes one picture's window into ``image`` (H, W, 3) and what is shown of it into ``share`` (H, W)."""
    same = window.edited == window.size
    layers: Layers | None = None
    shown = one.shown
    if not same and detail:
        if way is None:
            layers = unmoved_layers(one.small, one.edited)
        else:
            layers = moved_layers(one.source, one.small, one.edited, way, shown, behind, own)
    if way is None:
        # What was not touched at all is the picture's own.
        touched = (one.edited != one.small).any(1, keepdim=True).float()
        shown = shown * soften(touched[:, 0], 2)[:, None]
    ends = border(window)
    for rows, columns in strips(shown, window):
        part = Part.of(rows, columns, window.size, window.edited)
        source = one.source[..., rows, columns]
        if same:
            visible, result = shown[..., rows, columns], one.edited[..., rows, columns]
        else:
            visible = part.enlarged(shown)
            if layers is None:
                # Already mixed with the source where it shows half: mixed once more it would end too early.
                result = part.enlarged(one.edited, "bicubic")
            else:
                result = layers.at(source, part)
        far = ends[rows, columns]
        mixing = far if (same or layers is not None) else far * visible
        stitched = source + mixing * (result.clamp(0, 1) - source)
        stitched = torch.where(mixing == 1, result.clamp(0, 1), stitched)
        whole = (
            slice(window.top + rows.start, window.top + rows.stop),
            slice(window.left + columns.start, window.left + columns.stop),
        )
        kept = torch.where(visible * far > 0, stitched, source)
        image[whole] = kept[0].movedim(0, -1)
        share[whole] = (visible * far)[0, 0].clamp(0, 1)


def border(window: Window) -> torch.Tensor:
    """(height, width) share of the edit: 1, but for the borders of a window that are none of the picture."""
    spans = []
    for start, length, whole, edited in zip(
        (window.top, window.left), (window.height, window.width), window.picture, window.edited, strict=True
    ):
        over = max(min(FEATHER * length / edited, length / 4), 1.0)
        place = torch.arange(length) + 0.5
        share = torch.ones(length)
        if start > 0:
            share = torch.minimum(share, (place / over).clamp(max=1))
        if start + length < whole:
            share = torch.minimum(share, ((length - place) / over).clamp(max=1))
        # As a cosine, it begins and ends without a kink.
        spans.append(torch.where(share < 1, 0.5 - 0.5 * torch.cos(torch.pi * share), share))
    return spans[0][:, None] * spans[1]


def strips(shown: torch.Tensor, window: Window) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of the window that hold all that is shown (1, 1, h, w), a strip at a time."""
    inside = shown[0, 0] > 0
    spans = []
    for axis, length, edited in ((1, window.height, window.edited[0]), (0, window.width, window.edited[1])):
        there = inside.any(axis).nonzero().flatten().tolist()
        if not there:
            return
        # Enlarged, it reaches into half an edited pixel more.
        first, last = (max(there[0] - 1, 0) * length // edited, min(there[-1] + 2, edited) * length // edited + 1)
        spans.append((first, min(last, length)))
    (top, bottom), (left, right) = spans
    step = max(STRIP // (right - left), 1)
    for row in range(top, bottom, step):
        yield slice(row, min(row + step, bottom)), slice(left, right)


def _fitting(crop: Crop, edited: torch.Tensor) -> torch.Tensor:
    """The edited window at its size; what a latent decodes to is cropped."""
    check_image(edited, "edited")
    grid = Grid.padded(*crop.window.edited)
    if tuple(edited.shape[1:3]) == grid.covered_size:
        edited = grid.crop_image(edited)
    if tuple(edited.shape[1:3]) != crop.window.edited:
        raise InputError(
            "edited",
            f"{edited.shape[2]}x{edited.shape[1]} px, but the window was handed out at {crop.window.edited[1]}x"
            f"{crop.window.edited[0]} px.",
            "Link the edited window at its own size.",
        )
    if 1 not in (len(edited), len(crop.source)) and len(edited) != len(crop.source):
        raise InputError(
            "edited", f"{len(edited)} pictures for {len(crop.source)} sources.", "Use equal batches, or single images."
        )
    return edited


def _at(batch: torch.Tensor, at: int) -> torch.Tensor:
    """One picture of a batch, or of what goes for all of it, (1, ...)."""
    return batch[at % len(batch)][None]


def _own_element(crop: Crop, way: Movement | None, at: int) -> torch.Tensor | None:
    """(1, 1, H, W) the crop's mask at full size where it is what the movement moves; None where something else is."""
    if way is None or crop.mask is None or crop.own_mask is None:
        return None
    mask = _at(crop.mask.cpu().float(), at)
    element = way.element.cpu() if way.held is None else (way.element + way.held).cpu()
    if float((element - mask).abs().sum()) > SAME * float(mask.sum()):
        return None
    return _at(crop.own_mask.cpu().float(), at)[:, None]


def _of_picture(moved: Sequence[Movement], at: int) -> Movement | None:
    """The movement of one picture."""
    if not moved:
        return None
    if len(moved) > 1:
        return moved[at % len(moved)]
    return moved[0].picture(at)
