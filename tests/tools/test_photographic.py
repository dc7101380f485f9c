"""Photographic composites: the truth is the thing's shift, its shadow goes along, and nothing else changes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.scene import load_scene
from core.space.points import parse_points
from tests.tools.pixels import grown, load, shifted, shrunk
from tools.scenes.__main__ import main
from tools.scenes.blend import match_colour
from tools.scenes.compose import Layer, render
from tools.scenes.cutouts import Cutout, CutoutError, rendered, soft_mask
from tools.scenes.photographic import Stock, load_stock, make_picture, make_scene, place, shadow_reach, write_pictures

FILES = ("source.png", "target.png", "object_mask.png", "target_mask.png", "points.json", "meta.json")
COUNT = 8


def disc(side: int, colour: tuple[int, int, int]) -> np.ndarray:
    """An RGBA disc on transparent black, as renderers write it."""
    y, x = np.mgrid[0:side, 0:side] + 0.5 - side / 2
    alpha = np.clip(side / 2 - 2 - np.hypot(x, y), 0, 1)
    solid = (alpha > 0)[..., None] * np.array(colour)
    return np.dstack([solid, alpha * 255]).astype(np.uint8)


@pytest.fixture(scope="module")
def cutouts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rendered things: two for each split, one of which says its pose and its licence."""
    folder = tmp_path_factory.mktemp("cutouts")
    for split in ("train", "validation", "test"):
        (folder / split).mkdir()
        for name, colour in (("ball", (250, 40, 40)), ("puck", (30, 60, 230))):
            Image.fromarray(disc(200, colour)).save(folder / split / f"{split}_{name}.png")
        facts = {"pose": "lying", "source": "a shop", "author": "A. Smith", "licence": "CC0-1.0"}
        (folder / split / f"{split}_puck.json").write_text(json.dumps(facts), "utf-8")
    return folder


@pytest.fixture(scope="module", params=["validation", "test"])
def scenes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, cutouts: Path) -> list[Path]:
    out = tmp_path_factory.mktemp("scenes")
    main([
        "--kind", "photographic", "--split", request.param, "--count", str(COUNT), "--seed", "3", "--out", str(out),
        "--cutouts", str(cutouts),
    ])  # fmt: skip
    folders = sorted(out.iterdir())
    assert len(folders) == COUNT
    return folders


def test_benchmark_reads_them(scenes: list[Path]) -> None:
    for folder in scenes:
        scene = load_scene(folder)
        assert scene.kind == "photo" and scene.size == (256, 256) and len(scene.drags()) == 1


def test_truth_is_the_things_shift_and_nothing_else_changes(scenes: list[Path]) -> None:
    compared = 0
    for folder in scenes:
        source, target = load(folder / "source.png"), load(folder / "target.png")
        before, after = load(folder / "object_mask.png") > 127, load(folder / "target_mask.png") > 127
        meta = json.loads((folder / "meta.json").read_text("utf-8"))
        dx, dy = meta["displacement_px"]
        # Soft borders show what is behind them; the inside is the same to the last bit.
        inside = shrunk(before, 3) & shifted(shrunk(after, 3), -dx, -dy)
        ys, xs = np.nonzero(inside)
        assert np.abs(target[ys + dy, xs + dx] - source[ys, xs]).max(initial=0) <= 1
        compared += inside.any()
        changed = np.abs(source - target).max(-1) > 0
        # A part that something else hides lies outside the visible masks, but can't change what hides it.
        both = before | after | shifted(before, dx, dy) | shifted(after, -dx, -dy)
        reach = meta["shadow_reach_px"]
        assert reach < 0.45 * 256 * 0.3
        assert not (changed & ~grown(both, 3 + reach)).any()
        assert meta["moves_with_shadow"] or reach == 0
    # A slender thing may be all border, most are not.
    assert compared >= 0.7 * COUNT


@pytest.mark.parametrize("split", ["validation", "test"])
def test_the_old_shadow_goes_and_the_new_one_comes(cutouts: Path, split: str) -> None:
    stock = load_stock(split, cutouts=cutouts)
    stock = Stock(split, stock.backdrops, [thing for thing in stock.cutouts if thing.picture is None][:1])
    seen = 0
    for number in range(30):
        scene = make_scene(stock, 3, number)
        reach = 3 + scene.meta["shadow_reach_px"]
        old, new = grown(scene.object_mask, reach), grown(scene.target_mask, reach)
        # Apart from each other, either place is bare in the other picture, and one thing throws no shadow on another.
        if not scene.meta["moves_with_shadow"] or scene.meta["objects"] > 1 or (old & new).any():
            continue
        dx, dy = scene.meta["displacement_px"]
        source, target = scene.source.mean(-1), scene.target.mean(-1)
        around_old, around_new = old & ~grown(scene.object_mask, 3), new & ~grown(scene.target_mask, 3)
        brighter, darker = target - source > 1e-4, source - target > 1e-4
        assert (around_old & brighter).sum() >= 10 and (around_new & darker).sum() >= 10
        assert not (around_old & (source - target > 1e-6)).any() and not (around_new & (target - source > 1e-6)).any()
        # As dark at the one place as at the other, in shares of the light that falls there.
        ys, xs = np.nonzero(around_old & shifted(around_new, -dx, -dy))
        share = source[ys, xs] / np.maximum(target[ys, xs], 0.05)
        other = target[ys + dy, xs + dx] / np.maximum(source[ys + dy, xs + dx], 0.05)
        bright = np.minimum(target[ys, xs], source[ys + dy, xs + dx]) > 0.1
        assert np.abs(share - other)[bright].max(initial=0) < 0.02
        seen += 1
    assert seen >= 2


def test_points_lie_on_the_thing(scenes: list[Path]) -> None:
    for folder in scenes:
        meta = json.loads((folder / "meta.json").read_text("utf-8"))
        (pair,) = parse_points((folder / "points.json").read_text("utf-8")).pairs
        (hx, hy), (gx, gy) = ([value * 256 for value in point] for point in (pair.handle, pair.target))
        assert load(folder / "object_mask.png")[int(hy), int(hx)] == 255
        assert load(folder / "target_mask.png")[int(gy), int(gx)] == 255
        assert (gx - hx, gy - hy) == pytest.approx(meta["displacement_px"])
        assert 24 <= np.hypot(gx - hx, gy - hy) <= 100


def test_meta_names_what_is_in_it(scenes: list[Path]) -> None:
    seen = set()
    for folder in scenes:
        meta = json.loads((folder / "meta.json").read_text("utf-8"))
        assert meta["domain"] == "photographic" and meta["background"].startswith("photo:")
        things = [{"object": meta["object"], "object_credit": meta["object_credit"]}, *meta["others"]]
        assert len(things) == meta["objects"]
        for credit in [meta["background_credit"], *(thing["object_credit"] for thing in things)]:
            assert set(credit) == {"source", "author", "licence"} and all(credit.values())
        # Cut out of the very picture it is set on, it would be seen twice.
        assert meta["object_picture"] != meta["background"].removeprefix("photo:")
        for thing in things:
            if thing["object"].endswith("_puck"):
                assert thing["object_credit"] == {"source": "a shop", "author": "A. Smith", "licence": "CC0-1.0"}
            if thing["object"].endswith("_ball"):
                assert thing["object_credit"]["licence"] == "not stated"
        seen.add(meta["object_class"])
    assert "rendered" in seen and seen <= {"rendered", "cut out"}


def test_seed_decides_everything(tmp_path: Path) -> None:
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        main([
            "--kind", "photographic", "--split", "validation", "--count", "2", "--seed", seed,
            "--out", str(tmp_path / name),
        ])  # fmt: skip
    a, b, c = (sorted((tmp_path / name).iterdir()) for name in "abc")
    for one, other, third in zip(a, b, c, strict=True):
        for file in FILES:
            assert (one / file).read_bytes() == (other / file).read_bytes()
        assert (one / "source.png").read_bytes() != (third / "source.png").read_bytes()


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_scikit_image_is_enough(split: str) -> None:
    stock = load_stock(split)
    scene = make_scene(stock, 0, 0)
    assert scene.object_mask.any() and scene.meta["object_class"] == "cut out"
    assert scene.meta["object_credit"]["source"].startswith("scikit-image")


def test_larger_scenes_have_longer_drags() -> None:
    scene = make_scene(load_stock("validation"), 0, 1, 512)
    assert scene.source.shape == (512, 512, 3) and 48 <= scene.meta["length_px"] <= 200


def test_pictures_go_on_where_they_stopped(tmp_path: Path) -> None:
    stock = load_stock("train")
    assert write_pictures(stock, 3, 0, tmp_path) == 3
    paths = sorted(tmp_path.rglob("*.*"))
    assert [str(path.relative_to(tmp_path)) for path in paths] == [
        f"{kind}/{number:06d}.png" for kind in ("bare", "picture", "whose") for number in range(3)
    ]
    kept = {path: path.read_bytes() for path in paths}
    (tmp_path / "bare" / "000001.png").unlink()
    assert write_pictures(stock, 4, 0, tmp_path) == 2
    assert all(path.read_bytes() == data for path, data in kept.items())
    for number in range(4):
        picture, bare, whose = make_picture(stock, 0, number)
        assert (load(tmp_path / "picture" / f"{number:06d}.png") == picture).all()
        assert 0.005 < (picture != bare).any(-1).mean() < 0.8
        # A thing's own colours may come near the ground's here and there; the ground alone is the ground's own.
        assert whose.any() and (picture != bare).any(-1)[whose > 0].mean() > 0.9
        things = np.asarray(Image.open(tmp_path / "whose" / f"{number:06d}.png"))
        assert np.array_equal(things, whose) and whose.max() <= 3


@pytest.mark.parametrize("seed", range(4))
def test_transparent_black_leaves_no_dark_rim(tmp_path: Path, seed: int) -> None:
    (tmp_path / "test").mkdir()
    Image.fromarray(disc(200, (255, 255, 255))).save(tmp_path / "test" / "ball.png")
    (ball,) = rendered(tmp_path, "test")
    background = np.ones((256, 256, 3), np.float32)
    layer = place(np.random.default_rng(seed), Cutout("ball", None, "free", ball.rgba, {}), background, grey=False)
    assert layer is not None and layer.shadow is None
    assert render(background, [layer]).min() > 0.9


def test_soft_mask_stays_inside_the_outline() -> None:
    square = np.array([(20, 20), (60, 20), (60, 60), (20, 60)], float)
    alpha = soft_mask(square, (80, 80))
    assert alpha[30:50, 30:50].min() == 255
    outside = np.ones((80, 80), bool)
    outside[19:61, 19:61] = False
    assert alpha[outside].max() == 0
    assert (alpha / 255).sum() <= 40 * 40


def test_colour_goes_a_part_of_the_way() -> None:
    rng = np.random.default_rng(0)
    thing = np.dstack([np.full((8, 8, 3), (0.8, 0.4, 0.4)), np.ones((8, 8))]).astype(np.float32)
    dark = np.full((16, 16, 3), (0.05, 0.05, 0.2), np.float32)
    matched = match_colour(rng, thing, dark)[0, 0, :3]
    assert (matched < thing[0, 0, :3] + 1e-6).all() and matched.mean() > dark.mean()
    assert matched[2] / matched[0] > 0.4 / 0.8
    grey = match_colour(rng, thing, np.full((16, 16, 3), 0.5, np.float32), grey=True)[..., :3]
    assert np.ptp(grey, axis=-1).max() < 1e-6


def test_reach_is_the_least_that_holds_the_shadow() -> None:
    rgba = np.ones((10, 10, 4), np.float32)
    shadow = np.zeros((30, 30), np.float32)
    assert shadow_reach(Layer(rgba, 0, 0, "")) == 0
    shadow[12:18, 24] = 0.5  # five px to the right of the square that lies at 10..19
    assert shadow_reach(Layer(rgba, 0, 0, "", shadow, (-10, -10))) == 5


@pytest.mark.parametrize(
    ("facts", "image", "message"),
    [
        ({"pose": "asleep"}, Image.fromarray(disc(64, (9, 9, 9))), "asleep"),
        ({}, Image.new("RGB", (64, 64)), "no alpha channel"),
        ({}, Image.new("RGBA", (64, 64)), "nothing in it is opaque"),
    ],
)
def test_bad_cutouts_are_named(tmp_path: Path, facts: dict, image: Image.Image, message: str) -> None:
    (tmp_path / "test").mkdir()
    image.save(tmp_path / "test" / "thing.png")
    (tmp_path / "test" / "thing.json").write_text(json.dumps(facts), "utf-8")
    with pytest.raises(CutoutError, match=message):
        rendered(tmp_path, "test")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--split", "test", "--photos", "x"], "--photos"),
        (["--split", "train"], "--split train"),
        (["--kind", "photographic", "--split", "test", "--sprites", "x"], "--sprites"),
        (["--kind", "photographic", "--split", "test", "--cutouts", "nowhere"], "nowhere"),
    ],
)
def test_wrong_calls_say_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as stop:
        main([*arguments, "--out", str(tmp_path)])
    assert stop.value.code not in (0, None)
    assert message in capsys.readouterr().err + str(stop.value.code)
