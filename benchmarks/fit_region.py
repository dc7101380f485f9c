"""Fits anew which cut is meant (``core.region.choice``), and if asked what clues count for (``evidence``).

    python -m benchmarks.fit_region --samples CLICKED/* --write core/region/fitted.py

Samples are folders of ``benchmarks.clicked``, one a domain, and every domain weighs the same. Each place is a question,
alone and with a further click where something was wrong, and with a scene's anchors. Cuts are rated by their true IoU,
and what is fitted gives the highest expected IoU when one is drawn by softmax(score). ``--hold-out`` fits without each
domain in turn first and says how well that chooses there. ``--belief`` fits what clues count for, and how far a cut is
a thing, before that: ``belonging`` is told of the one, so gather and fit that anew, then this again; ``fit_parts`` goes
by the other. Needs about 0.1 s a question.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from core.region import choice, fitted
from core.region.belonging import SEED, answered, joined, surroundings, weights_on
from core.region.cut import candidates
from core.region.evidence import belief
from core.region.support import View

from .arguments import set_threads
from .clicked import read
from .fitting import by_domain, fit_belief, fit_network, written


@dataclass(frozen=True, eq=False)
class Question:
    """Of one domain: the cuts' figures (C, 32) and true IoU (C,), and whether a further click was told."""

    domain: int
    figures: torch.Tensor
    rated: torch.Tensor
    further: bool


def questions(path: Path, domain: int) -> Iterator[Question]:
    """Of one sample."""
    sample, pieces, related = read(path)
    told, truth, seeds = sample["told"].float(), sample["truth"].float(), sample["seeds"]
    # Anchors come last (``clicked``).
    stays = list(range(len(truth) + len(sample["of"]), len(seeds)))
    asked: list[tuple[int, list[int], list[int]]] = [(at, [at], []) for at in range(len(truth))]
    for number, at in enumerate(sample["of"], start=len(truth)):
        if seeds[number] != seeds[at]:
            adds = bool(truth[at, seeds[number]] > 0.5)
            asked.append((at, [at, number], []) if adds else (at, [at], [number]))
    around = (*surroundings(pieces, related), pieces.area)
    every = torch.stack([joined(told, adds, leaves, stays) for _, adds, leaves in asked])
    odds = answered(weights_on(told), every, *around)[-1]
    further = [number for number, (_, adds, leaves) in enumerate(asked) if len(adds) + len(leaves) > 1]
    if further:
        # The first places were asked alone.
        again = [joined(told, *asked[number][1:], stays, odds[asked[number][0]]) for number in further]
        odds[further] = answered(weights_on(told), torch.stack(again), *around)[-1]
    for (at, adds, leaves), own in zip(asked, odds, strict=True):
        clue = told[at, :, : SEED - 1]
        view = View(seeds[at], clue, belief(clue))
        needed = told[adds, :, SEED].amax(0)
        allowed = torch.ones_like(needed)
        if leaves:
            allowed = torch.maximum(1 - told[leaves, :, SEED].amax(0), needed)
        cuts = candidates(own, view.orders, allowed, needed, pieces)
        figures = choice.figures_of(cuts, own, view, related, pieces)
        area = truth[at] * pieces.area
        both = cuts @ area
        rated = both / (cuts @ pieces.area + area.sum() - both).clamp_min(1e-6)
        yield Question(domain, figures, rated, len(adds) + len(leaves) > 1)


def fit(asked: Sequence[Question], things: bool = False) -> None:
    """Sets anew the numbers by which cuts are meant, and with ``things`` those by which they are things at all."""
    figures, rated = [one.figures for one in asked], [one.rated for one in asked]
    weights = by_domain([one.domain for one in asked])
    fitted.CHOICE_MEAN, fitted.CHOICE_SPREAD, fitted.CHOICE = fit_network(figures, rated, weights, choice.MOST)
    if things:
        alone = [one for one in asked if not one.further]
        figures, rated = [one.figures[:, : len(fitted.MEAN)] for one in alone], [one.rated for one in alone]
        weights = by_domain([one.domain for one in alone])
        fitted.MEAN, fitted.SPREAD, fitted.NETWORK = fit_network(figures, rated, weights, choice.MOST)


def chosen(asked: Sequence[Question]) -> str:
    """Mean IoU, on the pieces, of what the present numbers choose."""
    told = []
    for further in (False, True):
        own = [one for one in asked if one.further == further]
        found = [float(one.rated[choice.meant(one.figures).argmax()]) for one in own]
        best = [float(one.rated.max()) for one in own]
        if own:
            told.append(f"{sum(found) / len(own):.3f} of {sum(best) / len(own):.3f} ({len(own)})")
    return ", after a further click ".join(told)


def beliefs(folders: Sequence[Path], count: int) -> None:
    """Sets what clues count for anew, by the first places of some samples of each domain."""
    clues, truths, areas, domains = [], [], [], []
    for domain, folder in enumerate(folders):
        for path in sorted(folder.glob("*.pt"))[:count]:
            sample, pieces, _ = read(path)
            clues.append(sample["told"][0, :, : SEED - 1].float())
            truths.append(sample["truth"][0].float())
            areas.append(pieces.area)
            domains.append(domain)
    fitted.BELIEF, fitted.OFFSET = fit_belief(clues, truths, areas, by_domain(domains))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fit_region",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--samples", type=Path, nargs="+", required=True, metavar="DIR", help="one folder a domain")
    parser.add_argument("--validation", type=Path, nargs="*", default=[], metavar="DIR")
    parser.add_argument("--limit", type=int, help="samples of each folder")
    parser.add_argument("--belief", action="store_true", help="fit what clues count for, too")
    parser.add_argument("--hold-out", action="store_true", help="fit without each domain in turn, too")
    parser.add_argument("--write", type=Path, metavar="FITTED.py", help="where to put the numbers")
    parser.add_argument("--threads", type=int)
    args = parser.parse_args(arguments)
    set_threads(args.threads)
    say = lambda text: sys.stdout.write(text + "\n")  # noqa: E731
    if args.belief:
        beliefs(args.samples, args.limit or 100)
    asked, held_out = (
        [
            [one for path in sorted(root.glob("*.pt"))[: args.limit] for one in questions(path, domain)]
            for domain, root in enumerate(folders)
        ]
        for folders in (args.samples, args.validation)
    )
    for domain, root in enumerate(args.samples if args.hold_out else ()):
        fit([one for other, own in enumerate(asked) if other != domain for one in own])
        say(f"{root}, held out: {chosen(asked[domain])}")
    fit([one for own in asked for one in own], things=args.belief)
    for root, own in zip([*args.samples, *args.validation], [*asked, *held_out], strict=True):
        say(f"{root}: {chosen(own)}")
    if args.write is not None:
        args.write.write_text(written(args.write.read_text("utf-8")), "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
