"""Grounds and walls: textures seen in perspective."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from . import split
from .material import Array, Material, blend, linear, octaves, paint, smooth_noise, srgb
from .mesh import Mesh, Part

SIZE = 512
Rng = np.random.Generator


@cache
def _photograph(name: str) -> Array | None:
    """A grey texture of scikit-image's own data, (512, 512) in 0..1; None where it isn't installed."""
    try:
        import skimage
    except ImportError:
        return None
    path = Path(skimage.__file__).parent / "data" / f"{name}.png"
    if not path.exists():
        return None
    with Image.open(path) as image:
        return np.asarray(image.convert("L").resize((SIZE, SIZE)), np.float64) / 255


def _tinted(name: str, rng: Rng, dark: tuple[str, ...], light: tuple[str, ...]) -> Array:
    """A photograph between two colours; noise of octaves where scikit-image isn't installed."""
    grey = _photograph(name)
    if grey is None:
        grey = octaves(rng, SIZE, 32, 4)
    low, high = np.quantile(grey, (0.02, 0.98))
    return blend(paint(rng, dark), paint(rng, light), np.clip((grey - low) / (high - low), 0, 1))


def _axes() -> tuple[Array, Array]:
    position = (np.arange(SIZE) + 0.5) / SIZE
    return np.meshgrid(position, position)


def _soft(value: Array, width: float) -> Array:
    return np.clip(value / width + 0.5, 0, 1)


def _cells(rng: Rng, rows: int, columns: int, shift: float, joint: float) -> tuple[Array, Array]:
    """(SIZE, SIZE): a random value a stone of a bond, and 1 within it, 0 in its joints. ``shift``: every other row."""
    x, y = _axes()
    row = np.floor(y * rows).astype(int)
    across = (x * columns + shift * (row % 2)) % columns
    value = rng.random((rows, columns))[row, np.floor(across).astype(int) % columns]
    u, v = across % 1, (y * rows) % 1
    edge = np.minimum(np.minimum(u, 1 - u) / columns, np.minimum(v, 1 - v) / rows)
    return value, _soft(edge - joint, 0.004)


def planks(rng: Rng) -> Array:
    wood = paint(rng, ("c9a26b", "b98452", "9b6a3f", "d8bd92", "a88e6c", "8d7a63"))
    value, inside = _cells(rng, int(rng.integers(4, 8)), 2, rng.uniform(0.2, 0.8), 0.0015)
    fibre = smooth_noise(rng, (SIZE, SIZE), (SIZE // 3, 8))
    wave = np.sin(2 * np.pi * (14 * _axes()[1] + 2.2 * smooth_noise(rng, (SIZE, SIZE), (8, 3)) + 5 * value)) * 0.5 + 0.5
    light = (0.62 + 0.3 * value + 0.12 * fibre + 0.1 * wave) * (0.35 + 0.65 * inside)
    return blend(wood * 0, np.minimum(wood * 1.15, 0.95), np.clip(light / 1.15, 0, 1))


def parquet(rng: Rng) -> Array:
    """Squares of four staves, turned from square to square."""
    wood = paint(rng, ("c9a26b", "b98452", "9b6a3f", "d8bd92"))
    x, y = _axes()
    n, staves = 4, 4
    odd = (np.floor(x * n) + np.floor(y * n)) % 2 > 0
    u, v = np.where(odd, y, x) * n, np.where(odd, x, y) * n
    stave = np.floor(v * staves).astype(int)
    value = rng.random((n * staves, n))[stave % (n * staves), np.floor(u).astype(int) % n]
    edge = np.minimum(np.minimum(u % 1, 1 - u % 1), np.minimum(v * staves % 1, 1 - v * staves % 1) / staves)
    fibre = np.where(
        odd, smooth_noise(rng, (SIZE, SIZE), (10, SIZE // 3)), smooth_noise(rng, (SIZE, SIZE), (SIZE // 3, 10))
    )
    light = (0.6 + 0.28 * value + 0.14 * fibre) * (0.4 + 0.6 * _soft(edge - 0.008, 0.012))
    return blend(wood * 0, np.minimum(wood * 1.15, 0.95), np.clip(light / 1.05, 0, 1))


def tiles(rng: Rng) -> Array:
    value, inside = _cells(rng, 4, 4, 0.0, 0.004)
    tile, joint = (
        paint(rng, ("dcd3c3", "f0e6d2", "8fb3c7", "c79a5b", "a89f91", "b5685b")),
        paint(rng, ("8b8680", "5d5955")),
    )
    cloud = octaves(rng, SIZE, 6, 4)
    face = blend(tile * 0.82, np.minimum(tile * 1.06, 1), np.clip(0.55 * value + 0.45 * cloud, 0, 1)) / 255
    return np.rint((joint + (face - joint) * inside[..., None]) * 255).astype(np.uint8)


def checks(rng: Rng) -> Array:
    x, y = _axes()
    first = paint(rng, ("f0e6d2", "dcd3c3", "e8e4dc"))
    second = paint(rng, ("3b3a3c", "7a4b2e", "27476e", "8c4a3a", "3f6b58", "6e6a66", "c79a5b"))
    n = 2 * int(rng.integers(1, 3))
    one, two = (_soft(np.sin(np.pi * n * axis), 0.02 * n) for axis in (x, y))
    share = one + two - 2 * one * two
    marbled = np.clip(share + 0.22 * (octaves(rng, SIZE, 8, 4) - 0.5), 0, 1)
    return blend(first, second, marbled)


def cloth(rng: Rng) -> Array:
    first = paint(rng)
    second = paint(rng, ("f0e6d2", "dcd3c3", "3b3a3c"))
    x, y = _axes()
    weave = 0.5 + 0.5 * np.sin(2 * np.pi * 96 * x) * np.sin(2 * np.pi * 96 * y)
    n = int(rng.integers(2, 6))
    kind = rng.integers(3)
    if kind == 0:
        band = 0.5 * (_soft(np.sin(2 * np.pi * n * x), 0.2) + _soft(np.sin(2 * np.pi * n * y), 0.2))
    elif kind == 1:
        band = _soft(np.sin(2 * np.pi * n * x) - 0.5, 0.2)
    else:
        band = np.zeros_like(x)
    image = blend(first, second, band) / 255
    return np.rint(
        np.clip(image * (0.8 + 0.2 * weave + 0.1 * (octaves(rng, SIZE, 8) - 0.5))[..., None], 0, 1) * 255
    ).astype(np.uint8)


def concrete(rng: Rng) -> Array:
    base = paint(rng, ("a8a49c", "8f8c88", "bdb6a8", "77797d"))
    cloud, grain = octaves(rng, SIZE, 4, 6), rng.random((SIZE, SIZE))
    return blend(base * 0.72, np.minimum(base * 1.12, 1), np.clip(0.75 * cloud + 0.25 * grain, 0, 1))


def carpet(rng: Rng) -> Array:
    base = paint(rng)
    tuft = smooth_noise(rng, (SIZE, SIZE), (128, 128))
    return blend(base * 0.6, np.minimum(base * 1.1, 1), np.clip(0.7 * tuft + 0.3 * octaves(rng, SIZE, 5), 0, 1))


def plain(rng: Rng) -> Array:
    base = paint(rng, ("dcd3c3", "f0e6d2", "8fb3c7", "c9b6a0", "a3b5a0", "b7a6b5", "e3c9b0", "9aa5b1", "cfcfcf"))
    return blend(base * 0.95, np.minimum(base * 1.03, 1), octaves(rng, SIZE, 3, 3))


def terrazzo(rng: Rng) -> Array:
    base = paint(rng, ("dcd3c3", "cfcac2", "b3a99c"))
    image = np.tile(base, (SIZE, SIZE, 1)) * (0.95 + 0.1 * octaves(rng, SIZE, 6)[..., None])
    for _ in range(4):
        chip = octaves(rng, SIZE, int(rng.integers(14, 26)), 2)
        image += (paint(rng) - image) * _soft(chip - np.quantile(chip, 0.93), 0.03)[..., None]
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


def sand(rng: Rng) -> Array:
    base = paint(rng, ("d8c29a", "c9ae84", "e0d0b0"))
    _, y = _axes()
    ripple = 0.5 + 0.5 * np.sin(2 * np.pi * (12 * y + 1.5 * octaves(rng, SIZE, 3, 3)))
    return blend(base * 0.72, np.minimum(base * 1.08, 1), np.clip(0.5 * ripple + 0.5 * rng.random((SIZE, SIZE)), 0, 1))


def slabs(rng: Rng) -> Array:
    value, inside = _cells(rng, 4, 3, 0.5, 0.006)
    stone = paint(rng, ("8f8c88", "a39b8b", "7b8087", "a58c76"))
    rough = octaves(rng, SIZE, 10, 5)
    return blend(stone * 0.35, np.minimum(stone * 1.15, 1), np.clip((0.35 + 0.3 * value + 0.4 * rough) * inside, 0, 1))


def _nearest(rng: Rng, count: int, stretch: float = 1.0) -> tuple[Array, Array, Array]:
    """Periodic Voronoi cells: number of the nearest seed, distance to it and to the border (about)."""
    from scipy.spatial import cKDTree

    seeds = rng.random((count, 2))
    around = np.concatenate([seeds + (i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)])
    points = np.stack(_axes(), axis=-1).reshape(-1, 2)
    distance, index = cKDTree(around * (1, stretch)).query(points * (1, stretch), k=2)
    shape = (SIZE, SIZE)
    return (
        (index[:, 0] % count).reshape(shape),
        distance[:, 0].reshape(shape),
        (distance[:, 1] - distance[:, 0]).reshape(shape),
    )


def cobble(rng: Rng) -> Array:
    number, near, border = _nearest(rng, 120)
    stone = paint(rng, ("8f8c88", "7b756d", "a39b8b", "6b7077"))
    value = rng.random(120)[number]
    light = (0.5 + 0.35 * value + 0.25 * (octaves(rng, SIZE, 24) - 0.5) - 2.5 * near) * _soft(border - 0.012, 0.016)
    return blend(stone * 0.2, np.minimum(stone * 1.25, 1), np.clip(light + 0.1, 0, 1))


def hexagons(rng: Rng) -> Array:
    x, y = _axes()
    columns, rows = 4, 4
    best, value = np.full((SIZE, SIZE), 9.0), np.zeros((SIZE, SIZE))
    second = best.copy()
    colours = rng.random((2 * rows, columns))
    for row in range(-1, 2 * rows + 1):
        for column in range(-1, columns + 1):
            centre = (column + 0.5 * (row % 2)) / columns, row / (2 * rows)
            distance = np.hypot(x - centre[0], (y - centre[1]) * np.sqrt(3) * rows / columns)
            closer = distance < best
            second = np.where(closer, best, np.minimum(second, distance))
            value = np.where(closer, colours[row % (2 * rows), column % columns], value)
            best = np.minimum(best, distance)
    tile, other, joint = paint(rng), paint(rng, ("f0e6d2", "dcd3c3")), paint(rng, ("5d5955", "cfcac2"))
    face = blend(other, tile, np.clip((value > 0.6) * 0.9 + 0.1 * octaves(rng, SIZE, 6), 0, 1)) / 255
    inside = _soft(second - best - 0.012, 0.01)
    return np.rint((joint + (face - joint) * inside[..., None]) * 255).astype(np.uint8)


def mosaic(rng: Rng) -> Array:
    value, inside = _cells(rng, 16, 16, 0.0, 0.0025)
    colours = np.stack([paint(rng) for _ in range(3)] + [srgb("f0e6d2")] * 2)
    face = colours[np.floor(value * 5).astype(int).clip(0, 4)] * (0.9 + 0.1 * rng.random((SIZE, SIZE, 1)))
    joint = srgb("cfcac2")
    return np.rint((joint + (face - joint) * inside[..., None]) * 255).astype(np.uint8)


def brick(rng: Rng) -> Array:
    return _tinted("brick", rng, ("5a3a30", "4a4a4c", "6a4a38"), ("c98a6a", "b9b2a8", "d8a880", "c0655a"))


def grass(rng: Rng) -> Array:
    return _tinted("grass", rng, ("1f3a18", "2a3a1c"), ("8fae5a", "9aa860", "7c9a3d"))


def gravel(rng: Rng) -> Array:
    return _tinted("gravel", rng, ("3a3632", "45403a"), ("cfc7b8", "b8b4ae", "d8c8ac"))


# Texture, metres that one texture covers, roughness (lowest, highest), whether it lies out of doors.
GROUNDS = {
    "planks": (planks, 1.3, (0.12, 0.6), False), "parquet": (parquet, 1.5, (0.1, 0.5), False),
    "tiles": (tiles, 1.6, (0.08, 0.4), False), "checks": (checks, 1.6, (0.08, 0.6), False),
    "cloth": (cloth, 1.4, (0.9, 1.0), False), "concrete": (concrete, 2.2, (0.4, 0.9), True),
    "carpet": (carpet, 0.8, (1.0, 1.0), False), "plain": (plain, 3.0, (0.15, 0.9), False),
    "terrazzo": (terrazzo, 1.0, (0.08, 0.3), False), "sand": (sand, 1.6, (1.0, 1.0), True),
    "slabs": (slabs, 1.8, (0.5, 0.9), True), "cobble": (cobble, 1.7, (0.6, 0.9), True),
    "hexagons": (hexagons, 1.4, (0.1, 0.4), False), "mosaic": (mosaic, 1.6, (0.15, 0.4), False),
    "brick": (brick, 1.4, (0.7, 0.95), True), "grass": (grass, 1.3, (1.0, 1.0), True),
    "gravel": (gravel, 1.2, (0.8, 1.0), True),
}  # fmt: skip


def quad(corner: Array, across: Array, up: Array, metres: float) -> Mesh:
    """A parallelogram, facing across x up; one texture covers ``metres``."""
    corner, across, up = (np.asarray(value, np.float64) for value in (corner, across, up))
    vertices = np.stack([corner, corner + across, corner + across + up, corner + up])
    normal = np.cross(across, up)
    width, height = np.linalg.norm(across) / metres, np.linalg.norm(up) / metres
    return Mesh(
        vertices.astype(np.float32), np.array([[0, 1, 2], [0, 2, 3]], np.uint32),
        np.tile(normal / np.linalg.norm(normal), (4, 1)).astype(np.float32),
        np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32),
    )  # fmt: skip


def ground(rng: Rng, part: str) -> tuple[str, Part, bool]:
    """(kind, a square of 24 metres at z = 0, whether it lies out of doors) with a ground of split ``part``."""
    names = split.members("ground", part, tuple(GROUNDS))
    name = names[int(rng.integers(len(names)))]
    make, metres, rough, outside = GROUNDS[name]
    material = Material(
        texture=make(rng), roughness=rng.uniform(*rough), specular=0.15 if rough[0] >= 0.9 else 0.4, kind=name
    )
    turn = rng.uniform(-0.6, 0.6)
    across = 24 * np.array([np.cos(turn), np.sin(turn), 0])
    up = 24 * np.array([-np.sin(turn), np.cos(turn), 0])
    shift = rng.uniform(-1, 1, 2)
    corner = np.array([*shift, 0]) - (across + up) / 2
    return name, Part(quad(corner, across, up, metres * rng.uniform(0.75, 1.3)), material, "ground"), outside


def wall(rng: Rng, part: str, distance: float) -> tuple[str, list[Part]]:
    """(kind, parts): a wall behind, at y = ``distance``, with or without a skirting board."""
    kind = str(rng.choice(["paint", "paint", "stripes", "plaster", "ground"]))
    if kind == "ground":
        held = split.members("ground", part, tuple(GROUNDS))
        usable = [
            name for name in ("brick", "planks", "tiles", "mosaic", "slabs", "concrete", "hexagons") if name in held
        ] or ["plain"]
        kind = usable[int(rng.integers(len(usable)))]
        make, metres, _, _ = GROUNDS[kind]
        material = Material(texture=make(rng), roughness=0.8, specular=0.2, kind=kind)
    else:
        base = paint(
            rng,
            (
                "dcd3c3",
                "f0e6d2",
                "8fb3c7",
                "c9b6a0",
                "a3b5a0",
                "b7a6b5",
                "9aa5b1",
                "cfcfcf",
                "c98a7a",
                "5f7f86",
                "d9c27a",
            ),
        )
        metres, share = 1.5, octaves(rng, SIZE, 8, 5)
        if kind == "stripes":
            band = _soft(np.sin(2 * np.pi * int(rng.integers(3, 9)) * _axes()[0]), 0.1)
            texture = blend(base, np.clip(base * rng.uniform(0.75, 1.15), 0, 1), band)
        elif kind == "plaster":
            texture = blend(base * 0.85, np.minimum(base * 1.05, 1), share)
        else:
            texture = blend(base * 0.97, base, share)
        material = Material(texture=texture, roughness=rng.uniform(0.5, 1.0), specular=0.2, kind=kind)
    parts = [Part(quad((-12, distance, 0), (24, 0, 0), (0, 0, 8), metres), material, "wall")]
    if rng.random() < 0.35:
        board = Material(tuple(linear(paint(rng, ("f0e6d2", "dcd3c3", "7a4b2e", "6e6a66")))), roughness=0.4)
        height = rng.uniform(0.06, 0.14)
        parts += [Part(quad((-12, distance - 0.02, 0), (24, 0, 0), (0, 0, height), 1), board, "board"),
                  Part(quad((-12, distance - 0.02, height), (24, 0, 0), (0, 0.02, 0), 1), board, "board")]  # fmt: skip
    return kind, parts
