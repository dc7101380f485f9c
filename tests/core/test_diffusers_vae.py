"""The VAE wrapper: scale, determinism, precision."""

from __future__ import annotations

import pytest
import torch

from core.errors import InputError
from core.hosts.diffusers import DiffusersVae
from tests.core import diffusers_models as models


def picture(batch: int = 1) -> torch.Tensor:
    return torch.rand(batch, 16, 24, 3, generator=torch.Generator().manual_seed(2))


def test_kl_gives_the_scaled_mode_and_takes_it_back():
    module = models.vae_kl()
    vae = DiffusersVae(module)
    image = picture(2)
    with torch.no_grad():
        posterior = module.encode(image.permute(0, 3, 1, 2) * 2 - 1).latent_dist
        expected = posterior.mean * 0.18215
        decoded = (module.decode(posterior.mean).sample.permute(0, 2, 3, 1) + 1) / 2
    latent = vae.encode(image)
    assert latent.shape == (2, 4, 2, 3) and vae.cell == 8
    torch.testing.assert_close(latent, expected)
    assert torch.equal(latent, vae.encode(image))
    torch.testing.assert_close(vae.decode(latent), decoded.clamp(0, 1), rtol=1e-4, atol=1e-5)


def test_shift_and_scale_undo_each_other():
    module = models.vae_tiny(scaling_factor=2.0, shift_factor=0.25)
    plain = models.vae_tiny()
    image = picture()
    latent, reference = DiffusersVae(module).encode(image), DiffusersVae(plain).encode(image)
    torch.testing.assert_close(latent, (reference - 0.25) * 2)
    torch.testing.assert_close(DiffusersVae(module).decode(latent), DiffusersVae(plain).decode(reference))


def test_a_half_precision_vae_that_overflows_runs_in_float32():
    module = models.vae_kl().half()
    with torch.no_grad():
        # Activations far beyond 65504, which the next normalisation brings back.
        module.encoder.conv_in.weight.mul_(6e4)
        module.encoder.conv_in.bias.mul_(6e4)
        half = module.encode(picture().permute(0, 3, 1, 2).half() * 2 - 1).latent_dist.mean
        assert not torch.isfinite(half).all()
    latent = DiffusersVae(module).encode(picture())
    assert module.dtype == torch.float16
    torch.testing.assert_close(latent, DiffusersVae(module.float()).encode(picture()))


def test_force_upcast_computes_in_float32():
    module = models.vae_kl().half()
    exact = DiffusersVae(models.vae_kl().half().float()).encode(picture())
    module.register_to_config(force_upcast=True)
    torch.testing.assert_close(DiffusersVae(module).encode(picture()), exact)
    assert module.dtype == torch.float16
    module.register_to_config(force_upcast=False)
    assert not torch.equal(DiffusersVae(module).encode(picture()), exact)


def test_nan_is_named():
    with pytest.raises(InputError, match="vae: AutoencoderKL gave NaN.* for the image in float32"):
        DiffusersVae(models.vae_kl()).encode(picture() * float("nan"))


@pytest.mark.parametrize("shape", [(1, 16, 20, 3), (1, 16, 24, 4), (16, 24, 3)])
def test_unfit_images_are_named(shape):
    with pytest.raises(InputError, match="multiples of 8"):
        DiffusersVae(models.vae_kl()).encode(torch.zeros(shape))
