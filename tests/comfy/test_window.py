"""Large pictures: Edit takes a window by itself, Crop and Stitch put anything into one."""

from __future__ import annotations

import numpy as np
import pytest

from scripts.client import PromptError
from tests.comfy.graphs import STRENGTH, build_edit, points_json

# The test checkpoint's own size is 256 px.
SIZE = 512
RIGHT = points_json((0.3, 0.4, 0.4, 0.4))
NEARBY = points_json((0.3, 0.4, 0.402, 0.401))
FAR = points_json((0.3, 0.4, 0.9, 0.8))
# Two evaluations each way: at this size they count.
STEPS = 4
INVERSION = LOOK = round(STEPS * STRENGTH)
# A square of 96 px round the handle.
SQUARE = (106, 157, 202, 253)


@pytest.fixture
def large(g, scene):
    """A large picture: (IMAGE, its source node)."""
    return g.add("ImageScale", image=g.add("LoadImage", image=scene())[0], upscale_method="bicubic",
                 width=SIZE, height=SIZE, crop="disabled")[0]  # fmt: skip


def square(g):
    left, top, right, bottom = SQUARE
    empty = g.add("SolidMask", value=0.0, width=SIZE, height=SIZE)
    full = g.add("SolidMask", value=1.0, width=right - left, height=bottom - top)
    return g.add("MaskComposite", destination=empty[0], source=full[0], x=left, y=top, operation="add")[0]


def told(messages, node):
    """What the front end is told of a node, or of what it has expanded into."""

    def tells(kind, data):
        own = kind == "executed" and data["display_node"] == node.id
        return own and data["output"] and "attentiondrag_window" in data["output"]

    return messages.wait_for(tells)["output"]


class Counted:
    """An edit of a large picture on a model that counts its evaluations."""

    def __init__(self, client, g, large, name, **inputs):
        self._client, self.g = client, g
        model = g.add("ProbeCountEvaluations", model=g.checkpoint()[0], name=name)
        self.nodes = build_edit(g, large, RIGHT, steps=STEPS, model=model[0], hold=0.0, preserve=0.0, **inputs)
        self._calls = g.add("ProbeCalls", after=self.nodes.edit[0], name=name)
        self._checksum = g.add("ProbeChecksum", image=self.nodes.edit[0])
        self.calls = 0

    def run(self):
        """(evaluations that this run took, the picture's checksum)."""
        outputs = self._client.run(self.g.graph).outputs
        [calls] = outputs[self._calls.id]["calls"]
        taken, self.calls = calls - self.calls, calls
        return taken, outputs[self._checksum.id]["checksum"]


def test_points_that_stay_in_the_window_invert_once(client, g, large, request):
    counted = Counted(client, g, large, request.node.name, mask=square(g))
    first, picture = counted.run()
    assert first == 2 * INVERSION
    g.set(counted.nodes.points, points=NEARBY)
    second, changed = counted.run()
    assert second == INVERSION and changed != picture
    g.set(counted.nodes.points, points=FAR)
    assert counted.run()[0] == 2 * INVERSION
    g.set(counted.nodes.points, points=RIGHT)
    assert counted.run()[1] == picture


def test_without_a_mask_one_look_goes_for_all_points(client, g, large, request):
    counted = Counted(client, g, large, request.node.name)
    assert counted.run()[0] == LOOK + 2 * INVERSION
    g.set(counted.nodes.edit, seed=3)
    assert counted.run()[0] == INVERSION
    g.set(counted.nodes.points, points=FAR)
    assert counted.run()[0] in (INVERSION, 2 * INVERSION)


def test_outside_of_the_window_the_picture_is_its_own(client, g, large, pixels, messages):
    edit = build_edit(g, large, RIGHT, steps=STEPS, mask=square(g))
    sources, masks = g.save_image(large, "source"), g.save_mask(edit.edit[1])
    heat = g.save_image(edit.edit[2], "heat")
    rest = [g.save_mask(edit.edit[at]) for at in (3, 4)]
    run = client.run(g.graph)
    picture, source = pixels(run, edit.saved_image.id)[0], pixels(run, sources.id)[0]
    assert picture.shape == source.shape == (SIZE, SIZE, 3)
    changed = (picture != source).any(-1)
    rows, columns = np.nonzero(changed)
    assert changed.any() and rows.max() < 400 and columns.max() < 400
    left, top, right, bottom = SQUARE
    mask = pixels(run, masks.id)[0][..., 0] > 127
    assert mask[top:bottom, left:right].all() and mask.sum() == (bottom - top) * (right - left)
    assert all(pixels(run, one.id)[0].shape == (SIZE, SIZE, 3) for one in (heat, *rest))
    [[x, y, width, height]] = told(messages, edit.edit)["attentiondrag_window"]
    assert 0 <= x and x + width <= 1 and 0.4 < width < 0.8 and 0 <= y and y + height <= 1


def test_the_whole_picture_where_it_is_asked_for(client, g, large, pixels, messages):
    edit = build_edit(g, large, RIGHT, steps=STEPS, mask=square(g), window="whole")
    run = client.run(g.graph)
    assert pixels(run, edit.saved_image.id)[0].shape == (SIZE, SIZE, 3)
    assert told(messages, edit.edit)["attentiondrag_window"] == []


def test_objects_instead_of_links_take_the_same_window(client, g, large):
    plain = build_edit(g, large, RIGHT, steps=STEPS)
    inside = g.add("ProbeEditWithObjects", **g.graph[plain.edit.id]["inputs"])
    checksums = [g.add("ProbeChecksum", image=node[0]) for node in (plain.edit, inside)]
    outputs = client.run(g.graph).outputs
    assert outputs[checksums[0].id]["checksum"] == outputs[checksums[1].id]["checksum"]


def test_a_window_that_is_none_is_told_before_anything_runs(client, g, large):
    build_edit(g, large, RIGHT, steps=STEPS, window="near")
    with pytest.raises(PromptError, match="window: 'near'"):
        client.run(g.graph)


@pytest.mark.parametrize("call", [2, LOOK + 2], ids=["look", "inversion"])
def test_an_error_in_a_stage_is_the_edit_node_s(client, g, large, call):
    broken = g.add("ProbeBrokenModel", model=g.checkpoint()[0], call=call, how="nan")
    edit = build_edit(g, large, RIGHT, steps=STEPS, model=broken[0], hold=0.0, preserve=0.0)
    with pytest.raises(PromptError) as caught:
        client.run(g.graph)
    [error] = caught.value.errors
    assert (error.node_id, error.node_type) == (edit.edit.id, "AttentionDragEdit")
    assert "AttentionDrag Edit, input 'model'" in error.message


class TestCropAndStitch:
    def crop(self, g, large, **more):
        points = g.add("AttentionDragPoints", image=large, points=RIGHT)
        return g.add("AttentionDragCrop", image=large, points=points[0], size=256, **more)

    def test_nothing_between_them_is_the_picture_bit_for_bit(self, client, g, large):
        for window in ("auto", "8", "whole"):
            crop = self.crop(g, large, window=window, mask=square(g))
            whole = g.add("AttentionDragStitch", stitch=crop[3], edited=crop[0])
            checksums = [g.add("ProbeChecksum", image=one) for one in (large, whole[0])]
            outputs = client.run(g.graph).outputs
            assert outputs[checksums[0].id]["checksum"] == outputs[checksums[1].id]["checksum"]

    def test_strangers_nodes_between_them(self, client, g, large, pixels):
        crop = self.crop(g, large)
        turned = g.add("ImageInvert", image=crop[0])
        whole = g.add("AttentionDragStitch", stitch=crop[3], edited=turned[0])
        saved, source = g.save_image(whole[0]), g.save_image(large, "source")
        shown = g.save_mask(whole[1])
        run = client.run(g.graph)
        picture, before = pixels(run, saved.id)[0], pixels(run, source.id)[0]
        where = pixels(run, shown.id)[0][..., 0]
        # Where the mask rounds to nothing, a fading edit may still be a level.
        faded = picture[where == 0].astype(int) - before[where == 0]
        assert np.abs(faded).max() <= 1 and (faded == 0).mean() > 0.95 and (where == 255).any()
        middle = picture[where == 255].astype(int), 255 - before[where == 255].astype(int)
        assert np.abs(middle[0] - middle[1]).mean() < 3

    def test_the_long_chain_between_them_is_edit(self, client, g, large, pixels):
        """The same window, and what moved at full resolution, by the nodes one by one."""
        checkpoint, crop = g.checkpoint(), self.crop(g, large, mask=square(g))
        edit = build_edit(g, large, RIGHT, steps=STEPS, mask=square(g))
        encode = g.add("VAEEncode", pixels=crop[0], vae=checkpoint[2])
        inversion = g.add(
            "AttentionDragInversion", model=checkpoint[0], latent=encode[0], steps=STEPS, strength=STRENGTH
        )
        apply = g.add(
            "AttentionDragApply", model=checkpoint[0], inversion=inversion[0], points=crop[1], mask=crop[2],
            image=crop[0], vae=checkpoint[2],
        )  # fmt: skip
        sampled = g.add("AttentionDragSampler", model=checkpoint[0], inversion=inversion[0], latent=apply[0])
        decoded = g.add("VAEDecode", samples=sampled[0], vae=checkpoint[2])
        finished = g.add("AttentionDragComposite", source=crop[0], edited=decoded[0], dragged=apply[0])
        whole = g.add("AttentionDragStitch", stitch=crop[3], edited=finished[0], dragged=apply[0])
        saved = g.save_image(whole[0])
        run = client.run(g.graph)
        chain, node = (pixels(run, one.id)[0].astype(int) for one in (saved, edit.saved_image))
        assert np.abs(chain - node).max() <= 1

    def test_what_does_not_belong_together_is_told(self, client, g, large):
        crop = self.crop(g, large)
        g.save_image(g.add("AttentionDragStitch", stitch=crop[3], edited=large)[0])
        with pytest.raises(PromptError, match="AttentionDrag Stitch, input 'edited': 512x512 px, but the window"):
            client.run(g.graph)

    def test_the_window_is_told_to_the_picker(self, client, g, large, messages):
        # Another window than that of the tests above: a cached node tells nothing.
        crop = self.crop(g, large, window="20")
        g.save_image(crop[0])
        client.run(g.graph)
        [box] = told(messages, crop)["attentiondrag_window"]
        left, top, width, height = box
        around = 20 / SIZE
        assert left <= 0.3 - around and left + width >= 0.4 + around
        assert top <= 0.4 - around and top + height >= 0.4 + around
        assert width < 1 and height < 1
