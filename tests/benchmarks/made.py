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


def write(root: Path, made: Scene) -> Path:
    """The scene as a folder."""
    folder = root / made.name
    folder.mkdir(parents=True)
    for name in ("source", "target", "object_mask", "target_mask"):
        Image.fromarray(np.rint(getattr(made, name) * 255).astype(np.uint8)).save(folder / f"{name}.png")
    pairs = [{"handle": pair.handle, "target": pair.target} for pair in made.points.pairs]
    (folder / "points.json").write_text(json.dumps({"version": 1, "pairs": pairs}), "utf-8")
    if made.meta:
        (folder / "meta.json").write_text(json.dumps(made.meta), "utf-8")
    return folder


def toy_model(kept: int = 4, denoiser=None) -> model.Model:
    """A toy model; ``kept=LOSSLESS`` latent channels decode without loss, but only 4 go through the U-Net."""
    return model.make(denoiser or ToyUNet(), Patchify(kept), sigma_of, {"name": "toy"})
