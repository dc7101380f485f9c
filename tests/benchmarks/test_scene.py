"""Reading scene folders, whole and broken."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from benchmarks.scene import SceneError, load_scene, load_scenes, scene_folders

from . import made


def test_a_scene_comes_back_as_it_was_written(tmp_path):
    original = made.scene()
    loaded = load_scene(made.write(tmp_path, original))
    for name in ("source", "target", "object_mask", "target_mask"):
        np.testing.assert_allclose(getattr(loaded, name), getattr(original, name), atol=1e-6)
    assert loaded.points.pairs == original.points.pairs
    assert loaded.points.image_size == (64, 80)
    assert loaded.kind == "flat"
    ((handle, target),) = loaded.drags()
    np.testing.assert_allclose(target - handle, (24, 8))


def test_a_world_comes_back_with_all_it_knows(tmp_path):
    original = made.world("lift")
    folder = made.write(tmp_path, original)
    loaded = load_scene(folder)
    np.testing.assert_array_equal(loaded.flow, original.flow)
    np.testing.assert_array_equal(loaded.visible, original.visible)
    assert set(loaded.areas) == set(original.areas)
    for name, area in original.areas.items():
        np.testing.assert_array_equal(loaded.areas[name], area)
    assert (loaded.domain, loaded.family) == ("worlds", "lift")
    (folder / "object_mask.png").rename(folder / "moved.png")
    (folder / "target_mask.png").rename(folder / "moved_after.png")
    np.testing.assert_array_equal(load_scene(folder).target_mask, loaded.target_mask)


def test_meta_is_optional_and_photographs_are_one_kind(tmp_path):
    assert load_scene(made.write(tmp_path, made.scene(name="a", kind=None))).kind is None
    assert load_scene(made.write(tmp_path, made.scene(name="b", kind="photo:retina"))).kind == "photo"


def _missing(folder):
    (folder / "target.png").unlink()


def _other_size(folder):
    Image.new("L", (8, 8), 255).save(folder / "object_mask.png")


def _empty_mask(folder):
    Image.new("L", (80, 64), 0).save(folder / "object_mask.png")


def _no_picture(folder):
    (folder / "source.png").write_bytes(b"not a picture")


def _bad_points(folder):
    (folder / "points.json").write_text('{"version": 1, "pairs": []}')


def _other_flow(folder):
    np.savez(folder / "flow.npz", flow=np.zeros((8, 8, 2)), visible=np.zeros((8, 8), bool))


def _no_flow(folder):
    (folder / "flow.npz").write_bytes(b"not an archive")


def _other_area(folder):
    Image.new("L", (8, 8), 255).save(folder / "light.png")


def _bad_meta(folder):
    (folder / "meta.json").write_text("{")


@pytest.mark.parametrize(
    ("damage", "file"),
    [(_missing, "target.png"), (_other_size, "object_mask.png"), (_empty_mask, "object_mask.png"),
     (_no_picture, "source.png"), (_bad_points, "points.json"), (_bad_meta, "meta.json"),
     (_other_flow, "flow.npz"), (_no_flow, "flow.npz"), (_other_area, "light.png")],
)  # fmt: skip
def test_a_broken_scene_is_named(tmp_path, damage, file):
    folder = made.write(tmp_path, made.scene())
    damage(folder)
    with pytest.raises(SceneError) as raised:
        load_scene(folder)
    assert str(folder) in str(raised.value) and file in str(raised.value)


def test_a_broken_scene_does_not_stop_the_others(tmp_path):
    made.write(tmp_path, made.scene(name="a"))
    (tmp_path / "b").mkdir()
    made.write(tmp_path, made.scene(name="c"))
    first, second, third = load_scenes(tmp_path)
    assert first.name == "a" and third.name == "c"
    assert isinstance(second, SceneError)
    assert [folder.name for folder in scene_folders(tmp_path, 2)] == ["a", "b"]


def test_nothing_to_read_is_an_error(tmp_path):
    with pytest.raises(SceneError, match="no scene folders"):
        scene_folders(tmp_path)
    with pytest.raises(SceneError, match="no such folder"):
        scene_folders(tmp_path / "nowhere")
