"""Checkpoints as people have them: quantised weights, models of few steps, inpainting models, VAEs that overflow."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def figures(comfyui, tmp_path_factory):
    result = tmp_path_factory.mktemp("checkpoints") / "figures.json"
    program = Path(__file__).with_name("checkpoints_program.py")
    run = subprocess.run([sys.executable, str(program), str(comfyui), str(result)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-4000:]
    return json.loads(result.read_text())


LAYERS = [["down.1.0", 32, 8], ["down.3.0", 64, 8], ["middle.0.0", 64, 8]]


@pytest.mark.parametrize("kind", ["fp8", "fp8 e5m2", "packed"])
class TestQuantisedWeights:
    def test_layers_are_known_without_the_projections_telling(self, figures, kind):
        assert figures[kind]["layers"][:3] == LAYERS

    def test_they_run_as_the_same_values_in_float32(self, figures, kind):
        assert figures[kind]["apart"] < 1e-3 and figures[kind]["attention apart"] < 1e-2
        assert figures[kind]["stored"] == ["torch.float16"]

    def test_fingerprints_tell_them_apart(self, figures, kind):
        assert figures[kind]["same"] and not figures[kind]["other"]

    def test_the_round_trip(self, figures, kind):
        assert figures[kind]["error"] < 0.05 and figures[kind]["error with source attention"] < 0.05


def test_the_weights_were_quantised(figures):
    assert figures["fp8"]["weights"] == ["torch.float8_e4m3fn"]
    assert figures["fp8 e5m2"]["weights"] == ["torch.float8_e5m2"]
    assert figures["packed"]["linear layers left"] == 0


def test_tensors_without_storage_of_their_own_are_told_apart(figures):
    if not figures["wrapped"]:
        pytest.skip("this ComfyUI has no QuantizedTensor")
    assert figures["wrapped"] == {"same": True, "other values": False, "other scale": False}


def test_every_family_is_known(figures):
    assert figures["families"] == {
        "sd1": ["sd1", "full", 50, 512],
        "demo": ["demo", "full", 50, 256],
        "sd2 v": ["sd2_v", "full", 50, 768],
        "sd2": ["sd2", "full", 50, 512],
        "sdxl": ["sdxl", "full", 50, 1024],
        "sdxl zero-SNR v": ["sdxl_zsnr_v", "full", 50, 1024],
        "sdxl v": ["sdxl", "full", 50, 1024],
        "lcm": ["sd1", "distilled", 10, 512],
    }


@pytest.mark.parametrize(("steps", "run"), [("4", 2), ("10", 5)])
def test_few_steps_at_levels_that_lcm_knows(figures, steps, run):
    assert all(figures["lcm"]["known"].values())
    assert figures["lcm"][steps]["steps"] == run
    assert figures["lcm"][steps]["error"] < 0.25


def test_an_inpainting_model_is_refused_with_what_to_do(figures):
    assert figures["inpainting"]["error"] == "UnsupportedModelError"
    for word in ("model", "9 channels instead of 4", "inpainting", "can't be inverted", "painter"):
        assert word in figures["inpainting"]["text"]


@pytest.mark.parametrize("kind", ["held", "free"])
class TestPainter:
    def test_an_inpainting_model_paints_what_is_revealed_and_nothing_else(self, figures, kind):
        told = figures["painter"][kind]
        assert told["cells"] >= 6 and told["finite"] and told["inside"] > 1e-3
        if kind == "held":
            assert told["outside"] == 0

    def test_it_is_shown_the_mask_and_the_picture_with_a_hole(self, figures, kind):
        told = figures["painter"][kind]
        assert told["channels"] == [9]
        assert told["mask"] < 1e-6 and told["picture"] < 1e-5
        # Grey, as Stable Diffusion's autoencoder has it.
        assert told["blank"] == [0.822, -0.688, 0.636, 0.138]

    def test_it_is_asked_at_every_step_and_the_other_only_where_it_has_a_say(self, figures, kind):
        assert figures["painter"][kind]["asked"] == 4
        assert figures["painter"][kind]["evaluations"] == (0 if kind == "held" else 4)


def test_a_painter_leaves_both_models_as_they_were(figures):
    assert figures["painter"]["unharmed"] and figures["painter"]["left behind"] == []


def test_any_model_of_the_same_latents_may_paint(figures):
    assert figures["painter"]["plain painter"]
    assert "one model can't be loaded as two" in figures["painter"]["itself"]
    assert "SDXL" in figures["painter"]["family"] and "family" in figures["painter"]["family"]


class TestConditioning:
    def test_keys_and_values_are_the_inversions_own_kept_or_recomputed(self, figures):
        told = figures["conditioning"]
        assert told["kept"] and told["apart"] < 1e-5 and told["same prompt"] < 1e-5
        assert told["the way back's own"] > 1e-3

    def test_under_any_guider(self, figures):
        assert figures["conditioning"]["foreign"] < 1e-5

    def test_a_controlnet_that_is_not_loaded_is_told(self, figures):
        kind, text = figures["conditioning"]["control"]
        assert kind == "InputError"
        for word in ("inversion", "ControlNet", "budget_mb", "same positive"):
            assert word in text


@pytest.mark.parametrize("way", ["encode", "decode"])
def test_a_vae_that_overflows_is_named(figures, way):
    name, problem, mend = figures["vae"][way]
    assert name == "vae"
    assert way[:4] in problem and "NaN" in problem and "float16" in problem
    assert "Load VAE" in mend and "--fp32-vae" in mend
