"""Which files the registry ships: those that git tracks, less what .comfyignore names.

Standard library alone. ``comfy node pack`` reads the same file by the same rules.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from scripts.environment import REPOSITORY


def shipped(root: Path = REPOSITORY) -> list[Path]:
    """The shipped files below ``root``, relative to it.

    Raises:
        RuntimeError: ``root`` is no git checkout.
    """
    left_out = set(_git(root, "-i", "--exclude-from=.comfyignore"))
    return sorted(Path(name) for name in _git(root) if name not in left_out)


def export(target: Path, root: Path = REPOSITORY) -> Path:
    """Copies what ships to ``target``, as a user finds it in custom_nodes."""
    for path in shipped(root):
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / path, target / path)
    return target


def _git(root: Path, *options: str) -> list[str]:
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", *options]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{root} is no git checkout: {done.stderr.strip()}")
    return [name for name in done.stdout.split("\0") if name]
