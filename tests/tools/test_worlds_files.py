"""What worlds read and write: the package of models, LLVM's file names, scene folders, records of broken seeds."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.scene import load_scene
from tools.scenes.cutouts import rendered
from tools.worlds import cutouts, debian, handles, llvm, package, pairs, records, remask, training
from tools.worlds.__main__ import main
from tools.worlds.camera import Camera
from tools.worlds.families import FAMILIES
from tools.worlds.mesh import Part
from tools.worlds.package import Library, PackageError
from tools.worlds.shares import Share
from tools.worlds.stage import Stage

CUBE = "".join(f"v {x} {y} {z}\n" for x in (0, 1) for y in (0, 1) for z in (0, 1)) + (
    "usemtl blue\nf 1 2 4 3\nf 5 7 8 6\nf 1 5 6 2\nf 3 4 8 7\nusemtl red\nf 1 3 7 5\nf 2 6 8 4\n"
)
CATALOGUE = """
id#1=a
name#1=Crate
model#1=/models/crate.obj
creator#1=Jane
width#1=100
depth#1=50
height#1=40
name#2=Wall lamp
model#2=/models/lamp.obj
width#2=30
depth#2=30
height#2=30
name#3=Pane
model#3=/models/pane.obj
width#3=30
depth#3=30
height#3=30
"""


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache with a package in which every library has a crate, a lamp for the wall and a pane of glass."""
    folder = tmp_path / "cache/pkg/usr/share/sweethome3d/furniture"
    folder.mkdir(parents=True)
    for name in package.LICENCES:
        with zipfile.ZipFile(folder / f"{name}.sh3f", "w") as archive:
            archive.writestr("PluginFurnitureCatalog.properties", CATALOGUE)
            archive.writestr("models/crate.obj", "mtllib crate.mtl\n" + CUBE)
            archive.writestr("models/crate.mtl", "newmtl blue\nKd 0 0 1\nnewmtl red\nKd 1 0 0\nmap_Kd red.png\n")
            buffer = io.BytesIO()
            Image.new("RGB", (8, 8), (200, 10, 10)).save(buffer, format="PNG")
            archive.writestr("models/red.png", buffer.getvalue())
            archive.writestr("models/pane.obj", "mtllib pane.mtl\n" + CUBE)
            archive.writestr("models/pane.mtl", "newmtl blue\nd 0.3\nnewmtl red\nd 0.3\n")
    (folder / "BlendSwap-CC-BY.sh3f").write_bytes(b"must not be opened")
    return tmp_path / "cache"


def test_models_stand_upright_in_our_axes(cache: Path) -> None:
    library = Library(cache)
    entry = next(entry for entry in library.entries if entry.key == "crate")
    assert (entry.author, entry.size, entry.name) == ("Jane", (1.0, 0.5, 0.4), "Crate")
    assert not [entry for entry in library.entries if entry.key == "lamp"], "things for walls are left out"
    parts: tuple[Part, ...] = library.parts(entry)
    assert [part.name for part in parts] == ["blue", "red"]
    vertices = np.concatenate([part.mesh.vertices for part in parts])
    assert np.allclose(vertices.min(axis=0), (-0.5, -0.25, 0)) and np.allclose(vertices.max(axis=0), (0.5, 0.25, 0.4))
    assert parts[0].material.texture is None and parts[0].material.colour[2] > 10 * parts[0].material.colour[0]
    assert parts[1].material.texture.shape == (8, 8, 3)
    again = Library(cache).parts(entry)
    assert np.array_equal(again[0].mesh.vertices, parts[0].mesh.vertices), "the decoded cache holds the same"


def test_glass_is_refused(cache: Path) -> None:
    library = Library(cache)
    with pytest.raises(PackageError, match="pane: see-through"):
        library.parts(next(entry for entry in library.entries if entry.key == "pane"))


def test_the_library_held_back_is_never_read(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """BlendSwap-CC-BY tests what generalises: nothing may be trained on it or rendered of it here."""
    opened: list[str] = []
    whole = zipfile.ZipFile

    def spy(file, *rest, **named):
        if isinstance(file, Path):
            opened.append(file.name)
        return whole(file, *rest, **named)

    monkeypatch.setattr(zipfile, "ZipFile", spy)
    library = Library(cache)
    for part in ("train", "validation", "test"):
        for entry in library.of(part):
            if entry.key == "crate":
                library.parts(entry)
    assert set(opened) == {f"{name}.sh3f" for name in package.LICENCES}
    assert "BlendSwap-CC-BY" not in package.LICENCES and "BlendSwap-CC-BY.sh3f" not in opened
    assert {entry.library for entry in library.entries} == set(package.LICENCES)


def test_every_author_whose_models_are_read_is_in_the_notice() -> None:
    notice = (Path(__file__).resolve().parents[2] / "NOTICE").read_text("utf-8")
    assert all(name in notice for name in package.LICENCES)
    for holder in (
        "Andrew Kator & Jennifer Legaz",
        "Reallusion",
        "Scopia Visual Interfaces Systems",
        "Emmanuel Puybaret",
    ):
        assert holder.lower() in notice.lower()


def test_no_apt_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian.shutil, "which", lambda name: None)
    with pytest.raises(PackageError, match="no apt-get .*dpkg -x sweethome3d-furniture"):
        Library(tmp_path)


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("libLLVM-19.so", 19), ("libLLVM.so.19.1", 19), ("libLLVM-15.so.1", 15), ("libLLVM-14.0.6.so.1", 14),
        ("libLLVMFoo.so", None), ("libLLVM.so", None),
    ],
)  # fmt: skip
def test_llvm_versions_are_read(name: str, version: int | None) -> None:
    assert llvm.version(Path("/usr/lib") / name) == version


def test_the_newest_llvm_that_works_is_taken(tmp_path: Path) -> None:
    system, fetched = tmp_path / "system", tmp_path / "cache/llvm"
    for root, names in ((system, ("libLLVM-15.so.1", "libLLVM-14.so", "libLLVM-21.so")), (fetched, ())):
        folder = root / "usr/lib/x86_64-linux-gnu"
        folder.mkdir(parents=True)
        for name in names:
            (folder / name).touch()
    assert llvm.find([system, fetched]) is None, "15 dies at the first render"
    for root, name in ((system, "libLLVM-17.so.1"), (fetched, "libLLVM.so.19.1")):
        (root / "usr/lib/x86_64-linux-gnu" / name).touch()
    assert llvm.find([system]).name == "libLLVM-17.so.1"
    assert llvm.find([system, fetched]).name == "libLLVM.so.19.1"


FLOW = np.stack(np.meshgrid(np.arange(64) + 20.5, np.arange(64) + 0.5), axis=-1)


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    """A square that went 20 pixels to the right."""
    moved, after = np.zeros((64, 64), np.uint8), np.zeros((64, 64), np.uint8)
    moved[20:44, 6:30] = after[20:44, 26:50] = 255
    source, target = np.full((64, 64, 3), 90, np.uint8), np.full((64, 64, 3), 90, np.uint8)
    source[moved > 0] = target[after > 0] = (210, 60, 30)
    flow = np.where((moved > 0)[..., None], FLOW, np.nan)
    masks = pairs.truth.light_masks(source, target, moved, after)
    return {
        "source": source, "target": target, "moved": moved, "moved_after": after, "flow": flow.astype(np.float32),
        "visible": moved > 0, "owner": np.where(moved > 0, 0, -1), "stays": np.zeros((64, 64), bool), **masks,
    }  # fmt: skip


def test_pairs_are_scenes(arrays: dict, tmp_path: Path) -> None:
    drags = pairs.drags("slide", arrays, np.random.default_rng(0))
    pairs.write_pair(tmp_path / "slide_0000", arrays, drags, {"family": "slide", "background": "sand"})
    scene = load_scene(tmp_path / "slide_0000")
    assert np.allclose(scene.source, arrays["source"] / 255) and np.allclose(scene.target, arrays["target"] / 255)
    assert np.array_equal(scene.object_mask > 0.5, arrays["moved"] > 127)
    assert np.array_equal(scene.target_mask > 0.5, arrays["moved_after"] > 127)
    ((handle, target),) = scene.drags()
    assert arrays["moved"][int(handle[1]), int(handle[0])] and np.allclose(target - handle, (20, 0), atol=1e-3)
    assert scene.kind == "sand" and scene.meta["family"] == "slide"
    with np.load(tmp_path / "slide_0000/flow.npz") as file:
        assert np.allclose(file["flow"], arrays["flow"], equal_nan=True) and file["visible"].sum() == 24 * 24
    for name in ("moved", "moved_after", "changed", "light", "old_shadow", "new_shadow", "revealed"):
        with Image.open(tmp_path / "slide_0000" / f"{name}.png") as image:
            assert image.mode == "L" and np.array_equal(np.asarray(image) > 127, arrays[name] > 0)


def test_masks_are_made_anew(arrays: dict, tmp_path: Path) -> None:
    pairs.write_pair(tmp_path / "slide_0000", arrays, [((18, 32), (38, 32))], {})
    Image.new("L", (64, 64)).save(tmp_path / "slide_0000/changed.png")
    (tmp_path / "no_scene").mkdir()
    remask.main([str(tmp_path)])
    assert np.array_equal(np.asarray(Image.open(tmp_path / "slide_0000/changed.png")) > 0, arrays["changed"])


def test_handles_say_what_is_missing(arrays: dict) -> None:
    arrays["visible"][:] = False
    with pytest.raises(handles.HandleError, match="no surface point"):
        pairs.drags("slide", arrays, np.random.default_rng(0))


def test_anchors_stay_and_spread() -> None:
    still = np.zeros((64, 64), bool)
    still[10:54, 10:54] = True
    placed = handles.anchors(still, 3, (12.0, 12.0))
    assert len(placed) == 3 and all(handle == target for handle, target in placed)
    points = np.array([handle for handle, _ in placed] + [(12.0, 12.0)])
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1)[~np.eye(4, dtype=bool)]
    assert apart.min() >= 12 and all(still[int(y), int(x)] for x, y in points[:3])


def test_pairs_go_on_and_note_broken_seeds(arrays: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def make(family, part, seed, library, size, samples, subdivisions):
        asked.append(seed)
        if seed == 1:
            raise pairs.StageError("no room")
        if len(asked) == 4:
            raise KeyboardInterrupt
        return arrays, [((18, 32), (38, 32))], {"family": family, "seed": seed}

    monkeypatch.setattr(pairs, "make_pair", make)
    with pytest.raises(KeyboardInterrupt):
        pairs.render_pairs(tmp_path, "test", ["slide"], 4, 0, None, 64, 8)
    assert asked == [0, 1, 2, 3]
    assert pairs.render_pairs(tmp_path, "test", ["slide"], 4, 0, None, 64, 8) == (2, 0)
    assert asked[4:] == [3, 4], "what is there is kept, and a broken seed is not tried again"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "broken.jsonl", "slide_0000", "slide_0002", "slide_0003", "slide_0004",
    ]  # fmt: skip
    assert records.read(tmp_path / "broken.jsonl") == [{"family": "slide", "seed": 1, "error": "StageError: no room"}]
    assert json.loads((tmp_path / "slide_0003/meta.json").read_text())["seconds"] >= 0
    with pytest.raises(ValueError, match=f"must be one of {', '.join(FAMILIES)}"):
        pairs.render_pairs(tmp_path, "test", ["glide"], 4, 0, None, 64, 8)


def test_two_processes_share_pairs(arrays: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second runs while the first is at its first pair, and finds a seed that fails."""
    asked: list[int] = []
    counts: list[tuple[int, int]] = []

    def render(number: int) -> None:
        counts.append(pairs.render_pairs(tmp_path, "test", ["slide"], 4, 0, None, 64, 8, Share(number, 2), 2))

    def make(family, part, seed, library, size, samples, subdivisions):
        asked.append(seed)
        assert subdivisions == 2
        if seed == 0:
            render(1)
        if seed == 2:
            raise pairs.StageError("no room")
        return arrays, [((18, 32), (38, 32))], {"family": family, "seed": seed}

    monkeypatch.setattr(pairs, "make_pair", make)
    render(0)
    assert asked == [0, 1, 2, 3, 4], "each seed once, and one more for the one that failed"
    assert counts == [(3, 1), (1, 0)]
    assert sorted(path.name for path in tmp_path.glob("*slide*")) == [f"slide_000{seed}" for seed in (0, 1, 3, 4)]
    assert len(records.read(tmp_path / "broken.jsonl")) == 1


def test_shares_are_whole_and_apart() -> None:
    owned = [[at for at in range(10) if Share(number, 3).owns(at)] for number in range(3)]
    assert sorted(sum(owned, [])) == list(range(10)) and max(map(len, owned)) - min(map(len, owned)) <= 1


def empty_stage(meta: dict) -> Stage:
    camera = Camera(np.array([0.0, -1.0, 1.0]), np.zeros(3), 40, 16)
    return Stage([], [], [], np.zeros((1, 2, 3)), camera, 0.0, meta)


def test_training_pictures_go_on_and_note_broken_seeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (16, 16, 3)).astype(np.uint8)
    stage = empty_stage({"family": "lift"})
    asked: list[int] = []

    def photograph(stage, samples, seed, without):
        asked.append(seed)
        if seed == 2:
            raise RuntimeError("drjit")
        return np.zeros_like(picture) if seed == 3 else picture

    monkeypatch.setattr(training, "draw_picture", lambda part, seed, library, size: (stage, ()))
    monkeypatch.setattr(training, "photograph", photograph)
    assert training.render_pictures(tmp_path, "train", 0, 4, None, 16, 4) == (2, 2)
    assert training.render_pictures(tmp_path, "train", 0, 6, None, 16, 4) == (2, 0)
    assert asked == [0, 1, 2, 3, 4, 5]
    rows = records.read(tmp_path / "index.jsonl")
    assert [row["file"] for row in rows] == [f"00/{seed:06d}.png" for seed in (0, 1, 4, 5)]
    assert all(row["family"] == "lift" and row["samples"] == 4 for row in rows)
    assert np.array_equal(np.asarray(Image.open(tmp_path / rows[0]["file"])), picture)
    broken = records.read(tmp_path / "broken.jsonl")
    assert [row["seed"] for row in broken] == [2, 3] and "blank, dark" in broken[1]["error"]


def test_cutouts_are_what_the_composites_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rgba = np.zeros((24, 20, 4), np.uint8)
    rgba[4:20, 4:16] = (200, 90, 30, 255)
    credit = {"source": "Debian package x: A/chair", "author": "Jane", "licence": "CC0 1.0", "pose": "standing"}
    stage = empty_stage({"thing": "A/Chair 1"})
    monkeypatch.setattr(cutouts, "draw_cutout", lambda *_: (stage, credit))
    asked: list[int] = []

    def cut_out(stage, samples, seed):
        asked.append(seed)
        if seed == 1:
            raise cutouts.StageError("thin")
        return rgba

    monkeypatch.setattr(cutouts, "cut_out", cut_out)
    assert cutouts.render_cutouts(tmp_path, "test", 0, 3, None, 32, 4) == (2, 1)
    assert cutouts.render_cutouts(tmp_path, "test", 0, 4, None, 32, 4) == (1, 0) and asked == [0, 1, 2, 3]
    things = rendered(tmp_path, "test")
    assert [thing.name for thing in things] == ["00000_a-chair-1", "00002_a-chair-1", "00003_a-chair-1"]
    assert things[0].credit == {key: credit[key] for key in ("source", "author", "licence")}
    assert things[0].rgba.shape == (20, 16, 4), "cropped to the thing and padded by 2"


@pytest.mark.parametrize("extra", [[], ["--pictures", "1", "--cutouts", "1"]])
def test_one_thing_is_rendered_at_a_time(extra: list[str], tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        main(["--split", "train", "--out", str(tmp_path), *extra])
    assert "one of --pictures, --per-family and --cutouts" in capsys.readouterr().err
