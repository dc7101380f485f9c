"""FastDrag's formulas against a point-by-point reading of the paper."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from benchmarks.fastdrag import fill_null, relocate, warp, warp_vectors
from benchmarks.methods import METHODS, Context
from core.settings import EditSettings
from tests.core.toy_unet import Spy, ToyUNet

from . import made

COORDINATE = st.floats(-1, 12, width=32)
POINTS = st.lists(st.tuples(COORDINATE, COORDINATE, COORDINATE, COORDINATE), min_size=1, max_size=3)


def masks(draw_seed: int, share: float) -> np.ndarray:
    return np.random.default_rng(draw_seed).random((9, 11)) < share


def vector_of(p, mask, handles, targets):
    """The warpage vector of one position, the far end of the sheet found by walking along the ray."""
    ys, xs = np.nonzero(mask)
    corners = [(x, y) for x in (xs.min(), xs.max()) for y in (ys.min(), ys.max())]
    centre = (sum(x for x, _ in corners) / 4, sum(y for _, y in corners) / 4)
    radius = max(math.dist(centre, corner) for corner in corners)
    total, vector = 0.0, [0.0, 0.0]
    for handle, target in zip(handles, targets, strict=True):
        length = math.dist(p, handle)
        ray = ((p[0] - handle[0]) / length, (p[1] - handle[1]) / length)

        def outside(t, handle=handle, ray=ray):
            return math.dist((handle[0] + t * ray[0], handle[1] + t * ray[1]), centre) > radius

        low, high = 0.0, 4 * radius + 40.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (low, middle) if outside(middle) else (middle, high)
        q = (handle[0] + low * ray[0], handle[1] + low * ray[1])
        stretch = math.dist(p, q) / math.dist(handle, q)
        weight = 1 / length
        total += weight
        for axis in (0, 1):
            vector[axis] += weight * stretch * (target[axis] - handle[axis])
    return vector[0] / total, vector[1] / total


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.floats(0.2, 0.9), POINTS)
def test_warpage_vectors_are_the_paper_s(seed, share, drags):
    mask = masks(seed, share)
    ys, xs = np.nonzero(mask)
    assume(len(xs) and (np.ptp(xs) or np.ptp(ys)))
    centre = np.array([xs.min() + xs.max(), ys.min() + ys.max()]) / 2
    radius = np.hypot(np.ptp(xs), np.ptp(ys)) / 2
    # Handles well inside of the circle: on it the formula divides by nothing.
    handles = [tuple(centre + 0.8 * radius * np.tanh((np.array(d[:2]) - centre) / 12) / 1.5) for d in drags]
    targets = [d[2:] for d in drags]
    positions, vectors = warp_vectors(mask, handles, targets)
    assert [tuple(p) for p in positions] == [(x, y) for y, x in zip(ys, xs, strict=True)]
    for p, v in zip(positions, vectors, strict=True):
        assume(min(math.dist(p, handle) for handle in handles) > 1e-3)
        np.testing.assert_allclose(v, vector_of(p, mask, handles, targets), atol=1e-5)


def test_the_handle_moves_all_the_way_and_the_circle_stays():
    mask = np.zeros((9, 9), bool)
    mask[2:7, 2:7] = True
    positions, vectors = warp_vectors(mask, [(4.0, 4.0)], [(7.0, 4.0)])
    by_place = {tuple(p): v for p, v in zip(positions, vectors, strict=True)}
    np.testing.assert_allclose(by_place[4, 4], (3, 0))
    # The corners of the bounding rectangle lie on its circle.
    np.testing.assert_allclose(by_place[2, 2], (0, 0), atol=1e-9)
    radius = math.hypot(2, 2)
    np.testing.assert_allclose(by_place[6, 4], (3 * (radius - 2) / radius, 0))


def test_moving_an_object_takes_the_drag_itself():
    mask = masks(1, 0.4)
    _, vectors = warp_vectors(mask, [(4.0, 4.0), (5.0, 2.0)], [(6.0, 3.0), (7.0, 1.0)], stretch=False)
    np.testing.assert_allclose(vectors, np.broadcast_to((2, -1), vectors.shape))


def nearest_neighbours(latent, null, y, x):
    """Weighted mean of the nearest occupied cells of the row and of the column."""
    values, weights = [], []
    column, row = np.nonzero(~null[:, x])[0], np.nonzero(~null[y])[0]
    for there in (column[column < y][-1:], column[column > y][:1]):
        values += [latent[..., v, x] for v in there]
        weights += [1 / abs(int(v) - y) for v in there]
    for there in (row[row < x][-1:], row[row > x][:1]):
        values += [latent[..., y, v] for v in there]
        weights += [1 / abs(int(v) - x) for v in there]
    if not weights:
        return latent[..., y, x]
    return sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights)


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.floats(0.1, 0.95))
def test_holes_are_filled_from_four_sides(seed, share):
    null = masks(seed, share)
    latent = torch.randn(2, 4, 9, 11, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    filled = fill_null(latent, null)
    for y in range(9):
        for x in range(11):
            wanted = nearest_neighbours(latent, null, y, x) if null[y, x] else latent[..., y, x]
            torch.testing.assert_close(filled[..., y, x], wanted)


@given(st.integers(0, 10**6), st.integers(-6, 6), st.integers(-6, 6))
def test_relocation_by_whole_cells(seed, dx, dy):
    mask = masks(seed, 0.3)
    assume(mask.any())
    latent = torch.randn(1, 4, 9, 11, generator=torch.Generator().manual_seed(seed))
    moved, null = relocate(latent, *warp_vectors(mask, [(5.0, 4.0)], [(5.0 + dx, 4.0 + dy)], stretch=False))
    for y in range(9):
        for x in range(11):
            from_y, from_x = y - dy, x - dx
            arrived = 0 <= from_y < 9 and 0 <= from_x < 11 and mask[from_y, from_x]
            wanted = latent[..., from_y, from_x] if arrived else latent[..., y, x]
            assert torch.equal(moved[..., y, x], wanted)
            assert null[y, x] == (mask[y, x] and not arrived)


def test_no_drag_changes_nothing():
    latent = torch.randn(1, 4, 9, 11)
    assert torch.equal(warp(latent, masks(3, 0.5), [(4.0, 4.0)], [(4.0, 4.0)]), latent)
    assert torch.equal(warp(latent, np.zeros((9, 11), bool), [(4.0, 4.0)], [(6.0, 4.0)]), latent)


@pytest.mark.parametrize("method", ["fastdrag_raw", "fastdrag_move_raw"])
def test_keys_and_values_of_the_up_blocks_are_the_inversion_s_at_the_same_level(method):
    spy = Spy(ToyUNet())
    METHODS[method](Context(made.scene(), made.toy_model(denoiser=spy), EditSettings(steps=4, strength=1.0)))
    inverting, sampling = spy.calls[:4], spy.calls[4:]
    assert [call["sigma"] for call in sampling] == [call["sigma"] for call in reversed(inverting)]
    for captured, used in zip(reversed(inverting), sampling, strict=True):
        for layer in spy.layers:
            source = captured if layer.side == "up" else used
            torch.testing.assert_close(
                used["read"][layer.name], source["tokens"][layer.name], atol=2e-3, rtol=2e-3
            )  # fmt: skip
            if layer.side == "up":
                assert not torch.allclose(used["tokens"][layer.name], captured["tokens"][layer.name], atol=2e-2)
