"""What several nodes share: link types, error naming, reading and checking inputs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import comfy.model_management
import torch
from comfy_api.latest import io, ui
from server import PromptServer

from ..core.diffusion.dragged import DraggedLatent
from ..core.diffusion.inversion import Inversion
from ..core.errors import InputError
from ..core.space.grid import Grid, check_image
from ..core.space.points import DragPoints
from ._held import unheld

CATEGORY = "AttentionDrag"

DragPointsType = io.Custom("DRAG_POINTS")
InversionType = io.Custom("INVERSION")
CaptureType = io.Custom("DRAG_CAPTURE")

DRAG_KEY = "attention_drag"
"""Entry of a LATENT dictionary under which a dragged latent carries what was done to it."""


def names_itself(execute: Callable) -> Callable:
    """Puts the node's name in front of what an ``InputError`` says, and hands it inversions as they are."""

    @functools.wraps(execute)
    def wrapped(cls, *args, **kwargs):
        try:
            return execute(cls, *args, **{name: unheld(value) for name, value in kwargs.items()})
        except InputError as error:
            # With the frames below, which are what a report shows of where it happened; told once, not as two errors.
            named = error.named(cls.define_schema().display_name)
            raise named.with_traceback(error.__traceback__) from error.__cause__

    return wrapped


def grid_of(inversion: Inversion, points: DragPoints) -> Grid:
    """The grid of the points' image over the inverted latent; checks that they belong together."""
    if points.image_size is None:
        raise InputError("points", "they are not bound to an image.", "Link an image to the points node.")
    return Grid.between(points.image_size, inversion.latent_size)


def image_on(grid: Grid, image: torch.Tensor | None, batch: int | None = None) -> torch.Tensor | None:
    """A linked image (B, H, W, 3) at the size of the points' image, None if there is none.

    What the latent decodes to is cropped. With ``batch``, one image goes for all of the batch.
    """
    if image is None:
        return None
    check_image(image)
    image = grid.crop_image(image) if tuple(image.shape[1:3]) == grid.covered_size else image
    check_size(image, grid.image_size)
    if batch is None:
        return image
    check_batch(image, batch)
    return image.expand(batch, -1, -1, -1)


def plate_on(grid: Grid, clean_plate: torch.Tensor | None) -> torch.Tensor | None:
    """A linked clean plate (B, H, W, 3); what the latent decodes to is cropped, as of the picture."""
    if clean_plate is None:
        return None
    check_image(clean_plate, "clean_plate")
    return grid.crop_image(clean_plate) if tuple(clean_plate.shape[1:3]) == grid.covered_size else clean_plate


def check_size(image: torch.Tensor, size: tuple[int, int] | None, input: str = "image") -> None:
    """Raises an ``InputError`` unless the image (B, H, W, C) is the one that the points were set on."""
    if size is not None and tuple(image.shape[1:3]) != tuple(size):
        raise InputError(
            input,
            f"{image.shape[2]}x{image.shape[1]} px, but the points were set on {size[1]}x{size[0]} px.",
            "Link the same image to the points node and here.",
        )


def check_batch(image: torch.Tensor, batch: int, input: str = "image") -> None:
    """Raises an ``InputError`` unless there is one image for all, or one for each of the batch."""
    if image.shape[0] not in (1, batch):
        raise InputError(input, f"{image.shape[0]} images for {batch} inverted latents.", "Use one, or one for each.")


def carried_drag(latent: dict[str, Any]) -> DraggedLatent | None:
    """What AttentionDragApply left in a LATENT, if it still fits the samples."""
    dragged = latent.get(DRAG_KEY)
    if isinstance(dragged, DraggedLatent) and dragged.clean.shape == latent["samples"].shape:
        return dragged
    return None


def show_text(cls: type[io.ComfyNode], lines: Sequence[str]) -> ui.PreviewText | None:
    """Shows lines on the running node; gives them as its ``ui``, or None for none. Needs its hidden ``unique_id``."""
    if not lines:
        return None
    text = "\n".join(lines)
    # Front ends show a node's own text only where they know its class; this one on any.
    send = getattr(PromptServer.instance, "send_progress_text", None)
    if send is not None and cls.hidden is not None and cls.hidden.unique_id is not None:
        send(text, cls.hidden.unique_id)
    return ui.PreviewText(text)


def on_intermediate(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor where ComfyUI keeps results."""
    return tensor.to(comfy.model_management.intermediate_device())
