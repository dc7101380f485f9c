"""ComfyUI as a host. Imports ``comfy``: only to be imported inside ComfyUI, or after its arguments were parsed."""
