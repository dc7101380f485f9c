"""Whatever happens in a run: the MODEL is as it was, and nothing stays behind."""

from __future__ import annotations

import psutil
import pytest
import torch

from scripts.client import PromptError
from tests.comfy.graphs import GraphBuilder, build_chain, build_edit, points_json

RIGHT = points_json((1 / 3, 0.5, 2 / 3, 0.5))


@pytest.fixture
def sample(client, object_info, saved_latent):
    """Samples with ComfyUI's own KSampler on the checkpoint's MODEL.

    Unless ``fresh``, ComfyUI may answer from its cache, if nothing else ran since the last test.
    """

    def run(fresh: bool) -> torch.Tensor:
        g = GraphBuilder(object_info)
        model = g.checkpoint()[0]
        sampled = g.add(
            "KSampler",
            model=model,
            positive=g.add("ProbeConditioning", seed=1)[0],
            negative=g.add("ProbeConditioning", seed=2)[0],
            latent_image=g.add("EmptyLatentImage", width=64, height=64, batch_size=1)[0],
            seed=3,
            steps=2,
            cfg=3.0,
            sampler_name="euler",
            scheduler="normal",
            denoise=1.0,
        )
        saved = g.save_latent(sampled[0])
        done = client.run(g.graph)
        assert not (fresh and sampled.id in done.cached)
        return saved_latent(done, saved.id)

    return run


@pytest.mark.parametrize("build", [build_edit, build_chain])
def test_after_a_run(client, g, scene, sample, build):
    before = sample(fresh=False)
    nodes = build(g, scene(), RIGHT)
    if build is build_chain:
        g.save_image(nodes.composite[0])
    client.run(g.graph)
    assert torch.equal(sample(fresh=True), before)


@pytest.mark.parametrize("call", [2, 6], ids=["inversion", "sampling"])
def test_after_an_interrupt(client, g, scene, sample, messages, call):
    """In the midst of an evaluation, which ends as any other: what stops then is the pack's own."""
    before = sample(fresh=False)
    waiting = g.add("ProbeBrokenModel", model=g.checkpoint()[0], call=call, how="wait")
    edit = build_edit(g, scene(), RIGHT, model=waiting[0], hold=0.0)
    prompt = client.queue(g.graph)

    def is_of_edit(data):
        return data["node"].split(".")[0] == edit.edit.id

    def far_enough(kind, data):
        return kind == "progress" and is_of_edit(data) and data["value"] >= call - 1

    messages.wait_for(far_enough, 300)
    client.interrupt()
    with pytest.raises(PromptError) as caught:
        client.wait(prompt)
    assert caught.value.interrupted
    last = max(m["value"] for m in messages.of("progress") if is_of_edit(m))
    assert last <= call, "it stopped, and did not merely end"
    assert torch.equal(sample(fresh=True), before)


@pytest.mark.parametrize("call", [2, 7], ids=["inversion", "sampling"])
def test_after_an_error(client, g, scene, sample, call):
    before = sample(fresh=False)
    broken = g.add("ProbeBrokenModel", model=g.checkpoint()[0], call=call, how="raise")
    build_edit(g, scene(), RIGHT, model=broken[0], hold=0.0)
    with pytest.raises(PromptError, match=f"the probe broke evaluation {call}"):
        client.run(g.graph)
    assert torch.equal(sample(fresh=True), before)


def test_memory_is_flat_after_twenty_runs(client, server, object_info, scene):
    """Both forms of the edit, another picture each time, so that every run inverts and stores anew."""
    process = psutil.Process(server.pid)
    sizes, counts = [], []
    for number in range(24):
        g = GraphBuilder(object_info)
        name = scene(128, 128, hue=number)
        if number % 2:
            build_edit(g, name, RIGHT, steps=4)
        else:
            g.save_image(build_chain(g, name, RIGHT, steps=4).composite[0])
        objects = g.add("ProbeObjects", classes="Inversion Drag Recorder AttentionRecord ModelPatcher CFGGuider")
        run = client.run(g.graph)
        counts.append(run.outputs[objects.id]["counts"])
        sizes.append(process.memory_info().rss)
    # ComfyUI's cache holds the last prompt's results until the next one is done.
    assert counts[-2:] == counts[2:4], "no object outlives its prompt"
    assert max(count[0] for count in counts) <= 2
    # One run of this size keeps about 4 MB; twenty kept ones would be 80.
    assert sizes[-1] - sizes[3] < 30e6, [round(size / 1e6) for size in sizes]


def test_models_can_be_unloaded(client, g, scene, server, server_log):
    chain = build_chain(g, scene(), RIGHT)
    g.save_image(chain.composite[0])
    client.run(g.graph)
    client.free()
    after = GraphBuilder(g._object_info)
    objects = after.add("ProbeObjects", classes="Inversion Drag ModelPatcher")
    # The server may take the next run before it frees.
    runs = (client.run(after.graph).outputs[objects.id]["counts"] for _ in range(2))
    assert [0, 0, 0] in runs, "something of the pack's holds on to a model or a result"
    assert "leak" not in server_log().lower()
