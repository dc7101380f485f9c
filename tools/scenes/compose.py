"""Composition of objects over a background: layers with alpha, placed at whole pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from . import backgrounds

Array = np.ndarray


@dataclass
class Layer:
    """One placed object: straight-alpha ``rgba`` float32 (h, w, 4) with its top left corner at (x, y)."""

    rgba: Array
    x: int
    y: int
    name: str
    shadow: Array | None = None
    shadow_shift: tuple[int, int] = (0, 0)


def random_shape(rng: np.random.Generator, side: int = 128) -> Array:
    """A random blob, polygon or ellipse with its own texture: uint8 (side, side, 4)."""
    y, x = (np.mgrid[0:side, 0:side].astype(np.float32) + 0.5) / side * 2 - 1
    alpha = _outline(rng, x, y, side)
    painters = list(backgrounds.PROCEDURAL.values())
    weights = np.ones(len(painters))
    weights[0] = 5.0
    colour = painters[int(rng.choice(len(painters), p=weights / weights.sum()))](rng, side)
    for _ in range(int(rng.integers(0, 4))):
        scale, (cx, cy) = rng.uniform(1.6, 4.0), rng.uniform(-0.5, 0.5, 2)
        inner = _outline(rng, (x - cx) * scale, (y - cy) * scale, side / scale)
        colour = colour + (backgrounds.random_colour(rng) - colour) * inner[..., None]
    if rng.random() < 0.4:
        rim = _outline_erode(alpha, int(rng.integers(3, 8)))
        colour = backgrounds.random_colour(rng) * rng.uniform(0, 0.6) * (1 - rim[..., None]) + colour * rim[..., None]
    if rng.random() < 0.4:
        shade = 1 - rng.uniform(0.2, 0.5) * np.clip((x * rng.uniform(-1, 1) + y + 1) / 2, 0, 1)
        colour = colour * shade[..., None]
    return (np.clip(np.dstack([colour, alpha]), 0, 1) * 255).astype(np.uint8)


def _outline(rng: np.random.Generator, x: Array, y: Array, side: float) -> Array:
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    kind = rng.random()
    if kind < 0.3:
        sides, turn = int(rng.integers(3, 8)), rng.uniform(0, 2 * np.pi)
        normals = turn + np.arange(sides) * 2 * np.pi / sides + rng.normal(0, 0.12, sides)
        reach = 0.72 * rng.uniform(0.75, 1.0, sides)
        distance = np.max([np.cos(n) * x + np.sin(n) * y - r for n, r in zip(normals, reach, strict=True)], axis=0)
        return np.clip(-np.maximum(distance, radius - 0.98) * side / 2 + 0.5, 0, 1)
    if kind < 0.55:
        squash = rng.uniform(0.5, 1.0)
        return np.clip((0.95 - np.hypot(x, y / squash)) * side / 2 + 0.5, 0, 1)
    if kind < 0.7:
        points, depth, turn = int(rng.integers(4, 9)), rng.uniform(0.15, 0.4), rng.uniform(0, 6.3)
        border = 0.95 - depth + depth * np.abs(((angle + turn) / (2 * np.pi) * points) % 1.0 * 2 - 1)
    else:
        border = np.full_like(radius, 0.72)
        for order in range(1, 6):
            border = border + rng.normal(0, 0.13 / order) * np.cos(order * angle + rng.uniform(0, 6.3))
        border = np.clip(border, 0.3, 0.97)
    return np.clip((border - radius) * side / 2 + 0.5, 0, 1)


def _outline_erode(alpha: Array, width: int) -> Array:
    image = Image.fromarray((alpha * 255).astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.MinFilter(2 * (width // 2) + 1)), np.float32) / 255.0


def jitter(rng: np.random.Generator, rgba: Array) -> Array:
    """Turn the hue and change contrast and brightness of a float32 (h, w, 4) sprite."""
    rgb = rgba[..., :3]
    angle = rng.uniform(0, 2 * np.pi) if rng.random() < 0.5 else rng.normal(0, 0.25)
    # Rotation about the grey axis (Rodrigues): luminance stays roughly what it was.
    c, s, third = np.cos(angle), np.sin(angle) / np.sqrt(3.0), (1 - np.cos(angle)) / 3.0
    turn = np.full((3, 3), third) + c * np.eye(3) + s * np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])
    rgb = rgb @ turn.T.astype(np.float32)
    rgb = (rgb - 0.5) * rng.uniform(0.7, 1.1) + 0.5 + rng.uniform(-0.12, 0.12)
    return np.dstack([np.clip(rgb, 0, 1), rgba[..., 3]]).astype(np.float32)


def transform(rng: np.random.Generator, sprite: Array, length: float, turn: float = 20.0) -> Array:
    """Scale a uint8 sprite so that its longer side is ``length`` px, flip and turn it: float32 (h, w, 4)."""
    image = Image.fromarray(sprite)
    if rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    side = max(8, round(length))
    stretch = rng.uniform(0.85, 1.0)
    size = (side, max(8, round(side * stretch))) if rng.random() < 0.5 else (max(8, round(side * stretch)), side)
    image = image.resize(size, Image.Resampling.LANCZOS if side < sprite.shape[0] else Image.Resampling.BICUBIC)
    image = image.rotate(rng.uniform(-turn, turn), Image.Resampling.BICUBIC, expand=True)
    # Resampling leaves specks of nearly no alpha far from the object: its bounding box should be its own.
    image.putalpha(image.getchannel("A").point(lambda alpha: 0 if alpha < 6 else alpha))
    box = image.getchannel("A").getbbox()
    return np.asarray(image.crop(box) if box else image, np.float32) / 255.0


def add_shadow(rng: np.random.Generator, layer: Layer) -> None:
    """Give a layer a soft shadow: its blurred alpha, shifted, of random strength."""
    pad, blur = 12, rng.uniform(2, 6)
    alpha = np.pad((layer.rgba[..., 3] * 255).astype(np.uint8), pad)
    soft = np.asarray(Image.fromarray(alpha).filter(ImageFilter.GaussianBlur(blur)), np.float32) / 255.0
    layer.shadow = soft * rng.uniform(0.2, 0.6)
    layer.shadow_shift = (int(rng.integers(-8, 9)) - pad, int(rng.integers(0, 12)) - pad)


def draw(canvas: Array, patch: Array, alpha: Array, x: int, y: int) -> None:
    """Blend ``patch`` (h, w, 3) or a colour (3,) over ``canvas`` in place, cut at its edges."""
    height, width = canvas.shape[:2]
    h, w = alpha.shape
    left, top, right, bottom = max(x, 0), max(y, 0), min(x + w, width), min(y + h, height)
    if right <= left or bottom <= top:
        return
    a = alpha[top - y : bottom - y, left - x : right - x, None]
    p = patch if patch.ndim == 1 else patch[top - y : bottom - y, left - x : right - x]
    view = canvas[top:bottom, left:right]
    view += a * (p - view)


def render(background: Array, layers: list[Layer]) -> Array:
    """Draw the layers in order over a copy of the background (size, size, 3)."""
    canvas = background.copy()
    for layer in layers:
        if layer.shadow is not None:
            dx, dy = layer.shadow_shift
            draw(canvas, np.zeros(3, np.float32), layer.shadow, layer.x + dx, layer.y + dy)
        draw(canvas, layer.rgba[..., :3], layer.rgba[..., 3], layer.x, layer.y)
    return canvas


def coverage(layer: Layer, size: int) -> Array:
    """Alpha of one layer on the whole image, (size, size)."""
    canvas = np.zeros((size, size, 1), np.float32)
    draw(canvas, np.ones(1, np.float32), layer.rgba[..., 3], layer.x, layer.y)
    return canvas[..., 0]
