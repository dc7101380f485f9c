"""The virtual environment that the demo and the tests run in.

Standard library alone: this runs under whatever Python the machine has, before anything is installed.

``ATTENTIONDRAG_VENV`` names another environment (a ComfyUI's own, say). What that environment has already is
left as it is: torch is installed only where it cannot be imported, and never up- or downgraded.
``ATTENTIONDRAG_TORCH`` replaces the torch requirement (``"torch torchvision"``, a local wheel, ...).
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import tomllib

REPOSITORY = Path(__file__).resolve().parent.parent

# Pairs that work together on a machine without a GPU; a newer torchvision refuses an older torch at import.
TORCH_BY_MACHINE = {
    "aarch64": ("torch==2.9.1", "torchvision==0.24.1"),
    "arm64": ("torch==2.9.1", "torchvision==0.24.1"),
}
TORCH_ELSEWHERE = ("torch==2.14.1", "torchvision==0.29.1")


class SetupError(RuntimeError):
    """Something the machine lacks; the message says what to do about it."""


def cache_directory() -> Path:
    """Where unpacked ComfyUIs, checkpoints and servers' folders are kept (``ATTENTIONDRAG_CACHE``)."""
    return Path(os.environ.get("ATTENTIONDRAG_CACHE") or REPOSITORY / ".cache").expanduser().resolve()


def venv_directory() -> Path:
    """The environment's folder (``ATTENTIONDRAG_VENV``, else ``.venv`` in the repository)."""
    return Path(os.environ.get("ATTENTIONDRAG_VENV") or REPOSITORY / ".venv").expanduser().resolve()


def venv_python(venv: Path) -> Path:
    """The environment's interpreter. Not resolved: following the link would leave the environment."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def torch_requirement() -> tuple[str, ...]:
    """What to install where torch is missing."""
    chosen = os.environ.get("ATTENTIONDRAG_TORCH", "").split()
    return tuple(chosen) or TORCH_BY_MACHINE.get(platform.machine().lower(), TORCH_ELSEWHERE)


def project_requirements(*extras: str) -> list[str]:
    """The pack's own requirements and those of the named optional groups, from pyproject.toml."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = list(project["dependencies"])
    for extra in extras:
        wanted += project["optional-dependencies"][extra]
    return sorted(set(wanted))


def ensure_environment(requirements: Sequence[str]) -> Path:
    """Return the interpreter of an environment that has torch and ``requirements``; make it if need be.

    A stamp in the environment remembers what was installed last, so the next call is immediate unless it
    asks for more, or for another ComfyUI's pins.

    Raises:
        SetupError: Python without ``venv``, or pip failed.
    """
    venv = venv_directory()
    python = venv_python(venv)
    if not python.exists():
        _say(f"making a virtual environment in {venv}")
        made = subprocess.run([sys.executable, "-m", "venv", str(venv)], capture_output=True, text=True)
        if made.returncode:
            raise SetupError(
                f"cannot make a virtual environment in {venv}: {(made.stdout + made.stderr).strip()}\n"
                "On Debian and Ubuntu: apt-get install python3-venv"
            )
    wanted = sorted(set(requirements))
    stamp = venv / ".attentiondrag-requirements"
    if stamp.exists() and set(wanted) <= set(stamp.read_text(encoding="utf-8").splitlines()):
        return python
    torch = _installed_torch(python)
    if not torch:
        _say(f"installing {' '.join(torch_requirement())} (the largest part; some minutes)")
        _pip(python, *torch_requirement())
        torch = _installed_torch(python)
    _say(f"installing {len(wanted)} requirements")
    # Naming what is there keeps pip from replacing a torch that was chosen for the machine's GPU.
    _pip(python, *(f"{name}=={version}" for name, version in torch.items() if "+" not in version), *wanted)
    stamp.write_text("\n".join(wanted) + "\n", encoding="utf-8")
    return python


def _installed_torch(python: Path) -> dict[str, str]:
    code = (
        "import json, importlib.metadata as m, importlib.util as u\n"
        "print(json.dumps({n: m.version(n) for n in ('torch', 'torchvision') if u.find_spec(n)}))"
    )
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True)
    found = json.loads(done.stdout) if done.returncode == 0 else {}
    return found if len(found) == 2 else {}


def _pip(python: Path, *arguments: str) -> None:
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        lines = [line for line in done.stdout.splitlines() if not line.startswith("WARNING")]
        raise SetupError("pip could not install what is needed:\n" + "\n".join(lines[-15:]))


def _say(message: str) -> None:
    print(f"[setup] {message}", file=sys.stderr, flush=True)
