"""Means over squares, and the guided filter that is made of them (He et al. 2013, "Guided Image Filtering")."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def guided_filter(target: torch.Tensor, guide: torch.Tensor, radius: int, epsilon: float) -> torch.Tensor:
    """Smooths ``target`` (B, 1, H, W) except across the edges of the colour ``guide`` (B, 3, H, W)."""
    mean_guide = box_mean(guide, radius)
    mean_target = box_mean(target, radius)
    covariance = box_mean(guide * target, radius) - mean_guide * mean_target
    products = box_mean((guide[:, :, None] * guide[:, None]).flatten(1, 2), radius).unflatten(1, (3, 3))
    spread = products - mean_guide[:, :, None] * mean_guide[:, None]
    spread = spread.permute(0, 3, 4, 1, 2) + epsilon * torch.eye(3, device=guide.device, dtype=guide.dtype)
    slope = torch.linalg.solve(spread, covariance.permute(0, 2, 3, 1)[..., None])[..., 0].permute(0, 3, 1, 2)
    offset = mean_target - (slope * mean_guide).sum(1, keepdim=True)
    return (box_mean(slope, radius) * guide).sum(1, keepdim=True) + box_mean(offset, radius)


def box_mean(planes: torch.Tensor, radius: int) -> torch.Tensor:
    """Mean over squares of 2 * radius + 1 pixels, (B, C, H, W); borders repeat. Its cost doesn't depend on radius."""
    width = 2 * radius + 1
    for axis, padding in ((-1, (radius, radius, 0, 0)), (-2, (0, 0, radius, radius))):
        sums = F.pad(planes, padding, mode="replicate")
        # Running sums lose float32's digits over a large image; MPS has no float64, CPU and CUDA have.
        sums = sums.cumsum(axis, dtype=torch.float32 if planes.device.type == "mps" else torch.float64)
        sums = torch.cat([torch.zeros_like(sums.narrow(axis, 0, 1)), sums], axis)
        count = sums.shape[axis] - width
        planes = ((sums.narrow(axis, width, count) - sums.narrow(axis, 0, count)) / width).to(planes.dtype)
    return planes


def guided_upsample(
    target: torch.Tensor, guide: torch.Tensor, full: torch.Tensor, radius: int, epsilon: float
) -> torch.Tensor:
    """Small planes at the size of a large guide, along its edges (He & Sun 2015, "Fast Guided Filter").

    Args:
        target: (B, 1, h, w).
        guide: (B, 3, h, w), the small version of ``full``.
        full: (B, 3, H, W).
        radius: in elements of the small planes.
        epsilon: square of the difference in colour that is smoothed away.

    Returns:
        (B, 1, H, W). Linear in ``target``; the cost of the large planes does not depend on ``radius``.
    """
    mean_guide, mean_target = box_mean(guide, radius), box_mean(target, radius)
    covariance = box_mean(guide * target, radius) - mean_guide * mean_target
    r, g, b = guide.unbind(1)
    products = box_mean(torch.stack([r * r, r * g, r * b, g * g, g * b, b * b], 1), radius)
    mr, mg, mb = mean_guide.unbind(1)
    means = torch.stack([mr * mr, mr * mg, mr * mb, mg * mg, mg * mb, mb * mb], 1)
    rr, rg, rb, gg, gb, bb = (products - means).unbind(1)
    rr, gg, bb = rr + epsilon, gg + epsilon, bb + epsilon
    # The inverse of a symmetric 3 x 3 matrix by its cofactors.
    inverse = [
        [gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg],
        [rb * gb - rg * bb, rr * bb - rb * rb, rg * rb - rr * gb],
        [rg * gb - rb * gg, rg * rb - rr * gb, rr * gg - rg * rg],
    ]
    determinant = rr * inverse[0][0] + rg * inverse[0][1] + rb * inverse[0][2]
    c = covariance.unbind(1)
    slope = torch.stack([sum(row[k] * c[k] for k in range(3)) / determinant for row in inverse], 1)
    offset = mean_target - (slope * mean_guide).sum(1, keepdim=True)
    planes = box_mean(torch.cat([slope, offset], 1), radius)
    if planes.shape[-2:] != full.shape[-2:]:
        planes = F.interpolate(planes, size=full.shape[-2:], mode="bilinear", align_corners=False)
    return (planes[:, :3] * full).sum(1, keepdim=True) + planes[:, 3:]
