"""scripts/demo.sh's own part: from the shipped weights to pictures, on a small picture to keep it short."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from scripts.environment import REPOSITORY
from tests.comfy.conftest import make_scene
from tests.comfy.graphs import points_json


@pytest.fixture(scope="module")
def demo(comfyui, tmp_path_factory):
    """Runs the demo on a cache of its own; the second run finds the first one's checkpoint."""
    cache = tmp_path_factory.mktemp("cache")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "COMFYUI_PATH": str(comfyui), "ATTENTIONDRAG_CACHE": str(cache)}
        done = subprocess.run(
            [sys.executable, "-m", "scripts.demo", *arguments],
            cwd=REPOSITORY,
            env=environment,
            capture_output=True,
            text=True,
        )
        left = [p.pid for p in psutil.process_iter(["cmdline"]) if str(cache) in " ".join(p.info["cmdline"] or [])]
        assert not left, "the demo's server outlived it"
        return done

    return run


def test_pictures(demo, tmp_path):
    source = tmp_path / "my picture.png"
    make_scene(64, 48).save(source)
    out = tmp_path / "out"
    points = points_json((1 / 3, 0.5, 2 / 3, 0.5))
    done = demo("--out", str(out), "--image", str(source), "--points", points)
    assert done.returncode == 0, done.stderr
    assert str(out / "sheet.png") in done.stdout and "--serve" in done.stdout
    pictures = {name: np.asarray(Image.open(out / f"{name}.png")) for name in ("source", "edited", "mask", "heatmap")}
    assert {picture.shape for picture in pictures.values()} == {(48, 64, 3)}
    assert (pictures["source"] == np.asarray(make_scene(64, 48))).all()
    assert (pictures["edited"] != pictures["source"]).any()
    assert pictures["mask"].max() == 255
    assert Image.open(out / "sheet.png").size[0] > 4 * 64


def test_failure_is_told_and_ends_the_server(demo, tmp_path):
    make_scene(64, 48).save(tmp_path / "source.png")
    points = tmp_path / "points.json"
    points.write_text(points_json((1.5, 0.5, 0.6, 0.5)))
    done = demo("--out", str(tmp_path), "--image", str(tmp_path / "source.png"), "--points", str(points))
    assert done.returncode == 1
    assert "AttentionDragPoints" in done.stderr and "1.5" in done.stderr
    assert "writing the demo checkpoint" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--image", "a.png"], "--image and --points go together"),
        (["--image", "no such.png", "--points", "{}"], "no such.png"),
    ],
)
def test_bad_arguments(demo, arguments, words):
    done = demo(*arguments)
    assert done.returncode == 2 and words in done.stderr


def test_scripts_can_be_started():
    for script in ("scripts/demo.sh", "scripts/test.sh", ".ci/run"):
        assert os.access(Path(REPOSITORY, script), os.X_OK)
