"""The command line and the files it reads and writes."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from core import api, batch, cli
from core.errors import InputError
from core.families import SD1
from core.settings import EditSettings
from core.space.drags import Click, DragPair
from core.space.points import DragPoints, make_points
from tests.core import diffusers_models as models

ROOT = Path(__file__).parents[2]
FAST = ["--device", "cpu", "--steps", "4", "--strength", "0.5"]
LINE = "--drag=0.3,0.4,0.6,0.5"

share = st.floats(0, 1, allow_nan=False).map(lambda value: round(value, 6))
name = st.text("abcdefgh ,\"'é", min_size=1, max_size=8).map(str.strip).filter(bool)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return models.write_folder(tmp_path_factory.mktemp("model"))


@pytest.fixture
def pictures(tmp_path):
    made = tmp_path / "pictures"
    made.mkdir()
    for index in range(2):
        pixels = np.random.default_rng(index).integers(0, 256, (32, 40, 3), np.uint8)
        Image.fromarray(pixels).save(made / f"{index}.png")
    return made


@given(st.dictionaries(name, st.lists(st.tuples(share, share, share, share, st.none() | st.floats(0.01, 1)),
                                      min_size=1, max_size=3), min_size=1, max_size=3))
def test_any_csv_gives_its_drags_back(images):
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["image", "handle_x", "handle_y", "target_x", "target_y", "radius"])
    for image, drags in images.items():
        writer.writerows([image, *("" if value is None else repr(value) for value in drag)] for drag in drags)
    read = batch.parse_csv(text.getvalue())
    assert read == {
        image: batch.points_from_data({"version": 1, "pairs": [
            {"handle": [a, b], "target": [c, d], **({} if r is None else {"radius": r})} for a, b, c, d, r in drags
        ]})
        for image, drags in images.items()
    }


@given(st.sampled_from(["", "image,handle_x,handle_y,target_x,target_y,radius\n"]), st.text(max_size=60))
def test_any_text_as_csv_is_read_or_named(head, text):
    try:
        batch.parse_csv(head + text)
    except InputError as error:
        assert error.input == "points"


class TestPointsFiles:
    def test_csv_for_one_picture_needs_no_names(self):
        read = batch.parse_csv("handle_x, handle_y, target_x, target_y\n0.1, 0.2, 0.3, 0.4\n0.5,0.5,0.5,0.5\n")
        assert read == make_points([((0.1, 0.2), (0.3, 0.4)), ((0.5, 0.5), (0.5, 0.5))])

    def test_csv_may_say_group_and_motion(self):
        head = "handle_x,handle_y,target_x,target_y,group,motion\n"
        read = batch.parse_csv(head + "0.1,0.2,0.3,0.4,2,reshape\n0.5,0.5,0.5,0.5,,\n")
        assert read.pairs == (
            DragPair((0.1, 0.2), (0.3, 0.4), group=2, motion="reshape"),
            DragPair((0.5, 0.5), (0.5, 0.5)),
        )
        for line, shown in (("0,0,0,0,two,", "'two'"), ("0,0,0,0,1.5,", "1.5"), ("0,0,0,0,,go", "'go'")):
            with pytest.raises(InputError, match=shown):
                batch.parse_csv(head + line)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "no column handle_x"),
            ("image,handle_x,handle_y,target_x\n", "no column target_y"),
            ("handle_x,handle_y,target_x,target_y\n0.1,0.2,left,0.4\n", r"line 2: 'target_x' is 'left'"),
            ("handle_x,handle_y,target_x,target_y\n0.1,0.2,0.3\n", r"line 2: 'target_y' is None"),
            ("handle_x,handle_y,target_x,target_y\n", "no drags"),
            ("image,handle_x,handle_y,target_x,target_y\n,0,0,0,0\n", "'image' is empty"),
            ("image,handle_x,handle_y,target_x,target_y\na.png,7,0,0,0\n", r"'a.png': drag 1: the handle \[7.0, 0.0\]"),
        ],
    )
    def test_faults_are_named_with_their_line(self, text, message):
        with pytest.raises(InputError, match=message):
            batch.parse_csv(text)

    def test_json_for_many(self, tmp_path):
        one = {"version": 1, "pairs": [{"handle": [0.1, 0.1], "target": [0.2, 0.2]}]}
        (tmp_path / "p.json").write_text(json.dumps({"images": {"a.png": one}}))
        assert batch.read_points_file(tmp_path / "p.json") == {"a.png": batch.points_from_data(one)}
        (tmp_path / "p.json").write_text(json.dumps(one))
        assert isinstance(batch.read_points_file(tmp_path / "p.json"), DragPoints)
        (tmp_path / "p.json").write_text(json.dumps({"images": {"a.png": {**one, "pairs": []}}}))
        with pytest.raises(InputError, match=r"p.json, 'a.png': there are no drags"):
            batch.read_points_file(tmp_path / "p.json")

    def test_unreadable_files_are_named(self, tmp_path):
        (tmp_path / "p.json").write_bytes(b"\xff\xfe\x00")
        for file in (tmp_path / "p.json", tmp_path / "none.csv"):
            with pytest.raises(InputError, match=f"{file.name} can't be read"):
                batch.read_points_file(file)


class TestJobs:
    points = make_points([((0.1, 0.1), (0.2, 0.2))])

    def test_one_set_for_a_folder_takes_its_pictures(self, pictures):
        (pictures / "notes.txt").write_text("")
        assert [job.name for job in batch.plan_jobs(pictures, self.points)] == ["0.png", "1.png"]

    @pytest.mark.parametrize("outside", ["../other.png", "/etc/hostname"])
    def test_names_may_not_leave_the_folder(self, pictures, outside):
        Image.new("RGB", (8, 8)).save(pictures.parent / "other.png")
        with pytest.raises(InputError, match="leads out of"):
            batch.plan_jobs(pictures, {outside: self.points})

    def test_missing_pictures_are_named(self, pictures):
        with pytest.raises(InputError, match="holds no '7.png'"):
            batch.plan_jobs(pictures, {"7.png": self.points})
        with pytest.raises(InputError, match="there are none for 0.png"):
            batch.plan_jobs(pictures / "0.png", {"7.png": self.points})

    def test_half_written_files_never_appear(self, tmp_path):
        target = tmp_path / "new" / "a.json"

        def fail(file):
            file.write_text("half")
            raise OSError("disk full")

        with pytest.raises(OSError, match="disk full"):
            batch.write_atomically(target, fail)
        assert list(target.parent.iterdir()) == []
        batch.write_json(target, {"a": 1})
        with pytest.raises(OSError, match="disk full"):
            batch.write_atomically(target, fail)
        assert json.loads(target.read_text()) == {"a": 1}
        os.umask(mask := os.umask(0o022))
        assert target.stat().st_mode & 0o777 == 0o666 & ~mask


class TestRuns:
    def test_a_folder_is_edited_reported_and_resumed(self, folder, pictures, tmp_path, capsys):
        table = tmp_path / "points.csv"
        rows = "image,handle_x,handle_y,target_x,target_y\n0.png,0.3,0.4,0.6,0.5\n1.png,0.5,0.5,0.2,0.2\n"
        table.write_text(rows)
        out = tmp_path / "out"
        command = [str(folder), str(pictures), "--out", str(out), "--points", str(table), *FAST, "--seed", "3"]
        assert cli.main(command) == 0
        assert sorted(file.name for file in out.iterdir()) == [
            f"{index}.png{ending}" for index in (0, 1) for ending in (".dragged.png", ".json", ".mask.png")
        ]
        report = json.loads((out / "0.png.json").read_text())
        settings = report["settings"]
        assert (settings["steps"], settings["strength"], settings["seed"]) == (4, 0.5, 3)
        assert settings["sample"]["hold_element"] == EditSettings().sample.hold_element
        assert report["model"]["fingerprint"] == api.load(folder, "cpu").fingerprint
        assert report["points"]["pairs"] == [{"handle": [0.3, 0.4], "target": [0.6, 0.5]}]
        assert report["image"]["width"] == 40 and report["result"]["inversion_evaluations"] == 2
        assert report["versions"]["torch"] == torch.__version__

        # What the report says gives the same picture again.
        loaded = api.load(folder, "cpu")
        again = api.edit(loaded, pictures / "0.png", report["points"], settings=cli.read_settings(
            cli.build_parser().parse_args(command)))
        written = np.array(Image.open(out / "0.png.dragged.png"))
        assert np.array_equal(np.array(api.to_pil(again.image)), written)

        before = {file: file.stat().st_mtime_ns for file in out.iterdir()}
        assert cli.main(command) == 0
        assert {file: file.stat().st_mtime_ns for file in out.iterdir()} == before, "finished pictures are kept"
        (out / "1.png.mask.png").unlink()
        table.write_text(rows.replace("0.6,0.5", "0.7,0.5"))
        assert cli.main(command) == 0
        changed = {file.name for file in out.iterdir() if before.get(file) != file.stat().st_mtime_ns}
        assert {"0.png.json", "1.png.mask.png"} <= changed

    def test_a_large_picture_is_edited_in_a_window_that_the_report_tells(self, folder, tmp_path, capsys, monkeypatch):
        monkeypatch.setattr(api.Model, "family", dataclasses.replace(SD1, native_px=64))
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (180, 260, 3), np.uint8)).save(tmp_path / "large.png")
        outcomes = {}
        for window in ("auto", "whole", "6"):
            out = tmp_path / window
            command = [str(folder), str(tmp_path / "large.png"), "--out", str(out), "--drag=0.2,0.3,0.25,0.3,0.05"]
            assert cli.main([*command, *FAST, "--window", window]) == 0
            report = json.loads((out / "large.png.json").read_text())
            assert report["window"] == window
            outcomes[window] = report["result"]["window"]
            assert Image.open(out / "large.png.dragged.png").size == Image.open(out / "large.png.mask.png").size
            assert ("a window of" in capsys.readouterr().err) == (window != "whole")
        assert outcomes["whole"] is None and outcomes["auto"]["picture"] == [180, 260]
        assert outcomes["6"]["width"] <= outcomes["auto"]["width"]

    def test_a_window_that_is_none_is_told_before_anything_is_loaded(self, pictures, tmp_path, capsys):
        assert cli.main(["nowhere", str(pictures), "--out", str(tmp_path), LINE, "--window", "near"]) == 2
        assert "window: 'near'" in capsys.readouterr().err

    def test_a_picture_that_fails_does_not_hold_up_the_others(self, folder, pictures, tmp_path, capsys):
        (pictures / "0.png").write_bytes(b"no picture")
        out = tmp_path / "out"
        assert cli.main([str(folder), str(pictures), "--out", str(out), LINE, *FAST]) == 1
        assert "0.png: image:" in capsys.readouterr().err
        assert (out / "1.png.json").is_file() and not (out / "0.png.json").exists()

    def test_a_mask_moves_instead(self, folder, pictures, tmp_path):
        mask = np.zeros((32, 40), np.uint8)
        mask[8:16, 8:16] = 255
        Image.fromarray(mask).save(tmp_path / "mask.png")
        out = tmp_path / "out"
        arguments = [str(folder), str(pictures / "1.png"), "--out", str(out), LINE, *FAST]
        assert cli.main([*arguments, "--mask", str(tmp_path / "mask.png")]) == 0
        assert np.array_equal(np.array(Image.open(out / "1.png.mask.png")), mask)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"drag": "--drag=0.1,0.2"}, "has 2 numbers"),
            ({"drag": "--drag=a,b,c,d"}, "isn't made of numbers"),
            ({"model": "nowhere"}, "there is nothing at nowhere"),
            ({"extra": ["--strength", "2"]}, "strength"),
            ({"extra": ["--preserve", "2"]}, "hold_element: 2.0. Use 0 to 1."),
        ],
    )
    def test_bad_arguments_are_told(self, folder, pictures, tmp_path, capsys, change, message):
        command = [change.get("model", str(folder)), str(pictures), "--out", str(tmp_path / "out"),
                   change.get("drag", LINE), *FAST, *change.get("extra", [])]
        assert cli.main(command) != 0
        assert message in capsys.readouterr().err

    def test_defaults_are_the_settings_own(self):
        options = cli.build_parser().parse_args(["m", "i", "--out", "o", LINE])
        assert cli.read_settings(options) == EditSettings()


def test_it_runs_as_a_module_without_loading_a_host():
    code = "import sys, core.cli; print(sorted(m for m in ('comfy', 'diffusers', 'transformers') if m in sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
    command = [sys.executable, "-m", "core", "--help"]
    assert "--points" in subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


class TestClicks:
    def read(self, *arguments):
        return cli.read_drags(cli.build_parser().parse_args(["model", "in.png", "--out", "out", *arguments]))

    def test_clicks_go_with_drags(self):
        points = self.read(LINE, "--add", "0.1,0.2", "--leave-out=0.3,0.4", "--leave-out", "1,0")
        assert points.pairs == (DragPair((0.3, 0.4), (0.6, 0.5)),)
        assert points.clicks == (
            Click((0.1, 0.2), "add"), Click((0.3, 0.4), "leave_out"), Click((1.0, 0.0), "leave_out")
        )  # fmt: skip

    def test_a_size_goes_for_every_drag(self):
        points = self.read(LINE, "--drag", "0.1,0.1,0.2,0.1,0.3", "--size=-2")
        assert points.pairs == (
            DragPair((0.3, 0.4), (0.6, 0.5), size=-2), DragPair((0.1, 0.1), (0.2, 0.1), 0.3, size=-2)
        )  # fmt: skip

    @pytest.mark.parametrize(
        ("arguments", "shown"),
        [
            ((LINE, "--add", "0.1"), "'0.1' has 1 number"),
            ((LINE, "--leave-out", "a,b"), "'a,b' isn't made of numbers"),
            ((LINE, "--add", "3,0.5"), "click 1: the place"),
            (("--points", "none.json", "--add", "0.1,0.2"), "--add"),
            (("--points", "none.json", "--size", "1"), "--size"),
            ((LINE, "--size", "10"), "drag 1: the size is 10"),
        ],
    )
    def test_faults_are_named(self, arguments, shown):
        with pytest.raises(InputError, match=shown):
            self.read(*arguments)
