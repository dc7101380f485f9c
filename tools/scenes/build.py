"""Build the sprite cache from the unpacked npm packages, and with ``--ship`` the small set in the repository.

    npm pack openmoji emoji-datasource-twitter     # then unpack both archives
    python -m tools.scenes.build --openmoji openmoji/package --twitter twitter/package --out CACHE
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
from PIL import Image

from .sprites import SPLITS, build_cache

SHIPPED_PER_SET = {"openmoji": 26, "twitter": 14}


def ship(cache: Path, out: Path) -> None:
    """Write the sprites whose keys hash lowest, 40 for each of validation and test."""
    for split in ("validation", "test"):
        rows = json.loads((cache / f"{split}.json").read_text("utf-8"))
        arrays = np.load(cache / f"{split}.npy", mmap_mode="r")
        order = sorted(range(len(rows)), key=lambda n: hashlib.sha256(rows[n]["code"].encode()).hexdigest())
        taken: set[str] = set()
        (out / split).mkdir(parents=True, exist_ok=True)
        for name, wanted in SHIPPED_PER_SET.items():
            chosen = [n for n in order if rows[n]["set"] == name and rows[n]["code"] not in taken][:wanted]
            for number in chosen:
                taken.add(rows[number]["code"])
                image = Image.fromarray(np.asarray(arrays[number]))
                image.save(out / split / f"{name}_{rows[number]['code']}.png", optimize=True)


def record(cache: Path, out: Path) -> None:
    """Write the split: for each one the sorted code points of its objects."""
    split = {}
    for name in SPLITS:
        rows = json.loads((cache / f"{name}.json").read_text("utf-8"))
        split[name] = sorted({row["code"] for row in rows})
    lines = [f"{json.dumps(name)}: {json.dumps(' '.join(codes))}" for name, codes in split.items()]
    out.write_text("{" + ",\n".join(lines) + "}\n", "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--openmoji", type=Path, required=True, help="unpacked npm package openmoji")
    parser.add_argument("--twitter", type=Path, required=True, help="unpacked npm package emoji-datasource-twitter")
    parser.add_argument("--out", type=Path, required=True, help="cache folder")
    parser.add_argument("--ship", action="store_true", help="also renew the repository's sprites and split record")
    args = parser.parse_args()
    build_cache(args.openmoji, args.twitter, args.out)
    if args.ship:
        here = Path(__file__).parent
        ship(args.out, here / "art")
        record(args.out, here / "split.json")


if __name__ == "__main__":
    main()
