"""Region and field, one after the other, on a device that refuses to give anything away and counts who waits for it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from core.attention.correlation import CorrelationSettings, correlate
from core.motion.field import MoveSettings, plan_movement
from core.motion.objects import objects_of
from core.region.found import ElementSettings, find_element
from core.space.drags import Click, DragPoints
from core.space.grid import Grid
from tests.core import pretended_mac
from tests.core.builders import drags
from tests.core.pretended_mac import MacTensor

GRID = Grid.padded(96, 112)
WAITS = ("aten._local_scalar_dense", "aten.nonzero", "aten.masked_select", "aten.unique", "aten._unique2", "aten.equal")


@pytest.fixture
def waits(monkeypatch):
    """Whoever waits: reads a value, makes a result whose size depends on values, or copies to the host."""
    told: list[str] = []
    run, whole = pretended_mac._run, MacTensor.tolist

    def watched(function, arguments, keywords):
        name, there = str(function), any(isinstance(part, MacTensor) for part in arguments)
        device = keywords.get("device")
        if there and name.startswith("aten._to_copy") and device is not None and torch.device(device).type == "cpu":
            raise AssertionError("a copy to the host")
        if there and name.startswith(WAITS):
            told.append(name)
        return run(function, arguments, keywords)

    def listed(tensor):
        told.append("tolist")
        return whole(tensor)

    monkeypatch.setattr(pretended_mac, "_run", watched)
    monkeypatch.setattr(MacTensor, "tolist", listed)
    monkeypatch.setattr(MacTensor, "item", listed)
    monkeypatch.setattr(MacTensor, "__bool__", listed)
    return told


def picture() -> tuple[torch.Tensor, dict[tuple[int, int], torch.Tensor]]:
    """A bright box on a dark ground, and the attention of a model that knows them apart."""
    image = torch.full((1, *GRID.image_size, 3), 0.2)
    image[:, 24:72, 24:80] = 0.8
    rows, columns = GRID.latent_size
    y, x = torch.meshgrid(torch.arange(rows).float(), torch.arange(columns).float(), indexing="ij")
    inside = ((y >= 3) & (y < 9) & (x >= 3) & (x < 10)).flatten()
    near = (-torch.hypot(x.flatten()[:, None] - x.flatten(), y.flatten()[:, None] - y.flatten()) / 6).exp()
    near = near * torch.where(inside[:, None] == inside, 1.0, 0.05)
    return image, {(rows, columns): (near / near.sum(-1, keepdim=True))[None]}


ONE = drags(GRID, ((5, 5), (7, 6)))
TURNED_AWAY = drags(GRID, ((6, 4), (9, 4)), ((6, 8), (4, 8)))
ANCHORED = drags(GRID, ((8, 5), (9, 7)), ((4, 5), (4, 5)), ((4, 7), (4, 7)))


CLICKS = Click((0.2, 0.2), "leave_out"), Click((0.6, 0.6), "add"), Click((0.9, 0.9), "leave_out")
CLICKED = replace(ONE, clicks=CLICKS)


@pytest.mark.parametrize(
    "points", [ONE, TURNED_AWAY, ANCHORED, CLICKED], ids=["one", "turned away", "anchored", "clicked"]
)
@pytest.mark.parametrize("options", [{}, {"motion": "reshape"}, {"motion": "push"}, {"perspective": True}])
def test_the_region_waits_once_at_most_and_the_field_never(points: DragPoints, options, waits):
    image, maps = picture()
    settings = MoveSettings(**options)

    def planned(element, correlation):
        objects = objects_of(element, correlation, GRID, points)
        found = len(waits)
        return plan_movement(correlation, element, GRID, points, settings, objects), found

    with pretended_mac.pretended_mac():
        there = {size: MacTensor(one) for size, one in maps.items()}
        correlation = correlate(there, GRID, points, CorrelationSettings())
        element = find_element(correlation, GRID, points, ElementSettings(), MacTensor(image), there)
        move, found = planned(element, correlation)
    assert found <= 1, waits
    assert len(waits) == found, waits[found:]
    assert isinstance(move.way_in, MacTensor)
    # What is found there is what is found on the host, but for how sums are rounded.
    same = find_element(correlate(maps, GRID, points, CorrelationSettings()), GRID, points, None, image, maps)
    assert float((element.values_on_cpu - same).abs().mean()) < 0.01
    # What the host knows at once and the device does not is the same in the end.
    host, _ = planned(element.values_on_cpu, correlation.values_on_cpu)
    for name in ("way_in", "arriving", "leaving", "free"):
        assert torch.allclose(getattr(move, name).values_on_cpu, getattr(host, name), atol=1e-3), name
