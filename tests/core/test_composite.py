"""Putting the edit together with the user's own pixels."""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.diffusion.dragged import DraggedLatent
from core.errors import InputError
from core.motion.field import plan_movement
from core.motion.lookup import carry
from core.pixels.composite import composite, shown_mask
from core.pixels.detail import WAVERING, detail, noticed, own_pixels, restore_detail
from core.pixels.revealed import revealed_mask
from core.space.grid import Grid
from tests.core.builders import box, cell_point, drags, still, uniform

GRID = Grid.padded(93, 110)
SIZE = GRID.latent_size
BOX = (2, 2, 7, 7)


def shifted(dx: float, dy: float, grid: Grid = GRID):
    """A box of 5 x 5 cells, moved by pixels."""
    points = drags(grid, ((4, 4), (4 + dx / 8, 4 + dy / 8)))
    return plan_movement(torch.ones(1, 1, *grid.latent_size), box(grid, *BOX), grid, points)


def moved_box(dx: float, dy: float) -> torch.Tensor:
    """The box's pixels after a shift, (1, H, W) bool."""
    mask = torch.zeros(1, *GRID.image_size, dtype=torch.bool)
    top, left, bottom, right = (8 * side for side in BOX)
    rows = slice(max(0, round(top + dy)), max(0, round(bottom + dy)))
    mask[:, rows, max(0, round(left + dx)) : max(0, round(right + dx))] = True
    return mask


def spread(mask: torch.Tensor, by: int) -> torch.Tensor:
    """Pixels within ``by`` of the mask along both axes."""
    return torch.nn.functional.max_pool2d(mask.float()[:, None], 2 * by + 1, 1, by)[:, 0] > 0


def test_outside_the_region_it_is_the_source_bit_for_bit():
    source, edited, region = uniform(2, 30, 40, 3), uniform(2, 30, 40, 3, seed=1), uniform(2, 30, 40, seed=2)
    region[region < 0.5] = 0
    got = composite(source, edited, region)
    outside = region == 0
    assert torch.equal(got[outside], source[outside])
    share = region[..., None].double()
    expected = share * edited.double() + (1 - share) * source.double()
    assert torch.allclose(got.double(), expected, atol=1e-6)


def test_inside_a_full_region_it_is_the_edit():
    source, edited = uniform(1, 9, 8, 3), uniform(1, 9, 8, 3, seed=1)
    assert torch.equal(composite(source, edited, torch.ones(1, 9, 8)), edited)
    assert torch.equal(composite(source, edited, torch.zeros(1, 9, 8)), source)


def test_nan_in_the_edit_does_not_leak_outside_the_region():
    source, edited = uniform(1, 9, 8, 3), torch.full((1, 9, 8, 3), float("nan"))
    region = torch.zeros(1, 9, 8)
    region[:, :3] = 1
    assert torch.equal(composite(source, edited, region)[:, 3:], source[:, 3:])


def test_single_images_serve_a_batch():
    source, edited, region = uniform(1, 9, 8, 3), uniform(3, 9, 8, 3, seed=1), uniform(1, 9, 8, seed=2)
    got = composite(source, edited, region)
    assert got.shape == edited.shape
    for index in range(3):
        assert torch.equal(got[index], composite(source, edited[index : index + 1], region)[0])


@pytest.mark.parametrize(
    ("edited", "region", "input", "shown"),
    [
        ((1, 9, 7, 3), (1, 9, 8), "edited", "7x9"),
        ((1, 9, 8, 4), (1, 9, 8), "edited", "4"),
        ((1, 9, 8, 3), (1, 8, 9), "shown", "9x8"),
        ((3, 9, 8, 3), (1, 9, 8), "edited", "3"),
        ((2, 9, 8, 3), (3, 9, 8), "edited", "3 masks"),
    ],
)
def test_other_sizes_and_batches_are_refused(edited, region, input, shown):
    with pytest.raises(InputError) as caught:
        composite(torch.zeros(2, 9, 8, 3), torch.zeros(edited), torch.zeros(region))
    assert caught.value.input == input and shown in str(caught.value)


@given(st.floats(-60, 60), st.floats(-60, 60), st.sampled_from([0, 4]), st.sampled_from([0, 8, 20]))
@settings(max_examples=30)
def test_the_shown_region_covers_what_changed_and_nothing_far(dx, dy, margin, feather):
    assume(abs(dx) + abs(dy) > 0.1)
    move = shifted(dx, dy)
    mask = shown_mask(move, margin, feather)
    assert mask.shape == (1, *GRID.image_size)
    assert torch.isfinite(mask).all() and (mask >= 0).all() and (mask <= 1).all()
    changed = moved_box(0, 0) | moved_box(dx, dy)
    far = ~spread(changed, margin + feather + 2)
    assert not mask[far].any()
    sure = ~spread(~changed, 2)
    assert (mask[sure] > 0.99).all()


def test_margin_and_feather_widen_the_shown_region():
    bare, wide, soft = (
        shown_mask(shifted(24, 8), 0, 0),
        shown_mask(shifted(24, 8), 6, 0),
        shown_mask(shifted(24, 8), 0, 8),
    )
    assert set(bare.unique().tolist()) <= {0.0, 1.0}
    assert torch.equal(wide > 0, spread(bare > 0, 6))
    assert ((soft > 0.05) & (soft < 0.95)).any() and (soft >= bare - 0.01).all()


def test_no_movement_shows_nothing():
    assert not shown_mask(still(GRID), 4, 8).any()


# ---- the element's own pixels


@pytest.mark.parametrize(("dx", "dy"), [(24, 0), (40, 16), (3, 0), (0, 21), (-5, 7), (13, -2)])
def test_a_whole_pixel_shift_carries_the_element_to_the_pixel(dx, dy):
    source = uniform(1, 93, 110, 3)
    carried, share = carry(source, shifted(dx, dy))
    there = moved_box(dx, dy)
    assert torch.allclose(share, there.float(), atol=1e-3)
    expected = torch.roll(source, (dy, dx), (1, 2))
    assert torch.allclose(carried[there], expected[there], atol=1e-3)


def test_a_half_pixel_shift_is_the_mean_of_both():
    source = uniform(1, 93, 110, 3)
    carried, share = carry(source, shifted(16.5, 0))
    inside = ~spread(~moved_box(16, 0), 2)
    expected = (torch.roll(source, 16, 2) + torch.roll(source, 17, 2)) / 2
    assert torch.allclose(carried[inside], expected[inside], atol=1e-3)


def test_kept_elements_replace_the_edit_only_where_they_arrived():
    source, edited = uniform(1, 93, 110, 3), uniform(1, 93, 110, 3, seed=1)
    got = own_pixels(source, edited, shifted(40, 0))
    there = moved_box(40, 0)
    assert torch.allclose(got[there], torch.roll(source, 40, 2)[there], atol=1e-3)
    assert torch.equal(got[~spread(there, 1)], edited[~spread(there, 1)])
    assert torch.equal(own_pixels(source, edited, still(GRID)), edited)


def dragged(move, detail=None, plain=None) -> DraggedLatent:
    latent = torch.zeros(1, 4, *GRID.latent_size)
    return DraggedLatent(move, latent, latent, detail, plain=plain)


@pytest.mark.parametrize("filled_in_the_picture", [True, False])
def test_what_sampling_left_alone_is_as_sharp_as_it_was(filled_in_the_picture):
    """Any autoencoder will do: here one that gives noise."""
    source, plain = uniform(1, 93, 110, 3), uniform(1, 93, 110, 3, seed=1)
    background = uniform(1, 93, 110, 3, seed=2) if filled_in_the_picture else None
    move = shifted(40, 0)
    got = restore_detail(source, plain, dragged(move, detail(source, plain, move, background), plain))
    there = moved_box(40, 0)
    assert torch.allclose(got[there], torch.roll(source, 40, 2)[there], atol=1e-3)
    rest = ~spread(there, 1)
    within = rest & (GRID.spread_cells(move.free) > 0)
    assert torch.allclose(got[within], (plain if background is None else background)[within], atol=1e-6)
    outside = GRID.spread_cells(move.free) == 0
    assert torch.equal(got[outside], plain[outside])


def test_what_sampling_changed_is_added():
    source, plain, background = (uniform(1, 93, 110, 3, seed=seed) for seed in range(3))
    move = shifted(40, 0)
    drag = dragged(move, detail(source, plain, move, background), plain)
    change = 0.1 * uniform(1, 93, 110, 3, seed=3)
    changed, unchanged = (restore_detail(source, edited, drag) for edited in (plain + change, plain))
    assert torch.allclose(changed - unchanged, change, atol=1e-5)


def test_what_sampling_hardly_changed_is_put_back():
    """Plain's own noise is none of the edit, a change beside it is: each where it is, whatever its sign.
    What is revealed is the model's, small changes and all."""
    source, plain, background = (uniform(1, 93, 110, 3, seed=seed) for seed in range(3))
    move = shifted(40, 0)
    drag = dragged(move, detail(source, plain, move, background), plain)
    sign = torch.randint(0, 2, plain.shape, generator=torch.Generator().manual_seed(4)) * 2.0 - 1
    change = 0.9 * WAVERING * sign
    change[:, :, 70:] = 0.3
    got = restore_detail(source, plain + change, drag) - restore_detail(source, plain, drag)
    hidden = revealed_mask(drag) == 1
    beside = revealed_mask(drag) == 0
    beside[:, :, 60:] = False
    assert beside.sum() > 1000 and (got[beside].abs() < 1e-6).all()
    assert hidden.sum() > 100 and torch.allclose(got[hidden], change[hidden], atol=1e-5)
    assert torch.allclose(got[:, :, 70:], change[:, :, 70:], atol=1e-5)


def test_a_change_is_shown_the_more_the_larger_it_is_and_never_more_than_it_is():
    sizes = torch.linspace(0, 4 * WAVERING, 41)
    shown = torch.stack([noticed(torch.full((1, 20, 20, 3), float(size))) for size in sizes])
    assert (shown >= 0).all() and (shown <= sizes.view(-1, 1, 1, 1, 1) + 1e-7).all()
    assert (shown.diff(dim=0) >= -1e-7).all()
    assert not shown[sizes <= WAVERING].any()
    torch.testing.assert_close(shown[-1], torch.full_like(shown[-1], 4 * WAVERING))


def test_a_drag_without_detail_gives_the_element_its_own_pixels():
    source, edited = uniform(1, 93, 110, 3), 3 * uniform(1, 93, 110, 3, seed=1) - 1
    move = shifted(40, 0)
    expected = own_pixels(source, edited.clamp(0, 1), move)
    assert torch.equal(restore_detail(source, edited, dragged(move)), expected)


def test_an_element_that_leaves_the_image_brings_nothing_in():
    points = drags(GRID, ((1, 4), (6, 4)))
    move = plan_movement(torch.ones(1, 1, *SIZE), torch.ones(1, *GRID.image_size), GRID, points)
    carried, share = carry(torch.ones(1, 93, 110, 3), move)
    assert torch.isfinite(carried).all()
    assert not share[:, :, :39].any() and (share[:, 2:-2, 42:-2] > 0.99).all()


def test_centre_cropped_latents_carry_to_the_right_place():
    grid = Grid.between((93, 110), (11, 13))
    assert grid.offset_y == 2 and grid.offset_x == 3
    points = drags(grid, ((4.5, 4.5), (7.5, 4.5)))
    mask = torch.zeros(1, 93, 110)
    mask[:, 2 + 16 : 2 + 56, 3 + 16 : 3 + 56] = 1
    move = plan_movement(torch.ones(1, 1, 11, 13), mask, grid, points)
    assert cell_point(grid, 0, 0) == (3 / 110, 2 / 93)
    source = uniform(1, 93, 110, 3)
    carried, share = carry(source, move)
    assert torch.allclose(share[:, 2 + 16 : 2 + 56, 3 + 40 : 3 + 80], torch.ones(1, 40, 40), atol=1e-3)
    there = (slice(None), slice(2 + 32, 2 + 40), slice(3 + 56, 3 + 64))
    assert torch.allclose(carried[there], source[:, 2 + 32 : 2 + 40, 3 + 32 : 3 + 40], atol=1e-3)


def test_an_anchors_pixels_are_not_carried():
    points = drags(GRID, ((4, 4), (9, 4)), ((10.5, 9.5), (10.5, 9.5)))
    scores = torch.zeros(1, 2, *SIZE)
    scores[:, 0, :8], scores[:, 1, 8:] = 1.0, 1.0
    mask = torch.maximum(box(GRID, *BOX), box(GRID, 8, 9, 11, 12))
    move = plan_movement(scores, mask, GRID, points)
    assert torch.equal(move.element, box(GRID, *BOX))
    _, share = carry(uniform(1, 93, 110, 3), move)
    assert torch.allclose(share, moved_box(40, 0).float(), atol=1e-3)


def test_neighbours_that_part_leave_nothing_of_each_other_in_the_gap():
    """A mouth opens: where it was, neither lip may be seen a second time."""
    points = drags(GRID, ((6, 4), (6, 2)), ((6, 6), (6, 8)))
    scores = torch.zeros(1, 2, *SIZE)
    scores[:, 0, :5], scores[:, 1, 5:] = 1.0, 1.0
    _, share = carry(uniform(1, 93, 110, 3), plan_movement(scores, box(GRID, 3, 3, 7, 9), GRID, points))
    expected = torch.maximum(box(GRID, 1, 3, 3, 9), box(GRID, 7, 3, 9, 9))
    assert torch.allclose(share, expected, atol=1e-3)
