"""Semantic interpolation (step 5 of AttentionDrag, arXiv 2506.13301): a hole gets what its own attention looks at."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from ..attention.maps import AttentionMaps
from ..errors import InputError
from .harmonic import harmonic


def attended(latent: torch.Tensor, hole: torch.Tensor, maps: AttentionMaps) -> torch.Tensor:
    """Fills holes with attention-weighted latents, z[p] = sum over known q of A[p, q] z[q] / sum of A[p, q].

    The paper sums over all of the latent; what the element itself shows is left out here, or it would be its own
    background. Read off the finest recorded token grid; on a coarser one than the latent's a token stands for the mean
    of its known cells.

    Args:
        latent: (B, C, h, w) clean latent.
        hole: (B, h, w) bool, cells to fill; nothing is read from them.
        maps: of the inversion, for the same batch.

    Returns:
        (B, C, h, w) on ``latent``'s device; cells outside the hole unchanged. Hole cells whose attention sees nothing
        that is known, or a latent that is all hole, are continued smoothly.

    Raises:
        InputError: the inversion recorded no maps, or those of another batch.
    """
    if not bool(hole.any()):
        return latent
    if not maps:
        raise InputError("fill", "'attention', but the inversion recorded no attention.", "Choose another fill.")
    size, attention = max(maps.items(), key=lambda item: item[0][0] * item[0][1])
    if attention.shape[0] != latent.shape[0]:
        raise InputError(
            "inversion",
            f"attention of {attention.shape[0]} pictures, but {latent.shape[0]} latents.",
            "Link the inversion of the same pictures.",
        )
    attention = attention.to(latent.device, torch.float32)
    known = (~hole)[:, None].to(torch.float32)
    share = F.adaptive_avg_pool2d(known, size).flatten(2)
    means = F.adaptive_avg_pool2d(latent.float() * known, size).flatten(2)
    # Means of the known cells times their share: (B, N, N) x (B, N, C + 1), over q.
    summed = torch.cat([means, share], 1) @ attention.transpose(-1, -2)
    weight = summed[:, -1:]
    tokens = (summed[:, :-1] / weight.clamp_min(torch.finfo(torch.float32).tiny)).unflatten(-1, size)
    seen = (weight > 1e-4).float().unflatten(-1, size)
    if size != tuple(latent.shape[-2:]):
        tokens, seen = (
            F.interpolate(plane, size=latent.shape[-2:], mode="bilinear", align_corners=False)
            for plane in (tokens * seen, seen)
        )
        tokens = tokens / seen.clamp_min(1e-4)
    filled = torch.where((hole[:, None] & (seen > 0.5)), tokens.to(latent), latent)
    return harmonic(filled, hole & (seen[:, 0] <= 0.5))
