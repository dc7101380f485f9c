"""What the server says of the nodes: words for everything, and little of it at once."""

from __future__ import annotations

import json
import re

import pytest

from scripts.environment import REPOSITORY
from scripts.workflow import is_widget

STAGES = ("dev_only", "deprecated")
# What most people set on Edit; the rest shows on demand.
PLAIN = {"AttentionDragEdit": {"strength", "seed", "preset"}}


@pytest.fixture(scope="module")
def ours(object_info):
    """The pack's nodes that people see, by name."""
    return {
        name: info
        for name, info in object_info.items()
        if name.startswith("AttentionDrag") and not any(info.get(flag) for flag in STAGES)
    }


def inputs(info):
    return {**info["input"].get("required", {}), **info["input"].get("optional", {})}


def test_every_input_and_output_says_what_it_is(ours):
    assert len(ours) >= 10
    for name, info in ours.items():
        for key, spec in inputs(info).items():
            tooltip = (spec + [{}])[1].get("tooltip", "")
            assert len(tooltip) > 10, (name, key)
        assert len(info["output_tooltips"]) == len(info["output"]), name
        for output, tooltip in zip(info["output_name"], info["output_tooltips"], strict=True):
            assert tooltip and len(tooltip) > 10, (name, output)
        assert info["description"].endswith("."), name


def test_edit_shows_what_most_people_need(ours):
    for name, plain in PLAIN.items():
        specs = {key: spec for key, spec in inputs(ours[name]).items() if is_widget(spec)}
        assert {key for key, spec in specs.items() if not spec[1].get("advanced")} == plain


def test_advanced_inputs_are_never_those_without_a_default(ours):
    for name, info in ours.items():
        for key, spec in inputs(info).items():
            if (spec + [{}])[1].get("advanced"):
                assert is_widget(spec), (name, key)
                assert "default" in spec[1], (name, key)


def test_search_finds_edit_by_the_words_of_others(ours):
    words = ours["AttentionDragEdit"].get("search_aliases")
    if words is None:
        pytest.skip("this ComfyUI knows no search aliases")
    assert {"drag", "move object", "puppet warp", "DragDiffusion"} <= set(words)


@pytest.mark.parametrize("language", ["ja", "zh"])
def test_every_node_speaks_other_languages(ours, language):
    """Nodes, inputs and outputs that there are and no others, each with its name and what it is."""
    file = REPOSITORY / "locales" / language / "nodeDefs.json"
    translated = json.loads(file.read_text(encoding="utf-8"))
    assert translated.keys() == ours.keys()
    for node, info in ours.items():
        words = translated[node]
        assert words.keys() == {"display_name", "description", "inputs", "outputs"}, node
        assert words["inputs"].keys() == inputs(info).keys(), node
        assert list(words["outputs"]) == [str(number) for number in range(len(info["output"]))], node
        for part in ("inputs", "outputs"):
            for key, said in words[part].items():
                assert said.keys() == {"name", "tooltip"}, (node, key)
                # Not a copy of the English.
                assert re.search(r"[\u3040-\u30ff\u4e00-\u9fff]", said["tooltip"]), (node, key)
        assert words["display_name"] and words["description"].endswith("。"), node


def test_every_node_has_a_help_page_that_names_its_inputs(ours):
    for node, info in ours.items():
        page = (REPOSITORY / "web" / "docs" / f"{node}.md").read_text(encoding="utf-8")
        for name in inputs(info):
            assert re.search(rf"\b{name}\b", page), (node, name)
