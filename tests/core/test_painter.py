"""A second model that paints what a drag reveals."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from core.attention.plan import CapturePlan
from core.diffusion.dragged import apply
from core.diffusion.inversion import invert
from core.diffusion.sampling import SampleSettings, sample
from core.errors import InputError
from core.motion.field import plan_movement
from core.space.grid import Grid
from tests.core.builders import box, drags, uniform
from tests.core.toy_unet import Spy, ToyUNet, latent, sigmas

SIZE = (8, 12)
GRID = Grid.padded(64, 96)


class Constant:
    """Sees the same clean latent in everything."""

    def __init__(self, value: float = 3.0):
        self.value, self.levels = value, []

    def denoise(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        self.levels.append(sigma)
        return torch.full_like(x, self.value)


@pytest.fixture
def inversion():
    return invert(ToyUNet(), latent(1, SIZE), sigmas(8), CapturePlan(storage="cpu"))


@pytest.fixture
def dragged(inversion):
    movement = plan_movement(torch.ones(1, 1, *SIZE), box(GRID, 3, 2, 6, 5), GRID, drags(GRID, ((3, 4), (8, 4))))
    return apply(inversion, movement, inversion.clean)


def run(inversion, dragged, painter, denoiser=None, **settings):
    start = dragged.at(inversion, 0)
    return sample(denoiser or ToyUNet(), inversion, start, dragged, None, SampleSettings(**settings), None, painter)


def test_revealed_cells_become_what_it_sees_and_the_others_what_they_were(inversion, dragged):
    painter = Constant()
    result = run(inversion, dragged, painter, hold_rest=1.0)
    alone = run(inversion, dragged, None, hold_rest=1.0)
    hole = (dragged.revealed > 0)[:, None].expand_as(result)
    torch.testing.assert_close(result[hole], torch.full_like(result[hole], 3.0))
    assert torch.equal(result[~hole], alone[~hole])
    assert int(dragged.revealed.sum()) == 9
    assert painter.levels == inversion.sigmas[:-1].tolist()


def test_the_model_is_not_asked_while_all_else_is_held(inversion, dragged):
    for hold, evaluations in ((1.0, 0), (0.5, 4)):
        spy = Spy(ToyUNet())
        run(inversion, dragged, Constant(), spy, hold_rest=hold)
        assert len(spy.calls) == evaluations


def test_a_cell_that_something_came_to_shows_nothing_of_it(inversion):
    # The element moves by two cells of its three: one row of the three is revealed.
    movement = plan_movement(torch.ones(1, 1, *SIZE), box(GRID, 3, 2, 6, 5), GRID, drags(GRID, ((3, 4), (4, 4))))
    revealed = apply(inversion, movement, inversion.clean).revealed
    assert revealed.nonzero().tolist() == [[0, row, 2] for row in (3, 4, 5)]


def test_the_detail_of_the_filling_is_no_detail_of_what_is_painted(dragged):
    detailed = replace(dragged, detail=uniform(1, 64, 96, 3) + 1)
    detail = detailed.painted_by_another().detail
    hole = torch.zeros(64, 96, dtype=torch.bool)
    hole[24:48, 16:40] = True
    assert (detail[0][hole] == 0).all() and torch.equal(detail[0][~hole], detailed.detail[0][~hole])
    assert dragged.painted_by_another() is dragged


def test_it_needs_to_know_what_was_dragged(inversion):
    with pytest.raises(InputError, match="painter"):
        sample(ToyUNet(), inversion, inversion.noisy, None, None, None, None, Constant())
