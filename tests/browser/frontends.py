"""ComfyUI's front ends that the pack is tried on: the one ComfyUI asks for, and a newer one, named here.

    python -m tests.browser.frontends

takes the newest on the package index instead and writes its version into this file; run the browser tests then, and
commit it.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from scripts.environment import cache_directory

PACKAGE = "comfyui-frontend-package"
NEWEST = "1.58.1"
"""The same for everybody until somebody raises it: what fails then fails because of this repository."""

_INSIDE_WHEEL = "comfyui_frontend_package/static/"


def newest_frontend() -> Path:
    """Folder for ``--front-end-root`` with front end ``NEWEST``. Downloaded once a cache folder.

    Raises:
        subprocess.CalledProcessError: the package index cannot be reached, or has this version no more.
    """
    target = _folder(NEWEST)
    if not (target / "index.html").is_file():
        _download(f"{PACKAGE}=={NEWEST}")
    return target


def _folder(version: str) -> Path:
    return cache_directory() / f"frontend-{version}"


def _download(requirement: str) -> str:
    """Unpacks a front end into its folder, in one step at the end; returns its version."""
    cache_directory().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_directory()) as work:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", work, requirement]
        subprocess.run(command, check=True)
        (wheel,) = Path(work).glob("*.whl")
        version = wheel.name.split("-")[1]
        if not (_folder(version) / "index.html").is_file():
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(work, [name for name in archive.namelist() if name.startswith(_INSIDE_WHEEL)])
            Path(work, _INSIDE_WHEEL).rename(_folder(version))
    return version


def main() -> None:
    version = _download(PACKAGE)
    file = Path(__file__)
    file.write_text(re.sub(r'^NEWEST = ".*"$', f'NEWEST = "{version}"', file.read_text("utf-8"), flags=re.M), "utf-8")
    print(f"{PACKAGE}: {NEWEST} -> {version}")


if __name__ == "__main__":
    main()
