"""AttentionDragPoints with handles that come from elsewhere, and for those who take them."""

from __future__ import annotations

import json

import pytest

from scripts.client import PromptError
from tests.comfy.graphs import GraphBuilder, points_json

# By (0.25, 0.125) of a picture of 64 px: 16 and 8 px.
ONE = points_json((0.5, 0.5, 0.75, 0.625))


def drags_of(client, g, node):
    """The positive and negative pixels, and the drags' picture, of a Points node."""
    shown = [g.add("ProbeText", text=node[output]) for output in (3, 4)]
    picture = g.add("ProbeChecksum", image=node[2])
    outputs = client.run(g.graph).outputs
    positive, negative = (json.loads(outputs[one.id]["text"][0]) for one in shown)
    return positive, negative, outputs[picture.id]["checksum"]


def test_handles_and_clicks_come_out_in_pixels(client, g, scene):
    text = json.dumps(
        {
            "version": 2,
            "pairs": [{"handle": [0.5, 0.25], "target": [0.6, 0.25]}],
            "clicks": [{"at": [0.125, 0.5], "kind": "add"}, {"at": [1, 1], "kind": "leave_out"}],
        }
    )
    node = g.add("AttentionDragPoints", image=g.add("LoadImage", image=scene())[0], points=text)
    positive, negative, _ = drags_of(client, g, node)
    assert positive == [{"x": 32, "y": 16}, {"x": 8, "y": 32}]
    assert negative == [{"x": 63, "y": 63}]


def test_handles_and_masks_take_the_place_of_the_drawn_ones(client, object_info, scene):
    """Each drag keeps its way: what is drawn where it then goes is the same, whoever said where it begins."""
    made = []
    for given in ("text", "handles", "mask"):
        g = GraphBuilder(object_info)
        inputs = {"image": g.add("LoadImage", image=scene())[0], "points": ONE}
        if given == "text":
            middle = (20.5 / 64, 12.5 / 64)
            inputs["points"] = points_json((*middle, middle[0] + 0.25, middle[1] + 0.125))
        elif given == "handles":
            inputs["handles"] = json.dumps([{"x": 20, "y": 12}])
        else:
            spot = g.add("SolidMask", value=1.0, width=9, height=5)
            empty = g.add("SolidMask", value=0.0, width=64, height=64)
            inputs["mask"] = g.add(
                "MaskComposite", destination=empty[0], source=spot[0], x=16, y=10, operation="add"
            )[0]
        made.append(drags_of(client, g, g.add("AttentionDragPoints", **inputs)))
    assert made[0][0] == [{"x": 20, "y": 12}]
    assert made[0] == made[1] == made[2]


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"handles": "nonsense"}, ["'handles'", "not a list of pixels"]),
        ({"handles": '[{"x": 64, "y": 0}]'}, ["'handles'", "point 1", "64x64"]),
        ({"mask": (32, 1.0)}, ["'mask'", "32x32", "64x64"]),
        ({"mask": (64, 0.0)}, ["'mask'", "empty"]),
        ({"mask": (64, 1.0), "handles": '[{"x": 1, "y": 1}]'}, ["'handles'", "Unlink"]),
    ],
    ids=["no list", "outside", "size", "empty", "both"],
)
def test_handles_that_cannot_be(client, g, scene, inputs, words):
    if "mask" in inputs:
        side, value = inputs["mask"]
        inputs = {**inputs, "mask": g.add("SolidMask", value=value, width=side, height=side)[0]}
    node = g.add("AttentionDragPoints", image=g.add("LoadImage", image=scene())[0], points=ONE, **inputs)
    g.save_image(node[2])
    with pytest.raises(PromptError) as caught:
        client.run(g.graph)
    [error] = caught.value.errors
    assert error.node_type == "AttentionDragPoints"
    for word in ("AttentionDrag Points", *words):
        assert word in error.message
