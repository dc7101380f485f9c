"""paint, light and light_extent on the nodes: Edit and the chain alike, without inverting again."""

from __future__ import annotations

from tests.comfy.graphs import STEPS, STRENGTH, build_chain, build_edit, points_json
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
