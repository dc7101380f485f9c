"""One drag by the demo model in a real ComfyUI, from a checked-out repository to pictures.

    scripts/demo.sh [--out DIR] [--image FILE --points JSON] [--serve] [--stand-in]

Writes source.png, points.png, edited.png, mask.png, heatmap.png and sheet.png. The server runs on loopback on
a free port, on a base directory of its own, and is ended on the way out.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from scripts.base_directory import BaseDirectory, make_base_directory
from scripts.client import ComfyClient, Graph, PromptError, Run
from scripts.comfyui import comfyui_version
from scripts.environment import REPOSITORY, cache_directory
from scripts.server import ComfyServer, ServerError
from scripts.workflow import load_workflow, nodes_of_type, to_prompt

WORKFLOWS = REPOSITORY / "example_workflows"
WORKFLOW = WORKFLOWS / "attentiondrag_edit.json"
IMAGE = WORKFLOWS / "attentiondrag_demo.png"
CHECKPOINT = "attentiondrag_demo.safetensors"
# Titles of the workflow's preview nodes, by the file that their picture is written to.
PICTURES = {"edited": "Edited", "mask": "Mask", "heatmap": "Heatmap", "points": "Points"}
PORT = 8188
_LARGE = 512


def main() -> int:
    options = parse_arguments()
    base = make_base_directory(cache_directory() / "demo")
    write_checkpoint(base, options.stand_in)
    for source in WORKFLOWS.glob("*.json"):
        install(source, base.user / "default" / "workflows" / source.name)
    for source in WORKFLOWS.glob("*.png"):
        install(source, base.input / source.name)
    comfyui = Path(os.environ["COMFYUI_PATH"])
    print(f"starting ComfyUI {comfyui_version(comfyui)} ({comfyui})", flush=True)
    start = time.monotonic()
    try:
        with ComfyServer(
            comfyui, base, Path(sys.executable), server_arguments(), PORT if options.serve else 0
        ) as server:
            client = ComfyClient(server.url)
            print(f"ready after {time.monotonic() - start:.0f} s; editing {options.image.name}", flush=True)
            graph = demo_graph(client, options.image, options.points)
            run = client.run(graph, seconds=3600)
            write_pictures(client, graph, run, options.image, options.out)
            print(f"edited in {run.seconds:.0f} s; see {options.out / 'sheet.png'}", flush=True)
            if options.serve:
                print(f"ComfyUI is at {server.url} with the example workflows in its sidebar; Ctrl-C ends it")
                while True:
                    time.sleep(3600)
    except (ServerError, PromptError, TimeoutError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nended")
        return 0 if options.serve else 130
    print("to try it in the browser: scripts/demo.sh --serve")
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="demo.sh", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=REPOSITORY / "demo_out", help="folder for the pictures")
    parser.add_argument("--image", type=Path, help="your own picture instead of the demo's; needs --points")
    parser.add_argument("--points", help="its drags: the points node's JSON, or a file that holds it")
    parser.add_argument("--serve", action="store_true", help=f"then keep ComfyUI running, on port {PORT}")
    parser.add_argument(
        "--stand-in", action="store_true", help="untrained weights: shows that it runs, not that it works"
    )
    options = parser.parse_args()
    if (options.image is None) != (options.points is None):
        parser.error("--image and --points go together")
    if options.points is not None and Path(options.points[:255]).is_file():
        options.points = Path(options.points).read_text(encoding="utf-8")
    options.image = options.image or IMAGE
    if not options.image.is_file():
        parser.error(f"--image: there is no file {options.image}")
    with Image.open(options.image) as picture:
        if max(picture.size) > _LARGE:
            print(f"note: {picture.size[0]}x{picture.size[1]} px; the demo model knows 256x256, and time grows")
    return options


def write_checkpoint(base: BaseDirectory, stand_in: bool) -> None:
    """Write the demo model as a ComfyUI checkpoint, unless it is there and no older than its weights."""
    path = base.checkpoints / CHECKPOINT
    weights = REPOSITORY / "tools" / "demo_model" / "weights"
    newest = max((file.stat().st_mtime for file in weights.glob("*.safetensors")), default=0.0)
    mark = path.with_suffix(".stand-in")
    if path.exists() and path.stat().st_mtime >= newest and mark.exists() == stand_in:
        return
    print("writing the demo checkpoint", flush=True)
    part = path.with_suffix(".part")
    command = [sys.executable, "-m", "tools.demo_model.write", "--comfy", str(part)]
    subprocess.run([*command, *(["--stand-in"] if stand_in else [])], cwd=REPOSITORY, check=True)
    part.replace(path)
    mark.unlink(missing_ok=True)
    if stand_in:
        mark.touch()


def install(source: Path, target: Path) -> None:
    """Copy a file into the base directory."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def server_arguments() -> list[str]:
    """ComfyUI's device options: the CPU, unless ``ATTENTIONDRAG_SERVER_ARGS`` says otherwise."""
    return os.environ.get("ATTENTIONDRAG_SERVER_ARGS", "--cpu").split()


def demo_graph(client: ComfyClient, image: Path, points: str | None) -> Graph:
    """The example workflow as the API takes it, on another picture if one is given."""
    graph = to_prompt(load_workflow(WORKFLOW), client.object_info())
    [load] = nodes_of_type(graph, "LoadImage")
    graph[load]["inputs"]["image"] = client.upload_image(image.name, image)
    if points is not None:
        [node] = nodes_of_type(graph, "AttentionDragPoints")
        graph[node]["inputs"]["points"] = points
    return graph


def write_pictures(client: ComfyClient, graph: Graph, run: Run, source: Path, out: Path) -> None:
    """Write what the workflow's preview and save nodes show, and a sheet of it all side by side."""
    out.mkdir(parents=True, exist_ok=True)
    ids = {node["_meta"]["title"]: node_id for node_id, node in graph.items()}
    pictures = {name: client.image(run, ids[title]).convert("RGB") for name, title in PICTURES.items()}
    with Image.open(source) as picture:
        pictures["source"] = picture.convert("RGB")
    for name in ("source", "points", "edited", "mask", "heatmap"):
        pictures[name].save(out / f"{name}.png")
    panels = {"drag": "points", "what belongs to it": "heatmap", "mask": "mask", "edited": "edited"}
    side_by_side({label: pictures[name] for label, name in panels.items()}).save(out / "sheet.png")


def side_by_side(panels: dict[str, Image.Image], gap: int = 8, line: int = 24) -> Image.Image:
    """Pictures of one size in a row, each with its label above."""
    width, height = next(iter(panels.values())).size
    sheet = Image.new("RGB", (len(panels) * (width + gap) + gap, height + line + gap), "white")
    draw = ImageDraw.Draw(sheet)
    for number, (label, picture) in enumerate(panels.items()):
        x = gap + number * (width + gap)
        draw.text((x, line // 2), label, fill="black", anchor="lm", font=ImageFont.load_default(size=14))
        sheet.paste(picture.resize((width, height)), (x, line))
    return sheet


if __name__ == "__main__":
    sys.exit(main())
