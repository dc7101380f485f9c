"""Render worlds: training pictures, scenes with a known truth, or things alone with alpha.

    python -m tools.worlds --split train --pictures 10000 --out DIR
    python -m tools.worlds --split test --per-family 10 --seed 0 --out DIR
    python -m tools.worlds --split test --cutouts 60 --out DIR

All go on where they were broken off; --processes N shares the work out. Needs Mitsuba 3 (pip install mitsuba), and
pyoidn for clean pictures.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from . import renderer, shares, work
from .package import PackageError


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tools.worlds", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--split", choices=("train", "validation", "test"), required=True)
    parser.add_argument("--pictures", type=int, help="single pictures to render")
    parser.add_argument("--per-family", type=int, help="pairs (source, true edit) of every family to render")
    parser.add_argument("--cutouts", type=int, help="things alone, with alpha, to render into OUT/SPLIT")
    parser.add_argument("--families", nargs="+", help="only these")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--size", type=int, default=256, help="pixels a side")
    parser.add_argument("--samples", type=int, help="a pixel, then denoised; 64 for pairs, 8 for pictures, else 16")
    parser.add_argument(
        "--subdivisions", type=int, choices=range(1, 9), metavar="N",
        help="N x N rays a pixel that pairs' masks are drawn by; 4 if not told, 2 do at 1024 px",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--cache", type=Path, default=renderer.cache_folder(), help="of the package and what is read from it"
    )
    parser.add_argument(
        "--things", action="store_true", help="beside each single picture, which thing each of its pixels shows"
    )
    parser.add_argument("--variant", help="of Mitsuba: llvm_ad_rgb, scalar_rgb; by default the faster that works")
    parser.add_argument("--threads", type=int, help="to render with, each process; all by default, or one of several")
    parser.add_argument("--processes", type=int, default=1, help="that share the work; about 1 GB of memory each")
    parser.add_argument("--no-package", action="store_true", help="only things drawn by rule")
    args = parser.parse_args(arguments)
    if sum(count is not None for count in (args.pictures, args.per_family, args.cutouts)) != 1:
        parser.error("say one of --pictures, --per-family and --cutouts")
    if args.processes < 1:
        parser.error(f"--processes is {args.processes}; it must be 1 or more")
    try:
        if args.processes > 1:
            args.threads = args.threads or 1
            work.clear(args)
        made, failed = shares.deal(work.render, args.processes, args)
    except (renderer.RendererError, PackageError) as error:
        sys.exit(f"error: {error}")
    print(f"{made} made, {failed} broken seeds (see broken.jsonl)")


if __name__ == "__main__":
    main()
