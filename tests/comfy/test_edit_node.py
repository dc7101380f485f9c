"""AttentionDragEdit: everything in one node."""

from __future__ import annotations

import numpy as np
import pytest

from tests.comfy.conftest import make_scene
from tests.comfy.graphs import build_edit, points_json

# The square of make_scene sits at a third of the width; it is asked to two thirds.
RIGHT = points_json((1 / 3, 0.5, 2 / 3, 0.5))
STILL = points_json((1 / 3, 0.5, 1 / 3, 0.5))


def square_mask(g, width: int, height: int):
    """A MASK over the square of a scene, whole cells."""
    cells = [(c // 8) * 8 for c in (width // 3 - min(width, height) // 8, height // 2 - min(width, height) // 8)]
    side = (min(width, height) // 4 // 8 + 1) * 8
    empty = g.add("SolidMask", value=0.0, width=width, height=height)
    full = g.add("SolidMask", value=1.0, width=side, height=side)
    return g.add("MaskComposite", destination=empty[0], source=full[0], x=cells[0], y=cells[1], operation="add")


def test_element_moves_and_nothing_else_changes(client, g, scene, pixels):
    size = 128
    square = square_mask(g, size, size)[0]
    edit = build_edit(g, scene(size, size), RIGHT, mask=square, preserve=1.0, strength=0.25, motion="move")
    run = client.run(g.graph)
    source = np.asarray(make_scene(size, size)).astype(int)
    result = pixels(run, edit.saved_image.id)[0].astype(int)
    assert result.shape == source.shape
    redness = result[..., 0] - result[..., 1]
    assert redness[60:68, 81:90].mean() > 100, "the square's colour arrived at the target"
    assert redness[56:72, 34:50].mean() < 0, "and left where it was"
    changed = abs(result - source).max(-1) > 0
    assert not changed[:24].any() and not changed[-24:].any(), "far from source and target, bit for bit"
    assert not changed[:, :8].any() and not changed[:, -8:].any()


def test_a_tau_beside_a_mask_is_said_to_do_nothing(client, g, scene, server_log, pixels):
    mask = square_mask(g, 64, 64)[0]
    plain, set_too = (build_edit(g, scene(), RIGHT, mask=mask, tau=tau) for tau in (0.0, 0.4))
    run = client.run(g.graph)
    assert (pixels(run, plain.saved_image.id) == pixels(run, set_too.saved_image.id)).all()
    warnings = [line for line in server_log().splitlines() if "input 'tau'" in line]
    assert len(warnings) == 1 and "0.4 does nothing while a mask is linked" in warnings[0]


def test_outside_pixels_are_the_autoencoder_s_when_asked(client, g, scene, pixels):
    edit = build_edit(g, scene(128, 128), RIGHT, keep_pixels=False, mask=square_mask(g, 128, 128)[0], motion="move")
    decoded = g.add(
        "VAEDecode",
        samples=g.add("VAEEncode", pixels=edit.image[0], vae=edit.checkpoint[2])[0],
        vae=edit.checkpoint[2],
    )
    roundtrip = g.save_image(decoded[0])
    run = client.run(g.graph)
    difference = abs(pixels(run, edit.saved_image.id)[0].astype(int) - pixels(run, roundtrip.id)[0].astype(int))
    assert difference[:24].max() <= 1 and difference[-24:].max() <= 1


def test_zero_drag_is_the_source(client, g, scene, pixels):
    edit = build_edit(g, scene(), STILL)
    result = pixels(client.run(g.graph), edit.saved_image.id)[0].astype(int)
    # Inside the edit region the autoencoder's loss is given back; rounding to 8 bits remains.
    assert abs(result - np.asarray(make_scene(64, 64))).max() <= 2


@pytest.mark.parametrize(("width", "height"), [(100, 68), (72, 136), (65, 71)])
def test_any_size_comes_back_as_it_was(client, g, scene, pixels, width, height):
    edit = build_edit(g, scene(width, height), RIGHT, steps=4)
    drawn = build_edit(g, scene(width, height), RIGHT, steps=4, mask=square_mask(g, width, height)[0])
    run = client.run(g.graph)
    source = np.asarray(make_scene(width, height))
    for saved in (edit.saved_image, edit.saved_mask, edit.saved_heatmap):
        assert pixels(run, saved.id).shape == (1, height, width, 3)
    changed = (pixels(run, drawn.saved_image.id)[0] != source).any(-1)
    assert changed.any() and not changed[-1].any(), "the border that padding touched is the source's own"


def test_batch_is_edited_image_by_image(client, g, scene, pixels):
    first, second = (g.add("LoadImage", image=scene(hue=hue)) for hue in (0, 90))
    both = g.add("ImageBatch", image1=first[0], image2=second[0])
    edit, alone = build_edit(g, both[0], RIGHT), build_edit(g, second[0], RIGHT)
    drawn = build_edit(g, both[0], RIGHT, mask=square_mask(g, 64, 64)[0])
    run = client.run(g.graph)
    together = pixels(run, drawn.saved_image.id).astype(int)
    assert together.shape[0] == 2 and len(pixels(run, drawn.saved_mask.id)) == 2
    sources = [np.asarray(make_scene(64, 64, hue)) for hue in (0, 90)]
    for result, source in zip(together, sources, strict=True):
        assert (result[:8] == source[:8]).all(), "each keeps its own background"
        assert (result != source).any()
    # Fresh noise differs between the places of a batch, so only the mask and what is kept can be compared.
    masks = pixels(run, edit.saved_mask.id)[1].astype(int), pixels(run, alone.saved_mask.id)[0].astype(int)
    assert abs(masks[0] - masks[1]).max() <= 2


def test_linked_mask_is_what_moves(client, g, scene, pixels):
    mask = square_mask(g, 64, 64)
    edit = build_edit(g, scene(), RIGHT, mask=mask[0])
    saved = g.save_mask(mask[0])
    run = client.run(g.graph)
    assert (pixels(run, edit.saved_mask.id) == pixels(run, saved.id)).all()


def test_prompt_and_guidance_reach_the_sampling(client, g, scene, pixels):
    mask = square_mask(g, 64, 64)[0]
    prompts = [g.add("ProbeConditioning", seed=seed)[0] for seed in (1, 2)]
    settings = {"mask": mask, "preserve": 0.0}
    edits = [
        build_edit(g, scene(), RIGHT, **settings),
        build_edit(g, scene(), RIGHT, **settings, positive=prompts[0], cfg=4.0),
        build_edit(g, scene(), RIGHT, **settings, positive=prompts[0], negative=prompts[1], cfg=4.0),
        build_edit(g, scene(), RIGHT, **settings),
    ]
    run = client.run(g.graph)
    images = [pixels(run, edit.saved_image.id) for edit in edits]
    assert (images[0] == images[3]).all()
    assert (images[0] != images[1]).any() and (images[1] != images[2]).any()


def test_seed_repaints_the_hole_alone(client, g, scene, pixels):
    moved = {"mask": square_mask(g, 128, 128)[0], "motion": "move"}
    edits = [build_edit(g, scene(128, 128), RIGHT, seed=seed, **moved) for seed in (0, 1, 0)]
    run = client.run(g.graph)
    images = [pixels(run, edit.saved_image.id)[0] for edit in edits]
    assert (images[0] == images[2]).all()
    changed = (images[0] != images[1]).any(-1)
    assert changed[52:76, 30:54].any() and not changed[:24].any()


def test_progress_and_previews_reach_the_front_end(client, g, scene, messages):
    import io

    from PIL import Image

    edit = build_edit(g, scene(), RIGHT)
    client.run(g.graph)
    # Of what it expanded into, which the front end shows on the node itself.
    progress = [m for m in messages.of("progress") if m["node"].split(".")[0] == edit.edit.id]
    values = [m["value"] for m in progress]
    assert values == sorted(values) and len(set(values)) >= 8, "every evaluation of both ways shows"
    assert values[-1] == progress[-1]["max"]
    assert len({m["max"] for m in progress}) == 1, "one bar for both ways"
    previews = messages.of("preview")
    assert previews and Image.open(io.BytesIO(previews[-1])).size[0] > 1
    shown = next(m for m in messages.of("executed") if m["display_node"] == edit.edit.id and m["output"])["output"]
    assert len(shown["attentiondrag_mask"]) == 1 and len(shown["attentiondrag_heatmaps"]) == 1
    [made_by] = shown["attentiondrag_settings"]
    assert made_by == {name: g.graph[edit.edit.id]["inputs"][name] for name in ("steps", "strength", "tau", "grow")}
    assert shown["attentiondrag_motions"] == ["push"], "what auto made of the drag, in random attention"
    for reference in shown["attentiondrag_mask"] + shown["attentiondrag_heatmaps"]:
        assert Image.open(io.BytesIO(client.file(reference))).size == (64, 64)
