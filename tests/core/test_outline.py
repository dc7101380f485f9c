"""Parts told from things by what the picture does along their outline."""

from __future__ import annotations

import pytest
import torch

from core.edit import Found, planned
from core.motion.field import MoveSettings
from core.motion.outline import PART, outline_of, outlines_of
from core.settings import EditSettings
from core.space.grid import Grid
from core.space.points import make_points
from tests.core.builders import uniform

SIZE = (160, 192)
GRID = Grid.padded(*SIZE)
THING = (slice(40, 120), slice(40, 150))
"""Of a picture with one thing in it; its top is a part of it."""
TOP = (slice(40, 76), slice(40, 150))


def picture(thing=(0.8, 0.3, 0.2), grain: float = 0.02) -> torch.Tensor:
    image = torch.full((1, *SIZE, 3), 0.4)
    image[0][THING] = torch.tensor(thing)
    return (image + grain * (uniform(image.shape, seed=3) - 0.5)).clamp(0, 1)


def mask(*where: tuple[slice, slice]) -> torch.Tensor:
    plane = torch.zeros(1, *SIZE)
    for one in where:
        plane[0][one] = 1
    return plane


def share_of(element: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    return outline_of(element, image).share


def drag(*ways) -> object:
    """From each (x, y) px to the other."""
    height, width = SIZE
    return make_points([((a / width, b / height), (c / width, d / height)) for (a, b), (c, d) in ways]).on_image(*SIZE)


def found(element: torch.Tensor, points, objects=(0,)) -> Found:
    """As an attention that knows the thing sees it."""
    known = 0.02 + 0.5 * GRID.image_mask_to_cells(mask(THING))
    return Found(GRID, points, known[:, None].expand(-1, len(points), -1, -1), element, objects)


def test_a_share_of_the_outline_goes_on_inside_a_thing():
    """The thing's own outline is an edge all round; its top ends within it along one of four sides."""
    image = picture()
    assert float(share_of(mask(THING), image)) < 0.02
    share = 110 / (2 * 110 + 2 * 36)
    assert float(share_of(mask(TOP), image)) == pytest.approx(share, abs=0.07) and share > PART
    assert outline_of(mask(TOP), image).is_part and not outline_of(mask(THING), image).is_part


@pytest.mark.parametrize("factor", [0.5, 3])
def test_the_share_does_not_depend_on_the_size(factor):
    image, element = (
        torch.nn.functional.interpolate(one.movedim(-1, 1) if one.ndim == 4 else one[:, None], scale_factor=factor)
        for one in (picture(), mask(TOP))
    )
    share = float(share_of(element[:, 0], image.movedim(1, -1)))
    assert share == pytest.approx(float(share_of(mask(TOP), picture())), abs=0.1)


def test_the_picture_s_border_says_nothing():
    everything = (slice(0, SIZE[0]), slice(0, SIZE[1]))
    assert float(share_of(mask(everything), picture())) == 0


def test_nothing_is_a_part_in_a_picture_without_edges_where_its_outline_is_one():
    """A quiet picture's faint thing is one still: what an edge is follows the picture."""
    assert not outline_of(mask(THING), picture(thing=(0.46, 0.4, 0.36), grain=0.005)).is_part


def test_a_part_is_pushed_and_a_thing_is_moved():
    image, points = picture(), drag(((95, 50), (95, 14)))
    whole = planned(found(mask(THING), points), EditSettings(), image)
    part = planned(found(mask(TOP), points), EditSettings(), image)
    # In the thing itself, below its top, nothing is torn off: it comes along, ever less.
    origin = part.arrival.origin[0]
    ways = [float(y + 0.5 - origin[1, y, 95]) for y in (14, 60, 90, 120)]
    assert ways[0] == pytest.approx(-36, abs=2) and ways == sorted(ways) and ways[-1] < -1
    assert not part.hole_pixels(4).any()
    ways = whole.way[0, 1][whole.leaving[0] > 0.9]
    assert torch.allclose(ways, torch.tensor(-36 / 8))


def test_what_the_picture_goes_across_is_held_whatever_attention_says():
    """An attention that ends with the part itself: only the picture knows that it hangs on something."""
    known = 0.02 + 0.5 * GRID.image_mask_to_cells(mask(TOP))
    points = drag(((95, 50), (95, 20)))
    part = Found(GRID, points, known[:, None], mask(TOP), (0,))
    settings = EditSettings(move=MoveSettings(motion="reshape"))
    lowest = planned(part, settings, picture()).arrival.origin[0, 1, 75, 45:145]
    assert float((lowest - 75.5).abs().max()) < 2
    without = planned(part, EditSettings(move=MoveSettings(motion="reshape"))).arrival.origin[0, 1, 75, 95]
    assert float(without - 75.5) > 4


def test_an_outline_is_open_where_the_picture_goes_on_and_closed_along_edges():
    seen = outline_of(mask(TOP), picture()).goes_on[0]
    assert seen[75, 50:140].mean() > 0.95 and seen[:70].sum() == 0 and seen[78:].sum() == 0


@pytest.mark.parametrize("settings", [MoveSettings(motion="move"), MoveSettings(falloff="correlation")])
def test_what_was_asked_for_counts_before_what_the_picture_says(settings):
    image, points = picture(), drag(((95, 50), (95, 20)))
    told = planned(found(mask(TOP), points), EditSettings(move=settings), image)
    assert torch.equal(told.way_in, planned(found(mask(TOP), points), EditSettings(move=settings)).way_in)


def test_without_a_picture_all_are_things():
    points = drag(((95, 50), (95, 14)))
    moved = planned(found(mask(TOP), points), EditSettings())
    asked = planned(found(mask(TOP), points), EditSettings(move=MoveSettings(motion="move")))
    assert torch.equal(moved.way_in, asked.way_in)


def test_anchors_say_themselves_what_stays():
    image, points = picture(), drag(((95, 45), (95, 20)), ((95, 74), (95, 74)))
    told = planned(found(mask(TOP), points, (0, 0)), EditSettings(), image)
    without = planned(found(mask(TOP), points, (0, 0)), EditSettings())
    assert torch.equal(told.way_in, without.way_in)


def test_each_object_is_told_by_itself():
    """Two objects, of which one is a part: the pairs of each have its own answer, in any order."""
    image = picture()
    image[0, 130:150, 10:40] = torch.tensor([0.1, 0.1, 0.9])
    element = mask(TOP, (slice(130, 150), slice(10, 40)))
    ways = [((95, 50), (95, 20)), ((25, 140), (60, 140))]
    for order, expected in (((0, 1), (True, False)), ((1, 0), (False, True))):
        points = drag(*(ways[index] for index in order))
        correlation = torch.full((1, 2, *GRID.latent_size), 0.1)
        seen = outlines_of(element, image, correlation, GRID, points, (0, 1))
        assert tuple(one.is_part for one in seen) == expected


@pytest.mark.parametrize("size", [(1, 64), (8, 8), (13, 200), (14, 13)])
def test_a_picture_too_small_to_look_across_an_outline_has_things(size):
    element = torch.ones(1, *size)
    element[..., size[1] // 2 :] = 0
    assert 0 <= float(share_of(element, uniform((1, *size, 3)))) <= 1
    assert not outline_of(element, element[..., None].expand(-1, -1, -1, 3)).is_part


def test_a_plain_thing_on_rough_ground_of_its_colour_is_one():
    """Its outline has no step of colour that the ground has not everywhere."""
    image = (0.4 + 0.5 * (uniform((1, *SIZE, 3), seed=9) - 0.5)).repeat_interleave(2, 1).repeat_interleave(2, 2)
    image = image[:, : SIZE[0], : SIZE[1]].clone()
    image[0][THING] = 0.4
    assert not outline_of(mask(THING), image).is_part
    assert outline_of(mask(TOP), image).is_part
