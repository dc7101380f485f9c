"""What pip installs works by itself: no room of the core is missing from the wheel."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scripts.environment import REPOSITORY
from tests.core import diffusers_models as models


def files_in(folder: Path) -> list[Path]:
    """Modules, and the numbers that they read."""
    return [path for kind in ("*.py", "*.safetensors") for path in sorted(folder.rglob(kind))]


def own_files() -> list[Path]:
    return files_in(REPOSITORY / "core")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the installed wheel and nothing else of the repository."""
    made, target = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("installed")
    # setuptools leaves a build folder in the sources: it builds from a copy of what it needs.
    sources = tmp_path_factory.mktemp("sources")
    for name in ("pyproject.toml", "setup.py", "LICENSE", "README.md"):
        (sources / name).write_bytes((REPOSITORY / name).read_bytes())
    for path in own_files():
        copy = sources / path.relative_to(REPOSITORY)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(made), str(sources)]
    subprocess.run(build, check=True, cwd=sources)
    subprocess.run([*pip, "install", "--no-deps", "--target", str(target), str(next(made.glob("*.whl")))], check=True)
    return target


def test_every_module_and_its_numbers_are_installed(installed):
    package = installed / "attention_drag"
    there = {path.relative_to(package) for path in files_in(package)}
    assert there == {path.relative_to(REPOSITORY / "core") for path in own_files()}


def test_the_installed_package_edits_a_picture(installed, tmp_path):
    model = models.write_folder(tmp_path / "model")
    pixels = np.random.default_rng(0).integers(0, 256, (32, 40, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    command = [
        sys.executable, "-P", "-m", "attention_drag", str(model), str(tmp_path / "picture.png"), "--out",
        str(tmp_path / "out"), "--drag=0.3,0.4,0.6,0.5", "--steps=4", "--strength=0.5", "--grow=6", "--device=cpu",
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    edited = np.asarray(Image.open(tmp_path / "out" / "picture.png.dragged.png"))
    assert edited.shape == pixels.shape and (edited != pixels).any()
