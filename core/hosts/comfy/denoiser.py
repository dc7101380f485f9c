"""The U-Net of a running sampler as the method's ``Denoiser``."""

from __future__ import annotations

from typing import Any, Literal

import comfy.model_management
import comfy.model_sampling
import comfy.sampler_helpers
import comfy.samplers
import torch

from ...errors import InputError
from ...model.protocols import AttentionHooks
from .fingerprint import fingerprint
from .inputs import null_of
from .layers import attention_layers
from .patches import patched_options

WITH_MODELS = ("control", "gligen", "hooks")
"""Entries of a CONDITIONING that bring models of their own, which a guider has to load."""


class ComfyDenoiser:
    """The U-Net of a running sampler (a ``model.protocols.Denoiser``); made anew for each run, never kept.

    Args:
        model: what a KSAMPLER function is given to call.
        extra_args: keyword arguments that it is to be called with.
    """

    def __init__(self, model: Any, extra_args: dict[str, Any]):
        self._model = model
        self._extra_args = extra_args
        self.guider = model.inner_model
        self.base_model = base_model = self.guider.inner_model
        self._keys = attention_layers(base_model)
        self.layers = tuple(self._keys.values())
        v_prediction = isinstance(base_model.model_sampling, comfy.model_sampling.V_PREDICTION)
        self.prediction: Literal["epsilon", "v"] = "v" if v_prediction else "epsilon"
        self.fingerprint = fingerprint(base_model)

    def told(self, conditioning: list | None, by_guider: bool = False) -> SourceDenoiser:
        """The same U-Net under the CONDITIONING that an inversion kept; ``by_guider``: it is the guider's positive."""
        return SourceDenoiser(self, conditioning, by_guider)

    def options(self, hooks: AttentionHooks | None) -> dict[str, Any]:
        """The run's model options, calling ``hooks``."""
        own = self._extra_args.get("model_options", {})
        return own if hooks is None else patched_options(own, hooks, self._keys)

    def denoise(self, x: torch.Tensor, sigma: float, hooks: AttentionHooks | None = None) -> torch.Tensor:
        comfy.model_management.throw_exception_if_processing_interrupted()
        extra_args = self._extra_args
        if hooks is not None:
            extra_args = {**extra_args, "model_options": self.options(hooks)}
        return self._model(x, x.new_full((x.shape[0],), sigma), **extra_args).float()


class SourceDenoiser:
    """The U-Net of a running sampler under the conditioning of an inversion alone: no guidance, and no other pack's
    functions of guidance, which evaluate the model a second time (perturbed attention) or change what it says, whatever
    the guider does (a ``model.protocols.Denoiser``).

    Args:
        running: of the same run.
        conditioning: CONDITIONING; None for the null conditioning.
        by_guider: whether it is the running guider's positive one, which is loaded and processed already.
    """

    def __init__(self, running: ComfyDenoiser, conditioning: list | None, by_guider: bool):
        self._running, self._conditioning = running, conditioning
        self._conds: list | None = running.guider.conds["positive"] if by_guider else None
        self.layers, self.prediction = running.layers, running.prediction

    def denoise(self, x: torch.Tensor, sigma: float, hooks: AttentionHooks | None = None) -> torch.Tensor:
        comfy.model_management.throw_exception_if_processing_interrupted()
        if self._conds is None:
            self._conds = self._processed(x)
        levels = x.new_full((x.shape[0],), sigma)
        base_model, options = self._running.base_model, self._running.options(hooks)
        return comfy.samplers.calc_cond_batch(base_model, [self._conds], x, levels, options)[0].float()

    def _processed(self, x: torch.Tensor) -> list:
        """As the model takes it. Not by the guider, where the areas and ControlNets of one act on the others."""
        base_model = self._running.base_model
        given = null_of(base_model) if self._conditioning is None else self._conditioning
        if any(name in more for _, more in given for name in WITH_MODELS):
            raise InputError(
                "inversion",
                "its prompt has a ControlNet or the like, which isn't loaded for the way back, and its keys and values "
                "are not all kept.",
                "Raise budget_mb on AttentionDrag Capture, or link the same positive to AttentionDrag Sampler or Edit.",
            )
        conds = {"positive": comfy.sampler_helpers.convert_cond(given)}
        return comfy.samplers.process_conds(base_model, x, conds, x.device)["positive"]
