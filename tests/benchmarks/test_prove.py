"""The benchmark on a checkpoint of one's own: its runs, and scenes at the checkpoint's size."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from benchmarks.prove import enlarged, settings_of
from benchmarks.settings import override
from core.errors import InputError
from core.families import DEMO, SD1
from core.settings import EditSettings
from tests.core.toy_unet import sigma_of


def test_runs_at_the_defaults_at_the_strength_that_hides_as_much_and_with_the_model_painting():
    runs = settings_of(SD1, "auto", sigma_of)
    painted = runs.pop("painted")
    assert runs == {
        "defaults": ["schedule=full", "steps=50", "strength=0.4"],
        "deeper": ["schedule=full", "steps=50", "strength=0.61"],
    }
    settings = override(EditSettings(), painted)
    assert settings.repaint.revealed > 0 and settings.repaint.surroundings > 0 and settings.sample.hold_rest == 1
    assert settings.strength == 0.4
    # The demo model's default is what the others are compared with.
    assert list(settings_of(DEMO, "auto", sigma_of)) == ["defaults", "painted"]
    assert settings_of(SD1, "distilled", sigma_of, 8)["defaults"] == ["schedule=distilled", "steps=8", "strength=0.4"]


def test_scenes_are_enlarged_whole(tmp_path):
    scene = tmp_path / "scenes" / "one"
    scene.mkdir(parents=True)
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:, 4:] = 255
    Image.fromarray(pixels).save(scene / "source.png")
    Image.fromarray(pixels[..., 0]).save(scene / "object_mask.png")
    (scene / "points.json").write_text("{}")
    made = enlarged(tmp_path / "scenes", tmp_path / "large", 32) / "one"
    for name in ("source", "object_mask"):
        large = np.asarray(Image.open(made / f"{name}.png"))
        assert large.shape[:2] == (32, 32)
        assert (large[:, :12] < 40).all() and (large[:, 20:] > 215).all()
    assert (made / "points.json").read_text() == "{}"
    (scene / "flow.npz").write_bytes(b"")
    with pytest.raises(InputError, match="flow"):
        enlarged(tmp_path / "scenes", tmp_path / "larger", 32)
