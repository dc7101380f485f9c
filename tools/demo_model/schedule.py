"""The demo model's noise schedule."""

from __future__ import annotations

import torch
from torch import Tensor

TIMESTEPS = 1000


def alphas_cumprod() -> Tensor:
    """Stable Diffusion's scaled-linear schedule: (1000,) float32, computed in float64."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, TIMESTEPS, dtype=torch.float64) ** 2
    return torch.cumprod(1.0 - betas, 0).float()
