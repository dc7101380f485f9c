"""What goes and what stays where anchors say that something of an element stays."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from core.attention.correlation import correlate
from core.edit import Found, planned
from core.motion.field import MoveSettings
from core.motion.objects import objects_of
from core.region.anchored import going, parts_ways
from core.region.sight import sights_of
from core.settings import EditSettings
from core.space.points import DragPair, DragPoints
from tests.core.builders import uniform
from tests.core.test_walked import (
    BLUE,
    FAR,
    GRID,
    LEFT,
    RED,
    RIGHT,
    SIDE,
    WHOLE,
    attending,
    block,
    overlap,
    painted,
    points_at,
    share,
)


def anchored(*handles: tuple[float, float], anchors: tuple[tuple[float, float], ...]) -> DragPoints:
    """Drags and anchors at places (x, y) in latent cells."""
    points = points_at(*handles)
    return replace(points, pairs=(*points.pairs, *(DragPair(share(*at), share(*at)) for at in anchors)))


def goes(maps, points: DragPoints, picture: torch.Tensor, element: torch.Tensor) -> torch.Tensor:
    """(SIDE, SIDE)."""
    sights = sights_of(maps, correlate(maps, GRID, points), GRID, points, picture)
    return going(sights, element[None].float(), GRID, points)[0]


def test_what_an_anchor_lies_on_stays_where_picture_and_attention_part_it():
    picture, maps = painted((LEFT, RED), (RIGHT, BLUE)), attending(LEFT, RIGHT)
    found = goes(maps, anchored((4.5, 7), anchors=((7.5, 7),)), picture, WHOLE)
    assert overlap(found, LEFT) > 0.85
    other = goes(maps, anchored((7.5, 7), anchors=((4.5, 7),)), picture, WHOLE)
    assert overlap(other, RIGHT) > 0.8


def test_an_anchor_on_the_very_thing_that_goes_leaves_it_whole():
    picture, maps = painted((WHOLE, RED)), attending(WHOLE)
    assert overlap(goes(maps, anchored((4.5, 7), anchors=((7.5, 7),)), picture, WHOLE), WHOLE) > 0.85


def test_nothing_goes_beyond_the_element_whoever_found_it():
    picture, maps = painted((LEFT, RED), (RIGHT, BLUE)), attending(LEFT, RIGHT)
    given = 0.7 * block(4, 3, 7, 9).float()
    found = goes(maps, anchored((4.5, 6), anchors=((7.5, 6),)), picture, given)
    assert bool((found <= given + 1e-6).all()) and found.any()


def test_a_mask_beside_which_the_anchors_lie_goes_whole():
    picture, maps = painted((LEFT, RED), (RIGHT, BLUE)), attending(LEFT, RIGHT)
    upper = block(4, 3, 7, 9)
    points = anchored((4.5, 6), anchors=((7.5, 9),))
    assert torch.equal(goes(maps, points, picture, upper), upper.float())


@pytest.mark.parametrize(("anchors", "asks"), [((), False), (((7.5, 7),), True)])
def test_it_is_asked_where_there_are_anchors_beside_handles(anchors, asks):
    points = anchored((4.5, 7), anchors=anchors)
    assert parts_ways(points) == asks
    assert not parts_ways(DragPoints((DragPair((0.5, 0.5), (0.5, 0.5)),))), "anchors alone"


def test_told_before_or_asked_anew_it_is_one_movement():
    picture, maps = painted((LEFT, RED), (RIGHT, BLUE), (FAR, BLUE)), attending(LEFT, RIGHT, FAR)
    points = anchored((4.5, 7), anchors=((7.5, 7),))
    correlation, element = correlate(maps, GRID, points), WHOLE[None].float()
    sights = sights_of(maps, correlation, GRID, points, picture)
    objects = objects_of(element, correlation, GRID, points)
    again = Found(GRID, points, correlation, element, objects)
    known = replace(again, going=going(sights, element, GRID, points))
    settings = EditSettings(move=MoveSettings(motion="move"))
    one, two = (planned(found, settings, picture, maps) for found in (known, again))
    for name in ("element", "leaving", "arriving", "way_in", "held"):
        assert torch.equal(getattr(one, name), getattr(two, name)), name
    assert overlap(one.element[0], LEFT) > 0.85
    for unasked in (planned(again, settings, None, maps), planned(again, EditSettings(), picture, maps)):
        assert overlap(unasked.element[0], WHOLE) > 0.95, "without the picture, or by itself, it bends"


def test_any_number_of_pictures_and_places_on_their_border():
    picture = torch.cat([painted((LEFT, RED)), uniform(1, SIDE, SIDE, 3, seed=3)])
    maps = {size: both.expand(2, -1, -1).contiguous() for size, both in attending(LEFT).items()}
    points = anchored((0, 0), anchors=((15.9, 15.9), (4.5, 7)))
    element = torch.ones(2, SIDE, SIDE)
    found = going(sights_of(maps, correlate(maps, GRID, points), GRID, points, picture), element, GRID, points)
    assert found.shape == element.shape and torch.isfinite(found).all() and bool((found[:, 0, 0] == 1).all())
