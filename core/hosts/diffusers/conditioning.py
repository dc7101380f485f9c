"""What a U-Net is told besides latent and timestep: text embeddings, and for SDXL pooled text and sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from ...errors import InputError, UnsupportedModelError

NULL_TOKENS = 77
"""Length of a null conditioning; CLIP's context length, which Stable Diffusion was trained with."""


@dataclass(frozen=True, eq=False)
class Conditioning:
    """One conditioning of a U-Net.

    Attributes:
        context: text embeddings (B or 1, L, width), any float dtype, any device.
        pooled: SDXL's pooled text embedding (B or 1, P), or None for zeros.
        time_ids: SDXL's six numbers (original height, width, crop top, left, target height, width) in pixels,
            or None for the size of the edited image, uncropped.
    """

    context: torch.Tensor
    pooled: torch.Tensor | None = None
    time_ids: tuple[int, int, int, int, int, int] | None = None


def null_conditioning(unet: Any) -> Conditioning:
    """No text: zeros of the U-Net's context width, (1, 77, width) and, for SDXL, pooled zeros."""
    return Conditioning(torch.zeros(1, NULL_TOKENS, context_width(unet)))


def context_width(unet: Any) -> int:
    """Width of the text embeddings that the U-Net's cross-attention takes.

    Raises:
        UnsupportedModelError: it takes none, or several widths.
    """
    width = unet.config.cross_attention_dim
    widths = {width} if isinstance(width, int) else set(width or ())
    if len(widths) != 1:
        raise UnsupportedModelError(
            "model", f"its cross_attention_dim is {width}.", "Use a Stable Diffusion 1.x, 2.x or XL U-Net."
        )
    return widths.pop()


def check_embeddings(unet: Any, shown: int = 0) -> None:
    """Raises an ``UnsupportedModelError`` for a U-Net that wants inputs which this host doesn't have.

    Args:
        shown: channels that it is shown beside the latent.
    """
    config = unet.config
    taken, latent = config.in_channels, config.out_channels
    if taken != latent + shown:
        raise UnsupportedModelError(
            "model",
            f"its U-Net takes {taken} channels instead of {latent}: an inpainting checkpoint (or another that is shown "
            "a picture), which can't be inverted.",
            "Use the checkpoint that it was made from, or another plain one; give this one as painter: it paints what "
            "the drag reveals.",
        )
    added, labels = config.get("addition_embed_type"), config.get("class_embed_type")
    if added not in (None, "text_time"):
        raise UnsupportedModelError("model", f"addition_embed_type is {added!r}.", "Use SD 1.x, 2.x or SDXL.")
    if labels is not None or config.get("num_class_embeds") is not None:
        raise UnsupportedModelError(
            "model", f"it takes class labels (class_embed_type {labels!r}).", "Use SD 1.x, 2.x or SDXL."
        )
    if config.get("encoder_hid_dim_type") is not None:
        raise UnsupportedModelError(
            "model", f"encoder_hid_dim_type is {config['encoder_hid_dim_type']!r}.",
            "Unload IP-Adapter, or use a model without image embeddings.",
        )


def unet_arguments(
    unet: Any,
    conditionings: tuple[Conditioning, ...],
    batch: int,
    pixel_size: tuple[int, int],
    device: torch.device,
    dtype: torch.dtype,
) -> dict[str, Any]:
    """Keyword arguments of ``UNet2DConditionModel.forward`` for these conditionings, one after the other.

    Args:
        batch: rows of each conditioning.
        pixel_size: (height, width) of the edited image, for SDXL.

    Raises:
        InputError: an embedding of another width or batch than the U-Net and the latent have.
    """
    rows = batch * len(conditionings)
    length = max(conditioning.context.shape[1] for conditioning in conditionings)
    width = context_width(unet)
    contexts = [_rows(_padded(c.context, length), batch, width, "conditioning") for c in conditionings]
    arguments: dict[str, Any] = {
        "encoder_hidden_states": torch.cat([context.to(device, dtype) for context in contexts])
    }
    guidance_width = unet.config.get("time_cond_proj_dim")
    if guidance_width is not None:
        arguments["timestep_cond"] = _guidance_embedding(guidance_width, device, dtype).expand(rows, -1)
    if unet.config.get("addition_embed_type") != "text_time":
        return arguments
    width = unet.config.projection_class_embeddings_input_dim - 6 * unet.config.addition_time_embed_dim
    height, breadth = pixel_size
    pooled, sizes = [], []
    for conditioning in conditionings:
        embedding = torch.zeros(1, width) if conditioning.pooled is None else conditioning.pooled
        pooled.append(_rows(embedding, batch, width, "pooled conditioning").to(device, dtype))
        time_ids = conditioning.time_ids or (height, breadth, 0, 0, height, breadth)
        sizes.append(torch.tensor([time_ids], device=device, dtype=dtype).expand(batch, -1))
    arguments["added_cond_kwargs"] = {"text_embeds": torch.cat(pooled), "time_ids": torch.cat(sizes)}
    return arguments


def _guidance_embedding(width: int, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """(1, width): what tells a U-Net distilled with guidance (Luo et al. 2023, arXiv 2310.04378) that there is none.

    The sinusoidal embedding of 1000 (w - 1) at w = 1: sines of 0, then cosines.
    """
    half = width // 2
    embedding = torch.zeros(1, width, device=device, dtype=dtype)
    embedding[:, half : 2 * half] = 1
    return embedding


def _padded(context: torch.Tensor, length: int) -> torch.Tensor:
    # Conditionings of several lengths in one batch: repeat the shorter until it fits, which leaves its
    # cross-attention as it was, when it fits a whole number of times.
    repeats, rest = divmod(length, context.shape[1])
    if rest:
        raise InputError(
            "conditioning", f"positive and negative have {length} and {context.shape[1]} tokens.",
            "Encode both with the same maximum length.",
        )
    return context.repeat(1, repeats, 1) if repeats > 1 else context


def _rows(embedding: torch.Tensor, batch: int, width: int, name: str) -> torch.Tensor:
    if embedding.shape[-1] != width:
        raise InputError(
            name, f"it is {embedding.shape[-1]} wide, the model takes {width}.",
            "Encode the text with this model's own text encoder.",
        )
    if embedding.shape[0] not in (1, batch):
        raise InputError(
            name, f"it has {embedding.shape[0]} rows for {batch} images.", "Give one row, or one an image."
        )
    return embedding.expand(batch, *embedding.shape[1:])
