"""Batches in a real server: one drag for all, and drags of its own for every picture, in Edit and in the chain."""

from __future__ import annotations

import numpy as np
import pytest

from scripts.client import PromptError
from tests.comfy.conftest import make_scene
from tests.comfy.graphs import build_chain, build_edit, points_json
from tests.comfy.test_edit_node import square_mask

RIGHT = points_json((1 / 3, 0.5, 2 / 3, 0.5))
UP = points_json((1 / 3, 0.5, 1 / 3, 0.2))
EACH = f"[{RIGHT}, {UP}]"


def batch(g, scene):
    """Two pictures of another hue as one IMAGE."""
    loaded = [g.add("LoadImage", image=scene(hue=hue)) for hue in (0, 40)]
    return g.add("ImageBatch", image1=loaded[0][0], image2=loaded[1][0])


def changed(pictures) -> list[np.ndarray]:
    """(H, W) where each differs from its source."""
    sources = [np.asarray(make_scene(64, 64, hue)).astype(int) for hue in (0, 40)]
    return [abs(one.astype(int) - source).max(-1) > 2 for one, source in zip(pictures, sources, strict=True)]


@pytest.mark.parametrize(("points", "ups"), [(EACH, [False, True]), (RIGHT, [False, False])], ids=["each", "all"])
def test_edit_and_chain_drag_every_picture_its_way(client, g, scene, pixels, points, ups):
    images = batch(g, scene)
    # What random weights find may be anything, and anything a part: the square is given, and moved.
    mask = square_mask(g, 64, 64)[0]
    edit = build_edit(g, images[0], points, mask=mask, motion="move")
    drawn = {"mask": mask, "combine": "replace"}
    latent = g.add("VAEEncode", pixels=images[0], vae=edit.checkpoint[2])
    chain = build_chain(g, scene(), points, mask=drawn, latent=latent[0], apply={"motion": "move"})
    linked = ((chain.points, "image"), (chain.mask, "image"), (chain.apply, "image"), (chain.composite, "source"))
    for node, name in linked:
        g.set(node, **{name: images[0]})
    saved = g.save_image(chain.composite[0])
    run = client.run(g.graph)
    for node in (edit.saved_image, saved):
        pictures = pixels(run, node.id)
        assert pictures.shape == (2, 64, 64, 3)
        for where, up in zip(changed(pictures), ups, strict=True):
            assert where.any()
            # Above the square only what goes up changes, beside it only what goes right.
            assert where[:14].any() == up, node
            assert where[26:38, 44:].any() != up, node


def test_as_many_sets_as_pictures(client, g, scene):
    build_edit(g, scene(), EACH)
    with pytest.raises(PromptError) as caught:
        client.run(g.graph)
    for word in ("AttentionDrag Edit", "points", "drags for 2 pictures, but there are 1"):
        assert word in caught.value.errors[0].message
