"""Models of Debian's package ``sweethome3d-furniture``: everyday things under CC0 and CC-BY 3.0.

A ``.sh3f`` file is a zip of OBJ, MTL and textures with a catalogue (Java properties). Decoded models are cached as
one ``.npz`` each. ``BlendSwap-CC-BY.sh3f`` is not read: it is held back to test what generalises.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from dataclasses import asdict, dataclass
from functools import cache, lru_cache
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from . import debian, split
from .material import Material, linear
from .mesh import Mesh, Part
from .obj import Look, read_mtl, read_obj

PACKAGE = "sweethome3d-furniture"
LICENCES = {
    "BlendSwap-CC-0": "CC0 1.0", "KatorLegaz": "CC-BY 3.0 US", "Reallusion": "CC-BY 3.0 US", "Scopia": "CC-BY 3.0",
}  # fmt: skip
MOST_FACES = 150_000
LONGEST_TEXTURE = 512
EXCLUDED = Path(__file__).with_name("excluded.json")
# Things that hang, lie flat or belong into a wall look wrong on a floor.
NOT_ON_A_FLOOR = re.compile(
    r"ceiling|pendant|chandelier|wall|window|shutter|blind|curtain|shower|faucet|rug|carpet|mat\b|socket|switch|"
    r"door|frame|painting|picture|mirror|hanging|hood|gutter|sconce|spot|hook|stair|fence|roof|bathtub rail|towel|"
    r"extractor|air condition|radiator|lattice|balustrade|railing|banister|string",
    re.IGNORECASE,
)


class PackageError(RuntimeError):
    """The package can't be had or a model can't be used; the message says which, why, and what to do."""


@dataclass(frozen=True)
class Entry:
    """A model of the catalogue. Sizes in metres: (width, depth, height)."""

    library: str
    key: str
    name: str
    author: str
    licence: str
    model: str
    size: tuple[float, float, float]
    category: str = ""
    turn: tuple[float, ...] = ()

    @property
    def part(self) -> str:
        """Its split."""
        return split.split_of(self.key)


def fetch(folder: Path) -> Path:
    """The folder with the package's ``.sh3f`` files under the cache ``folder``; downloads the package if need be.

    Raises:
        PackageError: it isn't there and there is no apt-get, or the download fails.
    """
    unpacked = Path(folder) / "pkg"
    found = unpacked / "usr/share/sweethome3d/furniture"
    if found.is_dir():
        return found
    try:
        debian.unpack(PACKAGE, unpacked)
    except debian.FetchError as error:
        raise PackageError(str(error)) from error
    return found


def parse_catalogue(library: str, text: str) -> list[Entry]:
    """The entries of a ``PluginFurnitureCatalog.properties``, in its order."""
    rows: dict[int, dict[str, str]] = {}
    for line in text.splitlines():
        found = re.match(r"\s*(\w+)#(\d+)\s*=(.*)", line)
        if found:
            rows.setdefault(int(found[2]), {})[found[1]] = found[3].strip()
    entries = []
    for row in rows.values():
        if "model" not in row:
            continue
        size = tuple(float(row.get(key, 0)) / 100 for key in ("width", "depth", "height"))
        turn = tuple(float(word) for word in row.get("modelRotation", "").split())
        entries.append(
            Entry(
                library, PurePosixPath(row["model"]).stem, row.get("name", ""), row.get("creator", library),
                LICENCES[library], row["model"].lstrip("/"), size, row.get("category", ""),
                turn if len(turn) == 9 else (),
            )
        )  # fmt: skip
    return entries


@cache
def excluded() -> dict[str, str]:
    """Models left out by hand: {"library/key": reason}."""
    return json.loads(EXCLUDED.read_text("utf-8"))


def stands(entry: Entry) -> bool:
    """Whether a catalogue entry is something that stands on a floor or a table and shows a body."""
    width, depth, height = entry.size
    flat = height < 0.12 * max(width, depth)
    thin = min(width, depth) < 0.06 * max(width, depth, height)
    return not (flat or thin or NOT_ON_A_FLOOR.search(f"{entry.name} {entry.key} {entry.category}"))


class Library:
    """The models of the package, decoded into a cache."""

    def __init__(self, folder: Path) -> None:
        """``folder``: the cache; gets the package, too, if it isn't there.

        Raises:
            PackageError: see :func:`fetch`.
        """
        self.folder = Path(folder)
        self.source = fetch(self.folder)
        self.decoded = self.folder / "decoded"
        self.decoded.mkdir(exist_ok=True)
        self.entries: list[Entry] = []
        for library in LICENCES:
            with zipfile.ZipFile(self.source / f"{library}.sh3f") as archive:
                text = archive.read("PluginFurnitureCatalog.properties").decode("latin-1")
            self.entries += [
                entry for entry in parse_catalogue(library, text)
                if stands(entry) and f"{library}/{entry.key}" not in excluded()
            ]  # fmt: skip

    def of(self, part: str) -> list[Entry]:
        """The entries of a split."""
        return [entry for entry in self.entries if entry.part == part]

    @lru_cache(maxsize=96)  # noqa: B019 -- one library lives as long as the process
    def parts(self, entry: Entry) -> tuple[Part, ...]:
        """The model: base centred at the origin, z up, front towards -y, largest side 1.

        Raises:
            PackageError: broken, too large, or see-through.
        """
        path = self.decoded / f"{entry.library}-{entry.key}.npz"
        if not path.exists():
            self._decode(entry, path)
        with np.load(path, allow_pickle=False) as arrays:
            head = json.loads(str(arrays["head"]))
            if "error" in head:
                raise PackageError(f"{entry.library}/{entry.key}: {head['error']}")
            return tuple(
                Part(
                    Mesh(*(arrays[f"{at}_{name}"] for name in ("vertices", "faces", "normals", "uv"))),
                    _material(Look(**look), arrays[f"{at}_texture"] if f"{at}_texture" in arrays else None),
                    look_name,
                )
                for at, (look_name, look) in enumerate(head["looks"])
            )

    def _decode(self, entry: Entry, path: Path) -> None:
        try:
            arrays, looks = self._read(entry)
            head = {"looks": looks}
        except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
            arrays, head = {}, {"error": str(error)}
        buffer = io.BytesIO()
        np.savez(buffer, head=np.array(json.dumps(head)), **arrays)
        part = path.with_suffix(".part")
        part.write_bytes(buffer.getvalue())
        part.replace(path)

    def _read(self, entry: Entry) -> tuple[dict[str, np.ndarray], list]:
        with zipfile.ZipFile(self.source / f"{entry.library}.sh3f") as archive:
            names = {name.lower(): name for name in archive.namelist()}
            folder = PurePosixPath(entry.model).parent

            def read(name: str) -> bytes:
                return archive.read(names[str(folder / name).lower()])

            text = archive.read(entry.model).decode("latin-1")
            if text.count("\nf ") > MOST_FACES:
                raise ValueError(f"more than {MOST_FACES} faces")
            found = re.search(r"^mtllib (.+)$", text, re.MULTILINE)
            looks = {}
            if found and str(folder / found[1].strip()).lower() in names:
                looks = read_mtl(read(found[1].strip()).decode("latin-1"))
            groups = [(name, looks.get(name, Look()), mesh) for name, mesh in read_obj(text)]
            groups = [(name, look, mesh) for name, look, mesh in groups if look.opacity > 0.02]
            faces = sum(len(mesh.faces) for _, _, mesh in groups)
            if not 0 < faces <= MOST_FACES:
                raise ValueError(f"{faces} triangles; between 1 and {MOST_FACES} are used")
            if any(look.cut_out for _, look, _ in groups):
                raise ValueError("cut out by a texture's alpha")
            _reject_glass(groups)
            arrays, heads = {}, []
            matrix = _upright(entry, [mesh for _, _, mesh in groups])
            for at, (name, look, mesh) in enumerate(groups):
                mesh = mesh.transformed(matrix)
                for key in ("vertices", "faces", "normals", "uv"):
                    arrays[f"{at}_{key}"] = getattr(mesh, key)
                if look.texture and str(folder / look.texture).lower() in names:
                    with Image.open(io.BytesIO(read(look.texture))) as image:
                        if "A" in image.getbands() and np.mean(np.asarray(image.getchannel("A")) < 128) > 0.02:
                            raise ValueError("cut out by a texture's alpha")
                        image = image.convert("RGB")
                        image.thumbnail((LONGEST_TEXTURE, LONGEST_TEXTURE), Image.Resampling.LANCZOS)
                        arrays[f"{at}_texture"] = np.asarray(image)
                heads.append((name, asdict(look)))
            return arrays, heads


def _reject_glass(groups: list[tuple[str, Look, Mesh]]) -> None:
    """Masks and surface points are those of the first surface seen, which is wrong where that is glass."""
    areas = [np.linalg.norm(np.cross(*_edges(mesh)), axis=1).sum() for _, _, mesh in groups]
    clear = sum(area for area, (_, look, _) in zip(areas, groups, strict=True) if look.opacity < 0.9)
    if clear > 0.1 * sum(areas):
        raise ValueError("see-through")


def _edges(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    a, b, c = (mesh.vertices[mesh.faces[:, corner]] for corner in range(3))
    return b - a, c - a


def _upright(entry: Entry, meshes: list[Mesh]) -> np.ndarray:
    """(4, 4): the file's axes (y up, front +z) to ours, at unit size, with the catalogue's proportions."""
    turn = np.eye(3)
    if entry.turn:
        turn = np.asarray(entry.turn).reshape(3, 3)
    turn = np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]]) @ turn
    corners = np.concatenate([mesh.vertices for mesh in meshes]) @ turn.T
    low, high = corners.min(axis=0), corners.max(axis=0)
    stretch = np.asarray(entry.size) / np.maximum(high - low, 1e-9)
    if not np.all(np.isfinite(stretch)) or stretch.min() <= 0:
        raise ValueError("no size in the catalogue")
    stretch = stretch / max(entry.size)
    matrix = np.eye(4)
    matrix[:3, :3] = turn * stretch[:, None]
    matrix[:3, 3] = -stretch * np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]])
    return matrix


def _material(look: Look, texture: np.ndarray | None) -> Material:
    shine = float(np.mean(look.specular))
    roughness = float(np.clip((2 / (look.shininess + 2)) ** 0.25, 0.12, 0.9)) if shine > 0.05 else 0.8
    # Black paint reflects some light, white paint not all of it.
    colour = np.clip(linear(np.clip(look.diffuse, 0, 1)), 0.012, 0.8)
    kind = "textured" if texture is not None else "plain"
    return Material(tuple(float(value) for value in colour), texture, roughness, 0.0, 0.25 + 0.25 * shine, kind=kind)
