"""The parts of a loaded model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ...families import SD1, Family
from .conditioning import Conditioning
from .family import family, is_distilled


@dataclass(frozen=True, eq=False)
class Components:
    """A loaded model's parts.

    Attributes:
        unet, vae, scheduler: diffusers' own objects.
        encode: turns a prompt into a ``Conditioning``; None when the model came without a text encoder. With it no
            prompt is the empty text's, as Stable Diffusion 1 and 2 were trained; without it, and for SDXL, zeros.
        family: which defaults suit it.
    """

    unet: nn.Module
    vae: nn.Module
    scheduler: Any
    encode: Callable[[str], Conditioning] | None = None
    family: Family = SD1

    @property
    def empty_text(self) -> Conditioning | None:
        """What stands for no prompt; None for zeros, which SDXL was trained with."""
        config: Any = self.unet.config
        if self.encode is None or config.get("addition_embed_type") == "text_time":
            return None
        return self.encode("")


def from_pipeline(pipe: Any) -> Components:
    """The parts of a loaded ``StableDiffusionPipeline`` or ``StableDiffusionXLPipeline``; its LoRAs stay in."""
    with_text = getattr(pipe, "text_encoder", None) is not None or getattr(pipe, "text_encoder_2", None) is not None
    # A scheduler that was put in later may know its configuration by the class that it was made from.
    distilled = is_distilled(pipe.unet.config, {**pipe.scheduler.config, "_class_name": type(pipe.scheduler).__name__})
    kind = family(pipe.unet, pipe.scheduler, distilled)
    return Components(pipe.unet, pipe.vae, pipe.scheduler, prompt_encoder(pipe) if with_text else None, kind)


def prompt_encoder(pipe: Any) -> Callable[[str], Conditioning]:
    """Encodes prompts as the pipeline's family has them encoded."""

    def encode(prompt: str) -> Conditioning:
        # SDXL gives (context, negative context, pooled, negative pooled), the others the first two.
        with torch.no_grad():
            context, _, *pooled = pipe.encode_prompt(
                prompt, device=pipe.unet.device, num_images_per_prompt=1, do_classifier_free_guidance=False
            )
        return Conditioning(context, pooled[0] if pooled else None)

    return encode
