"""One function in three layouts: the narrow model, its widened diffusers form, ComfyUI's checkpoint.

The weights are random on purpose: every channel and every bias then matters, which trained ones need not ensure.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderTiny, DDIMScheduler, UNet2DConditionModel
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from scripts.comfyui import find_comfyui, unpack_comfyui
from tools.demo_model.autoencoder import Autoencoder
from tools.demo_model.layout import NATIVE_SIZE, Layout
from tools.demo_model.unet import build_narrow
from tools.demo_model.write import SD15_SCALE, write_comfy, write_diffusers

TIMESTEPS = torch.tensor([3, 610])


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, Autoencoder, Path, Path]:
    folder = tmp_path_factory.mktemp("demo_model")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        unet, autoencoder = build_narrow().eval(), Autoencoder().eval()
        for parameter in [*unet.parameters(), *autoencoder.parameters()]:
            if parameter.ndim == 1:
                parameter.data += 0.2 * torch.randn_like(parameter)
    comfy, diffusers = folder / "demo.safetensors", folder / "diffusers"
    write_comfy(unet.state_dict(), autoencoder, comfy, torch.float32)
    write_diffusers(unet.state_dict(), autoencoder, diffusers, torch.float32)
    return unet, autoencoder, comfy, diffusers


@pytest.fixture(scope="module")
def noisy() -> Tensor:
    return torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def image() -> Tensor:
    return torch.rand(1, 3, 64, 48, generator=torch.Generator().manual_seed(2))


def context() -> Tensor:
    return torch.randn(2, 5, 768, generator=torch.Generator().manual_seed(4))


@torch.no_grad()
def test_widened_diffusers_unet_equals_narrow_one(models, noisy: Tensor) -> None:
    narrow, _, _, folder = models
    wide = UNet2DConditionModel.from_pretrained(folder, subfolder="unet")
    expected = narrow(noisy, TIMESTEPS, None).sample
    assert expected.std() > 0.1
    torch.testing.assert_close(wide(noisy, TIMESTEPS, context()).sample, expected, atol=2e-4, rtol=1e-4)


@torch.no_grad()
def test_comfyui_keys_convert_back_to_the_same_function(models, noisy: Tensor) -> None:
    """Diffusers' own converter of Stable Diffusion checkpoints is the independent reader of the layout."""
    narrow, _, checkpoint, folder = models
    converted = UNet2DConditionModel.from_single_file(
        str(checkpoint), config=str(folder), subfolder="unet", local_files_only=True
    )
    expected = narrow(noisy, TIMESTEPS, None).sample
    torch.testing.assert_close(converted(noisy, TIMESTEPS, context()).sample, expected, atol=2e-4, rtol=1e-4)


@torch.no_grad()
def test_diffusers_vae_equals_narrow_autoencoder(models, image: Tensor) -> None:
    _, autoencoder, _, folder = models
    vae = AutoencoderTiny.from_pretrained(folder, subfolder="vae")
    latent = autoencoder.encode(image)
    torch.testing.assert_close(vae.encode(image * 2 - 1).latents, latent, atol=1e-4, rtol=1e-4)
    decoded = vae.decode(latent).sample / 2 + 0.5
    torch.testing.assert_close(decoded, autoencoder.decode(latent), atol=1e-4, rtol=1e-4)
    assert vae.config.scaling_factor == 1.0


@torch.no_grad()
def test_comfyui_itself_computes_the_same(models, noisy: Tensor, image: Tensor, tmp_path: Path) -> None:
    narrow, autoencoder, checkpoint, _ = models
    comfyui = find_comfyui() or unpack_comfyui(Path(sys.executable))
    given = {"noisy": noisy, "timesteps": TIMESTEPS, "context": context(), "image": image}
    save_file(given, tmp_path / "inputs.safetensors")
    program = Path(__file__).parent / "comfyui_outputs.py"
    paths = [comfyui, checkpoint, tmp_path / "inputs.safetensors", tmp_path / "outputs.safetensors"]
    run = subprocess.run(
        [sys.executable, str(program), *map(str, paths)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr[-3000:]
    results = load_file(tmp_path / "outputs.safetensors")
    expected = narrow(noisy, TIMESTEPS, None).sample
    torch.testing.assert_close(results["noise"], expected, atol=2e-4, rtol=1e-4)
    latent = autoencoder.encode(image)
    torch.testing.assert_close(results["latent"], latent, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(results["decoded"], autoencoder.decode(latent).clamp(0, 1), atol=1e-4, rtol=1e-4)


def test_checkpoint_is_one_that_comfyui_takes_for_sd15(models) -> None:
    tensors = load_file(models[2])
    assert tensors["model.diffusion_model.input_blocks.0.0.weight"].shape == (320, 4, 3, 3)
    keys = [key for key in tensors if key.endswith("attn2.to_k.weight")]
    assert keys and all(tensors[key].shape[1] == 768 for key in keys)
    prefix = "model.diffusion_model.input_blocks.1.1.transformer_blocks.0."
    assert prefix + "attn1.to_q.weight" in tensors
    assert tensors["first_stage_model.taesd_decoder.1.weight"].shape == (64, 4, 3, 3)
    # ComfyUI multiplies by SD 1.5's factor what the VAE's encode gives: the U-Net must see unit variance.
    assert float(tensors["first_stage_model.vae_scale"]) == pytest.approx(SD15_SCALE)


@torch.no_grad()
def test_two_blocks_a_level_convert_as_well(noisy: Tensor, tmp_path: Path) -> None:
    """A larger layout, tiny: its names in both layouts, and what it says of its size."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        unet, autoencoder = build_narrow(Layout((64, 64), 2)).eval(), Autoencoder().eval()
    write_diffusers(unet.state_dict(), autoencoder, tmp_path / "folder", torch.float32)
    write_comfy(unet.state_dict(), autoencoder, tmp_path / "file.safetensors", torch.float32)
    expected = unet(noisy, TIMESTEPS, None).sample
    wide = UNet2DConditionModel.from_pretrained(tmp_path / "folder", subfolder="unet")
    torch.testing.assert_close(wide(noisy, TIMESTEPS, context()).sample, expected, atol=2e-4, rtol=1e-4)
    converted = UNet2DConditionModel.from_single_file(
        str(tmp_path / "file.safetensors"), config=str(tmp_path / "folder"), subfolder="unet", local_files_only=True
    )
    torch.testing.assert_close(converted(noisy, TIMESTEPS, context()).sample, expected, atol=2e-4, rtol=1e-4)
    assert wide.config.sample_size * 8 == NATIVE_SIZE
    with safe_open(tmp_path / "file.safetensors", "pt") as file:
        assert file.metadata()["modelspec.resolution"] == "256x256"


def test_scheduler_folder_is_stable_diffusions_schedule(models) -> None:
    from tools.demo_model import load_narrow

    scheduler = DDIMScheduler.from_pretrained(models[3], subfolder="scheduler")
    alphas = load_narrow(untrained=True).alphas_cumprod
    torch.testing.assert_close(scheduler.alphas_cumprod, alphas, atol=1e-6, rtol=1e-5)
    # Stable Diffusion 1.5: 1 - 0.00085 at the first timestep, sigma_max 14.6146 at the last.
    assert float(alphas[0]) == pytest.approx(1 - 0.00085, abs=1e-7)
    assert float(((1 - alphas[-1]) / alphas[-1]).sqrt()) == pytest.approx(14.6146, abs=1e-3)
