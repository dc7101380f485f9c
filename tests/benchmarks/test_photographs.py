"""Pictures without a truth, in both layouts."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from PIL import Image

from benchmarks import metrics, photographs, scenes
from benchmarks.scene import SceneError

from . import made


@pytest.fixture
def folder(tmp_path):
    for number in range(2):
        place = tmp_path / "pictures" / f"cup_{number}"
        place.mkdir(parents=True)
        picture = np.rint(255 * (0.1 + 0.8 * made.texture(60, 80, seed=number))).astype(np.uint8)
        Image.fromarray(picture).save(place / "original.jpg", quality=95)
        mask = np.zeros((60, 80), np.uint8)
        mask[10:50, 10:60] = 255
        Image.fromarray(mask).save(place / "mask.png")
        (place / "points.json").write_text(json.dumps({"points": [[20, 30], [40, 30], [20, 40], [40, 40]]}))
    return tmp_path / "pictures"


def test_pictures_are_scenes_without_a_truth(folder):
    scene = photographs.load(folder / "cup_0")
    np.testing.assert_array_equal(scene.source, scene.target)
    assert (scene.domain, scene.family) == ("pictures", "cup")
    assert scene.object_mask.sum() == 40 * 50
    (handle, target), _ = scene.drags()
    np.testing.assert_allclose(handle, (20.5, 30.5))
    np.testing.assert_allclose(target, (40.5, 30.5))


def test_dragbench_s_layout_is_read_as_well(tmp_path):
    place = tmp_path / "animals" / "one"
    place.mkdir(parents=True)
    Image.fromarray(np.rint(255 * made.texture(40, 48)).astype(np.uint8)).save(place / "original_image.png")
    mask = np.zeros((40, 48), np.uint8)
    mask[8:30, 8:30] = 1
    held = {"prompt": "a cat", "points": [[10, 12], [20, 12]], "mask": mask}
    (place / "meta_data.pkl").write_bytes(pickle.dumps(held))
    assert photographs.folders(tmp_path) == [place]
    scene = photographs.load(place)
    assert (scene.name, scene.family) == ("animals-one", "animals")
    np.testing.assert_array_equal(scene.object_mask, mask)
    ((handle, target),) = scene.drags()
    np.testing.assert_allclose((handle, target), ((10.5, 12.5), (20.5, 12.5)))


def test_smaller_pictures_keep_their_drags_in_place(folder):
    scene = photographs.load(folder / "cup_0", side=30)
    assert scene.size == (30, 40)
    (handle, _), _ = scene.drags()
    np.testing.assert_allclose(handle, (10.25, 15.25))
    assert scene.object_mask[15, 15] == 1 and scene.object_mask[2, 2] == 0


def test_figures_are_of_the_background_and_of_artefacts(folder):
    scene = photographs.load(folder / "cup_0")
    nothing = photographs.judge(scene, scene.source)
    assert nothing["artefacts"] == 0 and nothing["background_error"] == 0
    inside = scene.source.copy()
    inside[20:30, 20:30] = 1.0
    assert photographs.judge(scene, inside)["background_error"] == 0
    assert photographs.judge(scene, inside)["artefacts"] > 0.01
    outside = scene.source.copy()
    outside[:, 75:] += 0.1
    shift = photographs.judge(scene, outside)
    far = (~metrics.widened(scene.object_mask > 0.5, photographs.MARGIN)).sum()
    assert shift["background_error"] == pytest.approx(0.1 * 60 * 5 / far)


def test_what_is_missing_is_named(folder, tmp_path):
    (folder / "cup_1" / "mask.png").unlink()
    with pytest.raises(SceneError, match="mask.png"):
        photographs.load(folder / "cup_1")
    with pytest.raises(SceneError, match="points.json"):
        photographs.folders(tmp_path / "nowhere")
    (folder / "cup_0" / "points.json").write_text('{"points": [[1, 2]]}')
    with pytest.raises(SceneError, match="pairs"):
        photographs.load(folder / "cup_0")


def test_the_command_reports_on_pictures(folder, tmp_path, capsys):
    out, sheet = tmp_path / "report.json", tmp_path / "sheet.png"
    arguments = ["--pictures", str(folder), "--methods", "identity,cut_paste", "--out", str(out), "--sheet", str(sheet)]
    assert scenes.main([*arguments, "--stand-in"]) == 0
    written = json.loads(out.read_text("utf-8"))
    assert written["pictures"]["groups"]["all"]["methods"]["identity"]["background_error"]["mean"] == 0
    # A method that needs the truth is left out of pictures that have none.
    assert set(written["pictures"]["groups"]["all"]["methods"]) == {"identity"}
    assert sheet.exists() and "pictures without a truth: 2" in capsys.readouterr().out
