"""Which ComfyUI is taken."""

from __future__ import annotations

import pytest

from scripts import comfyui
from scripts.environment import SetupError


@pytest.fixture
def clean(monkeypatch, tmp_path):
    for name in ("COMFYUI_PATH", "ATTENTIONDRAG_COMFYUI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ATTENTIONDRAG_CACHE", str(tmp_path / "cache"))
    return monkeypatch


def fake(path):
    (path / "comfy").mkdir(parents=True)
    (path / "main.py").touch()
    (path / "comfy" / "model_patcher.py").touch()
    (path / "comfyui_version.py").write_text('__version__ = "1.2.3"\n')
    (path / "custom_nodes").mkdir()
    return path


def test_named_one_comes_first(clean, tmp_path):
    named, above = fake(tmp_path / "named"), fake(tmp_path / "above")
    clean.setattr(comfyui, "REPOSITORY", above / "custom_nodes" / "pack")
    clean.setenv("COMFYUI_PATH", str(named))
    assert comfyui.find_comfyui() == named
    assert comfyui.comfyui_version(named) == "1.2.3"


def test_the_one_this_pack_is_installed_in(clean, tmp_path):
    above = fake(tmp_path / "above")
    clean.setattr(comfyui, "REPOSITORY", above / "custom_nodes" / "pack")
    assert comfyui.find_comfyui() == above


def test_else_the_one_unpacked_before_and_else_none(clean, tmp_path):
    clean.setattr(comfyui, "REPOSITORY", tmp_path / "elsewhere" / "pack")
    assert comfyui.find_comfyui() is None
    unpacked = fake(tmp_path / "cache" / "comfyui-0.3.75")
    assert comfyui.find_comfyui() == unpacked
    assert comfyui.find_comfyui("0.3.52") is None


def test_named_folder_that_is_no_comfyui(clean, tmp_path):
    clean.setenv("COMFYUI_PATH", str(tmp_path))
    with pytest.raises(SetupError, match="COMFYUI_PATH"):
        comfyui.find_comfyui()


def test_unknown_version(clean):
    with pytest.raises(SetupError, match=r"9\.9\.9.*0\.3\.75"):
        comfyui.find_comfyui("9.9.9")
