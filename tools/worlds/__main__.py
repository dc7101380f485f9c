"""Render worlds: training pictures, scenes with a known truth, or things alone with alpha.

    python -m tools.worlds --split train --pictures 10000 --out DIR
    python -m tools.worlds --split test --per-family 10 --seed 0 --out DIR
    python -m tools.worlds --split test --cutouts 60 --out DIR

All go on where they were broken off. Needs Mitsuba 3 (pip install mitsuba), and pyoidn for clean pictures.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from . import renderer
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
    parser.add_argument("--samples", type=int, help="a pixel; 128 for pairs, else 16; all are denoised")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--cache", type=Path, default=renderer.cache_folder(), help="of the package and what is read from it"
    )
    parser.add_argument("--variant", help="of Mitsuba: llvm_ad_rgb, scalar_rgb; by default the faster that works")
    parser.add_argument("--threads", type=int, help="to render with; all by default")
    parser.add_argument("--no-package", action="store_true", help="only things drawn by rule")
    args = parser.parse_args(arguments)
    if sum(count is not None for count in (args.pictures, args.per_family, args.cutouts)) != 1:
        parser.error("say one of --pictures, --per-family and --cutouts")
    if args.threads:
        os.environ["OPENIMAGEDENOISE_NUM_THREADS"] = str(args.threads)
    try:
        renderer.start(args.variant, args.threads, args.cache)
        library = None if args.no_package else Library(args.cache)
    except (renderer.RendererError, PackageError) as error:
        sys.exit(f"error: {error}")
    if args.pictures is not None:
        from .training import render_pictures

        made, failed = render_pictures(
            args.out, args.split, args.seed, args.pictures, library, args.size, args.samples or 16
        )
    elif args.cutouts is not None:
        from .cutouts import render_cutouts

        made, failed = render_cutouts(
            args.out, args.split, args.seed, args.cutouts, library, args.size, args.samples or 16
        )
    else:
        from .pairs import render_pairs

        made, failed = render_pairs(
            args.out, args.split, args.families, args.per_family, args.seed, library, args.size, args.samples or 128
        )
    print(f"{made} made, {failed} broken seeds (see broken.jsonl)")


if __name__ == "__main__":
    main()
