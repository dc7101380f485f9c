"""What evaluate measures, on a model that is known: painting, places, intervals, the card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from benchmarks.scene import AREAS
from tests.benchmarks import made
from tools.demo_model import card, evaluate
from tools.demo_model.load import NarrowModel
from tools.demo_model.measure import fidelity, figures, holes, painting, report, sheet
from tools.demo_model.schedule import alphas_cumprod

VALUE = 0.3


class Output(NamedTuple):
    sample: Tensor


class Flat(nn.Module):
    """The exact denoiser of a world in which every picture is one grey: what it paints is known."""

    def forward(self, x: Tensor, timestep: Tensor, encoder_hidden_states: None = None) -> Output:
        alpha = alphas_cumprod()[timestep][:, None, None, None]
        return Output((x - alpha.sqrt() * VALUE) / (1 - alpha).sqrt())


class Coarse(nn.Module):
    """Latents are mean colours of cells, and a fourth plane of nothing."""

    def encode(self, image: Tensor) -> Tensor:
        mean = nn.functional.avg_pool2d(image, 8)
        return torch.cat([mean, mean[:, :1] * 0 + VALUE], 1)

    def decode(self, latent: Tensor) -> Tensor:
        return nn.functional.interpolate(latent[:, :3], scale_factor=8.0).clamp(0, 1)


@pytest.fixture
def model() -> NarrowModel:
    return NarrowModel(Flat(), Coarse(), alphas_cumprod())


def test_noise_becomes_what_the_model_knows(model: NarrowModel) -> None:
    noise = painting.noises(3, torch.Size((1, 4, 4, 4)))
    assert not torch.equal(noise[0], noise[1])
    assert torch.equal(noise[1:], painting.noises(2, torch.Size((1, 4, 4, 4)), seed=1))
    drawn = painting.sampled(model, torch.zeros(1, 4, 4, 4), noise, 5)
    torch.testing.assert_close(drawn, torch.full_like(drawn, VALUE), atol=1e-3, rtol=0)
    assert painting.descending(5) == [999, 799, 599, 399, 199]
    assert painting.descending(5, 0.4) == [399, 199] and painting.descending(5, 0.01) == [199]


def test_what_is_not_free_stays_and_the_hole_is_painted(model: NarrowModel) -> None:
    picture = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    hole = torch.zeros(32, 32, dtype=torch.bool)
    hole[9:15, 17:23] = True
    assert painting.cells_of(hole).nonzero()[:, 2:].tolist() == [[1, 2]]
    for strength in (1.0, 0.5):
        shown = painting.painted(model, picture, hole, 6, strength, 2)
        assert shown.shape == (2, 3, 32, 32)
        assert torch.equal(shown[:, :, ~hole], picture[:, :, ~hole].expand(2, -1, -1))
        torch.testing.assert_close(shown[:, :, hole], torch.full((2, 3, 36), VALUE), atol=1e-3, rtol=0)


def test_the_start_shines_through_at_low_strength() -> None:
    """A denoiser that believes what it sees keeps the fill; from noise there is nothing of it."""

    class Believing(nn.Module):
        def forward(self, x: Tensor, timestep: Tensor, encoder_hidden_states: None = None) -> Output:
            alpha = alphas_cumprod()[timestep][:, None, None, None]
            # Wiener's filter for pictures of unit variance.
            return Output((1 - alpha).sqrt() * x)

    model = NarrowModel(Believing(), Coarse(), alphas_cumprod())
    start, noise = torch.full((1, 4, 8, 8), 3.0), painting.noises(4, torch.Size((1, 4, 8, 8)))
    low, high = (painting.sampled(model, start, noise, 20, strength).mean() for strength in (0.2, 1.0))
    assert low > 2.0 and abs(high) < 1.0


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """A black square with a shadow beside it on the grey that the model knows, gone sideways."""
    folder = tmp_path / "worlds" / "validation" / "slide_0000"
    folder.mkdir(parents=True)
    ground = np.full((64, 64, 3), VALUE)
    pictures = {"without": ground.copy(), "source": ground.copy(), "target": ground.copy()}
    pictures["source"][40:56, 8:24], pictures["source"][40:56, 30:42] = 0, VALUE / 2
    pictures["target"][8:24, 8:24], pictures["target"][8:24, 30:42] = 0, VALUE / 2
    masks = {name: np.zeros((64, 64)) for name in ("moved", "moved_after", *AREAS)}
    masks["moved"][40:56, 8:24] = masks["moved_after"][8:24, 8:24] = 1
    masks["old_shadow"][40:56, 30:42] = masks["new_shadow"][8:24, 30:42] = 1
    pictures["whole"] = masks["moved"]
    for name, values in {**pictures, **masks}.items():
        Image.fromarray(np.rint(values * 255).astype(np.uint8)).save(folder / f"{name}.png")
    flow = np.full((64, 64, 2), np.nan, np.float32)
    np.savez(folder / "flow.npz", flow=flow, visible=np.zeros((64, 64), bool))
    points = {"version": 1, "pairs": [{"handle": [0.25, 0.75], "target": [0.25, 0.25]}]}
    (folder / "points.json").write_text(json.dumps(points))
    (folder / "meta.json").write_text(json.dumps({"family": "slide", "ground": "tiles"}))
    return folder


def test_holes_are_judged_in_the_places_of_object_and_shadow(model: NarrowModel, pair: Path) -> None:
    scene = evaluate.load_scene(pair)
    found, shown = holes.hole_figures(model, scene, pair, steps=4, seeds=2)
    # The grey all round is what the fill continues, and what the model knows: to a level of eight bits.
    assert found["object, both, noise"] > 45 and found["object, both, fill"] > 45
    assert found["shadow, both, noise"] > 45 and found["textured"] == 1.0
    assert "shadow, alone, noise" not in found
    assert set(shown) == {
        "source",
        "truth",
        *(f"{hole}: {way}" for hole in ("alone", "both") for way in ("fill", "model")),
    }
    assert np.allclose(shown["both: model"], VALUE, atol=0.01)


def test_a_new_shadow_that_is_not_painted_is_no_gain(model: NarrowModel, pair: Path) -> None:
    """This model paints the bare ground: as good as no shadow."""
    found = holes.shadow_figures(model, evaluate.load_scene(pair), steps=4, seeds=2)
    assert found["without"] == pytest.approx((VALUE / 2) ** 2, rel=0.05)
    assert found["noise"] / found["without"] == pytest.approx(1, rel=0.05)
    # Cells straddle the shadow's border: their mean colours are off there alone.
    assert 0 < found["autoencoder"] < 0.5 * found["without"]
    told = report.shadows({"a": {"domain": "worlds", **found}, "b": {"domain": "worlds"}})
    assert told["noise"]["ratio"]["n"] == 1 and told["noise"]["pooled"] == pytest.approx(1, rel=0.05)


def test_intervals_are_students() -> None:
    told = figures.summary([1.0, 2.0, 3.0, 4.0])
    assert told["mean"] == 2.5 and told["n"] == 4
    # t of 3 degrees is 3.182; s / sqrt(n) is 0.6455.
    assert told["ci_high"] - 2.5 == pytest.approx(3.182 * 0.6455, rel=1e-3)
    assert figures.psnr(np.zeros((2, 2, 3)), np.full((2, 2, 3), 0.1)) == pytest.approx(20)


def rows() -> dict:
    """Two scenes, one on a textured ground, gains of 1 and 3 dB from noise, of 2 and 2 from the fill at 0.6."""
    made_up = {}
    for name, textured, fill, noise in (("a", 1.0, 20.0, 21.0), ("b", 0.0, 22.0, 25.0)):
        row = {"domain": "worlds", "textured": textured}
        for place, hole in report.PLACES:
            row |= {f"{place}, {hole}, fill": fill, f"{place}, {hole}, noise": noise,
                    f"{place}, {hole}, fill at 0.4": fill, f"{place}, {hole}, fill at 0.6": fill + 2.5}  # fmt: skip
        made_up[name] = row
    return made_up


def test_gains_are_paired_and_textured_grounds_apart() -> None:
    told = report.holes(rows())
    entry = told["object, alone, all"]
    assert entry["noise"]["gain"]["mean"] == 2 and entry["best"] == "fill at 0.6"
    assert entry["fill at 0.6"]["gain"]["ci_low"] == pytest.approx(2.5)
    assert told["shadow, both, textured"]["fill"]["n"] == 1
    assert told["shadow, both, textured"]["noise"]["gain"]["mean"] == 1


def test_the_card_tells_what_was_measured(tmp_path: Path) -> None:
    parts = {
        "holes": rows(), "shadows": {"a": {"domain": "worlds", "without": 2.0, "noise": 1.0, "start at 0.6": 3.0,
                          "autoencoder": 0.2}},
        "attention": {"a": {"domain": "drawn", "rule": 0.9, "no edges": 0.8}, "b": {"domain": "worlds"},
                      "c": {"domain": "worlds", "rule": 0.5, "no edges": 0.4}},
        "lettering": {"0": {"domain": "lettering", "psnr": 21.0, "read": 0.5, "before": 1.0}},
    }  # fmt: skip
    told = {"settings": {"model": {"name": "x", "files": {"unet": "abcdef0123456789"}}, "steps": 20, "seeds": 4},
            **report.report(parts)}  # fmt: skip
    path = tmp_path / "CARD.md"
    path.write_text(f"before\n\n{card.BEGIN}\nold\n{card.END}\n\nafter\n")
    (tmp_path / "report.json").write_text(json.dumps(told))
    card.main([str(tmp_path / "report.json"), "--card", str(path)])
    text = path.read_text()
    assert card.PICTURES not in text and not (tmp_path / card.PICTURES).exists()
    Image.new("RGB", (40, 20)).save(tmp_path / "samples.png")
    Image.new("RGB", (80, 20)).save(tmp_path / "holes.png")
    card.main([str(tmp_path / "report.json"), "--card", str(path)])
    text = path.read_text()
    assert card.PICTURES in text and Image.open(tmp_path / card.PICTURES).size == (40, 20 + sheet.GAP + 10)
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text
    assert "abcdef012345" in text and "2.50 (2.50 to 2.50)" in text and ">= 1.5" in text
    assert "| drawn | 1 | 0.900 | 0.800 |" in text and "0.50" in text
    with pytest.raises(ValueError, match="marks?|line"):
        card.replaced("nothing", "x")
    with pytest.raises(ValueError, match="painter: begin"):
        card.replaced(f"{card.BEGIN}{card.END}", "x", painter=True)
    own = card.BEGIN.replace("measured", "painter"), card.END.replace("measured", "painter")
    assert card.replaced(f"a{card.BEGIN}{card.END}{own[0]}b{own[1]}c", "x", True).endswith(f"{own[0]}\nx\n{own[1]}c")
    assert card.CARD.read_text("utf-8").count(card.BEGIN) == 1


def test_sets_that_number_alike_are_told_apart(tmp_path: Path) -> None:
    """Scenes of two sets side by side have the same names: each must be measured."""
    roots = ("drawn", "photographic")
    for root in roots:
        (tmp_path / root / "validation_0_000").mkdir(parents=True)
    names = {evaluate.named(tmp_path / root / "validation_0_000") for root in roots}
    assert len(names) == 2 and all(name.endswith("/validation_0_000") for name in names)


def test_a_broken_off_evaluation_goes_on(tmp_path: Path, pair: Path, monkeypatch: pytest.MonkeyPatch,
                                         model: NarrowModel) -> None:  # fmt: skip
    monkeypatch.setattr(evaluate, "load_narrow", lambda weights: model)
    options = [
        "--worlds",
        str(pair.parent),
        "--steps",
        "2",
        "--seeds",
        "1",
        "--out",
        str(tmp_path / "out"),
        "--letters",
    ]
    evaluate.main([*options, "1", "--parts", "holes", "pictures", "lettering"])
    told = json.loads((tmp_path / "out" / "report.json").read_text())
    assert told["pictures"]["worlds"]["psnr"]["n"] == 1 and told["lettering"]["lettering"]["read"]["mean"] < 0.5
    calls = []
    monkeypatch.setattr(evaluate.Evaluation, "scene", lambda *rest: calls.append(rest[1]) or {"psnr": 1.0})
    evaluate.main([*options, "1", "--parts", "holes", "pictures", "noise"])
    assert calls == ["noise"], "the rest is there already"
    evaluate.main([*options, "1", "--parts", "sheet", "--samples", "2"])
    assert Image.open(tmp_path / "out" / "samples.png").width == 2 * (sheet.SIDE + sheet.GAP) - sheet.GAP
    assert Image.open(tmp_path / "out" / "holes.png").width == 6 * (sheet.SIDE + sheet.GAP) - sheet.GAP
    with pytest.raises(SystemExit, match="another folder"):
        evaluate.main([*options, "1", "--parts", "noise", "--seeds", "3"])


def test_attention_and_round_trip_are_measured_by_the_packs_own_stations() -> None:
    loaded, scene = made.toy_model(), made.scene()
    found = fidelity.attention_figures(loaded, scene)
    assert set(found) == {"rule", "no edges"} and all(0 <= value <= 1 for value in found.values())
    assert fidelity.roundtrip_figures(loaded, scene)["to autoencoder"] > 10


def test_folders_are_spread() -> None:
    given = [Path(str(number)) for number in range(10)]
    assert evaluate.spread(given, 3) == [Path("0"), Path("4"), Path("9")]
    assert evaluate.spread(given, None) == evaluate.spread(given, 20) == given
