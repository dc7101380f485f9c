"""From radiance to a picture: noise taken out, exposed as a camera would, toned, sRGB."""

from __future__ import annotations

import numpy as np

from .material import Array

MIDDLE = 0.23


def denoised(radiance: Array, albedo: Array, normal: Array) -> Array:
    """By Intel's Open Image Denoise where ``pyoidn`` is installed, else as it is. All (h, w, 3) float32."""
    try:
        import pyoidn
    except ImportError:
        return radiance
    arrays = (np.ascontiguousarray(array, np.float32) for array in (radiance, np.clip(albedo, 0, 1), normal))
    colour, albedo, normal = arrays
    return np.asarray(pyoidn.denoise(colour, albedo=albedo, normal=normal, hdr=True))


def exposure(radiance: Array) -> float:
    """The factor by which a camera that meters the middle of the picture more than its rim would expose."""
    height, width = radiance.shape[:2]
    y, x = np.mgrid[:height, :width]
    weight = np.exp(-2 * (((x + 0.5) / width - 0.5) ** 2 + ((y + 0.5) / height - 0.55) ** 2) / 0.35**2 / 2)
    light = radiance @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    middle = np.exp((weight * np.log(np.maximum(light, 1e-4))).sum() / weight.sum())
    # Bright grounds are meant to look bright: the meter gives way by a third of a stop per stop.
    brightest = np.quantile(light, 0.97)
    return float(min(MIDDLE / middle, 1.15 / max(brightest, 1e-6)))


def develop(radiance: Array, factor: float) -> Array:
    """uint8 (h, w, 3) sRGB: exposed by ``factor``, with a shoulder so that lights do not clip hard.

    The shoulder is the identity up to 0.6 and then leans towards 1 with a continuous slope.
    """
    value = np.maximum(radiance * factor, 0)
    knee = 0.6
    over = np.maximum(value - knee, 0) / (1 - knee)
    value = np.where(value > knee, knee + (1 - knee) * (1 - np.exp(-over)), value)
    encoded = np.where(value <= 0.0031308, 12.92 * value, 1.055 * np.maximum(value, 1e-9) ** (1 / 2.4) - 0.055)
    return np.rint(np.clip(encoded, 0, 1) * 255).astype(np.uint8)
