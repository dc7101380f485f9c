"""example_workflows/: they fit the nodes, and run as they are."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import numpy as np
import pytest
import requests
from PIL import Image

from core.space.points import parse_points
from scripts.demo import install, write_checkpoint
from scripts.environment import REPOSITORY
from scripts.workflow import is_widget, load_workflow, nodes_of_type, to_prompt, widget_names
from tests.comfy.graphs import CHECKPOINT

FOLDER = REPOSITORY / "example_workflows"
PATHS = sorted(FOLDER.glob("*.json"))
# As earlier versions of the pack saved them: they open and run as they did.
SAVED = sorted((REPOSITORY / "tests" / "comfy" / "saved").glob("*.json"))
FRONT_END_TYPES = {"MarkdownNote"}
# Inputs that list files: which there are depends on the machine.
FILES = {"ckpt_name", "image"}

each_workflow = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def test_there_are_some():
    assert len(PATHS) >= 7


@each_workflow
def test_links_join_outputs_and_inputs_of_one_type(path, object_info):
    workflow = load_workflow(path)
    nodes = {node["id"]: node for node in workflow["nodes"]}
    for link, source, output, target, slot, kind in workflow["links"]:
        info = object_info[nodes[source]["type"]]
        entry = nodes[target]["inputs"][slot]
        inputs = object_info[nodes[target]["type"]]["input"]
        wanted = {**inputs.get("required", {}), **inputs.get("optional", {})}[entry["name"]][0]
        assert info["output"][output] == kind == wanted, (link, entry["name"])
        assert entry["link"] == link
        assert link in nodes[source]["outputs"][output]["links"]
    assert {link[0] for link in workflow["links"]} == {
        entry["link"] for node in nodes.values() for entry in node["inputs"] if entry["link"] is not None
    }


@each_workflow
def test_every_required_input_is_linked_and_every_widget_has_a_valid_value(path, object_info):
    for node in load_workflow(path)["nodes"]:
        if node["type"] in FRONT_END_TYPES:
            continue
        info = object_info[node["type"]]
        linked = {entry["name"] for entry in node["inputs"] if entry["link"] is not None}
        for name, spec in info["input"].get("required", {}).items():
            assert is_widget(spec) or name in linked, (node["type"], name)
        names = widget_names(info)
        assert len(names) == len(node["widgets_values"]), node["type"]
        specs = {**info["input"].get("required", {}), **info["input"].get("optional", {})}
        for name, value in zip(names, node["widgets_values"], strict=True):
            if name is not None and name not in FILES:
                check_value(specs[name], value, f"{node['type']}.{name}")


def check_value(spec, value, where):
    kind, options = spec[0], (spec + [{}])[1]
    if isinstance(kind, list) or kind == "COMBO":
        assert value in (kind if isinstance(kind, list) else options["options"]), where
    elif kind in ("INT", "FLOAT"):
        assert type(value) in ((int,) if kind == "INT" else (int, float)), where
        assert options["min"] <= value <= options["max"], where
    else:
        assert type(value) is {"STRING": str, "BOOLEAN": bool}[kind], where


@each_workflow
def test_thumbnail(path):
    thumbnail = path.with_suffix(".jpg")
    with Image.open(thumbnail) as picture:
        assert picture.format == "JPEG" and min(picture.size) >= 256
    assert thumbnail.stat().st_size < 200_000


@pytest.mark.parametrize("path", PATHS + SAVED, ids=lambda path: path.stem)
def test_runs(path, client, g, object_info, pixels):
    """With the test's checkpoint, small copies of the pictures and few steps; its prompts are random numbers."""
    graph = to_prompt(load_workflow(path), object_info)
    side = round(64 * enlarged_by(graph))
    for node_id, node in list(graph.items()):
        inputs = node["inputs"]
        if node["class_type"] == "AttentionDragCrop":
            inputs.update(size=64, window="10")
        if node["class_type"] == "CheckpointLoaderSimple":
            inputs["ckpt_name"] = CHECKPOINT
        elif node["class_type"] in ("LoadImage", "LoadImageMask"):
            with Image.open(FOLDER / inputs["image"]) as picture:
                inputs["image"] = client.upload_image(f"small_{inputs['image']}", picture.resize((64, 64)))
        elif node["class_type"] == "CLIPTextEncode":
            graph[node_id] = {"class_type": "ProbeConditioning", "inputs": {"seed": int(node_id)}}
        elif "steps" in inputs and "strength" in inputs:
            inputs.update(steps=6)
    run = client.run(graph)
    shown = nodes_of_type(graph, "SaveImage") + nodes_of_type(graph, "PreviewImage")
    assert len(shown) >= 3
    for node_id in shown:
        images = pixels(run, node_id)
        assert images.shape[0] == 1 and images.shape[-1] == 3 and images.std() > 1
        # What a window looks like is as large as that.
        source = graph[graph[node_id]["inputs"]["images"][0]]["class_type"]
        if source == "AttentionDragCrop":
            assert max(images.shape[1:3]) < side and images.shape[1] * images.shape[2] <= 1.05 * 64**2
        else:
            assert images.shape[1:3] == (side, side), source


def enlarged_by(graph) -> float:
    """How many times the demo picture's side the picture is that a template edits."""
    factors = [graph[node_id]["inputs"]["scale_by"] for node_id in nodes_of_type(graph, "ImageScaleBy")]
    return factors[0] if factors else 1.0


def test_the_large_picture_keeps_all_but_the_window(client, g, object_info, base, pixels):
    """Both of its branches: the chain and the blur."""
    graph = to_prompt(load_workflow(FOLDER / "attentiondrag_large_picture.json"), object_info)
    for node in graph.values():
        inputs = node["inputs"]
        if node["class_type"] == "CheckpointLoaderSimple":
            inputs["ckpt_name"] = CHECKPOINT
        elif node["class_type"] == "LoadImage":
            with Image.open(FOLDER / inputs["image"]) as picture:
                inputs["image"] = client.upload_image("small_large_picture.png", picture.resize((64, 64)))
        elif node["class_type"] == "AttentionDragCrop":
            inputs.update(size=64, window="10")
        elif node["class_type"] == "AttentionDragInversion":
            inputs.update(steps=6)
    [scaled], stitches = nodes_of_type(graph, "ImageScaleBy"), nodes_of_type(graph, "AttentionDragStitch")
    assert len(stitches) == 2
    saved = {}
    for node_id in (scaled, *stitches):
        saved[node_id] = f"look_{node_id}"
        inputs = {"images": [node_id, 0], "filename_prefix": "look"}
        graph[saved[node_id]] = {"class_type": "SaveImage", "inputs": inputs}
    run = client.run(graph)
    source, *edits = (pixels(run, saved[node_id])[0] for node_id in (scaled, *stitches))
    for edited in edits:
        changed = (edited != source).any(-1)
        rows, columns = np.nonzero(changed)
        assert 0.01 < changed.mean() < 0.8
        assert not changed[:, -8:].any(), "right of the window"


def test_points_are_those_the_nodes_read():
    for path in PATHS:
        for node in load_workflow(path)["nodes"]:
            linked = {entry["name"] for entry in node.get("inputs", ()) if entry["link"] is not None}
            if node["type"] == "AttentionDragPoints" and "points" not in linked:
                assert parse_points(node["widgets_values"][0]).pairs


def test_app_mode_shows_widgets_and_pictures_that_are_there(object_info):
    shown = load_workflow(FOLDER / "attentiondrag_edit.json")["extra"]["linearData"]
    nodes = {node["id"]: node for node in load_workflow(FOLDER / "attentiondrag_edit.json")["nodes"]}
    for number, widget in shown["inputs"]:
        # The picker's is made by the page.
        names = [*widget_names(object_info[nodes[number]["type"]]), "attentiondrag_picker"]
        assert widget in names, (nodes[number]["type"], widget)
    assert [nodes[number]["type"] for number in shown["outputs"]] == ["SaveImage"]


def test_the_program_of_the_batch_workflow_queues_it(client, object_info, tmp_path, scene):
    """As it stands in the note, but for the server's address and the picture's name."""
    workflow = load_workflow(FOLDER / "attentiondrag_batch.json")
    [text] = [node["widgets_values"][0] for node in workflow["nodes"] if node["type"] == "MarkdownNote"]
    program = text.partition("```python\n")[2].partition("```")[0]
    graph = to_prompt(workflow, object_info)
    for node in graph.values():
        node["inputs"].update({"steps": 4} if node["class_type"] == "AttentionDragEdit" else {})
        node["inputs"].update({"ckpt_name": CHECKPOINT} if "ckpt_name" in node["inputs"] else {})
    (tmp_path / "graph.json").write_text(json.dumps(graph), encoding="utf-8")
    before = set(requests.get(f"{client.url}/history", timeout=60).json())
    program = program.replace("http://127.0.0.1:8188", client.url).replace("attentiondrag_demo.png", scene())
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    deadline = time.monotonic() + 300
    while not (new := set(requests.get(f"{client.url}/history", timeout=60).json()) - before):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    entry = requests.get(f"{client.url}/history/{new.pop()}", timeout=60).json().popitem()[1]
    assert entry["status"]["status_str"] == "success"
    names = [one["filename"] for output in entry["outputs"].values() for one in output.get("images", ())]
    assert any(name.startswith("0000") for name in names)


def test_the_blueprint_joins_outputs_and_inputs_of_one_type(object_info):
    [path] = (REPOSITORY / "subgraphs").glob("*.json")
    [graph] = load_workflow(path)["definitions"]["subgraphs"]
    nodes = {node["id"]: node for node in graph["nodes"]}
    outside = {-10: graph["inputs"], -20: graph["outputs"]}
    for link in graph["links"]:
        source, target = link["origin_id"], link["target_id"]
        made = outside[source] if source in outside else nodes[source]["outputs"]
        taken = outside[target] if target in outside else nodes[target]["inputs"]
        assert made[link["origin_slot"]]["type"] == link["type"] == taken[link["target_slot"]]["type"]
        if target in nodes:
            assert taken[link["target_slot"]]["link"] == link["id"]
            info = object_info[nodes[target]["type"]]["input"]
            known = {**info.get("required", {}), **info.get("optional", {})}
            assert taken[link["target_slot"]]["name"] in known
    for node in nodes.values():
        linked = {entry["name"] for entry in node["inputs"] if entry["link"] is not None}
        for name, spec in object_info[node["type"]]["input"]["required"].items():
            assert is_widget(spec) or name in linked, (node["type"], name)
    [shown] = load_workflow(path)["nodes"]
    for number, widget in shown["properties"]["proxyWidgets"]:
        assert widget in widget_names(object_info[nodes[int(number)]["type"]])


def with_edit_as(graph, name):
    """The graph with its Edit node, if it has one, under another id."""
    ids = {node: name for node in nodes_of_type(graph, "AttentionDragEdit")}
    renamed = {}
    for node_id, node in graph.items():
        inputs = {
            key: [ids.get(value[0], value[0]), value[1]] if isinstance(value, list) else value
            for key, value in node["inputs"].items()
        }
        renamed[ids.get(node_id, node_id)] = {**node, "inputs": inputs}
    return renamed


# The demo model has no text encoder, so that what is prompted can't run on it. Those with an Edit come first: they all
# invert the same picture in the same way, and ComfyUI caches what a node expands into by the node's id.
ON_DEMO = sorted((path.stem for path in PATHS if "prompted" not in path.stem), key=lambda name: "step_by_step" in name)


@pytest.mark.parametrize("name", ON_DEMO)
def test_runs_as_it_is_on_the_demo_checkpoint(name, client, base, object_info):
    write_checkpoint(base, stand_in=False)
    for source in FOLDER.glob("*.png"):
        install(source, base.input / source.name)
    graph = with_edit_as(to_prompt(load_workflow(FOLDER / f"{name}.json"), client.object_info()), "edit")
    run = client.run(graph, seconds=1800)
    [saved] = nodes_of_type(graph, "SaveImage")
    with Image.open(FOLDER / "attentiondrag_demo.png") as picture:
        picture = picture.convert("RGB")
        side = round(picture.width * enlarged_by(graph))
        source = np.asarray(picture.resize((side, side), Image.Resampling.LANCZOS)).astype(int)
    edited = np.asarray(client.image(run, saved).convert("RGB")).astype(int)
    assert edited.shape == source.shape
    changed = abs(edited - source).max(-1) > 8
    assert 0.01 < changed.mean() < 0.6, "the bird, and neither nothing nor everything"
