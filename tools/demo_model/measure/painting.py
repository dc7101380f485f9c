"""Pictures out of noise, whole ones and parts: DDIM with what is known put back at every step.

A painter is shown what is known as well.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from .. import painter
from ..load import NarrowModel
from ..schedule import TIMESTEPS

CELL = 8
BATCH = 8


def descending(steps: int, strength: float = 1.0) -> list[int]:
    """Timesteps of the last ``strength`` of ``steps`` evenly spaced ones, high noise first; at least one."""
    spaced = [round(TIMESTEPS * (steps - number) / steps) - 1 for number in range(steps)]
    return spaced[-max(1, round(strength * steps)) :]


@torch.no_grad()
def sampled(
    model: NarrowModel,
    start: Tensor,
    noise: Tensor,
    steps: int,
    strength: float = 1.0,
    free: Tensor | None = None,
    known: Tensor | None = None,
) -> Tensor:
    """Latents (B, 4, h, w) denoised by DDIM (eta 0).

    Args:
        start: (1 or B, 4, h, w) clean latents that the noise is added to; of no matter at strength 1.
        noise: (B, 4, h, w), a picture each.
        steps: of the whole schedule.
        strength: share of them that are walked.
        free: (1, 1, h, w) bool, cells that are painted; None for all.
        known: (1, 4, h, w) clean latents of the others, which are put back at every level with the same noise.
    """
    alphas, beside = model.alphas_cumprod, _shown(model, noise, free, known)
    levels = descending(steps, strength)
    first = alphas[levels[0]]
    x = first.sqrt() * start + (1 - first).sqrt() * noise
    if strength >= 1:
        # At full strength nothing of the start shines through the noise that the schedule leaves short of.
        x = noise.clone()
    for here, there in zip(levels, [*levels[1:], None], strict=True):
        alpha = alphas[here]
        after = alphas[there] if there is not None else torch.ones(())
        if free is not None:
            x = torch.where(free, x, alpha.sqrt() * known + (1 - alpha).sqrt() * noise)
        timestep = torch.full((len(x),), here)
        said = torch.cat([
            model.unet(torch.cat([part, planes], 1), times, encoder_hidden_states=None).sample
            for part, planes, times in zip(x.split(BATCH), beside.split(BATCH), timestep.split(BATCH), strict=True)
        ])  # fmt: skip
        if model.shown:
            # A painter says v.
            eps, clean = (1 - alpha).sqrt() * x + alpha.sqrt() * said, alpha.sqrt() * x - (1 - alpha).sqrt() * said
        else:
            eps, clean = said, (x - (1 - alpha).sqrt() * said) / alpha.sqrt()
        x = after.sqrt() * clean + (1 - after).sqrt() * eps
    return x if free is None else torch.where(free, x, known)


def _shown(model: NarrowModel, noise: Tensor, free: Tensor | None, known: Tensor | None) -> Tensor:
    """(B, 0 or 5, h, w) planes that the U-Net is shown beside the latents."""
    if not model.shown:
        return noise[:, :0]
    covered = torch.ones_like(noise[:, :1]) if free is None else free.to(noise).expand(len(noise), -1, -1, -1)
    clean = torch.zeros_like(noise) if known is None else known
    return painter.shown(covered, clean, painter.grey_of(model.vae.encode))


def cells_of(hole: Tensor) -> Tensor:
    """(1, 1, h, w) bool: the cells that a hole (H, W) of pixels touches."""
    return functional.max_pool2d(hole.float()[None, None], CELL) > 0


def noises(count: int, shape: torch.Size, seed: int = 0) -> Tensor:
    """(count, *shape[1:]) normal, seeds ``seed`` to ``seed + count``."""
    return torch.cat([
        torch.randn(1, *shape[1:], generator=torch.Generator().manual_seed(seed + number)) for number in range(count)
    ])  # fmt: skip


def painted(model: NarrowModel, picture: Tensor, hole: Tensor, steps: int, strength: float, seeds: int) -> Tensor:
    """``picture`` (1, 3, H, W), filled somehow in its hole (H, W) bool, with the hole painted: (seeds, 3, H, W).

    At strength 1 the hole begins as noise, below as the filling that is there. Outside it is the picture itself.
    """
    latent = model.vae.encode(picture)
    result = sampled(model, latent, noises(seeds, latent.shape), steps, strength, cells_of(hole), latent)
    return torch.where(hole, model.vae.decode(result), picture)
