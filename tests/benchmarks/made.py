"""Scenes drawn for tests, in memory and on disk."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import model
from benchmarks.scene import Scene
from core.space.points import make_points
from tests.core.toy_unet import Patchify, ToyUNet, sigma_of

LOSSLESS = 192


def texture(height: int, width: int, seed: int = 0, smooth: int = 3) -> np.ndarray:
    """A smooth random texture (height, width, 3) in 0..1 that continues past its ends."""
    spectrum = np.fft.fft2(np.random.default_rng(seed).normal(size=(height, width, 3)), axes=(0, 1))
    y, x = np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None]
    spectrum *= np.exp(-2 * (np.pi * smooth) ** 2 * (x**2 + y**2) / 4)[..., None]
    plane = np.fft.ifft2(spectrum, axes=(0, 1)).real
    return (plane - plane.min()) / (plane.max() - plane.min())


def rolled(plane: np.ndarray, dx: float, dy: float) -> np.ndarray:
    """A texture shifted by any distance, exactly (in its Fourier series)."""
    height, width = plane.shape[:2]
    phase = np.exp(-2j * np.pi * (np.fft.fftfreq(height)[:, None] * dy + np.fft.fftfreq(width)[None] * dx))
    return np.fft.ifft2(np.fft.fft2(plane, axes=(0, 1)) * phase[..., None], axes=(0, 1)).real


def scene(
    size: tuple[int, int] = (64, 80), box: tuple[int, int, int, int] = (16, 16, 40, 32), way: tuple[int, int] = (24, 8),
    ground: np.ndarray | None = None, element: np.ndarray | None = None, name: str = "made", kind: str | None = "flat",
) -> Scene:
    """A textured box on a ground, moved by ``way`` (dx, dy) px; ``box`` is (top, left, bottom, right)."""
    height, width = size
    top, left, bottom, right = box
    ground = np.full((height, width, 3), (0.2, 0.5, 0.8)) if ground is None else ground
    element = texture(bottom - top, right - left, seed=1) if element is None else element
    pictures, masks = [], []
    for dx, dy in ((0, 0), way):
        picture, mask = ground.copy(), np.zeros((height, width), np.float32)
        ys, xs = np.mgrid[top + dy : bottom + dy, left + dx : right + dx]
        inside = (ys >= 0) & (ys < height) & (xs >= 0) & (xs < width)
        picture[ys[inside], xs[inside]] = element[inside]
        mask[ys[inside], xs[inside]] = 1
        # What a PNG keeps of it.
        pictures.append((np.rint(picture * 255) / 255).astype(np.float32))
        masks.append(mask)
    centre = np.array([(left + right) / 2, (top + bottom) / 2])
    extent = np.array([width, height])
    points = make_points([(tuple(centre / extent), tuple((centre + way) / extent))])
    meta = {} if kind is None else {"background": kind}
    return Scene(name, pictures[0], pictures[1], masks[0], masks[1], points.on_image(height, width), meta)


def world(
    family: str = "slide", size: int = 96, way: tuple[float, float] = (26.0, 6.0), turn: float = 0.5,
    grown: float = 1.15, shadow: tuple[float, float] = (14.0, 10.0), name: str = "world",
) -> Scene:
    """A textured disc on a textured ground that goes ``way`` px, turns by ``turn`` rad, grows, and throws a shadow.

    The disc's picture after is looked up through its true map, so that the flow is exact; its shadow, a darker disc
    ``shadow`` px beside it, goes along.
    """
    rows, columns = np.mgrid[:size, :size].astype(np.float64)
    ground, skin = texture(size, size, seed=3, smooth=5), texture(size, size, seed=4, smooth=4)
    centre, radius = np.array([0.36 * size, 0.4 * size]), 0.14 * size
    cosine, sine = grown * np.cos(turn), grown * np.sin(turn)
    linear = np.array([[cosine, -sine], [sine, cosine]])
    places = np.stack([columns, rows], -1)
    after = (places - centre) @ linear.T + centre + way
    back = (places - centre - way) @ np.linalg.inv(linear).T + centre
    covers = [np.hypot(*(place - centre).transpose(2, 0, 1)) <= radius for place in (places, back)]
    shades = [np.hypot(*(place - centre - shadow).transpose(2, 0, 1)) <= radius for place in (places, places - way)]
    pictures = []
    for cover, shade, place in zip(covers, shades, (places, back), strict=True):
        picture = ground * np.where(shade, 0.45, 1.0)[..., None]
        column, row = np.clip(place, 0, size - 1.001).transpose(2, 0, 1)
        left, top = column.astype(int), row.astype(int)
        right_share, low_share = (column - left)[..., None], (row - top)[..., None]
        upper = (1 - right_share) * skin[top, left] + right_share * skin[top, left + 1]
        lower = (1 - right_share) * skin[top + 1, left] + right_share * skin[top + 1, left + 1]
        picture = np.where(cover[..., None], 0.2 + 0.7 * ((1 - low_share) * upper + low_share * lower), picture)
        pictures.append((np.rint(picture * 255) / 255).astype(np.float32))
    changed = np.abs(pictures[1] - pictures[0]).max(-1) > 0.02
    light = changed & ~covers[0] & ~covers[1]
    areas = {
        "changed": changed, "light": light, "old_shadow": light & shades[0] & ~shades[1],
        "new_shadow": light & shades[1] & ~shades[0], "revealed": covers[0] & ~covers[1],
    }  # fmt: skip
    flow = np.where(covers[0][..., None], after + 0.5, np.nan).astype(np.float32)
    handles = [centre] if family != "turn" else [centre + (0.5 * radius, 0), centre - (0.5 * radius, 0)]
    pairs = [(handle, (handle - centre) @ linear.T + centre + way) for handle in handles]
    points = make_points([(tuple((a + 0.5) / size), tuple((b + 0.5) / size)) for a, b in pairs])
    masks = [cover.astype(np.float32) for cover in covers]
    return Scene(
        name, pictures[0], pictures[1], masks[0], masks[1], points.on_image(size, size), {"family": family},
        flow, covers[0].copy(), areas,
    )  # fmt: skip


def write(root: Path, made: Scene) -> Path:
    """The scene as a folder."""
    folder = root / made.name
    folder.mkdir(parents=True)
    for name in ("source", "target", "object_mask", "target_mask"):
        Image.fromarray(np.rint(getattr(made, name) * 255).astype(np.uint8)).save(folder / f"{name}.png")
    for name, area in made.areas.items():
        Image.fromarray((area * 255).astype(np.uint8)).save(folder / f"{name}.png")
    if made.flow is not None:
        np.savez_compressed(folder / "flow.npz", flow=made.flow, visible=made.visible)
    pairs = [{"handle": pair.handle, "target": pair.target} for pair in made.points.pairs]
    (folder / "points.json").write_text(json.dumps({"version": 1, "pairs": pairs}), "utf-8")
    if made.meta:
        (folder / "meta.json").write_text(json.dumps(made.meta), "utf-8")
    return folder


def toy_model(kept: int = 4, denoiser=None) -> model.Model:
    """A toy model; ``kept=LOSSLESS`` latent channels decode without loss, but only 4 go through the U-Net."""
    return model.make(denoiser or ToyUNet(), Patchify(kept), sigma_of, {"name": "toy"})
