"""A window's edit goes back into the picture with the picture's own detail."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InputError
from core.motion.field import MoveSettings, plan_movement
from core.motion.movement import Movement
from core.pixels.composite import shown_mask
from core.pixels.detail import composed
from core.planes.guided_filter import box_mean
from core.space.grid import Grid
from core.space.points import make_points
from core.window.crop import Crop, crop, shrunk
from core.window.plan import Window, plan_window
from core.window.stitch import border, stitch
from tests.core.builders import uniform

SIZE, SMALL = 768, 256
WAY = (150, -60)


def textured(seed: int, low: float, high: float, size: int = SIZE) -> torch.Tensor:
    """(1, size, size, 3) detail of two pixels."""
    noise = F.interpolate(uniform(1, 3, size // 2, size // 2, seed=seed), scale_factor=2, mode="bilinear")
    return (low + (high - low) * noise).movedim(1, -1)


def disc(x: float, y: float, radius: float, size: int = SIZE) -> torch.Tensor:
    rows, columns = torch.meshgrid(torch.arange(size) + 0.5, torch.arange(size) + 0.5, indexing="ij")
    return (radius - torch.hypot(columns - x, rows - y) + 0.5).clamp(0, 1)[None]


@dataclasses.dataclass
class Scene:
    """A textured disc that goes by ``WAY`` px; what is behind is smooth, so that an enlarged filling is right."""

    crop: Crop
    movement: Movement
    truth: torch.Tensor
    edited: torch.Tensor
    shown: torch.Tensor


@pytest.fixture(scope="module", params=[1, 3], ids=["one handle", "three handles"])
def scene(request) -> Scene:
    handle, radius = (280.0, 420.0), 110.0
    mask, arrived = disc(*handle, radius), disc(handle[0] + WAY[0], handle[1] + WAY[1], radius)
    element, ground = textured(1, 0.4, 1.0), textured(2, 0.0, 0.4)
    behind = box_mean(ground.movedim(-1, 1), 48).movedim(1, -1)
    smooth = (disc(*handle, radius + 30)[..., None] > 0).float()
    behind = smooth * behind + (1 - smooth) * ground
    source = behind + mask[..., None] * (element - behind)
    truth = behind + arrived[..., None] * (element.roll((WAY[1], WAY[0]), (1, 2)) - behind)
    apart = [(-50.0, 0.0), (50.0, 0.0), (0.0, 50.0)] if request.param == 3 else [(0.0, 0.0)]
    drags = make_points(
        [
            (((handle[0] + dx) / SIZE, (handle[1] + dy) / SIZE),
             ((handle[0] + dx + WAY[0]) / SIZE, (handle[1] + dy + WAY[1]) / SIZE))
            for dx, dy in apart
        ]
    )  # fmt: skip
    window = plan_window((SIZE, SIZE), drags, SMALL, masks=[mask])
    taken = crop(window, source, drags, mask)
    assert 0.3 < window.scale < 0.8 and not window.is_whole
    grid = Grid.padded(*window.edited)
    correlation = torch.ones(1, len(drags), *grid.latent_size)
    objects = (0,) * len(drags)
    movement = plan_movement(correlation, taken.mask, grid, taken.points, MoveSettings(motion="move"), objects)
    shown = shown_mask(movement)
    # As an edit is of which sampling changes nothing.
    edited = composed(taken.image, movement, shrunk(behind[:, window.rows, window.columns], window))
    edited = torch.where(shown[..., None] > 0, edited, taken.image)
    return Scene(taken, movement, truth, edited, shown)


def psnr(one: torch.Tensor, other: torch.Tensor, where: torch.Tensor) -> float:
    return -10 * math.log10(float(((one - other) ** 2).mean(-1)[where].mean()))


def moved_part() -> torch.Tensor:
    return disc(280 + WAY[0], 420 + WAY[1], 100) > 0.5


@pytest.mark.parametrize("own", [True, False], ids=["mask at full size", "mask of the window"])
def test_detail_of_what_moved_arrives_at_full_resolution(scene, own):
    taken = scene.crop if own else dataclasses.replace(scene.crop, mask=None, own_mask=None)
    done = stitch(taken, scene.edited, [scene.movement], scene.shown).image
    window = scene.crop.window
    size = (window.height, window.width)
    enlarged = scene.crop.source.clone()
    enlarged[:, window.rows, window.columns] = F.interpolate(
        scene.edited.movedim(-1, 1), size=size, mode="bicubic", antialias=True
    ).movedim(1, -1)
    where = moved_part()
    assert psnr(done, scene.truth, where) > psnr(enlarged, scene.truth, where) + 8
    # And all that is shown, outline and what was revealed included.
    everywhere = torch.ones_like(where)
    assert psnr(done, scene.truth, everywhere) > psnr(enlarged, scene.truth, everywhere) + 5


def test_what_the_model_changed_is_added(scene):
    light = 0.1 * scene.shown[..., None]
    plain = stitch(scene.crop, scene.edited, [scene.movement], scene.shown).image
    lit = stitch(scene.crop, (scene.edited - light).clamp(0, 1), [scene.movement], scene.shown).image
    inner = disc(280 + WAY[0], 420 + WAY[1], 90) > 0.5
    change = (plain - lit)[inner]
    assert float(change.median()) == pytest.approx(0.1, abs=1e-3)
    assert float((change - 0.1).abs().mean()) < 5e-3


@pytest.mark.parametrize("known", [True, False])
def test_outside_of_the_window_and_of_what_is_shown_it_is_the_source_bit_for_bit(scene, known):
    moved = [scene.movement] if known else []
    noisy = (scene.edited + 0.2 * uniform(*scene.edited.shape, seed=9)).clamp(0, 1)
    done = stitch(scene.crop, noisy, moved, scene.shown)
    outside = done.shown == 0
    window = scene.crop.window
    beyond = torch.ones(1, SIZE, SIZE, dtype=torch.bool)
    beyond[:, window.rows, window.columns] = False
    assert outside[beyond].all() and 0.2 < float(outside.float().mean()) < 1
    assert torch.equal(done.image[outside], scene.crop.source[outside])
    assert done.image.dtype == torch.float32 and done.image.shape == scene.crop.source.shape


def test_an_edit_that_changes_nothing_gives_the_source_bit_for_bit(scene):
    done = stitch(scene.crop, scene.crop.image)
    assert torch.equal(done.image, scene.crop.source) and not done.shown.any()


def test_a_window_at_its_own_size_shows_the_edit_as_it_is():
    source = uniform(2, 500, 400, 3)
    drags = make_points([((0.5, 0.5), (0.52, 0.5))])
    taken = crop(plan_window((500, 400), drags, 256), source, drags)
    assert taken.window.scale == 1
    edited = uniform(*taken.image.shape, seed=3)
    middle = torch.zeros(1, *taken.window.edited)
    middle[:, 60:180, 60:180] = 1
    done = stitch(taken, torch.where(middle[..., None] > 0, edited, taken.image), shown=middle)
    window = taken.window
    inner = done.image[:, window.rows, window.columns][:, 60:180, 60:180]
    assert torch.equal(inner, edited[:, 60:180, 60:180])
    assert torch.equal(done.image[done.shown == 0], source[done.shown == 0])


def test_the_whole_picture_is_what_it_was_given():
    source, drags = uniform(1, 100, 90, 3), make_points([((0.5, 0.5), (0.6, 0.5))])
    taken = crop(Window.whole(100, 90), source, drags)
    edited = uniform(1, 100, 90, 3, seed=4)
    assert torch.equal(stitch(taken, edited).image, edited)


def test_no_frame_shows_where_everything_in_the_window_changed():
    """As a round trip through an autoencoder does, and a change of light: the step across a border of the window is no
    larger than steps beside it."""
    rows = torch.linspace(0.2, 0.8, 900)[:, None, None].expand(900, 900, 3)[None]
    drags = make_points([((0.5, 0.5), (0.6, 0.5))])
    for native in (256, 128):
        taken = crop(plan_window((900, 900), drags, native), rows, drags)
        done = stitch(taken, (taken.image + 0.05).clamp(0, 1)).image
        window = taken.window
        change = (done - rows)[0, ..., 0]
        assert change[window.top + window.height // 2, window.left + window.width // 2] == pytest.approx(0.05, abs=2e-3)
        steps = torch.cat([change.diff(dim=0).abs().flatten(), change.diff(dim=1).abs().flatten()])
        assert float(steps.max()) < 0.05 * math.pi / 2 / 16 + 1e-3


def test_borders_of_the_picture_are_no_borders_of_the_edit():
    share = border(Window((900, 900), 0, 300, 400, 600, (200, 300)))
    assert share[0, 300] == 1 and share[200, -1] == 1
    assert share[-1, 300] < 0.01 and share[200, 0] < 0.01
    assert (border(Window((900, 900), 0, 0, 900, 900, (256, 256))) == 1).all()
    assert border(Window((900, 900), 100, 100, 8, 8, (8, 8))).max() > 0.8


@settings(max_examples=30, deadline=None)
@given(st.integers(20, 200), st.integers(20, 200), st.floats(0, 1), st.floats(0, 1), st.sampled_from([16, 32, 64]))
def test_any_picture_and_window_are_stitched(height, width, x, y, native):
    source = uniform(1, height, width, 3)
    drags = make_points([((x, y), (1 - x, 1 - y))])
    taken = crop(plan_window((height, width), drags, native, 4), source, drags)
    done = stitch(taken, taken.image.flip(1))
    assert done.image.shape == source.shape and torch.isfinite(done.image).all()
    assert float(done.image.min()) >= 0 and float(done.image.max()) <= 1
    outside = done.shown == 0
    assert torch.equal(done.image[outside], source[outside])


def test_a_plain_edit_keeps_full_detail_where_it_changed_next_to_nothing(scene):
    window = scene.crop.window
    edited = (scene.crop.image + 0.01).clamp(0, 1)
    edited[:, 40:80, 40:80] = 0.5
    done = stitch(scene.crop, edited)
    part = done.image[0, window.rows, window.columns]
    own = scene.crop.source[0, window.rows, window.columns]
    scale = window.height / window.edited[0]
    replaced = slice(int(48 * scale), int(72 * scale))
    assert torch.allclose(part[replaced, replaced], torch.full_like(part[replaced, replaced], 0.5), atol=5e-3)
    lower = slice(int(150 * scale), int(160 * scale))
    assert torch.allclose(part[lower, lower], (own[lower, lower] + 0.01).clamp(0, 1), atol=2e-3)


def test_a_clean_plate_shows_at_full_resolution(scene):
    window = scene.crop.window
    plate = textured(7, 0.3, 0.9)
    small = shrunk(plate[:, window.rows, window.columns], window)
    arrived = disc(280 + WAY[0], 420 + WAY[1], 110)
    edited = torch.where(scene.shown[..., None] > 0, small, scene.crop.image)
    done = stitch(scene.crop, edited, [scene.movement], scene.shown, plate=plate).image
    revealed = (disc(280, 420, 100) > 0.5) & (arrived == 0)
    assert psnr(done, plate, revealed) > 35


def test_batches_of_movements_and_of_single_ones():
    size, native = 300, 128
    sources = uniform(2, size, size, 3)
    mask = disc(130, 150, 60, size)
    drags = make_points([((130 / size, 0.5), (170 / size, 0.5))])
    taken = crop(plan_window((size, size), drags, native, masks=[mask]), sources, drags, mask)
    grid = Grid.padded(*taken.window.edited)

    def movement(batch: int) -> Movement:
        element = taken.mask.expand(batch, -1, -1)
        return plan_movement(torch.ones(batch, 1, *grid.latent_size), element, grid, taken.points, None, (0,))

    edited = uniform(*taken.image.shape, seed=2)
    together = stitch(taken, edited, [movement(2)]).image
    each = stitch(taken, edited, [movement(1), movement(1)]).image
    assert torch.allclose(together, each, atol=1e-6)
    single = Crop(taken.window, sources[1:], taken.image[1:], taken.points, taken.mask, taken.own_mask)
    assert torch.allclose(stitch(single, edited[1:], [movement(1)]).image, together[1:], atol=1e-6)


def test_what_does_not_fit_the_window_is_refused(scene):
    window = scene.crop.window
    with pytest.raises(InputError) as caught:
        stitch(scene.crop, uniform(1, 100, 100, 3))
    assert caught.value.input == "edited" and f"{window.edited[1]}x{window.edited[0]} px" in caught.value.problem
    with pytest.raises(InputError) as caught:
        stitch(scene.crop, scene.edited, shown=torch.ones(1, 5, 5))
    assert caught.value.input == "shown"
    three = dataclasses.replace(scene.crop, source=scene.crop.source.expand(3, -1, -1, -1))
    with pytest.raises(InputError, match="2 pictures for 3 sources"):
        stitch(three, scene.edited.expand(2, -1, -1, -1))
    # What the latent of the window decodes to is cropped.
    padded = Grid.padded(*window.edited).pad_image(scene.edited)
    assert torch.equal(stitch(scene.crop, padded).image, stitch(scene.crop, scene.edited).image)
