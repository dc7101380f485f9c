"""Clicks to learn from, and the fit of what tells what belongs to them."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from benchmarks import clicked, fit_belonging, model
from benchmarks.clicked import gathered, imagined, marked
from benchmarks.fit_belonging import answers, fit, found, loss_of, question
from core.attention.plan import CapturePlan
from core.region.belonging import NEAREST, SEED, joined
from core.settings import EditSettings
from core.space.grid import Grid
from tests.core.builders import normal, uniform

SIDE = 128


def things() -> tuple[np.ndarray, np.ndarray]:
    """A picture with two discs, and whose each pixel is."""
    y, x = np.mgrid[:SIDE, :SIDE]
    whose = np.zeros((SIDE, SIDE), np.uint8)
    picture = np.full((SIDE, SIDE, 3), (90, 120, 90), np.uint8)
    for number, (at, colour) in enumerate((((40, 44), (220, 40, 40)), ((88, 84), (40, 60, 220))), start=1):
        disc = np.hypot(x - at[0], y - at[1]) < 22
        whose[disc], picture[disc] = number, colour
    return picture, whose


@pytest.fixture(scope="module")
def sample():
    """Places with what belongs to each, the sample, and its sight."""
    picture, whose = things()
    settings = EditSettings(capture=CapturePlan(storage="off"))
    marks = marked(whose, np.random.default_rng(0))
    return marks, *gathered(picture, marks, model.load().host, settings)


def test_places_lie_in_what_belongs_to_them(sample):
    marks, own, sight = sample
    assert len(marks.places) == 4 and len({thing.tobytes() for _, thing in marks.places}) == 2
    for (x, y), thing in marks.places:
        assert thing[int(y * SIDE), int(x * SIDE)]
    assert own["truth"].shape == (4, sight.pieces.count)
    assert len(own["seeds"]) == own["told"].shape[0] == 4 + len(own["of"])
    for at in range(4):
        assert own["truth"][at, own["seeds"][at]] > 0.5


def test_imagined_attention_knows_the_things_more_or_less(sample):
    _, own, sight = sample
    every = [imagined(own, sight, Grid.padded(SIDE, SIDE), np.random.default_rng(at)) for at in range(6)]
    area, inside = sight.pieces.area, own["truth"][0] > 0.5

    def on_itself(one: dict) -> float:
        """Of what a thing's pieces attend to, the mean share that is its own."""
        rows = one["related"].float()[inside] * area
        return float((rows[:, inside].sum(-1) / rows.sum(-1)).mean())

    known = [on_itself(one) for one in every]
    assert max(known) > on_itself(own) + 0.1, "some know the things better"
    assert max(known) > min(known) + 0.2, "and some do not"
    for one in every:
        assert torch.equal(one["truth"], own["truth"]) and torch.equal(one["seeds"], own["seeds"])
        assert torch.isfinite(one["told"]).all() and one["told"].shape == own["told"].shape


def made_up(seed: int) -> dict:
    """A sample in which the pieces that a walk from the click reaches are its thing."""
    count = 40
    told = normal(3, count, 18, seed=seed)
    told[..., SEED] = 0
    seeds = torch.tensor([1, 2, 30])
    told[range(3), seeds, SEED] = 1
    truth = (told[:1, :, NEAREST] < 0).half()
    truth[0, :3] = 1
    near = torch.arange(count)[:, None] + torch.arange(4)
    return {"told": told, "near": (near % count).short(), "figures": normal(count, 4, 7, seed=seed + 1),
            "ways": uniform(count, count, seed=seed).softmax(-1), "area": uniform(count, seed=seed) + 1, "seeds": seeds,
            "truth": truth, "of": [0, 0]}  # fmt: skip


def test_questions_are_answered_by_the_truth():
    sample, rng = made_up(3), random.Random(0)
    sample["truth"][0, 30] = 0
    kinds = set()
    for _ in range(200):
        adds, leaves, stays, thing = question(sample, rng)
        assert adds and thing == 0 and not set(adds) & {*leaves, *stays} and len(stays) < 2
        assert all(sample["truth"][thing, sample["seeds"][at]] > 0.5 for at in adds)
        assert all(sample["truth"][thing, sample["seeds"][at]] <= 0.5 for at in leaves)
        kinds.add((len(adds), len(leaves)))
    assert {(1, 0), (2, 0), (1, 1), (2, 1)} <= kinds


def test_the_fit_finds_what_there_is_to_find_and_again_the_same():
    samples = [made_up(at) for at in range(12)]
    told: list[float] = []
    weights = fit([samples[:10]], [1.0], 200, 5e-3, 0, lambda step, loss, _: told.append(loss))
    assert told[1] < told[0]
    assert found(weights, samples[:10])[0] > 0.9
    # Held out: more than chance, which overlaps by a third.
    assert found(weights, samples[10:])[0] > 0.6
    again = fit([samples[:10]], [1.0], 3, 5e-3, 0)
    for workers in (1, 2):
        other = fit([samples[:10]], [1.0], 3, 5e-3, 0, workers=workers)
        assert all(torch.equal(again[name], other[name]) for name in again), workers


def test_numbers_to_go_on_from_are_read_and_left_as_they_are():
    sample = made_up(3)
    start = fit([[sample]], [1.0], 2, 5e-3, 0)
    kept = {name: value.clone() for name, value in start.items()}
    onward = fit([[sample]], [1.0], 2, 5e-3, 0, start=start)
    assert all(torch.equal(start[name], kept[name]) for name in kept)
    assert any(not torch.equal(onward[name], kept[name]) for name in kept)


def test_the_loss_is_least_for_the_truth():
    truth, area = (uniform(2, 30, seed=1) > 0.6).float(), uniform(30, seed=2) + 0.5
    right = 20 * (2 * truth - 1)
    wrong = right.clone()
    wrong[:, :5] *= -1
    least, more = (loss_of([odds], truth, area) for odds in (right, wrong))
    assert float(least) == pytest.approx(0, abs=1e-3) and float(more) > float(least) + 0.2


def test_another_model_s_eyes_leave_the_click_where_it_is():
    sample = made_up(5)
    weights = fit([[sample]], [1.0], 1, 1e-3, 0)
    asked = [([0], [2], [], 0)]
    plain, other = (answers(weights, sample, asked, rng)[0] for rng in (None, random.Random(1)))
    assert not torch.allclose(plain, other)
    assert joined(sample["told"], [0], [2])[:, SEED].sum() == 1


def test_from_pictures_to_numbers(tmp_path):
    picture, whose = things()
    rooms = tmp_path / "rooms" / "00"
    rooms.mkdir(parents=True)
    Image.fromarray(picture).save(rooms / "000001.png")
    Image.fromarray(whose).save(rooms / "000001.things.png")
    out = tmp_path / "clicked"
    assert clicked.main(["--rooms", str(tmp_path / "rooms"), "--out", str(out)]) == 0
    folders = [str(path) for path in sorted(out.iterdir())]
    assert [path.rsplit("/", 1)[1] for path in folders] == ["rooms", "rooms.imagined"]
    file = tmp_path / "numbers.safetensors"
    given = ["--samples", *folders, "--validation", folders[0], "--steps", "2", "--write", str(file)]
    assert fit_belonging.main(given) == 0
    assert all(torch.isfinite(value).all() for value in load_file(file).values())
    # Going on: hardly a step away, and not as if begun by chance.
    onward = tmp_path / "onward.safetensors"
    given = ["--samples", *folders, "--steps", "1", "--rate", "1e-4", "--start", str(file), "--write", str(onward)]
    assert fit_belonging.main(given) == 0
    before, after = load_file(file), load_file(onward)
    assert all((before[name] - after[name]).abs().max() < 2e-3 for name in before)
    assert any(not torch.equal(before[name], after[name]) for name in before)


def test_anchors_of_a_scene_are_told_most_times():
    sample, rng = made_up(3), random.Random(0)
    for name in ("told", "seeds"):
        sample[name] = torch.cat([sample[name], sample[name][-1:].clone()])
    sample["seeds"][-1] = 35
    every = [question(sample, rng) for _ in range(100)]
    assert all(set(stays) <= {3} for _, _, stays, _ in every)
    assert 70 <= sum(bool(stays) for _, _, stays, _ in every) < 100
    weights = fit([[sample]], [1.0], 1, 1e-3, 0)
    without, told = (answers(weights, sample, [([0], [], stays, 0)])[0] for stays in ([], [3]))
    assert not torch.allclose(without, told)


def test_a_scene_s_anchors_are_kept_with_its_places(tmp_path):
    picture, whose = things()
    folder = tmp_path / "scenes" / "open_0000"
    folder.mkdir(parents=True)
    Image.fromarray(picture).save(folder / "source.png")
    Image.fromarray(((whose == 1) * 255).astype(np.uint8)).save(folder / "moved.png")
    at = [40 / SIDE, 44 / SIDE]
    still = [88 / SIDE, 84 / SIDE]
    pairs = [{"handle": at, "target": [0.6, 0.3]}, {"handle": still, "target": still}]
    (folder / "points.json").write_text(json.dumps({"version": 2, "pairs": pairs}), "utf-8")
    out = tmp_path / "clicked"
    assert clicked.main(["--scenes", str(folder.parent), "--out", str(out)]) == 0
    own, pieces, _ = clicked.read(out / "scenes" / "open_0000.pt")
    anchors = fit_belonging.anchors_of(own)
    assert len(anchors) == 1 and own["truth"].shape[0] == 2
    y, x = (int(pieces.labels.shape[axis] * still[1 - axis]) for axis in (0, 1))
    assert own["seeds"][anchors[0]] == pieces.labels[y, x]
