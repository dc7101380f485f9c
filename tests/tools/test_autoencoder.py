"""The narrow autoencoder and its freezing."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from tools.demo_model.autoencoder import Autoencoder, AutoencoderConfig, start_from
from tools.demo_model.freeze import encode, normalise


def scenes(count: int = 12) -> np.ndarray:
    """Random colour fields (count, 32, 32, 3) uint8, each of its own tint."""
    rng = np.random.default_rng(0)
    tint = rng.integers(0, 256, (count, 1, 1, 3))
    return np.clip(tint + rng.normal(0, 25, (count, 32, 32, 3)), 0, 255).astype(np.uint8)


@torch.no_grad()
def test_training_starts_from_the_mean_colour_of_each_cell() -> None:
    """An image that is flat within its 8x8 cells comes back nearly as it was before any training."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Autoencoder()
    image = torch.full((1, 3, 64, 64), 0.0)
    image[:, 0], image[:, 1], image[:, 2] = 0.7, 0.5, 0.35
    decoded = model.decode(model.encode(image))[..., 16:48, 16:48]
    assert (decoded.mean((0, 2, 3)) - torch.tensor([0.7, 0.5, 0.35])).abs().max() < 0.06


@torch.no_grad()
def test_normalising_is_an_affine_change_of_the_latents() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = Autoencoder()
    before, data = copy.deepcopy(model), scenes()
    normalise(model, data)
    raw, latent = encode(before, data), encode(model, data)
    mean, std = raw.mean((0, 2, 3), keepdim=True), raw.std((0, 2, 3), keepdim=True)
    torch.testing.assert_close(latent, (raw - mean) / std, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(latent.mean((0, 2, 3)), torch.zeros(4), atol=1e-4, rtol=0)
    torch.testing.assert_close(latent.std((0, 2, 3)), torch.ones(4), atol=1e-4, rtol=0)
    # Inside the clamp's linear range, away from the border, the decoder's first layer undoes it.
    small = 0.02 * torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(2))
    undone = model.decoder[1](small)[..., 1:-1, 1:-1]
    torch.testing.assert_close(undone, before.decoder[1](small * std + mean)[..., 1:-1, 1:-1], atol=1e-4, rtol=1e-4)


def test_configuration_survives_json() -> None:
    config = AutoencoderConfig((8, 16, 24, 32), (0, 1, 1, 1), (8, 8, 16, 32), (1, 1, 1, 1))
    assert AutoencoderConfig.from_dict(config.to_dict()) == config


def test_a_deeper_model_starts_as_the_shallower_one():
    torch.manual_seed(3)
    shallow = Autoencoder(AutoencoderConfig(encoder_blocks=(0, 0, 1, 2), decoder_blocks=(0, 1, 2, 3)))
    deep = Autoencoder(AutoencoderConfig(encoder_blocks=(0, 1, 2, 3), decoder_blocks=(1, 2, 3, 3)))
    start_from(deep, shallow.state_dict())
    image = torch.rand(2, 3, 32, 40)
    latent = shallow.encode(image)
    assert torch.allclose(deep.encode(image), latent, atol=1e-5)
    assert torch.allclose(deep.decode(latent), shallow.decode(latent), atol=1e-5)


def test_weights_of_another_layout_are_refused():
    weights = Autoencoder().state_dict()
    del weights["encoder.0.weight"]
    with pytest.raises(RuntimeError, match=r"encoder\.0\.weight"):
        start_from(Autoencoder(), weights)
    shallow = Autoencoder(AutoencoderConfig(encoder_blocks=(0, 0, 1, 2)))
    with pytest.raises(RuntimeError, match="unknown"):
        start_from(shallow, Autoencoder().state_dict())
