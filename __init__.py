"""ComfyUI-AttentionDrag: what ComfyUI reads when it loads the pack."""

WEB_DIRECTORY = "./web"

if __package__:
    # pytest imports this file as a plain module when the repository is its root directory: no package, no nodes.
    from .nodes import comfy_entrypoint as comfy_entrypoint

__all__ = ["WEB_DIRECTORY", "comfy_entrypoint"] if __package__ else ["WEB_DIRECTORY"]
