"""The painter and the clean plate in the Python API and on the command line, on small random diffusers models."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from PIL import Image

from core import api, cli
from core.diffusion.sampling import SampleSettings
from core.errors import InputError, UnsupportedModelError
from core.fill.background import FillSettings
from core.motion.field import MoveSettings
from core.settings import EditSettings
from core.space.points import make_points, parse_points, points_to_json
from tests.core import diffusers_models as models

POINTS = [((0.25, 0.375), (0.6, 0.375))]
SMOOTH = FillSettings(method="smooth")
MOVED = MoveSettings(motion="move")
"""With random weights anything may be a part."""
SETTINGS = EditSettings(steps=6, strength=0.5, sample=SampleSettings(hold_rest=1.0), fill=SMOOTH, move=MOVED)
PLATE = np.full((64, 96, 3), (40, 160, 80), np.uint8)


def made(seed: int = 0, kind: str = "sd15", vae=None, encode=None, **changes) -> api.Model:
    parts = (models.unet(kind, seed, **changes), vae or models.vae_kl(), models.scheduler(models.PREDICTION[kind]))
    return api.Model(api.Components(*parts, encode))


@pytest.fixture(scope="module")
def model():
    return made()


@pytest.fixture(scope="module")
def inpainting():
    return made(2, in_channels=9)


@pytest.fixture(scope="module")
def picture():
    return torch.rand(1, 64, 96, 3, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def mask():
    drawn = torch.zeros(64, 96)
    drawn[16:32, 16:32] = 1
    return drawn


@pytest.fixture(scope="module")
def alone(model, picture, mask):
    return api.edit(model, picture, POINTS, settings=SETTINGS, mask=mask)


def seen(painter: api.Model) -> list[torch.Tensor]:
    """What its U-Net is given from now on."""
    given = []
    painter.components.unet.register_forward_pre_hook(lambda module, inputs: given.append(inputs[0].clone()))
    return given


def test_it_paints_what_the_drag_reveals_and_nothing_else(model, picture, mask, alone, inpainting):
    given = seen(inpainting)
    painted = api.edit(model, picture, POINTS, settings=SETTINGS, mask=mask, painter=inpainting)
    dragged = painted.dragged
    assert len(given) == SETTINGS.repaint.steps and {one.shape[1] for one in given} == {9}
    hole = dragged.revealed[0] > 0.5
    for one in given:
        assert torch.equal(one[0, 4], hole.float()), "the mask comes first"
        torch.testing.assert_close(one[0, 5:, ~hole], dragged.clean[0][:, ~hole])
    grey = api.DiffusersVae(inpainting.components.vae).encode(torch.full((1, 64, 96, 3), 0.5))
    torch.testing.assert_close(given[0][0, 5:, hole], grey[0][:, hole])
    apart = (painted.image - alone.image).abs().amax(-1)[0]
    # What the decoder, which sees beyond a cell, makes of it elsewhere is not shown: source and element are their own.
    assert apart[18:30, 18:30].mean() > 0.02
    assert torch.equal(painted.image[painted.shown == 0], picture[painted.shown == 0])
    by_hand = api.sample(
        model, api.Source(picture, painted.found.grid, painted.inversion, model.host().autoencoder), dragged,
        settings=SETTINGS, painter=inpainting,
    )
    assert torch.equal(by_hand, painted.image)


def test_every_picture_of_a_batch_is_painted_where_its_own_drags_reveal(model, picture, mask, inpainting):
    """Other drags, other masks: the painter is shown each picture with its own hole."""
    pictures = torch.cat([picture, picture.flip(2)])
    masks = torch.stack([mask, mask.flip(1).roll(16, 0)])
    own = [make_points([((0.25, 0.375), (0.6, 0.375))]), make_points([((0.75, 0.625), (0.75, 0.2))])]
    points = parse_points(f"[{', '.join(map(points_to_json, own))}]")
    given = seen(inpainting)
    painted = api.edit(model, pictures, points, settings=SETTINGS, mask=masks, painter=inpainting)
    holes = painted.dragged.revealed > 0.5
    assert len(given) == SETTINGS.repaint.steps
    for at in range(2):
        assert holes[at].any() and not (holes[0] & holes[1]).any()
        for one in given:
            assert torch.equal(one[at, 4], holes[at].float())
            torch.testing.assert_close(one[at, 5:, ~holes[at]], painted.dragged.clean[at][:, ~holes[at]])
    alone = api.edit(model, pictures, points, settings=SETTINGS, mask=masks)
    apart = (painted.image - alone.image).abs().amax(-1)
    for where, pixels in zip(masks, apart, strict=True):
        assert pixels[where > 0].mean() > 0.02
    assert torch.equal(painted.image[painted.shown == 0], pictures[painted.shown == 0])


def test_any_model_of_the_same_latents_may_paint(model, picture, mask, alone):
    plain = api.edit(model, picture, POINTS, settings=SETTINGS, mask=mask, painter=made(3))
    assert not torch.allclose(plain.image, alone.image, atol=0.02)


def test_the_plan_counts_it(model, picture, inpainting):
    plain, both = (api.cost(model, picture, SETTINGS, one) for one in (None, inpainting))
    assert (plain.painting, both.painting) == (0, 20) and both.total == plain.total + 20
    assert "20 of the painter" in str(both) and "painter" not in str(plain)


def test_prompts_reach_it_by_its_own_encoder_or_the_models(model, picture, mask):
    said = []

    def encoder(name):
        def encode(prompt):
            said.append((name, prompt))
            return api.Conditioning(torch.ones(1, 77, 24) * len(prompt))

        return encode

    spoken, other = made(encode=encoder("model")), made(2, in_channels=9)
    words = ("a cat", "a dog", 3.0, "")
    api.edit(spoken, picture, POINTS, *words, settings=SETTINGS, mask=mask, painter=other)
    # No source prompt: the empty text.
    assert said == [("model", ""), *[("model", "a cat"), ("model", "a dog")] * 2]
    said.clear()
    own = made(2, in_channels=9, encode=encoder("painter"))
    api.edit(spoken, picture, POINTS, *words, settings=SETTINGS, mask=mask, painter=own)
    assert said[3:] == [("painter", "a cat"), ("painter", "a dog")]


def test_what_cannot_paint_is_named(model, picture):
    others = {
        "at a scale of 0.13025": made(vae=models.vae_tiny(scaling_factor=0.13025)),
        "takes 3 more channels": made(in_channels=7),
    }
    for words, other in others.items():
        with pytest.raises(InputError, match=words) as told:
            api.edit(model, picture, POINTS, settings=SETTINGS, painter=other)
        assert told.value.input == "painter"


def test_an_inpainting_model_is_refused_for_inversion_and_told_where_it_is_welcome(picture, inpainting):
    with pytest.raises(UnsupportedModelError, match=r"9 channels instead of 4: an inpainting.*painter"):
        api.invert(inpainting, picture, settings=SETTINGS)


def test_fingerprints_of_inpainting_models_differ(inpainting, model):
    assert len({inpainting.fingerprint, made(3, in_channels=9).fingerprint, model.fingerprint}) == 3
    assert made(2, in_channels=9).fingerprint == inpainting.fingerprint


class TestCleanPlate:
    def test_edit_and_the_steps_by_hand_show_it(self, model, picture, mask, alone):
        result = api.edit(model, picture, POINTS, settings=SETTINGS, mask=mask, clean_plate=PLATE)
        whole = (result.revealed[0] == 1) & (result.shown[0] == 1)
        assert whole.sum() > 100
        plate = torch.tensor(PLATE[0, 0] / 255).float()
        assert (result.image[0][whole] - plate).abs().max() < 1e-4
        assert not torch.equal(result.image, alone.image)
        source = api.Source(picture, result.found.grid, result.inversion, model.host().autoencoder)
        dragged = api.move(source, result.found, SETTINGS, PLATE)
        assert torch.equal(api.sample(model, source, dragged, settings=SETTINGS), result.image)

    def test_files_are_read_and_faults_are_the_plates(self, model, picture, tmp_path):
        Image.fromarray(PLATE[:32]).save(tmp_path / "plate.png")
        for plate, words in ((tmp_path / "plate.png", "96x32 px"), (tmp_path / "none.png", "can't be read")):
            with pytest.raises(InputError, match=words) as told:
                api.edit(model, picture, POINTS, settings=SETTINGS, clean_plate=plate)
            assert told.value.input == "clean_plate"

    def test_not_with_a_painter(self, model, picture, inpainting):
        with pytest.raises(InputError, match="would paint over it"):
            api.edit(model, picture, POINTS, settings=SETTINGS, clean_plate=PLATE, painter=inpainting)


class TestCommandLine:
    @pytest.fixture
    def command(self, tmp_path, picture, mask):
        folder = models.write_folder(tmp_path / "model")
        api.save_image(picture, tmp_path / "p.png")
        api.save_image(mask[None], tmp_path / "mask.png")
        command = [str(folder), str(tmp_path / "p.png"), "--out", str(tmp_path / "out"), "--device", "cpu"]
        return [*command, "--steps", "6", "--strength", "0.5", "--drag=0.25,0.375,0.6,0.375", "--hold-rest", "1",
                "--mask", str(tmp_path / "mask.png")]  # fmt: skip

    def result(self, tmp_path):
        return np.array(Image.open(tmp_path / "out" / "p.png.dragged.png")).astype(int)

    def test_a_painter(self, command, tmp_path, capsys):
        assert cli.main(command) == 0
        plain = self.result(tmp_path)
        painter = models.write_folder(tmp_path / "painter")
        models.unet("sd15", 2, in_channels=9).save_pretrained(painter / "unet")
        assert cli.main([*command, "--painter", str(painter)]) == 0
        assert "20 of the painter" in capsys.readouterr().err
        assert abs(self.result(tmp_path) - plain)[18:30, 18:30].mean() > 3
        report = json.loads((tmp_path / "out" / "p.png.json").read_text())
        assert report["painter"]["path"] == str(painter) != report["model"]["path"]
        assert report["painter"]["fingerprint"] != report["model"]["fingerprint"]

    def test_a_clean_plate(self, command, tmp_path):
        Image.fromarray(PLATE).save(tmp_path / "plate.png")
        assert cli.main([*command, "--clean-plate", str(tmp_path / "plate.png")]) == 0
        assert (abs(self.result(tmp_path)[18:30, 18:30] - PLATE[0, 0].astype(int)) <= 1).all()
        key = json.loads((tmp_path / "out" / "p.png.json").read_text())["job"]
        # Another plate is another job.
        Image.fromarray(255 - PLATE).save(tmp_path / "plate.png")
        assert cli.main([*command, "--clean-plate", str(tmp_path / "plate.png")]) == 0
        assert (abs(self.result(tmp_path)[18:30, 18:30] - (255 - PLATE)[0, 0].astype(int)) <= 1).all()
        assert json.loads((tmp_path / "out" / "p.png.json").read_text())["job"] != key

    def test_faults_are_told_before_anything_is_loaded(self, command, tmp_path, capsys):
        Image.fromarray(PLATE).save(tmp_path / "plate.png")
        plate = ["--clean-plate", str(tmp_path / "plate.png")]
        for more, words in (
            ([*plate, "--painter", "somewhere"], "would paint over it"),
            (["--clean-plate", str(tmp_path / "none.png")], "clean_plate"),
            (["--painter", str(tmp_path / "nowhere")], "there is nothing at"),
        ):
            assert cli.main([*command, *more]) == 2
            assert words in capsys.readouterr().err


def test_defaults_are_what_they_were(model, picture, mask, alone):
    again = api.edit(model, picture, POINTS, settings=dataclasses.replace(SETTINGS), mask=mask)
    assert torch.equal(again.image, alone.image)
