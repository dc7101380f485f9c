"""The whole method on a toy model: encode, invert, find, move, sample, decode, composite."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from core import edit as stations
from core.attention.plan import CapturePlan
from core.diffusion.sampling import SampleSettings
from core.edit import edit
from core.errors import InputError
from core.fill.background import FillSettings
from core.motion.field import MoveSettings
from core.region.given import given_element
from core.settings import EditSettings
from core.space.grid import Grid, check_image
from core.space.points import DragPair, DragPoints, make_points
from tests.core import toy_unet
from tests.core.builders import uniform
from tests.core.toy_unet import Spy

FEW = EditSettings(steps=8, strength=0.7, shown_feather=4)
# For what is not about the filling: choosing one costs more than the toy model's evaluations.
SMOOTH = dataclasses.replace(FEW, fill=FillSettings(method="smooth"))


def picture(batch: int = 1, height: int = 75, width: int = 90) -> torch.Tensor:
    """A textured ground with a bright textured square at rows 16..40, columns 16..40."""
    ground = 0.2 + 0.2 * uniform(batch, height, width, 3, seed=3)
    ground[:, 16:40, 16:40] = 0.7 + 0.25 * uniform(batch, 24, 24, 3, seed=4)
    return ground


def square(height: int = 75, width: int = 90) -> torch.Tensor:
    mask = torch.zeros(1, height, width)
    mask[:, 16:40, 16:40] = 1
    return mask


def by_pixels(dx: float, dy: float, height: int = 75, width: int = 90) -> DragPoints:
    return make_points([((28 / width, 28 / height), ((28 + dx) / width, (28 + dy) / height))])


@pytest.mark.parametrize("size", [(75, 90), (64, 64), (41, 97), (40, 61)])
def test_any_size_and_batch(size):
    image = uniform(2, *size, 3)
    result = edit(toy_unet.host(), image, by_pixels(12, 5, *size), FEW)
    height, width = size
    assert result.image.shape == image.shape and result.image.dtype == torch.float32
    assert result.element.shape == result.shown.shape == (2, height, width)
    assert result.found.correlation.shape == (2, 1, -(-height // 8), -(-width // 8))
    for value in (result.image, result.element, result.shown, result.found.correlation):
        assert value.device.type == "cpu"
        assert torch.isfinite(value).all() and (value >= 0).all() and (value <= 1).all()
    outside = result.shown == 0
    assert torch.equal(result.image[outside], image[outside])


@pytest.mark.parametrize("keep_element", [False, True])
def test_outside_the_region_the_picture_is_the_sources_bit_for_bit(keep_element):
    image = picture(2)
    settings = dataclasses.replace(FEW, restore_detail=keep_element)
    result = edit(toy_unet.host(), image, by_pixels(32, 16), settings, mask=square())
    outside = result.shown == 0
    assert 0.2 < float(outside.float().mean()) < 0.9
    assert torch.equal(result.image[outside], image[outside])
    assert not torch.allclose(result.image[~outside], image[~outside], atol=0.05)


def test_without_keep_pixels_the_background_is_the_autoencoders_round_trip():
    image, host = picture(), toy_unet.host()
    result = edit(host, image, by_pixels(32, 16), dataclasses.replace(FEW, source_background=False), mask=square())
    grid = result.movement.grid
    roundtrip = grid.crop_image(host.decode(host.encode(grid.pad_image(image)))).clamp(0, 1)
    # The toy decoder sees one cell at a time, so that the region's own border is where the change ends.
    still = (result.movement.free == 0).repeat_interleave(8, 1).repeat_interleave(8, 2)[:, :75, :90]
    still &= grid.cells_to_image_mask(result.movement.arriving) == 0
    assert float(still.float().mean()) > 0.2
    assert torch.allclose(result.image[still], roundtrip[still], atol=1e-5)
    assert not torch.allclose(result.image[still], image[still], atol=1e-2)


def test_the_element_arrives_with_all_its_detail_and_leaves_its_place():
    image = picture()
    settings = dataclasses.replace(FEW, sample=SampleSettings(hold_element=1.0))
    result = edit(toy_unet.host(), image, by_pixels(32, 16), settings, mask=square())
    # A cell within the rim, where neither feather nor transition reaches.
    arrived, element = result.image[:, 40:48, 56:64], image[:, 24:32, 24:32]
    assert torch.allclose(arrived, element, atol=1e-2)
    # The ground is dark; what is left behind must be nearer to it than to the element.
    left = result.image[:, 24:32, 24:32]
    assert float(left.mean()) < 0.5 < float(element.mean())


@pytest.mark.parametrize("dx", [8, 20])
def test_sub_cell_drags_move_by_pixels(dx):
    image = picture()
    settings = dataclasses.replace(FEW, sample=SampleSettings(hold_element=1.0))
    result = edit(toy_unet.host(), image, by_pixels(dx + 4, 0), settings, mask=square())
    # Brightness balances where the element now is.
    bright = (result.image - image).mean(-1).clamp(min=0)[0]
    x = torch.arange(90.0) + 0.5
    right = float((bright.sum(0) * x).sum() / bright.sum())
    # It covers new ground from its old right border on to its new one.
    covered = (max(40, 16 + dx + 4) + 40 + dx + 4) / 2
    assert right == pytest.approx(covered, abs=4)


def test_a_zero_drag_gives_the_source():
    image = picture(2)
    points = DragPoints((DragPair((0.3, 0.4), (0.3, 0.4)), DragPair((0.8, 0.8), (0.8, 0.8))))
    result = edit(toy_unet.host(), image, points, FEW)
    assert torch.equal(result.image, image)
    assert not result.shown.any()


def test_the_given_mask_is_what_moves():
    image = picture(2)
    own = edit(toy_unet.host(), image, by_pixels(32, 16), FEW)
    wider = (square() + square().roll(-9, 2)).clamp(max=1)
    given = edit(toy_unet.host(), image, by_pixels(32, 16), FEW, mask=wider)
    assert torch.equal(given.element, wider.expand(2, -1, -1))
    assert not torch.equal(given.element, own.element)
    assert torch.equal(given.movement.leaving, given.movement.grid.image_mask_to_cells(given.element))
    each = torch.cat([square(), torch.zeros(1, 75, 90)])
    result = edit(toy_unet.host(), image, by_pixels(32, 16), FEW, mask=each)
    assert torch.equal(result.image[1], image[1]) and not torch.equal(result.image[0], image[0])


def test_the_same_input_gives_the_same_picture():
    one, two = (edit(toy_unet.host(), picture(2), by_pixels(21, 6), FEW) for _ in range(2))
    for name in ("image", "element", "shown"):
        assert torch.equal(getattr(one, name), getattr(two, name))


def test_nothing_given_is_written_to():
    image, mask = picture(), square()
    kept = image.clone(), mask.clone()
    edit(toy_unet.host(), image, by_pixels(21, 6), FEW, mask=mask)
    assert torch.equal(image, kept[0]) and torch.equal(mask, kept[1])


def test_images_of_a_batch_do_not_mix():
    images = torch.cat([picture(), uniform(1, 75, 90, 3, seed=8)])
    both = edit(toy_unet.host(), images, by_pixels(32, 16), FEW, mask=square())
    alone = edit(toy_unet.host(), images[:1], by_pixels(32, 16), FEW, mask=square())
    assert torch.allclose(both.image[:1], alone.image, atol=1e-2)
    assert torch.allclose(both.found.correlation[:1], alone.found.correlation, atol=1e-2)


def test_recomputing_keys_and_values_gives_the_same_picture():
    results = [
        edit(
            toy_unet.host(),
            picture(),
            by_pixels(32, 16),
            dataclasses.replace(FEW, refinements=4, capture=CapturePlan(storage=storage)),
            mask=square(),
        ).image
        for storage in ("cpu", "device", "recompute")
    ]
    assert torch.equal(results[0], results[1])
    assert torch.allclose(results[0], results[2], atol=5e-3)


def test_the_automatic_region_holds_the_handle_and_reaches_no_further_than_the_radius():
    pair = by_pixels(20, 0).pairs[0]
    points = DragPoints((dataclasses.replace(pair, radius=0.2),))
    result = edit(toy_unet.host(), picture(), points, FEW)
    assert result.element[0, 28, 28] > 0
    y, x = result.movement.grid.cell_centres()
    beyond = torch.hypot(x - 3.5, y - 3.5) > 0.2 * 75 / 8 + 0.01
    assert bool(beyond.any()) and not result.movement.leaving[0][beyond].any()
    y, x = result.movement.grid.pixel_centres_in_cells()
    assert not result.element[0][torch.hypot(x - 3.5, y - 3.5) > 0.2 * 75 / 8 + 0.01].any()


def test_steps_are_counted_over_inversion_and_sampling():
    seen = []
    result = edit(toy_unet.host(), picture(), by_pixels(8, 0), FEW, on_step=lambda *step: seen.append(step))
    assert [done for done, _, _ in seen] == list(range(1, 2 * result.inversion.steps + 1))
    assert all(x.shape == clean.shape == result.inversion.clean.shape for _, x, clean in seen)


def test_the_number_of_evaluations():
    for storage, refinements, hold, expected in (
        ("cpu", 0, 0.0, 12),
        ("cpu", 2, 0.0, 24),
        ("recompute", 0, 0.0, 18),
        ("off", 0, 0.0, 12),
        # While everything is held there is nothing to evaluate: of six steps, four and all.
        ("cpu", 0, 0.75, 8),
        ("recompute", 0, 0.75, 10),
        ("cpu", 0, 1.0, 6),
    ):
        host = toy_unet.host()
        host.denoiser = spy = Spy(host.denoiser)
        settings = dataclasses.replace(
            SMOOTH, refinements=refinements, capture=CapturePlan(storage=storage), sample=SampleSettings(hold_rest=hold)
        )
        edit(host, picture(), by_pixels(8, 0), settings, mask=square())
        assert len(spy.calls) == expected


class Stop(Exception):
    """Raised as an interrupt."""


@pytest.mark.parametrize("when", [2, 8])
def test_an_interrupt_gets_through_and_the_next_edit_is_unharmed(when):
    host = toy_unet.host()
    whole = edit(host, picture(), by_pixels(21, 6), SMOOTH, square()).image

    def stop(done, *_):
        if done == when:
            raise Stop

    with pytest.raises(Stop):
        edit(host, picture(), by_pixels(21, 6), SMOOTH, square(), stop)
    assert torch.equal(edit(host, picture(), by_pixels(21, 6), SMOOTH, square()).image, whole)


def test_sampling_may_have_a_conditioning_of_its_own():
    host = toy_unet.host()
    plain = edit(host, picture(), by_pixels(32, 16), FEW, mask=square())
    host.sampling_denoiser = toy_unet.ToyUNet(seed=9)
    other = edit(host, picture(), by_pixels(32, 16), FEW, mask=square())
    assert torch.equal(plain.inversion.trajectory, other.inversion.trajectory)
    assert not torch.allclose(plain.image, other.image, atol=1e-3)


def test_another_models_inversion_is_not_sampled():
    one, other = toy_unet.host(0), toy_unet.host(1)
    result = edit(one, picture(), by_pixels(8, 0), FEW)
    with pytest.raises(InputError) as caught:
        other.sample(result.inversion, result.inversion.noisy, None, None, SampleSettings(), None)
    assert caught.value.input == "inversion"


def test_several_drags_in_any_order():
    pairs = make_points([((0.3, 0.35), (0.5, 0.35)), ((0.35, 0.4), (0.2, 0.6)), ((0.8, 0.8), (1.3, 0.9))]).pairs
    images = [
        edit(toy_unet.host(), picture(), DragPoints(order), FEW).image
        for order in (pairs, pairs[::-1], (pairs[1], pairs[0], pairs[2]))
    ]
    for other in images[1:]:
        assert torch.allclose(images[0], other, atol=1e-4)


def test_dragged_out_of_the_image_the_element_is_gone():
    result = edit(toy_unet.host(), picture(), by_pixels(-200, 0), FEW, mask=square())
    assert float(result.image[:, 20:36, 20:36].mean()) < 0.55 < float(picture()[:, 20:36, 20:36].mean())


def test_stretching_falloff_runs():
    result = edit(
        toy_unet.host(),
        picture(),
        by_pixels(24, 0),
        dataclasses.replace(FEW, move=MoveSettings(falloff="correlation")),
        mask=square(),
    )
    assert torch.isfinite(result.image).all()


@pytest.mark.parametrize(
    "image",
    [torch.zeros(1, 20, 20, 4), torch.zeros(1, 20, 20), torch.zeros(0, 20, 20, 3), torch.zeros(1, 0, 20, 3)],
    ids=lambda image: str(tuple(image.shape)),
)
def test_an_image_of_another_shape_is_refused(image):
    with pytest.raises(InputError) as caught:
        edit(toy_unet.host(), image, by_pixels(8, 0), FEW)
    assert caught.value.input == "image" and str(tuple(image.shape)) in str(caught.value)


def test_an_image_that_is_not_finite_is_refused():
    image = picture()
    image[0, 3, 4, 1] = float("nan")
    with pytest.raises(InputError) as caught:
        check_image(image, "source")
    assert caught.value.input == "source"


@pytest.mark.parametrize("shape", [(1, 90, 75), (1, 75, 91), (3, 75, 90)])
def test_a_mask_of_another_size_or_batch_is_refused(shape):
    with pytest.raises(InputError) as caught:
        edit(toy_unet.host(), picture(2), by_pixels(8, 0), FEW, mask=torch.ones(shape))
    assert caught.value.input == "mask"


def spot(batch: int, *box: int) -> torch.Tensor:
    """Empty masks but for a box (top, left, bottom, right) in the last."""
    mask = torch.zeros(batch, 75, 90)
    top, left, bottom, right = box
    mask[-1, top:bottom, left:right] = 1
    return mask


@pytest.mark.parametrize(
    ("mask", "batch", "words"),
    [
        (spot(1, 0, 0, 0, 0), 1, ["empty", "8x8"]),
        (spot(1, 20, 20, 27, 29), 1, ["covers 63 px", "8x8"]),
        (0.5 * spot(1, 20, 20, 30, 30), 1, ["covers 50 px"]),
        (spot(3, 20, 20, 22, 22), 3, ["covers 4 px"]),
    ],
    ids=["empty", "small", "soft", "batch"],
)
def test_a_mask_that_could_move_nothing_is_refused_before_anything_is_evaluated(mask, batch, words):
    host = toy_unet.host()
    host.denoiser = Spy(host.denoiser)
    with pytest.raises(InputError) as caught:
        edit(host, picture(batch), by_pixels(32, 16), FEW, mask=mask)
    assert caught.value.input == "mask" and "grow" in caught.value.mend
    for word in words:
        assert word in caught.value.problem
    assert not host.denoiser.calls


@pytest.mark.parametrize("box", [(16, 16, 24, 24), (19, 21, 27, 29), (19, 0, 20, 64)])
def test_a_mask_of_one_cells_worth_is_taken_wherever_it_lies(box):
    assert given_element(spot(1, *box), Grid.padded(75, 90), 1).sum() == 64


@pytest.mark.parametrize("bad", [{"steps": 0}, {"strength": 0.0}, {"strength": 1.5}, {"refinements": -1}])
def test_settings_out_of_range_are_refused(bad):
    with pytest.raises(InputError) as caught:
        edit(toy_unet.host(), picture(), by_pixels(8, 0), dataclasses.replace(FEW, **bad))
    assert caught.value.input == next(iter(bad))


def test_pixels_that_are_moved_are_encoded_where_something_changes_and_only_there():
    """A way of 11 px lies between cells: the moved latent is a mixture of cells, the encoded picture is not."""
    image, host = picture(), toy_unet.host()
    results = {
        start: edit(host, image, by_pixels(11, 0), dataclasses.replace(FEW, move=MoveSettings(start=start)), square())
        for start in ("latents", "pixels")
    }
    dragged, inversion = results["pixels"].dragged, results["pixels"].inversion
    touched = (dragged.movement.free > 0)[:, None].expand_as(dragged.clean)
    assert torch.equal(dragged.clean[~touched], inversion.clean[~touched])
    expected = image.clone()
    expected[:, 16:40, 27:51] = image[:, 16:40, 16:40]
    wanted = host.encode(dragged.movement.grid.pad_image(expected))
    # Cells that the element covers whole, at its destination.
    whole = torch.zeros_like(touched)
    whole[:, :, 2:5, 4:6] = True
    torch.testing.assert_close(dragged.clean[whole], wanted[whole], atol=1e-3, rtol=0)
    assert (results["latents"].dragged.clean[whole] - wanted[whole]).abs().max() > 0.05


def test_without_an_autoencoder_the_inverted_latent_is_moved_all_the_same():
    image, host = picture(), toy_unet.host()
    inversion = stations.invert(host, host.encode(Grid.padded(75, 90).pad_image(image)), FEW)
    found = stations.find(inversion, Grid.padded(75, 90), by_pixels(11, 0).on_image(75, 90), FEW, given=square())
    pixels = dataclasses.replace(FEW, move=MoveSettings(start="pixels"))
    for given in ((), (image,)):
        one, other = (stations.move(inversion, found, settings, *given) for settings in (FEW, pixels))
        assert torch.equal(one.clean, other.clean)
        assert torch.equal(one.at(inversion, 0), other.at(inversion, 0))


def test_what_was_moved_is_inverted_again_where_asked():
    """Freed of everything, its own inversion leads back to it; the noise that was moved does not."""
    image, host, points = picture(), toy_unet.host(), by_pixels(11, 0)
    loose = SampleSettings(source_attention="off", hold_element=0.0, hold_rest=0.0)
    away, calls = {}, {}
    for start in ("pixels", "inverted"):
        settings = dataclasses.replace(FEW, move=MoveSettings(start=start), sample=loose, refinements=2)
        result = edit(host, image, points, settings, square())
        seen = []
        latent = stations.sample(
            host, result.inversion, result.dragged, settings, on_step=lambda done, *_, seen=seen: seen.append(done)
        )
        clean, touched = result.dragged.clean, result.dragged.touched[:, None].expand_as(latent)
        assert torch.equal(latent[~touched], result.inversion.clean[~touched])
        away[start], calls[start] = float((latent - clean)[touched].square().mean()), len(seen)
        assert result.dragged.again == (start == "inverted") and result.dragged.trajectory is None
    assert away["inverted"] < 0.2 * away["pixels"]
    assert calls["inverted"] == 2 * calls["pixels"] == 2 * result.inversion.steps


def test_pictures_with_drags_of_their_own_are_inverted_again_as_each_alone():
    image, host = picture(2), toy_unet.host()
    each = (by_pixels(11, 0), by_pixels(0, 16))
    settings = dataclasses.replace(SMOOTH, move=MoveSettings(start="inverted"))
    both = edit(host, image, dataclasses.replace(each[0], pictures=each), settings, square())
    assert both.dragged.again
    for at, points in enumerate(each):
        alone = edit(host, image[at : at + 1], points, settings, square())
        own = both.dragged.pictures[at]
        assert torch.equal(own.clean, alone.dragged.clean)
        shown = alone.shown > 0.99
        assert torch.equal(both.shown[at : at + 1], alone.shown) and bool(shown.any())
        if at == 0:
            torch.testing.assert_close(both.image[:1], alone.image, atol=2e-3, rtol=0)


def test_a_given_mask_is_softened_where_asked_and_nowhere_else():
    image, host, grid = picture(), toy_unet.host(), Grid.padded(75, 90)
    inversion = stations.invert(host, host.encode(grid.pad_image(image)), FEW)

    def found(combining, shown):
        points = by_pixels(11, 0).on_image(75, 90)
        return stations.find(inversion, grid, points, FEW, shown, square(), combining).element

    assert torch.equal(found("replace", image), square()) and torch.equal(found(None, image), square())
    soft = found("soften", image)
    between = (soft > 0) & (soft < 1)
    assert between.any() and not between[:, :12].any() and not between[:, 22:34, 22:34].any()
    with pytest.raises(InputError, match="no picture to soften by"):
        found("soften", None)
