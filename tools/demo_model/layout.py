"""Sizes that the demo model's U-Net may have; each widens by five to Stable Diffusion 1.5's width of 320."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

HEAD = 32
"""Channels of a narrow head."""
NATIVE_SIZE = 256
"""Pixels a side of the pictures that the model is trained on; SD's own 512 stands nowhere in its files."""


@dataclass(frozen=True)
class Layout:
    """Widths from full resolution down, and residual blocks (each with self-attention) a level."""

    widths: tuple[int, ...]
    blocks: int = 1

    @property
    def heads(self) -> tuple[int, ...]:
        """Heads of attention a level."""
        return tuple(max(1, width // HEAD) for width in self.widths)

    def skips(self) -> list[int]:
        """Widths of the outputs that the way up reads, in the order in which the way down makes them."""
        made = [self.widths[0]]
        for level, width in enumerate(self.widths):
            made += [width] * (self.blocks + (level + 1 < len(self.widths)))
        return made

    def ups(self) -> list[list[tuple[int, int, int]]]:
        """(hidden, skip, out) widths of every residual block on the way up, a list a level from the deepest."""
        skips, hidden, levels = self.skips(), self.widths[-1], []
        for width in reversed(self.widths):
            level = []
            for _ in range(self.blocks + 1):
                level.append((hidden, skips.pop(), width))
                hidden = width
            levels.append(level)
        return levels


SMALL = Layout((64, 128, 128))
LAYOUTS = {"small": SMALL, "deep": Layout((64, 128, 128), blocks=3), "wide": Layout((64, 128, 256))}
"""6.5 M (the shipped one), 13.0 M and 15.8 M parameters. All have three resolutions, by which ``core.families`` tells
the demo model from Stable Diffusion's own four."""


def layout_of(state: dict[str, Tensor]) -> Layout:
    """The layout that a narrow state dict has."""
    widths = []
    while (key := f"down_blocks.{len(widths)}.resnets.0.conv1.weight") in state:
        widths.append(state[key].shape[0])
    blocks = sum(f"down_blocks.0.resnets.{number}.conv1.weight" in state for number in range(16))
    return Layout(tuple(widths), blocks)
