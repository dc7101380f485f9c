"""Whole edits of two scenes with the demo model, against pictures of them that are kept.

A change of structure must not change what users get. The kept pictures are compared with some slack, since processors
round differently; within one machine a refactoring is to be compared bit for bit. When an edit is meant to change,
``ATTENTIONDRAG_RENEW=1 python -m pytest tests/core/test_unchanged.py`` writes the pictures anew: look at them.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks import model
from core.edit import edit
from core.presets import applied
from core.settings import EditSettings
from core.space.points import make_points
from tools.scenes.__main__ import shipped_sprites
from tools.scenes.drag import SIZE, Material, make_scene

KEPT = Path(__file__).parent / "unchanged"
SCENES = (0, 3)


@pytest.fixture(scope="module")
def host():
    return model.load().host


@pytest.mark.parametrize("number", SCENES)
@pytest.mark.parametrize(("preset", "name"), [("auto", "image"), ("keep", "keep")], ids=["auto", "keep"])
def test_an_edit_gives_the_picture_that_it_gave(host, preset, name, number):
    scene = make_scene(Material(shipped_sprites("validation"), []), "validation", 7, number)
    drag = (tuple(value / SIZE for value in scene.handle), tuple(value / SIZE for value in scene.goal))
    settings = applied(EditSettings(), preset)
    result = edit(host, torch.from_numpy(scene.source)[None], make_points([drag]), settings)
    image = np.rint(result.image[0].numpy() * 255).astype(np.uint8)
    element = np.rint(result.element[0].numpy() * 255).astype(np.uint8)
    if os.environ.get("ATTENTIONDRAG_RENEW"):
        KEPT.mkdir(exist_ok=True)
        Image.fromarray(image).save(KEPT / f"{name}_{number}.png", optimize=True)
        Image.fromarray(element).save(KEPT / f"element_{number}.png", optimize=True)
    kept_image = np.asarray(Image.open(KEPT / f"{name}_{number}.png")).astype(int)
    kept_element = np.asarray(Image.open(KEPT / f"element_{number}.png")).astype(int)
    assert ((element > 127) != (kept_element > 127)).mean() < 5e-4
    difference = np.abs(image.astype(int) - kept_image).max(-1)
    assert (difference > 2).mean() < 1e-3 and difference.mean() < 0.05
    # And the edit is one.
    assert np.abs(image.astype(int) - np.rint(scene.source * 255)).max(-1).mean() > 1
