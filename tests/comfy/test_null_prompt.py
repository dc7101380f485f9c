"""What nothing linked means: zeros, or the empty text by a linked CLIP."""

from __future__ import annotations

import pytest
import torch

from scripts.client import PromptError
from tests.comfy.graphs import build_chain, build_edit, points_json

RIGHT = points_json((1 / 3, 0.5, 2 / 3, 0.5))
# All of it sampled, so that what the model is told shows.
OPEN = {"preserve": 0.0, "hold": 0.0}


def checksum(g, image):
    return g.add("ProbeChecksum", image=image).id


def test_a_clip_stands_for_what_is_not_linked(client, g, scene):
    clip = g.add("ProbeClip")
    empty = g.add("CLIPTextEncode", clip=clip[0], text="")[0]
    prompt = g.add("ProbeConditioning", seed=1)[0]
    made = {
        "zeros": build_edit(g, scene(), RIGHT, **OPEN),
        "clip": build_edit(g, scene(), RIGHT, **OPEN, clip=clip[0]),
        "by hand": build_edit(g, scene(), RIGHT, **OPEN, positive=empty),
        "guided": build_edit(g, scene(), RIGHT, **OPEN, positive=prompt, cfg=3.0, clip=clip[0]),
        "guided by hand": build_edit(g, scene(), RIGHT, **OPEN, positive=prompt, negative=empty, cfg=3.0),
        "guided from zeros": build_edit(g, scene(), RIGHT, **OPEN, positive=prompt, cfg=3.0),
    }
    sums = {name: checksum(g, edit.edit[0]) for name, edit in made.items()}
    outputs = client.run(g.graph).outputs
    found = {name: outputs[node]["checksum"][0] for name, node in sums.items()}
    assert found["clip"] == found["by hand"] != found["zeros"]
    assert found["guided"] == found["guided by hand"] != found["guided from zeros"]


def test_the_chain_gives_what_edit_gives(client, g, scene):
    """The inversion tells the sampler what nothing means, which has no CLIP itself."""
    clip = g.add("ProbeClip")
    prompt = g.add("ProbeConditioning", seed=1)[0]
    sums = []
    for told in ({}, {"positive": prompt}):
        guided = {"cfg": 3.0} if told else {}
        edit = build_edit(g, scene(), RIGHT, **OPEN, clip=clip[0], **told, **guided)
        chain = build_chain(g, scene(), RIGHT, inversion={"clip": clip[0], **told}, sampler={**OPEN, **told, **guided})
        sums += [checksum(g, edit.edit[0]), checksum(g, chain.composite[0])]
    outputs = client.run(g.graph).outputs
    found = [outputs[node]["checksum"][0] for node in sums]
    assert found[0] == found[1] != found[2] == found[3]


def test_the_inversion_itself_runs_with_it(client, g, scene, saved_latent):
    clip = g.add("ProbeClip")
    empty = g.add("CLIPTextEncode", clip=clip[0], text="")[0]
    prompt = g.add("ProbeConditioning", seed=1)[0]
    told = ({}, {"clip": clip[0]}, {"positive": empty}, {"clip": clip[0], "positive": prompt}, {"positive": prompt})
    saved = [g.save_latent(build_chain(g, scene(), RIGHT, inversion=inputs).inversion[1]) for inputs in told]
    run = client.run(g.graph)
    zeros, with_clip, by_hand, both, prompted = (saved_latent(run, node.id) for node in saved)
    assert torch.equal(with_clip, by_hand) and not torch.equal(with_clip, zeros)
    assert torch.equal(both, prompted), "a prompt goes before it"


def test_another_models_clip_is_named(client, g, scene):
    build_edit(g, scene(), RIGHT, clip=g.add("ProbeClip", width=1024)[0])
    with pytest.raises(PromptError) as caught:
        client.run(g.graph)
    for word in ("AttentionDrag Edit, input 'clip'", "1024", "768", "own checkpoint"):
        assert word in caught.value.errors[0].message
