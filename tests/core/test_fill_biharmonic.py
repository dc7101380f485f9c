"""The least-bending continuation against a dense solution and functions that it must reproduce."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.fill.biharmonic import biharmonic
from core.fill.harmonic import harmonic
from tests.core.builders import normal, uniform


def laplacian(height: int, width: int) -> torch.Tensor:
    """(h w, h w) float64: each cell's number of neighbours times itself, less the neighbours."""
    matrix = torch.zeros(height * width, height * width, dtype=torch.float64)
    for y in range(height):
        for x in range(width):
            for row, column in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if 0 <= row < height and 0 <= column < width:
                    matrix[y * width + x, y * width + x] += 1
                    matrix[y * width + x, row * width + column] -= 1
    return matrix


def ranges(values: torch.Tensor, hole: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Least and largest value round each cell's connected hole, cell by cell, as nobody would do it."""
    low, high = torch.zeros_like(values), torch.zeros_like(values)
    left = {(int(y), int(x)) for y, x in hole.nonzero()}
    while left:
        own, edge = set(), [left.pop()]
        while edge:
            y, x = edge.pop()
            own.add((y, x))
            beside = {(y + b, x + a) for a in (-1, 0, 1) for b in (-1, 0, 1)} & left
            left -= beside
            edge += beside
        reach = max(4, round(0.25 * len(own) ** 0.5))
        known = [
            float(values[y, x])
            for y, x in (~hole).nonzero().tolist()
            if any(max(abs(y - b), abs(x - a)) <= reach for b, a in own)
        ]
        for y, x in own:
            low[y, x], high[y, x] = min(known), max(known)
    return low, high


@given(st.integers(2, 9), st.integers(2, 9), st.floats(0.05, 0.7), st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_random_holes_against_the_dense_least_squares(height, width, share, seed):
    planes = uniform(1, 2, height, width, seed=seed)
    hole = uniform(1, height, width, seed=seed + 1) < share
    hole[0, 0, 0] = False
    got = biharmonic(planes, hole)[0].double()
    matrix, inside = laplacian(height, width), hole[0].flatten()
    for channel in range(2):
        values = planes[0, channel].flatten().double()
        right = -matrix[:, ~inside] @ values[~inside]
        expected = torch.linalg.lstsq(matrix[:, inside], right[:, None], driver="gelsd").solution[:, 0]
        low, high = ranges(planes[0, channel].double(), hole[0])
        expected = expected.clamp(low.flatten()[inside], high.flatten()[inside])
        assert torch.allclose(got[channel].flatten()[inside], expected, atol=1e-3)
    assert torch.equal(got.float()[:, ~hole[0]], planes[0][:, ~hole[0]])


@pytest.mark.parametrize("function", [lambda x, y: 0.3 * x - 0.2 * y, lambda x, y: x**3 - 3 * x * y**2 + x * y])
def test_it_carries_on_slopes_and_bends(function):
    """Polynomials whose Laplacian has no Laplacian come out as they were."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, 30), torch.linspace(-1, 1, 34), indexing="ij")
    planes = function(x, y)[None, None]
    hole = torch.zeros(1, 30, 34, dtype=torch.bool)
    hole[:, 8:20, 10:25] = True
    assert torch.allclose(biharmonic(planes, hole), planes, atol=2e-3)


def test_a_ramp_at_the_border_goes_on_where_the_smooth_one_stops():
    ramp = torch.linspace(0, 1, 40)[None, None, None].expand(1, 1, 30, 40).contiguous()
    hole = torch.zeros(1, 30, 40, dtype=torch.bool)
    hole[:, 10:20, 12:28] = True
    assert torch.allclose(biharmonic(ramp, hole), ramp, atol=1e-3)


def test_a_large_hole_is_solved_smaller_and_has_no_step_at_its_rim():
    y, x = torch.meshgrid(torch.linspace(0, 3, 160), torch.linspace(0, 3, 180), indexing="ij")
    planes = (0.5 + 0.4 * torch.sin(1.5 * (x + y)))[None, None]
    hole = torch.zeros(1, 160, 180, dtype=torch.bool)
    hole[:, 40:110, 50:130] = True
    got = biharmonic(planes, hole)
    assert torch.equal(got[:, :, ~hole[0]], planes[:, :, ~hole[0]])
    assert float((got - planes).abs().max()) < 0.5 * float((harmonic(planes, hole) - planes).abs().max())
    steps = (got[0, 0, 40, 50:130] - got[0, 0, 39, 50:130]).abs()
    assert float(steps.max()) < 0.02


def test_nothing_is_read_from_the_hole_and_images_are_alone():
    planes, other = normal(2, 3, 20, 22), normal(2, 3, 20, 22, seed=1)
    hole = uniform(2, 20, 22, seed=2) < 0.4
    other = torch.where(hole[:, None], other, planes)
    other[hole[:, None].expand_as(other)] = float("nan")
    got = biharmonic(planes, hole)
    assert torch.equal(biharmonic(other, hole), got)
    assert torch.equal(biharmonic(planes[1:], hole[1:]), got[1:])


def test_an_image_that_is_all_hole_or_has_none():
    planes = uniform(1, 2, 6, 5)
    assert torch.equal(biharmonic(planes, torch.zeros(1, 6, 5, dtype=torch.bool)), planes)
    everything = torch.ones(1, 6, 5, dtype=torch.bool)
    assert torch.equal(biharmonic(planes, everything), harmonic(planes, everything))


def test_a_slope_does_not_go_on_to_white():
    """A grey that rises towards a hole at the picture's side; the picture's white is elsewhere."""
    rise = torch.linspace(0.3, 0.6, 60)[None, None, None].expand(1, 1, 50, 60).clone()
    rise[..., :5, :5] = 1
    hole = torch.zeros(1, 50, 60, dtype=torch.bool)
    hole[:, 10:, 30:] = True
    got = biharmonic(rise, hole)
    around = rise[..., 30 - 9 : 30]
    assert float(got[:, :, hole[0]].max()) <= max(float(around.max()), float(rise[..., 1:10, 21:].max())) + 1e-6
