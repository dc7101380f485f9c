"""The LLVM that Mitsuba's ``llvm_ad_rgb`` compiles with.

Dr.Jit takes whatever libLLVM the system has. With 15, which comes along with Mesa on Debian 12, the process dies at the
first render ("LLVM ERROR: Cannot select: fminimum"), and no exception can catch that: so the version is chosen before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from . import debian

VERSIONS = (19, 18, 17)
PLACES = "usr/lib/*/libLLVM*.so*", "usr/lib/llvm-*/lib/libLLVM*.so*"


def version(path: Path) -> int | None:
    """The major version in a library's file name: 19 of libLLVM-19.so, libLLVM.so.19.1 and libLLVM-19.0.0.so.1."""
    found = re.fullmatch(r"libLLVM(?:-(\d+)[\d.]*\.so[\d.]*|\.so\.(\d+)[\d.]*)", path.name)
    return int(found[1] or found[2]) if found else None


def find(roots: Iterable[Path]) -> Path | None:
    """The best library under ``roots``, folders that hold a ``usr/lib``; the earlier root on a tie."""
    paths = [path for root in roots for pattern in PLACES for path in sorted(root.glob(pattern)) if path.exists()]
    return next((path for wanted in VERSIONS for path in paths if version(path) == wanted), None)


def library(cache: Path | None) -> Path | None:
    """A library that works, of the system or of the ``cache`` folder; fetched into it if there is none.

    None if there is none and none can be had, or if there is no ``cache`` to fetch it into.
    """
    unpacked = [] if cache is None else [Path(cache) / "llvm"]
    found = find([Path("/"), *unpacked])
    if found is None and cache is not None and not unpacked[0].exists():
        for wanted in VERSIONS:
            try:
                return find([debian.unpack(f"libllvm{wanted}", unpacked[0])])
            except debian.FetchError:
                continue
    return found
