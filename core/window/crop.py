"""What is in a window: picture, drags and mask as they are edited."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F

from ..errors import InputError
from ..space.drags import DragPoints
from ..space.grid import check_image
from .plan import Window


@dataclass(frozen=True, eq=False)
class Crop:
    """A window with what is in it, and with the picture that it goes back into.

    Attributes:
        window: where it lies.
        source: (B, H, W, 3) float in 0..1, the whole picture.
        image: (B, h, w, 3) what is edited.
        points: the drags on ``image``.
        mask: (B or 1, h, w) in 0..1 on ``image``; None: none was given.
        own_mask: (B or 1, height, width) the same in px of the picture.
    """

    window: Window
    source: torch.Tensor
    image: torch.Tensor
    points: DragPoints
    mask: torch.Tensor | None = None
    own_mask: torch.Tensor | None = None


def crop(window: Window, image: torch.Tensor, points: DragPoints, mask: torch.Tensor | None = None) -> Crop:
    """Takes a window out of a picture; the whole picture is handed on as it is.

    Args:
        window: of ``plan_window``.
        image: (B, H, W, 3) in 0..1.
        points: the drags on it.
        mask: (B or 1, H, W) in 0..1.

    Raises:
        InputError: a picture or mask of another size than the window was planned for, a handle or click outside of it.
    """
    check_image(image)
    for name, planes in (("image", image[..., 0]), ("mask", mask)):
        if planes is not None and tuple(planes.shape[-2:]) != window.picture:
            raise InputError(
                name,
                f"{planes.shape[-1]}x{planes.shape[-2]} px, but the window was planned on {window.picture[1]}x"
                f"{window.picture[0]} px.",
                "Use the same picture, and a mask of its size.",
            )
    inside = shrunk(image[:, window.rows, window.columns], window)
    own = None
    if mask is not None:
        mask = mask[None] if mask.ndim == 2 else mask
        own = mask[:, window.rows, window.columns]
    small = None if own is None else shrunk(own[..., None], window)[..., 0]
    return Crop(window, image, inside, points_in(window, points), small, own)


def points_in(window: Window, points: DragPoints) -> DragPoints:
    """Drags of the picture as drags of its window.

    Raises:
        InputError: a handle or a click lies outside of the window.
    """
    if window.is_whole:
        return points.on_image(*window.picture)
    each = tuple(points_in(window, one) for one in points.pictures)
    if each:
        return replace(each[0], pictures=each)
    # A radius is a share of the shorter side.
    wider = min(window.picture) / min(window.height, window.width)
    pairs = []
    for number, pair in enumerate(points.pairs, start=1):
        handle = _inside(window.enter(pair.handle), f"drag {number}: the handle")
        # An anchor stays one to the last bit.
        target = handle if pair.is_anchor else window.enter(pair.target)
        radius = None if pair.radius is None else pair.radius * wider
        pairs.append(replace(pair, handle=handle, target=target, radius=radius))
    clicks = tuple(
        replace(click, at=_inside(window.enter(click.at), f"click {number}"))
        for number, click in enumerate(points.clicks, start=1)
    )
    return DragPoints(tuple(pairs), window.edited, clicks)


def _inside(point: tuple[float, float], name: str) -> tuple[float, float]:
    if not all(-1e-6 <= value <= 1 + 1e-6 for value in point):
        raise InputError(
            "points", f"{name} lies outside of the window.", "Plan the window with these drags, or take the whole one."
        )
    x, y = (min(max(value, 0.0), 1.0) for value in point)
    return x, y


def shrunk(planes: torch.Tensor, window: Window) -> torch.Tensor:
    """Planes (B, height, width, C) of a window at its edited size, without aliasing; as they are at their own size."""
    if tuple(planes.shape[1:3]) == window.edited:
        return planes
    small = F.interpolate(
        planes.movedim(-1, 1).float(), size=window.edited, mode="bicubic", antialias=True, align_corners=False
    )
    return small.movedim(1, -1).clamp(0, 1)
