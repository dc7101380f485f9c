"""The table of defaults: who belongs to which row, what "auto" means, and the schedule of models of few steps."""

from __future__ import annotations

import json

import pytest
import torch

from core import api, cli
from core.attention.plan import CapturePlan
from core.diffusion import schedule
from core.diffusion.inversion import invert
from core.diffusion.sampling import SampleSettings, sample
from core.errors import InputError
from core.families import DEMO, FAMILIES, SD1, SD2, SD2_V, SDXL, SDXL_ZSNR_V, chosen, equal_strength, family_of
from core.hosts.diffusers.family import is_distilled
from core.settings import EditSettings
from tests.core import diffusers_models as models
from tests.core.toy_unet import SIGMAS, ToyUNet, latent, sigma_of


@pytest.mark.parametrize(
    ("facts", "family"),
    [
        ({"context_width": 768, "levels": 4}, SD1),
        ({"context_width": 768, "levels": 3}, DEMO),
        ({"context_width": 1024, "levels": 4}, SD2),
        ({"context_width": 1024, "levels": 4, "v_prediction": True}, SD2_V),
        ({"context_width": 2048, "levels": 3}, SDXL),
        ({"context_width": 2048, "levels": 3, "v_prediction": True}, SDXL),
        ({"context_width": 2048, "levels": 3, "v_prediction": True, "zero_snr": True}, SDXL_ZSNR_V),
    ],
)
def test_a_model_is_known_by_its_text_width_and_prediction(facts, family):
    assert family_of(**facts) == family
    few = family_of(**facts, distilled=True)
    assert (few.schedule, few.steps, few.native_px) == ("distilled", 10, family.native_px)
    assert family_of(**facts, native_px=640).native_px == 640


def test_sizes_and_defaults_of_the_table():
    assert {name: family.native_px for name, family in FAMILIES.items()} == {
        "sd1": 512, "sd2": 512, "sd2_v": 768, "sdxl": 1024, "sdxl_zsnr_v": 1024, "demo": 256
    }  # fmt: skip
    assert EditSettings() == EditSettings.of(DEMO) == EditSettings.of(SD1)
    assert [family.name for family in FAMILIES.values() if family.measured] == ["demo"]
    assert EditSettings.of(SDXL.distilled(), strength=0.5) == EditSettings(schedule="distilled", steps=10, strength=0.5)


def test_auto_is_the_familys_own_and_what_is_given_stands():
    assert chosen(SD1) == ("full", 50) and chosen(SD1.distilled()) == ("distilled", 10)
    assert chosen(SD1, "distilled") == ("distilled", 10) and chosen(SD1.distilled(), "full") == ("full", 50)
    assert chosen(SD1, "auto", 30) == ("full", 30) and chosen(SD1.distilled(), "auto", 4) == ("distilled", 4)
    with pytest.raises(InputError, match="'few'"):
        chosen(SD1, "few")


def test_the_same_noise_hides_less_of_a_larger_picture():
    strengths = [equal_strength(sigma_of, family.native_px) for family in (DEMO, SD1, SD2_V, SDXL)]
    assert strengths[0] == DEMO.strength and strengths == sorted(set(strengths)) and strengths[-1] < 0.9
    assert sigma_of(round(strengths[1] * 1000)) == pytest.approx(2 * sigma_of(400), rel=0.03)


class TestDistilledSchedule:
    def test_it_counts_down_from_the_last_timestep(self):
        assert schedule.timesteps(4, 1.0, schedule="distilled") == [249, 499, 749, 999]
        assert schedule.timesteps(10, 0.4, schedule="distilled") == [99, 199, 299, 399]
        assert schedule.timesteps(8, 0.01, schedule="distilled") == [124]
        # LCM was trained on every 20th.
        lcm = schedule.timesteps(50, 1.0, schedule="distilled")
        assert lcm == [20 * k + 19 for k in range(50)]

    def test_zero_snr_has_levels_at_any_strength(self):
        scheduler = models.scheduler("v_prediction")
        alphas = type(scheduler)(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", rescale_betas_zero_snr=True
        ).alphas_cumprod
        sigmas = schedule.sigmas_from_alphas(alphas.double().clamp(min=1e-8))
        for kind in ("full", "distilled"):
            steps = schedule.timesteps(10, 1.0, schedule=kind)
            assert torch.isfinite(schedule.sampling_sigmas(lambda step: float(sigmas[step]), steps)).all()

    @pytest.mark.parametrize("steps", [4, 8, 10])
    @pytest.mark.parametrize("refinements", [0, 3])
    def test_the_round_trip_over_few_steps(self, steps, refinements):
        levels = schedule.sampling_sigmas(sigma_of, schedule.timesteps(steps, 0.5, schedule="distilled"))
        assert len(levels) - 1 == steps // 2
        source = latent(1, (12, 12))
        inversion = invert(ToyUNet(), source, levels, CapturePlan(storage="cpu"), refinements)
        free = torch.ones(1, 12, 12)
        back = sample(ToyUNet(), inversion, inversion.noisy, None, free, SampleSettings(source_attention="off"))
        error = ((back - source).norm() / source.norm()).item()
        assert error < (0.35 if refinements == 0 else 0.05), error


class TestWhatAModelSaysOfItself:
    @pytest.mark.parametrize(
        ("unet", "scheduler", "distilled"),
        [
            ({}, {"_class_name": "DDIMScheduler"}, False),
            ({}, {"_class_name": "DDIMScheduler", "timestep_spacing": "trailing"}, False),
            ({}, {"_class_name": "EulerAncestralDiscreteScheduler", "timestep_spacing": "trailing"}, True),
            ({}, {"_class_name": "EulerAncestralDiscreteScheduler", "timestep_spacing": "leading"}, False),
            ({}, {"_class_name": "LCMScheduler"}, True),
            ({}, {"_class_name": "TCDScheduler"}, True),
            ({"time_cond_proj_dim": 256}, {"_class_name": "DDIMScheduler"}, True),
        ],
    )
    def test_configurations(self, unet, scheduler, distilled):
        assert is_distilled(unet, scheduler) == distilled

    def test_a_folder_with_lcms_scheduler_is_edited_in_few_steps(self, tmp_path):
        folder = models.write_folder(tmp_path, "sd15")
        file = folder / "scheduler" / "scheduler_config.json"
        config = json.loads(file.read_text())
        file.write_text(json.dumps({**config, "_class_name": "LCMScheduler", "original_inference_steps": 50}))
        model = api.load(folder, "cpu")
        assert (model.family.schedule, model.family.steps) == ("distilled", 10)
        image = torch.rand(1, 32, 40, 3, generator=torch.Generator().manual_seed(0))
        result = api.edit(model, image, [((0.3, 0.5), (0.6, 0.5))])
        levels = [float(SIGMAS[step]) for step in (399, 299, 199, 99)]
        assert result.inversion.sigmas[:-1].tolist() == pytest.approx(levels, rel=1e-4)
        assert result.inversion.evaluations == 4 and torch.isfinite(result.image).all()

    def test_a_pipeline_by_the_scheduler_that_is_in_it_now(self):
        from diffusers import LCMScheduler, StableDiffusionPipeline

        pipe = StableDiffusionPipeline(
            vae=models.vae_kl(), unet=models.unet("sd15"), scheduler=models.scheduler(), text_encoder=None,
            tokenizer=None, safety_checker=None, feature_extractor=None, requires_safety_checker=False,
        )  # fmt: skip
        assert api.from_pipeline(pipe).family.schedule == "full"
        pipe.scheduler = LCMScheduler.from_config(pipe.scheduler.config)
        assert api.from_pipeline(pipe).family.schedule == "distilled"

    def test_a_unet_that_takes_guidance_as_an_embedding_is_told_there_is_none(self):
        told = []
        unet = models.unet("sd15", time_cond_proj_dim=8)
        unet.time_embedding.cond_proj.register_forward_hook(lambda module, given, result: told.append(given[0]))
        from core.hosts.diffusers import DiffusersDenoiser

        DiffusersDenoiser(unet, models.scheduler(), guidance=3.0).denoise(latent(2), 1.0)
        assert [row.tolist() for row in told[0]] == [[0, 0, 0, 0, 1, 1, 1, 1]] * 4

    @pytest.mark.parametrize(
        ("stated", "side"), [("256x256", 256), ("832x1216", 832), ("large", None), ("", None), (None, None)]
    )
    def test_the_size_that_a_file_states(self, tmp_path, stated, side):
        from safetensors.torch import save_file

        from core.hosts.files import stated_side

        metadata = None if stated is None else {"modelspec.resolution": stated}
        save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors", metadata)
        assert stated_side(tmp_path / "a.safetensors") == side

    def test_the_native_size_is_the_folders_own(self):
        from core.hosts.diffusers.family import family

        assert family(models.unet("sd15", sample_size=32), models.scheduler()).native_px == 256
        assert family(models.unet("sdxl", cross_attention_dim=2048), models.scheduler()).native_px == 1024


@pytest.mark.parametrize(
    ("options", "kind", "wanted"),
    [
        ([], SD1, ("full", 50)),
        ([], SD1.distilled(), ("distilled", 10)),
        (["--schedule", "distilled"], SD1, ("distilled", 10)),
        (["--schedule", "full"], SD1.distilled(), ("full", 50)),
        (["--steps", "8"], SD1.distilled(), ("distilled", 8)),
    ],
)
def test_the_command_line_reads_the_table(options, kind, wanted):
    parsed = cli.build_parser().parse_args(["m", "i", "--out", "o", "--drag=0,0,1,1", *options])
    settings = cli.read_settings(parsed, kind)
    assert (settings.schedule, settings.steps) == wanted
