"""Smoothing between the picture's edges, against a dense solution of its equations."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.region.edges import edge_weights, smooth
from tests.core.builders import normal, uniform


def dense(values: torch.Tensor, picture: torch.Tensor, length: float) -> torch.Tensor:
    """The minimum by solving the normal equations, pixel by pixel, in float64: (H, W)."""
    height, width = values.shape
    planes = picture.double()
    pairs = [((y, x), (y, x + 1)) for y in range(height) for x in range(width - 1)]
    pairs += [((y, x), (y + 1, x)) for y in range(height - 1) for x in range(width)]
    squares = [float((planes[:, a[0], a[1]] - planes[:, b[0], b[1]]).square().sum()) for a, b in pairs]
    spread = max(sum(squares) / len(squares), 1e-5) if squares else 1.0
    matrix = torch.eye(height * width, dtype=torch.float64)
    for (a, b), square in zip(pairs, squares, strict=True):
        weight = length**2 * (math.exp(-square / (2 * spread)) + 1e-4)
        i, j = a[0] * width + a[1], b[0] * width + b[1]
        matrix[i, i] += weight
        matrix[j, j] += weight
        matrix[i, j] -= weight
        matrix[j, i] -= weight
    return torch.linalg.solve(matrix, values.double().flatten()).view(height, width)


@given(st.integers(1, 9), st.integers(1, 9), st.floats(0.0, 20.0), st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_it_is_the_minimum_of_what_it_says(height, width, length, seed):
    picture, values = uniform(1, 3, height, width, seed=seed), normal(1, 1, height, width, seed=seed + 1)
    got = smooth(values, edge_weights(picture), length)
    expected = dense(values[0, 0], picture[0], length)
    assert torch.allclose(got[0, 0].double(), expected, atol=2e-4)


def test_sixty_steps_are_enough_for_a_whole_picture():
    """Against the residual of the equations themselves, on a picture with areas, edges and noise."""
    y, x = torch.meshgrid(torch.arange(160.0), torch.arange(200.0), indexing="ij")
    picture = torch.where(torch.hypot(x - 90, y - 70) < 45, 0.8, 0.3)[None, None].expand(1, 3, -1, -1)
    weights = edge_weights(picture + 0.02 * normal(1, 3, 160, 200))
    values = -5 + 4 * torch.exp(-((x - 85).square() + (y - 70).square()) / 3000)[None, None]
    rough, fine = smooth(values, weights), values
    for _ in range(8):
        # Restarts on what is left over converge as far as float32 goes.
        fine = fine + smooth(values - applied(fine, weights), weights)
    assert float((rough - fine).abs().max()) < 0.02


def applied(x: torch.Tensor, weights) -> torch.Tensor:
    """The equations' left side, written out with differences to all four neighbours."""
    total = x.clone()
    across, down = 100 * weights.across, 100 * weights.down
    total[..., :, 1:] += across * (x[..., :, 1:] - x[..., :, :-1])
    total[..., :, :-1] += across * (x[..., :, :-1] - x[..., :, 1:])
    total[..., 1:, :] += down * (x[..., 1:, :] - x[..., :-1, :])
    total[..., :-1, :] += down * (x[..., :-1, :] - x[..., 1:, :])
    return total


@pytest.mark.parametrize("length", [3.0, 10.0, 40.0])
def test_nothing_crosses_an_edge_and_areas_become_even(length):
    picture = torch.zeros(1, 3, 40, 40)
    picture[..., 20:] = 1
    values = 0.1 * normal(1, 1, 40, 40)
    values[..., 20:] += 5
    got = smooth(values, edge_weights(picture), length)
    assert float(got[..., :20].mean()) == pytest.approx(float(values[..., :20].mean()), abs=0.1)
    assert float(got[..., 20:].mean()) == pytest.approx(float(values[..., 20:].mean()), abs=0.1)
    assert float(got[..., :20].std()) < 0.5 * float(values[..., :20].std())


@pytest.mark.parametrize("value", [-9.2, 0.0, 3.0])
def test_an_even_map_stays_as_it_is_whatever_the_picture(value):
    values = torch.full((2, 1, 17, 23), value)
    for picture in (uniform(2, 3, 17, 23), torch.full((2, 3, 17, 23), 0.5)):
        assert torch.allclose(smooth(values, edge_weights(picture)), values, atol=1e-4)


def test_pictures_of_a_batch_are_smoothed_apart():
    picture, values = uniform(2, 3, 20, 24), normal(2, 1, 20, 24)
    both = smooth(values, edge_weights(picture))
    for index in range(2):
        one = smooth(values[index : index + 1], edge_weights(picture[index : index + 1]))
        assert torch.allclose(both[index : index + 1], one, atol=1e-5)
