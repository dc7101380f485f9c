"""Guidance that other packs put on a MODEL has no part in the inversion, and goes on working on the way back."""

from __future__ import annotations

import pytest
import torch

from tests.comfy.graphs import build_chain, build_edit, points_json

RIGHT = points_json((1 / 3, 0.5, 2 / 3, 0.5))
OPEN = {"preserve": 0.0, "hold": 0.0}
WAYS = ("post", "cfg", "pre", "conds", "wrapper")


def perturbed(g, model):
    return g.add("PerturbedAttentionGuidance", model=model[0], scale=3.0)


def patched(how):
    return lambda g, model: g.add("ProbeGuidance", model=model[0], how=how)


@pytest.mark.parametrize("patch", [perturbed, *map(patched, WAYS)], ids=["perturbed attention", *WAYS])
def test_an_inversion_is_the_unpatched_models_bit_for_bit(client, g, scene, saved_latent, patch):
    """All of it: noise, keys and values, and what is found in the attention."""
    model = g.checkpoint()
    chains = [build_chain(g, scene(), RIGHT, model=one[0]) for one in (model, patch(g, model))]
    for chain in chains:
        # One model samples both, so that what differs is what the inversion kept.
        g.set(chain.sampler, model=model[0], **OPEN)
    saved = [[g.save_latent(chain.inversion[1]), g.save_latent(chain.sampler[0])] for chain in chains]
    digests = [g.add("ProbeInversion", inversion=chain.inversion[0]).id for chain in chains]
    run = client.run(g.graph)
    for plain, other in zip(*saved, strict=True):
        assert torch.equal(saved_latent(run, plain.id), saved_latent(run, other.id))
    first, second = (run.outputs[node] for node in digests)
    assert first["digest"] == second["digest"] and first["evaluations"] == second["evaluations"] == [4]


@pytest.mark.parametrize("patch", [perturbed, patched("post")], ids=["perturbed attention", "post"])
def test_on_the_way_back_it_is_in_force(client, g, scene, patch):
    model = g.checkpoint()
    edits = [build_edit(g, scene(), RIGHT, model=one[0], **OPEN) for one in (model, patch(g, model))]
    sums = [g.add("ProbeChecksum", image=edit.edit[0]).id for edit in edits]
    outputs = client.run(g.graph).outputs
    plain, guided = (outputs[node]["checksum"][0] for node in sums)
    assert plain != guided


def test_keys_and_values_evaluated_anew_are_without_it(client, g, scene, saved_latent):
    """A way back on the patched model reads what the unpatched one would have kept."""
    saved = []
    for storage in ("cpu", "recompute", "off"):
        chain = build_chain(
            g,
            scene(),
            RIGHT,
            model=perturbed(g, g.checkpoint())[0],
            inversion={"capture": g.add("AttentionDragCapture", storage=storage)[0], "refinements": 6},
            sampler=OPEN,
        )
        saved.append(g.save_latent(chain.sampler[0]))
    run = client.run(g.graph)
    kept, recomputed, without = (saved_latent(run, node.id) for node in saved)
    assert (kept - recomputed).norm() < 0.1 * (kept - without).norm()
