"""ComfyUI's front ends that the pack is tried on: the one ComfyUI asks for, and the newest on the package index."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from scripts.environment import cache_directory

PACKAGE = "comfyui-frontend-package"
_INSIDE_WHEEL = "comfyui_frontend_package/static/"


def newest_frontend() -> Path:
    """Folder for ``--front-end-root``. Downloaded once a cache folder; delete ``frontend-newest`` there to renew it.

    Raises:
        subprocess.CalledProcessError: the package index cannot be reached.
    """
    target = cache_directory() / "frontend-newest"
    if (target / "index.html").is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as work:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", work, PACKAGE]
        subprocess.run(command, check=True)
        (wheel,) = Path(work).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(work, [name for name in archive.namelist() if name.startswith(_INSIDE_WHEEL)])
        Path(work, _INSIDE_WHEEL).rename(target)
    return target
