"""Things that open and show what was hidden."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .jointed import Bone, skeleton
from .material import Material, draw_material, linear, paint
from .mesh import Mesh, merged, rotation, translation
from .shapes import AROUND, ball, lathe, rounded_box, sheet
from .thing import Thing

Rng = np.random.Generator
THICK = 0.022


def _board(size: tuple[float, float, float], centre: tuple[float, float, float], bevel: float = 0.006) -> Mesh:
    return rounded_box(size, bevel).transformed(translation(*centre))


def _tray(width: float, depth: float, height: float) -> Mesh:
    """A box without a top, its bottom at z = 0 and centred."""
    return merged([
        _board((width, depth, THICK), (0, 0, THICK / 2)),
        *(_board((width, THICK, height), (0, s * (depth - THICK) / 2, height / 2)) for s in (-1, 1)),
        *(_board((THICK, depth - 2 * THICK, height), (s * (width - THICK) / 2, 0, height / 2)) for s in (-1, 1)),
    ])  # fmt: skip


def _inside(rng: Rng) -> Material:
    """A lining: plain, rough, of its own colour."""
    return Material(tuple(linear(paint(rng))), roughness=0.9, specular=0.1)


def _contents(
    rng: Rng, part: str, width: float, depth: float, floor: float, room: float
) -> list[tuple[Mesh, Material]]:
    """Balls and blocks lying in a box."""
    out = []
    for _ in range(int(rng.integers(2, 6))):
        size = rng.uniform(0.3, 0.5) * min(width, depth, 2 * room)
        x, y = (rng.uniform(-0.5, 0.5) * (side - size - 0.06) for side in (width, depth))
        if rng.random() < 0.5:
            mesh = ball(size / 2, (x, y, floor + size / 2))
        else:
            mesh = rounded_box((size, size, size), 0.02).transformed(
                translation(x, y, floor + size / 2) @ rotation((0, 0, 1), rng.uniform(0, 1.5))
            )
        out.append((mesh, draw_material(rng, part, 0.4)))
    return out


def lidded_box(rng: Rng, part: str) -> Thing:
    """A box or chest with a lid hinged at the back."""
    width, depth, height = rng.uniform(0.42, 0.62), rng.uniform(0.3, 0.42), rng.uniform(0.2, 0.34)
    outside = draw_material(rng, part, 0.75)
    lining = _inside(rng)
    body = _tray(width, depth, height)
    floor = _board((width - 2.2 * THICK, depth - 2.2 * THICK, 0.004), (0, 0, THICK + 0.004), 0.0)
    domed = rng.random() < 0.4
    if domed:
        angle = np.linspace(0, np.pi, AROUND + 1)
        reach = depth / 2
        ends = np.array([-width / 2, width / 2])
        profile = np.stack([reach + reach * np.cos(angle), 0.55 * reach * np.sin(angle)], -1)[::-1]
        points = np.stack([np.stack([np.full(len(angle), x), -profile[:, 0], profile[:, 1]], -1) for x in ends])
        caps = []
        for x, order in ((ends[0], 1), (ends[1], -1)):
            middle = np.tile([x, -reach, 0.0], (len(angle), 1))
            edge = np.stack([np.full(len(angle), x), -profile[:, 0], profile[:, 1]], -1)
            caps.append(sheet(np.stack([middle, edge])[::order]))
        lid = merged(
            [
                sheet(points[:, ::-1] if _inward(points) else points),
                *caps,
                _board((width, depth, 0.012), (0, -reach, 0.006)),
            ]
        )
    else:
        lid = merged([_board((width + 0.01, depth + 0.01, 0.05), (0, -depth / 2, 0.025), 0.012)])
    knob = ball(0.02, (0, -depth - 0.008, 0.02))
    metal = Material((0.7, 0.55, 0.25), roughness=0.25, metallic=1.0, kind="metal")
    contents = _contents(rng, part, width, depth, THICK, height * 0.7)
    bones = [
        Bone("body", None, (0, 0, 0), (0, 0, 1), ((body, outside), (floor, lining), *contents)),
        Bone("open", "body", (0, depth / 2, height + 0.002), (1, 0, 0), ((lid, outside), (knob, metal))),
    ]
    return Thing("chest" if domed else "box", "opening", skeleton(bones), {"open": 0.0}, {"open": (-1.9, 0.0)})


def _inward(points: np.ndarray) -> bool:
    mesh = sheet(points)
    return bool((mesh.normals[:, 2]).mean() < 0)


def _slid(bones: list[Bone], drawer: str):
    """As :func:`skeleton`, but ``drawer`` slides along -y by its value in metres instead of turning."""

    def build(state):
        moved = [replace(bone, joint=(bone.joint[0], bone.joint[1] - state.get(drawer, 0.0), bone.joint[2]))
                 if bone.name == drawer else bone for bone in bones]  # fmt: skip
        return skeleton(moved, grounded=False)({key: value for key, value in state.items() if key != drawer})

    return build


def drawers(rng: Rng, part: str) -> Thing:
    """A chest of one to three drawers, one of which comes out."""
    width, depth = rng.uniform(0.42, 0.6), rng.uniform(0.32, 0.42)
    count = int(rng.integers(1, 4))
    each = rng.uniform(0.17, 0.22)
    height = count * each + (count + 1) * THICK
    outside, front = draw_material(rng, part, 0.7), draw_material(rng, part, 0.5)
    metal = Material((0.6, 0.6, 0.62), roughness=0.25, metallic=1.0, kind="metal")
    lining = _inside(rng)
    shell = [_board((THICK, depth, height), (s * (width - THICK) / 2, 0, height / 2)) for s in (-1, 1)]
    shell.append(_board((width, THICK, height), (0, (depth - THICK) / 2, height / 2)))
    shell += [_board((width - THICK, depth, THICK), (0, 0, at * (each + THICK) + THICK / 2)) for at in range(count + 1)]
    bones = [Bone("body", None, (0, 0, 0), (0, 0, 1), ((merged(shell), outside),))]
    chosen = count - 1 if rng.random() < 0.7 else int(rng.integers(count))
    for at in range(count):
        inner = width - 2 * THICK - 0.012
        box = _tray(inner, depth - 2 * THICK, each * 0.8)
        face = _board((inner, THICK, each - 0.012), (0, -(depth - THICK) / 2 + 0.002, each / 2))
        pull = ball(0.022, (0, -depth / 2 - 0.012, each / 2))
        shapes = [(box, lining), (face, front), (pull, metal)]
        if at == chosen:
            shapes += _contents(rng, part, inner, depth - 3 * THICK, THICK, each * 0.55)
        name, z = "open" if at == chosen else f"drawer {at}", THICK + at * (each + THICK) + 0.003
        bones.append(Bone(name, "body", (0, 0, z), (0, 0, 1), tuple(shapes)))
    return Thing("chest of drawers", "opening", _slid(bones, "open"), {"open": 0.0}, {"open": (0.0, 0.75 * depth)})


def cupboard(rng: Rng, part: str) -> Thing:
    """A cupboard or fridge with a door and shelves behind it."""
    width, depth, height = rng.uniform(0.36, 0.5), rng.uniform(0.26, 0.36), rng.uniform(0.5, 0.75)
    outside, door = draw_material(rng, part, 0.6), draw_material(rng, part, 0.6)
    lining = _inside(rng)
    metal = Material((0.6, 0.6, 0.62), roughness=0.25, metallic=1.0, kind="metal")
    walls = merged([
        *(_board((THICK, depth, height), (s * (width - THICK) / 2, 0, height / 2)) for s in (-1, 1)),
        *(_board((width, depth, THICK), (0, 0, z)) for z in (THICK / 2, height - THICK / 2)),
        _board((width, THICK, height), (0, (depth - THICK) / 2, height / 2)),
    ])  # fmt: skip
    back = _board((width - 2 * THICK, 0.004, height - 2 * THICK), (0, depth / 2 - THICK - 0.003, height / 2), 0.0)
    shelves = int(rng.integers(1, 3))
    boards = merged([_board((width - 2 * THICK, depth - 0.05, 0.012), (0, 0.0, (at + 1) * height / (shelves + 1)))
                     for at in range(shelves)])  # fmt: skip
    things = []
    for at in range(shelves + 1):
        floor = THICK if at == 0 else at * height / (shelves + 1) + 0.006
        things += _contents(rng, part, width - 2 * THICK, depth - 0.08, floor, 0.35 * height / (shelves + 1))
    leaf = _board((width - 0.01, THICK, height - 0.01), (width / 2, 0, 0))
    grip = rounded_box((0.016, 0.03, 0.12), 0.006).transformed(translation(width - 0.05, -THICK - 0.006, 0.0))
    left = rng.random() < 0.5
    mirror = np.diag([-1.0, 1, 1, 1])
    leaf, grip = (mesh if left else _mirrored(mesh, mirror) for mesh in (leaf, grip))
    hinge = (-width / 2 + 0.005 if left else width / 2 - 0.005, -depth / 2 - THICK / 2 - 0.002, height / 2)
    bones = [Bone("body", None, (0, 0, 0), (0, 0, 1), ((walls, outside), (back, lining), (boards, outside), *things)),
             Bone("open", "body", hinge, (0, 0, 1), ((leaf, door), (grip, metal)))]  # fmt: skip
    return Thing("cupboard", "opening", skeleton(bones), {"open": 0.0}, {"open": (-1.9, 0.0) if left else (0.0, 1.9)})


def _mirrored(mesh: Mesh, mirror: np.ndarray) -> Mesh:
    return replace(mesh.transformed(mirror), faces=mesh.faces[:, ::-1].copy())


def head(rng: Rng, part: str) -> Thing:
    """A simple head whose lower jaw opens on teeth, a tongue and a dark throat."""
    skin, throat = draw_material(rng, part, 0.3), Material((0.12, 0.015, 0.02), roughness=0.6)
    gum, tooth = Material((0.5, 0.12, 0.12), roughness=0.35), Material((0.78, 0.75, 0.66), roughness=0.2)
    white, pupil = Material((0.8, 0.8, 0.8), roughness=0.1), Material((0.02, 0.02, 0.03), roughness=0.05)
    radius = rng.uniform(0.26, 0.32)
    split_at = -0.18 * radius
    top = np.linspace(np.arcsin(split_at / radius), np.pi / 2, 20)
    low = np.linspace(-np.pi / 2, np.arcsin(split_at / radius), 14)

    def shell(angles: np.ndarray) -> Mesh:
        return lathe(np.stack([radius * np.cos(angles).clip(0), radius * np.sin(angles)], -1))

    def disc(z: float, r: float, up: bool) -> Mesh:
        flat = np.array([(0, z), (r, z)]) if not up else np.array([(r, z), (0, z)])
        return lathe(flat)

    rim = float(np.sqrt(radius**2 - split_at**2))
    upper = [(shell(top), skin), (disc(split_at, rim, False), throat)]
    for s in (-1, 1):
        out = np.array([s * 0.4, -0.82, 0.42])
        centre = radius * out / np.linalg.norm(out)
        upper.append((ball(radius * 0.2, tuple(centre)), white))
        upper.append((ball(radius * 0.1, tuple(centre * 1.14 + np.array([0, -radius * 0.04, 0]))), pupil))
    upper.append((ball(radius * 0.13, (0, -radius * 1.02, radius * 0.12)), draw_material(rng, part, 0.0)))
    lower = [
        (shell(low), skin),
        (disc(split_at, rim, True), throat),
        (ball(radius * 0.36, (0, -radius * 0.45, split_at), 0.28), gum),
    ]
    count = int(rng.integers(5, 9))
    for at in range(count):
        angle = -np.pi / 2 + (at - (count - 1) / 2) * 1.7 / count
        spot = np.array([np.cos(angle), np.sin(angle), 0]) * rim * 0.88
        size = rim * 1.2 / count
        stands = translation(spot[0], spot[1], split_at - size * 0.3) @ rotation((0, 0, 1), angle + np.pi / 2)
        upper.append((rounded_box((size, size * 0.6, size), size * 0.2).transformed(stands), tooth))
    back = (0.0, radius * 0.55, split_at)

    def hung(shapes):
        return tuple(
            (mesh.transformed(translation(-back[0], -back[1], -back[2])), material) for mesh, material in shapes
        )

    profile = radius * np.array([(0, -1.25), (0.55, -1.25), (0.55, -1.25), (0.42, -0.4)])
    neck = lathe(profile).transformed(translation(0, 0.28 * radius, 0))
    bones = [
        Bone("skull", None, (0, 0, 1.25 * radius), (0, 0, 1), (*upper, (neck, skin))),
        Bone("open", "skull", back, (1, 0, 0), hung(lower)),
    ]
    return Thing("head", "opening", skeleton(bones, grounded=False), {"open": 0.0}, {"open": (0.0, 0.6)})


OPENING = (lidded_box, lidded_box, drawers, cupboard, head)


def opening(rng: Rng, part: str) -> Thing:
    """Any of them."""
    return OPENING[int(rng.integers(len(OPENING)))](rng, part)
