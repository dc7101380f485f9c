"""Render worlds: training pictures, scenes with a known truth, or things alone with alpha.

    python -m tools.worlds --split train --pictures 10000 --out DIR
    python -m tools.worlds --split test --per-family 10 --seed 0 --out DIR
    python -m tools.worlds --split test --cutouts 60 --out DIR

All go on where they were broken off; --processes N shares the work out. Needs Mitsuba 3 (pip install mitsuba), and
pyoidn for clean pictures.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from . import llvm, renderer, shares
from .package import Library, PackageError


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
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--cache", type=Path, default=renderer.cache_folder(), help="of the package and what is read from it"
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
            _clear(args)
        made, failed = shares.deal(render, args.processes, args)
    except (renderer.RendererError, PackageError) as error:
        sys.exit(f"error: {error}")
    print(f"{made} made, {failed} broken seeds (see broken.jsonl)")


def _clear(args: argparse.Namespace) -> None:
    """Before there are several processes: packages fetched, and what killed processes had begun taken away."""
    if args.variant in (None, renderer.VARIANTS[0]):
        llvm.library(args.cache)
    if not args.no_package:
        Library(args.cache)
    for begun in args.out.glob(".*_[0-9][0-9][0-9][0-9]"):
        shutil.rmtree(begun)


def render(share: shares.Share, args: argparse.Namespace) -> tuple[int, int]:
    """(made, failed) of one process's share of what the arguments ask for.

    Raises:
        RendererError, PackageError: what is needed is not there.
    """
    renderer.start(args.variant, args.threads, args.cache)
    library = None if args.no_package else Library(args.cache)
    if args.pictures is not None:
        from .training import SAMPLES, render_pictures

        return render_pictures(
            args.out, args.split, args.seed, args.pictures, library, args.size, args.samples or SAMPLES, share
        )
    if args.cutouts is not None:
        from .cutouts import render_cutouts

        return render_cutouts(
            args.out, args.split, args.seed, args.cutouts, library, args.size, args.samples or 16, share
        )
    from .pairs import render_pairs

    return render_pairs(
        args.out, args.split, args.families, args.per_family, args.seed, library, args.size, args.samples or 64, share
    )


if __name__ == "__main__":
    main()
