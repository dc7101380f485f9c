"""Parts told from things by what lies round them, and the odds read off any element."""

from __future__ import annotations

import pytest
import torch

from core.attention.correlation import correlate
from core.edit import Found, planned
from core.region.parts import part_figures, part_odds
from core.region.sight import sights_of
from core.settings import EditSettings
from core.space.points import Click
from tests.core.test_walked import (
    BLUE,
    FAR,
    GRID,
    LEFT,
    RED,
    RIGHT,
    SIDE,
    WHOLE,
    NoWaiting,
    attending,
    block,
    painted,
    points_at,
)

PICTURE = painted((LEFT, RED), (RIGHT, BLUE))
HANDLE = (4.5, 7)


def odds(maps, element: torch.Tensor, picture: torch.Tensor = PICTURE, *handles, **points) -> torch.Tensor:
    """(B, P)."""
    drags = points_at(*(handles or (HANDLE,)), **points)
    sights = sights_of(maps, correlate(maps, GRID, drags), GRID, drags, picture)
    return part_odds(sights, element[None].float(), len(drags))


BODY, SNOUT = block(3, 3, 13, 13), block(6, 6, 10, 10)
FACE = painted((BODY, BLUE), (SNOUT, (0.2, 0.32, 0.7)))
MIDDLE = (8, 8)


def test_what_attention_joins_to_all_round_it_is_a_part_and_the_whole_a_thing():
    joined = attending(BODY)
    assert float(odds(joined, SNOUT, FACE, MIDDLE)) > 1 > -2 > float(odds(joined, BODY, FACE, MIDDLE))


def test_what_attention_keeps_to_itself_is_a_thing():
    """The same picture and the same mask: only attention differs."""
    apart = attending(SNOUT)
    assert float(odds(apart, SNOUT, FACE, MIDDLE)) < float(odds(attending(BODY), SNOUT, FACE, MIDDLE)) - 2


def test_only_what_hangs_together_with_the_handle_counts():
    picture, maps = painted((WHOLE, RED), (FAR, RED)), attending(WHOLE, FAR)
    assert torch.allclose(odds(maps, WHOLE | FAR, picture), odds(maps, WHOLE, picture))


def test_every_handle_and_every_picture_has_its_own():
    picture, maps = painted((LEFT, RED), (RIGHT, BLUE), (FAR, BLUE)), attending(WHOLE, FAR)
    both = odds(maps, LEFT | FAR, picture, HANDLE, (13, 13))
    assert both.shape == (1, 2)
    for index, (thing, handle) in enumerate(((LEFT, HANDLE), (FAR, (13, 13)))):
        assert torch.allclose(both[:, index], odds(maps, thing, picture, handle)[:, 0], atol=1e-3)
    batch = {size: torch.cat([one, attending(LEFT, RIGHT)[size]]) for size, one in attending(WHOLE).items()}
    drags = points_at(HANDLE)
    sights = sights_of(batch, correlate(batch, GRID, drags), GRID, drags, PICTURE.expand(2, -1, -1, -1))
    of_each = part_odds(sights, LEFT[None].float().expand(2, -1, -1), 1)[:, 0]
    assert of_each.tolist() == pytest.approx(
        [float(odds(attending(WHOLE), LEFT)), float(odds(attending(LEFT, RIGHT), LEFT))], abs=1e-3
    )


@pytest.mark.parametrize("element", [torch.zeros(SIDE, SIDE), torch.ones(SIDE, SIDE)], ids=["nothing", "everything"])
def test_any_element_has_odds(element):
    assert torch.isfinite(odds(attending(WHOLE), element)).all()


def test_it_never_waits_for_the_device():
    maps, drags = attending(WHOLE), points_at(HANDLE, clicks=(Click((0.9, 0.9), "leave_out"),))
    correlation = correlate(maps, GRID, drags)
    with NoWaiting():
        sights = sights_of(maps, correlation, GRID, drags, PICTURE)
        part_odds(sights, LEFT[None].float(), 1)


def test_the_ring_is_what_lies_along_the_outline_from_without():
    """Where everything along the outline is the ground's, its clues are the ground's."""
    maps, drags = attending(WHOLE), points_at(HANDLE)
    sight = sights_of(maps, correlate(maps, GRID, drags), GRID, drags, PICTURE)[0]
    inside = (sight.pieces.average(WHOLE.float()) > 0.5).float()
    figures = part_figures(sight, inside, 0)
    assert figures.shape == (15,)
    # The third walk comes to the ground as late as to the picture's border, whose middle is 1.
    assert float(figures[3]) == pytest.approx(1, abs=0.3)


def test_the_same_comes_of_it_whoever_looked():
    """A chain that has the mask alone sights again, and moves as Edit does."""
    maps, drags = attending(BODY), points_at(MIDDLE)
    correlation, element = correlate(maps, GRID, drags), SNOUT[None].float()
    sights = sights_of(maps, correlation, GRID, drags, FACE)
    known = Found(GRID, drags, correlation, element, (0,), part_odds(sights, element, 1))
    again = Found(GRID, drags, correlation, element, (0,))
    moved = [planned(found, EditSettings(), FACE, maps) for found in (known, again)]
    assert torch.equal(moved[0].way_in, moved[1].way_in)
    assert not moved[0].hole_pixels(4).any(), "it is pushed"
