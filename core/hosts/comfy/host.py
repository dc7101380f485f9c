"""A MODEL of ComfyUI's as the method's host, and its way back as a SAMPLER.

Both ways run as a ``KSAMPLER`` function under a guider, so that loading, conditioning, guidance, previews and
other packs' wrappers are ComfyUI's own. Patches are put into the ``model_options`` of single denoiser calls:
the MODEL, its options and its clones are never written to, and there is nothing to take back after an error.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import comfy.model_management
import comfy.samplers
import torch

from ...attention.plan import CapturePlan
from ...diffusion import sampling
from ...diffusion.dragged import DraggedLatent
from ...diffusion.inversion import Inversion, invert
from ...diffusion.repaint import Repainting
from ...diffusion.sampling import SampleSettings
from ...families import Schedule
from ...model.protocols import OnStep
from .denoiser import ComfyDenoiser
from .inputs import check_vae, empty_text, null_conditioning, sampling_sigmas
from .painter import ComfyPainter, check_painter, null_for, with_painter

log = logging.getLogger(__name__)


def drag_sampler(
    inversion: Inversion,
    dragged: DraggedLatent | None,
    free: torch.Tensor | None,
    settings: SampleSettings,
    after_step: OnStep | None = None,
    painter: ComfyPainter | None = None,
    same_positive: bool = False,
    on_warning: Callable[[str], None] | None = None,
    repainting: Repainting | None = None,
) -> comfy.samplers.KSAMPLER:
    """A SAMPLER that samples a dragged latent back; runs under any guider that takes ComfyUI's.

    A ``painter`` must have been loaded with the guider's model (``painter.with_painter``). ``same_positive``: the
    guider's positive conditioning is the inversion's. ``on_warning`` is told what is logged.
    ``repainting``: of ``diffusion.sampling.sample``.
    """

    def sample(model, x, sigmas, extra_args=None, callback=None, disable=None, **_):
        denoiser = ComfyDenoiser(model, extra_args or {})
        warning = inversion.check_model(denoiser.fingerprint)
        if warning is not None:
            log.warning("AttentionDrag Sampler, input 'model': %s", warning)
            if on_warning is not None:
                on_warning(warning)
        sampling.check_sigmas(inversion, sigmas)

        def on_step(index: int, latent: torch.Tensor, denoised: torch.Tensor) -> None:
            if callback is not None:
                callback({"i": index, "denoised": denoised, "x": latent, "sigma": sigmas[max(index, 0)]})
            if after_step is not None:
                after_step(index, latent, denoised)

        source = denoiser.told(inversion.conditioning, same_positive)
        return sampling.sample(denoiser, inversion, x, dragged, free, settings, on_step, painter, source, repainting)

    return comfy.samplers.KSAMPLER(sample)


class ComfyHost:
    """A MODEL with its conditioning, and optionally its VAE (a ``hosts.Host``).

    The inversion asks the model itself, under the positive conditioning alone: guidance that other packs put into
    ``model_options`` (post-CFG functions, perturbed attention, CFG rescaling) has no part in it and leaves no trace in
    what is recorded. Patches of the model itself (attention, weights, the U-Net's call) are in force both ways.

    Latents that it is given and gives are in the model's own scale; ``LATENT`` dictionaries hold them divided by
    the scale factor (``to_latent``, ``from_latent``).

    Args:
        model: ComfyUI MODEL (a ModelPatcher); used, never changed, and not to be kept after the run.
        vae: needed for ``encode`` and ``decode`` only.
        positive, negative: CONDITIONING or None for the null conditioning: ``clip``'s, on the way back the one that the
            inversion ran with, zeros.
        cfg: guidance scale of the way back; 1 doesn't evaluate the negative. Inversion always runs at 1.
        progress: called by ComfyUI's samplers with (step, clean estimate, latent, steps).
        painter: a second MODEL, which paints what a drag reveals; used as ``model`` is.
        restyle: CONDITIONING of the way back alone, where it takes ``positive``'s place.
        clip: of the model's checkpoint; its encoding of the empty text is the null conditioning
            (``inputs.empty_text``).
    """

    def __init__(
        self,
        model: Any,
        vae: Any = None,
        positive: list | None = None,
        negative: list | None = None,
        cfg: float = 1.0,
        inversion_progress: Callable | None = None,
        sampling_progress: Callable | None = None,
        painter: Any | None = None,
        clip: Any | None = None,
        restyle: list | None = None,
    ):
        if painter is not None:
            check_painter(model, painter)
        self._null = None if clip is None else empty_text(model, clip)
        self._model = model
        self._vae = vae
        self._positive = positive
        self._restyle = positive if restyle is None else restyle
        self._negative = negative
        self._cfg = cfg
        self._inversion_progress = inversion_progress
        self._sampling_progress = sampling_progress
        self._painter = painter
        self.warnings: list[str] = []
        """What there was to say of the ways back so far."""

    @property
    def paints(self) -> bool:
        return self._painter is not None

    def to_latent(self, x: torch.Tensor) -> torch.Tensor:
        """Model scale -> LATENT samples."""
        return self._model.get_model_object("latent_format").process_out(x)

    def from_latent(self, samples: torch.Tensor) -> torch.Tensor:
        """LATENT samples -> model scale."""
        return self._model.get_model_object("latent_format").process_in(samples)

    def encode(self, image: torch.Tensor) -> torch.Tensor:
        return self.from_latent(check_vae(self._vae.encode(image), "encoding"))

    def decode(self, latent: torch.Tensor) -> torch.Tensor:
        return check_vae(self._vae.decode(self.to_latent(latent)), "decoding")

    def sigmas(self, steps: int, strength: float, schedule: Schedule = "full") -> torch.Tensor:
        return sampling_sigmas(self._model, steps, strength, schedule)

    def invert(
        self,
        latent: torch.Tensor,
        sigmas: torch.Tensor,
        plan: CapturePlan,
        refinements: int,
        on_step: OnStep | None = None,
        noise_mask: torch.Tensor | None = None,
    ) -> Inversion:
        """Inverts in one run of the guider; ``noise_mask`` as in ``Inversion``, which keeps the positive, too."""
        result: list[Inversion] = []

        def run(model, x, ascending, extra_args=None, callback=None, disable=None, **_):
            running = ComfyDenoiser(model, extra_args or {})
            denoiser = running.told(self._positive, by_guider=True)

            def after(done: int, latent_now: torch.Tensor, denoised: torch.Tensor) -> None:
                if callback is not None:
                    callback({"i": done - 1, "denoised": denoised, "x": latent_now, "sigma": ascending[done]})
                if on_step is not None:
                    on_step(done, latent_now, denoised)

            sigmas = ascending.flip(0)
            made = invert(
                denoiser,
                x,
                sigmas,
                plan,
                refinements,
                after,
                running.fingerprint,
                noise_mask,
                conditioning=self._null if self._positive is None else self._positive,
                null=self._null,
            )
            result.append(made)
            return result[0].noisy.to(x)

        sampler = comfy.samplers.KSAMPLER(run)
        told = self._null if self._positive is None else self._positive, self._negative
        self._run(sampler, latent, sigmas.flip(0), 1.0, self._inversion_progress, told)
        return result[0]

    def sample(
        self,
        inversion: Inversion,
        x: torch.Tensor,
        dragged: DraggedLatent | None,
        free: torch.Tensor | None,
        settings: SampleSettings,
        on_step: OnStep | None = None,
        repainting: Repainting | None = None,
    ) -> torch.Tensor:
        model, painter = self._model, None
        null = inversion.null if self._null is None else self._null
        told = self._way_back(null)
        if self._painter is not None:
            model = with_painter(model, self._painter)
            levels = inversion.sigmas if repainting is None else repainting.levels
            painter = ComfyPainter(self._painter, *self._way_back(null_for(self._painter, null)), self._cfg, levels)
        same = told[0] is inversion.conditioning
        warn = self.warnings.append
        sampler = drag_sampler(inversion, dragged, free, settings, on_step, painter, same, warn, repainting)
        return self._run(sampler, x, inversion.sigmas, self._cfg, self._sampling_progress, told, model)

    def _way_back(self, null: list | None) -> tuple[list | None, list | None]:
        """Positive and negative of it, ``null`` in the place of what isn't given."""
        return null if self._restyle is None else self._restyle, null if self._negative is None else self._negative

    def _run(
        self,
        sampler: comfy.samplers.KSAMPLER,
        x: torch.Tensor,
        sigmas: torch.Tensor,
        cfg: float,
        callback: Callable | None,
        told: tuple[list | None, list | None],
        model: Any | None = None,
    ) -> torch.Tensor:
        guider = comfy.samplers.CFGGuider(self._model if model is None else model)
        guider.set_conds(*(null_conditioning(self._model) if one is None else one for one in told))
        guider.set_cfg(cfg)
        samples = self.to_latent(x)
        # Noise is none: the latent already carries its own.
        out = guider.sample(
            torch.zeros_like(samples), samples, sampler, sigmas, callback=callback, disable_pbar=True, seed=0
        )
        return self.from_latent(out.to(comfy.model_management.intermediate_device()))
