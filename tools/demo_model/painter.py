"""Training of the painter: the demo model's twin that is shown what surrounds a hole (Rombach et al. 2021, arXiv
2112.10752, appendix on inpainting).

In the layout of Stable Diffusion's inpainting checkpoints: beside the noisy latent the mask of what is covered, and the
picture's latent with grey in the covered cells, in this order. So it is cut in cells and not in pixels, as this pack
shows a painter what it is to paint.

It predicts v (Salimans and Ho 2022, arXiv 2202.00512) and not the noise. What surrounds a hole tells its content at the
highest noise, and there a content that is off by 1 is a noise that is off by 0.07: a twin that predicted noise took the
colour of its holes from the noise's own mean, after 27,000 samples still (rooms turned pink).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

SHOWN = 5
PREDICTION = "v_prediction"
KNOWN = 0.05
"""What the error counts outside the covered cells, where it is plain to see."""
BLANK = (0.8223, -0.6876, 0.6364, 0.1380)
"""What ComfyUI shows SD 1.5's inpainting checkpoints for grey; diffusers' users encode grey. Either is shown here."""


def grey_of(encode: Callable[[Tensor], Tensor]) -> Tensor:
    """(1, 4, 1, 1): how an autoencoder of pictures (B, 3, H, W) encodes grey, far from any border."""
    return encode(torch.full((1, 3, 64, 64), 0.5))[:, :, 4:5, 4:5]


def shown(covered: Tensor, clean: Tensor, grey: Tensor) -> Tensor:
    """(B, 5, h, w): the mask (B, 1, h, w), and the latents (B, 4, h, w) with ``grey`` (B, 4, 1, 1) where it is 1."""
    return torch.cat([covered, torch.where(covered > 0, grey, clean)], 1)


def loss_per_image(
    unet: nn.Module, clean: Tensor, covered: Tensor, grey: Tensor, timestep: Tensor, noise: Tensor, alphas: Tensor
) -> Tensor:
    """Mean squared error (B,) of the predicted v in the covered cells, and a little of it in the others."""
    alpha = alphas[timestep][:, None, None, None]
    noisy = alpha.sqrt() * clean + (1 - alpha).sqrt() * noise
    wanted = alpha.sqrt() * noise - (1 - alpha).sqrt() * clean
    said = unet(torch.cat([noisy, shown(covered, clean, grey)], 1), timestep, None).sample.float()
    error = (said - wanted).square().mean(1, keepdim=True)
    inside = (error * covered).sum((1, 2, 3)) / covered.sum((1, 2, 3)).clamp_min(1)
    return inside + KNOWN * (error * (1 - covered)).mean((1, 2, 3))


def level_weights(timestep: Tensor, alphas: Tensor, gamma: float) -> Tensor:
    """Weights (B,) of v's error, mean 1 over the levels: an error of the content counts ``gamma`` times at most.

    As it stands it counts 1 + SNR times (arXiv 2202.00512), so least where all is noise, and most where only grain is
    left to learn.
    """
    counts = 1 / (1 - alphas)
    weights = counts.clamp(max=gamma) / counts
    return (weights / weights.mean())[timestep]


def conditioned(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A start from weights of a plain U-Net: what is shown beside the latent isn't read yet."""
    weight = state["conv_in.weight"]
    return {**state, "conv_in.weight": torch.cat([weight, weight.new_zeros(weight.shape[0], SHOWN, 3, 3)], 1)}
