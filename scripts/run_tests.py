"""The tests in three stages, each a pytest run of its own: the core, a real ComfyUI, a real browser.

    python -m scripts.run_tests [--stage core|comfy|browser]... [pytest arguments]

A stage that fails does not keep the next from running; the exit status is the first failure's. pytest's own
last lines are printed again at the end.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time

from scripts.environment import REPOSITORY

STAGES = {
    "core": ("tests/core", "tests/tools", "tests/benchmarks", "tests/scripts"),
    "comfy": ("tests/comfy",),
    "browser": ("tests/browser",),
}
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
_NO_TESTS = 5  # pytest's status for "collected nothing"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stage", action="append", choices=STAGES, help="run this stage alone (may be repeated)")
    options, rest = parser.parse_known_args()
    stages = options.stage or list(STAGES)
    if "browser" in stages and not ensure_browser():
        return 1
    status, summaries = 0, []
    for stage in stages:
        folders = [folder for folder in STAGES[stage] if REPOSITORY.joinpath(folder).is_dir()]
        print(f"\n===== {stage}: {' '.join(folders)}", flush=True)
        start = time.monotonic()
        code, last = run_pytest([*folders, *rest])
        summaries.append(f"{stage:8} {time.monotonic() - start:6.0f} s  {last}")
        # With a -k that picks nothing in this stage, nothing to run is right.
        status = status or (0 if code == _NO_TESTS and rest else code)
    print("\n" + "\n".join(summaries), flush=True)
    return status


def run_pytest(arguments: list[str]) -> tuple[int, str]:
    """Run pytest, passing its output on; return its status and its last line."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    last = ""
    try:
        for line in process.stdout:
            print(line, end="", flush=True)
            last = line.strip() or last
    except BaseException:
        # Ctrl-C reached pytest as well; its fixtures still have servers to end.
        process.wait(60)
        raise
    return process.wait(), last


def ensure_browser() -> bool:
    """Whether a Chromium is there, after installing Debian's where that is possible."""
    if any(map(shutil.which, BROWSERS)):
        return True
    if shutil.which("apt-get") and os.geteuid() == 0:
        print("installing chromium by apt-get", file=sys.stderr, flush=True)
        quiet = {"stdout": subprocess.DEVNULL, "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}}
        subprocess.run(["apt-get", "-qq", "update"], **quiet)
        subprocess.run(["apt-get", "-qq", "install", "-y", "--no-install-recommends", "chromium"], **quiet)
        if any(map(shutil.which, BROWSERS)):
            return True
    print(
        "error: the browser tests need Chromium, and none of "
        f"{', '.join(BROWSERS)} is on PATH.\nOn Debian and Ubuntu: apt-get install chromium "
        "(or run the other stages alone: scripts/test.sh --stage core --stage comfy)",
        file=sys.stderr,
    )
    return False


if __name__ == "__main__":
    sys.exit(main())
