"""example_workflows/: they fit the nodes, and run as they are."""

from __future__ import annotations

import json

import pytest
from PIL import Image

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
    assert len(PATHS) >= 3


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
    """With the test's checkpoint, a small copy of the picture and few steps; its prompts are random numbers."""
    with Image.open(FOLDER / "attentiondrag_demo.png") as picture:
        name = client.upload_image("small.png", picture.resize((64, 64)))
    graph = to_prompt(load_workflow(path), object_info)
    for node_id, node in list(graph.items()):
        inputs = node["inputs"]
        if node["class_type"] == "CheckpointLoaderSimple":
            inputs["ckpt_name"] = CHECKPOINT
        elif node["class_type"] == "LoadImage":
            inputs["image"] = name
        elif node["class_type"] == "CLIPTextEncode":
            graph[node_id] = {"class_type": "ProbeConditioning", "inputs": {"seed": int(node_id)}}
        elif "steps" in inputs and "strength" in inputs:
            inputs.update(steps=6)
    run = client.run(graph)
    shown = nodes_of_type(graph, "SaveImage") + nodes_of_type(graph, "PreviewImage")
    assert len(shown) >= 3
    for node_id in shown:
        images = pixels(run, node_id)
        assert images.shape == (1, 64, 64, 3) and images.std() > 1


def test_points_are_those_the_nodes_read():
    for path in PATHS:
        for node in load_workflow(path)["nodes"]:
            if node["type"] == "AttentionDragPoints":
                assert json.loads(node["widgets_values"][0])["version"] == 1
