"""Pictures of which it is known whose each pixel is, as clicks see them: what the region's numbers are fitted to.

    python -m benchmarks.clicked --rooms WORLDS --composites PHOTOS --drawn drawn.npy --scenes CLICKS --out DIR

Rooms, composites and drawings are such as the demo model was trained on (``tools/demo_model/TRAINING.md``); scenes are
those of ``tools.worlds.clicks`` or of ``benchmarks/scene.py``, whose truth is what moved. In every thing two places are
clicked (in scenes every handle and one place, and the anchors), and then where what belongs by the present numbers errs
most. One file a picture and domain, and a second one in which the model's attention is mixed with one that knows the
things, to a chance degree, vaguely or sharply, nearby or everywhere, or takes two things for one, or knows nothing but
what is near: other models see better and worse. Needs about 2.5 s a picture and a core, and 2.5 MB for each; goes on
where it was broken off.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
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
from core.region.belonging import belonging, said
from core.region.sight import Sight, seeds_at, sight_of, smaller
from core.region.superpixels import Superpixels, superpixels
from core.region.walk import Relations, related_by, relations
from core.settings import EditSettings
from core.space.grid import Grid
from core.space.points import DragPair, DragPoints, parse_points

from .arguments import add_model_arguments, load_model, set_threads
from .fit_parts import SMALLEST, add_pictures, pictures
from .region import next_click

CLICKS, MOST = 2, 8
"""In every thing, and in a picture."""

TAKEN_FOR_ONE = 0.15
"""Chance that a thing is another, or the ground, to attention that is made up."""
BLIND = 0.25
"""Chance that attention that is made up knows no things at all."""

Place = tuple[float, float]


@dataclass(frozen=True)
class Marked:
    """Places in a picture, what belongs to each, (H, W) bool, and the anchors that were set for all of them."""

    places: list[tuple[Place, np.ndarray]]
    anchors: list[Place]


def marked(whose: np.ndarray, rng: np.random.Generator) -> Marked:
    """Places in the things of a picture (H, W)."""
    found: list[tuple[Place, np.ndarray]] = []
    for number in rng.permutation(np.unique(whose[whose > 0])):
        thing = whose == number
        if thing.sum() >= SMALLEST and len(found) < MOST:
            found += [(place, thing) for place in _within(thing, rng, CLICKS)]
    return Marked(found, [])


def marked_scene(folder: Path, rng: np.random.Generator) -> Marked:
    """The handles of a scene, and as many places in what they move; and its anchors."""
    name = "object_mask.png" if (folder / "object_mask.png").exists() else "moved.png"
    moved = np.asarray(Image.open(folder / name).convert("L")) > 127
    grid, parts, found = Grid.padded(*moved.shape), ndimage.label(moved)[0], []
    pairs = parse_points((folder / "points.json").read_text("utf-8")).pairs
    for pair in pairs:
        y, x = grid.pixel_at(pair.handle)
        if not pair.is_anchor and moved[y, x]:
            own = parts == parts[y, x] if folder.name.startswith("several") else moved
            found += [(place, own) for place in (pair.handle, *_within(own, rng, 1))]
    return Marked(found, [pair.handle for pair in pairs if pair.is_anchor])


def _within(thing: np.ndarray, rng: np.random.Generator, count: int) -> list[Place]:
    rows, columns = np.nonzero(ndimage.binary_erosion(thing, iterations=2))
    height, width = thing.shape
    chosen = rng.integers(len(rows), size=count if len(rows) else 0)
    return [((columns[at] + 0.5) / width, (rows[at] + 0.5) / height) for at in chosen]


def gathered(picture: np.ndarray, marks: Marked, host, settings: EditSettings) -> tuple[dict, Sight]:
    """A picture (H, W, 3) uint8 as ``fit_belonging`` reads it, and for ``imagined`` its sight."""
    height, width = picture.shape[:2]
    grid, image = Grid.padded(height, width), torch.from_numpy(picture.astype(np.float32) / 255)[None]
    maps = stations.invert(host, host.encode(grid.pad_image(image)), settings).maps
    pieces = superpixels(smaller(image)[0])
    related = relations({size: attention[0] for size, attention in maps.items()}, grid, pieces)
    places, things = [place for place, _ in marks.places], [thing for _, thing in marks.places]

    def seen(places: list[Place]) -> Sight:
        points = DragPoints(tuple(DragPair(at, at) for at in places), (height, width))
        return sight_of(pieces, related, seeds_at(pieces, places), correlate(maps, grid, points)[0], grid)

    stays = range(len(places), len(places) + len(marks.anchors))
    odds = belonging(seen(places + marks.anchors), [((at,), (), stays) for at in range(len(places))])
    wrong: list[tuple[int, Place]] = []
    for at, (own, thing) in enumerate(zip(odds > 0, things, strict=True)):
        shown = F.interpolate(pieces.spread(own.float())[None, None], size=thing.shape)[0, 0].numpy() > 0.5
        if (shown != thing).any():
            wrong.append((at, next_click(shown, thing).at))
    sight = seen(places + [place for _, place in wrong] + marks.anchors)
    truth = torch.stack([_on_pieces(thing, pieces) for thing in things])
    return _sample(sight, truth, [at for at, _ in wrong], torch.from_numpy(picture.copy())), sight


def imagined(own: dict, sight: Sight, grid: Grid, rng: np.random.Generator) -> dict:
    """The same picture through attention that knows its things in part.

    Args:
        own, sight: of ``gathered``.
        grid: of the picture.
        rng: for how well it knows them.
    """
    pieces, count = sight.pieces, sight.pieces.count
    kind, known = torch.zeros(count, dtype=torch.long), 0
    for thing in own["truth"].float().unique(dim=0):
        known += 1
        kind[thing > 0.5] = known
    names = torch.arange(known + 1)
    for at in range(1, known + 1):
        if rng.random() < TAKEN_FOR_ONE:
            names[at] = names[int(rng.integers(known + 1))]
    blind = rng.random() < BLIND
    kind = torch.zeros_like(kind) if blind else names[kind]
    across, share = math.exp(rng.uniform(math.log(0.02), math.log(0.5))), rng.uniform(0.8 if blind else 0.25, 1)
    ideal = torch.where(kind[:, None] == kind, 1.0, across)
    lattice = (pieces.shared > 0).float() + torch.eye(count)
    lattice = lattice / lattice.sum(-1, keepdim=True)
    for _ in range(int(rng.integers(3))):
        ideal = lattice @ ideal @ lattice.T
    if blind or rng.random() < 0.7:
        ideal = ideal * (-torch.cdist(pieces.places, pieces.places) / rng.uniform(0.1, 1.5)).exp()
    mixed = sight.related.related.clamp_min(1e-4) ** (1 - share) * _even(ideal, pieces).clamp_min(1e-4) ** share
    related = related_by(_even(mixed, pieces), pieces)
    # What a point correlates with, cell by cell, as its piece does.
    row = related.related.index_select(0, sight.seeds)
    row = row / row.gather(1, sight.seeds[:, None])
    cells = F.adaptive_avg_pool2d(pieces.spread(row.clamp(0, 1))[:, None], grid.latent_size)[:, 0]
    other = sight_of(pieces, related, sight.seeds, cells, grid)
    return _sample(other, own["truth"], own["of"], own["picture"])


def _even(values: torch.Tensor, pieces: Superpixels) -> torch.Tensor:
    """Relations (N, N), about 1 in the mean."""
    return values * pieces.area.sum() * pieces.count / (values * pieces.area).sum()


def _on_pieces(thing: np.ndarray, pieces: Superpixels) -> torch.Tensor:
    small = F.interpolate(torch.from_numpy(thing)[None, None].float(), size=pieces.labels.shape)
    return pieces.average(small[0, 0])


def _sample(sight: Sight, truth: torch.Tensor, of: list[int], picture: torch.Tensor) -> dict:
    """What is kept of a picture (H, W, 3) uint8.

    told: (K + E + A, N, 18) of all places (``belonging.said``); seeds: (K + E + A,); related: (N, N); truth: (K, N) of
    the first places; of: for each of the E further ones, at whose error it lies. The last A are anchors.
    """
    return {
        "picture": picture, "told": said(sight).half(), "seeds": sight.seeds, "related": sight.related.related.half(),
        "truth": truth.half(), "of": of,
    }  # fmt: skip


def read(path: Path) -> tuple[dict, Superpixels, Relations]:
    """A sample, its pieces, and how they belong together."""
    sample = torch.load(path)
    pieces = superpixels(smaller(sample["picture"][None].float() / 255)[0])
    return sample, pieces, related_by(sample["related"].float(), pieces)


def marked_pictures(args: argparse.Namespace) -> Iterator[tuple[str, str, np.ndarray, Marked]]:
    """Domain, name, picture and marks."""
    for domain, known in pictures(args).items():
        for at, (picture, whose) in enumerate(known):
            yield domain, f"{at:06d}", picture, marked(whose, np.random.default_rng(at))
    for root in args.scenes:
        for at, path in enumerate(sorted(root.glob("[!.]*/source.png"))):
            marks = marked_scene(path.parent, np.random.default_rng(at))
            yield root.name, path.parent.name, np.asarray(Image.open(path).convert("RGB")), marks


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.clicked", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_pictures(parser, count=300)
    parser.add_argument("--scenes", type=Path, nargs="*", default=[], metavar="DIR", help="one folder a domain")
    parser.add_argument("--out", type=Path, required=True, help="folder that gets one folder a domain")
    add_model_arguments(parser)
    args = parser.parse_args(arguments)
    set_threads(args.threads)
    host = load_model(args).host
    settings = replace(EditSettings(), capture=CapturePlan(storage="off"))
    for domain, name, picture, marks in marked_pictures(args):
        paths = [args.out / domain / f"{name}.pt", args.out / f"{domain}.imagined" / f"{name}.pt"]
        if not marks.places or all(path.exists() for path in paths):
            continue
        own, sight = gathered(picture, marks, host, settings)
        rng = np.random.default_rng(sum(map(ord, name)))
        other = imagined(own, sight, Grid.padded(*picture.shape[:2]), rng)
        for path, sample in zip(paths, (own, other), strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.save(sample, path)
        sys.stdout.write(f"{domain} {name}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
