"""Patches go on with patterns; and the trial that tells when they should."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from core.fill.biharmonic import biharmonic
from core.fill.grain import grained
from core.fill.harmonic import harmonic
from core.fill.patches import SEARCHED, patches
from core.fill.trial import best_method, continued
from tests.core.builders import normal, uniform


def stripes(height: int, width: int, period: int = 12, turned: bool = False) -> torch.Tensor:
    """(1, 3, h, w) in 0..1."""
    position = torch.arange(height if turned else width)
    wave = ((position % period) < period // 2).float()
    plane = wave[:, None].expand(height, width) if turned else wave[None].expand(height, width)
    return torch.stack([0.2 + 0.6 * plane, 0.9 - 0.5 * plane, 0.3 * plane])[None]


def tiles(height: int, width: int, period: int = 16) -> torch.Tensor:
    y, x = torch.arange(height)[:, None], torch.arange(width)[None]
    plane = (((y // (period // 2)) + (x // (period // 2))) % 2).float()
    return torch.stack([plane, 1 - 0.5 * plane, 0.5 * plane])[None]


def gap(height: int, width: int, top: int, left: int, bottom: int, right: int) -> torch.Tensor:
    hole = torch.zeros(1, height, width, dtype=torch.bool)
    hole[:, top:bottom, left:right] = True
    return hole


def error(got: torch.Tensor, truth: torch.Tensor, hole: torch.Tensor) -> float:
    return float((got - truth)[:, :, hole[0]].square().mean().sqrt())


@pytest.mark.parametrize("pattern", [stripes, tiles])
def test_patterns_go_on(pattern):
    truth, hole = pattern(96, 112), gap(96, 112, 30, 40, 62, 76)
    got = patches(truth.masked_fill(hole[:, None], 0.5), hole)
    assert error(got, truth, hole) < 0.03
    assert error(harmonic(truth, hole), truth, hole) > 0.2
    assert torch.equal(got[:, :, ~hole[0]], truth[:, :, ~hole[0]])


def test_patterns_go_on_at_sizes_that_are_not_searched():
    truth, hole = stripes(260, 300, period=24), gap(260, 300, 90, 110, 180, 190)
    assert truth[0, 0].numel() > SEARCHED
    assert error(patches(truth, hole), truth, hole) < 0.05


def steep(planes: torch.Tensor, where: torch.Tensor) -> float:
    """Root mean square slope along x within a mask (1, h, w)."""
    return float((planes[0, :, :, 1:] - planes[0, :, :, :-1])[:, where[0, :, 1:]].square().mean().sqrt())


def carpet(height: int, width: int) -> torch.Tensor:
    """Grain without a pattern: a mean of patches is grey."""
    grain = F.avg_pool2d(normal(1, 1, height + 2, width + 2), 3, 1)
    return (0.5 + 0.3 * grain * torch.tensor([1.0, 0.8, 0.5]).view(1, 3, 1, 1)).clamp(0, 1)


def smoothed(planes: torch.Tensor) -> torch.Tensor:
    return F.avg_pool2d(planes, 9, 1, 4)


@pytest.mark.parametrize(("side", "least"), [(64, 0.6), (150, 0.45)])
def test_grain_is_no_blur(side, least):
    # The mean of all votes keeps 0.51 and 0.29 of the slopes.
    truth, hole = carpet(side, side), gap(side, side, side // 3, side // 3, 2 * side // 3, 2 * side // 3)
    inner = gap(side, side, side // 3 + 4, side // 3 + 4, 2 * side // 3 - 4, 2 * side // 3 - 4)
    got = patches(truth, hole)
    assert least < steep(got, inner) / steep(truth, inner) < 1.3
    assert steep(harmonic(truth, hole), inner) < 0.2 * steep(truth, inner)


def test_each_ground_goes_on_with_its_own_grain_and_a_plain_one_with_none():
    # Of one mean colour: small versions of the picture don't show which half is which.
    grain = 0.15 * (2 * ((torch.arange(160)[:, None] + torch.arange(160)) % 2) - 1.0)
    truth = (0.5 + torch.where(torch.arange(160) < 80, grain, 0.0)).expand(1, 3, -1, -1)
    hole = gap(160, 160, 60, 48, 104, 112)
    got = patches(truth, hole)
    left, right = gap(160, 160, 64, 52, 100, 70), gap(160, 160, 64, 90, 100, 108)
    assert steep(got, left) > 0.6 * steep(truth, left)
    assert steep(got, right) < 0.1 * steep(truth, left)


def test_shading_goes_on_without_a_seam():
    # No patch elsewhere has the colours that are hidden here.
    y, x = torch.arange(128.0)[:, None], torch.arange(128.0)[None]
    truth = (0.15 + 0.004 * y + 0.0015 * x).expand(1, 3, -1, -1)
    hole = gap(128, 128, 40, 44, 84, 88)
    got = patches(truth, hole)
    step = (got - truth).abs().amax(1)
    assert float(step[gap(128, 128, 40, 44, 84, 88) & ~gap(128, 128, 41, 45, 83, 87)].max()) < 0.01
    assert error(got, truth, hole) < 0.012


@pytest.mark.parametrize("box", [(0, 0, 96, 30), (0, 20, 40, 70), (60, 60, 96, 96), (0, 0, 88, 96)])
def test_holes_at_the_border_and_huge_ones_stay_within_what_is_known(box):
    planes = carpet(96, 96) * 0.5 + 0.2
    hole = gap(96, 96, *box)
    got = patches(planes.masked_fill(hole[:, None], 9.0), hole)
    known = planes[:, :, ~hole[0]]
    assert torch.equal(got[:, :, ~hole[0]], known)
    assert (got.amin((0, 2, 3)) >= known.amin((0, 2))).all() and (got.amax((0, 2, 3)) <= known.amax((0, 2))).all()
    assert torch.equal(patches(planes, hole), got)


def test_places_are_copied_where_a_picture_is_too_large_to_correct_them(monkeypatch):
    truth, hole = stripes(260, 300, period=24), gap(260, 300, 90, 110, 180, 190)
    monkeypatch.setattr("core.fill.patches.REFINED", 130 * 150)
    assert error(patches(truth, hole), truth, hole) < 0.08


def test_a_hole_at_the_border():
    truth, hole = stripes(96, 96), gap(96, 96, 0, 50, 40, 96)
    assert error(patches(truth, hole), truth, hole) < 0.05


def test_nothing_is_read_from_the_hole_and_nothing_is_made_up():
    planes = uniform(1, 3, 70, 64)
    hole = gap(70, 64, 20, 20, 44, 40)
    other = planes.masked_fill(hole[:, None], float("nan"))
    got = patches(planes, hole)
    assert torch.equal(patches(other, hole), got)
    known = planes[:, :, ~hole[0]]
    assert float(got.min()) >= float(known.min()) - 1e-6
    assert float(got.max()) <= float(known.max()) + 1e-6


@pytest.mark.parametrize("size", [(5, 9), (9, 5), (60, 60)])
def test_without_a_whole_patch_it_is_the_smooth_continuation(size):
    planes = uniform(1, 3, *size)
    hole = torch.zeros(1, *size, dtype=torch.bool)
    hole[:, ::5] = True
    assert torch.equal(patches(planes, hole), harmonic(planes, hole))


def test_no_hole_changes_nothing():
    planes = uniform(1, 3, 30, 30)
    assert torch.equal(patches(planes, torch.zeros(1, 30, 30, dtype=torch.bool)), planes)


# ---- the choice

HOLE = gap(128, 128, 44, 40, 84, 78)


def bumps() -> torch.Tensor:
    """Slopes and bends without edges."""
    y, x = torch.meshgrid(torch.linspace(0, 3.5, 128), torch.linspace(0, 3.5, 128), indexing="ij")
    return torch.stack([0.5 + 0.4 * torch.sin(1.7 * x + y), 0.5 + 0.4 * torch.cos(x - 1.3 * y), 0.4 + 0.1 * x])[None]


def test_the_trial_tells_patterns_slopes_and_noise_apart():
    chosen = [best_method(picture, HOLE) for picture in (tiles(128, 128), bumps(), carpet(128, 128))]
    assert chosen == ["patches", "curved", "patches"]


def test_texture_that_the_trial_does_not_show_is_there_all_the_same():
    # At the trial's size there is none to be seen.
    grain = 0.2 * (2 * ((torch.arange(256)[:, None] + torch.arange(256)) % 2) - 1.0)
    picture = (0.5 + grain).expand(1, 3, -1, -1)
    hole, inner = gap(256, 256, 80, 90, 150, 160), gap(256, 256, 84, 94, 146, 156)
    assert steep(continued(picture, hole), inner) > 0.6 * steep(picture, inner)


def test_the_choice_does_not_know_what_the_hole_hides():
    hidden = torch.where(HOLE[:, None], bumps(), tiles(128, 128))
    assert best_method(hidden, HOLE) == "patches"


def test_each_image_of_a_batch_gets_its_own_method():
    both = torch.cat([tiles(128, 128), bumps()])
    got = continued(both, HOLE.expand(2, -1, -1))
    assert torch.equal(got[:1], continued(both[:1], HOLE, "patches"))
    assert torch.equal(got[1:], continued(both[1:], HOLE))
    assert (got[1:] - continued(both[1:], HOLE, "curved")).abs().max() < 0.05


def test_a_picture_without_room_for_a_trial_is_continued_smoothly():
    hole = gap(64, 64, 3, 3, 61, 61)
    planes = tiles(64, 64)
    assert best_method(planes, hole) == "smooth"
    assert torch.allclose(continued(planes, hole), harmonic(planes, hole), atol=1e-6)


def test_where_patches_are_not_trusted_they_still_give_their_grain():
    # Slopes and bends that no other part repeats, under a grain.
    truth = (bumps() + 0.7 * (carpet(128, 128) - 0.5)).clamp(0, 1)
    inner = gap(128, 128, 48, 44, 80, 74)
    got = continued(truth, HOLE)
    assert best_method(truth, HOLE) != "patches"
    there = steep(truth - bumps(), inner)
    assert 0.35 < steep(got - bumps(), inner) / there < 1.4
    assert steep(biharmonic(truth, HOLE) - bumps(), inner) < 0.15 * there
    assert (smoothed(got) - smoothed(bumps()))[:, :, inner[0]].abs().mean() < 0.06


@pytest.mark.parametrize("side", [100, 300])
def test_grain_has_nothing_of_the_shape_and_shape_nothing_of_the_grain(side):
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    slope = (0.3 + 0.4 * x / side).expand(1, 3, -1, -1)
    fine = (0.1 * ((x + y) % 2) - 0.05).expand(1, 3, -1, -1)
    hole = gap(side, side, side // 3, side // 3, 2 * side // 3, 2 * side // 3)
    known = (slope + fine).masked_fill(hole[:, None], 0)
    got = grained(torch.where(hole[:, None], slope, known), torch.where(hole[:, None], 0.5 + fine, known), hole)
    assert torch.equal(got[:, :, ~hole[0]], known[:, :, ~hole[0]])
    assert float((got - slope - fine)[:, :, hole[0]].abs().max()) < 0.02


@pytest.mark.parametrize("method", ["auto", "smooth", "curved", "patches"])
def test_values_that_are_not_finite_stay_where_they_are(method):
    planes = tiles(128, 128)
    planes[0, 1, 100, 100] = float("nan")
    got = continued(planes, HOLE, method)
    assert torch.isfinite(got[:, :, HOLE[0]]).all()
    assert torch.equal(got.isnan(), planes.isnan())


@pytest.mark.parametrize("method", ["auto", "patches", "curved", "smooth"])
def test_a_picture_that_is_all_hole_is_continued_by_finite_values(method):
    filled = continued(torch.rand(1, 3, 32, 32), torch.ones(1, 32, 32, dtype=torch.bool), method)
    assert filled.isfinite().all() and filled.min() >= 0 and filled.max() <= 1


@pytest.mark.parametrize("upside_down", [False, True])
def test_of_patches_that_look_alike_the_nearer_one_is_taken(upside_down):
    """Two frames as the one round the hole, one with red and one with blue in it: the rim tells nothing."""
    picture = 0.2 + 0.3 * uniform((1, 3, 64, 128), seed=5)
    frame = uniform((1, 3, 24, 24), seed=6)
    for left, colour in ((4, (0.0, 0.0, 1.0)), (68, (1.0, 0.0, 0.0)), (98, (0.5, 0.5, 0.5))):
        inside = frame.clone()
        inside[..., 8:16, 8:16] = torch.tensor(colour)[:, None, None]
        picture[..., 20:44, left : left + 24] = inside
    hole = gap(64, 128, 28, 106, 36, 114)
    if upside_down:
        # Whichever comes first: it is not the order.
        picture, hole = picture.flip(-1), hole.flip(-1)
    red, _, blue = (float(one) for one in patches(picture, hole)[0][:, hole[0]].mean(-1))
    assert red > blue + 0.3
