"""Meshes and their surfaces in Mitsuba's hands, so alike in structure that scenes share their compiled kernels.

Dr.Jit compiles all that happens to a scene's light into one kernel and finds it again by its code, which holds how many
shapes there are and every number that it takes for a constant. Compiling one takes longer than tracing a training
picture with it. So every colour is a texture, numbers are made opaque, and shapes that stand in no scene fill up their
count to one of few. What is left are kernels for one, two or three lights, with and without metal.
"""

from __future__ import annotations

import numpy as np

from .material import Material, linear
from .mesh import Mesh

# Shapes that things and room are made of; the kernels of more than the most are not shared.
COUNTS = 16, 48, 144, 432
MOST_LIGHTS = 3


def texture(material: Material, mi) -> dict:
    """The reflectance, always a bitmap; of one pixel where a material is plain."""
    if material.texture is None:
        data, scale = np.asarray(material.colour, np.float32).reshape(1, 1, 3), mi.ScalarTransform4f()
    else:
        data = linear(np.arange(256) / 255).astype(np.float32)[material.texture]
        scale = mi.ScalarTransform4f().scale([*material.repeat, 1.0])
    return {"type": "bitmap", "data": mi.TensorXf(data), "raw": True, "to_uv": scale, "wrap_mode": "repeat"}


def surface(material: Material, mi) -> dict:
    """Mitsuba's description of a material, seen from both sides."""
    return {"type": "twosided", "bsdf": {
        "type": "principled", "base_color": texture(material, mi), "roughness": float(material.roughness),
        "metallic": float(material.metallic), "specular": float(material.specular),
    }}  # fmt: skip


def shape(mesh: Mesh, bsdf, name: str, mi):
    """A mesh with a loaded surface."""
    properties = mi.Properties()
    properties["bsdf"] = bsdf
    made = mi.Mesh(name, len(mesh.vertices), len(mesh.faces), properties, True, True)
    values = mi.traverse(made)
    for key, array in (("vertex_positions", mesh.vertices), ("vertex_normals", mesh.normals),
                       ("vertex_texcoords", mesh.uv * [1, -1] + [0, 1])):  # fmt: skip
        values[key] = np.ascontiguousarray(array, np.float32).ravel()
    values["faces"] = np.ascontiguousarray(mesh.faces, np.uint32).ravel()
    values.update()
    return made


def padding(groups: int, lights: int, mi) -> list:
    """Shapes and lights that bring a scene of ``groups`` meshes up to one of ``COUNTS``, as long as they are held.

    Nothing of them is traced: it is enough that Mitsuba knows of them.
    """
    if mi.variant().startswith("scalar"):
        return []
    triangle = Mesh(
        np.eye(3, dtype=np.float32), np.arange(3, dtype=np.uint32)[None],
        np.tile(np.float32([0, 0, 1]), (3, 1)), np.zeros((3, 2), np.float32),
    )  # fmt: skip
    wanted = next((count for count in COUNTS if count >= groups), groups)
    made = [shape(triangle, mi.load_dict(surface(Material(), mi)), f"padding{at}", mi) for at in range(wanted - groups)]
    light = {"type": "rectangle", "emitter": {"type": "area", "radiance": {"type": "rgb", "value": [1.0, 1.0, 1.0]}}}
    made += [mi.load_dict(light) for _ in range(MOST_LIGHTS - lights)]
    for one in made:
        opaque(one, mi)
    return made


def opaque(loaded, mi) -> None:
    """Makes variables of all numbers that a loaded scene or shape holds, so that a kernel reads them from memory."""
    if mi.variant().startswith("scalar"):
        return
    import drjit

    values = mi.traverse(loaded)
    drjit.make_opaque(*(values[key] for key in values.keys()))
