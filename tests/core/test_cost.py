"""The plan that is told before an edit runs is what the edit then does, and keys and values come in time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch

from core.attention.plan import CapturePlan, Footprint, plan_footprint
from core.attention.tokens import Ahead
from core.diffusion.cost import cost_of
from core.diffusion.dragged import apply
from core.diffusion.inversion import invert
from core.diffusion.sampling import SampleSettings, sample
from core.motion.field import plan_movement
from core.space.grid import Grid
from tests.core.builders import box, drags
from tests.core.toy_unet import LAYERS, Spy, ToyUNet, latent, sigmas

SIZE = (32, 32)
STEPS = 8
BATCH = 2
# Maps of 32 x 32, 16 x 16 and 8 x 8 tokens take 8.5 MB, keys and values of a step 0.18 MB: so many steps are kept.
SMALL = 9
BUDGETS = {SMALL: 2, 100: 8}


def edited(budget: int, refinements: int = 0, **settings):
    spy = Spy(ToyUNet())
    plan = CapturePlan(budget_mb=budget)
    inversion = invert(spy, latent(BATCH, SIZE), sigmas(STEPS), plan, refinements)
    there = len(spy.calls)
    grid = Grid.padded(8 * SIZE[0], 8 * SIZE[1])
    element = box(grid, 8, 4, 14, 10).expand(BATCH, -1, -1)
    movement = plan_movement(torch.ones(BATCH, 1, *SIZE), element, grid, drags(grid, ((7, 11), (20, 11))))
    dragged = apply(inversion, movement, inversion.clean)
    result = sample(spy, inversion, dragged.at(inversion, 0), dragged, None, SampleSettings(**settings))
    return inversion, there, len(spy.calls) - there, result


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize(
    "settings",
    [{}, {"hold_rest": 0.0}, {"hold_element": 0.5, "hold_rest": 0.5}, {"hold_rest": 0.0, "source_attention": "off"},
     {"hold_rest": 0.25, "source_attention_share": 0.5}, {"hold_rest": 1.0}],
    ids=["defaults", "free", "half", "off", "share", "held"],
)  # fmt: skip
def test_as_many_evaluations_as_were_told(budget, settings):
    footprint = plan_footprint(CapturePlan(budget_mb=budget), LAYERS, BATCH, SIZE, STEPS)
    told = cost_of(footprint, STEPS, 1, SampleSettings(**settings))
    inversion, there, back, _ = edited(budget, 1, **settings)
    assert inversion.footprint == footprint
    assert footprint.kept_steps == BUDGETS[budget]
    assert (told.inversion, told.sampling + told.recomputed) == (there, back)
    assert told.total == there + back


def test_what_is_kept_and_what_is_recomputed_give_the_same():
    settings = {"hold_rest": 0.0, "hold_element": 0.0}
    results = [edited(budget, **settings)[3] for budget in BUDGETS]
    torch.testing.assert_close(*results, rtol=1e-2, atol=1e-2)
    assert not torch.equal(results[0], edited(SMALL, **settings, source_attention="off")[3])


def test_the_steps_next_to_the_clean_end_are_kept():
    inversion = edited(SMALL)[0]
    assert [bool(step) for step in inversion.tokens] == [False] * 6 + [True] * 2


def test_the_plan_reads_well():
    footprint = Footprint(64 << 20, 300 << 20, "cpu", 3)
    text = str(cost_of(footprint, 20))
    assert text == (
        "20 steps each way; 20 evaluations to invert, 5 to sample back and 2 again for keys and values that aren't "
        "kept; keeps 364 MB (attention maps 64 MB, keys and values of 3 of 20 steps 300 MB (cpu))"
    )
    assert "again" not in str(cost_of(replace(footprint, kept_steps=20), 20))
    twice = cost_of(replace(footprint, kept_steps=20), 20, again=True)
    assert "20 to invert what was moved" in str(twice) and twice.total == 20 + 5 + 20
    assert "no keys and values (recompute)" in str(cost_of(Footprint(1, 0, "recompute"), 20))


class Noting(Mapping):
    """A step's tokens that note when they are copied."""

    def __init__(self, step: int, log: list):
        self.step, self.log = step, log
        self.tokens = {"a": torch.full((1, 2, 3), float(step))}

    def __getitem__(self, name):
        return self.tokens[name]

    def __len__(self):
        return len(self.tokens)

    def __iter__(self):
        self.log.append(self.step)
        return iter(self.tokens)


def test_tokens_are_fetched_one_step_ahead_and_once():
    log: list[int] = []
    ahead = Ahead([Noting(step, log) for step in range(4)], torch.device("cpu"))
    assert ahead.take(1)["a"][0, 0, 0] == 1 and log == [1]
    ahead.start(2)
    assert log == [1, 2]
    assert ahead.take(2)["a"][0, 0, 0] == 2 and log == [1, 2]
    ahead.start(3)
    # Another step than the one that was begun.
    assert ahead.take(0)["a"][0, 0, 0] == 0
