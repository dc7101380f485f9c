"""The region's benchmark: the next click, and nearness in the place of attention."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.region import iou, near_maps, next_click, table


def test_the_next_click_lies_deepest_in_the_largest_error():
    truth, element = np.zeros((40, 60), bool), np.zeros((40, 60), bool)
    truth[10:30, 10:30] = True
    element[10:30, 10:14] = True
    element[0:6, 50:56] = True
    click = next_click(element, truth)
    assert click.kind == "add"
    x, y = click.at[0] * 60, click.at[1] * 40
    assert 20 <= x <= 24 and 17 <= y <= 23
    element[10:30, 10:30] = True
    click = next_click(element, truth)
    assert click.kind == "leave_out"
    assert 50 < click.at[0] * 60 < 56 and 0 < click.at[1] * 40 < 6


def test_near_maps_look_at_what_is_near():
    maps = near_maps({(4, 6): torch.rand(2, 24, 24)})[4, 6]
    assert maps.shape == (2, 24, 24)
    assert torch.allclose(maps.sum(-1), torch.ones(2, 24), atol=1e-5)
    row = maps[0, 0].view(4, 6)
    assert row[0, 0] > row[0, 1] > row[0, 5] and row[1, 0] > row[3, 0]


def test_iou_and_table():
    element, truth = torch.zeros(1, 4, 4), np.zeros((4, 4), bool)
    element[0, :2], truth[1:3] = 1, True
    assert iou(element, truth) == 4 / 12
    rows = [{"domain": "worlds", "family": "bend", "iou": {"click": value}} for value in (0.2, 0.6)]
    assert "| - bend | 2 | 0.400 |" in table(rows)
