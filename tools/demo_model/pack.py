"""Gathers pictures into packs: as latents for the U-Net, or as pictures for the autoencoder.

    python -m tools.demo_model.pack --split train --worlds DIR --photographic DIR --drawn scenes.npy --out PACKS
    python -m tools.demo_model.pack --split validation --scenes DIR DIR DIR --out VALIDATION
    python -m tools.demo_model.pack --split train --pictures --worlds DIR --lettering 600 --out PICTURES
    python -m tools.demo_model.pack --split train --shrink 2 --worlds DIR --drawn scenes.npy --out SMALL

Each picture goes in twice, the second time mirrored, unless it shows letters. The order of pictures follows from what
there is, so that a pack that is there is kept and a call that was broken off goes on; new pictures come last.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from . import gather, lettering, packs, running
from .autoencoder import Autoencoder
from .gather import Source
from .packs import PackError, Row
from .weights import FOLDER, autoencoder_state

LATENTS, PICTURES = 4500, 380
"""Pictures a pack: 55 MB of latents of 256 px and of whose they are; of pictures as many as stay under the limit unless
all are noise."""


def twice(sources: list[Source], mirrored: bool = True) -> list[Source]:
    """Every source and its mirror image beside it; lettering as it is."""
    found = []
    for source in sources:
        found.append(source)
        if mirrored and source.row.domain != "lettering":
            found.append(
                Source(
                    replace(source.row, mirrored=True), lambda read=source.read: read().flip(1),
                    source.whose and (lambda read=source.whose: read().flip(1)),
                )
            )  # fmt: skip
    return found


def shrunk(sources: list[Source], factor: int) -> list[Source]:
    """Pictures of a whole number of times fewer pixels a side, by means of squares; lettering is left out.

    A training begins on them: at half the side a step costs a quarter or less, and shows whole pictures all the same.
    """

    def small(picture: Tensor) -> Tensor:
        means = avg_pool2d(picture.permute(2, 0, 1)[None].float(), factor)[0]
        return means.round().to(torch.uint8).permute(1, 2, 0)

    return [
        Source(
            replace(source.row, tags=(*source.row.tags, f"shrunk:{factor}")), lambda read=source.read: small(read()),
            source.whose,
        )  # fmt: skip
        for source in sources
        if source.row.domain != "lettering"
    ]


def _kept(out: Path, name: str, rows: list[Row]) -> bool:
    """Whether a pack with these very rows is there already."""
    path = out / name
    if not path.exists() or name not in packs.manifest(out)["packs"]:
        return False
    known = json.loads(packs.tensors.about(path)["rows"])
    return [Row.from_dict(row) for row in known] == rows


@torch.no_grad()
def encoded(
    model: Autoencoder, sources: list[Source], batch: int, device: torch.device, precision: str = "float32"
) -> torch.Tensor:
    """Latents (N, 4, h, w) float16 on the CPU."""
    parts = []
    for start in range(0, len(sources), batch):
        images = torch.stack([source.read() for source in sources[start : start + batch]])
        with running.autocast(device, precision):
            parts.append(model.encode(images.to(device).permute(0, 3, 1, 2).float() / 255).half().cpu())
    return torch.cat(parts)


def whose(sources: list[Source], size: torch.Size) -> Tensor:
    """(N, 2 h, 2 w) uint8 for latents of ``size`` (h, w): the thing in the middle of each quarter of a cell."""
    found = torch.zeros(len(sources), 2 * size[0], 2 * size[1], dtype=torch.uint8)
    for number, source in enumerate(sources):
        if source.whose is not None:
            picture = source.whose()
            step = picture.shape[0] // found.shape[1]
            found[number] = picture[step // 2 :: step, step // 2 :: step]
    return found


def write(sources: list[Source], out: Path, split: str, model: Autoencoder | None, per_pack: int, batch: int = 16,
          device: torch.device | None = None, precision: str = "float32") -> Iterator[str]:  # fmt: skip
    """Packs of latents, or of pictures where there is no ``model``; yields the name of each that was written.

    Raises:
        PackError: a pack would be too large, or the folder holds another split's.
    """
    out.mkdir(parents=True, exist_ok=True)
    kind = "pictures" if model is None else "latents"
    for number, start in enumerate(range(0, len(sources), per_pack)):
        part, name = sources[start : start + per_pack], f"{kind}_{number:04d}.pack"
        rows = [source.row for source in part]
        if _kept(out, name, rows):
            continue
        if model is None:
            images = [source.read() for source in part]
            squeezed = [packs.squeezed(image) for image in images]
            packs.write_pack(out, name, rows, split, **packs.squeezed_tensors(squeezed, *images[0].shape[:2]))
        else:
            latents = encoded(model, part, batch, device or torch.device("cpu"), precision)
            packs.write_pack(out, name, rows, split, latents=latents, whose=whose(part, latents.shape[2:]))
        yield name


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.demo_model.pack", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--split", choices=("train", "validation", "test"), required=True)
    parser.add_argument("--worlds", type=Path, nargs="*", default=[], help="folders of tools.worlds --pictures")
    parser.add_argument("--photographic", type=Path, nargs="*", default=[], help="of tools.scenes --pictures")
    parser.add_argument("--drawn", type=Path, nargs="*", default=[], help=".npy of tools.demo_model.render")
    parser.add_argument("--scenes", type=Path, nargs="*", default=[], help="folders of scene folders: their sources")
    parser.add_argument("--lettering", type=int, default=0, help="pictures with letters to draw")
    parser.add_argument("--pictures", action="store_true", help="pack pictures and not latents")
    parser.add_argument("--autoencoder", type=Path, default=FOLDER, help="checkpoint or folder of weights")
    parser.add_argument("--plain", action="store_true", help="no mirror images")
    parser.add_argument("--shrink", type=int, default=1, metavar="N", help="pictures of an Nth of the side")
    parser.add_argument("--per-pack", type=int, help="pictures a pack")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=("auto", "bfloat16", "float32"), default="float32",
                        help="to encode in; auto is bfloat16 where the device computes in it, twice as fast and good "
                        "to a hundredth")  # fmt: skip
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(arguments)
    torch.set_num_threads(args.threads)
    sources = [
        source
        for read, places in (
            (gather.worlds, args.worlds), (gather.photographic, args.photographic), (gather.drawn, args.drawn),
            (gather.scenes, args.scenes),
        )
        for place in places
        for source in read(place)
    ]  # fmt: skip
    sources = twice(sources + lettering.sources(args.split, args.lettering), not args.plain)
    if args.shrink < 1:
        parser.error(f"--shrink {args.shrink}: a whole number from 1 on")
    if args.shrink > 1:
        sources = shrunk(sources, args.shrink)
    if not sources:
        parser.error("nothing to pack: name --worlds, --photographic, --drawn, --scenes or --lettering")
    model = None
    if not args.pictures:
        model = Autoencoder().eval().requires_grad_(False)
        model.load_state_dict(autoencoder_state(args.autoencoder))
        model.to(args.device)
    per_pack = args.per_pack or (PICTURES if args.pictures else LATENTS)
    try:
        device = torch.device(args.device)
        for name in write(sources, args.out, args.split, model, per_pack, 16, device, args.precision):
            print(f"{name} written", flush=True)
    except PackError as error:
        sys.exit(f"error: {error}")
    print(f"{len(sources)} pictures, {len(packs.manifest(args.out)['packs'])} packs")


if __name__ == "__main__":
    main()
