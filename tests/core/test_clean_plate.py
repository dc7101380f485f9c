"""A user's own picture of what is behind, and the masks of where an inpainting node may paint."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from core.diffusion.sampling import SampleSettings
from core.edit import check_one_behind, edit, find, invert, move
from core.errors import InputError
from core.fill.background import FillSettings, filled_pixels
from core.pixels.revealed import SEAM, revealed_mask, seam_mask
from core.settings import EditSettings
from core.space.grid import Grid
from tests.core import toy_unet
from tests.core.builders import uniform
from tests.core.test_edit import FEW, by_pixels, picture, square

# Nothing is left for sampling to change.
SMOOTH = FillSettings(method="smooth")
HELD = dataclasses.replace(FEW, sample=SampleSettings(hold_element=1.0, hold_rest=1.0), fill=SMOOTH)
PLATE = 0.4 + 0.2 * uniform(1, 75, 90, 3, seed=8)


def whole(result, at: int = 0) -> torch.Tensor:
    """(H, W) bool: pixels of a picture that are revealed, and shown of the edit alone: no soft edge."""
    return (result.revealed[at] == 1) & (result.shown[at] == 1)


@pytest.fixture(scope="module")
def edited():
    return edit(toy_unet.host(), picture(), by_pixels(32, 16), HELD, square(), clean_plate=PLATE)


def test_the_plates_pixels_appear_where_the_element_left(edited):
    revealed = whole(edited)
    assert int(revealed.sum()) > 600
    torch.testing.assert_close(edited.image[0][revealed], PLATE[0][revealed], atol=1e-5, rtol=0)


def test_the_element_arrives_and_the_rest_is_the_sources_bit_for_bit(edited):
    image = picture()
    torch.testing.assert_close(edited.image[:, 40:48, 56:64], image[:, 24:32, 24:32], atol=1e-4, rtol=0)
    outside = edited.shown == 0
    assert float(outside.float().mean()) > 0.4
    assert torch.equal(edited.image[outside], image[outside])


def test_no_trace_of_a_continuation_is_left(edited):
    """Whatever the settings of the filling, and wherever it is done, a plate takes its place."""
    for fill in (FillSettings(method="curved"), FillSettings(space="latent")):
        again = edit(
            toy_unet.host(),
            picture(),
            by_pixels(32, 16),
            dataclasses.replace(HELD, fill=fill),
            square(),
            clean_plate=PLATE,
        )
        assert torch.equal(again.image, edited.image)
    assert not torch.equal(edit(toy_unet.host(), picture(), by_pixels(32, 16), HELD, square()).image, edited.image)


def test_what_sampling_is_left_to_change_starts_from_the_plate():
    """Not held, the model sees the plate's latent under the fresh noise."""
    host, settings = toy_unet.host(), dataclasses.replace(FEW, sample=SampleSettings(hold_rest=0.0))
    image, grid = picture(), Grid.padded(75, 90)
    inversion = invert(host, host.encode(grid.pad_image(image)), settings)
    found = find(inversion, grid, by_pixels(32, 16).on_image(75, 90), settings, image, square())
    dragged = move(inversion, found, settings, image, host, clean_plate=PLATE)
    plate = host.encode(grid.pad_image(PLATE))
    # Cells whose every pixel is the plate's: the square's own, less those that it comes to.
    torch.testing.assert_close(dragged.clean[:, :, 2:5, 2:5], plate[:, :, 2:5, 2:5])


def test_one_plate_goes_for_a_batch_and_several_for_their_own_pictures():
    images, plates = picture(2), torch.cat([PLATE, 1 - PLATE])
    one = edit(toy_unet.host(), images, by_pixels(32, 16), HELD, square(), clean_plate=PLATE)
    each = edit(toy_unet.host(), images, by_pixels(32, 16), HELD, square(), clean_plate=plates)
    revealed = whole(each, 1)
    assert torch.equal(one.image[0], each.image[0])
    torch.testing.assert_close(one.image[1][revealed], PLATE[0][revealed], atol=1e-5, rtol=0)
    torch.testing.assert_close(each.image[1][revealed], 1 - PLATE[0][revealed], atol=1e-5, rtol=0)


def test_pictures_with_their_own_drags_have_their_own_plates():
    points = dataclasses.replace(by_pixels(32, 16), pictures=(by_pixels(32, 16), by_pixels(0, 24)))
    images, plates = picture(2), torch.cat([PLATE, 1 - PLATE])
    result = edit(toy_unet.host(), images, points, HELD, square(), clean_plate=plates)
    for at, one in enumerate(points.pictures):
        alone = edit(toy_unet.host(), images[at : at + 1], one, HELD, square(), clean_plate=plates[at : at + 1])
        assert torch.equal(result.revealed[at], alone.revealed[0]) and torch.equal(result.seam[at], alone.seam[0])
        revealed = whole(alone)
        torch.testing.assert_close(result.image[at][revealed], plates[at][revealed], atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("plate", "words"),
    [
        (PLATE[:, :-3], "90x72 px, but the picture is 90x75 px"),
        (PLATE.expand(3, -1, -1, -1), "3 plates for 1 pictures"),
        (PLATE[..., :1], "shape"),
        (torch.full_like(PLATE, float("nan")), "NaN"),
    ],
    ids=["size", "batch", "channels", "values"],
)
def test_a_plate_that_does_not_fit_is_told_before_anything_is_evaluated(plate, words):
    host = toy_unet.host()
    host.denoiser = None
    with pytest.raises(InputError, match=words) as told:
        edit(host, picture(), by_pixels(32, 16), HELD, clean_plate=plate)
    assert told.value.input == "clean_plate"


def test_it_needs_a_picture_and_an_autoencoder_and_no_painter():
    host, image, grid = toy_unet.host(), picture(), Grid.padded(75, 90)
    inversion = invert(host, host.encode(grid.pad_image(image)), HELD)
    found = find(inversion, grid, by_pixels(32, 16).on_image(75, 90), HELD, image, square())
    for given in ((None, host), (image, None), (None, None)):
        with pytest.raises(InputError, match="clean_plate"):
            move(inversion, found, HELD, *given, clean_plate=PLATE)
    with pytest.raises(InputError, match="clean_plate: a painter"):
        check_one_behind(True)
    check_one_behind(False)


class TestMasks:
    def test_revealed_is_what_was_filled_and_nothing_came_to(self, edited):
        filled = filled_pixels(edited.movement)[0]
        # The square with four pixels round it, less the square 32 px to the right and 16 down.
        expected = torch.zeros(75, 90, dtype=torch.bool)
        expected[12:44, 12:44] = True
        assert torch.equal(filled, expected)
        expected[32:56, 48:72] = False
        assert torch.equal(edited.revealed[0] > 0.5, expected)

    def test_what_is_not_touched_is_in_neither(self, edited):
        beyond = torch.ones(75, 90, dtype=torch.bool)
        beyond[12 - SEAM : 44 + SEAM, 12 - SEAM : 44 + SEAM] = False
        beyond[32 - SEAM : 56 + SEAM, 48 - SEAM : 72 + SEAM] = False
        assert not edited.revealed[0][beyond].any() and not edited.seam[0][beyond].any()

    def test_the_seam_is_a_band_on_both_sides_of_the_outline(self, edited):
        seam, revealed = edited.seam[0], edited.revealed[0]
        assert not (seam * (revealed > 0.5)).any()
        # Down a column through the arrived square's middle: rows 32 to 55 are its own.
        column = seam[:, 62]
        assert column[32 - SEAM : 32 + SEAM].all() and column[56 - SEAM : 56 + SEAM].all()
        assert not column[32 + SEAM : 56 - SEAM].any() and not column[: 32 - SEAM].any()

    def test_overlapping_old_and_new_place(self):
        result = edit(toy_unet.host(), picture(), by_pixels(8, 0), HELD, square())
        revealed = result.revealed[0] > 0.5
        assert revealed[16:40, 12:24].all() and not revealed[16:40, 24:48].any()

    def test_nothing_dragged_reveals_nothing(self):
        result = edit(toy_unet.host(), picture(), by_pixels(0, 0), HELD)
        assert not result.revealed.any() and not result.seam.any()

    def test_they_follow_the_margin_of_the_filling(self, edited):
        wide = FillSettings(hole_margin=8)
        assert (revealed_mask(edited.dragged, wide) > 0.5).sum() > (edited.revealed > 0.5).sum()
        assert not (seam_mask(edited.dragged, wide) * (revealed_mask(edited.dragged, wide) > 0.5)).any()


def test_settings_say_nothing_of_it():
    """A plate is a picture, not a setting: presets and job keys don't hold it."""
    assert "clean_plate" not in {one.name for one in dataclasses.fields(EditSettings)}
