"""The self-attention layers of a U-Net, as the method names them whatever the host."""

from __future__ import annotations

import math
from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import Literal

from ..errors import InputError

Side = Literal["down", "middle", "up"]


@dataclass(frozen=True)
class Layer:
    """One self-attention layer of the loaded U-Net.

    Attributes:
        name: unique within the model, readable: "down.1.0" is the first transformer block of down block 1.
        side: which part of the U it sits in.
        level: how many times the latent was halved before it.
        channels: width of a token.
        heads: number of attention heads.
    """

    name: str
    side: Side
    level: int
    channels: int
    heads: int

    def token_grid(self, latent_size: tuple[int, int]) -> tuple[int, int]:
        """(height, width) of its tokens for a latent of this (height, width). Halving rounds up."""
        height, width = latent_size
        for _ in range(self.level):
            height, width = math.ceil(height / 2), math.ceil(width / 2)
        return height, width

    def tokens(self, latent_size: tuple[int, int]) -> int:
        """Number of its tokens for a latent of this size."""
        return math.prod(self.token_grid(latent_size))


def check_all_ran(layers: Iterable[Layer], seen: Container[str]) -> None:
    """Raises an ``InputError`` unless every layer's name is in ``seen``: else its block was kept from running."""
    missing = sorted(layer.name for layer in layers if layer.name not in seen)
    if missing:
        raise InputError(
            "model",
            f"its self-attention {', '.join(missing)} never ran at full size.",
            "Remove area-restricted conditioning or other patches that skip blocks before inverting.",
        )
