"""The U-Net of a running sampler as the method's ``Denoiser``."""

from __future__ import annotations

from typing import Any, Literal

import comfy.model_management
import comfy.model_sampling
import torch

from ...model.protocols import AttentionHooks
from .fingerprint import fingerprint
from .layers import attention_layers
from .patches import patched_options


class ComfyDenoiser:
    """The U-Net of a running sampler (a ``model.protocols.Denoiser``); made anew for each run, never kept.

    Args:
        model: what a KSAMPLER function is given to call.
        extra_args: keyword arguments that it is to be called with.
    """

    def __init__(self, model: Any, extra_args: dict[str, Any]):
        self._model = model
        self._extra_args = extra_args
        base_model = model.inner_model.inner_model
        self._keys = attention_layers(base_model)
        self.layers = tuple(self._keys.values())
        v_prediction = isinstance(base_model.model_sampling, comfy.model_sampling.V_PREDICTION)
        self.prediction: Literal["epsilon", "v"] = "v" if v_prediction else "epsilon"
        self.fingerprint = fingerprint(base_model)

    def denoise(self, x: torch.Tensor, sigma: float, hooks: AttentionHooks | None = None) -> torch.Tensor:
        comfy.model_management.throw_exception_if_processing_interrupted()
        extra_args = self._extra_args
        if hooks is not None:
            options = patched_options(extra_args.get("model_options", {}), hooks, self._keys)
            extra_args = {**extra_args, "model_options": options}
        return self._model(x, x.new_full((x.shape[0],), sigma), **extra_args).float()
