"""The method on pictures larger than the model's own size."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from core import windowed
from core.diffusion.sampling import SampleSettings
from core.edit import EditResult, edit
from core.errors import InputError
from core.fill.background import FillSettings
from core.region.found import ElementSettings
from core.settings import EditSettings
from core.space.grid import Grid
from core.space.points import DragPoints, make_points
from core.window.plan import SMALLEST
from core.windowed import WindowedResult, edit_anywhere
from tests.core import toy_unet
from tests.core.builders import uniform
from tests.core.toy_unet import Spy

FEW = EditSettings(steps=8, strength=0.5, fill=FillSettings(method="smooth"))
HELD = dataclasses.replace(FEW, sample=SampleSettings(hold_element=1.0, hold_rest=1.0))
NATIVE = 96


def picture(
    height: int = 300, width: int = 360, size: int = 40, batch: int = 1, texture: float = 0.2
) -> torch.Tensor:
    """A textured ground with a bright square of ``size`` px at (120, 100)."""
    image = 0.2 + texture * uniform(batch, height, width, 3, seed=3)
    image[:, 100 : 100 + size, 120 : 120 + size] = 0.7 + 0.25 * uniform(batch, size, size, 3, seed=4)
    return image


def square(size: int = 40, height: int = 300, width: int = 360) -> torch.Tensor:
    mask = torch.zeros(1, height, width)
    mask[:, 100 : 100 + size, 120 : 120 + size] = 1
    return mask


def by(dx: float, dy: float, x: float = 140, y: float = 120, height: int = 300, width: int = 360) -> DragPoints:
    return make_points([((x / width, y / height), ((x + dx) / width, (y + dy) / height))])


def spied(host=None):
    host = host or toy_unet.host()
    host.denoiser = Spy(host.denoiser)
    return host


@pytest.mark.parametrize("context", ["auto", "whole", 8])
@pytest.mark.parametrize("size", [(75, 90), (96, 96)])
def test_a_picture_no_larger_than_the_models_is_edited_as_it_was(size, context):
    image, drags = uniform(1, *size, 3), make_points([((0.4, 0.4), (0.6, 0.5))])
    host = spied()
    here = edit_anywhere(host, image, drags, NATIVE, context, FEW)
    evaluations = len(host.denoiser.calls)
    host.denoiser.calls.clear()
    there = edit(host, image, drags, FEW)
    for name in ("image", "element", "shown", "revealed", "seam"):
        assert torch.equal(getattr(here, name), getattr(there, name))
    assert type(here) is EditResult and evaluations == len(host.denoiser.calls) > 0


def test_the_whole_picture_where_it_is_asked_for():
    image, drags = uniform(1, 120, 130, 3), by(10, 0, 60, 60, 120, 130)
    here = edit_anywhere(toy_unet.host(), image, drags, 64, "whole", FEW)
    there = edit(toy_unet.host(), image, drags, FEW)
    assert torch.equal(here.image, there.image)


@pytest.mark.parametrize(("way", "smaller"), [((10, 4), False), ((190, 40), True)])
@pytest.mark.parametrize("masked", [True, False])
def test_outside_of_the_window_and_of_the_edit_the_picture_is_the_sources(way, smaller, masked):
    # Random attention finds nothing: the less there is to take for a thing, the better.
    image = picture(batch=2, texture=0.05)
    result = edit_anywhere(toy_unet.host(), image, by(*way), NATIVE, settings=FEW, mask=square() if masked else None)
    assert isinstance(result, WindowedResult) and result.image.shape == image.shape
    window = result.window
    if masked:
        assert (window.scale < 1) == smaller
    for name in ("shown", "element", "revealed", "seam"):
        value = getattr(result, name)
        assert value.shape == image.shape[:3] and value.device.type == "cpu" and float(value.max()) <= 1
    outside = result.shown == 0
    assert torch.equal(result.image[outside], image[outside])
    beyond = torch.ones_like(outside)
    beyond[:, window.rows, window.columns] = False
    assert beyond.any() and outside[beyond].all()
    assert not torch.allclose(result.image, image, atol=0.05)


def test_the_element_arrives_with_the_detail_of_the_picture():
    """The square of 40 px is edited at a third of its size, and held: its texture arrives all the same."""
    image = picture()
    result = edit_anywhere(toy_unet.host(), image, by(180, 60), NATIVE, settings=HELD, mask=square())
    assert result.window.scale < 0.5
    arrived, there = result.image[:, 168:192, 308:332], image[:, 108:132, 128:152]
    assert float((arrived - there).abs().mean()) < 0.02
    # What it left is as dark as the ground.
    assert float(result.image[:, 110:130, 130:150].mean()) < 0.45


def test_a_look_takes_few_evaluations_and_none_with_a_mask():
    for mask, looks in ((None, windowed.LOOKS), (square(), 0)):
        host = spied()
        edit_anywhere(host, picture(), by(30, 10), NATIVE, settings=FEW, mask=mask)
        # Four to invert, and one of the four back that is not held.
        assert len(host.denoiser.calls) == looks + 5
        assert all(
            call["x"].shape[-1] * call["x"].shape[-2] <= 1.25 * (NATIVE / 8) ** 2 for call in host.denoiser.calls
        )


def test_points_that_stay_in_their_window_cost_no_other_look_and_no_other_inversion():
    image, host = picture(), spied()
    seen = windowed.look(host, image, NATIVE, FEW)
    looked = len(host.denoiser.calls)
    windows = {windowed.take(image, by(30 + step, 10), NATIVE, settings=FEW, mask=square()).window for step in range(6)}
    again = {windowed.take(image, by(30 + step, 10), NATIVE, settings=FEW, seen=seen).window for step in range(3)}
    assert len(windows) == 1 and len(again) <= 2
    assert len(host.denoiser.calls) == looked == windowed.LOOKS


def test_the_look_finds_what_the_window_must_hold():
    """A handle on a thing larger than the model's own size: the window holds all of it, not a part."""
    seen = windowed.look(toy_unet.host(disturbance=0.0), picture(size=150), NATIVE, FEW)
    threshold = dataclasses.replace(FEW, element=ElementSettings(rule="threshold"))
    element = seen.element(by(40, 0, 190, 170), threshold)
    assert element.shape[1:] == seen.window.edited and seen.window.edited[0] * seen.window.edited[1] <= NATIVE**2 * 1.02
    window = windowed.take(picture(size=150), by(40, 0, 190, 170), NATIVE, settings=threshold, seen=seen).window
    inside = element[0] > 0.5
    columns = inside.any(0).nonzero().flatten()
    scale = 360 / element.shape[-1]
    assert window.left <= float(columns[0]) * scale + 1 and window.left + window.width >= float(columns[-1]) * scale - 1


def test_pictures_of_a_batch_with_drags_of_their_own():
    image = picture(batch=2)
    one, other = by(30, 10), by(-40, 60)
    both = DragPoints(one.pairs, pictures=(one, other))
    result = edit_anywhere(toy_unet.host(), image, both, NATIVE, settings=HELD, mask=square())
    outside = result.shown == 0
    assert torch.equal(result.image[outside], image[outside])
    for at, (dx, dy) in enumerate(((30, 10), (-40, 60))):
        arrived = result.image[at, 108 + dy : 132 + dy, 128 + dx : 152 + dx]
        assert float((arrived - image[at, 108:132, 128:152]).abs().mean()) < 0.05
    with pytest.raises(InputError) as caught:
        edit_anywhere(spied(), picture(batch=3), both, NATIVE, settings=FEW)
    assert caught.value.input == "points"


def test_a_target_outside_of_the_picture_and_a_handle_in_the_corner():
    image = picture()
    gone = edit_anywhere(toy_unet.host(), image, by(-400, 0), NATIVE, settings=FEW, mask=square())
    assert float(gone.image[:, 110:130, 130:150].mean()) < 0.5
    corner = edit_anywhere(toy_unet.host(), image, make_points([((0.0, 1.0), (0.1, 0.9))]), NATIVE, settings=FEW)
    assert torch.isfinite(corner.image).all()


@pytest.mark.parametrize("context", [0, 8])
def test_a_window_of_few_px_round_what_moves(context):
    """Smaller than a U-Net takes: it is as large as that, and the edit is right."""
    image = picture(size=8)
    host = spied()
    result = edit_anywhere(host, image, by(16, 0, 124, 104), NATIVE, context, HELD, square(8))
    window = result.window
    assert window.scale == 1 and SMALLEST <= min(window.size) and max(window.size) <= NATIVE
    assert {call["x"].shape[-2:] for call in host.denoiser.calls} == {Grid.padded(*window.edited).latent_size}
    arrived, there = result.image[:, 101:107, 137:143], image[:, 101:107, 121:127]
    assert float((arrived - there).abs().mean()) < 0.05
    assert float(result.image[:, 101:107, 121:127].mean()) < 0.45


@pytest.mark.parametrize("context", ["auto", 8])
def test_a_mask_larger_than_a_window_at_the_pictures_own_size(context):
    """All of it is in the window, which is edited smaller, and all of it moves."""
    image = picture(size=150)
    result = edit_anywhere(toy_unet.host(), image, by(60, 20, 190, 170), NATIVE, context, HELD, square(150))
    window = result.window
    assert window.scale < 0.6 and window.height * window.width > NATIVE**2
    assert window.left <= 120 and window.left + window.width >= 330 and window.top <= 100
    arrived, there = result.image[:, 130:260, 190:320], image[:, 110:240, 130:260]
    assert float((arrived - there).abs().mean()) < 0.03


def test_a_picture_of_one_to_eight():
    image = 0.2 + 0.2 * uniform(1, 60, 480, 3, seed=3)
    mask = torch.zeros(1, 60, 480)
    mask[:, 20:40, 100:120] = 1
    image[:, 20:40, 100:120] += 0.5
    for dx in (20, 300):
        drags = make_points([((110 / 480, 0.5), ((110 + dx) / 480, 0.5))])
        result = edit_anywhere(toy_unet.host(), image, drags, NATIVE, settings=HELD, mask=mask)
        arrived = result.image[:, 24:36, 104 + dx : 116 + dx]
        assert float((arrived - image[:, 24:36, 104:116]).abs().mean()) < 0.05
        assert torch.equal(result.image[result.shown == 0], image[result.shown == 0])


def test_a_clean_plate_shows_in_the_window():
    image, plate = picture(), 0.2 + 0.2 * uniform(1, 300, 360, 3, seed=3)
    result = edit_anywhere(toy_unet.host(), image, by(180, 60), NATIVE, settings=HELD, mask=square(), clean_plate=plate)
    assert result.window.scale < 0.5
    assert float((result.image - plate)[:, 105:135, 125:155].abs().mean()) < 0.02


def test_what_can_not_be_is_refused_before_anything_is_evaluated():
    image = picture()
    for options, input, words in (
        ({"mask": torch.ones(1, 30, 36)}, "mask", "36x30"),
        ({"clean_plate": torch.ones(1, 30, 36, 3)}, "clean_plate", "36x30"),
        ({"context": -1}, "window", "-1 px"),
        ({"context": "near"}, "window", "'near'"),
        ({"mask": square(8)}, "mask", "1/"),
    ):
        host = spied()
        with pytest.raises(InputError) as caught:
            edit_anywhere(host, image, by(190, 40, 124, 104), NATIVE, settings=FEW, **options)
        assert caught.value.input == input and words in caught.value.problem and not host.denoiser.calls


def test_pixels_that_the_settings_tell_are_pixels_of_the_picture():
    wider = dataclasses.replace(FEW, element=ElementSettings(grow=12, feather=8))
    result = edit_anywhere(toy_unet.host(), picture(), by(190, 40), NATIVE, settings=wider, mask=square())
    inside = windowed.settings_in(result.window, wider).element
    assert inside.grow == round(12 * result.window.scale) < 12 and inside.feather == round(8 * result.window.scale)


def test_without_the_sources_background_the_window_has_no_frame():
    """The toy autoencoder loses detail all over the window; towards its borders the picture's own comes back."""
    image = picture()
    settings = dataclasses.replace(HELD, source_background=False, restore_detail=False)
    result = edit_anywhere(toy_unet.host(), image, by(30, 10), NATIVE, settings=settings, mask=square())
    window, change = result.window, (result.image - image).abs().amax(-1)
    assert float(result.shown[:, window.rows, window.columns].mean()) > 0.4
    edge = torch.zeros_like(change, dtype=torch.bool)
    edge[:, window.top, window.columns] = edge[:, window.rows, window.left] = True
    assert float(change[edge].max()) < 0.01 < float(change.max())
