"""What is installed, and when nothing is. pip itself is not run."""

from __future__ import annotations

import platform
import sys

import pytest

from scripts import environment
from scripts.environment import ensure_environment, torch_requirement


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """What pip was asked for, call by call, in an environment that ``present`` says has torch."""
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    monkeypatch.setenv("ATTENTIONDRAG_VENV", str(tmp_path))
    monkeypatch.delenv("ATTENTIONDRAG_TORCH", raising=False)
    calls: list[tuple[str, ...]] = []
    monkeypatch.setattr(environment, "_pip", lambda python, *arguments: calls.append(arguments))
    return calls


@pytest.fixture
def present(monkeypatch):
    def set_versions(*answers: dict[str, str]) -> None:
        left = list(answers)
        monkeypatch.setattr(environment, "_installed_torch", lambda python: left.pop(0) if len(left) > 1 else left[0])

    return set_versions


def test_present_torch_is_kept(installed, present):
    present({"torch": "9.9", "torchvision": "0.9"})
    ensure_environment(["einops", "aiohttp"])
    assert installed == [("torch==9.9", "torchvision==0.9", "aiohttp", "einops")]


def test_local_build_of_torch_is_not_looked_for_in_an_index(installed, present):
    present({"torch": "9.9+rocm6", "torchvision": "0.9+rocm6"})
    ensure_environment(["einops"])
    assert installed == [("einops",)]


def test_missing_torch_comes_first(installed, present):
    present({}, {"torch": "2.14.1", "torchvision": "0.29.1"})
    ensure_environment(["einops"])
    assert installed == [torch_requirement(), ("torch==2.14.1", "torchvision==0.29.1", "einops")]


def test_nothing_is_installed_twice(installed, present):
    present({"torch": "9.9", "torchvision": "0.9"})
    ensure_environment(["a", "b"])
    ensure_environment(["b", "a"])
    ensure_environment(["a"])
    assert len(installed) == 1
    ensure_environment(["a", "c"])
    assert len(installed) == 2


def test_torch_of_the_machine(monkeypatch):
    monkeypatch.delenv("ATTENTIONDRAG_TORCH", raising=False)
    for machine, version in (("x86_64", "2.14.1"), ("aarch64", "2.9.1"), ("arm64", "2.9.1")):
        monkeypatch.setattr(platform, "machine", lambda machine=machine: machine)
        assert torch_requirement()[0] == f"torch=={version}"
    monkeypatch.setenv("ATTENTIONDRAG_TORCH", "./torch.whl torchvision")
    assert torch_requirement() == ("./torch.whl", "torchvision")
