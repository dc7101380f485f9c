"""Sampling a dragged latent back (step 6).

Two things keep the result the source's:

- Self-attention reads the source's keys and values, captured in the inversion at the same noise level ("consistency
  preserving" of AttentionDrag, arXiv 2506.13301, and MasaCtrl, arXiv 2304.08465).
- Each step's latent is put back to what is known of it: outside the free cells to the one that the inversion stored for
  that noise level, so that the background is exact, and inside for as long as the table of ``kept`` says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from ..attention.tokens import Ahead, SourceAttention, TokenInjector, TokenRecorder
from ..errors import InputError
from ..model.protocols import Denoiser, OnStep, Painter
from ..options import check_choice, check_share
from . import schedule
from .dragged import DraggedLatent, check_movement
from .following import Followed, FollowingInjector
from .inversion import Inversion, check_finite, trajectory_of
from .kept import Kept, steps_of
from .repaint import Repainting, repaint

BEFORE = -1
"""Index of the steps before the first: painting, and inverting what was moved."""


@dataclass(frozen=True, kw_only=True)
class SampleSettings:
    """How the dragged latent is sampled. Shares are of the steps, counted from the noisy end.

    Attributes:
        source_attention: "replace" the edited branch's keys and values by the source's, "extend" them by the
            source's, or leave them ("off"). "follow" replaces them by the source's as the drag moved them, and hides
            the element's old ones (``following``), so that it has no ghost where it was; without a known drag it is
            "replace".
        source_attention_share: for how long.
        source_queries: how far what arrived asks as its source did at the first step, with "follow"; less with every
            step, and nothing at the last (``following``). What is held is what it is; this is for what is not.
        hold_element: for how long the moved element follows its own trajectory; 1 keeps it exactly as it was, lower
            values let the model adapt it (and a prompt restyle it).
        hold_rest: for how long the vacated area follows the background's continuation, and the seam what was put
            there; 0 lets the model paint them from noise, 1 leaves them. The default leaves the model the last
            quarter, to join what meets: 1 comes closer to the truth in scenes that are pasted together
            (``benchmarks/ABLATION.md``), but takes from the model what it is there for.
        hold_background: cells that may not change are put back to the source at every step, so that the background is
            exact. Off, every cell is free where none are given (``core.edit.sample``), but for a user's noise mask.

    While element, vacated area and seam are all held, nothing is left for the model to say: such steps are not
    evaluated.
    """

    source_attention: SourceAttention = "follow"
    source_attention_share: float = 1.0
    hold_element: float = 1.0
    hold_rest: float = 0.75
    hold_background: bool = True
    source_queries: float = 0.0

    def __post_init__(self):
        check_choice("source_attention", self.source_attention, SourceAttention)
        for name in ("source_attention_share", "hold_element", "hold_rest", "source_queries"):
            check_share(name, getattr(self, name))


def sample(
    denoiser: Denoiser,
    inversion: Inversion,
    x: torch.Tensor,
    dragged: DraggedLatent | None,
    free: torch.Tensor | None = None,
    settings: SampleSettings | None = None,
    on_step: OnStep | None = None,
    painter: Painter | None = None,
    source: Denoiser | None = None,
    repainting: Repainting | None = None,
) -> torch.Tensor:
    """Samples from ``inversion.sigmas[0]`` down to 0.

    Args:
        denoiser: the U-Net under its host, of the same model as the inversion.
        inversion: the source's.
        x: dragged latent (B, C, h, w) at the first noise level, on the model's device.
        dragged: what was done to it; None for a latent that someone else changed.
        free: (B or 1, h, w) share of each cell that may change; None takes the dragged latent's own, or everything.
        settings: source attention, and what is held.
        on_step: called with (step index, latent, clean estimate) after each step, and with ``BEFORE`` for an index
            while the model paints or inverts; may raise to stop.
        painter: a second model, which does the painting of ``repainting``; needs ``dragged``.
        source: the U-Net under the conditioning of the inversion, without guidance, which keys and values that weren't
            kept are evaluated with, and what was moved is inverted with; None where that is ``denoiser``. So it is the
            source's attention that is read, whatever the way back is told, and whether it was kept or not.
        repainting: what the model paints before, where it is known what was dragged. Cells that it painted start from
            what it made of them, and not from ``x``; so do all that changed where the dragged latent is to be inverted
            again.

    Returns:
        (B, C, h, w) float32, on ``x``'s device. Where ``free`` is 0 it is the source's clean latent, exactly.

    Raises:
        InputError: latent, ``free`` or ``dragged`` are of another size or batch than the inversion, or a value is not
            finite.
    """
    settings = settings or SampleSettings()
    _check(inversion, x, dragged, free)
    x = x.float()
    if painter is not None and dragged is None:
        raise InputError("painter", "what was dragged is unknown.", "Sample a latent of AttentionDrag Apply.")
    before = None if on_step is None else lambda done, *seen: on_step(BEFORE, *seen)
    painted = None
    if repainting is not None and dragged is not None:
        dragged = repaint(denoiser, inversion, dragged, repainting, x.device, free, before, painter)
        assert dragged.painted is not None
        x = torch.where(dragged.painted[:, None].to(x) > 0, dragged.at(inversion, 0).to(x), x)
        if painter is not None:
            # The dragged model knows less of it than who painted it.
            painted = dragged.painted > 0
    if dragged is not None and dragged.again:
        whole = torch.where(dragged.touched[:, None], dragged.clean, inversion.clean.to(dragged.clean)).to(x.device)
        trajectory = trajectory_of(source or denoiser, whole, inversion.sigmas, on_step=before)
        dragged = replace(dragged, trajectory=trajectory)
        x = torch.where(dragged.touched[:, None].to(x.device), trajectory[0].to(x), x)
    attention = _SourceAttention(source or denoiser, inversion, settings, x.device, dragged)
    kept = Kept(inversion, dragged, free, settings.hold_element, settings.hold_rest, x.device, painted)
    sigmas = inversion.sigmas.tolist()
    for i in range(inversion.steps):
        known = kept.known(i)
        evaluated = known is None
        denoised = denoiser.denoise(x, sigmas[i], attention.at(i)) if known is None else known
        if evaluated:
            x = schedule.step(x, schedule.epsilon(x, denoised, sigmas[i]), sigmas[i], sigmas[i + 1])
        x = kept.put_back(x, i + 1)
        if on_step is not None:
            on_step(i, x, denoised)
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


class _SourceAttention:
    """The source's keys and values for each step of one run: read from the inversion, or evaluated anew."""

    def __init__(
        self,
        denoiser: Denoiser,
        inversion: Inversion,
        settings: SampleSettings,
        device: torch.device,
        dragged: DraggedLatent | None = None,
    ):
        self._denoiser, self._inversion, self._device = denoiser, inversion, device
        self._mode, self._queries = settings.source_attention, settings.source_queries
        self._followed = None
        if self._mode == "follow":
            self._mode = "replace"
            self._followed = None if dragged is None else Followed(dragged.movement, device)
        wanted = self._mode != "off" and bool(inversion.source_layers)
        self._until = steps_of(settings.source_attention_share, inversion.steps) if wanted else 0
        self._ahead = Ahead(inversion.tokens, device) if inversion.tokens is not None and wanted else None

    def at(self, step: int) -> TokenInjector | None:
        if step >= self._until:
            return None
        inversion = self._inversion
        if self._ahead is not None and inversion.tokens is not None and inversion.tokens[step]:
            stored = self._ahead.take(step)
            if step + 1 < self._until:
                self._ahead.start(step + 1)
        else:
            recorder = TokenRecorder(frozenset(inversion.source_layers), inversion.latent_size)
            self._denoiser.denoise(inversion.trajectory[step].to(self._device), float(inversion.sigmas[step]), recorder)
            stored = recorder.kept
        if self._followed is not None:
            return FollowingInjector(stored, self._followed, self._queries * (1 - step / inversion.steps))
        return TokenInjector(stored, self._mode)


def _check(
    inversion: Inversion, x: torch.Tensor, dragged: DraggedLatent | None, free: torch.Tensor | None
) -> None:
    if tuple(x.shape) != tuple(inversion.clean.shape):
        raise InputError(
            "latent",
            f"shape {tuple(x.shape)}, but the inversion holds {tuple(inversion.clean.shape)}.",
            "Link the latent and the inversion of the same image.",
        )
    if not torch.isfinite(x).all():
        raise InputError("latent", "it holds NaN or infinite values.", "Check the nodes between drag and sampler.")
    if dragged is not None:
        check_movement(inversion, dragged.movement)
    height, width = inversion.latent_size
    if free is not None and tuple(free.shape) not in ((1, height, width), (inversion.batch, height, width)):
        raise InputError(
            "free", f"shape {tuple(free.shape)}, but the inversion holds {inversion.batch} latents of "
            f"{width}x{height} cells.", "Use one mask for all, or one for each, on the latent's cells.",
        )
