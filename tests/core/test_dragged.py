"""The dragged latent: what arrives, what is filled in, what stays."""

from __future__ import annotations

import pytest
import torch

from core.diffusion import dragged
from core.fill.background import FillSettings, continue_background
from core.motion.field import MoveSettings, plan_movement
from core.space.grid import Grid
from tests.core import builders
from tests.core.builders import box, drags, normal

GRID = Grid.padded(96, 112)
SIZE = GRID.latent_size
SIGMAS = [9.0, 2.0, 0.5, 0.0]
BOX = (3, 2, 7, 6)


def apply(inversion, movement, settings: FillSettings | None = None, seed: int = 0):
    """With the hole filled in the latent."""
    background = continue_background(movement, inversion.clean, settings)
    return dragged.apply(inversion, movement, background.latent, seed)


def shifted(dx: float, dy: float, batch: int = 1):
    points = drags(GRID, ((4, 5), (4 + dx, 5 + dy)))
    mask = box(GRID, *BOX).expand(batch, -1, -1)
    return plan_movement(torch.ones(batch, 1, *SIZE), mask, GRID, points, MoveSettings())


@pytest.mark.parametrize(("dx", "dy"), [(6, 0), (5, 2), (0, 4), (2, 1)])
def test_a_whole_cell_drag_carries_the_latent_exactly_at_every_level(dx, dy):
    inversion = builders.inversion(SIGMAS, normal(2, 4, *SIZE))
    move = shifted(dx, dy, 2)
    drag = apply(inversion, move)
    there = move.arriving[0] > 0.999
    assert int(there.sum()) == 16
    for index in range(len(SIGMAS)):
        expected = torch.roll(inversion.trajectory[index], (dy, dx), (2, 3))
        assert torch.allclose(drag.at(inversion, index)[..., there], expected[..., there], atol=2e-3)


def test_at_the_last_level_it_is_the_composed_clean_latent():
    inversion = builders.inversion(SIGMAS, normal(1, 4, *SIZE))
    drag = apply(inversion, shifted(5.4, 2.3))
    assert torch.equal(drag.at(inversion, 3), drag.clean)


def test_far_from_the_drag_nothing_changes():
    inversion = builders.inversion(SIGMAS, normal(1, 4, *SIZE))
    drag = apply(inversion, shifted(5.4, 2.3))
    far = torch.ones(SIZE, dtype=torch.bool)
    far[1:11, 0:13] = False
    for index in range(len(SIGMAS)):
        assert torch.allclose(drag.at(inversion, index)[..., far], inversion.trajectory[index][..., far], atol=1e-5)


def test_no_movement_is_no_change():
    inversion = builders.inversion(SIGMAS, normal(1, 4, *SIZE))
    drag = apply(inversion, builders.still(GRID))
    assert torch.equal(drag.clean, inversion.clean)
    for index in range(len(SIGMAS)):
        assert torch.allclose(drag.at(inversion, index), inversion.trajectory[index], atol=1e-5)


def test_an_element_on_a_plain_ground_leaves_plain_ground_behind():
    ground, element = torch.tensor([0.3, -1.0, 2.0, 0.0]), torch.tensor([-2.0, 1.0, 0.5, 3.0])
    clean = ground[:, None, None].repeat(1, *SIZE)[None]
    clean[:, :, 3:7, 2:6] = element[:, None, None]
    expected = ground[:, None, None].repeat(1, *SIZE)[None]
    expected[:, :, 5:9, 8:12] = element[:, None, None]
    drag = apply(builders.inversion(SIGMAS, clean), shifted(6, 2))
    assert torch.allclose(drag.clean, expected, atol=1e-3)


def test_a_slope_is_continued_under_the_element():
    x = torch.arange(float(SIZE[1]))
    ground = (0.2 * x).expand(1, 4, *SIZE).clone()
    clean = ground.clone()
    clean[:, :, 3:7, 2:6] = 5.0
    drag = apply(builders.inversion(SIGMAS, clean), shifted(6, 0))
    there = torch.zeros(SIZE, dtype=torch.bool)
    there[3:7, 8:12] = True
    assert torch.allclose(drag.clean[..., ~there], ground[..., ~there], atol=2e-2)
    assert torch.allclose(drag.clean[..., there], torch.tensor(5.0), atol=1e-4)


def test_the_margin_is_not_read_as_ground():
    """What bleeds from the element into its neighbours must not bleed on into the hole."""
    clean = torch.zeros(1, 4, *SIZE)
    clean[:, :, 2:8, 1:7] = 1.5
    clean[:, :, 3:7, 2:6] = 5.0
    drag = apply(builders.inversion(SIGMAS, clean), shifted(7, 0), FillSettings(hole_margin=8))
    assert torch.allclose(drag.clean[:, :, 3:7, 2:6], torch.tensor(0.0), atol=1e-3)
    without = apply(builders.inversion(SIGMAS, clean), shifted(7, 0), FillSettings(hole_margin=0))
    assert torch.allclose(without.clean[:, :, 3:7, 2:6], torch.tensor(1.5), atol=1e-3)


def test_vacated_cells_get_fresh_noise_of_the_seed():
    inversion = builders.inversion(SIGMAS, normal(1, 4, *SIZE))
    move = shifted(6, 0)
    one, same, other = (apply(inversion, move, seed=seed) for seed in (1, 1, 2))
    vacated = move.vacated[0] > 0.999
    assert vacated.any()
    for index in range(3):
        a, b, c = (drag.at(inversion, index) for drag in (one, same, other))
        assert torch.equal(a, b)
        assert not torch.allclose(a[..., vacated], c[..., vacated], atol=0.1)
        assert torch.allclose(a[..., ~vacated], c[..., ~vacated], atol=1e-4)
        # The same noise at every level, and none of the element's.
        noise = (a - one.clean) / SIGMAS[index]
        assert torch.allclose(noise[..., vacated], one.noise[..., vacated], atol=1e-4)
    own = (inversion.noisy - inversion.clean) / SIGMAS[0]
    assert not torch.allclose(one.noise[..., vacated], own[..., vacated], atol=0.1)


LARGE = Grid.padded(8 * 80, 8 * 80)


@pytest.mark.parametrize(("dx", "dy"), [(0.5, 0.5), (0.3, 0.0), (3.5, 2.25), (30.5, 0.5), (12.0, 5.0)])
def test_dragged_noise_keeps_unit_variance(dx, dy):
    inversion = builders.inversion([7.0, 0.0], torch.zeros(1, 4, 80, 80))
    points = drags(LARGE, ((30, 30), (30 + dx, 30 + dy)))
    move = plan_movement(torch.ones(1, 1, 80, 80), box(LARGE, 5, 5, 45, 45), LARGE, points)
    drag = apply(inversion, move)
    noise = (drag.at(inversion, 0) - drag.clean) / 7
    for part in (move.arriving > 0.999, move.leaving > 0, move.free >= 0):
        assert float(noise[:, :, part[0]].var()) == pytest.approx(1, abs=0.07)
        assert float(noise[:, :, part[0]].mean()) == pytest.approx(0, abs=0.05)


def test_noise_of_cells_covered_in_part_keeps_unit_variance():
    """A mask of half cells mixes what arrives, what is fresh and what stays in every cell."""
    inversion = builders.inversion([7.0, 0.0], torch.zeros(1, 4, 80, 80))
    points = drags(LARGE, ((30, 30), (45.25, 38)))
    for share in (0.3, 0.5, 0.8):
        move = plan_movement(torch.ones(1, 1, 80, 80), share * box(LARGE, 5, 5, 45, 45), LARGE, points)
        drag = apply(inversion, move)
        noise = (drag.at(inversion, 0) - drag.clean) / 7
        part = (move.arriving > 0.1) & (move.arriving < 0.9)
        assert int(part.sum()) > 1000
        assert float(noise[:, :, part[0]].var()) == pytest.approx(1, abs=0.07)


def test_every_image_of_a_batch_is_dragged_alone():
    inversion = builders.inversion(SIGMAS, normal(2, 4, *SIZE))
    alone = builders.inversion(
        SIGMAS,
        inversion.clean[:1],
        (inversion.trajectory[:, :1] - inversion.clean[:1])
        / torch.tensor([*SIGMAS[:3], 1.0])[:, None, None, None, None],
    )
    both, one = apply(inversion, shifted(5.4, 2.3, 2)), apply(alone, shifted(5.4, 2.3))
    for index in range(len(SIGMAS)):
        assert torch.allclose(both.at(inversion, index)[:1], one.at(alone, index), atol=2e-3)


def test_the_inversion_is_left_alone():
    inversion = builders.inversion(SIGMAS, normal(1, 4, *SIZE))
    kept = inversion.trajectory.clone()
    drag = apply(inversion, shifted(5.4, 2.3))
    drag.at(inversion, 0)
    drag.at(inversion, 3)
    assert torch.equal(inversion.trajectory, kept)
