"""AttentionDragCapture: what an inversion records."""

from __future__ import annotations

from comfy_api.latest import io

from ..core.attention.maps import Heads
from ..core.attention.plan import CapturePlan, Storage
from ..core.options import choices
from ._common import CATEGORY, CaptureType, names_itself
from ._schema import node_schema

SIDES = {
    "auto": CapturePlan().sides,
    "all": (),
    "down": ("down",),
    "middle": ("middle",),
    "up": ("up",),
    "down + middle": ("down", "middle"),
    "middle + up": ("middle", "up"),
    "down + up": ("down", "up"),
}
LEVELS = {
    "auto": (),
    "1/8": (0,),
    "1/16": (1,),
    "1/32": (2,),
    "1/64": (3,),
    "1/8 + 1/16": (0, 1),
    "1/16 + 1/32": (1, 2),
}
DEFAULTS = CapturePlan()


class AttentionDragCapture(io.ComfyNode):
    """Choice of layers, steps and memory for an inversion."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return node_schema(
            node_id="AttentionDragCapture",
            display_name="AttentionDrag Capture",
            category=CATEGORY,
            description="What the inversion records of the model's self-attention. Everything on 'auto' is what "
            "an inversion does with no capture linked.",
            inputs=[
                io.Combo.Input(
                    "layers",
                    options=list(SIDES),
                    default="auto",
                    tooltip="Part of the U-Net whose self-attention tells what belongs to a handle.",
                ),
                io.Combo.Input(
                    "resolution",
                    options=list(LEVELS),
                    default="auto",
                    tooltip="Token grids that are read, relative to the image. Finer is sharper and takes memory "
                    "with the fourth power of the image's side.",
                ),
                io.Float.Input(
                    "noise_from",
                    default=DEFAULTS.noise_range[0],
                    min=0.0,
                    max=0.99,
                    step=0.01,
                    tooltip="Share of the inversion, from the clean end, at which reading begins.",
                ),
                io.Float.Input(
                    "noise_to",
                    default=DEFAULTS.noise_range[1],
                    min=0.01,
                    max=1.0,
                    step=0.01,
                    tooltip="Share of the inversion at which reading ends.",
                ),
                io.Int.Input(
                    "steps",
                    default=DEFAULTS.map_steps,
                    min=1,
                    max=50,
                    tooltip="How many steps between them are read.",
                ),
                io.Combo.Input(
                    "heads",
                    options=choices(Heads),
                    default=DEFAULTS.heads,
                    tooltip="How the attention heads of a layer are merged.",
                ),
                io.Combo.Input(
                    "consistency_layers",
                    options=list(SIDES),
                    default="auto",
                    tooltip="Part of the U-Net whose keys and values are kept for the way back.",
                ),
                io.Combo.Input(
                    "storage",
                    options=choices(Storage),
                    default=DEFAULTS.storage,
                    tooltip="Where keys and values are kept. 'recompute' keeps none and evaluates the model "
                    "twice a sampling step; 'auto' takes 'cpu' if they fit the budget, else 'recompute'.",
                ),
                io.Int.Input(
                    "budget_mb",
                    default=DEFAULTS.budget_mb,
                    min=1,
                    max=1048576,
                    tooltip="Upper bound in MB for all that is kept.",
                ),
            ],
            outputs=[
                CaptureType.Output(
                    "capture", display_name="capture", tooltip="For the capture input of Inversion or Edit."
                )
            ],
            aliases=("record attention", "attention maps", "memory"),
            advanced=("noise_from", "noise_to", "steps", "heads", "consistency_layers"),
        )

    @classmethod
    @names_itself
    def execute(
        cls, layers, resolution, noise_from, noise_to, steps, heads, consistency_layers, storage, budget_mb
    ) -> io.NodeOutput:
        source = DEFAULTS.source_sides if consistency_layers == "auto" else SIDES[consistency_layers]
        plan = CapturePlan(
            sides=SIDES[layers],
            levels=LEVELS[resolution],
            noise_range=(noise_from, noise_to),
            map_steps=steps,
            heads=heads,
            source_sides=source,
            storage=storage,
            budget_mb=budget_mb,
        )
        return io.NodeOutput(plan)
