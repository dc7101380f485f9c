"""Semantic interpolation against a sum written out, and what it must not read."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InputError
from core.fill.background import FillSettings, continue_background
from core.fill.semantic import attended
from core.motion.movement import Movement
from core.space.grid import Grid
from tests.core.builders import normal, uniform


def attention(batch: int, count: int, seed: int = 0) -> torch.Tensor:
    return normal(batch, count, count, seed=seed).mul(2).softmax(-1).half()


@given(st.integers(3, 6), st.integers(3, 6), st.floats(0.1, 0.8), st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_against_the_sum_written_out(height, width, share, seed):
    latent, maps = normal(2, 3, height, width, seed=seed), attention(2, height * width, seed)
    hole = uniform(2, height, width, seed=seed + 1) < share
    hole[:, 0, 0] = False
    got = attended(latent, hole, {(height, width): maps, (1, 2): attention(2, 2)})
    for index in range(2):
        cells = [(y, x) for y in range(height) for x in range(width)]
        for p, (y, x) in enumerate(cells):
            expected = latent[index, :, y, x]
            if hole[index, y, x]:
                read = [(q, b, a) for q, (b, a) in enumerate(cells) if not hole[index, b, a]]
                weights = [float(maps[index, p, q]) for q, _, _ in read]
                values = [w * latent[index, :, b, a] for w, (_, b, a) in zip(weights, read, strict=True)]
                expected = torch.stack(values).sum(0) / sum(weights)
            torch.testing.assert_close(got[index, :, y, x], expected, atol=2e-4, rtol=2e-3)


def test_nothing_is_read_from_the_hole():
    latent, hole = normal(1, 4, 8, 8), torch.zeros(1, 8, 8, dtype=torch.bool)
    hole[:, 2:5, 3:6] = True
    maps = {(4, 4): attention(1, 16)}
    other = torch.where(hole[:, None], torch.full_like(latent, 1e4), latent)
    assert torch.equal(attended(other, hole, maps), attended(latent, hole, maps))
    constant = torch.where(hole[:, None], latent, torch.full_like(latent, 0.7))
    torch.testing.assert_close(attended(constant, hole, maps), torch.full_like(latent, 0.7), atol=1e-3, rtol=0)


def test_attention_to_the_hole_alone_is_continued_smoothly():
    latent, hole = torch.full((1, 4, 4, 4), 0.3), torch.zeros(1, 4, 4, dtype=torch.bool)
    hole[:, 1:3, 1:3] = True
    own = torch.eye(16)[None]
    torch.testing.assert_close(attended(latent, hole, {(4, 4): own}), latent)
    assert attended(latent, torch.ones_like(hole), {(4, 4): own}).isfinite().all()


def test_maps_that_do_not_fit_are_refused():
    latent, hole = normal(2, 4, 4, 4), torch.ones(2, 4, 4, dtype=torch.bool)
    with pytest.raises(InputError, match="no attention"):
        attended(latent, hole, {})
    with pytest.raises(InputError, match="1 pictures"):
        attended(latent, hole, {(4, 4): attention(1, 16)})


def test_the_setting_fills_the_latent_and_leaves_the_rest():
    grid = Grid.padded(64, 64)
    leaving, nothing = torch.zeros(1, 8, 8), torch.zeros(1, 8, 8)
    leaving[:, 2:4, 2:4] = 1
    element = grid.spread_cells(leaving)
    way = torch.zeros(1, 2, 8, 8)
    movement = Movement(grid, element, leaving, nothing, way, way, leaving)
    clean, maps = normal(1, 4, 8, 8), {(8, 8): attention(1, 64)}
    background = continue_background(movement, clean, FillSettings(method="attention"), maps=maps)
    hole = movement.hole_cells(4)
    assert background.picture is None
    assert torch.equal(background.latent, attended(clean, hole, maps))
    assert torch.equal(background.latent[~hole[:, None].expand_as(clean)], clean[~hole[:, None].expand_as(clean)])
