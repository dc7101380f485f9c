"""A few dozen of the cases that benchmarks.fuzz runs hundreds of: broken input is told, and the server goes on."""

from __future__ import annotations

import json
import random

import pytest

from benchmarks import fuzz, server
from core.errors import InputError
from core.space.points import parse_points
from tests.comfy.graphs import CHECKPOINT


@pytest.mark.parametrize("seed", [1, 2])
def test_broken_input_is_told(client, object_info, scene, seed):
    image = scene()
    graphs = [
        server.small_graph(object_info, name, image, steps=2, grow=8, ckpt_name=CHECKPOINT)
        for name in server.WORKFLOWS
    ]
    report = fuzz.fuzz(client, graphs, image, points=16, broken=8, seed=seed)
    assert not report["unclear"], json.dumps(report["unclear"], indent=1)
    assert sum(report["points"].values()) == 16 and sum(report["graphs"].values()) == 8
    assert {what for kind in ("points", "graphs") for what in report[kind]} & {"refused", "told"}
    assert all(fuzz.outcome(client, graph) == ("ran", "") for graph in graphs)


def test_the_cases_are_of_every_kind_and_the_same_for_a_seed():
    texts = [fuzz.point_file(random.Random(seed)) for seed in range(300)]
    assert texts == [fuzz.point_file(random.Random(seed)) for seed in range(300)]
    refused = 0
    for text in texts:
        try:
            parse_points(text)
        except InputError:
            refused += 1
    assert 75 < refused < 295, "some are whole, most are not"
