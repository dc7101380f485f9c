"""Worlds as Mitsuba renders them, small and by its slow variant, which needs nothing else installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from benchmarks.scene import load_scene
from tools.worlds import cutouts, pairs, records, renderer, training, without
from tools.worlds.camera import Camera
from tools.worlds.develop import develop, exposure
from tools.worlds.families import StageError, draw_stage
from tools.worlds.grounds import quad
from tools.worlds.material import Material
from tools.worlds.mesh import Part, translation
from tools.worlds.shapes import ball, rounded_box
from tools.worlds.stage import Light, Stage
from tools.worlds.thing import Body, Pose, Thing

ROOT = Path(__file__).parents[2]

pytest.importorskip("mitsuba")
SIZE = 48


@pytest.fixture(scope="module", autouse=True)
def _variant() -> None:
    renderer.start("scalar_rgb", 1)


def checked_box(shift: Pose) -> Stage:
    """A chequered box on a grey floor under a broad light and an even sky; it goes from the middle to ``shift``."""
    squares = np.kron(np.indices((4, 4)).sum(axis=0) % 2, np.ones((8, 8)))[..., None] * [150, -80, 60] + [80, 150, 70]
    box = rounded_box((0.5, 0.5, 0.4), 0.0).transformed(translation(0, 0, 0.2))
    parts = [Part(box, Material(texture=squares.astype(np.uint8), roughness=1.0, specular=0.0))]
    thing = Thing("box", "solid", lambda state: parts)
    floor = Part(quad((-6, -6, 0), (12, 0, 0), (0, 12, 0), 1.0), Material((0.4, 0.4, 0.4), roughness=1.0, specular=0.0))
    camera = Camera(np.array([0.0, -2.4, 1.4]), np.array([0.0, 0.0, 0.15]), 36.0, SIZE)
    light = Light((-1.5, -0.5, 3.0), (0.0, 0.0, 0.0), 1.0, (14.0, 14.0, 14.0))
    sky = np.full((8, 16, 3), 0.5, np.float32)
    body = Body(thing, Pose((-0.3, 0.0)), shift)
    return Stage([body], [floor], [light], sky, camera, 0.0, {"family": "slide"})


@pytest.fixture(scope="module")
def slid() -> dict:
    """The box gone 0.55 metres to the right and 0.2 away, known and pictured before and after."""
    stage = checked_box(Pose((0.25, 0.2)))
    world = renderer.World(stage)
    before = world.cast(stage.camera.origin, stage.camera.rays(stage.camera.pixel_grid()))
    known = pairs.geometry(world, subdivisions=2)
    after = world.cast(stage.camera.origin, stage.camera.rays(stage.camera.pixel_grid()))
    target, *_ = world.picture(96, seed=1)
    world.pose(False)
    source, *_ = world.picture(96, seed=2)
    factor = exposure(source)
    return {"stage": stage, "known": known, "before": before, "after": after,
            "source": develop(source, factor), "target": develop(target, factor)}  # fmt: skip


def test_moved_is_where_the_geometry_changes(slid: dict) -> None:
    before, after, known = slid["before"], slid["after"], slid["known"]
    changes = (before.body != after.body) | (np.abs(before.distance - after.distance) > 1e-4)
    assert changes.sum() > 150
    assert (np.maximum(known["moved"], known["moved_after"])[changes] > 0).all()
    inside = ndimage.minimum_filter(known["moved"], 3) > 254
    assert changes[inside].all(), "what moved shows another surface, or the same one elsewhere"
    assert np.array_equal(before.body == 0, known["owner"] == 0)
    assert np.abs((before.body == 0).sum() - known["moved"].sum() / 255) < 0.05 * (before.body == 0).sum()
    assert np.abs((after.body == 0).sum() - known["moved_after"].sum() / 255) < 0.05 * (after.body == 0).sum()


def test_flow_follows_the_surface(slid: dict) -> None:
    """Apart from triangles: a ray's point goes by the body's matrices and is projected."""
    stage, known, before = slid["stage"], slid["known"], slid["before"]
    own = before.body == 0
    rays = stage.camera.rays(stage.camera.pixel_grid())[own]
    points = stage.camera.origin + rays * before.distance[own, None]
    body = stage.bodies[0]
    step = body.after.matrix() @ np.linalg.inv(body.before.matrix())
    wanted, _ = stage.camera.project(points @ step[:3, :3].T + step[:3, 3])
    assert np.abs(known["flow"][own] - wanted).max() < 0.05
    assert np.isnan(known["flow"][~own]).all()


def test_handle_lands_on_its_target(slid: dict) -> None:
    stage, known = slid["stage"], slid["known"]
    ((handle, target),) = pairs.drags("slide", known, np.random.default_rng(0))
    world = renderer.World(stage)
    hit = world.cast(stage.camera.origin, stage.camera.rays(np.array([handle])))
    assert hit.body[0] == 0
    point = stage.camera.origin + stage.camera.rays(np.array(handle)) * hit.distance[0]
    moved_point = point + (*np.subtract(stage.bodies[0].after.place, stage.bodies[0].before.place), 0)
    assert np.abs(stage.camera.project(moved_point)[0] - target).max() < 0.5
    world.pose(True)
    seen = world.cast(stage.camera.origin, stage.camera.rays(np.array([target])))
    there = stage.camera.origin + stage.camera.rays(np.array(target)) * seen.distance[0]
    assert seen.body[0] == 0 and np.linalg.norm(there - moved_point) < 0.02, "the target is hidden"


def test_source_warped_by_the_flow_is_the_target(slid: dict) -> None:
    known = slid["known"]
    rows, columns = np.nonzero(known["visible"])
    x, y = known["flow"][rows, columns].T
    target, source = slid["target"].astype(float), slid["source"].astype(float)
    there = np.stack([ndimage.map_coordinates(target[..., c], [y - 0.5, x - 0.5], order=1) for c in range(3)], -1)
    here = source[rows, columns]
    off = np.abs(there - here).max(axis=-1)
    unwarped = np.abs(target[rows, columns] - here).max(axis=-1)
    assert len(rows) > 80 and np.median(off) < 16 and np.median(unwarped) > 3 * np.median(off)


def test_what_is_hidden_afterwards_is_not_visible() -> None:
    """Turned by half, every side wall that was seen looks away."""
    stage = checked_box(Pose((-0.3, 0.0), turn=np.pi))
    known = pairs.geometry(renderer.World(stage), subdivisions=1)
    rays = stage.camera.rays(stage.camera.pixel_grid())
    hits = renderer.World(stage).cast(stage.camera.origin, rays)
    points = stage.camera.origin + rays * hits.distance[..., None]
    own = hits.body == 0
    wall, top = own & (points[..., 2] < 0.38), own & (points[..., 2] > 0.3999)
    front = wall & (points[..., 1] < -0.24)
    assert front.sum() > 20 and not known["visible"][front].any()
    assert known["visible"][top].mean() > 0.9


def test_taken_away_a_body_is_gone_with_its_shadow() -> None:
    stage = checked_box(Pose((-0.3, 0.0)))
    full = training.photograph(stage, 32, 0)
    bare = training.photograph(stage, 32, 0, without=(0,))
    assert full.std() > 2 * bare.std()
    assert np.ptp(ndimage.uniform_filter(bare.mean(axis=-1)[SIZE // 2 :], 7)) < 60


@pytest.fixture(scope="module")
def pair() -> tuple:
    return pairs.make_pair("slide", "train", 2, None, 32, 8, 1)


def test_same_seed_same_pair(pair: tuple, tmp_path: Path) -> None:
    arrays, drags, meta = pairs.make_pair("slide", "train", 2, None, 32, 8, 1)
    assert drags == pair[1] and meta == pair[2]
    for name, value in arrays.items():
        assert np.array_equal(value, pair[0][name], equal_nan=value.dtype.kind == "f"), name
    other = draw_stage("slide", "train", np.random.default_rng(0), None, 32)
    assert other.meta["parameters"] != meta["parameters"]
    pairs.write_pair(tmp_path / "slide_0002", arrays, drags, meta)
    scene = load_scene(tmp_path / "slide_0002")
    assert scene.size == (32, 32) and scene.meta["things"][0]["licence"] == "MIT" and len(scene.points.pairs) == 1


def test_a_pair_is_found_again_and_emptied(pair: tuple, tmp_path: Path) -> None:
    arrays, drags, meta = pair
    folder = tmp_path / "slide_0002"
    pairs.write_pair(folder, arrays, drags, meta)
    assert without.complete(folder, None, 1) and not without.complete(folder, None, 1)
    bare = np.asarray(Image.open(folder / "without.png")).astype(float)
    whole = np.asarray(Image.open(folder / "whole.png"))
    assert np.array_equal(whole, arrays["moved"]), "what slides moves as a whole"
    off = np.abs(bare - arrays["source"]).mean(axis=-1)
    far = ~ndimage.binary_dilation(whole > 0, iterations=8)
    assert off[whole > 200].mean() > 3 * off[far].mean()
    meta = {**meta, "seed": 3}
    (folder / "without.png").unlink()
    (folder / "meta.json").write_text(json.dumps(meta))
    with pytest.raises(without.OtherPairError, match="slide_0002"):
        without.complete(folder, None, 1)


def test_a_pair_changes_where_it_moves(pair: tuple) -> None:
    arrays, _, _ = pair
    assert arrays["changed"][arrays["moved"] > 200].mean() > 0.5
    assert not np.array_equal(arrays["source"], arrays["target"])


def test_an_edit_that_does_not_show_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain ball turned about its axis: it moves, and looks as before."""
    stage = checked_box(Pose((-0.3, 0.0), turn=0.8))
    stage.meta["family"] = "turn"
    thing = Thing("ball", "solid", lambda state: [Part(ball(0.4, (0, 0, 0.4)), Material(roughness=1.0))])
    stage = replace(stage, bodies=[replace(stage.bodies[0], thing=thing)])
    monkeypatch.setattr(pairs, "draw_stage", lambda *_: stage)
    monkeypatch.setattr(pairs, "drags", lambda *_: [])
    monkeypatch.setattr(pairs, "check", lambda *_: None)
    monkeypatch.setattr(pairs, "ATTEMPTS", 1)
    with pytest.raises(StageError, match="0% of what moves looks different"):
        pairs.make_pair("turn", "train", 0, None, SIZE, 64, 1)


def test_training_picture_has_its_row(tmp_path: Path) -> None:
    made, failed = training.render_pictures(tmp_path, "train", 0, 1, None, 32, 4, things=True)
    assert (made, failed) == (1, 0)
    (row,) = records.read(tmp_path / "index.jsonl")
    picture = np.asarray(Image.open(tmp_path / row["file"]))
    assert picture.shape == (32, 32, 3) and picture.std() > 4
    assert row["neighbours"] in (0, 1, 2, 3)
    assert row["seed"] == 0 and row["size"] == 32 and row["split"] == "train" and row["seconds"] > 0
    stage, without = training.draw_picture("train", 0, None, 32)
    assert np.array_equal(picture, training.photograph(stage, 4, 0, without)), "a seed gives one picture"
    things = np.asarray(Image.open((tmp_path / row["file"]).with_suffix(records.THINGS)))
    shown = set(np.unique(things).tolist()) - {0}
    assert shown and shown <= {body + 1 for body in range(len(stage.bodies)) if body not in without}
    # Without one of them that one is gone, and what it hid is seen.
    gone = min(shown)
    assert gone not in training.whose(stage, (*without, gone - 1))


def test_processes_make_the_pictures_that_one_makes(tmp_path: Path) -> None:
    command = ["--split", "train", "--pictures", "2", "--size", "24", "--samples", "1", "--no-package"]
    for processes in (1, 2):
        out = ["--variant", "scalar_rgb", "--processes", str(processes), "--out", str(tmp_path / str(processes))]
        subprocess.run([sys.executable, "-m", "tools.worlds", *command, *out], check=True, cwd=ROOT)
    for name in ("00/000000.png", "00/000001.png"):
        one, two = (np.asarray(Image.open(tmp_path / folder / name)) for folder in "12")
        assert np.array_equal(one, two), name
    assert sorted(row["seed"] for row in records.read(tmp_path / "2/index.jsonl")) == [0, 1]


KERNELS = """
import sys
import numpy as np
from tests.tools.test_worlds_rendered import checked_box, replace, renderer, Pose, Light, quad, Material, Part
try:
    renderer.start("llvm_ad_rgb", 1)
except renderer.RendererError as error:
    print("skip", error)
    sys.exit()
import drjit as dr
dr.set_flag(dr.JitFlag.KernelHistory, True)
first = checked_box(Pose((0.25, 0.2)))
wall = Part(quad((-6, 1, 0), (12, 0, 0), (0, 0, 6), 1.0), Material((0.7, 0.2, 0.3), roughness=0.3))
lamp = Light((1.5, -1.0, 2.5), (0.1, 0.0, 0.0), 0.4, (3.0, 5.0, 9.0))
sky = np.random.default_rng(0).random((8, 16, 3)).astype(np.float32)
second = replace(first, room=[*first.room, wall], lights=[lamp], sky=sky, bodies=first.bodies * 2)
for stage in (first, second):
    world = renderer.World(stage)
    dr.kernel_history()
    world.picture(4, 1)
    world.pose(True)
    world.picture(4, 1)
    print(sum(not kernel["cache_hit"] for kernel in dr.kernel_history(types=[dr.KernelType.JIT])))
    del world
"""


def test_one_compiled_kernel_serves_other_stages(tmp_path: Path) -> None:
    """In a process of its own: a process has one variant, and here nothing may be left over of others' kernels."""
    environment = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    done = subprocess.run([sys.executable, "-c", KERNELS], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    if done.stdout.startswith("skip"):
        pytest.skip(done.stdout)
    first, second = map(int, done.stdout.split())
    assert first > 1 and second == 0


def test_cutout_is_the_thing_alone() -> None:
    stage = checked_box(Pose((-0.3, 0.0)))
    alone = replace(stage, room=[], camera=replace(stage.camera, target=np.array([-0.3, 0, 0.2]), field_of_view=24.0))
    rgba = cutouts.cut_out(alone, 16, 0)
    assert rgba.shape[2] == 4 and rgba[..., 3].max() == 255 and 0.4 < (rgba[..., 3] > 127).mean() < 0.95
    assert rgba[0, 0, 3] == 0
    # Nothing of the sky, which is grey, in the border: the box is orange and green.
    border = (rgba[..., 3] > 20) & (rgba[..., 3] < 235)
    colourful = np.ptp(rgba[border][:, :3].astype(int), axis=1)
    assert border.any() and np.median(colourful) > 25
