"""The house: arrows between rooms go one way, and only hosts know a host."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

CORE = Path(__file__).parents[2] / "core"

# A room may use those above it in this list, and its own.
FLOORS = (
    ("errors",),
    ("options",),
    ("families",),
    ("planes", "model"),
    ("space",),
    ("attention", "region", "motion"),
    ("fill", "diffusion"),
    ("pixels", "hosts", "settings", "window"),
    ("edit", "presets"),
    ("windowed",),
    ("api", "batch"),
    ("cli",),
    ("__main__",),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
# The settings of every station in one object: on the hosts' floor, but of no use to them.
APART = {("settings", "hosts"), ("hosts", "settings"), ("pixels", "hosts"), ("hosts", "pixels")}


def modules() -> dict[str, Path]:
    """Every module of the core by its dotted name below it."""
    found = {}
    for path in CORE.rglob("*.py"):
        parts = path.relative_to(CORE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name:
            found[name] = path
    return found


MODULES = modules()


def imports(name: str) -> set[str]:
    """Modules of the core that a module imports, wherever in it; names of others begin with a colon."""
    path = MODULES[name]
    package = name.split(".") if path.stem == "__init__" else name.split(".")[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {f":{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(f":{node.module}")
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] + (node.module.split(".") if node.module else [])
            for alias in node.names:
                deeper = ".".join([*base, alias.name])
                found.add(deeper if deeper in MODULES else ".".join(base))
    return found - {""}


def room(name: str) -> str:
    return name.split(".")[0]


def test_every_room_has_a_floor():
    assert {room(name) for name in MODULES} == set(FLOOR)


@pytest.mark.parametrize("name", sorted(MODULES))
def test_arrows_between_rooms_go_one_way(name):
    for other in imports(name):
        if other.startswith(":") or room(other) == room(name):
            continue
        assert FLOOR[room(other)] < FLOOR[room(name)], f"{name} imports {other}"
        assert (room(name), room(other)) not in APART


def test_no_module_imports_itself_by_way_of_others():
    graph = {name: {other for other in imports(name) if other in MODULES} for name in MODULES}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path[path.index(name) :], name))
        if name not in done:
            for other in graph[name]:
                visit(other, (*path, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_only_hosts_know_a_host():
    for name in MODULES:
        foreign = {other[1:].split(".")[0] for other in imports(name) if other.startswith(":")}
        assert "nodes" not in foreign
        if not name.startswith("hosts.comfy"):
            assert not foreign & {"comfy", "comfy_api", "comfy_extras", "latent_preview", "folder_paths"}, name
        if not name.startswith("hosts.diffusers"):
            assert not foreign & {"diffusers", "transformers"}, name


def test_the_page_about_the_house_names_every_room_and_is_short():
    text = (CORE / "README.md").read_text("utf-8")
    assert len(text.splitlines()) <= 40
    for name in {room(name) for name in MODULES} - {"__main__", "errors", "options"}:
        assert f"{name}" in text, name
    for path in MODULES.values():
        if path.parent.name in ("region", "motion", "attention") and path.stem != "__init__":
            assert path.name in text or path.stem in text, path
