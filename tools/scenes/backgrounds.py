"""Procedural backgrounds: each kind is a function of a random generator and a size.

Every function returns a float32 array (size, size, 3) in [0, 1].
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable

import numpy as np
from PIL import Image

Array = np.ndarray
Painter = Callable[[np.random.Generator, int], Array]


def random_colour(rng: np.random.Generator) -> Array:
    """One sRGB colour (3,), spread over hue, with dull and vivid ones alike."""
    hue, saturation, value = rng.random(), rng.beta(1.2, 1.4), 0.12 + 0.88 * rng.beta(1.8, 1.0)
    return np.array(colorsys.hsv_to_rgb(hue, saturation, value), np.float32)


def related_colour(rng: np.random.Generator, base: Array) -> Array:
    """A colour near ``base`` most of the time, an unrelated one otherwise."""
    if rng.random() < 0.35:
        return random_colour(rng)
    shift = rng.normal(0.0, 0.05, 3) + rng.normal(0.0, 0.16)
    return np.clip(base + shift, 0.0, 1.0).astype(np.float32)


def coordinates(rng: np.random.Generator, size: int) -> tuple[Array, Array]:
    """Pixel coordinates turned by a random angle, each (size, size), in units of pixels."""
    angle = rng.choice([0.0, np.pi / 2, rng.uniform(0, np.pi)])
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    return (
        (np.cos(angle) * x + np.sin(angle) * y).astype(np.float32),
        (-np.sin(angle) * x + np.cos(angle) * y).astype(np.float32),
    )


def smooth_noise(rng: np.random.Generator, size: int, cells: int, octaves: int = 1, fall: float = 0.5) -> Array:
    """Value noise (size, size), scaled to [0, 1]: ``octaves`` grids, each twice as fine and weaker."""
    total = np.zeros((size, size), np.float32)
    weight = 1.0
    for octave in range(octaves):
        count = min(cells * 2**octave, size)
        grid = rng.random((count + 2, count + 2), dtype=np.float32)
        total += weight * np.asarray(Image.fromarray(grid).resize((size, size), Image.Resampling.BICUBIC))
        weight *= fall
    total -= total.min()
    return total / max(float(total.max()), 1e-6)


def _mix(a: Array, b: Array, t: Array) -> Array:
    return (a + (b - a) * t[..., None]).astype(np.float32)


def flat(rng: np.random.Generator, size: int) -> Array:
    return np.broadcast_to(random_colour(rng), (size, size, 3)).copy()


def linear_gradient(rng: np.random.Generator, size: int) -> Array:
    a = random_colour(rng)
    u, _ = coordinates(rng, size)
    return _mix(a, related_colour(rng, a), (u - u.min()) / np.ptp(u))


def radial_gradient(rng: np.random.Generator, size: int) -> Array:
    a = random_colour(rng)
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    cy, cx = rng.uniform(-0.1, 1.1, 2)
    distance = np.hypot(x - cx, (y - cy) * rng.uniform(0.6, 1.6))
    return _mix(a, related_colour(rng, a), np.clip(distance / rng.uniform(0.5, 1.2), 0, 1))


def stripes(rng: np.random.Generator, size: int) -> Array:
    a = random_colour(rng)
    u, _ = coordinates(rng, size)
    wave = (u / rng.uniform(12, 64) + rng.random()) % 1.0
    edge, share = rng.choice([0.03, 0.1, 0.4]), rng.uniform(0.3, 0.7)
    t = np.clip((np.abs(wave - 0.5) - share / 2) / edge + 0.5, 0, 1)
    return _mix(a, related_colour(rng, a), t)


def checks(rng: np.random.Generator, size: int) -> Array:
    a = random_colour(rng)
    u, v = coordinates(rng, size)
    step = rng.uniform(14, 64)
    t = ((np.floor(u / step) + np.floor(v / (step * rng.choice([1.0, 1.0, 2.0])))) % 2).astype(np.float32)
    return _mix(a, related_colour(rng, a), t)


def dots(rng: np.random.Generator, size: int) -> Array:
    a = random_colour(rng)
    u, v = coordinates(rng, size)
    step = rng.uniform(16, 56)
    row = np.floor(v / step)
    shift = 0.5 * (row % 2) * rng.integers(0, 2)
    distance = np.hypot((u / step + shift) % 1.0 - 0.5, (v / step) % 1.0 - 0.5) * step
    return _mix(a, related_colour(rng, a), np.clip(rng.uniform(0.15, 0.4) * step - distance + 0.5, 0, 1))


def noise(rng: np.random.Generator, size: int) -> Array:
    a = random_colour(rng)
    t = smooth_noise(rng, size, int(rng.integers(2, 24)), int(rng.integers(1, 6)), rng.uniform(0.35, 0.75))
    return _mix(a, related_colour(rng, a), t)


def clouds(rng: np.random.Generator, size: int) -> Array:
    """Noise in each colour channel, so hue varies over the image."""
    cells = int(rng.integers(2, 8))
    channels = [smooth_noise(rng, size, cells, int(rng.integers(1, 5))) for _ in range(3)]
    return np.clip(random_colour(rng) + rng.uniform(0.2, 0.7) * (np.stack(channels, -1) - 0.5), 0, 1).astype(np.float32)


def grain(rng: np.random.Generator, size: int) -> Array:
    """Fine texture (sand, carpet) over a soft gradient."""
    base = linear_gradient(rng, size) if rng.random() < 0.5 else noise(rng, size)
    fine = smooth_noise(rng, size, int(rng.integers(48, 128)), 2) - 0.5
    return np.clip(base + rng.uniform(0.05, 0.3) * fine[..., None], 0, 1).astype(np.float32)


def camouflage(rng: np.random.Generator, size: int) -> Array:
    a = random_colour(rng)
    field = smooth_noise(rng, size, int(rng.integers(3, 12)), 2)
    levels = int(rng.integers(2, 5))
    palette = np.stack([a] + [related_colour(rng, a) for _ in range(levels - 1)])
    return palette[np.clip((field * levels).astype(int), 0, levels - 1)]


def bricks(rng: np.random.Generator, size: int) -> Array:
    wall, mortar = random_colour(rng), random_colour(rng)
    height, ratio = rng.uniform(14, 40), rng.uniform(1.5, 3.0)
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    row = np.floor(y / height).astype(int)
    column = np.floor(x / (height * ratio) + 0.5 * (row % 2)).astype(int)
    tint = rng.normal(0, 0.06, (64, 64)).astype(np.float32)[row % 64, column % 64]
    inside_x = (x / (height * ratio) + 0.5 * (row % 2)) % 1.0 * height * ratio
    joint = (y % height < rng.uniform(1.5, 4)) | (inside_x < rng.uniform(1.5, 4))
    image = np.where(joint[..., None], mortar, wall + tint[..., None])
    return np.clip(image + 0.06 * (smooth_noise(rng, size, 64)[..., None] - 0.5), 0, 1).astype(np.float32)


def wood(rng: np.random.Generator, size: int) -> Array:
    a = np.array(colorsys.hsv_to_rgb(rng.uniform(0.04, 0.12), rng.uniform(0.3, 0.8), rng.uniform(0.3, 0.9)))
    u, v = coordinates(rng, size)
    bend = smooth_noise(rng, size, 4, 2) * rng.uniform(10, 40)
    t = 0.5 + 0.5 * np.sin((u + bend) / rng.uniform(2.5, 8) + 0.02 * v)
    return _mix(a.astype(np.float32), (a * rng.uniform(0.6, 0.9)).astype(np.float32), t)


def waves(rng: np.random.Generator, size: int) -> Array:
    a = random_colour(rng)
    u, v = coordinates(rng, size)
    t = 0.5 + 0.5 * np.sin(u / rng.uniform(4, 14) + rng.uniform(1, 4) * np.sin(v / rng.uniform(8, 30)))
    return _mix(a, related_colour(rng, a), t)


def shards(rng: np.random.Generator, size: int) -> Array:
    """Flat regions cut by random straight lines."""
    image = flat(rng, size)
    base = image[0, 0]
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    for _ in range(int(rng.integers(2, 9))):
        angle, (cx, cy) = rng.uniform(0, 2 * np.pi), rng.uniform(0, size, 2)
        side = np.clip(np.cos(angle) * (x - cx) + np.sin(angle) * (y - cy) + 0.5, 0, 1)
        image = image + (related_colour(rng, base) - image) * (side * rng.uniform(0.4, 1.0))[..., None]
    return image.astype(np.float32)


def horizon(rng: np.random.Generator, size: int) -> Array:
    """A sky over ground, each with its own texture, and perhaps rows of hills between them."""
    sky_kinds = (linear_gradient, clouds, flat, noise)
    ground_kinds = (noise, grain, flat, stripes, checks, wood, bricks)
    image = sky_kinds[int(rng.integers(len(sky_kinds)))](rng, size)
    line = rng.uniform(0.3, 0.8) * size
    y = np.arange(size, dtype=np.float32)[:, None]
    for _ in range(int(rng.integers(0, 4))):
        ridge = smooth_noise(rng, size, int(rng.integers(2, 8)), 2)[0] * rng.uniform(10, 70)
        hill = np.clip(y - (line - ridge[None, :]) + 0.5, 0, 1)
        image = _blend(image, flat(rng, size) if rng.random() < 0.6 else grain(rng, size), hill)
        line += rng.uniform(5, 25)
    ground = ground_kinds[int(rng.integers(len(ground_kinds)))](rng, size)
    return _blend(image, ground, np.broadcast_to(np.clip(y - line + 0.5, 0, 1), (size, size)))


def _blend(below: Array, above: Array, alpha: Array) -> Array:
    return (below + (above - below) * alpha[..., None]).astype(np.float32)


PROCEDURAL: dict[str, Painter] = {
    "flat": flat,
    "linear_gradient": linear_gradient,
    "radial_gradient": radial_gradient,
    "stripes": stripes,
    "checks": checks,
    "dots": dots,
    "noise": noise,
    "clouds": clouds,
    "grain": grain,
    "camouflage": camouflage,
    "bricks": bricks,
    "wood": wood,
    "waves": waves,
    "shards": shards,
    "horizon": horizon,
}


def photograph(rng: np.random.Generator, size: int, photo: Array) -> Array:
    """A random crop of ``photo`` (h, w, 3) uint8, flipped at random, its colours varied a little."""
    height, width = photo.shape[:2]
    side = int(rng.uniform(0.45, 1.0) * min(height, width))
    top, left = int(rng.integers(0, height - side + 1)), int(rng.integers(0, width - side + 1))
    crop = Image.fromarray(photo[top : top + side, left : left + side])
    image = np.asarray(crop.resize((size, size), Image.Resampling.LANCZOS), np.float32) / 255.0
    if rng.random() < 0.5:
        image = image[:, ::-1]
    gain, lift = rng.uniform(0.8, 1.15, 3), rng.uniform(-0.06, 0.06)
    return np.clip(image * gain + lift, 0, 1).astype(np.float32)
