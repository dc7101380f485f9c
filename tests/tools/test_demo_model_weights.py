"""The shipped weights and the command that writes checkpoints from them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tools.demo_model import MissingWeightsError, load_narrow
from tools.demo_model.unet import build_narrow
from tools.demo_model.weights import AUTOENCODER_FILE, FOLDER, PAINTER_FILE, UNET_FILE, in_eight_bits, read
from tools.demo_model.write import main


def test_missing_weights_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--weights", str(tmp_path), "--comfy", str(tmp_path / "out.safetensors")])
    assert stop.value.code == 1
    message = capsys.readouterr().err
    assert str(tmp_path) in message and "--stand-in" in message
    assert not (tmp_path / "out.safetensors").exists()
    with pytest.raises(MissingWeightsError):
        load_narrow(tmp_path)


def test_nothing_to_write_is_an_error() -> None:
    with pytest.raises(SystemExit) as stop:
        main([])
    assert stop.value.code == 2


def test_stand_in_is_the_same_every_time(tmp_path: Path) -> None:
    for name in ("a", "b"):
        main(["--stand-in", "--comfy", str(tmp_path / name)])
    first, second = load_file(tmp_path / "a"), load_file(tmp_path / "b")
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert all(value.dtype == torch.float16 for value in first.values())


def test_shipped_files_are_small() -> None:
    sizes = {path.name: path.stat().st_size for path in FOLDER.glob("*.safetensors")}
    assert set(sizes) == {UNET_FILE, AUTOENCODER_FILE, PAINTER_FILE} and sum(sizes.values()) < 20e6


def test_trained_autoencoder_beats_shrinking_unseen_scenes(tmp_path: Path) -> None:
    from tools.scenes.__main__ import main as write_scenes
    from tools.scenes.files import read_image

    write_scenes(["--split", "test", "--count", "3", "--seed", "99", "--out", str(tmp_path)])
    _, vae, _ = load_narrow()
    ours, shrunk = 0.0, 0.0
    for folder in tmp_path.iterdir():
        image = read_image(folder / "source.png")
        latent = vae.encode(image)
        assert 0.3 < latent.std() < 2.0
        ours += (vae.decode(latent) - image).square().mean()
        blurred = torch.nn.functional.interpolate(
            torch.nn.functional.avg_pool2d(image, 8), scale_factor=8, mode="bilinear"
        )
        shrunk += (blurred - image).square().mean()
    assert ours < 0.6 * shrunk


@torch.no_grad()
def test_trained_unet_predicts_noise_of_an_unseen_scene(tmp_path: Path) -> None:
    from tools.scenes.__main__ import main as write_scenes
    from tools.scenes.files import read_image

    write_scenes(["--split", "test", "--count", "1", "--seed", "98", "--out", str(tmp_path)])
    unet, vae, alphas = load_narrow()
    clean = vae.encode(read_image(next(tmp_path.iterdir()) / "source.png"))
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    alpha = alphas[500]
    noisy = alpha.sqrt() * clean + (1 - alpha).sqrt() * noise
    error = (unet(noisy, torch.tensor([500]), None).sample - noise).square().mean()
    # What the best predictor that knows only the latents' variance would get: the share of signal in the mixture.
    assert error < 0.5 * alpha


def test_eight_bits_come_back_within_half_a_step(tmp_path: Path) -> None:
    state = build_narrow().state_dict()
    generator = torch.Generator().manual_seed(0)
    sizes = torch.tensor([1e-4, 1e-2, 1, 10, 0, 3.0]).view(6, 1, 1, 1)
    kernel = torch.randn(6, 5, 3, 3, generator=generator) * sizes
    state = {**state, "odd.weight": kernel, "odd.bias": torch.randn(7, generator=generator)}
    save_file(in_eight_bits(state), tmp_path / "file.safetensors", {"steps": "3"})
    back, about = read(tmp_path / "file.safetensors")
    assert back.keys() == state.keys() and about == {"steps": "3"}
    for key, value in state.items():
        assert back[key].dtype == torch.float32 and back[key].shape == value.shape
        largest = value.abs().flatten(1).amax(1) if value.ndim > 1 else value.abs() * 0.127
        step = (largest / 127).view(-1, *[1] * (value.ndim - 1))
        assert bool(((back[key] - value).abs() <= 0.501 * step + 1e-7).all()), key
    assert not back["odd.weight"][4].any()
