"""GeoDrag's plane field by its formula."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks import geodrag

MASK = np.zeros((9, 17), bool)
MASK[1:8, 2:15] = True


def vectors(handles, targets, beta=1.0):
    positions, displacements = geodrag.field(MASK, handles, targets, beta)
    return {tuple(position): displacement for position, displacement in zip(positions.tolist(), displacements,
                                                                            strict=True)}  # fmt: skip


@pytest.mark.parametrize("beta", [1.0, 2.0])
def test_the_field_falls_off_to_the_region_s_edge(beta):
    found = vectors([(8, 4)], [(8, 1)], beta)
    assert len(found) == MASK.sum()
    np.testing.assert_allclose(found[8, 4], (0, -3))
    # To the right the region ends half a cell after column 14, 6.5 cells from the handle.
    for column in range(9, 15):
        wanted = 1 - ((column - 8) / 6.5) ** beta
        np.testing.assert_allclose(found[column, 4], (0, -3 * wanted), atol=0.15)


def test_opposing_drags_do_not_cancel():
    found = vectors([(4, 4), (12, 4)], [(4, 1), (12, 7)])
    np.testing.assert_allclose(found[4, 4], (0, -3))
    np.testing.assert_allclose(found[12, 4], (0, 3))
    assert all(found[x, y][1] <= 0 for x, y in found if x < 8)
    assert all(found[x, y][1] >= 0 for x, y in found if x > 8)


def test_noise_is_fresh_where_cells_were_interpolated_and_there_alone():
    generator = torch.Generator().manual_seed(0)
    clean, noise = (torch.randn(1, 4, 9, 17, generator=generator) for _ in range(2))
    noisy = clean + 2 * noise
    first, second = (geodrag.warp(noisy, clean, 2.0, MASK, [(4, 4)], [(8, 4)], seed) for seed in (0, 1))
    differs = (first != second).any(1)[0].numpy()
    assert differs.any() and not differs[~MASK].any()
    assert torch.equal(first[0, :, 4, 8], noisy[0, :, 4, 4])


def test_an_empty_region_moves_nothing():
    positions, displacements = geodrag.field(np.zeros((4, 4), bool), [(1, 1)], [(2, 2)])
    assert len(positions) == len(displacements) == 0
