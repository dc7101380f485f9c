"""Models of few steps in a real server: the widget *schedule*, and what "auto" knows of them."""

from __future__ import annotations

import pytest

from tests.comfy.graphs import build_chain, build_edit, points_json
from tests.comfy.test_edit_node import square_mask

RIGHT = points_json((1 / 3, 0.5, 2 / 3, 0.5))
# Ten levels, the automatic number, of which four are run.
FEW = {"steps": 0, "strength": 0.4}
OPEN = {"preserve": 0.0, "hold": 0.0}


@pytest.mark.parametrize("how", ["chosen", "known by its sampling"])
def test_edit_and_chain_run_few_steps_and_agree(client, g, scene, saved_latent, how):
    plain = g.checkpoint()[0]
    schedule = "distilled" if how == "chosen" else "auto"
    if schedule == "auto":
        plain = g.add("ModelSamplingDiscrete", model=plain, sampling="lcm", zsnr=False)[0]
    counted = {name: g.add("ProbeCountEvaluations", model=plain, name=f"{how} {name}")[0] for name in ("edit", "chain")}
    mask = square_mask(g, 64, 64)[0]
    edit = build_edit(g, scene(), RIGHT, model=counted["edit"], mask=mask, schedule=schedule, **FEW, **OPEN)
    chain = build_chain(
        g,
        scene(),
        RIGHT,
        model=counted["chain"],
        inversion={"schedule": schedule},
        mask={"mask": mask, "combine": "replace"},
        sampler=OPEN,
        **FEW,
    )
    calls = [
        g.add("ProbeCalls", after=after, name=f"{how} {name}")
        for name, after in (("edit", edit.edit[0]), ("chain", chain.composite[0]))
    ]
    checksums = [g.add("ProbeChecksum", image=image) for image in (edit.edit[0], chain.composite[0])]
    latent = g.save_latent(chain.sampler[0])
    run = client.run(g.graph)
    assert [run.outputs[node.id]["calls"] for node in calls] == [[8], [8]]
    first, second = (run.outputs[node.id]["checksum"] for node in checksums)
    assert first == second
    assert saved_latent(run, latent.id).isfinite().all()


def test_auto_takes_a_checkpoint_that_says_nothing_for_a_full_one(client, g, scene):
    model = g.add("ProbeCountEvaluations", model=g.checkpoint()[0], name="auto")
    mask = square_mask(g, 64, 64)[0]
    edit = build_edit(g, scene(), RIGHT, model=model[0], mask=mask, steps=0, strength=0.08, **OPEN)
    calls = g.add("ProbeCalls", after=edit.edit[0], name="auto")
    # Four of fifty levels.
    assert client.run(g.graph).outputs[calls.id]["calls"] == [8]
