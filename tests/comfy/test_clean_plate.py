"""A clean plate on Edit and Apply in a real server, and the masks that other nodes paint by."""

from __future__ import annotations

import numpy as np
import pytest

from scripts.client import PromptError
from tests.comfy.graphs import build_chain, build_edit, points_json
from tests.comfy.test_edit_node import square_mask

RIGHT = points_json((1 / 3, 0.5, 2 / 3, 0.5))
HELD = {"preserve": 1.0, "hold": 1.0}


def plate(g, width: int = 64, height: int = 64):
    """A plain green picture."""
    return g.add("EmptyImage", width=width, height=height, batch_size=1, color=0x208040)[0]


def test_edit_and_chain_show_it_where_the_element_was(client, g, scene, pixels):
    mask = square_mask(g, 64, 64)[0]
    edit = build_edit(g, scene(), RIGHT, mask=mask, clean_plate=plate(g), **HELD)
    drawn = {"mask": mask, "combine": "replace"}
    chain = build_chain(g, scene(), RIGHT, mask=drawn, sampler=HELD, apply={"clean_plate": plate(g)})
    masks = [g.save_mask(node[at]) for node, first in ((edit.edit, 3), (chain.apply, 3)) for at in (first, first + 1)]
    saved = g.save_image(chain.composite[0])
    run = client.run(g.graph)
    picture, chained = (pixels(run, node.id)[0].astype(int) for node in (edit.saved_image, saved))
    revealed, seam, *again = (pixels(run, node.id)[0, ..., 0] for node in masks)
    assert (picture == chained).all() and (revealed == again[0]).all() and (seam == again[1]).all()
    shown = revealed == 255
    # Its rim of 4 px is shown softly; what is inside is the plate's own colour.
    inside = np.stack([np.roll(shown, way, axis) for axis in (0, 1) for way in (-4, 4)]).all(0) & shown
    assert inside.sum() > 20
    assert (abs(picture[inside] - (0x20, 0x80, 0x40)) <= 1).all()
    assert seam.any() and not (seam.astype(bool) & shown).any()


def test_another_plate_does_not_invert_again(client, g, scene):
    model = g.add("ProbeCountEvaluations", model=g.checkpoint()[0], name="plates")
    mask = square_mask(g, 64, 64)[0]
    edit = build_edit(g, scene(), RIGHT, model=model[0], mask=mask, **HELD)
    calls = g.add("ProbeCalls", after=edit.edit[0], name="plates")
    checksum = g.add("ProbeChecksum", image=edit.edit[0])
    outputs = [client.run(g.graph).outputs]
    g.set(edit.edit, clean_plate=plate(g))
    outputs.append(client.run(g.graph).outputs)
    assert outputs[0][calls.id]["calls"] == outputs[1][calls.id]["calls"]
    assert outputs[0][checksum.id]["checksum"] != outputs[1][checksum.id]["checksum"]


@pytest.mark.parametrize("build", [build_edit, build_chain])
def test_a_plate_of_another_size_is_told(client, g, scene, build):
    small = plate(g, 64, 56)
    if build is build_edit:
        build(g, scene(), RIGHT, clean_plate=small)
    else:
        g.save_image(build(g, scene(), RIGHT, apply={"clean_plate": small}).composite[0])
    with pytest.raises(PromptError) as caught:
        client.run(g.graph)
    node = "AttentionDrag Edit" if build is build_edit else "AttentionDrag Apply"
    for word in (f"{node}, input 'clean_plate'", "64x56 px", "64x64 px"):
        assert word in caught.value.errors[0].message
