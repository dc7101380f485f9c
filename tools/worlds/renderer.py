"""Stages to pictures and to surface points, by Mitsuba 3 (https://mitsuba-renderer.org)."""

from __future__ import annotations

import importlib.util
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import llvm, surfaces
from .material import Material
from .mesh import Part, merged
from .stage import Stage

Array = np.ndarray
BOUNCES = 4
PASS = 8
VARIANTS = "llvm_ad_rgb", "scalar_rgb"


class RendererError(RuntimeError):
    """Mitsuba is not there; the message says how to get it."""


@dataclass(frozen=True, eq=False)
class Hits:
    """First surfaces seen along rays (...).

    Attributes:
        body: (...) int32, the body's number; -1 for the room, -2 for nothing.
        part: (...) int32, the part's number within its body or the room.
        face: (...) int32, the triangle's number within its part.
        weights: (..., 3) float64, barycentric.
        distance: (...) float64 in metres, infinite where nothing is hit.
    """

    body: Array
    part: Array
    face: Array
    weights: Array
    distance: Array


def start(variant: str | None = None, threads: int | None = None, cache: Path | None = None) -> str:
    """Loads Mitsuba and gives the variant's name: ``llvm_ad_rgb`` where a fitting LLVM is found, else ``scalar_rgb``.

    ``threads``: to render and to denoise with; all by default. ``cache``: a folder that LLVM is fetched into where the
    system has none; without it nothing is fetched. The environment variable DRJIT_LIBLLVM_PATH overrules the search.

    Raises:
        RendererError: Mitsuba is not installed, or ``variant`` asks for LLVM and there is none.
    """
    if threads:
        # Read by the denoiser's library when it is loaded.
        os.environ["OPENIMAGEDENOISE_NUM_THREADS"] = str(threads)
    if importlib.util.find_spec("mitsuba") is None:
        raise RendererError("worlds are rendered by Mitsuba 3, which is missing: pip install mitsuba")
    names = [variant] if variant else list(VARIANTS)
    if "mitsuba" in sys.modules and sys.modules["mitsuba"].variant() in ([variant] if variant else VARIANTS):
        return sys.modules["mitsuba"].variant()
    if names[0].startswith("llvm") and not _choose_llvm(cache):
        if variant:
            raise RendererError(
                f"variant {variant} needs LLVM {llvm.VERSIONS[-1]} to {llvm.VERSIONS[0]}, which is not there: install "
                f"libllvm{llvm.VERSIONS[0]}, or set DRJIT_LIBLLVM_PATH to a libLLVM, or take scalar_rgb (slower)"
            )
        names = ["scalar_rgb"]
    import drjit
    import mitsuba

    for name in names:
        try:
            mitsuba.set_variant(name)
            if threads:
                drjit.set_thread_count(threads)
            mitsuba.Float(mitsuba.Float(1.0) + 1.0)
            break
        except (ImportError, RuntimeError) as error:
            if name == names[-1]:
                raise RendererError(f"Mitsuba's variant {name} does not start: {error}") from error
    mitsuba.set_log_level(mitsuba.LogLevel.Error)
    return mitsuba.variant()


def _choose_llvm(cache: Path | None) -> bool:
    """Names an LLVM to Dr.Jit, which elsewhere than on Linux finds its own. Whether there may be one."""
    if "DRJIT_LIBLLVM_PATH" in os.environ or not sys.platform.startswith("linux"):
        return True
    # Dr.Jit loads its LLVM at its import: then it is too late to choose.
    if "drjit" in sys.modules:
        return False
    found = llvm.library(cache)
    if found:
        os.environ["DRJIT_LIBLLVM_PATH"] = str(found)
    return found is not None


def grouped(parts: list[Part]) -> list[tuple[Material, list[int]]]:
    """(material, numbers of the parts that have it): what Mitsuba gets as one mesh, since it traces each by itself."""
    groups: dict[int, tuple[Material, list[int]]] = {}
    for number, part in enumerate(parts):
        groups.setdefault(id(part.material), (part.material, []))[1].append(number)
    return list(groups.values())


class World:
    """A stage in Mitsuba's hands, before its edit."""

    def __init__(self, stage: Stage, without: tuple[int, ...] = ()) -> None:
        """``without``: numbers of bodies that are taken away."""
        import mitsuba as mi

        start()
        self.mi, self.stage = mi, stage
        self.bodies = {n: body for n, body in enumerate(stage.bodies) if n not in without}
        content = {"type": "scene", "integrator": {"type": "path", "max_depth": BOUNCES, "rr_depth": 2}}
        # Of every shape: its body (-1 for the room), its parts' numbers and their first faces.
        self.where: dict[str, tuple[int, Array, Array]] = {}
        groups = {-1: stage.room} | {number: body.parts(body.before) for number, body in self.bodies.items()}
        for number, parts in groups.items():
            for at, (material, members) in enumerate(grouped(parts)):
                name = _name(number, at)
                bsdf = mi.load_dict(surfaces.surface(material, mi))
                content[name] = surfaces.shape(merged([parts[one].mesh for one in members]), bsdf, name, mi)
                starts = np.cumsum([0, *(len(parts[member].mesh.faces) for member in members[:-1])])
                self.where[name] = number, np.array(members), starts
        for at, light in enumerate(stage.lights):
            look = mi.ScalarTransform4f().look_at(
                list(light.origin), list(light.target), _up(light.origin, light.target)
            )
            content[f"light{at}"] = {
                "type": "rectangle", "to_world": look @ mi.ScalarTransform4f().scale(light.side / 2),
                "emitter": {"type": "area", "radiance": {"type": "rgb", "value": list(light.radiance)}},
            }  # fmt: skip
        content["sky"] = {
            "type": "envmap", "bitmap": mi.Bitmap(np.ascontiguousarray(stage.sky, np.float32)),
            "to_world": mi.ScalarTransform4f().rotate([1, 0, 0], 90),
        }  # fmt: skip
        content["sensor"] = self._sensor(64)
        self.scene = mi.load_dict(content, optimize=False)
        self.padding = surfaces.padding(len(self.where), len(stage.lights), mi)
        surfaces.opaque(self.scene, mi)
        self.parameters = self.features = None

    def _sensor(self, samples: int) -> dict:
        camera, mi = self.stage.camera, self.mi
        return {
            "type": "perspective", "fov": float(camera.field_of_view), "near_clip": 0.02, "far_clip": 200.0,
            "to_world": mi.ScalarTransform4f().look_at(
                [float(value) for value in camera.origin], [float(value) for value in camera.target], [0, 0, 1]
            ),
            "film": {"type": "hdrfilm", "width": camera.size, "height": camera.size, "pixel_format": "rgb",
                     "rfilter": {"type": "box"}, "component_format": "float32"},
            # Spread evenly over the pixel and the lights: 8 of these leave less noise than 16 drawn by chance.
            "sampler": {"type": "multijitter", "sample_count": samples},
        }  # fmt: skip

    def pose(self, after: bool) -> None:
        """Puts what moves where it is after (or before) the edit."""
        if self.parameters is None:
            self.parameters = self.mi.traverse(self.scene)
        for number, body in self.bodies.items():
            if not body.moves:
                continue
            parts = body.parts(body.after if after else body.before)
            for at, (_, members) in enumerate(grouped(parts)):
                mesh = merged([parts[member].mesh for member in members])
                self.parameters[f"{_name(number, at)}.vertex_positions"] = mesh.vertices.ravel()
                self.parameters[f"{_name(number, at)}.vertex_normals"] = mesh.normals.ravel()
        self.parameters.update()

    def picture(self, samples: int, seed: int = 0) -> tuple[Array, Array, Array]:
        """(radiance, albedo, normal), each (size, size, 3) float32; the latter two for the denoiser."""
        mi = self.mi
        sensor = mi.load_dict(self._sensor(PASS))
        total = np.zeros((self.stage.camera.size,) * 2 + (3,), np.float64)
        passes = max(1, round(samples / PASS))
        integrator = self.scene.integrator()
        for number in range(passes):
            # Short passes keep memory small.
            image = integrator.render(self.scene, sensor, seed=seed * 4096 + number, spp=min(samples, PASS))
            total += np.nan_to_num(np.array(image, np.float32), posinf=0.0)[..., :3]
        if self.features is None:
            self.features = mi.load_dict({"type": "aov", "aovs": "albedo:albedo,normal:sh_normal"})
        guide = np.array(self.features.render(self.scene, sensor, seed=seed, spp=PASS), np.float32)
        guide = np.nan_to_num(guide[..., -6:])
        return (total / passes).astype(np.float32), guide[..., :3], guide[..., 3:]

    def cast(self, origins: Array, directions: Array) -> Hits:
        """First surfaces along rays: origins (3,) or (..., 3), unit directions (..., 3)."""
        shape = directions.shape[:-1]
        towards = np.ascontiguousarray(directions.reshape(-1, 3), np.float32)
        starts = np.ascontiguousarray(np.broadcast_to(origins, directions.shape).reshape(-1, 3), np.float32)
        if self.mi.variant().startswith("scalar"):
            found = self._cast_scalar(starts, towards)
        else:
            found = self._cast_jit(starts, towards)
        names, shape_number, face, u, v, distance = found
        body, part = np.full(len(face), -2, np.int32), np.full(len(face), -1, np.int32)
        face = face.astype(np.int32)
        for number, name in enumerate(names):
            # Lights are nobody's.
            if name in self.where:
                own = shape_number == number
                body[own], members, starts = self.where[name]
                at = np.searchsorted(starts, face[own], side="right") - 1
                part[own], face[own] = members[at], face[own] - starts[at]
        weights = np.stack([1 - u - v, u, v], axis=-1)
        return Hits(
            body.reshape(shape), part.reshape(shape), face.reshape(shape), weights.reshape(*shape, 3),
            distance.reshape(shape),
        )  # fmt: skip

    def _cast_jit(self, starts: Array, towards: Array) -> tuple:
        import drjit as dr

        mi = self.mi
        ray = mi.Ray3f(mi.Point3f(starts.T), mi.Vector3f(towards.T))
        hit = self.scene.ray_intersect_preliminary(ray)
        valid = np.array(hit.is_valid())
        ids = np.array(dr.reinterpret_array(mi.UInt32, hit.shape)).astype(np.int64)
        names, numbers = [], np.full(int(ids.max(initial=0)) + 1, -1)
        for shape in self.scene.shapes():
            number = int(np.array(dr.reinterpret_array(mi.UInt32, mi.ShapePtr(shape))).ravel()[0])
            if number < len(numbers):
                numbers[number] = len(names)
                names.append(shape.id())
        u, v = (np.array(value, np.float64) for value in (hit.prim_uv.x, hit.prim_uv.y))
        distance = np.where(valid, np.array(hit.t, np.float64), np.inf)
        return names, np.where(valid, numbers[ids], -1), np.array(hit.prim_index), u, v, distance

    def _cast_scalar(self, starts: Array, towards: Array) -> tuple:
        mi = self.mi
        count = len(starts)
        names = [shape.id() for shape in self.scene.shapes()]
        shape_number, face = np.full(count, -1), np.zeros(count, np.int32)
        u, v, distance = np.zeros(count), np.zeros(count), np.full(count, np.inf)
        for at in range(count):
            ray = mi.Ray3f(mi.Point3f(*map(float, starts[at])), mi.Vector3f(*map(float, towards[at])))
            hit = self.scene.ray_intersect_preliminary(ray)
            if hit.is_valid():
                shape_number[at] = names.index(hit.shape.id())
                face[at], u[at], v[at], distance[at] = hit.prim_index, hit.prim_uv[0], hit.prim_uv[1], hit.t
        return names, shape_number, face, u, v, distance


def _name(body: int, at: int) -> str:
    return f"{'room' if body < 0 else f'body{body}'}_group{at}"


def _up(origin, target) -> list[float]:
    along = np.subtract(target, origin)
    return [0.0, 1.0, 0.0] if abs(along[2]) > 0.99 * np.linalg.norm(along) else [0.0, 0.0, 1.0]


def cache_folder() -> Path:
    """Where things are kept when no folder is named."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "attentiondrag-worlds"
