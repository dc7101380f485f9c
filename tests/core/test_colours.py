"""Sharpening a coarse region by the picture's edges."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.planes.guided_filter import box_mean, guided_filter
from core.region.colours import refine
from tests.core.builders import normal, uniform


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 9), st.integers(0, 10**6))
@settings(max_examples=30)
def test_box_means_are_means_over_squares(height, width, radius, seed):
    planes = uniform(1, 1, height, width, seed=seed)
    got = box_mean(planes, radius)
    for y in range(height):
        for x in range(width):
            total = 0.0
            for row in range(y - radius, y + radius + 1):
                for column in range(x - radius, x + radius + 1):
                    total += float(planes[0, 0, min(max(row, 0), height - 1), min(max(column, 0), width - 1)])
            assert float(got[0, 0, y, x]) == pytest.approx(total / (2 * radius + 1) ** 2, abs=1e-5)


def test_a_guided_filter_gives_back_what_the_guide_explains():
    """A target that is a linear function of the guide's colours passes unchanged (He et al. 2013)."""
    guide = uniform(1, 3, 20, 24)
    target = 0.3 * guide[:, :1] - 0.5 * guide[:, 1:2] + 0.2 * guide[:, 2:] + 0.1
    assert torch.allclose(guided_filter(target, guide, 4, 1e-8), target, atol=1e-3)
    flat = torch.full_like(guide, 0.5)
    smooth = guided_filter(target, flat, 4, 1e-4)
    assert torch.allclose(smooth, box_mean(box_mean(target, 4), 4), atol=1e-4)


def scene(ground: float, element: float, grain: float) -> tuple[torch.Tensor, torch.Tensor]:
    y, x = torch.meshgrid(torch.arange(96) + 0.5, torch.arange(112) + 0.5, indexing="ij")
    disc = torch.hypot(x - 52, y - 45) < 24
    image = torch.where(disc[..., None], torch.tensor(element), torch.tensor(ground)).expand(96, 112, 3).clone()
    return (image + grain * normal(96, 112, 3)).clamp(0, 1)[None], disc


@pytest.mark.parametrize(("ground", "element"), [(0.2, 0.8), (0.8, 0.3)])
@pytest.mark.parametrize("grain", [0.0, 0.03])
@pytest.mark.parametrize("off", [(0, 0), (6, -4)])
def test_a_region_a_cell_off_snaps_to_the_pictures_edge(ground, element, grain, off):
    image, disc = scene(ground, element, grain)
    y, x = torch.meshgrid(torch.arange(96) + 0.5, torch.arange(112) + 0.5, indexing="ij")
    prior = torch.sigmoid((24 - torch.hypot(x - 52 - off[0], y - 45 - off[1])) / 6)[None]
    before, after = prior[0] > 0.5, refine(prior, image)[0] > 0.5

    def overlap(mask: torch.Tensor) -> float:
        return float((mask & disc).sum() / (mask | disc).sum())

    assert overlap(after) > 0.95
    assert overlap(after) >= overlap(before) - 0.02


def test_without_an_edge_the_region_stays_about_where_it_was():
    prior = torch.zeros(1, 60, 60)
    prior[:, 20:40, 20:40] = 1
    after = refine(prior, torch.full((1, 60, 60, 3), 0.5))[0] > 0.5
    assert after[23:37, 23:37].all() and not after[:16].any() and not after[44:].any()


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_an_even_prior_on_any_picture_is_finite(value):
    got = refine(torch.full((2, 17, 23), value), uniform(2, 17, 23, 3))
    assert got.shape == (2, 17, 23) and torch.isfinite(got).all() and (got >= 0).all() and (got <= 1).all()


def test_images_of_a_batch_do_not_mix():
    prior, image = uniform(2, 30, 34), uniform(2, 30, 34, 3, seed=1)
    both = refine(prior, image)
    for index in range(2):
        assert torch.allclose(both[index], refine(prior[index : index + 1], image[index : index + 1])[0], atol=1e-5)
