"""The narrow U-Net in plain torch: diffusers' UNet2DConditionModel without cross-attention, weight by weight.

A machine that trains needs torch and nothing else. Names and shapes of weights are those of ``unet.build_narrow``, and
so is the function (tests compare both).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from .layout import SMALL, Layout

GROUPS = 32
TIME_ENTRIES = 320


class Output(NamedTuple):
    """As diffusers' class returns it: ``sample``, the predicted noise (B, 4, h, w)."""

    sample: Tensor


class Residual(nn.Module):
    """Two convolutions with the time step between them."""

    def __init__(self, before: int, after: int, time: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(GROUPS, before), nn.GroupNorm(GROUPS, after)
        self.conv1, self.conv2 = nn.Conv2d(before, after, 3, padding=1), nn.Conv2d(after, after, 3, padding=1)
        self.time_emb_proj = nn.Linear(time, after)
        self.conv_shortcut = nn.Conv2d(before, after, 1) if before != after else nn.Identity()

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        hidden = self.conv1(functional.silu(self.norm1(x)))
        hidden = hidden + self.time_emb_proj(functional.silu(time))[:, :, None, None]
        return self.conv_shortcut(x) + self.conv2(functional.silu(self.norm2(hidden)))


class SelfAttention(nn.Module):
    """Multi-head self-attention of tokens (B, N, width)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q, self.to_k, self.to_v = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(width, width)])

    def forward(self, tokens: Tensor) -> Tensor:
        batch, count, width = tokens.shape
        parts = (
            layer(tokens).view(batch, count, self.heads, -1).transpose(1, 2)
            for layer in (self.to_q, self.to_k, self.to_v)
        )
        mixed = functional.scaled_dot_product_attention(*parts)
        return self.to_out[0](mixed.transpose(1, 2).reshape(batch, count, width))


class Gate(nn.Module):
    """GEGLU (arXiv 2002.05202)."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, 2 * inner)

    def forward(self, tokens: Tensor) -> Tensor:
        value, gate = self.proj(tokens).chunk(2, dim=-1)
        return value * functional.gelu(gate)


class FeedForward(nn.Module):
    """GEGLU and a linear layer back."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.ModuleList([Gate(width, 4 * width), nn.Identity(), nn.Linear(4 * width, width)])

    def forward(self, tokens: Tensor) -> Tensor:
        return self.net[2](self.net[0](tokens))


class Block(nn.Module):
    """A transformer's block without cross-attention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm3 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn1, self.ff = SelfAttention(width, heads), FeedForward(width)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.attn1(self.norm1(tokens))
        return tokens + self.ff(self.norm3(tokens))


class Transformer(nn.Module):
    """Planes (B, width, h, w) as tokens through a block, added to what they were."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, width, eps=1e-6)
        self.proj_in, self.proj_out = nn.Conv2d(width, width, 1), nn.Conv2d(width, width, 1)
        self.transformer_blocks = nn.ModuleList([Block(width, heads)])

    def forward(self, x: Tensor) -> Tensor:
        batch, width, high, wide = x.shape
        tokens = self.proj_in(self.norm(x)).flatten(2).transpose(1, 2)
        tokens = self.transformer_blocks[0](tokens)
        return x + self.proj_out(tokens.transpose(1, 2).reshape(batch, width, high, wide))


class Scale(nn.Module):
    """Halves the sides by a strided convolution, or doubles them before one."""

    def __init__(self, width: int, down: bool) -> None:
        super().__init__()
        self.down, self.conv = down, nn.Conv2d(width, width, 3, stride=2 if down else 1, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x if self.down else functional.interpolate(x, scale_factor=2.0))


class Level(nn.Module):
    """Residual blocks, each with attention, and a change of scale (none at the end of either way)."""

    def __init__(self, blocks: list[tuple[int, int]], time: int, heads: int, down: bool, scaled: bool) -> None:
        super().__init__()
        width = blocks[-1][1]
        self.resnets = nn.ModuleList(Residual(before, after, time) for before, after in blocks)
        self.attentions = nn.ModuleList(Transformer(width, heads) for _ in blocks)
        scale = [Scale(width, down)] if scaled else []
        if down:
            self.downsamplers = nn.ModuleList(scale)
        else:
            self.upsamplers = nn.ModuleList(scale)


class Middle(nn.Module):
    """Residual block, attention, residual block."""

    def __init__(self, width: int, time: int, heads: int) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(Residual(width, width, time) for _ in range(2))
        self.attentions = nn.ModuleList([Transformer(width, heads)])

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        return self.resnets[1](self.attentions[0](self.resnets[0](x, time)), time)


class TimeEmbedding(nn.Module):
    """Sinusoids, cosines first, through two linear layers."""

    def __init__(self, time: int) -> None:
        super().__init__()
        self.linear_1, self.linear_2 = nn.Linear(TIME_ENTRIES, time), nn.Linear(time, time)

    def forward(self, timestep: Tensor) -> Tensor:
        half = TIME_ENTRIES // 2
        rates = torch.exp(torch.arange(half, device=timestep.device, dtype=torch.float32) * (-math.log(1e4) / half))
        angles = timestep.float()[:, None] * rates
        entries = torch.cat([angles.cos(), angles.sin()], dim=-1).to(self.linear_1.weight.dtype)
        return self.linear_2(functional.silu(self.linear_1(entries)))


class Network(nn.Module):
    """``network(x, timestep).sample``: the noise in latents (B, 4, h, w), h and w multiples of 2 ** (levels - 1).

    ``timestep``: (B,) of 0..999. Device and dtype are those of the weights. ``shown``: channels that x has beside the
    latent's four, five in the painter's.
    """

    def __init__(self, layout: Layout = SMALL, shown: int = 0) -> None:
        super().__init__()
        self.layout = layout
        widths, heads, time = layout.widths, layout.heads, 4 * layout.widths[0]
        last = len(widths) - 1
        self.conv_in = nn.Conv2d(4 + shown, widths[0], 3, padding=1)
        self.time_embedding = TimeEmbedding(time)
        before = [widths[0], *widths]
        self.down_blocks = nn.ModuleList(
            Level([(before[level], width), *[(width, width)] * (layout.blocks - 1)], time, heads[level], True,
                  level < last)
            for level, width in enumerate(widths)
        )  # fmt: skip
        self.mid_block = Middle(widths[-1], time, heads[-1])
        self.up_blocks = nn.ModuleList(
            Level(
                [(hidden + skip, out) for hidden, skip, out in level], time, heads[last - number], False, number < last
            )
            for number, level in enumerate(layout.ups())
        )
        self.conv_norm_out = nn.GroupNorm(GROUPS, widths[0])
        self.conv_out = nn.Conv2d(widths[0], 4, 3, padding=1)

    def forward(self, x: Tensor, timestep: Tensor, encoder_hidden_states: None = None) -> Output:
        time = self.time_embedding(timestep)
        x = self.conv_in(x)
        skips = [x]
        for level in self.down_blocks:
            for residual, attention in zip(level.resnets, level.attentions, strict=True):
                x = attention(residual(x, time))
                skips.append(x)
            for scale in level.downsamplers:
                x = scale(x)
                skips.append(x)
        x = self.mid_block(x, time)
        for level in self.up_blocks:
            for residual, attention in zip(level.resnets, level.attentions, strict=True):
                x = attention(residual(torch.cat([x, skips.pop()], dim=1), time))
            for scale in level.upsamplers:
                x = scale(x)
        return Output(self.conv_out(functional.silu(self.conv_norm_out(x))))
