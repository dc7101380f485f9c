"""Presets: what they set is reachable in the long chain, which then gives what Edit gives, bit for bit."""

from __future__ import annotations

import pytest

from core.presets import PRESETS
from tests.comfy.graphs import build_chain, build_edit, points_json

RIGHT = points_json((1 / 3, 0.5, 2 / 3, 0.5))

# Where every option that a preset sets is found in the chain. Three of them are links: a Mask without the picture
# follows no edges, Apply fills pixels where picture and VAE are linked, and what is free is a mask on the Sampler.
NODES = {
    "correlation.disc": [("mask", "disc"), ("apply", "disc")],
    "correlation.symmetric": [("mask", "symmetric"), ("apply", "symmetric")],
    "element.rule": [("mask", "rule")],
    "element.connected": [("mask", "connected")],
    "element.refined": [("mask", "image")],
    "move.motion": [("apply", "motion")],
    "move.start": [("apply", "start")],
    "fill.method": [("apply", "fill")],
    "fill.space": [("apply", "image")],
    "sample.source_attention": [("sampler", "consistency")],
    "sample.source_attention_share": [("sampler", "consistency_share")],
    "sample.source_queries": [("sampler", "consistency_queries")],
    "sample.hold_element": [("sampler", "preserve")],
    "sample.hold_rest": [("sampler", "hold")],
    "sample.hold_background": [("sampler", "region")],
    "source_background": [("composite", "region")],
    "restore_detail": [("composite", "keep_element")],
    "repaint.revealed": [("sampler", "paint"), ("composite", "paint")],
    "repaint.surroundings": [("sampler", "light"), ("composite", "light")],
}


def in_the_chain(g, preset, size):
    """The chain's inputs for a preset, read off its table."""
    everything = g.add("SolidMask", value=1.0, width=size, height=size)[0]
    links = {
        "element.refined": {False: None},
        "fill.space": {},
        "sample.hold_background": {False: everything},
        "source_background": {False: everything},
    }
    inputs: dict[str, dict] = {}
    for option, value in PRESETS[preset].items():
        for node, name in NODES[option]:
            known = links.get(option)
            if known is None:
                inputs.setdefault(node, {})[name] = value
            elif value in known:
                inputs.setdefault(node, {})[name] = known[value]
    return inputs


@pytest.mark.parametrize("more", [{}, {"tau": 0.3}], ids=["", "tau"])
@pytest.mark.parametrize("preset", list(PRESETS))
def test_the_chain_gives_what_edit_gives_bit_for_bit(client, g, object_info, scene, preset, more):
    # Widgets that the preset sets are set otherwise: they must not count.
    edit = build_edit(g, scene(), RIGHT, preset=preset, hold=0.75 if preset == "auto" else 0.4, **more)
    inputs = in_the_chain(g, preset, 64)
    for node in ("mask", "apply") if more else ():
        inputs.setdefault(node, {}).update(more)
    chain = build_chain(g, scene(), RIGHT, **inputs)
    pictures = [edit.edit[0], chain.composite[0]]
    pictures += [g.add("MaskToImage", mask=mask)[0] for mask in (edit.edit[1], chain.mask[0])]
    sums = [g.add("ProbeChecksum", image=picture).id for picture in pictures]
    outputs = client.run(g.graph).outputs
    edited, by_chain, mask, chains_mask = (outputs[node]["checksum"][0] for node in sums)
    assert mask == chains_mask and edited == by_chain


def test_every_option_of_a_preset_is_an_input_of_the_chain(object_info):
    nodes = {name: f"AttentionDrag{name.title()}" for name in ("mask", "apply", "sampler", "composite")}
    for options in PRESETS.values():
        for option in options:
            for node, name in NODES[option]:
                inputs = object_info[nodes[node]]["input"]
                assert name in {**inputs["required"], **inputs.get("optional", {})}, option


def test_another_preset_inverts_nothing_again_and_says_what_does_nothing(client, g, scene, server_log, request):
    model = g.add("ProbeCountEvaluations", model=g.checkpoint()[0], name=request.node.name)
    edit = build_edit(g, scene(), RIGHT, model=model[0], preserve=0.0, hold=0.0)
    calls = g.add("ProbeCalls", after=edit.edit[0], name=request.node.name)
    sums = g.add("ProbeChecksum", image=edit.edit[0])
    seen = []
    for preset in ("auto", "paper", "keep"):
        g.set(edit.edit, preset=preset)
        outputs = client.run(g.graph).outputs
        seen.append((outputs[calls.id]["calls"][0], outputs[sums.id]["checksum"][0]))
    counts = [count for count, _ in seen]
    # Four evaluations each way; 'keep' leaves the model the last of its four steps back.
    assert counts == [8, 12, 13]
    assert len({picture for _, picture in seen}) == 3
    warnings = [line for line in server_log().splitlines() if "input 'preset'" in line]
    assert len(warnings) == 1 and "'keep' sets preserve, hold by itself" in warnings[0]
