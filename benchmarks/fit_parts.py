"""Fits anew what tells a part from a thing (``core.region.parts``).

    python -m benchmarks.fit_parts --rooms WORLDS --composites PHOTOS --drawn drawn.npy --write core/region/fitted.py

The pictures are such as the demo model was trained on (``tools/demo_model/TRAINING.md``), of which it is known whose
each pixel is. In every thing four places are clicked, and what is found there and what is the next smaller (a size of
-1) are looked at: an IoU of ``WHOLE`` with the thing is a thing, what lies in it and is less than ``LESS`` of it is a
part, and nothing is said of the rest. Every domain weighs the same, and so do parts and things. ``--hold-out`` fits
without each domain in turn, too, and says how well that tells on it. Needs about 3 s a picture and a core.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from scipy import ndimage

from core import edit as stations
from core.attention.correlation import correlate
from core.attention.plan import CapturePlan
from core.region import fitted
from core.region.belonging import belonging
from core.region.choice import best, figures_of
from core.region.cut import candidates
from core.region.parts import part_figures
from core.region.sight import sights_of
from core.settings import EditSettings
from core.space.grid import Grid
from core.space.points import DragPair, DragPoints

from .arguments import add_model_arguments, load_model, set_threads
from .fitting import fit_odds, written

CLICKS = 4
"""In every thing."""
SMALLEST = 300
"""px of a thing that is clicked on."""
WHOLE, INSIDE, LESS = 0.75, 0.85, 0.6
"""IoU of what is a thing; of what is a part, the share that lies in the thing, and the most that it is of it."""

Known = tuple[np.ndarray, np.ndarray]
"""A picture (H, W, 3) uint8, and the number of the thing that each of its pixels shows (H, W), 0 for none."""


def add_pictures(parser: argparse.ArgumentParser, count: int) -> None:
    """What ``pictures`` reads."""
    parser.add_argument("--rooms", type=Path, metavar="DIR", help="of tools.worlds --pictures --things")
    parser.add_argument("--composites", type=Path, metavar="DIR", help="of tools.scenes --pictures")
    parser.add_argument("--drawn", type=Path, metavar="FILE.npy", help="of tools.demo_model.render")
    parser.add_argument("--count", type=int, default=count, help="pictures of each domain")


def pictures(args: argparse.Namespace) -> dict[str, Iterator[Known]]:
    """Up to ``--count`` of every domain that is given."""
    found: dict[str, Iterator[Known]] = {}
    if args.rooms:
        things = sorted(args.rooms.glob("*/*.things.png"))[: args.count]
        found["rooms"] = ((_read(path.with_name(path.name.replace(".things", ""))), _read(path)) for path in things)
    if args.composites:
        whose = sorted((args.composites / "whose").glob("*.png"))[: args.count]
        found["composites"] = ((_read(args.composites / "picture" / path.name), _read(path)) for path in whose)
    if args.drawn:
        drawn, whose = (np.load(path, mmap_mode="r") for path in (args.drawn, args.drawn.with_suffix(".whose.npy")))
        found["drawn"] = ((np.array(drawn[at]), np.array(whose[at])) for at in range(min(args.count, len(drawn))))
    return found


def samples_of(picture: np.ndarray, whose: np.ndarray, host, settings: EditSettings, seed: int) -> list:
    """(figures (15,), whether it is a part) of what is found in one picture."""
    rng = np.random.default_rng(seed)
    height, width = whose.shape
    places, things = [], []
    for number in np.unique(whose[whose > 0]):
        thing = whose == number
        rows, columns = np.nonzero(ndimage.binary_erosion(thing, iterations=2))
        if thing.sum() < SMALLEST or not len(rows):
            continue
        for at in rng.integers(len(rows), size=CLICKS):
            places.append(((columns[at] + 0.5) / width, (rows[at] + 0.5) / height))
            things.append(thing)
    if not places:
        return []
    grid, image = Grid.padded(height, width), torch.from_numpy(picture.astype(np.float32) / 255)[None]
    inversion = stations.invert(host, host.encode(grid.pad_image(image)), settings)
    points = DragPoints(tuple(DragPair(at, at) for at in places), (height, width))
    sight = sights_of(inversion.maps, correlate(inversion.maps, grid, points), grid, points, image)[0]
    pieces, found = sight.pieces, []
    odds = belonging(sight, [((at,), (), ()) for at in range(len(places))])
    for index, (view, thing) in enumerate(zip(sight.views, things, strict=True)):
        small = F.interpolate(torch.from_numpy(thing)[None, None].float(), size=pieces.labels.shape)[0, 0]
        truth = pieces.average(small) * pieces.area
        needed = sight.points[index]
        cuts = candidates(odds[index], view.orders, torch.ones_like(needed), needed, pieces)
        figures = figures_of(cuts, odds[index], view, sight.related, pieces)
        for size in (0, -1):
            own = best(cuts, figures, pieces, size)
            both, area = float(own @ truth), float(own @ pieces.area)
            whole = both / max(area + float(truth.sum()) - both, 1e-6) >= WHOLE
            part = both >= INSIDE * area and both < LESS * float(truth.sum())
            if whole or part:
                found.append((part_figures(sight, own, index), part))
    return found


def told(samples: Sequence[tuple[torch.Tensor, bool]]) -> tuple[float, float]:
    """The shares of parts and of things that the present numbers tell."""
    odds = torch.stack([figures for figures, _ in samples]) @ torch.tensor(fitted.PART) + fitted.PART_OFFSET
    part = torch.tensor([part for _, part in samples])
    return float((odds[part] > 0).float().mean()), float((odds[~part] <= 0).float().mean())


def fit(domains: Sequence[Sequence[tuple[torch.Tensor, bool]]]) -> None:
    """Sets the numbers of ``core.region.fitted`` anew."""
    figures = torch.stack([figures for samples in domains for figures, _ in samples])
    part = torch.tensor([part for samples in domains for _, part in samples])
    weights = []
    for samples in domains:
        count = sum(part for _, part in samples)
        weights += [0.5 / max(count if own else len(samples) - count, 1) for _, own in samples]
    fitted.PART, fitted.PART_OFFSET = fit_odds(figures, part, torch.tensor(weights) / len(domains))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fit_parts", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_pictures(parser, count=120)
    parser.add_argument("--hold-out", action="store_true", help="fit without each domain in turn, too")
    parser.add_argument("--write", type=Path, metavar="FITTED.py", help="where to put the numbers")
    add_model_arguments(parser)
    args = parser.parse_args(arguments)
    set_threads(args.threads)
    host = load_model(args).host
    settings = replace(EditSettings(), capture=CapturePlan(storage="off"))
    say = lambda text: sys.stdout.write(text + "\n")  # noqa: E731
    domains = {}
    for name, known in pictures(args).items():
        domains[name] = [one for at, each in enumerate(known) for one in samples_of(*each, host, settings, at)]
        say(f"{name}: {sum(part for _, part in domains[name])} parts of {len(domains[name])}")
    for name, own in domains.items() if args.hold_out else ():
        fit([samples for other, samples in domains.items() if other != name])
        say(f"{name}, held out: parts {told(own)[0]:.3f}, things {told(own)[1]:.3f}")
    fit(list(domains.values()))
    for name, own in domains.items():
        say(f"{name}: parts {told(own)[0]:.3f}, things {told(own)[1]:.3f}")
    if args.write is not None:
        args.write.write_text(written(args.write.read_text("utf-8")), "utf-8")
    return 0


def _read(path: Path) -> np.ndarray:
    with Image.open(path) as opened:
        return np.asarray(opened if "things" in path.name or path.parent.name == "whose" else opened.convert("RGB"))


if __name__ == "__main__":
    raise SystemExit(main())
