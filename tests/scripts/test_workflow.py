"""From the front end's format to the API's."""

from __future__ import annotations

import pytest

from scripts.workflow import WorkflowError, to_prompt, widget_names

OBJECT_INFO = {
    "Load": {
        "input": {"required": {"image": [["a.png", "b.png"], {"image_upload": True}]}},
        "input_order": {"required": ["image"]},
    },
    "Work": {
        "input": {
            "required": {
                "pixels": ["IMAGE"],
                "mode": ["COMBO", {"options": ["x", "y"]}],
                "seed": ["INT", {"default": 0, "control_after_generate": True}],
                "linked": ["FLOAT", {"forceInput": True}],
            },
            "optional": {"text": ["STRING", {"default": ""}], "mask": ["MASK"]},
        },
        "input_order": {"required": ["pixels", "seed", "linked", "mode"], "optional": ["mask", "text"]},
    },
}


def nodes(values):
    return {
        "nodes": [
            {"id": 7, "type": "Load", "inputs": [], "widgets_values": ["b.png", "image"]},
            {
                "id": 9,
                "type": "Work",
                "title": "Does it",
                "inputs": [{"name": "pixels", "link": 3}, {"name": "mask", "link": None}, {"name": "text", "link": 4}],
                "widgets_values": values,
            },
            {"id": 10, "type": "MarkdownNote", "widgets_values": ["read me"]},
        ],
        "links": [[3, 7, 0, 9, 0, "IMAGE"], [4, 7, 1, 9, 2, "STRING"]],
    }


def test_widgets_links_and_what_the_front_end_keeps_to_itself():
    assert to_prompt(nodes([42, "randomize", "y", "unused"]), OBJECT_INFO) == {
        "7": {"class_type": "Load", "inputs": {"image": "b.png"}, "_meta": {"title": "Load"}},
        "9": {
            "class_type": "Work",
            "inputs": {"seed": 42, "mode": "y", "text": ["7", 1], "pixels": ["7", 0]},
            "_meta": {"title": "Does it"},
        },
    }


def test_seed_has_a_mode_unless_its_node_says_otherwise():
    for options, names in (({}, ["seed", None]), ({"control_after_generate": False}, ["seed"])):
        assert widget_names({"input": {"required": {"seed": ["INT", options]}}}) == names


def test_order_of_widgets_is_the_node_s():
    assert widget_names(OBJECT_INFO["Work"]) == ["seed", None, "mode", "text"]


@pytest.mark.parametrize("values", [[42, "y"], [42, "fixed", "y", "", 1]])
def test_values_that_do_not_fit(values):
    with pytest.raises(WorkflowError, match=rf"node 9 \(Work\) stores {len(values)} widget values for 4"):
        to_prompt(nodes(values), OBJECT_INFO)


def test_optional_widgets_that_came_later_are_left_to_their_defaults():
    workflow = nodes([42, "fixed", "y"])
    workflow["nodes"][1]["inputs"] = [{"name": "pixels", "link": 3}]
    graph = to_prompt(workflow, OBJECT_INFO)
    assert graph["9"]["inputs"] == {"seed": 42, "mode": "y", "pixels": ["7", 0]}


def test_unknown_node():
    with pytest.raises(WorkflowError, match="node 7: the server has no node of type Load"):
        to_prompt(nodes([42, "fixed", "y", ""]), {"Work": OBJECT_INFO["Work"]})


def test_the_button_for_a_file_comes_last():
    channel = {"image": [["a.png"], {"image_upload": True}], "channel": [["red", "alpha"], {}]}
    info = {"input": {"required": channel, "optional": {"text": ["STRING", {}]}}}
    assert widget_names(info) == ["image", "channel", None, "text"]
