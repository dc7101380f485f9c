"""Debian's wallpaper packages, unpacked into a cache folder: ``CACHE/<package>/usr/share/...``.

    python -m tools.scenes.wallpapers --out CACHE

Nothing is installed: ``apt-get download`` and ``dpkg -x`` need no rights beyond writing the folder.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

# The versions that photographs.json was made from (Debian 12).
PACKAGES = {
    "lomiri-wallpapers-16.04": "20.04.0-2",
    "lomiri-wallpapers-20.04": "20.04.0-2",
    "plasma-workspace-wallpapers": "4:5.27.5-2",
}


class WallpaperError(RuntimeError):
    """A wallpaper package that can't be had; the message names the package, the cause and the mend."""


def fetch(cache: Path, packages: tuple[str, ...] = tuple(PACKAGES)) -> None:
    """Download and unpack what ``cache`` lacks.

    Raises:
        WallpaperError: apt-get or dpkg is missing, or one of them failed.
    """
    for package in packages:
        if not (cache / package).is_dir():
            _fetch_one(cache, package)


def _fetch_one(cache: Path, package: str) -> None:
    for tool in ("apt-get", "dpkg"):
        if shutil.which(tool) is None:
            raise WallpaperError(
                f"{package}: {tool} is not on this machine. Unpack the Debian package "
                f"{package} {PACKAGES[package]} into {cache / package}, or leave --photos out."
            )
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        _call(["apt-get", "download", package], scratch, package, "Run apt-get update first.")
        archives = sorted(Path(scratch).glob("*.deb"))
        if not archives:
            raise WallpaperError(f"{package}: apt-get download left no archive. Run apt-get update first.")
        unpacked = Path(scratch) / "unpacked"
        unpacked.mkdir()
        _call(["dpkg", "-x", str(archives[0]), str(unpacked)], scratch, package, "Is the archive broken? Try again.")
        # Renamed at the end, so that a folder with the package's name is always whole.
        unpacked.rename(cache / package)


def _call(command: list[str], folder: str, package: str, mend: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise WallpaperError(f"{package}: {' '.join(command[:2])} failed ({last}). {mend}")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.scenes.wallpapers", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="cache folder")
    fetch(parser.parse_args(arguments).out)


if __name__ == "__main__":
    main()
