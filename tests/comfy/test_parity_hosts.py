"""The same weights under ComfyUI and under diffusers: what is inverted, captured, sampled and edited agrees."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

FAMILIES = ("sd15", "sd2", "sdxl")
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def figures(comfyui, tmp_path_factory):
    result = tmp_path_factory.mktemp("parity") / "figures.json"
    program = Path(__file__).with_name("parity_program.py")
    run = subprocess.run([sys.executable, str(program), str(comfyui), str(result)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-4000:]
    return json.loads(result.read_text())


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("family", FAMILIES)
class TestFamilies:
    def test_both_see_the_same_layers_and_noise_levels(self, figures, family):
        assert figures[family]["same layers"] and figures[family]["layers"] >= 7
        assert figures[family]["sigmas"] < 1e-6

    def test_inversion_agrees_over_the_whole_trajectory(self, figures, family):
        assert figures[family]["trajectory"] < TOLERANCE

    def test_captured_attention_agrees(self, figures, family):
        # Stored in half precision; the first is in units of uniform attention.
        assert figures[family]["attention"] < 1e-2
        assert figures[family]["tokens"] < 1e-3

    @pytest.mark.parametrize("mode", ["off", "extend", "replace"])
    def test_guided_sampling_agrees_with_and_without_consistency(self, figures, family, mode):
        # What the two inversions differ by, random weights amplify: on some processors that is 40 times what it is on
        # others, and the more is allowed; what consistency itself changes is more still (below).
        allowed = 10 * TOLERANCE + 150 * figures[family]["trajectory"]
        assert figures[family][f"sampled, {mode}"] < min(allowed, 5e-3)

    def test_consistency_was_at_work(self, figures, family):
        results = [torch.tensor(figures[family][f"result, {mode}"]) for mode in ("off", "extend", "replace")]
        for one, other in ((0, 1), (0, 2), (1, 2)):
            assert (results[one] - results[other]).abs().max() > 1e-2


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("loaded", ["file", "folder"])
def test_edits_with_the_demo_models_layout_agree(figures, loaded):
    apart = figures["stand-in"][loaded]
    assert apart["latent"] < TOLERANCE and apart["trajectory"] < TOLERANCE
    assert apart["scores"] < 1e-3
    assert apart["image"] < 0.5 / 255
    assert apart["changed"] > 0.05


def test_the_single_file_edits_as_the_folder_does(figures):
    assert figures["stand-in"]["single file"] < 0.5 / 255
