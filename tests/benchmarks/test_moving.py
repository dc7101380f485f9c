"""What really moves, by a stand-in's region and the pack's field."""

from __future__ import annotations

import json

from benchmarks import moving
from tests.benchmarks import made


def test_the_command_tells_the_element_from_what_goes(tmp_path, capsys):
    made.write(tmp_path, made.scene(name="scene0"))
    out = tmp_path / "figures.json"
    assert moving.main(["--scenes", str(tmp_path), "--stand-in", "--out", str(out), "--threads", "1"]) == 0
    text = capsys.readouterr().out
    assert "element" in text and "moving" in text
    (scenes,) = json.loads(out.read_text()).values()
    assert all(0 <= value <= 1 for value in scenes["scene0"].values())
    assert moving.main(["--scenes", str(tmp_path), "--stand-in", "--families", "other"]) == 0
