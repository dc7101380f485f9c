"""Patches go on with patterns; and the trial that tells when they should."""

from __future__ import annotations

import pytest
import torch

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
    noise = (0.5 + 0.1 * normal(1, 3, 128, 128)).clamp(0, 1)
    chosen = [best_method(picture, HOLE) for picture in (tiles(128, 128), bumps(), noise)]
    assert chosen == ["patches", "curved", "smooth"]


def test_the_choice_does_not_know_what_the_hole_hides():
    hidden = torch.where(HOLE[:, None], bumps(), tiles(128, 128))
    assert best_method(hidden, HOLE) == "patches"


def test_each_image_of_a_batch_gets_its_own_method():
    both = torch.cat([tiles(128, 128), bumps()])
    got = continued(both, HOLE.expand(2, -1, -1))
    assert torch.equal(got[:1], continued(both[:1], HOLE, "patches"))
    assert torch.equal(got[1:], continued(both[1:], HOLE, "curved"))


def test_a_picture_without_room_for_a_trial_is_continued_smoothly():
    hole = gap(64, 64, 3, 3, 61, 61)
    planes = tiles(64, 64)
    assert best_method(planes, hole) == "smooth"
    assert torch.equal(continued(planes, hole), harmonic(planes, hole))


@pytest.mark.parametrize("method", ["auto", "smooth", "curved", "patches"])
def test_values_that_are_not_finite_stay_where_they_are(method):
    planes = tiles(128, 128)
    planes[0, 1, 100, 100] = float("nan")
    got = continued(planes, HOLE, method)
    assert torch.isfinite(got[:, :, HOLE[0]]).all()
    assert torch.equal(got.isnan(), planes.isnan())
