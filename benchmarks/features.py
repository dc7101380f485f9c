"""A U-Net's own features of a picture, by which points can be followed (as DIFT, arXiv 2306.03881, does).

The picture's latent is noised to timestep ``TIMESTEP`` with one fixed noise and evaluated once, without a prompt. The
inputs of the last self-attention of the up blocks at each of the two finest token grids are brought to unit length,
enlarged bilinearly and joined. They belong to the model that is being judged: figures made with them are read beside
others, never in their place.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F

from core.attention.tokens import TokenRecorder
from core.model.layers import Layer
from core.space.grid import CELL, Grid

from .model import Model

TIMESTEP = 261
LEVELS = 2
SIDE = 128
"""Features of a picture's shorter side: finer ones cost memory and tell no more."""


class Features:
    """Features of pictures by one model."""

    def __init__(self, loaded: Model):
        self._host = loaded.host
        self._layers = _chosen(loaded.host.denoiser.layers)
        self._sigma = float(loaded.host.sigma_of(TIMESTEP))

    @torch.no_grad()
    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, int]:
        """Features of a picture (H, W, 3): (C, ceil(H / stride), ceil(W / stride)) float32, and the stride in px."""
        height, width = image.shape[:2]
        grid = Grid.padded(height, width, CELL)
        latent = self._host.encode(grid.pad_image(torch.from_numpy(np.ascontiguousarray(image))[None])).float()
        noise = torch.randn(latent.shape, generator=torch.Generator("cpu").manual_seed(0)).to(latent)
        recorder = TokenRecorder(frozenset(self._layers), grid.latent_size)
        self._host.denoiser.denoise(latent + self._sigma * noise, self._sigma, recorder)
        stride = max(2, round(min(height, width) / SIDE))
        covered = grid.covered_size
        planes = []
        for layer in self._layers:
            tokens = recorder.kept[layer.name].float().cpu()
            rows = F.normalize(tokens, dim=-1).transpose(1, 2).unflatten(-1, layer.token_grid(grid.latent_size))
            size = [math.ceil(side / stride) for side in covered]
            planes.append(F.interpolate(rows, size=size, mode="bilinear", align_corners=False)[0])
        joined = F.normalize(torch.cat(planes), dim=0).numpy()
        return joined[:, : math.ceil(height / stride), : math.ceil(width / stride)], stride


def _chosen(layers: tuple[Layer, ...]) -> list[Layer]:
    last = {layer.level: layer for layer in layers if layer.side == "up"} or {layer.level: layer for layer in layers}
    return [last[level] for level in sorted(last)[:LEVELS]]
