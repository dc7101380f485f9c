"""Harmonic filling against a dense solution of the same equations."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.fill import harmonic
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
