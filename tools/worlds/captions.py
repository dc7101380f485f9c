"""Words for training pictures: colour, finish, shape, ground and light of what is seen, from the seed of each.

    python -m tools.worlds.captions WORLDS          # writes WORLDS/captions.jsonl beside index.jsonl

The arrangement is drawn again from the picture's seed; nothing is rendered. Words are few and true: a colour is that of
the mean over a thing's surface, and only things drawn by rule are called by their shape, since the package's models go
by names in several languages.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from . import records, renderer
from .families import StageError
from .material import PATTERNS, Array, Material, linear, srgb
from .package import Library, PackageError
from .stage import Stage
from .thing import Body
from .training import draw_picture

COLOURS = {
    "red": "b5342b", "orange": "d9762b", "yellow": "e2c04a", "green": "4f8a48", "teal": "2f8f86", "blue": "3a6ca5",
    "purple": "6b4a8a", "pink": "d58aa0", "brown": "7a4f30", "beige": "d8c4a0", "white": "e8e6e0", "grey": "8c8a88",
    "black": "2b2a2b",
}  # fmt: skip
GROUNDS = {"plain": "a plain floor", "checks": "chequered tiles"}
MARKS = {
    "zigzag": "zigzags", "marble": "marbling", "lettered": "letters", "small letters": "letters", "numbered": "digits",
}  # fmt: skip
CALLED = ("solid", "jointed", "opening")
LIGHTS = {"hard": "hard light", "soft": "soft light", "window": "light through a window", "overcast": "dull light"}


def oklab(colour: Array) -> Array:
    """(..., 3) sRGB in 0..1 as Oklab (Ottosson 2020): equal steps look about equal, and blue does not turn purple."""
    cones = np.array([[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
                      [0.0883024619, 0.2817188376, 0.6299787005]])  # fmt: skip
    planes = np.array([[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
                       [0.0259040371, 0.7827717662, -0.8086757660]])  # fmt: skip
    return np.cbrt(linear(colour) @ cones.T) @ planes.T


def colour_word(colour: Array) -> str:
    """The nearest of ``COLOURS`` to an sRGB colour (3,) in 0..1; lightness counts half."""
    weights = np.array([0.5, 1, 1])
    own = oklab(np.asarray(colour, np.float64)) * weights
    return min(COLOURS, key=lambda name: float(np.linalg.norm(oklab(srgb(COLOURS[name])) * weights - own)))


def mean_colour(material: Material) -> Array:
    """(3,) linear light."""
    if material.texture is None:
        return np.asarray(material.colour, np.float64)
    return linear(material.texture.reshape(-1, 3) / 255).mean(axis=0)


def finish_word(material: Material) -> str:
    """How a surface shines, or that it is of wood."""
    if material.metallic > 0.5:
        return "metal"
    if material.kind == "wood":
        return "wooden"
    return "glossy" if material.roughness < 0.3 else "matt" if material.roughness > 0.7 else "plain"


def area(vertices: Array, faces: Array) -> float:
    """Of all triangles."""
    corners = vertices.astype(np.float64)[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return float(np.linalg.norm(normals, axis=-1).sum() / 2)


def words_of(body: Body) -> dict[str, str]:
    """ "colour", "finish", "pattern" ("" for none) and "shape" of a thing, by what covers most of it."""
    parts = body.parts(body.before)
    areas = np.array([area(part.mesh.vertices, part.mesh.faces) for part in parts])
    colours = np.stack([mean_colour(part.material) for part in parts])
    mean = (colours * areas[:, None]).sum(axis=0) / areas.sum()
    # Back to sRGB, as a person sees it.
    shown = np.where(mean <= 0.0031308, 12.92 * mean, 1.055 * np.maximum(mean, 1e-9) ** (1 / 2.4) - 0.055)
    main = parts[int(areas.argmax())].material
    return {
        "colour": colour_word(np.clip(shown, 0, 1)),
        "finish": finish_word(main),
        "pattern": MARKS.get(main.kind, main.kind) if main.kind in PATTERNS and main.kind != "wood" else "",
        "shape": body.thing.name if body.thing.kind in CALLED else "thing",
    }


def caption(things: list[dict[str, str]], meta: dict) -> str:
    """One sentence, the things in the order of the stage: "a glossy red jug and a wooden box on tiles, hard light"."""
    named = []
    for words in things:
        before = "" if words["finish"] == "plain" else f"{words['finish']} "
        after = f" with {words['pattern']}" if words["pattern"] else ""
        text = f"{before}{words['colour']} {words['shape']}{after}"
        named.append(f"{'an' if text[0] in 'aeiou' else 'a'} {text}")
    what = " and ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named) or "nothing"
    return f"{what} on {GROUNDS.get(meta['ground'], meta['ground'])}, {LIGHTS[meta['light']]}"


def described(stage: Stage, without: tuple[int, ...]) -> dict:
    """Words and caption of a training picture."""
    things = [words_of(body) for number, body in enumerate(stage.bodies) if number not in without]
    return {"things": things, "ground": stage.meta["ground"], "wall": stage.meta.get("wall", ""),
            "light": stage.meta["light"], "caption": caption(things, stage.meta)}  # fmt: skip


def describe_pictures(folder: Path, library: Library | None) -> int:
    """Adds a line to ``captions.jsonl`` for every picture that has none yet; returns how many."""
    path = folder / "captions.jsonl"
    known = {row["file"] for row in records.read(path)}
    added = 0
    for row in records.read(folder / "index.jsonl"):
        if row["file"] in known:
            continue
        stage, without = draw_picture(row["split"], row["seed"], library, row["size"])
        if stage.meta["ground"] != row["ground"] or stage.meta["light"] != row["light"]:
            raise StageError(f"{folder / row['file']}: its seed leads to another picture now.")
        records.add(path, {"file": row["file"], **described(stage, without)})
        known.add(row["file"])
        added += 1
    return added


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tools.worlds.captions",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folders", type=Path, nargs="+", metavar="WORLDS")
    parser.add_argument("--cache", type=Path, default=renderer.cache_folder(), help="as they were rendered with")
    parser.add_argument("--no-package", action="store_true", help="as they were rendered")
    args = parser.parse_args(arguments)
    try:
        library = None if args.no_package else Library(args.cache)
        for folder in args.folders:
            print(f"{describe_pictures(folder, library)} described")
    except (PackageError, StageError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
