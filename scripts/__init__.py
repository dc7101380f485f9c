"""Running the pack outside a user's own ComfyUI: environment, server, demo, tests."""
