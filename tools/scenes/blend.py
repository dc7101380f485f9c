"""Making a cut-out look as if it had been taken with the background's camera.

All of it changes the cut-out alone and happens once, before it is placed: where it is moved to, it looks the same, and
a scene's true edit stays exact.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageFilter

from .compose import Layer

Array = np.ndarray
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
GREY_CHROMA = 0.004
MOST_GRAIN = 0.008


def _image(rgb: Array) -> Image.Image:
    return Image.fromarray(np.rint(np.clip(rgb, 0, 1) * 255).astype(np.uint8))


def _array(image: Image.Image) -> Array:
    return np.asarray(image, np.float32) / 255


def is_grey(pixels: Array) -> bool:
    """Whether a photograph, uint8 (h, w, 3), is black and white: its colours lie on the grey axis."""
    rgb = pixels[::4, ::4].astype(np.float32) / 255
    return float(np.abs(rgb - (rgb @ LUMA)[..., None]).mean()) < GREY_CHROMA


def match_colour(rng: np.random.Generator, rgba: Array, background: Array, grey: bool = False) -> Array:
    """Bring brightness and cast of ``rgba`` (h, w, 4) a part of the way to those of ``background`` (s, s, 3).

    Args:
        grey: the background is black and white, so the cut-out becomes black and white too.
    """
    rgb, solid = rgba[..., :3], rgba[..., 3] > 0.5
    mean, other = rgb[solid].mean(0), background.reshape(-1, 3).mean(0)
    luma, other_luma = float(mean @ LUMA), float(other @ LUMA)
    gain = float(np.clip(((other_luma + 0.15) / (luma + 0.15)) ** rng.uniform(0.1, 0.35), 0.75, 1.3))
    cast = np.clip((other + 0.05) / (other_luma + 0.05), 0.5, 2) ** rng.uniform(0.1, 0.3)
    if grey:
        rgb, cast = np.repeat((rgb @ LUMA)[..., None], 3, axis=-1), np.ones(3)
    return np.dstack([np.clip(rgb * (gain * cast), 0, 1), rgba[..., 3]]).astype(np.float32)


def _edge_strength(rgb: Array, where: Array) -> float:
    """95th percentile of what a blur of 1 px takes away from the luminance, over the contrast there."""
    grey = rgb @ LUMA
    soft = _array(_image(grey).filter(ImageFilter.GaussianBlur(1)))
    return float(np.percentile(np.abs(grey - soft)[where], 95) / (np.std(grey[where]) + 0.05))


def match_sharpness(rgba: Array, background: Array) -> Array:
    """Blur ``rgba`` by at most 0.8 px where its edges are crisper than the background's."""
    inside = rgba[..., 3] > 0.9
    if not inside.any():
        return rgba
    wanted = 1.3 * _edge_strength(background, np.ones(background.shape[:2], bool))
    for radius in (0.0, 0.4, 0.6, 0.8):
        blurred = _array(_image(rgba[..., :3]).filter(ImageFilter.GaussianBlur(radius))) if radius else rgba[..., :3]
        if _edge_strength(blurred, inside) <= wanted:
            break
    alpha = _array(_image(rgba[..., 3]).filter(ImageFilter.GaussianBlur(radius))) if radius else rgba[..., 3]
    return np.dstack([blurred, alpha]).astype(np.float32)


def grain(rgb: Array) -> float:
    """Standard deviation of the noise of a picture (h, w, 3): of 2 x 2 Haar diagonals in its flattest twentieth."""
    grey = rgb @ LUMA
    height, width = (side // 16 * 16 for side in grey.shape)
    if not height or not width:
        return 0.0
    g = grey[:height, :width]
    diagonal = (g[0::2, 0::2] - g[0::2, 1::2] - g[1::2, 0::2] + g[1::2, 1::2]) / 2
    blocks = diagonal.reshape(height // 16, 8, width // 16, 8).std(axis=(1, 3))
    return float(np.percentile(blocks, 5))


def match_grain(rng: np.random.Generator, rgba: Array, background: Array) -> Array:
    """Add the noise that ``background`` has more of than ``rgba`` (none where it has less)."""
    missing = max(grain(background) ** 2 - grain(rgba[..., :3]) ** 2, 0.0) ** 0.5
    noise = rng.normal(0, 1, rgba.shape[:2])[..., None] * 0.8 + rng.normal(0, 0.6, (*rgba.shape[:2], 3))
    rgb = np.clip(rgba[..., :3] + min(missing, MOST_GRAIN) * noise, 0, 1)
    return np.dstack([rgb, rgba[..., 3]]).astype(np.float32)


def compress(rgba: Array, quality: int) -> Array:
    """The colours as a JPEG of that quality gives them back; alpha stays."""
    file = io.BytesIO()
    _image(rgba[..., :3]).save(file, "JPEG", quality=quality)
    return np.dstack([_array(Image.open(file).convert("RGB")), rgba[..., 3]]).astype(np.float32)


def blend(rng: np.random.Generator, rgba: Array, background: Array, grey: bool = False) -> Array:
    """All of the above: float32 (h, w, 4) that fits ``background`` (s, s, 3), both in [0, 1]."""
    rgba = match_sharpness(match_colour(rng, rgba, background, grey), background)
    return compress(match_grain(rng, rgba, background), int(rng.integers(88, 97)))


def contact_shadow(rng: np.random.Generator, layer: Layer, pose: str) -> None:
    """Give ``layer`` a soft shadow that goes along with it.

    Under a standing thing it is the silhouette pressed flat at its foot, under a lying one the silhouette a little
    aside.
    """
    height, width = layer.rgba.shape[:2]
    longest = max(height, width)
    pad = max(6, round(0.16 * longest))
    alpha = Image.fromarray(np.rint(layer.rgba[..., 3] * 255).astype(np.uint8))
    canvas = Image.new("L", (width + 2 * pad, height + 2 * pad))
    if pose == "standing":
        flat = max(3, round(height * rng.uniform(0.07, 0.13)))
        # Only the lower quarter stands on the ground: what juts out higher up throws no contact shadow.
        foot = alpha.crop((0, height - max(2, height // 4), width, height)).resize((width, 2 * flat))
        canvas.paste(foot, (pad, pad + height - round(1.35 * flat)))
        blur, strength = 0.03 * longest, rng.uniform(0.45, 0.75)
    else:
        angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(0.02, 0.05) * longest
        canvas.paste(alpha, (pad + round(length * np.cos(angle)), pad + round(length * np.sin(angle))))
        blur, strength = rng.uniform(0.015, 0.035) * longest, rng.uniform(0.35, 0.6)
    soft = _array(canvas.filter(ImageFilter.GaussianBlur(blur)))
    # What is under a level of 8 bits would only widen the area that counts as changed.
    layer.shadow = np.where(soft < 0.02, 0, soft * strength).astype(np.float32)
    layer.shadow_shift = (-pad, -pad)
