"""Conversions between image pixels, latent cells and attention tokens."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InputError
from core.model.layers import Layer
from core.space.grid import Grid, token_grid
from core.space.points import DragPair

sides = st.integers(1, 45)
cells = st.sampled_from([1, 2, 3, 8])
seeds = st.integers(0, 10**6)


@st.composite
def grids(draw, smallest: int = 1) -> Grid:
    """Grids of padded and of centre-cropped images."""
    cell = draw(cells)
    height, width = draw(st.integers(smallest, 45)), draw(st.integers(smallest, 45))
    if draw(st.booleans()) and height >= cell and width >= cell:
        return Grid.between((height, width), (height // cell, width // cell), cell)
    return Grid.padded(height, width, cell)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@given(sides, sides, cells)
def test_padding_and_cropping_give_the_image_back_exactly(height, width, cell):
    grid = Grid.padded(height, width, cell)
    image = random(2, height, width, 3)
    padded = grid.pad_image(image)
    assert padded.shape == (2, *grid.covered_size, 3)
    assert grid.covered_size == (grid.latent_height * cell, grid.latent_width * cell)
    assert 0 <= grid.covered_size[0] - height < cell and 0 <= grid.covered_size[1] - width < cell
    assert torch.equal(grid.crop_image(padded), image)
    # What was added repeats the border.
    assert torch.equal(padded[:, height:, :width], image[:, -1:].expand(-1, padded.shape[1] - height, -1, -1))
    assert torch.equal(padded[:, :height, width:], image[:, :, -1:].expand(-1, -1, padded.shape[2] - width, -1))


def centre_cropped(image: torch.Tensor, cell: int) -> torch.Tensor:
    """As ComfyUI's VAE Encode does it."""
    for axis in (1, 2):
        side = image.shape[axis] // cell * cell
        image = image.narrow(axis, image.shape[axis] % cell // 2, side)
    return image


@given(st.integers(8, 45), st.integers(8, 45), cells)
def test_the_grid_of_a_centre_cropped_image_covers_the_pixels_that_were_encoded(height, width, cell):
    image = random(1, height, width, 3)
    encoded = centre_cropped(image, cell)
    size = (encoded.shape[1] // cell, encoded.shape[2] // cell)
    grid = Grid.between((height, width), size, cell)
    assert grid.latent_size == size and grid.image_size == (height, width)
    assert torch.equal(grid.pad_image(image), encoded)
    back = grid.crop_image(encoded)
    assert back.shape == image.shape
    top, left = grid.offset_y, grid.offset_x
    assert (top, left) == ((height - encoded.shape[1]) // 2, (width - encoded.shape[2]) // 2)
    assert torch.equal(back[:, top : top + encoded.shape[1], left : left + encoded.shape[2]], encoded)
    # The margin repeats the border.
    rows = torch.arange(height).sub(top).clamp(0, encoded.shape[1] - 1)
    columns = torch.arange(width).sub(left).clamp(0, encoded.shape[2] - 1)
    assert torch.equal(back, encoded[:, rows][:, :, columns])


@given(sides, sides, cells)
def test_a_latent_rounded_up_is_a_padded_images(height, width, cell):
    padded = Grid.padded(height, width, cell)
    assert Grid.between((height, width), padded.latent_size, cell) == padded
    assert (padded.offset_y, padded.offset_x) == (0, 0)


@pytest.mark.parametrize("size", [(9, 8), (7, 8), (8, 9), (8, 7), (16, 16), (0, 8)])
def test_another_images_latent_is_refused_with_both_sizes(size):
    with pytest.raises(InputError) as caught:
        Grid.between((64, 64), size, input="mask")
    assert caught.value.input == "mask"
    assert "64x64" in str(caught.value) and f"{size[1] * 8}x{size[0] * 8}" in str(caught.value)


def test_sides_are_not_mixed_up():
    grid = Grid.padded(24, 50)
    assert grid.image_size == (24, 50) and grid.latent_size == (3, 7) and grid.covered_size == (24, 56)
    assert grid.to_cells((1.0, 0.0)) == (6.25, 0.0)
    assert grid.to_cells((0.0, 1.0)) == (0.0, 3.0)
    assert grid.radius_in_cells(0.5) == 1.5


@given(grids(), seeds)
def test_points_and_pixels_agree_on_the_cell(grid, seed):
    """A pixel's centre as a normalised point lands in the cell that its value is pooled into."""
    generator = torch.Generator().manual_seed(seed)
    row = int(torch.randint(grid.image_height, (1,), generator=generator))
    column = int(torch.randint(grid.image_width, (1,), generator=generator))
    point = ((column + 0.5) / grid.image_width, (row + 0.5) / grid.image_height)
    x, y = grid.to_cells(point)
    at_y, at_x = grid.pixel_centres_in_cells()
    assert (float(at_x[row, column]), float(at_y[row, column])) == pytest.approx((x, y), abs=1e-4)
    mask = torch.zeros(1, *grid.image_size)
    mask[0, row, column] = 1
    hit = grid.image_mask_to_cells(mask)[0]
    inside = 0 <= x < grid.latent_width and 0 <= y < grid.latent_height
    if inside:
        assert hit[math.floor(y), math.floor(x)] >= 1 / grid.cell**2 - 1e-6
        assert int((hit > 0).sum()) == 1
    else:
        assert not hit.any()


@given(grids(), st.floats(0, 1), st.floats(0, 1), st.floats(-1, 2), st.floats(-1, 2))
def test_displacement_is_in_cells_and_independent_of_the_offset(grid, x0, y0, x1, y1):
    dx, dy = grid.displacement(DragPair((x0, y0), (x1, y1)))
    assert dx * grid.cell == pytest.approx((x1 - x0) * grid.image_width, abs=1e-6)
    assert dy * grid.cell == pytest.approx((y1 - y0) * grid.image_height, abs=1e-6)


def test_no_way_for_an_anchor():
    assert Grid.padded(37, 41).displacement(DragPair((0.3, 0.7), (0.3, 0.7))) == (0.0, 0.0)


@given(grids())
def test_cell_centres_are_the_mean_of_their_pixels(grid):
    y, x = grid.cell_centres()
    assert y.shape == x.shape == grid.latent_size
    assert torch.equal(y[:, 0], torch.arange(grid.latent_height) + 0.5)
    assert torch.equal(x[0], torch.arange(grid.latent_width) + 0.5)


@given(grids(), seeds)
@settings(max_examples=40)
def test_a_cells_share_is_the_mean_of_its_pixels(grid, seed):
    mask = random(2, *grid.image_size, seed=seed)
    got = grid.image_mask_to_cells(mask)
    assert got.shape == (2, *grid.latent_size)
    values = mask.double()
    for row in range(grid.latent_height):
        for column in range(grid.latent_width):
            total = torch.zeros(2, dtype=torch.float64)
            for y in range(row * grid.cell, (row + 1) * grid.cell):
                for x in range(column * grid.cell, (column + 1) * grid.cell):
                    at_y = min(y + grid.offset_y, grid.image_height - 1)
                    at_x = min(x + grid.offset_x, grid.image_width - 1)
                    total += values[:, at_y, at_x]
            assert torch.allclose(got[:, row, column].double(), total / grid.cell**2, atol=1e-6)


@given(grids(), st.floats(0, 1, width=32))
def test_a_constant_stays_constant_both_ways(grid, value):
    on_image = grid.cells_to_image_mask(torch.full((1, *grid.latent_size), value))
    assert on_image.shape == (1, *grid.image_size)
    assert torch.allclose(on_image, torch.tensor(value), atol=1e-6)
    on_cells = grid.image_mask_to_cells(torch.full((1, *grid.image_size), value))
    assert on_cells.shape == (1, *grid.latent_size)
    assert torch.allclose(on_cells, torch.tensor(value), atol=1e-6)


@given(grids(smallest=17))
def test_a_ramp_over_cells_is_the_ramp_over_pixels(grid):
    """Bilinear between centres: a field that grows with the cell's place grows with the pixel's, unshifted."""
    _, x = grid.cell_centres()
    _, at = grid.pixel_centres_in_cells()
    got = grid.cells_to_image_mask(x[None])[0]
    expected = at.clamp(0.5, grid.latent_width - 0.5)
    assert torch.allclose(got, expected, atol=1e-4)


@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 4))
def test_token_grids_are_those_of_stride_2_convolutions(height, width, level):
    planes = torch.zeros(1, 1, height, width)
    halve = torch.nn.Conv2d(1, 1, 3, stride=2, padding=1)
    for _ in range(level):
        planes = halve(planes)
    size = tuple(planes.shape[-2:])
    layer = Layer("x", "down", level, 8, 2)
    assert layer.token_grid((height, width)) == size
    assert layer.tokens((height, width)) == size[0] * size[1]
    found = token_grid((height, width), size[0] * size[1])
    # Levels with equally many tokens can't be told apart; only tiny grids have them.
    assert found == size or math.prod(found) == math.prod(size)


def test_no_token_grid_for_another_number_of_tokens():
    assert token_grid((64, 48), 64 * 48) == (64, 48)
    assert token_grid((63, 47), 32 * 24) == (32, 24)
    assert token_grid((64, 48), 77) is None
    assert token_grid((64, 48), 64 * 48 * 2) is None
