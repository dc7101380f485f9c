"""What worlds compute without rendering: cameras, meshes, figures, where surface points go, and masks of light."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from tools.worlds import split, truth
from tools.worlds.camera import Camera
from tools.worlds.grounds import GROUNDS
from tools.worlds.jointed import JOINTED, Bone, _arc, bone_matrices
from tools.worlds.material import PATTERNS
from tools.worlds.mesh import rotation, scaling, translation
from tools.worlds.obj import read_mtl, read_obj
from tools.worlds.opening import OPENING
from tools.worlds.renderer import Hits
from tools.worlds.shapes import ball, lathe, rounded_box
from tools.worlds.solids import OUTLINES, PROFILES
from tools.worlds.thing import Pose
from tools.worlds.truth import Corners

# Looks along +y from 4 metres off; a right angle over 100 pixels makes a focal length of 50.
CAMERA = Camera(np.array([0.0, -4.0, 0.0]), np.zeros(3), 90.0, 100)


@pytest.mark.parametrize(
    ("point", "pixel", "depth"),
    [((0, 0, 0), (50, 50), 4), ((1, 0, 0), (62.5, 50), 4), ((0, 0, 1), (50, 37.5), 4), ((1, -2, -1), (75, 75), 2)],
)
def test_camera_projects_as_a_pinhole(point, pixel, depth) -> None:
    pixels, away = CAMERA.project(np.array(point, float))
    assert np.allclose(pixels, pixel) and np.isclose(away, depth)


def test_rays_go_back_through_their_pixels() -> None:
    camera = Camera(np.array([0.5, -3.0, 1.2]), np.array([0.1, 0.2, 0.3]), 33.0, 64)
    pixels = np.random.default_rng(0).uniform(0, 64, (50, 2))
    rays = camera.rays(pixels)
    assert np.allclose(np.linalg.norm(rays, axis=-1), 1)
    back, depth = camera.project(camera.origin + rays * 2.5)
    assert np.allclose(back, pixels) and (depth > 0).all()
    grid = camera.pixel_grid(4)
    assert grid.shape == (256, 256, 2) and np.allclose(grid[0, 1], (0.375, 0.125))


def test_normals_follow_a_stretch() -> None:
    """Of a sphere stretched to an ellipsoid they are the gradient's, and not the stretched normals."""
    mesh = ball(1.0).transformed(rotation((0, 0, 1), 0.7) @ scaling(1, 1, 3))
    gradient = mesh.vertices / np.array([1, 1, 9])
    gradient /= np.linalg.norm(gradient, axis=1, keepdims=True)
    assert np.abs((gradient * mesh.normals).sum(axis=1) - 1).max() < 0.02


@pytest.mark.parametrize(
    "mesh", [ball(0.3), rounded_box((1, 0.6, 0.4), 0.05), lathe(np.array([(0, 0), (0.2, 0), (0.2, 0.5), (0, 0.5)]))]
)
def test_solids_look_outwards(mesh) -> None:
    """Their volume by the divergence theorem is positive, and normals agree with the winding."""
    a, b, c = (mesh.vertices[mesh.faces[:, corner]].astype(float) for corner in range(3))
    flat = np.cross(b - a, c - a)
    assert np.einsum("nd,nd->", a, np.cross(b, c)) / 6 > 0.05
    assert (np.einsum("nd,nd->n", flat, mesh.normals[mesh.faces[:, 0]]) > 0).mean() > 0.95


OBJ = """
v 0 0 0
v 1 0 0
v 1 1 0
v 0 1 0
v 5 5 5
vt 0 0
vt 1 0
vt 1 1
vt 0 1
vn 0 0 -1
usemtl wood
f 1/1/1 2/2/1 3/3/1 4/4/1
usemtl paint
f -5 -4 -3
usemtl nothing
f 1 1 2
"""


def test_obj_is_read() -> None:
    (name, quad), (other, triangle) = read_obj(OBJ)
    assert (name, other) == ("wood", "paint"), "the material without any area is left out"
    assert quad.faces.shape == (2, 3) and triangle.faces.shape == (1, 3)
    a, b, c = (quad.vertices[quad.faces[:, corner]] for corner in range(3))
    assert np.allclose(np.cross(b - a, c - a), (0, 0, 1)), "two halves of the square, wound as the file has it"
    assert np.allclose(quad.vertices[:, :2], quad.uv), "each vertex keeps its own texture coordinate"
    assert np.allclose(quad.normals, (0, 0, 1)), "a normal against the winding is turned"
    assert np.allclose(triangle.normals, (0, 0, 1)), "a missing normal is made"
    assert {tuple(row) for row in triangle.vertices.tolist()} == {(0, 0, 0), (1, 0, 0), (1, 1, 0)}, (
        "counted from the end"
    )


def test_obj_made_normals_are_smooth_but_keep_creases() -> None:
    # Two squares that share an edge: by 20 degrees they are one surface, at a right angle they are not.
    for angle, smooth in ((20.0, True), (90.0, False)):
        c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        text = f"v -1 0 0\nv 0 0 0\nv 0 1 0\nv -1 1 0\nv {c} 0 {s}\nv {c} 1 {s}\nf 1 2 3 4\nf 2 5 6 3\n"
        ((_, mesh),) = read_obj(text)
        at_edge = mesh.normals[np.abs(mesh.vertices[:, :2]).max(axis=1) < 1e-6]
        assert bool(np.ptp(at_edge, axis=0).max() < 1e-4) == smooth


@pytest.mark.parametrize("text", ["v 0 0 0\nf 1 2 3\n", "v 0 0 0\n", "v 0 0 0\nv 1 0 0\nf 1 2 -9\n"])
def test_broken_obj_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="isn't there|no faces"):
        read_obj(text)


def test_mtl_is_read() -> None:
    looks = read_mtl(
        "newmtl a b\nKd 0.1 0.2 0.3\nTr 0.75\nnewmtl c\nKs 1 1 1\nNs 50\nmap_Kd -s 1 1 1 wood.jpg\nd 0.5\n"
    )
    assert looks["a b"].diffuse == (0.1, 0.2, 0.3) and looks["a b"].opacity == 0.25
    assert looks["c"].texture == "wood.jpg" and looks["c"].shininess == 50 and looks["c"].opacity == 0.5


@pytest.mark.parametrize(
    ("topic", "names"),
    [
        ("material", tuple(PATTERNS)), ("ground", tuple(GROUNDS)), ("shape", tuple(PROFILES)),
        ("shape", OUTLINES), ("jointed", tuple(JOINTED)),
    ],
)  # fmt: skip
def test_splits_hold_back_what_they_record(topic: str, names: tuple[str, ...]) -> None:
    held = {part: set(held) & set(names) for part, held in split.record()[topic].items()}
    assert held["validation"] and held["test"] and not held["validation"] & held["test"]
    of = {part: set(split.members(topic, part, names)) for part in split.SPLITS}
    assert not of["train"] & (held["validation"] | held["test"])
    assert held["validation"] <= of["validation"] and not of["validation"] & held["test"]
    assert held["test"] <= of["test"] and not of["test"] & held["validation"]


def test_names_on_record_exist() -> None:
    shapes = set(PROFILES) | set(OUTLINES)
    known = {"material": set(PATTERNS), "ground": set(GROUNDS), "shape": shapes, "jointed": set(JOINTED)}
    for topic, parts in split.record().items():
        for names in parts.values():
            assert set(names) <= known[topic]


def test_models_of_one_name_share_a_split() -> None:
    assert split.split_of("chair1") == split.split_of("chair2") == split.split_of("Chair")
    counts = [sum(split.split_of(f"thing {chr(97 + a)}{chr(97 + b)}") == part for a in range(26) for b in range(26))
              for part in split.SPLITS]  # fmt: skip
    assert counts[0] > 450 and min(counts[1:]) > 45


def test_seeds_of_splits_never_meet() -> None:
    drawn = {split.generator(part, seed).integers(1 << 62) for part in split.SPLITS for seed in range(40)}
    assert len(drawn) == 120
    with pytest.raises(ValueError, match="must be one of train"):
        split.generator("all", 0)


def test_bones_turn_as_a_plane_arm() -> None:
    """Two links of lengths 2 and 1 that turn about y: the closed form of a planar arm."""
    bones = [
        Bone("upper", None, (0, 0, 0), (0, 1, 0), ()), Bone("lower", "upper", (0, 0, -2), (0, 1, 0), ()),
        Bone("hand", "lower", (0, 0, -1), (0, 1, 0), ()),
    ]  # fmt: skip
    a, b = 0.4, -1.1
    hand = bone_matrices(bones, {"upper": a, "lower": b})["hand"][:3, 3]
    assert np.allclose(hand, (-2 * np.sin(a) - np.sin(a + b), 0, -2 * np.cos(a) - np.cos(a + b)))


@pytest.mark.parametrize("name", ["mannequin", "lamp", "robot"])
def test_figures_bones_keep_their_lengths(name: str) -> None:
    thing = JOINTED[name](
        np.random.default_rng(3), "train" if name == "mannequin" else {"lamp": "validation"}.get(name, "test")
    )
    state = {key: low + 0.8 * (high - low) for key, (low, high) in thing.ranges.items()}
    moved = 0
    for rest, bent in zip(thing.build({}), thing.build(state), strict=True):
        assert np.array_equal(rest.mesh.faces, bent.mesh.faces)
        first, second = (part.mesh.vertices[::7].astype(float) for part in (rest, bent))
        lengths = [np.linalg.norm(points[:, None] - points[None], axis=-1) for points in (first, second)]
        assert np.abs(lengths[0] - lengths[1]).max() < 1e-4, rest.name
        moved += np.abs(first - second).max() > 0.02
    assert moved >= 2


@pytest.mark.parametrize("bend", [-1.5, 0.0, 1.9])
def test_curves_keep_their_length(bend: float) -> None:
    line = _arc(np.array([1.0, 0, 2.0]), 0.3, 0.7, bend, 40)
    assert np.isclose(np.linalg.norm(np.diff(line, axis=0), axis=1).sum(), 0.7)
    chord = 0.7 if bend == 0 else 2 * 0.7 / abs(bend) * np.sin(abs(bend) / 2)
    assert np.isclose(np.linalg.norm(line[-1] - line[0]), chord, rtol=1e-3)


@pytest.mark.parametrize("make", {*JOINTED.values(), *OPENING})
def test_topology_never_changes(make) -> None:
    """A triangle and its weights are the same surface point in every state: flow rests on it."""
    thing = make(np.random.default_rng(1), "train")
    ends = [{key: pair[side] for key, pair in thing.ranges.items()} for side in (0, 1)]
    first, second = (thing.build({**thing.rest, **state}) for state in ends)
    assert [part.name for part in first] == [part.name for part in second]
    assert all(np.array_equal(a.mesh.faces, b.mesh.faces) for a, b in zip(first, second, strict=True))
    assert any(np.abs(a.mesh.vertices - b.mesh.vertices).max() > 0.05 for a, b in zip(first, second, strict=True))


def test_pose_stands_where_it_says() -> None:
    matrix = Pose(place=(1.0, 2.0), height=0.5, turn=np.pi / 2, stretch=(2.0, 1.0, 1.0)).matrix()
    # The thing's own x, stretched, turned to y.
    assert np.allclose(matrix @ (1, 0, 0, 1), (1, 4, 0.5, 1)) and np.allclose(matrix @ (0, 0, 1, 1), (1, 2, 1.5, 1))


def hits(body: list[int], weights: np.ndarray) -> Hits:
    numbers = np.array(body, np.int32)
    zero = np.zeros(len(numbers), np.int32)
    return Hits(numbers, zero, zero, weights, np.ones(len(numbers)))


TRIANGLE = np.array([[[-1.0, 0, -1], [1, 0, -1], [0, 0, 1]]])
WEIGHTS = np.array([[0.2, 0.3, 0.5], [1, 0, 0], [0.1, 0.1, 0.8], [1, 0, 0]])


def test_way_of_a_translated_body() -> None:
    """Across the picture a shift t at depth d is focal * t / d pixels; away from it, a scaling about the middle."""
    seen = hits([0, 0, 0, -1], WEIGHTS)
    start = CAMERA.project(WEIGHTS[:3] @ TRIANGLE[0])[0]
    across = Corners({0: [TRIANGLE]}, {0: [TRIANGLE + (0.4, 0, -0.8)]})
    there, points = truth.way(seen, across, CAMERA)
    assert np.allclose(there[:3] - start, (5, 10)) and np.isnan(there[3]).all() and np.isnan(points[3]).all()
    assert np.allclose(points[0], WEIGHTS[0] @ TRIANGLE[0] + (0.4, 0, -0.8))
    away = Corners({0: [TRIANGLE]}, {0: [TRIANGLE + (0, 4, 0)]})
    there, _ = truth.way(seen, away, CAMERA)
    assert np.allclose(there[:3] - 50, (start - 50) / 2)
    # Seen afterwards and asked where it comes from, it goes back.
    there, _ = truth.way(seen, away, CAMERA, backwards=True)
    assert np.allclose(there[:3], start)


def test_way_of_a_rotated_body() -> None:
    """About the camera's own axis a turn in space is the same turn in the picture."""
    angle = 0.6
    turned = TRIANGLE @ rotation((0, 1, 0), angle)[:3, :3].T
    there, _ = truth.way(hits([0, 0, 0, -1], WEIGHTS), Corners({0: [TRIANGLE]}, {0: [turned]}), CAMERA)
    start = CAMERA.project(WEIGHTS[:3] @ TRIANGLE[0])[0] - 50
    # y of the picture points down: a right-handed turn about +y, away from the camera, runs with the clock's hands.
    c, s = np.cos(angle), np.sin(angle)
    assert np.allclose(there[:3] - 50, start @ np.array([[c, -s], [s, c]]).T, atol=1e-9)


def test_what_goes_behind_the_camera_has_no_place() -> None:
    behind = Corners({0: [TRIANGLE]}, {0: [TRIANGLE - (0, 6, 0)]})
    assert np.isnan(truth.way(hits([0], WEIGHTS[:1]), behind, CAMERA)[0]).all()


def test_coverage_is_a_share() -> None:
    inside = np.zeros((8, 8), bool)
    inside[:4, :2] = inside[4:, 4:] = True
    assert truth.coverage(inside, 4).tolist() == [[128, 0], [0, 255]]


@pytest.fixture
def shadows() -> dict[str, np.ndarray]:
    """A thing goes from left to right over a ground with grain; its shadow lies below it."""
    rng = np.random.default_rng(0)
    source = np.full((96, 96, 3), 140.0)
    target = source.copy()
    moved, after = np.zeros((96, 96), np.uint8), np.zeros((96, 96), np.uint8)
    moved[20:50, 15:35] = after[20:50, 60:80] = 255
    source[moved > 0] = target[after > 0] = (200, 40, 40)
    source[54:70, 15:35] -= 50
    target[54:70, 60:80] -= 50
    # Grain of the two renders, and a speck that is nothing.
    source += rng.choice((-5, 5), source.shape)
    target += rng.choice((-5, 5), source.shape)
    target[5:7, 5:7] += 25
    source, target = (np.clip(image, 0, 255).astype(np.uint8) for image in (source, target))
    return {"source": source, "target": target, "moved": moved, "moved_after": after}


def test_light_masks_tell_the_shadow_that_goes_from_the_one_that_comes(shadows) -> None:
    masks = truth.light_masks(**shadows)
    old, new = np.zeros((96, 96), bool), np.zeros((96, 96), bool)
    old[54:70, 15:35] = new[54:70, 60:80] = True
    for name, true in (("old_shadow", old), ("new_shadow", new)):
        got = masks[name]
        assert (got & true).sum() / (got | true).sum() > 0.6, name
        assert got[true].all() and not (got & ~ndimage.binary_dilation(true, iterations=4)).any(), name
    brightness = shadows["target"].astype(float).mean(-1) - shadows["source"].astype(float).mean(-1)
    assert brightness[masks["old_shadow"]].mean() > 30 and brightness[masks["new_shadow"]].mean() < -30
    footprint = (shadows["moved"] > 0) | (shadows["moved_after"] > 0)
    assert not (masks["light"] & footprint).any()
    assert (masks["old_shadow"] | masks["new_shadow"]).sum() >= 0.9 * masks["light"].sum()
    assert np.array_equal(masks["revealed"], shadows["moved"] > 0)


def test_changed_holds_no_grain_and_no_specks(shadows) -> None:
    changed = truth.light_masks(**shadows)["changed"]
    assert changed[22:48, 17:33].mean() > 0.99 and changed[22:48, 62:78].mean() > 0.99
    assert not changed[:14].any() and not changed[80:].any(), "grain and a speck count as change"


def test_inner_keeps_what_little_there_is() -> None:
    wide, thin = np.zeros((40, 40), bool), np.zeros((40, 40), bool)
    wide[5:35, 5:35] = thin[20, 5:35] = True
    core = truth.inner(wide)
    assert core[11:29, 11:29].all() and core.sum() == 18 * 18
    assert np.array_equal(truth.inner(thin), thin)


def test_matrices() -> None:
    assert np.allclose((translation(1, 2, 3) @ rotation((0, 0, 1), np.pi / 2)) @ (1, 0, 0, 1), (1, 3, 3, 1))
