"""Batches: one drag for all pictures, or for every picture drags of its own."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from core import edit as stations
from core.edit import edit
from core.errors import InputError
from core.fill.background import FillSettings
from core.settings import EditSettings
from core.space.grid import Grid
from core.space.points import make_points, parse_points, points_to_json
from tests.core.builders import uniform
from tests.core.toy_unet import host

SIZE = (64, 80)
SETTINGS = EditSettings(steps=10, strength=0.4, fill=FillSettings(method="smooth"))
ONE = make_points([((0.3, 0.5), (0.6, 0.5))])
# Two handles of one object take another way through the room of motion than one does.
TWO = make_points([((0.25, 0.4), (0.55, 0.4)), ((0.35, 0.6), (0.65, 0.7))])
EACH = parse_points(f"[{points_to_json(ONE)}, {points_to_json(TWO)}]")


def pictures() -> torch.Tensor:
    images = uniform(2, *SIZE, 3) * 0.2
    images[:, 24:40, 16:32] += 0.6
    return images


def masks() -> torch.Tensor:
    drawn = torch.zeros(2, *SIZE)
    drawn[0, 24:40, 16:32] = 1
    drawn[1, 20:44, 16:32] = 1
    return drawn


class TestPoints:
    def test_a_list_holds_the_drags_of_every_picture(self):
        assert EACH.pairs == ONE.pairs and [one.pairs for one in EACH.pictures] == [ONE.pairs, TWO.pairs]
        assert parse_points(points_to_json(EACH)) == EACH
        assert [one.image_size for one in EACH.on_image(64, 80).pictures] == [(64, 80)] * 2

    @pytest.mark.parametrize(
        ("text", "words"),
        [("[]", ["[]", "no picture"]), ('[{"version": 1, "pairs": []}]', ["picture 1", "no drags"]),
         (f"[{points_to_json(ONE)}, 3]", ["picture 2", "3"])],
    )  # fmt: skip
    def test_what_is_wrong_is_told_with_the_pictures_number(self, text, words):
        with pytest.raises(InputError) as caught:
            parse_points(text)
        assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize("drawn", [None, masks()], ids=["found", "given"])
def test_every_picture_is_edited_as_it_is_alone(drawn):
    together = edit(host(), pictures(), EACH, SETTINGS, drawn)
    for at, points in enumerate((ONE, TWO)):
        own = slice(at, at + 1)
        alone = edit(host(), pictures()[own], points, SETTINGS, None if drawn is None else drawn[own])
        for name in ("image", "shown", "element"):
            torch.testing.assert_close(getattr(together, name)[own], getattr(alone, name), rtol=1e-3, atol=1e-3)
        assert (alone.image - pictures()[own]).abs().max() > 0.1


def test_one_drag_goes_for_all():
    both = edit(host(), pictures(), ONE, SETTINGS, masks()[:1])
    assert both.image.shape == (2, *SIZE, 3)
    for at in range(2):
        # What was on the left is on the right now, in both.
        assert both.image[at, 26:38, 44:54].mean() > pictures()[at, 26:38, 44:54].mean() + 0.3


def test_stations_one_by_one_and_another_way_back():
    grid, toy = Grid.padded(*SIZE), host()
    points = EACH.on_image(*SIZE)
    inversion = stations.invert(toy, toy.encode(pictures()), SETTINGS)
    found = stations.find(inversion, grid, points, SETTINGS, pictures(), masks())
    assert found.correlation.shape[:2] == (2, 2) and (found.correlation[0, 1] == 0).all()
    dragged = stations.move(inversion, found, SETTINGS, pictures(), toy)
    assert dragged.clean.shape[0] == 2 and len(dragged.pictures) == 2
    free = replace(SETTINGS, sample=replace(SETTINGS.sample, hold_rest=0.0))
    image = stations.finish(pictures(), toy.decode(stations.sample(toy, inversion, dragged, free)), dragged, free)
    assert image.shape == (2, *SIZE, 3) and torch.isfinite(image).all()


def test_as_many_sets_as_pictures():
    with pytest.raises(InputError, match="drags for 2 pictures, but there are 1"):
        edit(host(), pictures()[:1], EACH, SETTINGS)
