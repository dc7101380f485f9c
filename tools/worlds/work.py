"""What one process of a render does.

Beside the command and not in it: a new process does not find the functions of a package's ``__main__``.
"""

from __future__ import annotations

import argparse
import shutil

from . import llvm, renderer
from .package import Library
from .shares import Share


def clear(args: argparse.Namespace) -> None:
    """Before there are several processes: packages fetched, and what killed processes had begun taken away."""
    if args.variant in (None, renderer.VARIANTS[0]):
        llvm.library(args.cache)
    if not args.no_package:
        Library(args.cache)
    for begun in args.out.glob(".*_[0-9][0-9][0-9][0-9]"):
        shutil.rmtree(begun)


def render(share: Share, args: argparse.Namespace) -> tuple[int, int]:
    """(made, failed) of one process's share of what the arguments ask for.

    Raises:
        RendererError, PackageError: what is needed is not there.
    """
    renderer.start(args.variant, args.threads, args.cache)
    library = None if args.no_package else Library(args.cache)
    if args.pictures is not None:
        from .training import SAMPLES, render_pictures

        return render_pictures(
            args.out, args.split, args.seed, args.pictures, library, args.size, args.samples or SAMPLES, share,
            args.things,
        )  # fmt: skip
    if args.cutouts is not None:
        from .cutouts import render_cutouts

        return render_cutouts(
            args.out, args.split, args.seed, args.cutouts, library, args.size, args.samples or 16, share
        )
    from .pairs import SUBDIVISIONS, render_pairs

    return render_pairs(
        args.out, args.split, args.families, args.per_family, args.seed, library, args.size, args.samples or 64, share,
        args.subdivisions or SUBDIVISIONS,
    )
