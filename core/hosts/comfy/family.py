"""Which row of the table of defaults (``core.families``) a MODEL of ComfyUI's belongs to."""

from __future__ import annotations

from typing import Any

import comfy.model_sampling

from ...families import Family, family_of
from .layers import attention_layers, context_width

DISTILLED = "ModelSamplingDiscreteDistilled"


def family(model: Any) -> Family:
    """The family of a MODEL, by its U-Net and by the sampling that is set on it.

    A distilled checkpoint or LoRA says nothing of itself to ComfyUI: it is known only by the "lcm" sampling of
    ModelSamplingDiscrete, if the user has put that in.

    Raises:
        UnsupportedModelError: no U-Net with self-attention.
    """
    base_model = model.model
    levels = 1 + max(layer.level for layer in attention_layers(base_model).values())
    known = getattr(getattr(base_model, "model_config", None), "unet_config", None) or {}
    sampling = model.get_model_object("model_sampling")
    return family_of(
        context_width(base_model),
        max(levels, len(known.get("channel_mult") or ())),
        isinstance(sampling, comfy.model_sampling.V_PREDICTION),
        bool(getattr(sampling, "zsnr", False)),
        is_distilled(sampling),
    )


def is_distilled(model_sampling: Any) -> bool:
    """Whether a model's sampling is that of a model of few steps.

    By its class's name: a server loads its own extra nodes by path, under another module than an import would.
    """
    return any(kind.__name__ == DISTILLED for kind in type(model_sampling).__mro__)
