"""The inpainting twin: what is covered in its training, what it is shown and judged by, its start and its files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from diffusers import DDIMScheduler
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.tools.rooms import SIDE, room
from tools.demo_model import covers, packs, painter, train_unet, write
from tools.demo_model.layout import LAYOUTS, SMALL, Layout
from tools.demo_model.load import NarrowModel, load_painter
from tools.demo_model.measure import painting
from tools.demo_model.network import Network, Output
from tools.demo_model.packs import Row
from tools.demo_model.schedule import alphas_cumprod
from tools.demo_model.weights import FOLDER, UNET_FILE, read_painter, read_unet, shown_of, stand_in


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(seed=st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_an_edit_covers_what_lies_round_a_thing_and_never_the_thing(seed: int) -> None:
    whose = room((5, 5, 9, 8))
    covered = covers.of_edit(whose, covers.Dice(generator(seed)))
    assert covered is not None and covered.dtype == torch.bool
    assert not covered[5:9, 5:8].any()


def test_edits_cover_the_ring_mostly_and_a_second_place_alone_at_times() -> None:
    whose, alone = room((6, 6, 9, 9)), 0
    for seed in range(200):
        covered = covers.of_edit(whose, covers.Dice(generator(seed)))
        ring = torch.ones(5, 5, dtype=torch.bool)
        ring[1:4, 1:4] = False
        alone += not bool(covered[5:10, 5:10][ring].all())
    assert 0.2 < alone / 200 < 0.4


@given(seed=st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_what_is_covered_whole_is_uncovered(seed: int) -> None:
    whose = room((2, 2, 4, 4), (9, 3, 14, 12))
    covered = covers.hole(whose, whose[None], covers.Dice(generator(seed)))
    for thing in (1, 2):
        share = covers.quarters(whose, thing)
        assert (share * covered).sum() <= covers.WHOLE * share.sum()


def test_every_kind_of_cover_is_drawn_and_the_generator_tells_which() -> None:
    whose = torch.stack([room((6, 6, 9, 9)), room()] * 100)
    drawn = covers.covers(whose, generator(0))
    assert torch.equal(drawn, covers.covers(whose, generator(0)))
    assert not torch.equal(drawn, covers.covers(whose, generator(1)))
    assert drawn.shape == (200, 1, SIDE, SIDE) and set(drawn.unique().tolist()) == {0.0, 1.0}
    shares = drawn.mean((1, 2, 3))
    assert (shares > 0).all() and 0.02 < (shares == 1).float().mean() < 0.2
    kept = (drawn[::2, 0, 6:9, 6:9] == 0).all(2).all(1)
    assert kept.float().mean() > 0.5


@given(down=st.integers(-20, 20), right=st.integers(-20, 20))
@settings(max_examples=40, deadline=None)
def test_cells_go_by_whole_cells_and_what_leaves_is_lost(down: int, right: int) -> None:
    cells = torch.rand(12, 9, generator=generator(0)) > 0.5
    moved = covers.shifted(cells, down, right)
    for row in range(12):
        for column in range(9):
            inside = 0 <= row - down < 12 and 0 <= column - right < 9
            assert bool(moved[row, column]) == (inside and bool(cells[row - down, column - right]))


def test_the_mask_comes_first_and_covered_cells_are_grey() -> None:
    clean = torch.randn(2, 4, 4, 4, generator=generator(0))
    covered = torch.zeros(2, 1, 4, 4)
    covered[0, 0, 1, 2] = 1
    planes = painter.shown(covered, clean, torch.full((2, 4, 1, 1), 7.0))
    assert planes.shape == (2, 5, 4, 4) and torch.equal(planes[:, :1], covered)
    assert (planes[0, 1:, 1, 2] == 7).all()
    known = (covered == 0).expand_as(clean)
    assert torch.equal(planes[:, 1:][known], clean[known])


class Silent(nn.Module):
    """Says nothing, whatever it is shown."""

    def forward(self, x: Tensor, timestep: Tensor, encoder_hidden_states: None = None) -> Output:
        self.given = x
        return Output(torch.zeros_like(x[:, :4]))


def test_the_error_is_that_of_the_covered_cells() -> None:
    clean, noise = torch.randn(2, 3, 4, 4, 4, generator=generator(0))
    covered = torch.zeros(3, 1, 4, 4)
    covered[:, :, :2] = 1
    silent, alphas = Silent(), alphas_cumprod()
    timestep = torch.tensor([10, 500, 999])
    loss = painter.loss_per_image(silent, clean, covered, torch.zeros(3, 4, 1, 1), timestep, noise, alphas)
    scheduler = DDIMScheduler.from_config({**write.SCHEDULER, "prediction_type": painter.PREDICTION})
    wanted = scheduler.get_velocity(clean, noise, timestep)
    inside, outside = wanted[:, :, :2].square().mean((1, 2, 3)), wanted[:, :, 2:].square().mean((1, 2, 3)) / 2
    torch.testing.assert_close(loss, inside + painter.KNOWN * outside)
    assert silent.given.shape[1] == 9
    noisy = alphas[500].sqrt() * clean[1] + (1 - alphas[500]).sqrt() * noise[1]
    torch.testing.assert_close(silent.given[1, :4], noisy)


def test_an_error_of_the_content_counts_at_any_noise_and_five_times_at_most() -> None:
    alphas = alphas_cumprod()
    weights = painter.level_weights(torch.arange(1000), alphas, 5.0)
    assert abs(weights.mean() - 1) < 1e-5
    # An error of the content is 1 / sqrt(1 - alpha) of it in v.
    content = weights / (1 - alphas)
    assert content[:300].max() / content[999] == pytest.approx(5.0, rel=0.02)
    assert (content[1:] <= content[:-1] * (1 + 1e-5)).all() and weights[5] < 0.1 * weights[900]


def test_what_it_says_is_read_as_v() -> None:
    """A painter that knows the picture gives it back out of noise; ``diffusers`` says what v is."""
    truth = torch.full((1, 4, 8, 8), 0.3)
    alphas = alphas_cumprod()

    class Knowing(nn.Module):
        def forward(self, x: Tensor, timestep: Tensor, encoder_hidden_states: None = None) -> Output:
            assert x.shape[1] == 9
            alpha = alphas[timestep][:, None, None, None]
            noise = (x[:, :4] - alpha.sqrt() * truth) / (1 - alpha).sqrt()
            return Output(alpha.sqrt() * noise - (1 - alpha).sqrt() * truth)

    class Eye(nn.Module):
        def encode(self, image: Tensor) -> Tensor:
            return nn.functional.avg_pool2d(image, 8).mean(1, keepdim=True).expand(-1, 4, -1, -1)

    model = NarrowModel(Knowing(), Eye(), alphas, painter.SHOWN)
    noise = torch.randn(2, 4, 8, 8, generator=generator(3))
    free = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    free[..., 2:5, 2:5] = True
    result = painting.sampled(model, truth, noise, 6, 1.0, free, truth)
    torch.testing.assert_close(result, truth.expand(2, -1, -1, -1), atol=1e-3, rtol=0)


def test_it_begins_as_the_model_whatever_it_is_shown() -> None:
    state = read_unet()
    plain, twin = Network(), Network(shown=painter.SHOWN)
    plain.load_state_dict(state)
    twin.load_state_dict(painter.conditioned(state))
    x, planes = torch.randn(1, 4, 8, 8, generator=generator(1)), torch.randn(1, 5, 8, 8, generator=generator(2))
    timestep = torch.tensor([400])
    with torch.no_grad():
        torch.testing.assert_close(twin(torch.cat([x, planes], 1), timestep).sample, plain(x, timestep).sample)


def test_its_training_goes_on_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LAYOUTS, "tiny", Layout((32, 32)))
    for split in ("train", "validation"):
        (tmp_path / split).mkdir()
        rows = [Row("worlds", str(number)) for number in range(8)]
        latents = torch.randn(8, 4, 8, 8, generator=generator(0)).half()
        whose = torch.zeros(8, 16, 16, dtype=torch.uint8)
        whose[:, 4:10, 4:10] = 1
        packs.write_pack(tmp_path / split, "latents_0000.pack", rows, split, latents=latents, whose=whose)

    def run(out: str, *more: str) -> dict:
        train_unet.main([
            "--painter", "--packs", str(tmp_path / "train"), "--validation", str(tmp_path / "validation"),
            "--layout", "tiny", "--until", "12", "--out", str(tmp_path / out), "--device", "cpu", "--warm-up", "4",
            "--batch", "4", *more,
        ])  # fmt: skip
        return torch.load(tmp_path / out / "unet.pt", weights_only=True)

    whole = run("whole")
    while (pieces := run("pieces", "--minutes", "0"))["samples"] < 12:
        pass
    assert whole["ema"]["conv_in.weight"].shape[1] == 9
    assert all(torch.equal(value, pieces["ema"][key]) for key, value in whole["ema"].items())
    loss = json.loads((tmp_path / "whole" / "unet.jsonl").read_text().splitlines()[-1])["validation_loss"]
    assert loss["all"] > 0


def test_its_files_are_those_of_an_inpainting_checkpoint(tmp_path: Path) -> None:
    state, autoencoder = stand_in(shown=painter.SHOWN)
    assert shown_of(state) == 5 and shown_of(stand_in()[0]) == 0
    tensors = write.comfy_state_dict(state, autoencoder)
    assert tensors["model.diffusion_model.input_blocks.0.0.weight"].shape == (5 * SMALL.widths[0], 9, 3, 3)
    write.main(["--painter", "--stand-in", "--diffusers", str(tmp_path)])
    config = json.loads((tmp_path / "unet" / "config.json").read_text())
    assert (config["in_channels"], config["out_channels"]) == (9, 4)
    assert DDIMScheduler.from_pretrained(tmp_path, subfolder="scheduler").config.prediction_type == "v_prediction"


def test_a_training_goes_on_from_a_painter_where_there_is_one(tmp_path: Path) -> None:
    plain = train_unet.begun(FOLDER, SMALL, 0)
    twin = train_unet.begun(FOLDER, SMALL, 0, painter.SHOWN)
    assert torch.equal(plain.conv_out.weight, read_unet()["conv_out.weight"])
    assert torch.equal(twin.conv_out.weight, read_painter()["conv_out.weight"])
    assert not torch.equal(twin.conv_out.weight, plain.conv_out.weight)
    (tmp_path / UNET_FILE).write_bytes((FOLDER / UNET_FILE).read_bytes())
    begun = train_unet.begun(tmp_path, SMALL, 0, painter.SHOWN)
    torch.testing.assert_close(begun.conv_out.weight, plain.conv_out.weight)
    assert (begun.conv_in.weight[:, 4:] == 0).all()


def test_the_shipped_painter_continues_what_surrounds_a_hole() -> None:
    """Two flat halves with a hole over their border: nearer to them than grey is, on either side."""
    model = load_painter()
    picture = torch.zeros(1, 3, 256, 256)
    picture[:, 0, :128], picture[:, 2, 128:] = 0.8, 0.8
    hole = torch.zeros(256, 256, dtype=torch.bool)
    hole[96:160, 96:160] = True
    (shown,) = painting.painted(model, torch.where(hole, 0.5, picture), hole, 10, 1.0, 1)
    off = (shown - picture[0])[:, hole].square().mean()
    assert off < 0.5 * (0.5 - picture[0])[:, hole].square().mean()
