"""Reading Wavefront OBJ and MTL."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .mesh import Mesh, face_normals

Array = np.ndarray
CREASE = np.cos(np.radians(45))


@dataclass(frozen=True)
class Look:
    """A material of an MTL file: colours as stored (sRGB in 0..1), texture's file name or None."""

    diffuse: tuple[float, float, float] = (0.8, 0.8, 0.8)
    specular: tuple[float, float, float] = (0.0, 0.0, 0.0)
    shininess: float = 0.0
    opacity: float = 1.0
    texture: str | None = None
    cut_out: bool = False


def read_mtl(text: str) -> dict[str, Look]:
    """Materials by name. Unknown lines are passed over."""
    looks: dict[str, Look] = {}
    name, values = None, {}
    for line in [*text.splitlines(), "newmtl"]:
        key, _, rest = line.strip().partition(" ")
        key, words = key.lower(), rest.split()
        if key == "newmtl":
            if name is not None:
                looks[name] = Look(**values)
            name, values = rest.strip(), {}
        elif key in ("kd", "ks") and len(words) >= 3:
            values["diffuse" if key == "kd" else "specular"] = tuple(float(word) for word in words[:3])
        elif key == "ns" and words:
            values["shininess"] = float(words[0])
        elif key == "d" and words:
            values["opacity"] = float(words[-1])
        elif key == "tr" and words:
            values["opacity"] = 1 - float(words[0])
        elif key == "map_kd" and words:
            values["texture"] = words[-1]
        elif key == "map_d":
            values["cut_out"] = True
    return looks


def read_obj(text: str) -> list[tuple[str, Mesh]]:
    """(material's name, mesh) of every material in the order of first use, in the file's own axes.

    Polygons are cut into fans. Normals that point away from their face's winding are turned, and missing ones are
    made: smooth where neighbouring faces differ by less than 45 degrees.

    Raises:
        ValueError: a face names a vertex that isn't there, or there are no faces at all.
    """
    points: list[list[float]] = []
    normals: list[list[float]] = []
    textures: list[list[float]] = []
    corners: dict[str, list[tuple[int, int, int]]] = {}
    material = ""
    for line in text.splitlines():
        key, _, rest = line.partition(" ")
        if key == "v":
            points.append([float(word) for word in rest.split()[:3]])
        elif key == "vn":
            normals.append([float(word) for word in rest.split()[:3]])
        elif key == "vt":
            textures.append([float(word) for word in rest.split()[:2]])
        elif key == "usemtl":
            material = rest.strip()
        elif key == "f":
            counts = len(points), len(textures), len(normals)
            ring = [_corner(word, counts) for word in rest.split()]
            triangles = corners.setdefault(material, [])
            for second, third in zip(ring[1:-1], ring[2:], strict=True):
                triangles += (ring[0], second, third)
    if not corners:
        raise ValueError("no faces in it")
    p = np.asarray(points, np.float64).reshape(-1, 3)
    n = np.asarray(normals, np.float64).reshape(-1, 3)
    t = np.asarray(textures, np.float64).reshape(-1, 2)
    rows = {name: np.asarray(values, np.int64).reshape(-1, 3, 3) for name, values in corners.items()}
    smooth = _smooth_normals(p, np.concatenate(list(rows.values()))[..., 0])
    meshes = [(name, _mesh(row, p, t, n, smooth)) for name, row in rows.items() if len(row)]
    # A material may be on nothing but faces without area, and Mitsuba fails on a mesh without faces.
    return [(name, mesh) for name, mesh in meshes if len(mesh.faces)]


def _corner(word: str, counts: tuple[int, int, int]) -> tuple[int, int, int]:
    """Zero-based (point, texture, normal) of "7/2/5"; -1 for what is not given."""
    out = []
    for at, count in enumerate(counts):
        fields = word.split("/")
        number = int(fields[at]) if at < len(fields) and fields[at] else 0
        index = number - 1 if number > 0 else count + number if number < 0 else -1
        if index >= count or (at == 0 and index < 0):
            raise ValueError(f"face corner {word!r} names a vertex that isn't there")
        out.append(index)
    return tuple(out)


def _smooth_normals(points: Array, faces: Array) -> Array:
    """(N, 3): sums of the faces' normals round each place; points at one place count as one."""
    _, place = np.unique(np.round(points, 5), axis=0, return_inverse=True)
    total = np.zeros((place.max() + 1, 3))
    by_face = face_normals(points, faces)
    for corner in range(3):
        np.add.at(total, place.ravel()[faces[:, corner]], by_face)
    return total[place.ravel()]


def _mesh(rows: Array, points: Array, textures: Array, normals: Array, smooth: Array) -> Mesh:
    """One material's mesh of corners (M, 3, 3)."""
    corner = points[rows[..., 0]]
    flat = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    area = np.linalg.norm(flat, axis=1)
    keep = area > 1e-12
    rows, corner, flat = rows[keep], corner[keep], flat[keep] / area[keep, None]
    made = _unit(smooth[rows[..., 0]])
    made = np.where((made * flat[:, None]).sum(-1, keepdims=True) > CREASE, made, flat[:, None])
    if len(normals):
        given = _unit(normals[rows[..., 2]])
        along = (given * flat[:, None]).sum(-1, keepdims=True)
        given = np.where(along < 0, -given, given)
        usable = (rows[..., 2:] >= 0) & (np.abs(along) > 0.2)
        made = np.where(usable, given, made)
    uv = textures[rows[..., 1]] if len(textures) else corner[..., :2]
    uv = np.where(rows[..., 1:2] >= 0, uv, 0.0)
    table = np.concatenate([corner, made, uv], axis=-1).reshape(-1, 8).astype(np.float32)
    unique, inverse = np.unique(np.round(table, 6), axis=0, return_inverse=True)
    return Mesh(
        np.ascontiguousarray(unique[:, :3]), inverse.reshape(-1, 3).astype(np.uint32),
        np.ascontiguousarray(unique[:, 3:6]), np.ascontiguousarray(unique[:, 6:]),
    )  # fmt: skip


def _unit(vectors: Array) -> Array:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
