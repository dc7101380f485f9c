"""Make the environment, find a ComfyUI, then hand over to a module in that environment.

    python scripts/bootstrap.py demo [arguments]
    python scripts/bootstrap.py test [arguments]
    python scripts/bootstrap.py check [arguments]

Standard library alone; runs under any Python from 3.11 on.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

if sys.version_info < (3, 11):  # noqa: UP036 -- the check is what tells an older Python's user what to do
    sys.exit(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}; PYTHON=/path/to/python3 names one")

from scripts.comfyui import comfyui_requirements, find_comfyui, unpack_comfyui  # noqa: E402
from scripts.environment import REPOSITORY, SetupError, ensure_environment, project_requirements  # noqa: E402

# What each command needs beside ComfyUI's and the pack's own requirements, and the module that does the work.
COMMANDS = {
    "demo": (("demo",), "scripts.demo"),
    "test": (("test", "train", "benchmarks"), "scripts.run_tests"),
    "check": (("dev",), "scripts.run_checks"),
    "prove": (("train", "benchmarks"), "benchmarks.prove"),
}
WITHOUT_COMFYUI = ("prove",)


def main(arguments: list[str]) -> None:
    if not arguments or arguments[0] not in COMMANDS:
        sys.exit(f"usage: bootstrap.py {{{','.join(COMMANDS)}}} [arguments]")
    extras, module = COMMANDS[arguments[0]]
    try:
        # The interpreter that runs this has pip as well as the new environment's; no need to build that
        # first.
        requirements = project_requirements(*extras)
        if arguments[0] not in WITHOUT_COMFYUI:
            comfyui = find_comfyui() or unpack_comfyui(Path(sys.executable))
            os.environ["COMFYUI_PATH"] = str(comfyui)
            requirements = [*comfyui_requirements(comfyui), *requirements]
        python = ensure_environment(requirements)
    except SetupError as error:
        sys.exit(f"error: {error}")
    if arguments[0] in WITHOUT_COMFYUI:
        # Its arguments are files of the user's, told from where the user is.
        os.environ["PYTHONPATH"] = str(REPOSITORY)
    else:
        os.chdir(REPOSITORY)
    # Replaces this process, so that a signal meant for the command reaches the one that holds the server.
    os.execv(python, [str(python), "-m", module, *arguments[1:]])


if __name__ == "__main__":
    main(sys.argv[1:])
