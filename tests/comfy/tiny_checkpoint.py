"""A small checkpoint that the stock CheckpointLoaderSimple takes for Stable Diffusion 1.5.

The U-Net has random weights in SD 1.5's layout (320 channels at two resolutions, one block each: the
narrowest that is recognised), self-attention everywhere. The autoencoder has TAESD's layout with weights set
by hand: the latent's first three channels are the means of R, G and B over 8x8 pixels, the fourth their mean,
and decoding repeats each cell 8x8 times. So what a latent looks like decoded is known without having learned
anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file

MODEL_CHANNELS, CONTEXT, TIME = 320, 768, 1280
_UNET = "model.diffusion_model."
_TAESD_WIDTH = 64
# Latents = (mean - 0.5) * _LATENT_GAIN: about the spread of a trained autoencoder's, and inside the decoder's
# clamp.
_LATENT_GAIN = 4.0
# What the loader multiplies SD 1.5 latents by; divided out, so that the U-Net sees the values above.
SD15_SCALE = 0.18215

Shapes = Iterator[tuple[str, tuple[int, ...]]]


def write_checkpoint(path: Path, seed: int = 0, channels: int = 4) -> None:
    """Write the checkpoint; the same seed gives the same file. With 9 ``channels`` it is an inpainting one."""
    generator = torch.Generator().manual_seed(seed)
    state = {_UNET + name: _random(name, shape, generator) for name, shape in _unet_shapes(channels)}
    # Keeps the predicted noise at the size of noise, which keeps trajectories finite.
    state[_UNET + "out.2.weight"] *= 0.5
    state |= {f"first_stage_model.{name}": value for name, value in _taesd_weights().items()}
    save_file({name: value.half().contiguous() for name, value in state.items()}, path)


def write_lora(path: Path, seed: int = 1, rank: int = 4) -> None:
    """A LoRA on the self-attention's queries and keys, in the usual key layout."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in _unet_shapes():
        if name.endswith(("attn1.to_q.weight", "attn1.to_k.weight")):
            key = "lora_unet_" + name.removesuffix(".weight").replace(".", "_")
            state[f"{key}.lora_up.weight"] = torch.randn(shape[0], rank, generator=generator) * 0.2
            state[f"{key}.lora_down.weight"] = torch.randn(rank, shape[1], generator=generator) * 0.2
            state[f"{key}.alpha"] = torch.tensor(float(rank))
    save_file(state, path)


def self_attention_blocks() -> list[tuple[str, int]]:
    """ComfyUI's names of the blocks that hold a transformer: ("input", 1), ("middle", 0), ..."""
    return [("input", 1), ("input", 3), ("middle", 0), *(("output", n) for n in range(4))]


def _random(name: str, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    if len(shape) == 1:
        return torch.ones(shape) if name.endswith("weight") else torch.randn(shape, generator=generator) * 0.02
    fan_in = torch.Size(shape[1:]).numel()
    weight = torch.randn(shape, generator=generator) / fan_in**0.5
    # Sharper attention than unit-variance logits give, so that taking another's keys and values shows.
    return weight * (2.0 if "attn1.to_q" in name or "attn1.to_k" in name else 1.0)


def _unet_shapes(channels: int = 4) -> Shapes:
    c = MODEL_CHANNELS
    yield from _linear("time_embed.0", c, TIME)
    yield from _linear("time_embed.2", TIME, TIME)
    yield from _conv("input_blocks.0.0", channels, c)
    yield from _res("input_blocks.1.0", c)
    yield from _transformer("input_blocks.1.1")
    yield from _conv("input_blocks.2.0.op", c, c)
    yield from _res("input_blocks.3.0", c)
    yield from _transformer("input_blocks.3.1")
    yield from _res("middle_block.0", c)
    yield from _transformer("middle_block.1")
    yield from _res("middle_block.2", c)
    for block in range(4):
        yield from _res(f"output_blocks.{block}.0", 2 * c)
        yield from _transformer(f"output_blocks.{block}.1")
    yield from _conv("output_blocks.1.2.conv", c, c)
    yield from _norm("out.0", c)
    yield from _conv("out.2", c, 4)


def _res(prefix: str, channels_in: int) -> Shapes:
    c = MODEL_CHANNELS
    yield from _norm(f"{prefix}.in_layers.0", channels_in)
    yield from _conv(f"{prefix}.in_layers.2", channels_in, c)
    yield from _linear(f"{prefix}.emb_layers.1", TIME, c)
    yield from _norm(f"{prefix}.out_layers.0", c)
    yield from _conv(f"{prefix}.out_layers.3", c, c)
    if channels_in != c:
        yield from _conv(f"{prefix}.skip_connection", channels_in, c, 1)


def _transformer(prefix: str) -> Shapes:
    c, block = MODEL_CHANNELS, f"{prefix}.transformer_blocks.0"
    yield from _norm(f"{prefix}.norm", c)
    yield from _conv(f"{prefix}.proj_in", c, c, 1)
    for attention, context in (("attn1", c), ("attn2", CONTEXT)):
        yield f"{block}.{attention}.to_q.weight", (c, c)
        yield f"{block}.{attention}.to_k.weight", (c, context)
        yield f"{block}.{attention}.to_v.weight", (c, context)
        yield from _linear(f"{block}.{attention}.to_out.0", c, c)
    yield from _linear(f"{block}.ff.net.0.proj", c, 8 * c)
    yield from _linear(f"{block}.ff.net.2", 4 * c, c)
    for number in (1, 2, 3):
        yield from _norm(f"{block}.norm{number}", c)
    yield from _conv(f"{prefix}.proj_out", c, c, 1)


def _norm(name: str, channels: int) -> Shapes:
    yield f"{name}.weight", (channels,)
    yield f"{name}.bias", (channels,)


def _linear(name: str, channels_in: int, channels_out: int) -> Shapes:
    yield f"{name}.weight", (channels_out, channels_in)
    yield f"{name}.bias", (channels_out,)


def _conv(name: str, channels_in: int, channels_out: int, size: int = 3) -> Shapes:
    yield f"{name}.weight", (channels_out, channels_in, size, size)
    yield f"{name}.bias", (channels_out,)


def _taesd_weights() -> dict[str, torch.Tensor]:
    width = _TAESD_WIDTH
    state: dict[str, torch.Tensor] = {"vae_scale": torch.tensor(SD15_SCALE), "vae_shift": torch.tensor(0.0)}

    def conv(name: str, channels_in: int, channels_out: int, bias: bool = True) -> torch.Tensor:
        state[f"{name}.weight"] = torch.zeros(channels_out, channels_in, 3, 3)
        if bias:
            state[f"{name}.bias"] = torch.zeros(channels_out)
        return state[f"{name}.weight"]

    def block(name: str) -> None:  # all zero: what goes round it, a ReLU apart, is what comes out
        for part in (0, 2, 4):
            conv(f"{name}.conv.{part}", width, width)

    encoder, decoder = "taesd_encoder", "taesd_decoder"
    from_image = conv(f"{encoder}.0", 3, width)
    from_image[range(3), range(3), 1, 1] = 1
    for number in (1, 3, 4, 5, 7, 8, 9, 11, 12, 13):
        block(f"{encoder}.{number}")
    for number in (2, 6, 10):  # taps 1 and 2 of a stride-2 convolution with padding 1: cells (2i, 2i + 1)
        halve = conv(f"{encoder}.{number}", width, width, bias=False)
        halve[range(3), range(3), 1:, 1:] = 0.25
    to_latent = conv(f"{encoder}.14", width, 4)
    to_latent[range(3), range(3), 1, 1] = _LATENT_GAIN
    to_latent[3, :3, 1, 1] = _LATENT_GAIN / 3
    state[f"{encoder}.14.bias"] -= _LATENT_GAIN / 2

    from_latent = conv(f"{decoder}.1", 4, width)
    from_latent[range(3), range(3), 1, 1] = 1 / _LATENT_GAIN
    state[f"{decoder}.1.bias"][:3] = 0.5
    for number in (3, 4, 5, 8, 9, 10, 13, 14, 15, 18):
        block(f"{decoder}.{number}")
    for number in (7, 12, 17):
        keep = conv(f"{decoder}.{number}", width, width, bias=False)
        keep[range(3), range(3), 1, 1] = 1
    to_image = conv(f"{decoder}.19", width, 3)
    to_image[range(3), range(3), 1, 1] = 1
    return state
