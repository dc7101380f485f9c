"""An inpainting checkpoint in a real server: refused where it would be inverted, welcome as the second model."""

from __future__ import annotations

import pytest

from scripts.client import PromptError
from tests.comfy.graphs import INPAINTING_CHECKPOINT, build_chain, build_edit, points_json
from tests.comfy.test_edit_node import square_mask

# What random weights find may be anything: the square is given.
RIGHT = points_json((1 / 3, 0.5, 2 / 3, 0.5))


def inpainting(g):
    return g.checkpoint(INPAINTING_CHECKPOINT)[0]


@pytest.mark.parametrize("build", [build_edit, build_chain])
def test_it_is_refused_for_inversion(client, g, scene, build):
    made = build(g, scene(), RIGHT, model=inpainting(g))
    if build is build_chain:
        g.save_image(made.composite[0])
    with pytest.raises(PromptError) as caught:
        client.run(g.graph)
    [error] = caught.value.errors
    for word in ("AttentionDrag", "model", "9 channels instead of 4", "inpainting", "painter"):
        assert word in error.message


def test_it_paints_in_edit_and_chain_what_the_drag_reveals(client, g, scene, pixels):
    painter = inpainting(g)
    mask = square_mask(g, 64, 64)[0]
    alone = build_edit(g, scene(), RIGHT, mask=mask, motion="move")
    edit = build_edit(g, scene(), RIGHT, mask=mask, painter=painter, motion="move")
    drawn = {"mask": mask, "combine": "replace"}
    chain = build_chain(g, scene(), RIGHT, mask=drawn, apply={"motion": "move"}, sampler={"painter": painter})
    saved = g.save_image(chain.composite[0])
    run = client.run(g.graph)
    plain, painted, chained = (pixels(run, node.id)[0].astype(int) for node in (alone.saved_image, edit.saved_image,
                                                                               saved))  # fmt: skip
    changed = abs(painted - plain).max(-1) > 2
    assert changed.any() and not changed[:8].any()
    # The chain's Composite doesn't know of the painter unless it is told, and gives the filling's detail back.
    assert (abs(chained - plain).max(-1) > 2).any()


def test_every_picture_of_a_batch_is_painted_where_its_own_drags_reveal(client, g, scene, pixels):
    """Other drags and other masks: what is painted differs from what is filled at each picture's own hole alone."""
    down = points_json((0.8, 0.2, 0.8, 0.7))
    corner = g.add("SolidMask", value=1.0, width=16, height=16)
    empty = g.add("SolidMask", value=0.0, width=64, height=64)
    right = g.add("MaskComposite", destination=empty[0], source=corner[0], x=44, y=4, operation="add")
    drawn = [g.add("MaskToImage", mask=mask)[0] for mask in (square_mask(g, 64, 64)[0], right[0])]
    both = g.add("ImageBatch", image1=drawn[0], image2=drawn[1])
    masks = g.add("ImageToMask", image=both[0], channel="red")[0]
    loaded = [g.add("LoadImage", image=scene(hue=hue))[0] for hue in (0, 40)]
    pictures = g.add("ImageBatch", image1=loaded[0], image2=loaded[1])[0]
    edits = [
        build_edit(g, pictures, f"[{RIGHT}, {down}]", mask=masks, painter=painter, motion="move")
        for painter in (None, inpainting(g))
    ]
    run = client.run(g.graph)
    plain, painted = (pixels(run, edit.saved_image.id).astype(int) for edit in edits)
    apart = abs(painted - plain).max(-1) > 2
    left, right = (slice(None), slice(16, 28)), (slice(4, 20), slice(44, 60))
    for picture, own, other in ((0, left, right), (1, right, left)):
        assert apart[picture][own].any()
        assert not apart[picture][other].any()


def test_the_model_itself_is_no_painter(client, g, scene):
    checkpoint = g.checkpoint()
    build_edit(g, scene(), RIGHT, model=checkpoint[0], painter=checkpoint[0])
    with pytest.raises(PromptError) as caught:
        client.run(g.graph)
    for word in ("AttentionDrag Edit", "painter", "can't be loaded as two"):
        assert word in caught.value.errors[0].message


def test_a_painter_may_predict_v(client, g, scene):
    """ModelSamplingDiscrete says so, as for any checkpoint whose file doesn't; the model stays what it is."""
    painter = inpainting(g)
    mask = square_mask(g, 64, 64)[0]
    held = {"preserve": 1.0, "hold": 1.0}
    said = {
        kind: g.add("ModelSamplingDiscrete", model=painter, sampling=kind, zsnr=False)[0]
        for kind in ("eps", "v_prediction")
    }
    sums = [
        g.add("ProbeChecksum", image=build_edit(g, scene(), RIGHT, mask=mask, painter=one, **held).edit[0]).id
        for one in (painter, said["eps"], said["v_prediction"])
    ]
    run = client.run(g.graph)
    plain, same, other = (run.outputs[node]["checksum"][0] for node in sums)
    assert plain == same != other
