"""Which row of the table of defaults (``core.families``) a diffusers model belongs to, by its own configurations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...families import Family, family_of
from ...space.grid import CELL
from .conditioning import context_width

FEW_STEP_SCHEDULERS = ("LCMScheduler", "TCDScheduler")


def family(unet: Any, scheduler: Any, distilled: bool = False, stated_px: int | None = None) -> Family:
    """The family of a U-Net and its scheduler.

    Args:
        distilled: what ``is_distilled`` said of the configurations that it was loaded from.
        stated_px: the size that its file states; None takes the U-Net's configuration, or the family's.
    """
    config = scheduler.config
    side = unet.config.get("sample_size")
    side = min(side) if isinstance(side, (list, tuple)) else side
    return family_of(
        context_width(unet),
        len(unet.config.block_out_channels),
        config.get("prediction_type") == "v_prediction",
        bool(config.get("rescale_betas_zero_snr")),
        distilled,
        stated_px if side is None else int(side) * CELL,
    )


def is_distilled(unet: Mapping[str, Any], scheduler: Mapping[str, Any]) -> bool:
    """Whether a model was trained to sample in a few steps, as far as its configurations say.

    LCM's own U-Nets take the guidance as an embedding; LCM and TCD have schedulers of their own; Turbo models come
    with an ancestral scheduler over trailing timesteps. Lightning and Hyper, and any single file or LoRA, don't say.
    """
    kind = scheduler.get("_class_name")
    turbo = kind == "EulerAncestralDiscreteScheduler" and scheduler.get("timestep_spacing") == "trailing"
    return unet.get("time_cond_proj_dim") is not None or kind in FEW_STEP_SCHEDULERS or turbo
