"""The tests in three stages, each a pytest run of its own: the core, a real ComfyUI, a real browser.

    python -m scripts.run_tests [--stage core|comfy|browser]... [--together] [pytest arguments]

A stage that fails does not keep the next from running; the exit status is the first failure's. pytest's own
last lines are printed again at the end. With --together the first stage runs beside the others, which mostly wait for a
server or a browser, and its output comes when they are done.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from typing import IO

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
    parser.add_argument("--together", action="store_true", help="the first stage beside the others")
    options, rest = parser.parse_known_args()
    stages = options.stage or list(STAGES)
    if "browser" in stages and not ensure_browser():
        return 1
    results = run_together(stages, rest) if options.together else [run_stage(stage, rest) for stage in stages]
    print("\n" + "\n".join(summary for _, summary in results), flush=True)
    return next((code for code, _ in results if code), 0)


def run_together(stages: list[str], rest: list[str]) -> list[tuple[int, str]]:
    """As ``run_stage`` of each, the first at the same time as the others, one after another."""
    # Two that each take all cores for every small product wait for one another.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // 2)))
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output, ThreadPoolExecutor(1) as beside:
        first = beside.submit(run_stage, stages[0], rest, output)
        others = [run_stage(stage, rest) for stage in stages[1:]]
        result = first.result()
        output.seek(0)
        shutil.copyfileobj(output, sys.stdout)
    return [result, *others]


def run_stage(stage: str, rest: list[str], output: IO[str] | None = None) -> tuple[int, str]:
    """Run a stage's tests; return its status, and a line about it."""
    folders = [folder for folder in STAGES[stage] if REPOSITORY.joinpath(folder).is_dir()]
    print(f"\n===== {stage}: {' '.join(folders)}", file=output, flush=True)
    start = time.monotonic()
    code, last = run_pytest([*folders, *rest], output)
    # With a -k that picks nothing in this stage, nothing to run is right.
    return 0 if code == _NO_TESTS and rest else code, f"{stage:8} {time.monotonic() - start:6.0f} s  {last}"


def run_pytest(arguments: list[str], output: IO[str] | None = None) -> tuple[int, str]:
    """Run pytest, passing its output on (to ``output``, or where this prints); return its status and its last line."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    last = ""
    try:
        for line in process.stdout:
            print(line, end="", file=output, flush=True)
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
