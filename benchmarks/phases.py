"""What the region and the field cost, by the size of the picture, of the object and by the number of handles.

Neither costs an evaluation, so no model is needed: the picture is drawn, and the attention maps are those of a model
that tells its object from the rest, on the token grids that a capture keeps of such a picture.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from core.attention.correlation import correlate
from core.edit import Found, planned
from core.motion.objects import objects_of
from core.region.found import find_element
from core.region.parts import part_odds
from core.region.sight import sights_of
from core.settings import EditSettings
from core.space.grid import Grid
from core.space.points import DragPoints, make_points

SIZES = (512, 1024, 2048)
OBJECTS = {"small": 0.05, "medium": 0.15, "large": 0.35}
"""Radius of the object as a share of the picture's side."""
HANDLES = (1, 2, 4)
LARGEST_TOKENS = 4096
WANTED = {512: 0.3, 1024: 1.0, 2048: 3.0}
"""Seconds of both with one handle on two cores; each further handle at most a fifth more."""


def drawn(side: int, radius: float, handles: int) -> tuple[torch.Tensor, DragPoints, dict[tuple[int, int], Any]]:
    """A picture (1, side, side, 3) of a disc on a textured ground, drags that turn it, and its attention maps."""
    y, x = (np.mgrid[:side, :side] + 0.5) / side
    noise = np.random.default_rng(0).normal(0, 0.05, (side, side, 1))
    picture = np.stack([x, y, 0.5 + 0.2 * np.sin(x * 60)], -1) + noise
    picture[np.hypot(x - 0.5, y - 0.5) < radius] = (0.9, 0.2, 0.1)
    image = torch.from_numpy(picture.clip(0, 1).astype(np.float32))[None]

    angles = 2 * np.pi * np.arange(handles) / max(handles, 1)
    pairs = []
    for angle in angles:
        reach = 0.0 if handles == 1 else 0.6 * radius
        handle = 0.5 + reach * np.cos(angle), 0.5 + reach * np.sin(angle)
        target = 0.53 + reach * np.cos(angle + 0.3), 0.5 + reach * np.sin(angle + 0.3)
        pairs.append((handle, target))
    return image, make_points(pairs).on_image(side, side), _maps(side, radius)


def _maps(side: int, radius: float) -> dict[tuple[int, int], torch.Tensor]:
    maps = {}
    grids = [side // 8 // 2**level for level in range(5)]
    for count in [one for one in grids if 8 <= one and one * one <= LARGEST_TOKENS][:2]:
        place = (torch.arange(count) + 0.5) / count
        y, x = (plane.flatten() for plane in torch.meshgrid(place, place, indexing="ij"))
        inside = torch.hypot(x - 0.5, y - 0.5) < radius
        sights = (-torch.hypot(x[:, None] - x, y[:, None] - y) / 0.3).exp()
        sights = sights * torch.where(inside[:, None] == inside, 1.0, 0.05)
        maps[count, count] = (sights / sights.sum(-1, keepdim=True))[None]
    return maps


def once(
    image: torch.Tensor, points: DragPoints, maps: dict[tuple[int, int], torch.Tensor], settings: EditSettings
) -> dict[str, float]:
    """Seconds of the correlation with the region, and of the field."""
    grid = Grid.padded(*image.shape[1:3])
    began = time.perf_counter()
    correlation = correlate(maps, grid, points, settings.correlation)
    sights = sights_of(maps, correlation, grid, points, image)
    element = find_element(correlation, grid, points, settings.element, image, maps, sights)
    objects, parts = objects_of(element, correlation, grid, points), part_odds(sights, element, len(points))
    found = time.perf_counter()
    planned(Found(grid, points, correlation, element, objects, parts), settings, image)
    return {"region": found - began, "field": time.perf_counter() - found}


def measure(settings: EditSettings, sizes: Sequence[int] = SIZES, repeats: int = 3) -> list[dict[str, Any]]:
    """Medians over ``repeats`` of every size, object and number of handles, after one run that does not count."""
    rows = []
    for side, (name, radius), handles in itertools.product(sizes, OBJECTS.items(), HANDLES):
        made = drawn(side, radius, handles)
        once(*made, settings)
        runs = [once(*made, settings) for _ in range(max(1, repeats))]
        row = {"side": side, "object": name, "handles": handles}
        rows.append(row | {phase: statistics.median(run[phase] for run in runs) for phase in runs[0]})
    return rows
