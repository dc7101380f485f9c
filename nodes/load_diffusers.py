"""AttentionDragLoadDiffusers: models in diffusers' folder layout."""

from __future__ import annotations

import os
from pathlib import Path

import folder_paths
from comfy_api.latest import io

from ..core.errors import InputError
from ..core.hosts.comfy.loading import load_model
from ._common import CATEGORY, names_itself
from ._schema import node_schema


class AttentionDragLoadDiffusers(io.ComfyNode):
    """Gives ComfyUI's own MODEL, CLIP and VAE rather than diffusers' objects.

    So every other node takes them, LoRAs included, ComfyUI loads and frees them, and an INVERSION made with one
    works with any other node of the pack.
    """

    @classmethod
    def define_schema(cls) -> io.Schema:
        return node_schema(
            node_id="AttentionDragLoadDiffusers",
            display_name="AttentionDrag Load Diffusers",
            category=CATEGORY,
            description="Loads a Stable Diffusion 1.x, 2.x or SDXL model from a diffusers folder or a .safetensors "
            "checkpoint. Local files only; pickled weights are refused.",
            inputs=[
                io.Combo.Input(
                    "model_path",
                    options=list(model_choices()),
                    tooltip="A folder in models/diffusers, or a .safetensors file in models/checkpoints.",
                ),
            ],
            outputs=[
                io.Model.Output("model", display_name="MODEL", tooltip="The U-Net, as any loader gives it."),
                io.Clip.Output("clip", display_name="CLIP", tooltip="The text encoder, if the model has one."),
                io.Vae.Output("vae", display_name="VAE", tooltip="The autoencoder."),
            ],
            aliases=("diffusers", "load model", "checkpoint folder"),
        )

    @classmethod
    @names_itself
    def execute(cls, model_path: str) -> io.NodeOutput:
        path = model_choices().get(model_path)
        if path is None:
            raise InputError(
                "model_path", f"there is no '{model_path}' in models/diffusers or models/checkpoints.",
                "Choose one of the list; press R to refresh it.",
            )
        return io.NodeOutput(*load_model(path, folder_paths.get_folder_paths("embeddings")))


def model_choices() -> dict[str, Path]:
    """What can be loaded, by the name that the user sees: diffusers folders, then safetensors checkpoints."""
    choices: dict[str, Path] = {}
    for root in folder_paths.get_folder_paths("diffusers"):
        for folder, subfolders, _ in os.walk(root, followlinks=True):
            if (Path(folder) / "unet" / "config.json").is_file():
                choices.setdefault(Path(folder).relative_to(root).as_posix(), Path(folder))
                subfolders.clear()
    for name in folder_paths.get_filename_list("checkpoints"):
        if name.lower().endswith((".safetensors", ".sft")):
            choices.setdefault(name, Path(folder_paths.get_full_path_or_raise("checkpoints", name)))
    return choices
