"""How strong a texture is, place by place: what small versions of a picture do not show of it."""

from __future__ import annotations

import torch
import torch.nn.functional as F

CHANNELS = 2
"""Slopes along x and along y."""

REACH = 4
"""px round a pixel over which slopes are averaged: more than a grain, less than a thing."""


def texture(planes: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
    """Mean absolute slope round every pixel, along x and along y.

    Args:
        planes: (B, C, h, w) float32 in 0..1, finite outside the hole.
        hole: (B, h, w) bool; nothing is read from it, and it gets what is near it, or 0.

    Returns:
        (B, CHANNELS, h, w) float32, per pixel, mean over the channels.

    The features of Newson et al. 2014 ("Video Inpainting of Complex Scenes"), of what is known alone.
    """
    known = (~hole)[:, None].to(planes.dtype)
    planes = planes.masked_fill(hole[:, None], 0)
    means = []
    for axis in (-1, -2):
        ahead, behind = _but_first(planes, axis), _but_last(planes, axis)
        both = _but_first(known, axis) * _but_last(known, axis)
        slope = (ahead - behind).abs().mean(1, keepdim=True) * both
        widen = (0, 1) if axis == -1 else (0, 0, 0, 1)
        summed, share = (_box(F.pad(plane, widen)) for plane in (slope, both))
        means.append(summed / share.clamp_min(1e-6))
    return torch.cat(means, 1)


def _but_first(planes: torch.Tensor, axis: int) -> torch.Tensor:
    return planes.narrow(axis, 1, planes.shape[axis] - 1)


def _but_last(planes: torch.Tensor, axis: int) -> torch.Tensor:
    return planes.narrow(axis, 0, planes.shape[axis] - 1)


def _box(planes: torch.Tensor) -> torch.Tensor:
    """Mean over the square within ``REACH``."""
    return F.avg_pool2d(planes, 2 * REACH + 1, stride=1, padding=REACH)
