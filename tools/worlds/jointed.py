"""Things that bend: figures of bones, and bodies that curve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import split
from .material import Material, draw_material, linear, paint
from .mesh import Mesh, Part, rotation, translation
from .shapes import ball, capsule, lathe, rounded_box, smooth_profile, tube
from .thing import State, Thing

Array = np.ndarray
Rng = np.random.Generator


@dataclass(frozen=True, eq=False)
class Bone:
    """A rigid piece that turns about a joint.

    Attributes:
        name: also the state's key of its angle.
        parent: name of the bone that it hangs on, or None.
        joint: (3,) where it hangs, in its parent's axes.
        axis: (3,) it turns about, in its own axes.
        shapes: (mesh, material) in its own axes, the joint at the origin.
        aim: (4, 4) its direction at rest within its parent's axes.
    """

    name: str
    parent: str | None
    joint: tuple[float, float, float]
    axis: tuple[float, float, float]
    shapes: tuple[tuple[Mesh, Material], ...]
    aim: Array | None = None


def bone_matrices(bones: list[Bone], state: State) -> dict[str, Array]:
    """(4, 4) of every bone; parents must come before their children. Lengths between joints never change."""
    matrices: dict[str, Array] = {}
    for bone in bones:
        above = matrices[bone.parent] if bone.parent else np.eye(4)
        turn = rotation(bone.axis, state.get(bone.name, 0.0))
        aim = np.eye(4) if bone.aim is None else bone.aim
        matrices[bone.name] = above @ translation(*bone.joint) @ aim @ turn
    return matrices


def skeleton(bones: list[Bone], grounded: bool = True):
    """A :attr:`Thing.build` of bones. ``grounded`` is for figures whose lowest point at rest isn't at z = 0."""
    rest = bone_matrices(bones, {})
    lift = 0.0
    if grounded:
        lift = -min(
            float(mesh.transformed(rest[bone.name]).vertices[:, 2].min()) for bone in bones for mesh, _ in bone.shapes
        )

    def build(state: State) -> list[Part]:
        matrices = bone_matrices(bones, state)
        up = translation(0, 0, lift)
        return [
            Part(mesh.transformed(up @ matrices[bone.name]), material, bone.name)
            for bone in bones for mesh, material in bone.shapes
        ]  # fmt: skip

    return build


def _limb(length: float, first: float, second: float, material: Material) -> tuple[tuple[Mesh, Material], ...]:
    return ((capsule(np.zeros(3), np.array([0, 0, -length]), first, second), material),)


def mannequin(rng: Rng, part: str) -> Thing:
    """A standing figure with elbows, knees and a head."""
    skin, cloth, legs = draw_material(rng, part, 0.3), draw_material(rng, part, 0.7), draw_material(rng, part, 0.4)
    if rng.random() < 0.3:
        cloth = legs = skin
    thick = rng.uniform(0.85, 1.3)
    arm, leg = rng.uniform(0.15, 0.19), rng.uniform(0.18, 0.24)
    torso = rng.uniform(0.24, 0.3)
    eye = Material(tuple(linear(np.array([0.05, 0.05, 0.06]))), roughness=0.2)
    head_r = rng.uniform(0.085, 0.12)
    head = [(ball(head_r, (0, 0, head_r * 1.15), 1.12), skin)]
    head += [(ball(head_r * 0.14, (s * head_r * 0.36, -head_r * 0.9, head_r * 1.3)), eye) for s in (-1, 1)]
    bones = [
        Bone("body", None, (0, 0, 2 * leg), (0, 0, 1),
             ((capsule(np.array([0, 0, 0.03]), np.array([0, 0, torso]), 0.085 * thick, 0.105 * thick), cloth),)),
        Bone("head", "body", (0, 0, torso + 0.09), (0, 1, 0), tuple(head)),
    ]  # fmt: skip
    for side, s in (("left", -1), ("right", 1)):
        out = rotation((0, 1, 0), -s * rng.uniform(0.15, 0.9))
        bones += [
            Bone(f"{side} arm", "body", (s * 0.12 * thick, 0, torso + 0.02), (0, 1, 0),
                 _limb(arm, 0.042 * thick, 0.034 * thick, cloth), out),
            Bone(f"{side} forearm", f"{side} arm", (0, 0, -arm), (0, 1, 0),
                 (*_limb(arm, 0.034 * thick, 0.028 * thick, skin), (ball(0.045 * thick, (0, 0, -arm - 0.02)), skin))),
            Bone(f"{side} leg", "body", (s * 0.065 * thick, 0, 0.02), (0, 1, 0),
                 _limb(leg, 0.058 * thick, 0.045 * thick, legs), rotation((0, 1, 0), -s * 0.1)),
            Bone(f"{side} shin", f"{side} leg", (0, 0, -leg), (1, 0, 0),
                 (*_limb(leg, 0.045 * thick, 0.034 * thick, legs),
                  (capsule(np.array([0, 0.02, -leg]), np.array([0, -0.075, -leg - 0.005]), 0.036, 0.034), skin))),
        ]  # fmt: skip
    ranges = {"head": (-0.6, 0.6)}
    for side, s in (("left", -1), ("right", 1)):
        ranges[f"{side} arm"] = (-1.9, 0.1) if s > 0 else (-0.1, 1.9)
        ranges[f"{side} forearm"] = (-1.9, 0.2) if s > 0 else (-0.2, 1.9)
        ranges[f"{side} leg"] = (-1.0, 0.0) if s > 0 else (0.0, 1.0)
    return Thing("mannequin", "jointed", skeleton(bones), {}, ranges)


def _arc(start: Array, direction: float, length: float, bend: float, count: int) -> Array:
    """(count, 3): a curve in the xz plane of even bend, starting at an angle from +x towards +z (radians)."""
    s = np.linspace(0, 1, count)
    angle = direction + bend * s
    step = length / (count - 1)
    middle = (angle[1:] + angle[:-1]) / 2
    x = np.concatenate([[0], np.cumsum(np.cos(middle) * step)])
    z = np.concatenate([[0], np.cumsum(np.sin(middle) * step)])
    return np.asarray(start) + np.stack([x, 0 * x, z], axis=-1)


def animal(rng: Rng, part: str) -> Thing:
    """A beast on four legs, seen from the side, whose neck and tail curve."""
    coat, spot = draw_material(rng, part, 0.75), draw_material(rng, part, 0.2)
    eye = Material(tuple(linear(np.array([0.04, 0.04, 0.05]))), roughness=0.15)
    body, leg, neck = rng.uniform(0.34, 0.5), rng.uniform(0.2, 0.36), rng.uniform(0.14, 0.42)
    girth, tail = rng.uniform(0.1, 0.15), rng.uniform(0.18, 0.4)
    ears = rng.random() < 0.7
    z = leg + girth

    def build(state: State) -> list[Part]:
        s = np.linspace(0, 1, 14)
        trunk = np.stack([body * (s - 0.5), 0 * s, z + 0.02 * np.sin(np.pi * s)], -1)
        parts = [Part(tube(trunk, girth * (0.85 + 0.2 * np.sin(np.pi * s)), (0, 1, 0), 2.0), coat, "trunk")]
        for name, x, y in (("a", -1, -1), ("b", -1, 1), ("c", 1, -1), ("d", 1, 1)):
            top, foot = (
                np.array([x * body * 0.42, y * girth * 0.55, z]),
                np.array([x * body * 0.45, y * girth * 0.6, 0.035]),
            )
            parts.append(Part(capsule(top, foot, 0.05, 0.036), coat, f"leg {name}"))
        nape = np.array([body * 0.42, 0, z + girth * 0.3])
        line = _arc(nape, 1.0, neck, state.get("neck", 0.0), 14)
        parts.append(Part(tube(line, np.linspace(0.075, 0.05, 14), (0, 1, 0), 1.0), coat, "neck"))
        angle = 1.0 + state.get("neck", 0.0)
        placed = translation(*line[-1]) @ rotation((0, 1, 0), -(angle - 0.9))
        skull = [
            (capsule(np.array([-0.02, 0, 0.02]), np.array([0.11, 0, -0.02]), 0.075, 0.05), coat),
            (ball(0.02, (0.165, 0, 0.0)), eye),
        ]
        skull += [(ball(0.016, (0.05, y * 0.062, 0.05)), eye) for y in (-1, 1)]
        if ears:
            skull += [
                (capsule(np.array([-0.03, y * 0.045, 0.07]), np.array([-0.06, y * 0.07, 0.15]), 0.024, 0.012), spot)
                for y in (-1, 1)
            ]
        parts += [Part(mesh.transformed(placed), material, "head") for mesh, material in skull]
        rump = np.array([-body * 0.5 - girth * 0.6, 0, z + girth * 0.25])
        hair = tube(
            _arc(rump, np.pi - 0.4, tail, -state.get("tail", 0.0), 18), np.linspace(0.03, 0.014, 18), (0, 1, 0), 1.0
        )
        parts.append(Part(hair, spot, "tail"))
        return parts

    # The neck's bend turns the head up (positive) or down; the tail's up or down likewise.
    return Thing("animal", "jointed", build, {"neck": 0.0, "tail": 0.0}, {"neck": (-1.7, 0.9), "tail": (-0.9, 1.9)})


def lamp(rng: Rng, part: str) -> Thing:
    """A desk lamp with two arms and a shade."""
    metal, shade = draw_material(rng, part, 0.1), draw_material(rng, part, 0.4)
    lower, upper = rng.uniform(0.26, 0.38), rng.uniform(0.24, 0.34)
    base = lathe(smooth_profile([(0, 0), (0.15, 0), (0.15, 0), (0.14, 0.03), (0.05, 0.045), (0.02, 0.06), (0, 0.06)]))
    bell = [(0.02, 0.12), (0.05, 0.12), (0.05, 0.12), (0.13, -0.06), (0.13, -0.06), (0.12, -0.06), (0.12, -0.06),
            (0.04, 0.1), (0.0, 0.1)]  # fmt: skip
    cone = lathe(smooth_profile(bell)[::-1])
    bulb = ball(0.04, (0, 0, -0.0))
    white = Material((0.8, 0.8, 0.75), roughness=0.3)
    rod = np.array([0, 0, 1.0])
    bones = [
        Bone("base", None, (0, 0, 0), (0, 0, 1), ((base, metal),)),
        Bone("lower arm", "base", (0, 0, 0.05), (0, 1, 0),
             ((capsule(np.zeros(3), rod * lower, 0.016, 0.016), metal), (ball(0.028, (0, 0, lower)), metal)),
             rotation((0, 1, 0), -0.5)),
        Bone("upper arm", "lower arm", (0, 0, lower), (0, 1, 0),
             ((capsule(np.zeros(3), rod * upper, 0.014, 0.014), metal),), rotation((0, 1, 0), 1.5)),
        Bone("shade", "upper arm", (0, 0, upper), (0, 1, 0),
             ((cone, shade), (bulb, white), (ball(0.026, (0, 0, 0.11)), metal)), rotation((0, 1, 0), -0.8)),
    ]  # fmt: skip
    ranges = {"lower arm": (-0.4, 0.9), "upper arm": (-0.9, 0.5), "shade": (-0.9, 0.9)}
    return Thing("desk lamp", "jointed", skeleton(bones), {}, ranges)


def stalk(rng: Rng, part: str) -> Thing:
    """A flower or a cactus of pads in a pot, whose stem curves."""
    pot, bloom = draw_material(rng, part, 0.5), draw_material(rng, part, 0.2)
    green = Material(tuple(linear(paint(rng, ("3f7d4e", "7c9a3d", "4f7a3a")))), roughness=0.6)
    pads = rng.random() < 0.4
    length = rng.uniform(0.4, 0.62)
    jar = lathe(
        smooth_profile(
            [(0, 0), (0.13, 0), (0.13, 0), (0.17, 0.2), (0.17, 0.2), (0.15, 0.2), (0.15, 0.2), (0.14, 0.17), (0, 0.17)]
        )
    )
    soil = Material((0.05, 0.03, 0.02), roughness=1.0)
    petals = int(rng.integers(5, 9))

    def build(state: State) -> list[Part]:
        bend = state.get("stem", 0.0)
        line = _arc(np.array([0, 0, 0.16]), np.pi / 2, length, bend, 22)
        parts = [
            Part(jar, pot, "pot"),
            Part(lathe(np.array([(0, 0.165), (0.145, 0.172), (0.145, 0.172), (0, 0.175)])), soil, "soil"),
        ]
        tip = translation(*line[-1]) @ rotation((0, 1, 0), -bend)
        if pads:
            for at, lean in zip(range(2, 22, 5), (-0.5, 0.6, -0.6, 0.5), strict=True):
                tilt = rotation((0, 1, 0), -bend * at / 21 + lean)
                pad = translation(*line[at]) @ tilt @ np.diag([1.0, 0.4, 1.3, 1.0])
                radius = 0.115 - 0.002 * at
                parts.append(Part(ball(radius).transformed(pad), green, "pad"))
                for angle in (-1.1, -0.35, 0.4, 1.15):
                    bud = pad @ translation(radius * np.sin(angle), 0, radius * np.cos(angle))
                    parts.append(Part(ball(0.016).transformed(bud), bloom, "bud"))
            return parts
        parts.append(Part(tube(line, np.linspace(0.02, 0.014, 22), (0, 1, 0), 1.0), green, "stem"))
        parts.append(Part(ball(0.045, (0, -0.02, 0)).transformed(tip), soil, "bloom"))
        for at in range(petals):
            turn = rotation((0, 1, 0), 2 * np.pi * at / petals)
            petal = ball(0.055, (0, 0, 0), 1.0).transformed(
                tip @ turn @ translation(0.085, 0, 0) @ np.diag([1.0, 0.3, 0.75, 1.0])
            )
            parts.append(Part(petal, bloom, "bloom"))
        for at, side in ((7, -1), (11, 1)):
            leaf = ball(0.07).transformed(
                translation(*line[at])
                @ rotation((0, 1, 0), -bend * at / 21 - side * 0.6)
                @ translation(side * 0.07, 0, 0)
                @ np.diag([1.0, 0.4, 0.3, 1.0])
            )
            parts.append(Part(leaf, green, "leaf"))
        return parts

    return Thing("cactus" if pads else "flower", "jointed", build, {"stem": 0.0}, {"stem": (-1.5, 1.5)})


def rope(rng: Rng, part: str) -> Thing:
    """A snake or rope on the ground, its head end raised."""
    skin = draw_material(rng, part, 0.85)
    eye = Material(tuple(linear(np.array([0.04, 0.04, 0.05]))), roughness=0.15)
    flat, raised = rng.uniform(0.35, 0.5), rng.uniform(0.35, 0.5)
    girth = rng.uniform(0.04, 0.065)
    waves, swing = rng.uniform(1.0, 1.8), rng.uniform(0.05, 0.1)

    def build(state: State) -> list[Part]:
        s = np.linspace(0, 1, 26)[:-1]
        ground = np.stack(
            [-flat * (1 - s), swing * np.sin(2 * np.pi * waves * (1 - s)) * (1 - s), np.full(25, girth)], -1
        )
        rise = _arc(np.array([0, 0, girth]), 0.2, raised, 1.3, 12)
        free = _arc(rise[-1], 1.5, raised * 0.8, state.get("end", 0.0), 14)
        line = np.concatenate([ground, rise, free[1:]])
        radii = girth * np.interp(np.linspace(0, 1, len(line)), [0, 0.25, 0.9, 1], [0.35, 1, 0.95, 0.85])
        parts = [Part(tube(line, radii, (0, 1, 0.001), 1.0), skin, "body")]
        angle = 1.5 + state.get("end", 0.0)
        placed = translation(*free[-1]) @ rotation((0, 1, 0), -angle)
        parts.append(Part(ball(girth * 1.35, (girth, 0, 0), 0.75).transformed(placed), skin, "head"))
        parts += [
            Part(ball(girth * 0.28, (girth * 1.7, y * girth * 0.85, girth * 0.55)).transformed(placed), eye, "head")
            for y in (-1, 1)
        ]
        return parts

    return Thing("snake", "jointed", build, {"end": 0.0}, {"end": (-1.9, 1.9)})


def robot(rng: Rng, part: str) -> Thing:
    """A figure of boxes with arms that turn at the shoulder and the elbow."""
    shell, joint, face = draw_material(rng, part, 0.5), draw_material(rng, part, 0.1), draw_material(rng, part, 0.5)
    eye = Material((0.75, 0.72, 0.5), roughness=0.1)
    w, h, arm = rng.uniform(0.26, 0.36), rng.uniform(0.28, 0.36), rng.uniform(0.14, 0.2)
    torso = rounded_box((w, 0.2, h), 0.03).transformed(translation(0, 0, h / 2))
    head = rounded_box((0.2, 0.17, 0.16), 0.03).transformed(translation(0, 0, 0.11))
    eyes = tuple((ball(0.026, (s * 0.05, -0.085, 0.13)), eye) for s in (-1, 1))
    feet = tuple(
        (rounded_box((0.1, 0.13, 0.16), 0.025).transformed(translation(s * w * 0.28, 0, -0.06)), joint) for s in (-1, 1)
    )
    bones = [Bone("body", None, (0, 0, 0.14), (0, 0, 1), ((torso, shell), *feet)),
             Bone("head", "body", (0, 0, h), (0, 1, 0), ((head, face), *eyes))]  # fmt: skip
    ranges = {"head": (-0.5, 0.5)}
    for side, s in (("left", -1), ("right", 1)):
        upper = rounded_box((0.075, 0.085, arm), 0.02).transformed(translation(0, 0, -arm / 2))
        lower = rounded_box((0.07, 0.075, arm), 0.02).transformed(translation(0, 0, -arm / 2))
        bones += [
            Bone(f"{side} arm", "body", (s * (w / 2 + 0.055), 0, h * 0.88), (0, 1, 0),
                 ((ball(0.06), joint), (upper, shell)), rotation((0, 1, 0), -s * rng.uniform(0.1, 0.6))),
            Bone(f"{side} forearm", f"{side} arm", (0, 0, -arm - 0.01), (0, 1, 0),
                 ((ball(0.045), joint), (lower, shell), (ball(0.055, (0, 0, -arm - 0.03)), joint))),
        ]  # fmt: skip
        ranges[f"{side} arm"] = (-1.9, 0.0) if s > 0 else (0.0, 1.9)
        ranges[f"{side} forearm"] = (-1.5, 0.2) if s > 0 else (-0.2, 1.5)
    return Thing("robot", "jointed", skeleton(bones), {}, ranges)


JOINTED = {"mannequin": mannequin, "animal": animal, "lamp": lamp, "stalk": stalk, "rope": rope, "robot": robot}


def jointed(rng: Rng, part: str) -> Thing:
    """Any of them."""
    names = split.members("jointed", part, tuple(JOINTED))
    return JOINTED[names[int(rng.integers(len(names)))]](rng, part)
