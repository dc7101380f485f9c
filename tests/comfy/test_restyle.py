"""Two prompts: positive describes the picture both ways, restyle is the way back's alone."""

from __future__ import annotations

import pytest
import torch

from tests.comfy.graphs import build_chain, build_edit, points_json

RIGHT = points_json((1 / 3, 0.5, 2 / 3, 0.5))
OPEN = {"preserve": 0.0, "hold": 0.0}


@pytest.fixture
def prompts(g):
    return [g.add("ProbeConditioning", seed=seed)[0] for seed in (1, 2, 3)]


def test_edit_and_chain_restyle_alike_and_leave_the_inversion(client, g, scene, prompts):
    described, restyle, negative = prompts
    words = {"positive": described, "restyle": restyle, "negative": negative, "cfg": 2.0}
    edits = [
        build_edit(g, scene(), RIGHT, **OPEN, **words),
        build_edit(g, scene(), RIGHT, **OPEN, positive=described),
        build_edit(g, scene(), RIGHT, **OPEN, restyle=restyle, cfg=2.0),
    ]
    told = {"inversion": {"positive": described}}
    chains = [
        build_chain(g, scene(), RIGHT, **told, sampler={**OPEN, **words}),
        # That it is the prompt of the way back, and no more.
        build_chain(g, scene(), RIGHT, **told, sampler={**OPEN, "positive": restyle, "negative": negative, "cfg": 2.0}),
        build_chain(g, scene(), RIGHT, sampler={**OPEN, "restyle": restyle, "cfg": 2.0}),
    ]
    pictures = [*(edit.edit[0] for edit in edits), *(chain.composite[0] for chain in chains)]
    sums = [g.add("ProbeChecksum", image=picture).id for picture in pictures]
    outputs = client.run(g.graph).outputs
    restyled, plain, alone, *by_chain = (outputs[node]["checksum"][0] for node in sums)
    assert by_chain == [restyled, restyled, alone]
    assert len({restyled, plain, alone}) == 3


def test_another_restyle_runs_the_way_back_alone(client, g, scene, prompts, request):
    model = g.add("ProbeCountEvaluations", model=g.checkpoint()[0], name=request.node.name)
    edit = build_edit(g, scene(), RIGHT, model=model[0], **OPEN, positive=prompts[0], restyle=prompts[1])
    calls = g.add("ProbeCalls", after=edit.edit[0], name=request.node.name)
    [first] = client.run(g.graph).outputs[calls.id]["calls"]
    g.set(edit.edit, restyle=prompts[2])
    [both] = client.run(g.graph).outputs[calls.id]["calls"]
    assert both - first == first / 2


def test_keys_and_values_evaluated_anew_know_nothing_of_it(client, g, scene, saved_latent, prompts):
    described, restyle, negative = prompts
    saved = []
    for storage in ("cpu", "recompute", "off"):
        capture = g.add("AttentionDragCapture", storage=storage)
        chain = build_chain(
            g,
            scene(),
            RIGHT,
            # At the very latents that sampling would evaluate anew: else the steps differ, whatever they are told.
            inversion={"positive": described, "capture": capture[0], "refinements": 6},
            sampler={**OPEN, "positive": described, "restyle": restyle, "negative": negative, "cfg": 2.0},
        )
        saved.append(g.save_latent(chain.sampler[0]))
    run = client.run(g.graph)
    kept, recomputed, without = (saved_latent(run, node.id) for node in saved)
    assert (kept - recomputed).norm() < 0.1 * (kept - without).norm()
    assert not torch.equal(kept, without)
