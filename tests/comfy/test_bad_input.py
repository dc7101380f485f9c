"""Bad input: an error that names the node, the input, the value and the mend, and the next prompt works."""

from __future__ import annotations

import json

import pytest

from scripts.client import PromptError
from tests.comfy.graphs import LORA, OTHER_CHECKPOINT, GraphBuilder, build_chain, build_edit, points_json

RIGHT = points_json((1 / 3, 0.5, 2 / 3, 0.5))
PAIR = {"handle": [0.3, 0.5], "target": [0.6, 0.5]}


def stored(*pairs, version=1) -> str:
    return json.dumps({"version": version, "pairs": list(pairs)})


def failure(client, g) -> PromptError:
    """Run a graph that must fail with one error of one of the pack's nodes."""
    with pytest.raises(PromptError) as caught:
        client.run(g.graph)
    assert not caught.value.interrupted
    [error] = caught.value.errors
    assert error.node_type.startswith("AttentionDrag")
    return error


@pytest.fixture(autouse=True)
def next_prompt_works(client, object_info, scene):
    yield
    g = GraphBuilder(object_info)
    edit = build_edit(g, scene(), RIGHT, steps=2)
    assert client.run(g.graph).outputs[edit.saved_image.id]["images"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{not json", ["not json", "JSON"]),
        (stored(PAIR, version=3), ["version", "3", "Update"]),
        (stored(), ["no drags"]),
        ('{"version": 1, "pairs": [{"handle": [NaN, 0.5], "target": [0.6, 0.5]}]}', ["drag 1", "handle", "nan"]),
        (stored(PAIR, {"handle": [1.7, 0.5], "target": [0.6, 0.5]}), ["drag 2", "handle", "1.7", "0 to 1"]),
        (stored({"handle": [0.3, 0.5], "target": [300, 128]}), ["drag 1", "target", "300"]),
        (stored(PAIR, PAIR, {"handle": [0.3, 0.5]}), ["drag 3", "target"]),
        (stored({"target": [0.3, 0.5]}), ["drag 1", "handle"]),
        (stored({**PAIR, "radius": -1}), ["drag 1", "radius", "-1"]),
    ],
    ids=["malformed", "future", "empty", "nan", "outside", "far", "no-target", "no-handle", "radius"],
)
def test_points(client, g, scene, text, words):
    build_edit(g, scene(), text)
    error = failure(client, g)
    assert error.node_type == "AttentionDragPoints"
    for word in ["points", *words]:
        assert word.lower() in error.message.lower()


def test_mask_of_another_size(client, g, scene):
    build_edit(g, scene(), RIGHT, mask=g.add("SolidMask", value=1.0, width=32, height=48)[0])
    message = failure(client, g).message
    for word in ("AttentionDrag Edit", "'mask'", "32x48", "64x64"):
        assert word in message


@pytest.mark.parametrize(("side", "words"), [(0, ["empty"]), (5, ["25 px"])], ids=["empty", "small"])
@pytest.mark.parametrize("build", [build_edit, build_chain])
def test_mask_that_could_move_nothing(client, g, scene, build, side, words):
    mask = g.add("SolidMask", value=0.0, width=64, height=64)
    if side:
        spot = g.add("SolidMask", value=1.0, width=side, height=side)
        mask = g.add("MaskComposite", destination=mask[0], source=spot[0], x=18, y=26, operation="add")
    if build is build_edit:
        node, name = build_edit(g, scene(), RIGHT, mask=mask[0], steps=2).edit, "AttentionDrag Edit"
    else:
        chain = build_chain(g, scene(), RIGHT, apply={"mask": mask[0]}, steps=2)
        g.save_image(chain.composite[0])
        node, name = chain.apply, "AttentionDrag Apply"
    error = failure(client, g)
    assert error.node_id == node.id
    for word in (name, "'mask'", "8x8", "larger", *words):
        assert word in error.message


def test_drawn_mask_of_another_size_in_the_chain(client, g, scene):
    chain = build_chain(g, scene(), RIGHT, steps=2)
    g.set(chain.mask, mask=g.add("SolidMask", value=1.0, width=32, height=48)[0])
    g.save_image(chain.composite[0])
    error = failure(client, g)
    assert error.node_id == chain.mask.id
    for word in ("AttentionDrag Mask", "'mask'", "32x48", "64x64"):
        assert word in error.message


def test_masks_for_another_batch(client, g, scene):
    one = g.add("SolidMask", value=1.0, width=64, height=64)
    image = g.add("MaskToImage", mask=one[0])
    three = g.add("ImageToMask", image=g.add("RepeatImageBatch", image=image[0], amount=3)[0], channel="red")
    two = g.add("RepeatImageBatch", image=g.add("LoadImage", image=scene())[0], amount=2)
    build_edit(g, two[0], RIGHT, mask=three[0], steps=2)
    message = failure(client, g).message
    for word in ("AttentionDrag Edit", "'mask'", "3", "2"):
        assert word in message


def test_points_of_an_image_of_another_size(client, g, scene):
    edit = build_edit(g, scene(), RIGHT, steps=2)
    g.set(edit.edit, image=g.add("LoadImage", image=scene(128, 96))[0])
    message = failure(client, g).message
    for word in ("AttentionDrag Edit", "64x64", "128x96", "same image"):
        assert word in message


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ({"channels": 16}, ["(1, 16, 8, 8)", "4", "VAE"]),
        ({"nan": True}, ["NaN"]),
    ],
    ids=["channels", "nan"],
)
def test_latent(client, g, scene, shape, words):
    latent = g.add("ProbeLatent", **shape)
    chain = build_chain(g, scene(), RIGHT, latent=latent[0], steps=2)
    g.save_image(chain.composite[0])
    message = failure(client, g).message
    for word in ["AttentionDrag Inversion", "'latent'", *words]:
        assert word in message


def test_inversion_of_another_model(client, g, scene):
    chain = build_chain(g, scene(), RIGHT, steps=2)
    g.set(chain.sampler, model=g.checkpoint(OTHER_CHECKPOINT)[0])
    g.save_image(chain.composite[0])
    error = failure(client, g)
    assert error.node_id == chain.sampler.id
    for word in ("AttentionDrag Sampler", "inversion", "model"):
        assert word in error.message


def lora(g, model, strength=1.0):
    return g.add("LoraLoaderModelOnly", model=model[0], lora_name=LORA, strength_model=strength)


def merged(g, model):
    """With the other checkpoint's middle alone: the layers at the ends, and most others, are the same."""
    return g.add(
        "ModelMergeBlocks", model1=model[0], model2=g.checkpoint(OTHER_CHECKPOINT)[0], input=1.0, middle=0.9, out=1.0
    )


@pytest.mark.parametrize(
    ("inverts", "samples"),
    [
        (None, lora),
        (lora, None),
        (lora, lambda g, model: lora(g, model, 0.5)),
        (None, merged),
    ],
    ids=["lora added", "lora left out", "lora weaker", "merged in a part"],
)
def test_inversion_of_the_same_checkpoint_with_other_weights(client, g, scene, messages, server_log, inverts, samples):
    """A warning, on the node and in the log, since a LoRA on the way back alone may be meant.

    Only queries and keys differ, or one block: in no way in the few layers at the ends.
    """
    model = g.checkpoint()
    first, second = (model if change is None else change(g, model) for change in (inverts, samples))
    mask = g.add("SolidMask", value=1.0, width=64, height=64)
    chain = build_chain(g, scene(), RIGHT, model=first[0], steps=2, apply={"mask": mask[0]})
    g.set(chain.sampler, model=second[0])
    g.save_image(chain.composite[0])
    client.run(g.graph)
    [said] = [m for m in messages.of("executed") if m["node"] == chain.sampler.id and m["output"]]
    assert "other LoRAs" in said["output"]["text"][0]
    warnings = [line for line in server_log().splitlines() if "AttentionDrag Sampler, input 'model'" in line]
    assert len(warnings) == 1 and said["output"]["text"][0] in warnings[0]


def test_the_same_lora_loaded_again_is_the_same_model(client, g, scene):
    """Nor does it matter that another model's weights were in force in between."""
    model = g.checkpoint()
    mask = g.add("SolidMask", value=1.0, width=64, height=64)[0]
    chain = build_chain(g, scene(), RIGHT, model=lora(g, model)[0], steps=2, apply={"mask": mask})
    plain = build_chain(g, scene(), RIGHT, model=model[0], steps=2, apply={"mask": mask})
    again = lora(g, lora(g, model, 0.0))
    g.set(chain.sampler, model=again[0])
    saved = [g.save_image(built.composite[0]) for built in (chain, plain)]
    run = client.run(g.graph)
    assert all(run.outputs[node.id]["images"] for node in saved)


def test_inversion_of_another_size(client, g, scene):
    small, wide = build_chain(g, scene(), RIGHT, steps=2), build_chain(g, scene(96, 64), RIGHT, steps=2)
    g.set(small.sampler, inversion=wide.inversion[0])
    g.save_image(small.composite[0])
    error = failure(client, g)
    assert error.node_id == small.sampler.id
    assert "AttentionDrag Sampler" in error.message and "inversion" in error.message


def test_points_and_inversion_of_different_sizes(client, g, scene):
    small, wide = build_chain(g, scene(), RIGHT, steps=2), build_chain(g, scene(96, 64), RIGHT, steps=2)
    g.set(small.mask, inversion=wide.inversion[0])
    g.save_image(small.composite[0])
    error = failure(client, g)
    assert error.node_id == small.mask.id
    assert "AttentionDrag Mask" in error.message


def test_budget_too_small(client, g, scene):
    capture = g.add("AttentionDragCapture", storage="cpu", budget_mb=1)
    build_edit(g, scene(128, 128), RIGHT, steps=50, strength=1.0, capture=capture[0])
    message = failure(client, g).message
    for word in ("budget_mb", "1 MB", "MB"):
        assert word in message


def test_sigmas_that_are_not_the_inversion_s(client, g, scene):
    chain = build_chain(g, scene(), RIGHT, steps=2)
    sampler = g.add("AttentionDragSamplerSelect", inversion=chain.inversion[0], latent=chain.apply[0])
    sigmas = g.add("BasicScheduler", model=chain.checkpoint[0], scheduler="normal", steps=7, denoise=1.0)
    prompt = g.add("ProbeConditioning", seed=1)
    sampled = g.add(
        "SamplerCustomAdvanced",
        noise=g.add("DisableNoise")[0],
        guider=g.add("BasicGuider", model=chain.checkpoint[0], conditioning=prompt[0])[0],
        sampler=sampler[0],
        sigmas=sigmas[0],
        latent_image=chain.apply[0],
    )
    g.save_latent(sampled[0])
    with pytest.raises(PromptError) as caught:
        client.run(g.graph)
    [error] = caught.value.errors
    for word in ("sigmas", "7 steps", "SIGMAS"):
        assert word in error.message


def test_diffusion_transformer(client, g, scene):
    transformer = g.add("ProbeTransformerModel")
    latent = g.add("ProbeLatent", channels=16)
    chain = build_chain(g, scene(), RIGHT, model=transformer[0], latent=latent[0], steps=2)
    g.save_image(chain.composite[0])
    message = failure(client, g).message
    for word in ("AttentionDrag Inversion", "'model'", "SD3", "Stable Diffusion 1.x"):
        assert word in message


def test_diffusion_transformer_in_the_edit_node(client, g, scene):
    build_edit(g, scene(), RIGHT, model=g.add("ProbeTransformerModel")[0], steps=2)
    message = failure(client, g).message
    for word in ("AttentionDrag Edit", "'model'", "SD3", "Stable Diffusion 1.x"):
        assert word in message


def test_model_that_gives_nan(client, g, scene):
    broken = g.add("ProbeBrokenModel", model=g.checkpoint()[0], call=2, how="nan")
    build_edit(g, scene(), RIGHT, model=broken[0])
    message = failure(client, g).message
    assert "AttentionDrag Edit" in message and "NaN" in message
