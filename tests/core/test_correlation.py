"""Correlation with the handles, on attention maps whose groups are known."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.attention.correlation import CorrelationSettings, correlate
from core.attention.maps import AttentionMaps
from core.errors import InputError
from core.space.grid import Grid
from core.space.points import DragPair, DragPoints
from tests.core.builders import drags, normal, uniform

GRID = Grid.padded(96, 128)
HEIGHT, WIDTH = GRID.latent_size


def grouped(groups: torch.Tensor, leak: float = 0.0) -> torch.Tensor:
    """Attention (1, N, N) of tokens that look only, and evenly, at their own group (h, w)."""
    flat = groups.flatten()
    attention = (flat[:, None] == flat[None, :]).float() + leak
    return (attention / attention.sum(1, keepdim=True))[None].half()


def quarters(height: int, width: int) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return (y >= height // 2).long() * 2 + (x >= width // 2).long()


def record(*maps: tuple[tuple[int, int], torch.Tensor]) -> AttentionMaps:
    return dict(maps)


FINE = record(((HEIGHT, WIDTH), grouped(quarters(HEIGHT, WIDTH), 0.002)))
CENTRES = [(4.5, 3.5), (12.5, 3.5), (4.5, 9.5), (12.5, 9.5)]


def to_somewhere(*handles, radius=None) -> DragPoints:
    return drags(GRID, *((handle, (8, 6)) for handle in handles), radius=radius)


@pytest.mark.parametrize("handle", CENTRES + [(2, 2), (14.2, 10.9)])
def test_a_handles_correlation_is_high_in_its_group_and_low_elsewhere(handle):
    scores = correlate(FINE, GRID, to_somewhere(handle))
    assert scores.shape == (1, 1, HEIGHT, WIDTH) and scores.dtype == torch.float32
    groups = quarters(HEIGHT, WIDTH)
    own = groups == groups[int(handle[1]), int(handle[0])]
    assert (scores[0, 0][own] > 0.95).all()
    assert (scores[0, 0][~own] < 0.05).all()


@pytest.mark.parametrize("level", [1, 2])
def test_coarser_token_grids_say_the_same_up_to_a_token(level):
    grid = Grid.padded(128, 128)
    size = (16 >> level, 16 >> level)
    points = drags(grid, *(((x, y), (8, 8)) for y in (4, 12) for x in (4, 12)))
    scores = correlate(record((size, grouped(quarters(*size)))), grid, points)
    groups = quarters(16, 16)
    y, x = grid.cell_centres()
    deep = ((y - 8).abs() > 2**level) & ((x - 8).abs() > 2**level)
    for index in range(4):
        assert (scores[0, index][(groups == index) & deep] > 0.9).all()
        assert (scores[0, index][(groups != index) & deep] < 0.1).all()


def test_token_grids_rounded_up_keep_their_place():
    grid = Grid.padded(88, 120)
    size = (6, 8)
    groups = quarters(*size)
    points = drags(grid, ((4, 3), (8, 6)), ((12, 9), (8, 6)))
    scores = correlate(record((size, grouped(groups))), grid, points)[0]
    assert scores.shape == (2, 11, 15)
    assert (scores[0, :4, :6] > 0.9).all() and (scores[0, 7:, 9:] < 0.1).all()
    assert (scores[1, 7:, 9:] > 0.9).all() and (scores[1, :4, :6] < 0.1).all()


def test_several_grids_are_merged_with_equal_say():
    """One grid says rows, the other columns: what both say is strongest, what neither says weakest."""
    fine, coarse = (HEIGHT, WIDTH), (HEIGHT // 2, WIDTH // 2)
    rows = (torch.arange(HEIGHT)[:, None] >= HEIGHT // 2).expand(fine).long()
    columns = (torch.arange(WIDTH // 2)[None, :] >= WIDTH // 4).expand(coarse).long()
    scores = correlate(record((fine, grouped(rows)), (coarse, grouped(columns))), GRID, to_somewhere((3.5, 2.5)))[0, 0]
    both, row, column, neither = scores[1:4, 1:6], scores[1:4, 10:15], scores[8:11, 1:6], scores[8:11, 10:15]
    assert both.min() > 0.9 and neither.max() < 0.1
    assert 0.2 < float(row.mean()) < 0.8
    assert float(row.mean()) == pytest.approx(float(column.mean()), abs=0.1)


def test_looking_and_being_looked_at_both_count():
    """Attention is not symmetric; the correlation of two cells is."""
    attention = torch.full((1, HEIGHT * WIDTH, HEIGHT * WIDTH), 1e-4)
    handle = [(y, x) for y in range(2, 5) for x in range(2, 5)]
    for y, x in handle:
        for other_y, other_x in handle:
            attention[0, y * WIDTH + x, other_y * WIDTH + other_x] = 0.05
        attention[0, y * WIDTH + x, 9 * WIDTH + 4] = 0.05
        attention[0, 9 * WIDTH + 12, y * WIDTH + x] = 0.05
    scores = correlate(record(((HEIGHT, WIDTH), attention)), GRID, to_somewhere((3.5, 3.5)))[0, 0]
    assert scores[9, 4] > 0.2 and scores[9, 12] > 0.2
    assert scores[9, 4] == pytest.approx(float(scores[9, 12]), rel=0.1)
    assert scores[6, 8] < 0.1


def test_one_token_and_one_way_is_the_papers_normalised_row():
    """A[h, p] / A[h, h], cut at 1 (AttentionDrag, arXiv 2506.13301)."""
    attention = uniform(1, HEIGHT * WIDTH, HEIGHT * WIDTH, seed=3) + 0.01
    row = attention[0, 3 * WIDTH + 5].view(HEIGHT, WIDTH)
    plain = CorrelationSettings(disc=0, symmetric=False)
    got = correlate(record(((HEIGHT, WIDTH), attention)), GRID, to_somewhere((5.5, 3.5)), plain)
    assert torch.allclose(got[0, 0], (row / row[3, 5]).clamp(0, 1), atol=1e-5)


@pytest.mark.parametrize("disc", [-1.0, math.nan])
def test_a_disc_of_no_size_is_refused(disc):
    with pytest.raises(InputError) as caught:
        CorrelationSettings(disc=disc)
    assert caught.value.input == "disc"


@pytest.mark.parametrize("order", [(1, 0, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)])
def test_the_order_of_the_drags_is_the_order_of_the_planes(order):
    noisy = record(((HEIGHT, WIDTH), normal(1, HEIGHT * WIDTH, HEIGHT * WIDTH).mul(2).softmax(-1)))
    points = to_somewhere(*CENTRES)
    one = correlate(noisy, GRID, points)
    other = correlate(noisy, GRID, DragPoints(tuple(points.pairs[index] for index in order)))
    assert torch.allclose(other, one[:, list(order)], atol=1e-6)
    alone = [correlate(noisy, GRID, DragPoints((pair,))) for pair in points.pairs]
    assert torch.allclose(torch.cat(alone, 1), one, atol=1e-6)


def test_the_target_makes_no_difference():
    points = drags(GRID, ((4, 3), (4, 3)), ((4, 3), (14, 10)), ((4, 3), (-30, 3)))
    scores = correlate(FINE, GRID, points)
    assert torch.equal(scores[:, 0], scores[:, 1]) and torch.equal(scores[:, 0], scores[:, 2])


def test_the_radius_makes_no_difference_to_what_belongs_together():
    free = correlate(FINE, GRID, to_somewhere((4.5, 3.5)))
    assert torch.equal(correlate(FINE, GRID, to_somewhere((4.5, 3.5), radius=3.2 / 12)), free)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(1e-4, 0.5))
@settings(max_examples=40)
def test_reach_is_a_disc_in_units_of_the_shorter_side(x, y, radius):
    got = GRID.reach(DragPair((x, y), (0.5, 0.5), radius))
    assert got.shape == GRID.latent_size
    for row in range(HEIGHT):
        for column in range(WIDTH):
            pixels = math.hypot((column + 0.5) * 8 - x * 128, (row + 0.5) * 8 - y * 96)
            if abs(pixels - radius * 96) < 0.01 or pixels < 8:
                continue
            assert bool(got[row, column]) == (pixels <= radius * 96)
    assert torch.equal(GRID.reach(DragPair((x, y), (0.5, 0.5))), torch.ones(GRID.latent_size))
    fine = GRID.reach(DragPair((x, y), (0.5, 0.5), radius), pixels=True)
    assert fine.shape == (96, 128)
    for row in range(0, 96, 5):
        for column in range(0, 128, 3):
            pixels = math.hypot(column + 0.5 - x * 128, row + 0.5 - y * 96)
            if abs(pixels - radius * 96) >= 0.01 and pixels >= 8:
                assert bool(fine[row, column]) == (pixels <= radius * 96)


def test_the_smallest_radius_still_holds_the_handles_own_cell():
    for x, y in ((4.5, 3.5), (4.01, 3.02), (4.99, 3.97)):
        assert GRID.reach(to_somewhere((x, y), radius=1e-6).pairs[0])[3, 4] == 1


def test_images_of_a_batch_do_not_mix():
    rows = (torch.arange(HEIGHT)[:, None] >= HEIGHT // 2).expand(HEIGHT, WIDTH).long()
    maps = [grouped(quarters(HEIGHT, WIDTH)), grouped(rows)]
    points = to_somewhere(*CENTRES)
    both = correlate(record(((HEIGHT, WIDTH), torch.cat(maps))), GRID, points)
    for index, attention in enumerate(maps):
        assert torch.allclose(both[index], correlate(record(((HEIGHT, WIDTH), attention)), GRID, points)[0], atol=1e-6)
    assert not torch.allclose(both[0], both[1], atol=0.1)


@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 10**6), st.sampled_from([(61, 77), (64, 80), (9, 70)]))
@settings(max_examples=40)
def test_anywhere_on_the_image_it_is_a_share_and_never_nan(x, y, seed, image):
    for grid in (Grid.padded(*image), Grid.between(image, (image[0] // 8, image[1] // 8))):
        sizes = [grid.latent_size, tuple(math.ceil(side / 2) for side in grid.latent_size)]
        maps = [
            (size, (8 * uniform(1, math.prod(size), math.prod(size), seed=seed)).softmax(-1).half()) for size in sizes
        ]
        points = DragPoints((DragPair((x, y), (0.5, 0.5)), DragPair((x, y), (0.5, 0.5), 0.05)))
        scores = correlate(record(*maps), grid, points)
        assert torch.isfinite(scores).all() and (scores >= 0).all() and (scores <= 1).all()
        assert float(scores[:, 0].max()) > 0


def test_the_record_is_left_alone():
    attention = grouped(quarters(HEIGHT, WIDTH))
    kept = attention.clone()
    correlate(record(((HEIGHT, WIDTH), attention)), GRID, to_somewhere((4, 3)))
    assert torch.equal(attention, kept)
