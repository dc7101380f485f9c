"""What the ComfyUI registry gets: the name, the words, the files."""

from __future__ import annotations

import ast
import json
import re

import pytest
import tomllib
from PIL import Image

from scripts.environment import REPOSITORY
from scripts.make_registry_art import BANNER, ICON, draw
from scripts.shipping import export, shipped

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
RUN_BY_COMFYUI = {"__init__.py", "core", "nodes", "web", "locales", "example_workflows", "subgraphs"}
READ_BY_PEOPLE = {"README.md", "CHANGELOG.md", "LICENSE", "NOTICE", "pyproject.toml", "requirements.txt"}


@pytest.fixture(scope="module")
def files():
    if not (REPOSITORY / ".git").exists():
        pytest.skip("no git checkout")
    return shipped()


def test_name_and_licence_are_as_the_registry_asks():
    project = PROJECT["project"]
    assert re.fullmatch(r"[a-z][a-z0-9_-]*", project["name"]) and "comfyui" not in project["name"]
    assert project["license"] == "MIT"
    assert not [line for line in project["classifiers"] if line.startswith("License")]
    assert {"Repository", "Documentation", "Bug Tracker"} <= project["urls"].keys()


def test_workflows_name_the_pack_as_the_registry_does():
    """By that name ComfyUI offers to install what a workflow lacks."""
    paths = sorted((REPOSITORY / "example_workflows").glob("*.json"))
    for path in [*paths, *sorted((REPOSITORY / "subgraphs").glob("*.json"))]:
        for name in re.findall(r'"cnr_id": "([^"]+)"', path.read_text(encoding="utf-8")):
            assert name in (PROJECT["project"]["name"], "comfy-core"), path.name
    assert paths and json.loads(paths[0].read_text(encoding="utf-8"))["nodes"]


def test_art_is_what_the_script_draws():
    comfy = PROJECT["tool"]["comfy"]
    for key, size in (("Icon", ICON), ("Banner", BANNER)):
        path = REPOSITORY / "registry" / comfy[key].rpartition("/")[2]
        assert comfy[key].endswith(f"/registry/{path.name}")
        with Image.open(path) as picture:
            assert picture.size == size
            assert picture.convert("RGB").tobytes() == draw(size).tobytes()


def test_users_get_what_comfyui_runs_and_people_read_and_nothing_else(files):
    tops = {path.parts[0] for path in files}
    assert tops <= RUN_BY_COMFYUI | READ_BY_PEOPLE
    assert {"__init__.py", "core", "nodes", "web", "locales", "example_workflows"} | READ_BY_PEOPLE <= tops
    assert sum((REPOSITORY / path).stat().st_size for path in files) < 4_000_000


def test_every_module_of_the_pack_ships(files):
    for folder in ("core", "nodes", "web", "locales", "example_workflows"):
        there = {path.relative_to(REPOSITORY) for path in (REPOSITORY / folder).rglob("*.*") if path.is_file()}
        there = {path for path in there if "__pycache__" not in path.parts and path.suffix != ".pyc"}
        assert there <= set(files), sorted(there - set(files))[:5]


def test_what_ships_imports_nothing_that_does_not(files):
    left_behind = {"scripts", "tools", "benchmarks", "tests"}
    for path in files:
        if path.suffix != ".py":
            continue
        for node in ast.walk(ast.parse((REPOSITORY / path).read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names.append(node.module)
            for name in names:
                assert name.split(".")[0] not in left_behind, path
                # The registry's scanner flags these; nothing in the pack needs them.
                assert name.split(".")[0] not in {"subprocess", "socket", "requests", "urllib", "pickle"}, path


def test_what_ships_can_be_exported(files, tmp_path):
    export(tmp_path)
    assert {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()} == set(files)
