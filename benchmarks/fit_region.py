"""Fits the region's choices anew.

    python -m benchmarks.fit_region --scenes DIR DIR DIR --write core/region/fitted.py

One folder is one domain, and every domain weighs the same. Each scene gives its handles and a random click in what
moves. In this order, each with what came before: what clues count for (``belief``), the network that chooses among
cuts, and what a further click counts for, set where the error is largest. Cuts are rated by their true IoU, and what is
fitted gives the highest expected IoU when one is drawn by softmax(score). ``--hold-out`` fits without each domain in
turn first and says how well that chooses there. Needs about 3 s a scene and a core, and 15 MB.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from scipy import ndimage

from core import edit as stations
from core.attention.correlation import correlate
from core.attention.plan import CapturePlan
from core.region import choice, fitted
from core.region.cut import tried
from core.region.evidence import belief, clues
from core.region.superpixels import Superpixels, superpixels, working_size
from core.region.support import View, support
from core.region.walk import Relations, relations
from core.settings import EditSettings
from core.space.grid import Grid
from core.space.points import Click, DragPair, DragPoints, parse_points

from .arguments import add_model_arguments, load_model, set_threads
from .fitting import by_domain, fit_belief, fit_network, fit_sum, written
from .region import next_click


@dataclass(frozen=True, eq=False)
class Picture:
    """What every click on one scene shares."""

    grid: Grid
    maps: dict[tuple[int, int], torch.Tensor]
    pieces: Superpixels
    related: Relations

    def clue(self, at: tuple[float, float]) -> tuple[torch.Tensor, torch.Tensor]:
        """() the piece of a point, and (N, F) its clues."""
        height, width = self.pieces.labels.shape
        seed = self.pieces.labels[min(int(at[1] * height), height - 1), min(int(at[0] * width), width - 1)]
        correlation = correlate(self.maps, self.grid, DragPoints((DragPair(at, at),), self.grid.image_size))[0]
        return seed, clues(self.related, self.pieces, seed[None], correlation, self.grid)[0]

    def view(self, at: tuple[float, float]) -> View:
        """As the present numbers have it."""
        seed, clue = self.clue(at)
        return View(seed, clue, belief(clue))


@dataclass(frozen=True, eq=False)
class Sample:
    """One click: its domain, its place, what belongs to it by pixel (H, W) and by piece (N,), and its clues."""

    domain: int
    picture: Picture
    at: tuple[float, float]
    mask: np.ndarray
    truth: torch.Tensor
    clue: torch.Tensor


def samples_of(folder: Path, domain: int, host, settings: EditSettings) -> list[Sample]:
    """Of the handles of one scene that are no anchors, and of a random click in each one's thing."""
    source = torch.from_numpy(np.asarray(Image.open(folder / "source.png").convert("RGB"), np.float32) / 255)
    name = "object_mask.png" if (folder / "object_mask.png").exists() else "moved.png"
    moved = np.asarray(Image.open(folder / name).convert("L")) > 127
    grid = Grid.padded(*moved.shape)
    inversion = stations.invert(host, host.encode(grid.pad_image(source[None])), settings)
    small = F.interpolate(source.movedim(-1, 0)[None], size=working_size(*moved.shape), mode="area")[0]
    pieces = superpixels(small)
    maps = dict(inversion.maps)
    picture = Picture(grid, maps, pieces, relations({size: one[0] for size, one in maps.items()}, grid, pieces))
    points = parse_points((folder / "points.json").read_text("utf-8"))
    rng = np.random.default_rng(len(folder.name) + sum(map(ord, folder.name)))
    parts, found = ndimage.label(moved)[0], []
    for pair in points.pairs:
        y, x = grid.pixel_at(pair.handle)
        if pair.is_anchor or not moved[y, x]:
            continue
        mask = parts == parts[y, x] if folder.name.startswith("several") else moved
        rows, columns = np.nonzero(ndimage.binary_erosion(mask, iterations=2))
        places = [pair.handle]
        if len(rows):
            one = rng.integers(len(rows))
            places.append(((columns[one] + 0.5) / mask.shape[1], (rows[one] + 0.5) / mask.shape[0]))
        for at in places:
            truth = pieces.average(F.interpolate(torch.from_numpy(mask)[None, None].float(), small.shape[1:])[0, 0])
            found.append(Sample(domain, picture, at, mask, truth, picture.clue(at)[1]))
    return found


def overlaps(cuts: torch.Tensor, sample: Sample) -> torch.Tensor:
    """(C,) IoU of cuts (C, N) with what belongs."""
    area = sample.picture.pieces.area
    own = sample.truth * area
    return cuts @ own / (cuts @ area + own.sum() - cuts @ own).clamp_min(1e-6)


def cuts_of(sample: Sample) -> tuple[View, torch.Tensor]:
    """The point's view and its cuts, as the present numbers have them."""
    view, pieces = sample.picture.view(sample.at), sample.picture.pieces
    needed = (torch.arange(pieces.count) == view.seed).float()
    return view, tried(view.orders, torch.ones_like(needed), needed, pieces)


def clicked(sample: Sample, view: View, cuts: torch.Tensor) -> tuple[str, torch.Tensor, torch.Tensor] | None:
    """Of a click on the largest error of what is chosen: its kind, figures and true IoU of what may follow."""
    pieces, related = sample.picture.pieces, sample.picture.related
    inside = choice.best(cuts, view, related, pieces)
    shown = F.interpolate(pieces.spread(inside)[None, None], size=sample.mask.shape)[0, 0].numpy() > 0.5
    if (shown == sample.mask).all():
        return None
    click: Click = next_click(shown, sample.mask)
    other = sample.picture.view(click.at)
    of = [(torch.arange(pieces.count) == one.seed).float() for one in (view, other)]
    if bool((of[0] * of[1]).any()):
        return None
    every = torch.ones_like(of[0])
    if click.kind == "add":
        needed = torch.maximum(*of)
        told = choice.adding(inside, cuts, needed, every, (view, other), related, pieces)
    else:
        told = choice.leaving(inside, cuts, of[0], every - of[1], (view, other), related, pieces)
    after, figures, may = told
    return click.kind, figures[may], overlaps(after, sample)[may]


def fit(samples: Sequence[Sample], say: Callable[[str], None]) -> None:
    """Sets all numbers of ``core.region.fitted`` anew."""
    weights = by_domain([sample.domain for sample in samples])
    areas = [sample.picture.pieces.area for sample in samples]
    fitted.BELIEF, fitted.OFFSET = fit_belief([s.clue for s in samples], [s.truth for s in samples], areas, weights)
    views = [cuts_of(sample) for sample in samples]
    figures = [support(c, v, s.picture.related, s.picture.pieces) for (v, c), s in zip(views, samples, strict=True)]
    rated = [overlaps(cuts, sample) for (_, cuts), sample in zip(views, samples, strict=True)]
    fitted.MEAN, fitted.SPREAD, fitted.NETWORK = fit_network(figures, rated, weights, choice.MOST)
    say(f"best cut {float(torch.stack([one.max() for one in rated]) @ weights):.3f}")
    asked: dict[str, list] = {"add": [], "leave_out": []}
    for sample, (view, cuts) in zip(samples, views, strict=True):
        told = clicked(sample, view, cuts)
        if told is not None:
            asked[told[0]].append((sample.domain, *told[1:]))
    for kind, rows in asked.items():
        if rows:
            own = fit_sum([row[1] for row in rows], [row[2] for row in rows], by_domain([row[0] for row in rows]))
            setattr(fitted, kind.upper(), own)


def chosen(samples: Sequence[Sample]) -> float:
    """Mean IoU, on the pieces, of what the present numbers choose."""
    found = []
    for sample in samples:
        view, cuts = cuts_of(sample)
        inside = choice.best(cuts, view, sample.picture.related, sample.picture.pieces)
        found.append(float(overlaps(inside[None], sample)))
    return float(np.mean(found))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fit_region",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--scenes", type=Path, nargs="+", required=True, metavar="DIR", help="one folder a domain")
    parser.add_argument("--limit", type=int, help="scenes of each folder")
    parser.add_argument("--hold-out", action="store_true", help="fit without each domain in turn, too")
    parser.add_argument("--write", type=Path, metavar="FITTED.py", help="where to put the numbers")
    add_model_arguments(parser)
    args = parser.parse_args(arguments)
    set_threads(args.threads)
    host = load_model(args).host
    settings = replace(EditSettings(), capture=CapturePlan(storage="off"))
    samples = []
    for domain, root in enumerate(args.scenes):
        for path in sorted(root.glob("[!.]*/source.png"))[: args.limit]:
            samples += samples_of(path.parent, domain, host, settings)
    say = lambda text: sys.stdout.write(text + "\n")  # noqa: E731
    for domain, root in enumerate(args.scenes if args.hold_out else ()):
        fit([sample for sample in samples if sample.domain != domain], say)
        say(f"{root}, held out: {chosen([sample for sample in samples if sample.domain == domain]):.3f}")
    fit(samples, say)
    for domain, root in enumerate(args.scenes):
        say(f"{root}: {chosen([sample for sample in samples if sample.domain == domain]):.3f}")
    if args.write is not None:
        args.write.write_text(written(args.write.read_text("utf-8")), "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
