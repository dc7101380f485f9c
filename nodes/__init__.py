"""The pack's nodes and the extension that offers them to ComfyUI."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from ._kept import keep_results
from .apply import AttentionDragApply
from .capture import AttentionDragCapture
from .composite import AttentionDragComposite
from .crop import AttentionDragCrop
from .edit import AttentionDragEdit
from .edit_stages import AttentionDragEditInvert, AttentionDragEditMove, AttentionDragEditSample
from .edit_window import AttentionDragEditLook, AttentionDragEditWindow
from .inversion import AttentionDragInversion
from .load_diffusers import AttentionDragLoadDiffusers
from .mask import AttentionDragMask
from .points import AttentionDragPoints
from .sampler import AttentionDragSampler, AttentionDragSamplerSelect
from .stitch import AttentionDragStitch


class AttentionDragExtension(ComfyExtension):
    """All nodes of the pack, in the order of use; last, in no menu, what Edit expands into."""

    async def on_load(self) -> None:
        await keep_results(
            one.__name__ for one in (AttentionDragEditLook, AttentionDragEditInvert, AttentionDragEditMove)
        )

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [
            AttentionDragPoints,
            AttentionDragCapture,
            AttentionDragInversion,
            AttentionDragMask,
            AttentionDragApply,
            AttentionDragSampler,
            AttentionDragSamplerSelect,
            AttentionDragComposite,
            AttentionDragEdit,
            AttentionDragLoadDiffusers,
            AttentionDragCrop,
            AttentionDragStitch,
            AttentionDragEditLook,
            AttentionDragEditWindow,
            AttentionDragEditInvert,
            AttentionDragEditMove,
            AttentionDragEditSample,
        ]


async def comfy_entrypoint() -> ComfyExtension:
    """What ComfyUI calls when it loads the pack."""
    return AttentionDragExtension()
