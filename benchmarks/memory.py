"""What the default plan keeps, and how often it asks the model, in three usual cases: no model is needed for it.

    python -m benchmarks.memory

Reckoned by the code that decides it when an edit runs (``core.attention.plan``, ``core.diffusion.cost``), from the
self-attention layers of Stable Diffusion 1.5 and of SDXL. README shows the table; a test compares them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from core.attention.plan import MEGABYTE, CapturePlan, plan_footprint
from core.diffusion.cost import Cost, cost_of
from core.diffusion.schedule import timesteps
from core.families import SD1, SDXL, Family
from core.model.layers import Layer
from core.space.grid import Grid

CASES = (
    ("SD 1.5, 512 x 512", SD1, (512, 512)),
    ("SDXL, 1024 x 1024", SDXL, (1024, 1024)),
    ("SDXL, 832 x 1216", SDXL, (1216, 832)),
)


def layers_of(family: Family) -> tuple[Layer, ...]:
    """The self-attention layers of Stable Diffusion 1.x's U-Net, or of SDXL's."""
    # Per level: width, heads, transformer blocks in each of its attentions; then those of the middle.
    levels = ((320, 8, 1), (640, 8, 1), (1280, 8, 1), (1280, 8, 0))
    middle = (3, 1280, 8, 1)
    if family.name.startswith("sdxl"):
        levels, middle = ((320, 5, 0), (640, 10, 2), (1280, 20, 10)), (2, 1280, 20, 10)
    layers: list[Layer] = []

    def add(side: str, level: int, attentions: int) -> None:
        width, heads, depth = levels[level]
        for attention in range(attentions):
            names = (f"{side}.{level}.{attention}.{index}" for index in range(depth))
            layers.extend(Layer(name, side, level, width, heads) for name in names)

    for level in range(len(levels)):
        add("down", level, 2)
    level, width, heads, depth = middle
    layers.extend(Layer(f"middle.0.{index}", "middle", level, width, heads) for index in range(depth))
    for level in reversed(range(len(levels))):
        add("up", level, 3)
    return tuple(layers)


def cost(family: Family, size: tuple[int, int], plan: CapturePlan | None = None) -> Cost:
    """Of an edit at the family's defaults; ``size`` is (height, width) in pixels."""
    steps = len(timesteps(family.steps, family.strength, schedule=family.schedule))
    footprint = plan_footprint(plan or CapturePlan(), layers_of(family), 1, Grid.padded(*size).latent_size, steps)
    return cost_of(footprint, steps)


def table() -> list[str]:
    """The rows, in Markdown."""
    rows = [
        "| at the defaults | one step's keys and values | attention maps | kept in all | evaluations |",
        "|---|---|---|---|---|",
    ]
    for title, family, size in CASES:
        told = cost(family, size)
        kept = told.footprint
        whole = cost(family, size, CapturePlan(storage="cpu", budget_mb=1 << 20)).footprint
        again = f" + {told.recomputed}" if told.recomputed else ""
        rows.append(
            f"| {title} | {whole.tokens / told.steps / MEGABYTE:.0f} MB | {kept.maps / MEGABYTE:.0f} MB | "
            f"{kept.total / MEGABYTE:.0f} MB, {kept.kept_steps} of {told.steps} steps | "
            f"{told.inversion} + {told.sampling}{again} |"
        )
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    sys.stdout.write("\n".join(table()) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
