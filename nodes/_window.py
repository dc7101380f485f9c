"""What Edit's stages know of a window: where it lies, as text, and what of its results belongs where in the picture."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import torch
from comfy_api.latest import io

from ..core.diffusion.dragged import DraggedLatent
from ..core.pixels.composite import shown_mask
from ..core.settings import EditSettings
from ..core.window.crop import Crop, shrunk
from ..core.window.plan import Context, Window, read_context
from ..core.window.stitch import border, spread
from ..core.windowed import put_back

WHOLE = ""
"""The place of an edit that takes the whole picture."""

StitchType = io.Custom("STITCH")
LookType = io.Custom("ATTENTIONDRAG_LOOK")


def window_input() -> io.Input:
    return io.String.Input(
        "window",
        default="auto",
        optional=True,
        tooltip="Pictures larger than the model's own size are edited in a window round what moves, at that size, and "
        "stitched back. 'auto' takes as much as an edit may need, a number so many px round it, 'whole' the whole "
        "picture as it is.",
    )


def place_input() -> io.Input:
    """Where the window of a stage lies: a plain value, so that other points in the same window keep what was made."""
    return io.String.Input("place", default=WHOLE, optional=True)


def check_window(window: str) -> bool | str:
    """For ``validate_inputs``: before anything runs."""
    try:
        read_context(window)
    except ValueError as error:
        return str(error)
    return True


def context_of(window: str) -> Context:
    """The widget's text as a context."""
    return read_context(window)


def place_of(window: Window) -> str:
    """A window of a known picture as text."""
    if window.is_whole:
        return WHOLE
    return json.dumps([window.top, window.left, window.height, window.width, *window.edited])


def window_at(place: str, image: torch.Tensor) -> Window:
    """The window of an image (B, H, W, C) that ``place_of`` wrote."""
    size = (image.shape[1], image.shape[2])
    if place == WHOLE:
        return Window.whole(*size)
    top, left, height, width, rows, columns = json.loads(place)
    return Window(size, top, left, height, width, (rows, columns))


def within(window: Window, image: torch.Tensor) -> torch.Tensor:
    """The part of an image (B, H, W, C) that a window edits, at its edited size."""
    return image if window.is_whole else shrunk(image[:, window.rows, window.columns], window)


@dataclass(frozen=True, eq=False)
class InWindow:
    """What was dragged in a window, with what is needed to put it back.

    Attributes:
        dragged: of the window.
        crop: the window and its picture.
        plate: (B or 1, H, W, 3) a clean plate of the picture.
    """

    dragged: DraggedLatent
    crop: Crop
    plate: torch.Tensor | None = None

    def stitched(self, picture: torch.Tensor, settings: EditSettings) -> torch.Tensor:
        """The whole picture (B, H, W, 3) with the window's edit (B, h, w, 3) in it."""
        movements = [one.movement for one in self.dragged.pictures or [self.dragged]]
        shown = torch.cat([shown_mask(one, settings.shown_margin, settings.shown_feather) for one in movements])
        return put_back(self.crop, picture, shown, movements, settings, self.plate).image


def over(window: Window, image: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """An image (B, H, W, 3) with one of its window (B, h, w, 3) over it, faded towards the picture."""
    if window.is_whole:
        return inside
    whole = image.cpu().float().clone()
    planes = torch.stack([spread(window, plane) for plane in inside.unbind(-1)], -1)
    share = border(window)[..., None]
    part = (slice(None), window.rows, window.columns)
    whole[part] = whole[part] + share * (planes[part] - whole[part])
    return whole


def whole_of(window: Window, mask: torch.Tensor) -> torch.Tensor:
    """A mask (B, h, w) of a window at the picture's size, 0 outside of the window."""
    return mask if window.is_whole else spread(window, mask)


def told(window: Window) -> dict[str, Any]:
    """What the point picker is told of a window: left, top, width and height as shares of the picture."""
    height, width = window.picture
    if window.is_whole:
        return {"attentiondrag_window": []}
    box = [window.left / width, window.top / height, window.width / width, window.height / height]
    return {"attentiondrag_window": [box]}
