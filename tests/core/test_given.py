"""Masks that others give: soft edges from the picture, and only where they have none."""

from __future__ import annotations

import pytest
import torch

from core.region.given import softened

SIDE = 48


def scene(edge: float) -> tuple[torch.Tensor, torch.Tensor]:
    """A picture (1, SIDE, SIDE, 3) that is red up to ``edge`` pixels from the left, and the red share of each pixel."""
    share = (edge - torch.arange(SIDE, dtype=torch.float32)).clamp(0, 1).expand(1, SIDE, SIDE)
    red, blue = torch.tensor([0.9, 0.2, 0.1]), torch.tensor([0.1, 0.3, 0.8])
    return share[..., None] * red + (1 - share[..., None]) * blue, share


@pytest.mark.parametrize("edge", [20.3, 20.5, 20.7])
def test_a_hard_mask_comes_nearer_to_the_share_that_the_picture_tells(edge):
    picture, share = scene(edge)
    hard = (share > 0.5).float()
    soft = softened(hard, picture)
    assert float((soft - share).abs().sum()) < 0.95 * float((hard - share).abs().sum())
    assert torch.equal(soft > 0.5, hard > 0.5)


def test_far_from_its_step_it_stays_and_where_the_picture_has_a_sharp_edge_too():
    picture, share = scene(20.0)
    soft = softened(share, picture)
    assert torch.equal(soft[..., :16], share[..., :16]) and torch.equal(soft[..., 24:], share[..., 24:])
    assert float((soft - share).abs().max()) < 0.05


def test_a_soft_mask_is_left_as_it_is_picture_by_picture():
    picture, share = scene(20.5)
    own = share.clone()
    own[:, :, 21] = 0.3
    both = softened(torch.cat([own, (share > 0.5).float()]), torch.cat([picture, picture]))
    assert torch.equal(both[0], own[0])
    assert not torch.equal(both[1], (share[0] > 0.5).float())
