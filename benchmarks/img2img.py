"""``paste_img2img``: what people do today who want to move a thing, a paste and then masked denoising.

The element's pixels are moved along the drags and the hole filled classically (``benchmarks.pasting.cut_and_paste``).
The *painted* area is the hole and the rim of what was pasted (``RIM_OUT`` px round it and ``RIM_IN`` px inside); the
pasted picture is encoded and noised to a strength s of the schedule, and the same model samples back with the given
number of evaluations (DDIM), all cells outside the painted area replaced at every step by the pasted latent at that
noise level, as masked denoising does. In pixels, too, only the painted area shows what was decoded, with a soft edge.

The strength is the baseline's best of 0.3, 0.5 and 0.7 on validation scenes, with the true mask and the demo model of
then: where the truth changed 16.20, 16.06 and 16.12 dB on 7 worlds, 19.3, 18.5 and 17.7 dB on 5 photographic scenes.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch

from core.diffusion import schedule
from core.hosts.direct import DirectHost
from core.space.grid import CELL, Grid

from .metrics import widened
from .pasting import Pasted

STRENGTH = 0.3
RIM_OUT = 8
RIM_IN = 4
FEATHER = 2.0
SEED = 0


def painted_area(pasted: Pasted) -> np.ndarray:
    """(H, W) bool: the hole and the rim of what was pasted, without its inside."""
    solid = pasted.element > 0.5
    rim = widened(pasted.element > 0, RIM_OUT)
    return (pasted.hole | rim) & ~widened(solid, -RIM_IN)


def repaint(
    host: DirectHost, pasted: Pasted, evaluations: int, strength: float = STRENGTH
) -> tuple[np.ndarray, np.ndarray]:
    """Masked denoising of a paste.

    Args:
        host: the model.
        pasted: the paste.
        evaluations: of the U-Net, all on the way back.
        strength: share of the schedule.

    Returns:
        The picture (H, W, 3), and what was free to change by paste and model (H, W), above 0.
    """
    area = painted_area(pasted)
    grid = Grid.padded(*area.shape, CELL)
    image = torch.from_numpy(pasted.image)[None]
    latent = host.encode(grid.pad_image(image)).float()
    free = (grid.image_mask_to_cells(torch.from_numpy(area)[None].float()) > 0)[:, None].to(latent.device)
    sigmas = host.sigmas(max(evaluations, round(evaluations / strength)), strength).tolist()
    noise = torch.randn(latent.shape, generator=torch.Generator("cpu").manual_seed(SEED)).to(latent)
    denoiser = host.sampling_denoiser or host.denoiser
    x = latent + sigmas[0] * noise
    for sigma, lower in zip(sigmas[:-1], sigmas[1:], strict=True):
        denoised = denoiser.denoise(x, sigma)
        x = schedule.step(x, schedule.epsilon(x, denoised, sigma), sigma, lower)
        x = torch.where(free, x, latent + lower * noise)
    decoded = grid.crop_image(host.decode(x))[0].float().clamp(0, 1).cpu().numpy()
    share = cv2.GaussianBlur(area.astype(np.float32), (0, 0), FEATHER)
    share[share < 1e-3] = 0
    result = pasted.image + share[..., None] * (decoded - pasted.image)
    return result.astype(np.float32), np.maximum(share, pasted.free)
