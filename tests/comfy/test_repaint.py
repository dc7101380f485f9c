"""paint, light and light_extent on the nodes: Edit and the chain alike, without inverting again."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from scripts.client import PromptError
from tests.comfy.graphs import INPAINTING_CHECKPOINT, STEPS, STRENGTH, build_chain, build_edit, points_json
from tests.comfy.test_edit_node import square_mask

RIGHT = points_json((1 / 3, 0.5, 2 / 3, 0.5))
# Everything is held: what the model does then is painting alone. Of twenty noise levels.
HELD = {"preserve": 1.0, "hold": 1.0}
PAINT = {"paint": 0.2}
LIGHT = {"light": 0.15, "light_extent": 0.5}
PAINTED, LIT = 4, 3
INVERSION = round(STEPS * STRENGTH)


def test_edit_and_chain_paint_alike_and_leave_what_is_far(client, g, scene, pixels):
    mask = square_mask(g, 64, 64)[0]
    edits = [build_edit(g, scene(), RIGHT, mask=mask, **HELD, **more) for more in ({}, PAINT, PAINT | LIGHT)]
    chains = [
        build_chain(
            g, scene(), RIGHT, mask={"mask": mask, "combine": "replace"}, sampler={**HELD, **more}, composite=more
        )
        for more in (PAINT, PAINT | LIGHT)
    ]
    pictures = [*(edit.edit[0] for edit in edits), *(chain.composite[0] for chain in chains)]
    sums = [g.add("ProbeChecksum", image=picture).id for picture in pictures]
    run = client.run(g.graph)
    plain, painted, lit, *by_chain = (run.outputs[node]["checksum"][0] for node in sums)
    assert by_chain == [painted, lit]
    assert len({plain, painted, lit}) == 3
    without, both = (pixels(run, edits[at].saved_image.id)[0] for at in (0, 2))
    changed = (without != both).any(-1)
    assert changed.any() and not changed[:8].any() and not changed[-8:].any()


def test_another_painting_inverts_nothing_again(client, g, scene, request):
    model = g.add("ProbeCountEvaluations", model=g.checkpoint()[0], name=request.node.name)
    edit = build_edit(g, scene(), RIGHT, model=model[0], mask=square_mask(g, 64, 64)[0], **HELD)
    calls = g.add("ProbeCalls", after=edit.edit[0], name=request.node.name)
    counts = []
    for more in ({}, PAINT, LIGHT):
        g.set(edit.edit, **more)
        counts += client.run(g.graph).outputs[calls.id]["calls"]
    # Light takes as many again as its own levels: what the model makes of the source from the same noise.
    assert counts == [INVERSION, INVERSION + PAINTED, INVERSION + 2 * PAINTED + LIT]


def corner(g, size: int = 64):
    """A mask that is white in the lower right corner of a picture."""
    white = g.add("SolidMask", value=1.0, width=24, height=16)
    black = g.add("SolidMask", value=0.0, width=size, height=size)
    return g.add("MaskComposite", destination=black[0], source=white[0], x=40, y=48, operation="add")[0]


def test_a_mask_says_where_the_light_may_change_and_another_tells_where_it_did(client, g, scene, pixels, messages):
    mask, lit = square_mask(g, 64, 64)[0], corner(g)
    more = {"light": 0.8, "light_mask": lit}
    edit = build_edit(g, scene(), RIGHT, mask=mask, **HELD, **more)
    plain = build_edit(g, scene(), RIGHT, mask=mask, **HELD)
    chain = build_chain(
        g, scene(), RIGHT, mask={"mask": mask, "combine": "replace"}, sampler={**HELD, **more}, composite=more
    )
    saved = [g.save_image(chain.composite[0]), g.save_mask(edit.edit[5]), g.save_mask(chain.composite[2])]
    run = client.run(g.graph)
    picture, before, chained, light, again = (
        pixels(run, node.id)[0].astype(int) for node in (edit.saved_image, plain.saved_image, *saved)
    )
    assert (picture == chained).all() and (light == again).all()
    changed = abs(picture - before).max(-1) > 0
    assert changed[48:, 40:].any() and not changed[:44].any() and not changed[:, :36].any()
    assert (light[..., 0] > 0)[changed].all() and not light[:44].any()
    # The point picker is told, by the nodes that know, where there is something to tell.
    shown = {}
    for message in messages.of("executed"):
        shown.setdefault(message["display_node"], {}).update(message["output"] or {})
    for node in (edit.edit, chain.composite):
        (reference,) = shown[node.id]["attentiondrag_light"]
        picked = np.asarray(Image.open(io.BytesIO(client.file(reference))).convert("L"))
        assert abs(picked.astype(int) - light[..., 0]).max() <= 1
    assert shown[plain.edit.id]["attentiondrag_light"] == []


def test_a_light_mask_of_another_size_is_told_before_anything_runs(client, g, scene):
    build_edit(g, scene(), RIGHT, light_mask=corner(g, 72), **HELD, **LIGHT)
    with pytest.raises(PromptError) as caught:
        client.run(g.graph)
    for word in ("AttentionDrag Edit", "light_mask", "72x72", "64x64"):
        assert word in caught.value.errors[0].message


def test_a_painter_paints_the_light_too_and_the_chain_gives_what_edit_gives(client, g, scene, request):
    painter = g.add("ProbeCountEvaluations", model=g.checkpoint(INPAINTING_CHECKPOINT)[0], name=request.node.name)[0]
    mask = square_mask(g, 64, 64)[0]
    edit = build_edit(g, scene(), RIGHT, mask=mask, painter=painter, **HELD, **LIGHT)
    calls = g.add("ProbeCalls", after=edit.edit[0], name=request.node.name)
    first = client.run(g.graph).outputs[calls.id]["calls"]
    assert first == [20 + LIT], "what was hidden from noise, and what it makes of the source"
    more = {"paint": 1.0, **LIGHT}
    chain = build_chain(
        g, scene(), RIGHT, mask={"mask": mask, "combine": "replace"}, sampler={**HELD, **LIGHT, "painter": painter},
        composite=more,
    )  # fmt: skip
    sums = [g.add("ProbeChecksum", image=picture).id for picture in (edit.edit[0], chain.composite[0])]
    outputs = client.run(g.graph).outputs
    assert len({outputs[node]["checksum"][0] for node in sums}) == 1
