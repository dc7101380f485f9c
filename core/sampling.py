"""Sampling a dragged latent back.

Three things keep the result the source's:

- Self-attention reads the source's keys and values, captured in the inversion at the same noise level
  ("consistency preserving" of AttentionDrag, arXiv 2506.13301, and MasaCtrl, arXiv 2304.08465).
- Outside the edit region each step's latent is put back to the one that the inversion stored for that noise
  level, so the background is exact.
- For a share of the steps the moved element follows its own stored trajectory, carried along by the movement,
  and the model is left to paint the seam and what was hidden.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch

from . import schedule
from .capture import TokenRecorder
from .drag import Drag, check_movement
from .errors import InputError
from .hooks import Denoiser, Layer
from .inversion import Inversion, check_finite

Consistency = Literal["replace", "extend", "off"]


@dataclass(frozen=True, kw_only=True)
class SampleSettings:
    """How the dragged latent is sampled. Shares are of the steps, counted from the noisy end.

    Attributes:
        consistency: "replace" the edited branch's keys and values by the source's, "extend" them by the
            source's, or leave them ("off").
        consistency_share: for how long.
        preserve: for how long the moved element follows its own trajectory; 1 keeps it exactly as it was, lower
            values let the model adapt it (and a prompt restyle it).
        hold: for how long the vacated area follows the background's continuation, and the seam what was put there;
            0 lets the model paint them from noise, 1 leaves them. The default leaves the model the last quarter, to
            join what meets: 1 comes closer to the truth in scenes that are pasted together
            (``benchmarks/ABLATION.md``), but takes from the model what it is there for.

    While element, vacated area and seam are all held, nothing is left for the model to say: such steps are not
    evaluated.
    """

    consistency: Consistency = "replace"
    consistency_share: float = 1.0
    preserve: float = 1.0
    hold: float = 0.75

    def __post_init__(self):
        for name in ("consistency_share", "preserve", "hold"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise InputError(name, f"{value}.", "Use 0 to 1.")


class TokenInjector:
    """Hands stored tokens to the layers that they were captured in (an ``AttentionHooks``)."""

    def __init__(self, stored: Mapping[str, torch.Tensor], mode: Consistency):
        self._stored = stored
        self._mode = mode

    def wants_projections(self, layer: Layer) -> bool:
        return False

    def projections(self, layer: Layer, query: torch.Tensor, key: torch.Tensor, rows: slice | None) -> None:
        return None

    def tokens(self, layer: Layer, tokens: torch.Tensor, rows: slice | None) -> torch.Tensor | None:
        source = self._stored.get(layer.name)
        if source is None or source.shape[1] != tokens.shape[1] or tokens.shape[0] % source.shape[0]:
            return None
        # Every conditioning of the batch reads the same source.
        source = source.to(tokens).repeat(tokens.shape[0] // source.shape[0], 1, 1)
        return source if self._mode == "replace" else torch.cat([tokens, source], 1)


def sample(
    denoiser: Denoiser,
    inversion: Inversion,
    x: torch.Tensor,
    drag: Drag | None,
    region: torch.Tensor | None = None,
    settings: SampleSettings | None = None,
    on_step: Callable[[int, torch.Tensor, torch.Tensor], None] | None = None,
) -> torch.Tensor:
    """Samples from ``inversion.sigmas[0]`` down to 0.

    Args:
        denoiser: the U-Net under its host, of the same model as the inversion.
        inversion: the source's.
        x: dragged latent (B, C, h, w) at the first noise level, on the model's device.
        drag: what was done to it; None for a latent that someone else changed.
        region: (B or 1, h, w) share of each cell that may change; None takes the drag's own, or everything.
        settings: consistency and preservation.
        on_step: called with (step index, latent, clean estimate) after each step; may raise to stop.

    Returns:
        (B, C, h, w) float32, on ``x``'s device. Where the region is 0 it is the source's clean latent, exactly.

    Raises:
        InputError: latent, region or drag are of another size or batch than the inversion, or a value is not finite.
    """
    settings = settings or SampleSettings()
    if tuple(x.shape) != tuple(inversion.clean.shape):
        raise InputError(
            "latent",
            f"shape {tuple(x.shape)}, but the inversion holds {tuple(inversion.clean.shape)}.",
            "Link the latent and the inversion of the same image.",
        )
    if not torch.isfinite(x).all():
        raise InputError("latent", "it holds NaN or infinite values.", "Check the nodes between drag and sampler.")
    if drag is not None:
        check_movement(inversion, drag.movement)
    if region is None and drag is not None:
        region = drag.movement.region
    if region is not None:
        _check_region(region, inversion)
    change = region[:, None].to(x.device) if region is not None else None
    change = _limited(change, inversion, x)
    sigmas = inversion.sigmas.tolist()
    x = x.float()
    for index in range(inversion.steps):
        if drag is not None and _decided(drag, region, index + 1, inversion, settings):
            denoised = torch.where(drag.movement.region[:, None] > 0, drag.clean, inversion.clean.to(drag.clean)).to(x)
        else:
            hooks = _consistency(denoiser, inversion, index, settings, x.device)
            denoised = denoiser.denoise(x, sigmas[index], hooks)
            x = schedule.step(x, schedule.epsilon(x, denoised, sigmas[index]), sigmas[index], sigmas[index + 1])
        if drag is not None:
            x = _follow(x, drag, inversion, index + 1, settings)
        if change is not None:
            stored = inversion.trajectory[index + 1].to(x.device)
            x = torch.where(change > 0, change * x + (1 - change) * stored, stored)
        if on_step is not None:
            on_step(index, x, denoised)
    check_finite(x, "Sampling")
    return x


def check_sigmas(inversion: Inversion, sigmas: torch.Tensor) -> None:
    """Raises an ``InputError`` unless sampling runs over the very noise levels of the inversion."""
    mine = inversion.sigmas
    given = sigmas.detach().float().cpu()
    if given.shape != mine.shape or not torch.allclose(given, mine, rtol=1e-4, atol=1e-6):
        got = f"{len(given) - 1} steps from {float(given[0]):.3f}" if given.numel() else "no noise levels at all"
        raise InputError(
            "sigmas",
            f"{got}, but the inversion has {len(mine) - 1} steps from {float(mine[0]):.3f}.",
            "Link the SIGMAS that the inversion node gives.",
        )


def _check_region(region: torch.Tensor, inversion: Inversion) -> None:
    height, width = inversion.latent_size
    if tuple(region.shape) not in ((1, height, width), (inversion.batch, height, width)):
        raise InputError(
            "region", f"shape {tuple(region.shape)}, but the inversion holds {inversion.batch} latents of "
            f"{width}x{height} cells.", "Use one region for all, or one for each, on the latent's cells.",
        )


def _limited(change: torch.Tensor | None, inversion: Inversion, x: torch.Tensor) -> torch.Tensor | None:
    if inversion.limit is None:
        return change
    limit = inversion.limit.to(x)
    limit = torch.nn.functional.interpolate(limit[:, None], size=x.shape[-2:], mode="area")
    return limit if change is None else change * limit


def _kept(index: int, inversion: Inversion, settings: SampleSettings) -> tuple[bool, bool]:
    """Whether the latent at ``sigmas[index]`` has the element preserved, and the rest of the drag's region held."""
    # Rounded down: a share below 1 leaves the model a step, however few there are.
    preserved, held = (math.floor(share * inversion.steps + 1e-6) for share in (settings.preserve, settings.hold))
    return index <= preserved, index <= held


def _decided(
    drag: Drag, region: torch.Tensor, index: int, inversion: Inversion, settings: SampleSettings
) -> bool:
    """Whether the latent at ``sigmas[index]`` is known without the model: all that may change is kept."""
    known = drag.movement.region > 0
    return all(_kept(index, inversion, settings)) and bool((known | (region.to(known.device) <= 0)).all())


def _follow(
    x: torch.Tensor, drag: Drag, inversion: Inversion, index: int, settings: SampleSettings
) -> torch.Tensor:
    preserved, held = _kept(index, inversion, settings)
    if not preserved and not held:
        return x
    arriving, touched = drag.movement.arriving, (drag.movement.region > 0).float()
    if preserved and held:
        share = touched
    elif preserved:
        # Only what fully arrived; a cell that is part background belongs to the seam.
        share = ((arriving - 0.5) * 2).clamp(0, 1)
    else:
        share = (1 - arriving) * touched
    share = share[:, None].to(x.device)
    return share * drag.at(inversion, index).to(x.device) + (1 - share) * x


def _consistency(
    denoiser: Denoiser, inversion: Inversion, index: int, settings: SampleSettings, device: torch.device
) -> TokenInjector | None:
    wanted = settings.consistency != "off" and index < round(settings.consistency_share * inversion.steps)
    if not wanted or not inversion.consistency_layers:
        return None
    if inversion.tokens is not None:
        stored = {name: tokens.to(device) for name, tokens in inversion.tokens[index].items()}
    else:
        recorder = TokenRecorder(frozenset(inversion.consistency_layers), inversion.latent_size)
        reference = inversion.trajectory[index].to(device)
        denoiser.denoise(reference, float(inversion.sigmas[index]), recorder)
        stored = recorder.kept
    return TokenInjector(stored, settings.consistency)
