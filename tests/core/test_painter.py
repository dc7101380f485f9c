"""A second model that paints in the place of the dragged one."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from core.attention.plan import CapturePlan
from core.diffusion.dragged import apply
from core.diffusion.inversion import invert
from core.diffusion.repaint import OWN, Repainting, RepaintSettings, strengths
from core.diffusion.sampling import SampleSettings, sample
from core.errors import InputError
from core.motion.field import plan_movement
from core.space.grid import Grid
from tests.core.builders import box, drags
from tests.core.toy_unet import Spy, ToyUNet, latent, sigmas

SIZE = (8, 12)
GRID = Grid.padded(64, 96)


LEVELS = torch.tensor([4.0, 3.0, 2.0, 1.0, 0.5, 0.0])
"""Five levels of five: strength 1."""
REVEALED = RepaintSettings(steps=5, control=False).beside(True)


class Constant:
    """Sees the same clean latent in everything; remembers what it was shown."""

    def __init__(self, value: float = 3.0):
        self.value, self.levels, self.shown = value, [], []

    def painting(self, picture, hole, work):
        self.shown.append((picture.clone(), hole.clone()))
        return work(self.denoise)

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


def run(inversion, dragged, painter, denoiser=None, repaint=REVEALED, **settings):
    start = dragged.at(inversion, 0)
    painting = None if painter is None else Repainting(repaint, LEVELS)
    return sample(denoiser or ToyUNet(), inversion, start, dragged, None, SampleSettings(**settings), None, painter,
                  repainting=painting)  # fmt: skip


def test_revealed_cells_become_what_it_sees_and_the_others_what_they_were(inversion, dragged):
    painter = Constant()
    result = run(inversion, dragged, painter, hold_rest=1.0)
    alone = run(inversion, dragged, None, hold_rest=1.0)
    hole = (dragged.revealed > OWN)[:, None].expand_as(result)
    torch.testing.assert_close(result[hole], torch.full_like(result[hole], 3.0))
    assert torch.equal(result[~hole], alone[~hole])
    assert int(dragged.revealed.sum()) == 9
    assert painter.levels == LEVELS[:-1].tolist()


@pytest.mark.parametrize("hold", [0.0, 0.5])
def test_what_it_painted_is_held_to_the_end_whatever_hold_says(inversion, dragged, hold):
    result = run(inversion, dragged, Constant(), hold_rest=hold, hold_element=hold)
    hole = (dragged.revealed > OWN)[:, None].expand_as(result)
    torch.testing.assert_close(result[hole], torch.full_like(result[hole], 3.0))
    own = run(inversion, dragged, None, hold_rest=hold, hold_element=hold)
    seam = (dragged.touched & (dragged.movement.arriving < OWN))[:, None].expand_as(result) & ~hole
    assert seam.any() and torch.isfinite(result).all() and not torch.equal(result[hole], own[hole])


def test_it_is_shown_the_edit_with_a_hole_where_it_paints(inversion, dragged):
    painter = Constant()
    around = replace(REVEALED, surroundings=0.6, extent=0.5)
    run(inversion, dragged, painter, repaint=around)
    [(picture, hole)] = painter.shown
    assert torch.equal(hole[:, 0], strengths(dragged, around) > 0)
    assert hole.sum() > (dragged.revealed > OWN).sum() and not (hole[:, 0] & (dragged.movement.arriving > OWN)).any()
    known = torch.where(dragged.movement.free[:, None] > 0, dragged.clean, inversion.clean)
    assert torch.equal(picture, known)
    # Against what it makes of the source, the element in its old place: a second hole, a second picture.
    painter = Constant()
    run(inversion, dragged, painter, repaint=replace(around, control=True))
    (_, first), (picture, second) = painter.shown
    assert torch.equal(picture, inversion.clean)
    assert torch.equal(second[:, 0], first[:, 0] & (dragged.revealed <= OWN))


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


def test_it_needs_to_know_what_was_dragged(inversion):
    with pytest.raises(InputError, match="painter"):
        sample(ToyUNet(), inversion, inversion.noisy, None, None, None, None, Constant())
