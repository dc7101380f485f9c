"""A second MODEL that paints in the dragged one's place: an inpainting checkpoint, or any other.

An inpainting U-Net is shown a mask and the picture with a hole there, five channels beside the latent's four. The
picture is the dragged latent's, with the element where it arrives, and blank, as grey encodes, in the cells that are to
be painted. It is put together in the latent: what is round the hole is what stands there when cells are kept, too.
"""

from __future__ import annotations

from typing import Any

import comfy.model_management
import comfy.samplers
import torch

from ...errors import InputError
from ...model.protocols import PaintingWork
from .inputs import null_conditioning
from .layers import context_width, extra_channels

ADDITIONAL = "attention_drag_painter"
INPAINTING_KEYS = ("mask", "masked_image")


def check_painter(model: Any, painter: Any) -> None:
    """Raises an ``InputError`` unless ``painter`` can paint into latents of ``model``; both are MODELs."""
    if painter.model is model.model:
        raise InputError(
            "painter",
            "it is the dragged model itself, or that with other LoRAs, and one model can't be loaded as two.",
            "Load its checkpoint by a second loader, or link nothing: then the model paints by itself.",
        )
    mine, theirs = (one.get_model_object("latent_format") for one in (model, painter))
    if type(mine) is not type(theirs) or mine.scale_factor != theirs.scale_factor:
        raise InputError(
            "painter",
            f"its latents are {type(theirs).__name__}, the model's are {type(mine).__name__}.",
            "Link a checkpoint of the model's own family.",
        )
    extra = extra_channels(painter.model)
    keys = tuple(getattr(painter.model, "concat_keys", ()))
    if extra and keys != INPAINTING_KEYS:
        raise InputError(
            "painter",
            f"its U-Net takes {extra} more channels, for {', '.join(keys) or 'nothing that is known'}.",
            "Link an inpainting checkpoint (9 channels: mask and masked picture), or a plain one.",
        )


def with_painter(model: Any, painter: Any) -> Any:
    """A clone of the MODEL for one run, with which ComfyUI loads the painter, too, and makes room for both."""
    clone = model.clone()
    clone.set_additional_models(ADDITIONAL, [painter])
    return clone


def null_for(painter: Any, null: list | None) -> list | None:
    """The dragged model's null conditioning where the painter takes text of its width, else None: zeros."""
    return null if null is not None and null[0][0].shape[-1] == context_width(painter.model) else None


class ComfyPainter:
    """The painter of one run of another model's sampler (a ``model.protocols.Painter``).

    Args:
        painter: MODEL, loaded already (``with_painter``).
        positive, negative, cfg: as on the way back.
        sigmas: noise levels that it paints over, which conditionings may go by.
    """

    def __init__(self, painter: Any, positive: list | None, negative: list | None, cfg: float, sigmas: torch.Tensor):
        self._patcher, self._sigmas = painter, sigmas
        self._positive, self._negative = (
            null_conditioning(painter) if conditioning is None else conditioning
            for conditioning in (positive, negative)
        )
        self._cfg = cfg

    def painting(self, picture: torch.Tensor, hole: torch.Tensor, work: PaintingWork) -> torch.Tensor:
        guider = comfy.samplers.CFGGuider(self._patcher)
        shown = self._shown(picture, hole)
        guider.set_conds(*([[text, {**more, **shown}] for text, more in given] for given in self._both()))
        guider.set_cfg(self._cfg)
        # Not `guider.sample`: it would load the painter by itself, and might put the other model out for it.
        guider.conds = {name: [one.copy() for one in conds] for name, conds in guider.original_conds.items()}
        guider.inner_model = self._patcher.model
        device = self._patcher.load_device
        result: list[torch.Tensor] = []

        def sampler(model, x, sigmas, extra_args=None, callback=None, disable=None, **_):
            def denoise(latent: torch.Tensor, sigma: float) -> torch.Tensor:
                comfy.model_management.throw_exception_if_processing_interrupted()
                return model(latent, latent.new_full((latent.shape[0],), sigma), **(extra_args or {})).float()

            result.append(work(denoise))
            return x

        nothing = torch.zeros(picture.shape, device=device)
        try:
            self._patcher.pre_run()
            guider.inner_sample(
                nothing, nothing, device, comfy.samplers.KSAMPLER(sampler), self._sigmas.to(device), None, None, True, 0
            )
        finally:
            self._patcher.cleanup()
        return result[0]

    def _both(self) -> tuple[list, list]:
        return self._positive, self._negative

    def _shown(self, picture: torch.Tensor, hole: torch.Tensor) -> dict[str, Any]:
        """What an inpainting U-Net is shown, as entries of a CONDITIONING: mask and masked picture."""
        base_model = self._patcher.model
        if not extra_channels(base_model):
            return {}
        seen = torch.where(hole, base_model.blank_inpaint_image_like(torch.ones_like(picture)), picture)
        latent_format = self._patcher.get_model_object("latent_format")
        return {"concat_mask": hole.float(), "concat_latent_image": latent_format.process_out(seen)}
