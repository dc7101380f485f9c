"""Handles as other programs have them: pixel lists, and masks of what a segmenter found.

ComfyUI's SAM nodes and KJNodes' editor write points as ``[{"x": 120, "y": 80}, ...]``, in pixels, origin top left.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace

import torch

from ..errors import InputError
from .drags import DragPoints, Point

EXAMPLE = '[{"x": 120, "y": 80}]'


def to_pixels(points: Sequence[Point], size: tuple[int, int]) -> str:
    """Normalised points as a pixel list, each the pixel that it lies in.

    Args:
        points: (x, y) from 0 to 1.
        size: (height, width) of the image.
    """
    height, width = size
    listed = [{"x": min(int(x * width), width - 1), "y": min(int(y * height), height - 1)} for x, y in points]
    return json.dumps(listed)


def from_pixels(text: str, size: tuple[int, int], input: str = "handles") -> tuple[Point, ...]:
    """A pixel list as normalised points, the centres of its pixels.

    Raises:
        InputError: no such list, an empty one, or a pixel outside the image of ``size`` (height, width).
    """
    try:
        listed = [(float(one["x"]), float(one["y"])) for one in json.loads(text)]
    except (TypeError, ValueError, KeyError, RecursionError) as error:
        shown = text if len(text) < 60 else text[:57] + "..."
        raise InputError(input, f"not a list of pixels ({error}): {shown}", f"Link text like {EXAMPLE}.") from error
    if not listed:
        raise InputError(input, "an empty list.", "Link at least one point, or unlink it.")
    height, width = size
    for number, (x, y) in enumerate(listed, start=1):
        if not (math.isfinite(x) and math.isfinite(y) and 0 <= x < width and 0 <= y < height):
            raise InputError(
                input,
                f"point {number} is ({x:g}, {y:g}), outside of the image of {width}x{height} px.",
                "Set it on this image.",
            )
    # The middle of the pixel; what lies within the last half of one is still in the image.
    return tuple((min((x + 0.5) / width, 1.0), min((y + 0.5) / height, 1.0)) for x, y in listed)


def centres(masks: torch.Tensor, size: tuple[int, int], input: str = "mask") -> tuple[Point, ...]:
    """One normalised point for each mask: the pixel of it that lies nearest to its centre of gravity.

    That centre itself may lie outside of what is bent, a ring or a banana.

    Args:
        masks: (N, H, W) or (H, W) in 0..1.
        size: (height, width) of the image.

    Raises:
        InputError: another size, values that aren't finite, or a mask that is empty.
    """
    masks = masks.detach().to("cpu", torch.float32).reshape(-1, *masks.shape[-2:])
    height, width = size
    if tuple(masks.shape[-2:]) != (height, width):
        raise InputError(
            input,
            f"{masks.shape[-1]}x{masks.shape[-2]} px, but the image is {width}x{height} px.",
            "Use a mask made for this image, or resize it.",
        )
    if not torch.isfinite(masks).all():
        raise InputError(input, "it holds NaN or infinite values.", "Check the node that made it.")
    points = []
    for number, mask in enumerate(masks, start=1):
        y, x = torch.nonzero(mask > 0.5, as_tuple=True)
        if not len(y):
            raise InputError(input, f"mask {number} is empty.", "Leave it out, or lower the segmenter's threshold.")
        nearest = torch.hypot(x - x.float().mean(), y - y.float().mean()).argmin()
        points.append(((float(x[nearest]) + 0.5) / width, (float(y[nearest]) + 0.5) / height))
    return tuple(points)


def with_handles(drags: DragPoints, handles: Sequence[Point], input: str = "handles") -> DragPoints:
    """The drags from other handles, each by the way it goes: the n-th begins at the n-th handle.

    One drag goes for all handles.

    Raises:
        InputError: several drags and another number of handles, or drags of its own for every picture of a batch.
    """
    if drags.pictures:
        raise InputError(
            input, "linked beside drags of its own for every picture.", "Draw drags that go for all of the batch."
        )
    pairs = drags.pairs * len(handles) if len(drags.pairs) == 1 else drags.pairs
    if len(pairs) != len(handles):
        raise InputError(
            input,
            f"{len(handles)} handles for {len(pairs)} drags.",
            "Draw one drag for all of them, or one for each.",
        )
    moved = []
    for pair, (x, y) in zip(pairs, handles, strict=True):
        # In this order an anchor stays one to the last bit.
        target = (x + (pair.target[0] - pair.handle[0]), y + (pair.target[1] - pair.handle[1]))
        moved.append(replace(pair, handle=(x, y), target=target))
    return replace(drags, pairs=tuple(moved))
