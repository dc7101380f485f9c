"""The Python API on a small random model, saved as a diffusers folder."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import socket
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from core import api, windowed
from core.diffusion.sampling import SampleSettings
from core.errors import InputError
from core.families import SD1
from core.region.found import ElementSettings
from core.settings import EditSettings
from tests.core import diffusers_models as models

POINTS = [((0.3, 0.4), (0.7, 0.6))]
QUICK = EditSettings(steps=6, strength=0.5, element=ElementSettings(tau=0.5))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return models.write_folder(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def model(folder):
    return api.load(folder, "cpu")


@pytest.fixture(scope="module")
def picture():
    return torch.rand(1, 40, 61, 3, generator=torch.Generator().manual_seed(0))


def test_steps_by_hand_are_the_edit(model, picture):
    result = api.edit(model, picture, POINTS, settings=QUICK)
    source = api.invert(model, picture, settings=QUICK)
    found = api.find(source, POINTS, QUICK)
    moved = api.move(source, found, QUICK)
    image = api.sample(model, source, moved, settings=QUICK)
    assert torch.equal(found.element, result.element)
    assert torch.equal(api.correlate(source, POINTS), result.found.correlation)
    assert torch.equal(image, result.image)
    assert image.shape == picture.shape and image.dtype == torch.float32
    given = api.find(source, POINTS, QUICK, mask=found.element)
    assert torch.equal(api.sample(model, source, api.move(source, given, QUICK), settings=QUICK), image)


def test_an_edit_changes_its_region_and_nothing_else(model):
    picture = torch.rand(1, 70, 101, 3, generator=torch.Generator().manual_seed(0))
    points = {"version": 1, "pairs": [{"handle": [0.3, 0.4], "target": [0.5, 0.4], "radius": 0.12}]}
    result = api.edit(model, picture, points, settings=QUICK)
    outside = result.shown == 0
    assert 0 < outside.float().mean() < 1
    assert torch.equal(result.image[outside], picture[outside])
    assert not torch.allclose(result.image, picture, atol=0.02)


def test_a_given_region_moves(model, picture):
    region = torch.zeros(40, 61)
    region[8:16, 8:24] = 1
    result = api.edit(model, picture, POINTS, settings=QUICK, mask=region)
    assert torch.equal(result.element, region[None])


def test_every_form_of_picture_and_points_is_the_same(model, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    file = tmp_path / "a.png"
    Image.fromarray(pixels).save(file)
    text = json.dumps({"version": 1, "pairs": [{"handle": [0.3, 0.4], "target": [0.7, 0.6]}]})
    source = api.invert(model, file, settings=QUICK)
    for form in (str(file), Image.open(file), pixels, torch.from_numpy(pixels), pixels / np.float32(255)):
        assert torch.allclose(api.read_image(form), source.image, atol=1e-7)
    for points in (text, json.loads(text), api.read_points(text)):
        assert torch.equal(api.correlate(source, points), api.correlate(source, POINTS))


def test_pictures_are_turned_upright(tmp_path):
    file = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20)).save(file, exif=exif)
    assert api.read_image(file).shape == (1, 40, 20, 3)


def test_saved_masks_and_images_read_back(tmp_path):
    image = torch.rand(1, 8, 8, 3)
    api.save_image(image, tmp_path / "i.png")
    assert (api.read_image(tmp_path / "i.png") - image).abs().max() <= 0.5 / 255 + 1e-6
    api.save_image(image[..., 0], tmp_path / "m.png")
    assert Image.open(tmp_path / "m.png").mode == "L"


def test_another_models_inversion_is_refused(model, picture):
    source = api.invert(model, picture, settings=QUICK)
    moved = api.move(source, api.find(source, POINTS))
    other = api.Model(
        api.Components(models.unet("sd15", seed=9), models.vae_kl(), models.scheduler())
    )
    with pytest.raises(InputError, match="another model"):
        api.sample(other, source, moved, settings=QUICK)


def test_other_loras_on_the_way_back_are_told_of(model, picture, caplog):
    source = api.invert(model, picture, settings=QUICK)
    moved = api.move(source, api.find(source, POINTS, QUICK), QUICK)
    plain = api.sample(model, source, moved, settings=QUICK)
    assert not caplog.records
    had_others = dataclasses.replace(source.inversion, model_fingerprint=f"{source.inversion.model_fingerprint}+lora")
    sampled = api.sample(model, dataclasses.replace(source, inversion=had_others), moved, settings=QUICK)
    assert torch.equal(sampled, plain), "kept keys and values are the source's, whatever samples with them"
    assert len(caplog.records) == 1 and "other LoRAs" in caplog.text


def test_prompts_reach_the_way_back_and_need_a_text_encoder(model, picture):
    with pytest.raises(InputError, match="prompt: 'a cat', but the model came without a text encoder"):
        api.edit(model, picture, POINTS, prompt="a cat", settings=QUICK)
    said = []

    def encode(prompt):
        said.append(prompt)
        generator = torch.Generator().manual_seed(len(prompt))
        return api.Conditioning(torch.randn(1, 77, 24, generator=generator) * 5)

    parts = model.components
    spoken = api.Model(api.Components(parts.unet, parts.vae, parts.scheduler, encode))
    plain = api.edit(spoken, picture, POINTS, settings=QUICK)
    assert set(said) == {""}
    said.clear()
    free = EditSettings(steps=6, strength=0.5, element=ElementSettings(tau=0.5), sample=SampleSettings(hold_element=0))
    result = api.edit(spoken, picture, POINTS, "a cat", "a dog", 4.0, source_prompt="", settings=free)
    assert said == ["", "a cat", "a dog"]
    assert torch.equal(result.inversion.trajectory, plain.inversion.trajectory), "inverted without text"
    silent = api.edit(spoken, picture, POINTS, settings=free)
    assert not torch.allclose(result.image, silent.image, atol=1e-3)


class TestLoading:
    def test_weights_and_schedule_are_the_folders(self, model):
        saved = models.unet("sd15").state_dict()
        loaded = model.components.unet.state_dict()
        assert list(saved) == list(loaded) and all(torch.equal(saved[key], loaded[key]) for key in saved)
        assert torch.equal(model.components.scheduler.alphas_cumprod, models.scheduler().alphas_cumprod)

    def test_prediction_type_is_the_schedulers(self, tmp_path):
        folder = models.write_folder(tmp_path, "sd2")
        assert api.load(folder, "cpu")._told(None).prediction == "v"

    def test_no_connection_is_tried(self, folder, monkeypatch):
        def refuse(*_args, **_kwargs):
            raise AssertionError("went to the network")

        monkeypatch.setattr(socket.socket, "connect", refuse)
        api.load(folder, "cpu")

    def test_pickles_are_neither_read_nor_run(self, tmp_path):
        class Bomb:
            def __reduce__(self):
                return os.mkdir, (str(tmp_path / "ran"),)

        folder = models.write_folder(tmp_path / "model")
        weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
        weights.unlink()
        weights.with_suffix(".bin").write_bytes(pickle.dumps(Bomb()))
        with pytest.raises(InputError, match="pickled weights"):
            api.load(folder, "cpu")
        single = tmp_path / "model.ckpt"
        single.write_bytes(pickle.dumps(Bomb()))
        with pytest.raises(InputError, match="no .safetensors file"):
            api.load(single, "cpu")
        assert not (tmp_path / "ran").exists()

    def test_code_in_the_folder_is_not_run(self, tmp_path):
        folder = models.write_folder(tmp_path / "model")
        (folder / "pipeline.py").write_text(f"import os; os.mkdir({str(tmp_path / 'ran')!r})")
        index = {"_class_name": ["pipeline", "Mine"], "unet": ["pipeline", "Mine"]}
        (folder / "model_index.json").write_text(json.dumps(index))
        api.load(folder, "cpu")
        assert not (tmp_path / "ran").exists()

    @pytest.mark.parametrize(
        ("break_it", "message"),
        [
            (lambda folder: (folder / "unet" / "config.json").unlink(), "no unet/config.json"),
            (lambda folder: (folder / "unet" / "config.json").write_text("{"), "no valid JSON"),
            (lambda folder: (folder / "vae" / "config.json").write_text('{"_class_name": "VQModel"}'), "VQModel"),
            (lambda folder: (folder / "scheduler" / "scheduler_config.json").unlink(), "no scheduler/"),
            (lambda folder: (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink(), "holds no"),
        ],
    )
    def test_what_is_missing_is_named(self, tmp_path, break_it, message):
        folder = models.write_folder(tmp_path)
        break_it(folder)
        with pytest.raises(InputError, match=message):
            api.load(folder, "cpu")

    def test_nothing_there(self, tmp_path):
        with pytest.raises(InputError, match="there is nothing at"):
            api.load(tmp_path / "none", "cpu")

    def test_damaged_files_are_named(self, tmp_path):
        file = tmp_path / "broken.safetensors"
        file.write_bytes(b"\x10\0\0\0\0\0\0\0nothing useful here")
        with pytest.raises(InputError, match="broken.safetensors can't be read"):
            api.load(file, "cpu")

    def test_a_file_without_unet_is_named(self, tmp_path):
        from safetensors.torch import save_file

        save_file({"lora.weight": torch.zeros(2)}, tmp_path / "lora.safetensors")
        with pytest.raises(InputError, match="holds no Stable Diffusion U-Net"):
            api.load(tmp_path / "lora.safetensors", "cpu")

    def test_a_pipeline_keeps_its_objects(self, model):
        from diffusers import StableDiffusionPipeline

        parts = model.components
        pipe = StableDiffusionPipeline(
            vae=parts.vae, text_encoder=None, tokenizer=None, unet=parts.unet, scheduler=parts.scheduler,
            safety_checker=None, feature_extractor=None, requires_safety_checker=False,
        )
        wrapped = api.from_pipeline(pipe)
        assert wrapped.components.unet is parts.unet and wrapped.fingerprint == model.fingerprint


class TestWindow:
    """Pictures larger than the model's own size, of 64 px here."""

    @pytest.fixture
    def small(self):
        family = replace(SD1, native_px=64)
        return api.Model(api.Components(models.unet("sd15"), models.vae_kl(), models.scheduler(), family=family))

    @pytest.fixture
    def large(self):
        return torch.rand(1, 150, 200, 3, generator=torch.Generator().manual_seed(0))

    def test_step_by_step_is_the_edit(self, small, large):
        result = api.edit(small, large, POINTS, settings=QUICK)
        assert result.window.edited[0] * result.window.edited[1] <= 1.05 * 64**2 and result.window.scale < 1
        assert result.image.shape == large.shape
        seen = api.look(small, large, settings=QUICK)
        crop = api.crop(small, large, POINTS, seen, QUICK)
        assert crop.window == result.window
        source = api.invert(small, crop.image, settings=QUICK)
        inside = windowed.settings_in(crop.window, QUICK)
        dragged = api.move(source, api.find(source, crop.points, inside), QUICK)
        stitched = api.stitch(crop, api.sample(small, source, dragged, settings=QUICK), dragged, QUICK)
        assert torch.equal(stitched.image, result.image) and torch.equal(stitched.shown, result.shown)

    def test_what_something_else_edited_is_stitched_too(self, small, large):
        crop = api.crop(small, large, POINTS)
        assert torch.equal(api.stitch(crop, crop.image).image, large)
        turned = api.stitch(crop, 1 - crop.image).image
        assert not torch.allclose(turned, large, atol=0.1)

    def test_the_cost_is_of_a_window_and_of_the_look(self, small, large):
        auto, masked, whole = (
            api.cost(small, large, QUICK, window=window, mask=mask)
            for window, mask in (("auto", None), ("auto", torch.ones(150, 200)), ("whole", None))
        )
        assert auto.footprint.maps < whole.footprint.maps / 10
        assert auto.inversion > masked.inversion == whole.inversion

    def test_the_whole_picture_is_what_it_was(self, small, large):
        result = api.edit(small, large, POINTS, settings=QUICK, window="whole")
        assert result.found.grid.image_size == (150, 200) and not hasattr(result, "window")
