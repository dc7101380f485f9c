"""Debian packages unpacked into a cache folder. Nothing is installed, and no rights are needed beyond writing there."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path


class FetchError(RuntimeError):
    """A package that can't be had; the message says which, why, and what to do."""


def unpack(package: str, folder: Path) -> Path:
    """Downloads ``package`` by apt-get and unpacks it into ``folder``, which is whole afterwards or not there at all.

    Raises:
        FetchError: apt-get or dpkg is missing, or one of them fails.
    """
    by_hand = f"Download {package} from packages.debian.org and unpack it: dpkg -x {package}_*.deb {folder}"
    for tool in ("apt-get", "dpkg"):
        if not shutil.which(tool):
            raise FetchError(f"{package}: this system has no {tool} to fetch Debian's package with. {by_hand}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        _call(["apt-get", "download", package], scratch, package, f"Run apt-get update first. Or: {by_hand}")
        archive = next(Path(scratch).glob("*.deb"))
        _call(["dpkg", "-x", str(archive), "whole"], scratch, package, by_hand)
        (Path(scratch) / "whole").rename(folder)
    return folder


def _call(command: list[str], folder: str, package: str, mend: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise FetchError(f"{package}: {' '.join(command[:2])} failed ({done.stderr.strip()[-300:]}). {mend}")
