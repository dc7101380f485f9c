"""What the model painted (``diffusion.repaint``), seen in the user's own pixels.

Round the element only the light changed, and light is smooth where textures are not: the source's own pixels are
multiplied by the smoothed ratio of the decoded edit to the decoded latent as it was before painting. What the
autoencoder loses stays theirs, what the model redrew of a texture is left out, and where it changed nothing
the ratio is 1. What was hidden is the model's, and keeps the filling's detail only where that was left as it was.
"""

from __future__ import annotations

import torch

from ..diffusion.dragged import DraggedLatent
from ..diffusion.repaint import RepaintSettings, surroundings
from ..fill.background import FillSettings
from ..motion.lookup import carry
from ..planes.guided_filter import box_mean
from ..planes.morphology import dilate, soften
from .detail import detailed
from .revealed import revealed_mask

SMOOTH = 6
"""px over which light is smoothed, three times: less than the shadows that a cell of 8 px can tell."""
FLOOR = 0.02
"""Added to both sides of the ratio, of 1: what is nearly black says nothing of light."""
MOST = 3.0
"""Times brighter or darker at most."""
WAVERING = 0.03
"""Logarithm of a ratio that is taken for none, and off every other."""
NOTICED = 1 / 255
CHANGED = 0.05
"""Change, of 1, from which on a repainted pixel has little of the filling's detail."""


def light(edited: torch.Tensor, plain: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
    """How much brighter the model made each pixel's surroundings, (B, H, W, 1).

    Args:
        edited, plain: (B, H, W, 3) the decoded latent after and before painting.
        told: (B, H, W) in 0..1, the pixels that tell: where nothing but the light changed.

    Returns:
        1 where nothing that tells is near, or both are the same.
    """
    weight = told[:, None].to(edited)
    both = torch.cat([(edited.movedim(-1, 1).clamp_min(0) + FLOOR) * weight,
                      (plain.movedim(-1, 1).clamp_min(0) + FLOOR) * weight, weight], 1)  # fmt: skip
    for _ in range(3):
        both = box_mean(both, SMOOTH // 2)
    after, before, known = both[:, :3], both[:, 3:6], both[:, 6:]
    ratio = (after.mean(1, keepdim=True) / before.mean(1, keepdim=True).clamp_min(1e-6)).clamp(1 / MOST, MOST)
    # What sampling did not really change is put back: small changes are the model's wavering.
    stops = ratio.log()
    ratio = (stops.sign() * (stops.abs() - WAVERING).clamp_min(0)).exp()
    # Where little is known the ratio is of few pixels: it fades to none.
    ratio = 1 + (ratio - 1) * (known / 0.1).clamp(0, 1)
    return ratio.movedim(1, -1)


def repainted(
    source: torch.Tensor,
    edited: torch.Tensor,
    dragged: DraggedLatent,
    settings: RepaintSettings,
    fill: FillSettings | None = None,
    lit: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The painted edit of one picture or several that were dragged alike.

    Args:
        source: (B, H, W, 3) in 0..1, float32 on the CPU.
        edited: (B, H, W, 3) the decoded latent, not clipped.
        dragged: of ``edit.move``, with ``detail`` and ``plain``.
        settings: that it was painted with.
        fill: that it was filled with.
        lit: (B or 1, H, W) in 0..1, where the light may change, in place of the surroundings.

    Returns:
        ((B, H, W, 3), (B, H, W) in 0..1 where that differs from the source by light alone).
    """
    assert dragged.plain is not None and dragged.detail is not None
    grid, plain = dragged.movement.grid, dragged.plain.to(edited)
    _, arrived = carry(dragged.movement.element[..., None], dragged.movement)
    element = arrived.to(edited)[..., None]
    hidden = revealed_mask(dragged, fill).to(edited)[..., None]
    within = grid.spread_cells((dragged.movement.free > 0).float())[..., None].to(edited)
    whole = detailed(edited, plain, dragged.detail, hidden)

    around, changed = torch.where(within > 0, whole, source.to(edited)), torch.zeros_like(edited[..., 0])
    if settings.surroundings > 0:
        other = ((element + hidden)[..., 0] > 0.02).float()
        ratio = light(edited, plain, 1 - dilate(other, 1))
        ends = (soften(grid.spread_cells(surroundings(dragged, settings.extent)), -grid.cell, grid.cell)
                if lit is None else lit).to(edited)  # fmt: skip
        ratio = 1 + (ratio - 1) * ends[..., None]
        composed = torch.where(within > 0, plain + dragged.detail.to(edited), source.to(edited))
        around = composed * ratio
        changed = soften(((around - composed).abs().amax(-1) > NOTICED).float() * ends, 2, 4) * (ends > 0)
    inside = whole
    if settings.revealed > 0:
        difference = box_mean((edited - plain).abs().mean(-1)[:, None], SMOOTH // 2)[:, 0, ..., None]
        inside = edited + torch.exp(-((difference / CHANGED) ** 2)) * dragged.detail.to(edited)
    behind = hidden * inside + (1 - hidden) * around
    return element * whole + (1 - element) * behind, changed
