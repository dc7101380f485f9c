"""Style, types, and what the ComfyUI registry asks of a pack.

    python -m scripts.run_checks [--only ruff|mypy|registry]...

All of them run, whichever fails; the exit status is the first failure's.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from scripts.environment import REPOSITORY, cache_directory, venv_python
from scripts.shipping import export

# In an environment of their own: they pin what ComfyUI pins otherwise.
REGISTRY_TOOLS = ("comfy-cli==1.23.0", "comfy-test==0.4.15")


def ruff() -> int:
    """Lint."""
    return run([sys.executable, "-m", "ruff", "check", "."])


def mypy() -> int:
    """Types of core/ and nodes/, as ComfyUI has them: rooms of one package, which the repository is."""
    with tempfile.TemporaryDirectory() as work:
        Path(work, "pack").symlink_to(REPOSITORY, target_is_directory=True)
        configured = ("--config-file", str(REPOSITORY / "pyproject.toml"))
        command = [sys.executable, "-m", "mypy", *configured, "--cache-dir", str(cache_directory() / "mypy")]
        found = {**os.environ, "MYPYPATH": work}
        return run([*command, "-p", "pack.core", "-p", "pack.nodes"], cwd=Path(work), env=found)


def registry() -> int:
    """``comfy node validate`` and ``comfy-test lint`` on what ships."""
    tools = registry_tools()
    if tools is None:
        print(f"left out: {' and '.join(REGISTRY_TOOLS)} cannot be installed here", flush=True)
        return 0
    with tempfile.TemporaryDirectory() as work:
        pack = export(Path(work) / "ComfyUI-AttentionDrag")
        quiet = {**os.environ, "HOME": work}  # comfy-cli keeps settings and asks about telemetry
        options = ("--skip-prompt", "--no-enable-telemetry")
        validate = run([str(tools / "comfy"), *options, "node", "validate"], cwd=pack, env=quiet)
        return validate or run([str(tools / "comfy-test"), "lint"], cwd=pack, env=quiet)


def registry_tools() -> Path | None:
    """The folder of their programs, made if need be; None where they can't be installed."""
    venv = cache_directory() / "registry-tools"
    stamp = venv / ".installed"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != "\n".join(REGISTRY_TOOLS):
        made = subprocess.run([sys.executable, "-m", "venv", str(venv)], stdout=subprocess.DEVNULL)
        pip = [str(venv_python(venv)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        if made.returncode or subprocess.run([*pip, *REGISTRY_TOOLS]).returncode:
            return None
        stamp.write_text("\n".join(REGISTRY_TOOLS), encoding="utf-8")
    return venv_python(venv).parent


CHECKS: dict[str, Callable[[], int]] = {"ruff": ruff, "mypy": mypy, "registry": registry}


def run(command: list[str], cwd: Path = REPOSITORY, env: dict[str, str] | None = None) -> int:
    """Runs a program, its output passed on; returns its status."""
    return subprocess.run(command, cwd=cwd, env=env).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=CHECKS, help="this check alone (may be repeated)")
    status = 0
    for name in parser.parse_args().only or CHECKS:
        print(f"===== {name}", flush=True)
        status = status or CHECKS[name]()
    return status


if __name__ == "__main__":
    sys.exit(main())
