"""The fit that tells parts from things, and the module of numbers that it writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks import fit_parts
from benchmarks.fitting import fit_odds, written
from core.attention.plan import CapturePlan
from core.region import fitted
from core.settings import EditSettings
from tests.core.builders import normal, uniform


def test_odds_are_those_that_the_figures_were_drawn_by():
    figures = 2 * normal(4000, 3, seed=1) + torch.tensor([5.0, 0.0, -1.0])
    true = uniform(4000, seed=2) < (1.5 * figures[:, 0] - figures[:, 2] - 8).sigmoid()
    slope, offset = fit_odds(figures, true, torch.full((4000,), 1 / 4000))
    assert slope == pytest.approx((1.5, 0, -1), abs=0.25)
    assert offset == pytest.approx(-8, abs=1)


def test_weights_move_the_even_odds():
    figures, true = torch.cat([normal(500, 1, seed=1) - 1, normal(500, 1, seed=2) + 1]), torch.arange(1000) >= 500
    even = []
    for share in (0.5, 0.9):
        weights = torch.where(true, share / 500, (1 - share) / 500)
        slope, offset = fit_odds(figures, true, weights)
        even.append(-offset / slope[0])
    assert abs(even[0]) < 0.1 and even[1] < -0.5


def test_the_written_module_has_the_numbers_of_now(monkeypatch):
    monkeypatch.setattr(fitted, "PART", tuple(float(number) for number in range(15)))
    monkeypatch.setattr(fitted, "PART_OFFSET", -1.25)
    text = Path(fitted.__file__).read_text("utf-8")
    held: dict[str, object] = {}
    exec(compile(written(text), "fitted", "exec"), held)
    for name in ("BELIEF", "OFFSET", "MEAN", "SPREAD", "NETWORK", "CHOICE", "CHOICE_MEAN", "PART", "PART_OFFSET"):
        assert held[name] == getattr(fitted, name), name
    assert written(written(text)) == written(text)


def test_pieces_of_a_thing_are_parts_and_all_of_it_is_a_thing(tmp_path):
    """From folders of pictures to figures, with the demo model: a plain disc on a plain ground is found whole."""
    from benchmarks import model

    y, x = np.mgrid[:128, :128]
    disc = np.hypot(x - 64, y - 64) < 30
    picture = np.where(disc[..., None], [220, 40, 40], [90, 120, 90]).astype(np.uint8)
    rooms = tmp_path / "rooms" / "00"
    rooms.mkdir(parents=True)
    Image.fromarray(picture).save(rooms / "000001.png")
    Image.fromarray(disc.astype(np.uint8)).save(rooms / "000001.things.png")
    args = fit_parts.argparse.Namespace(rooms=tmp_path / "rooms", composites=None, drawn=None, count=5)
    known = list(fit_parts.pictures(args)["rooms"])
    assert len(known) == 1 and (known[0][0] == picture).all() and (known[0][1] == disc).all()
    settings = EditSettings(capture=CapturePlan(storage="off"))
    samples = fit_parts.samples_of(*known[0], model.load().host, settings, 0)
    assert samples and all(figures.shape == (15,) for figures, _ in samples)
    assert not all(part for _, part in samples)
    assert fit_parts.samples_of(picture, np.zeros_like(disc, np.uint8), None, settings, 0) == []
