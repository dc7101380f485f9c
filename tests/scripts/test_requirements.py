"""The lists that must agree with each other."""

from __future__ import annotations

import pytest

from scripts.comfyui import comfyui_requirements
from scripts.environment import REPOSITORY, project_requirements


def test_requirements_txt_is_the_project_s_list():
    lines = (REPOSITORY / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert sorted(line for line in lines if line and not line.startswith("#")) == project_requirements()


def test_torch_is_never_asked_for():
    assert not [line for line in project_requirements("test", "train", "benchmarks") if line.startswith("torch")]


def test_comfyui_s_requirements_come_without_torch(tmp_path):
    (tmp_path / "requirements.txt").write_text(
        "torch\ntorchsde\ntorchvision\ntorchaudio\nnumpy>=1.25.0\n\n#not essential:\nav>=14  # video\n"
    )
    assert comfyui_requirements(tmp_path) == ["torchsde", "numpy>=1.25.0", "av>=14"]


VERSIONS = [("0.3.52", False), ("0.3.75", False), ("0.4.0", True), ("0.33.0", True)]


@pytest.mark.parametrize(("version", "needed"), VERSIONS)
def test_torchaudio_is_installed_where_comfyui_starts_with_it(tmp_path, version, needed):
    (tmp_path / "comfyui_version.py").write_text(f'__version__ = "{version}"\n')
    (tmp_path / "requirements.txt").write_text("torch\ntorchaudio\ntorchsde\n")
    assert comfyui_requirements(tmp_path) == (["torchaudio"] if needed else []) + ["torchsde"]
