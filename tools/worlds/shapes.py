"""Solids made by rule: turned, extruded, rounded boxes, tubes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .mesh import Mesh, face_normals, merged

Array = np.ndarray
AROUND = 40


def sheet(points: Array, uv: Array | None = None, closed: bool = False) -> Mesh:
    """A smooth surface through a grid of points (rows, columns, 3).

    Faces look to the side on which rows, columns and normal make a right-handed system. Rows given twice make a
    crease. ``closed``: the last column lies on the first, and the seam is smooth. ``uv``: (rows, columns, 2), by
    default 0..1 along columns and rows.
    """
    rows, columns = points.shape[:2]
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    vertices = points.reshape(-1, 3).astype(np.float64)
    flat = face_normals(vertices, faces)
    normals = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(normals, faces[:, corner], flat)
    normals = normals.reshape(rows, columns, 3)
    if closed:
        normals[:, 0] = normals[:, -1] = normals[:, 0] + normals[:, -1]
    for row in (0, -1):
        if np.ptp(points[row], axis=0).max() < 1e-9:
            normals[row] = normals[row].sum(axis=0)
    normals = normals.reshape(-1, 3)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    if uv is None:
        uv = np.stack(np.meshgrid(np.linspace(0, 1, columns), np.linspace(1, 0, rows)), axis=-1)
    keep = np.linalg.norm(flat, axis=1) > 1e-14
    return Mesh(
        vertices.astype(np.float32), faces[keep].astype(np.uint32), normals.astype(np.float32),
        np.asarray(uv, np.float32).reshape(-1, 2),
    )  # fmt: skip


def smooth_profile(knots: list[tuple[float, float]], steps: int = 8) -> Array:
    """(n, 2): a Catmull-Rom curve through (radius, height) knots; a knot given twice stays a corner."""
    points = np.asarray(knots, np.float64)
    out = [points[0]]
    for at in range(len(points) - 1):
        p1, p2 = points[at], points[at + 1]
        if np.allclose(p1, p2):
            out.append(p2)
            continue
        p0 = points[at - 1] if at and not np.allclose(points[at - 1], p1) else 2 * p1 - p2
        p3 = points[at + 2] if at + 2 < len(points) and not np.allclose(points[at + 2], p2) else 2 * p2 - p1
        for t in np.linspace(0, 1, steps + 1)[1:]:
            value = 2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2
            out.append((value + (3 * p1 - p0 - 3 * p2 + p3) * t**3) / 2)
    profile = np.array(out)
    profile[:, 0] = np.maximum(profile[:, 0], 0)
    return profile


def lathe(profile: Array, repeat: float = 2.0, start: float = 0.0, end: float = 2 * np.pi) -> Mesh:
    """A profile (n, 2) of (radius, height), from below upwards, turned about z: the outside looks outwards.

    ``start`` to ``end``: angles of a part turn (a full one is closed). ``repeat``: textures round it.
    """
    full = np.isclose(end - start, 2 * np.pi)
    angles = np.linspace(start, end, AROUND + 1)
    ring = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    points = np.concatenate(
        [profile[:, None, :1] * ring[None], np.broadcast_to(profile[:, None, 1:], (len(profile), AROUND + 1, 1))], -1
    )
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(profile, axis=0), axis=1))])
    widest = max(profile[:, 0].max(), 1e-6)
    across = (angles - start) / (2 * np.pi) * repeat
    uv = np.stack(np.broadcast_arrays(across[None], (along / (2 * np.pi * widest) * repeat)[:, None]), axis=-1)
    # Columns run against the clock and rows upwards: turned over, so that the outside looks outwards.
    return sheet(points[:, ::-1], uv[:, ::-1], closed=bool(full))


def ball(radius: float, centre: tuple[float, float, float] = (0, 0, 0), squash: float = 1.0) -> Mesh:
    """A sphere, or with ``squash`` a spheroid, about ``centre``."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, 25)
    mesh = lathe(np.stack([radius * np.cos(angle).clip(0), squash * radius * np.sin(angle)], axis=-1))
    return Mesh((mesh.vertices + np.float32(centre)).astype(np.float32), mesh.faces, mesh.normals, mesh.uv)


def torus(radius: float, thickness: float) -> Mesh:
    """A ring lying on z = 0."""
    angle = np.linspace(-np.pi / 2, 3 * np.pi / 2, 33)
    return lathe(np.stack([radius + thickness * np.cos(angle), thickness * (1 + np.sin(angle))], axis=-1), 5)


def rounded_box(size: tuple[float, float, float], bevel: float, uv_scale: float | None = None) -> Mesh:
    """A box about the origin with rounded edges; each side gets one texture, or with ``uv_scale`` textures a metre."""
    half = np.asarray(size, np.float64) / 2
    bevel = min(bevel, 0.98 * float(half.min()))
    inner = half - bevel
    steps = np.sin(np.linspace(0, np.pi / 2, 5)) if bevel > 0 else np.array([0.0])
    meshes = []
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        lines = [np.concatenate([-inner[k] - bevel * steps[::-1], inner[k] + bevel * steps]) for k in (u, v)]
        for sign in (-1.0, 1.0):
            grid = np.empty((len(lines[1]), len(lines[0]), 3))
            grid[..., u], grid[..., v] = np.meshgrid(lines[0], lines[1])
            grid[..., axis] = sign * half[axis]
            core = np.clip(grid, -inner, inner)
            out = grid - core
            out /= np.maximum(np.linalg.norm(out, axis=-1, keepdims=True), 1e-12)
            points = core + bevel * out if bevel > 0 else grid
            # Upright texture on the four walls: u runs across, v up.
            across, up = (u, v) if v == 2 else (v, u) if u == 2 else (0, 1)
            turn = 1.0 if axis == 2 else sign * (1.0 if axis == 0 else -1.0)
            uv = np.stack([turn * grid[..., across], grid[..., up]], axis=-1)
            scale = np.array([half[across], half[up]])
            uv = uv * uv_scale if uv_scale else uv / (2 * scale) + 0.5
            mesh = sheet(points, uv) if sign < 0 else sheet(points[:, ::-1], uv[:, ::-1])
            if bevel > 0:
                normals = mesh.vertices - np.clip(mesh.vertices, -inner, inner)
                normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
                mesh = replace(mesh, normals=normals.astype(np.float32))
            meshes.append(mesh)
    return merged(meshes)


def extruded(outline: Array, height: float, bevel: float) -> Mesh:
    """A flat outline (n, 2), against the clock and seen whole from its middle, raised to ``height`` from z = 0."""
    ring = np.concatenate([outline, outline[:1]])
    levels = [(0, 0.0), (1 - bevel, 0.0), (1, bevel * 0.5), (1, bevel * 0.5), (1, 1 - bevel * 0.5),
              (1, 1 - bevel * 0.5), (1 - bevel, 1.0), (1 - bevel, 1.0), (0, 1.0)]  # fmt: skip
    points = np.stack(
        [np.concatenate([ring * share, np.full((len(ring), 1), height * z)], axis=1) for share, z in levels]
    )
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(ring, axis=0), axis=1))])
    reach = np.abs(outline).max()
    uv = []
    for share, z in levels:
        side = share == 1
        uv.append(np.stack([along / (2 * reach), np.full(len(ring), z * height / (2 * reach))], -1) if side
                  else ring * share / (2 * reach) + 0.5)  # fmt: skip
    return sheet(points[:, ::-1], np.stack(uv)[:, ::-1], closed=False)


def tube(centres: Array, radii: Array, up: tuple[float, float, float] = (0, 1, 0), repeat: float = 1.0) -> Mesh:
    """A tube with round ends along centres (n, 3) with radii (n,); ``up`` must never lie along it."""
    tangents = np.gradient(centres, axis=0)
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    side = np.cross(tangents, np.asarray(up, np.float64))
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    other = np.cross(tangents, side)
    angles = np.linspace(0, 2 * np.pi, 21)
    cap = np.linspace(-np.pi / 2, 0, 6)[:-1]
    rings = [(0, np.cos(a), np.sin(a)) for a in cap] + [(at, 1.0, 0.0) for at in range(len(centres))]
    rings += [(len(centres) - 1, np.cos(a), -np.sin(a)) for a in cap[::-1]]
    points = []
    for at, width, ahead in rings:
        middle = centres[at] + tangents[at] * ahead * radii[at]
        circle = np.cos(angles)[:, None] * side[at] + np.sin(angles)[:, None] * other[at]
        points.append(middle + radii[at] * width * circle)
    length = np.linalg.norm(np.diff(centres, axis=0), axis=1).sum()
    v = np.linspace(0, length / (2 * np.pi * max(radii.max(), 1e-6)) * repeat, len(rings))
    uv = np.stack(np.broadcast_arrays((angles / (2 * np.pi) * repeat)[None], v[:, None]), axis=-1)
    return sheet(np.stack(points)[:, ::-1], uv[:, ::-1], closed=True)


def capsule(start: Array, end: Array, first: float, second: float) -> Mesh:
    """A limb: a tube with round ends from ``start`` to ``end`` (3,), its radius going from ``first`` to ``second``."""
    along = np.asarray(end, np.float64) - start
    up = (0, 1, 0) if abs(along[1]) < 0.8 * np.linalg.norm(along) else (1, 0, 0)
    share = np.linspace(0, 1, 8)[:, None]
    return tube(start + along * share, first + (second - first) * share[:, 0], up)
