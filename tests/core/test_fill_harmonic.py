"""Harmonic filling against a dense solution of the same equations."""

from __future__ import annotations

import importlib

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.fill.harmonic import harmonic
from tests.core.builders import normal, uniform


def dense(plane: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
    """Each cell of the hole is the mean of the neighbours it has; (h, w) float64."""
    height, width = hole.shape
    cells = [(int(y), int(x)) for y, x in hole.nonzero()]
    number = {cell: index for index, cell in enumerate(cells)}
    matrix = torch.zeros(len(cells), len(cells), dtype=torch.float64)
    right = torch.zeros(len(cells), dtype=torch.float64)
    for (y, x), index in number.items():
        for row, column in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            if 0 <= row < height and 0 <= column < width:
                matrix[index, index] += 1
                if (row, column) in number:
                    matrix[index, number[row, column]] -= 1
                else:
                    right[index] += float(plane[row, column])
    out = plane.double().clone()
    if cells:
        out[hole] = torch.linalg.solve(matrix, right)
    return out


@given(st.integers(1, 12), st.integers(2, 12), st.floats(0.05, 0.95), st.integers(0, 10**6))
@settings(max_examples=60)
def test_random_holes_against_the_dense_solution(height, width, share, seed):
    planes = normal(2, 3, height, width, seed=seed)
    hole = uniform(2, height, width, seed=seed + 1) < share
    # One cell of each image is known, at least.
    hole[:, 0, 0] = False
    got = harmonic(planes, hole)
    for image in range(2):
        for channel in range(3):
            expected = dense(planes[image, channel], hole[image])
            assert torch.allclose(got[image, channel].double(), expected, atol=5e-3)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 10**6), st.data())
@settings(max_examples=40)
def test_boxes_up_to_the_border_against_the_dense_solution(height, width, seed, data):
    """Large enough that the start at half the size is itself started from a quarter; odd sides; single rows."""
    planes = normal(1, 1, height, width, seed=seed)
    hole = torch.zeros(1, height, width, dtype=torch.bool)
    for _ in range(data.draw(st.integers(1, 3))):
        top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
        bottom, right = data.draw(st.integers(top + 1, height)), data.draw(st.integers(left + 1, width))
        hole[:, top:bottom, left:right] = True
    known = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    hole[0, known[0], known[1]] = False
    got = harmonic(planes, hole)[0, 0].double()
    assert torch.allclose(got, dense(planes[0, 0], hole[0]), atol=2e-2)


def test_a_start_at_half_the_size_changes_the_way_and_not_the_result(monkeypatch):
    planes = normal(2, 3, 39, 37, seed=4)
    hole = torch.zeros(2, 39, 37, dtype=torch.bool)
    hole[0, 2:36, :33] = True
    hole[1, 20:, 5:] = True
    module = importlib.import_module("core.fill.harmonic")
    sizes, halving = [], module._coarse
    monkeypatch.setattr(module, "_coarse", lambda *given: sizes.append(given[0].shape[-2:]) or halving(*given))
    got = harmonic(planes, hole)
    assert [tuple(size) for size in sizes] == [(38, 37), (19, 19), (10, 10)]
    for image in range(2):
        for channel in range(3):
            expected = dense(planes[image, channel], hole[image])
            assert torch.allclose(got[image, channel].double(), expected, atol=1e-2)


@pytest.mark.parametrize("size", [(1, 24), (24, 1)])
def test_a_line_is_filled_along_it(size):
    """Between two known ends the continuation is a straight line, beyond the last it stays as that."""
    planes = torch.full((1, 1, *size), 7.0)
    line = planes.view(-1)
    line[3], line[13] = 1.0, 6.0
    hole = torch.ones(1, *size, dtype=torch.bool)
    hole.view(-1)[[3, 13]] = False
    expected = torch.cat([torch.ones(3), torch.linspace(1, 6, 11), torch.full((10,), 6.0)])
    assert torch.allclose(harmonic(planes, hole).view(-1), expected, atol=1e-2)


@pytest.mark.parametrize("size", [(9, 11), (40, 37)])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_inside_the_hole_does_not_spread(size, value):
    planes = normal(2, 3, *size)
    hole = torch.zeros(2, *size, dtype=torch.bool)
    hole[0, 2:7, 3:] = True
    expected = harmonic(planes, hole)
    broken = planes.clone()
    broken[0, 1, 3:5, 4:8] = value
    assert torch.equal(harmonic(broken, hole), expected)
    # An image that is all hole has nothing but itself to be filled from.
    hole[1] = True
    broken[1, 0, 2, 2] = value
    got = harmonic(broken, hole)
    assert torch.isfinite(got).all()
    assert torch.allclose(got[0], expected[0], atol=1e-3)


@pytest.mark.parametrize("size", [(9, 11), (40, 37)])
@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_what_is_not_finite_outside_stays_where_it_is(size, value):
    """Far from the hole it has no say; beside it, the others that surround the hole have the say alone."""
    planes = normal(2, 2, *size)
    hole = torch.zeros(2, *size, dtype=torch.bool)
    hole[:, 3:6, 4:8] = True
    expected = harmonic(planes, hole)
    broken = planes.clone()
    broken[0, 0, size[0] - 1, 0] = value
    broken[1, 1, 2, 4:7] = value
    got = harmonic(broken, hole)
    keep = ~hole[:, None].expand_as(planes)
    assert torch.equal(got[keep].nan_to_num(99.0), broken[keep].nan_to_num(99.0))
    assert torch.isfinite(got[~keep]).all()
    assert torch.allclose(got[0][:, hole[0]], expected[0][:, hole[0]], atol=1e-3)
    wider = hole.clone()
    wider[1, 2, 4:7] = True
    assert torch.allclose(got[1, 0].double()[hole[1]], dense(planes[1, 0], wider[1])[hole[1]], atol=5e-3)


def test_a_large_hole_converges():
    planes = normal(1, 1, 40, 40)
    hole = torch.zeros(1, 40, 40, dtype=torch.bool)
    hole[:, 3:36, 5:] = True
    assert torch.allclose(harmonic(planes, hole)[0, 0].double(), dense(planes[0, 0], hole[0]), atol=5e-3)


def test_cells_outside_the_hole_are_untouched_and_inside_it_unread():
    planes = normal(2, 4, 9, 8)
    hole = uniform(2, 9, 8) < 0.4
    got = harmonic(planes, hole)
    keep = ~hole[:, None].expand_as(planes)
    assert torch.equal(got[keep], planes[keep])
    other = torch.where(keep, planes, torch.full_like(planes, 1e4))
    assert torch.allclose(harmonic(other, hole), got, atol=1e-3)


@pytest.mark.parametrize("value", [0.0, -3.5, 40.0])
def test_a_constant_is_continued(value):
    planes = torch.full((1, 2, 10, 12), value)
    hole = torch.zeros(1, 10, 12, dtype=torch.bool)
    hole[:, :7, 4:] = True
    marred = planes.masked_fill(hole[:, None], 99.0)
    assert torch.allclose(harmonic(marred, hole), planes, rtol=1e-4, atol=1e-4)


def test_a_slope_is_continued():
    y, x = torch.meshgrid(torch.arange(12.0), torch.arange(14.0), indexing="ij")
    planes = (0.5 * x - 0.3 * y + 2)[None, None]
    hole = torch.zeros(1, 12, 14, dtype=torch.bool)
    hole[:, 2:10, 3:12] = True
    marred = planes.masked_fill(hole[:, None], -50.0)
    assert torch.allclose(harmonic(marred, hole), planes, atol=1e-2)


def test_nothing_to_fill_is_nothing_done():
    planes = normal(1, 4, 5, 5)
    assert torch.equal(harmonic(planes, torch.zeros(1, 5, 5, dtype=torch.bool)), planes)


def test_an_image_that_is_all_hole_becomes_its_mean():
    planes = normal(1, 4, 6, 5)
    got = harmonic(planes, torch.ones(1, 6, 5, dtype=torch.bool))
    assert torch.allclose(got, planes.mean((2, 3), keepdim=True).expand_as(planes), atol=1e-5)


def test_images_with_different_holes_do_not_mix():
    planes = normal(4, 2, 8, 9)
    hole = torch.zeros(4, 8, 9, dtype=torch.bool)
    hole[0] = True
    hole[1, 2:5, 3:7] = True
    hole[3, :, 1:] = True
    got = harmonic(planes, hole)
    assert torch.isfinite(got).all()
    for image in range(4):
        alone = harmonic(planes[image : image + 1], hole[image : image + 1])[0]
        assert torch.allclose(got[image], alone, atol=5e-3)
    assert torch.equal(got[2], planes[2])
