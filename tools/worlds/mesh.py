"""Triangle meshes: what every thing in a world is made of."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .material import Material

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles.

    Attributes:
        vertices: (N, 3) float32, metres, z up.
        faces: (M, 3) uint32.
        normals: (N, 3) float32, unit length.
        uv: (N, 2) float32, one unit a texture.
    """

    vertices: Array
    faces: Array
    normals: Array
    uv: Array

    def transformed(self, matrix: Array) -> Mesh:
        """By an affine (4, 4) matrix; normals go by the inverse transpose and are turned outwards by a mirror."""
        linear = matrix[:3, :3]
        vertices = self.vertices @ linear.T + matrix[:3, 3]
        normals = self.normals @ np.linalg.inv(linear)
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        return replace(self, vertices=vertices.astype(np.float32), normals=normals.astype(np.float32))


@dataclass(frozen=True, eq=False)
class Part:
    """A mesh of one material. ``name`` tells what it is within its thing ("lid", "left forearm")."""

    mesh: Mesh
    material: Material
    name: str = ""

    def transformed(self, matrix: Array) -> Part:
        return replace(self, mesh=self.mesh.transformed(matrix))


def merged(meshes: list[Mesh]) -> Mesh:
    """One mesh of several."""
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes[:-1])])
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts, strict=True)]).astype(np.uint32),
        np.concatenate([mesh.normals for mesh in meshes]),
        np.concatenate([mesh.uv for mesh in meshes]),
    )


def face_normals(vertices: Array, faces: Array) -> Array:
    """(M, 3): along each face's normal, as long as twice its area."""
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    return np.cross(b - a, c - a)


def translation(x: float, y: float, z: float) -> Array:
    """(4, 4) float64."""
    matrix = np.eye(4)
    matrix[:3, 3] = x, y, z
    return matrix


def scaling(x: float, y: float, z: float) -> Array:
    """(4, 4) float64."""
    return np.diag([x, y, z, 1.0])


def rotation(axis: tuple[float, float, float] | Array, angle: float) -> Array:
    """(4, 4) float64: by ``angle`` radians about an axis through the origin (Rodrigues' formula)."""
    x, y, z = np.asarray(axis, np.float64) / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    matrix = np.eye(4)
    matrix[:3, :3] += np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross)
    return matrix
