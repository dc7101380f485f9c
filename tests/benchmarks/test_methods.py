"""The compared methods, where their result is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.methods import DECODED, METHODS, WITHOUT_MODEL, Context, true_region
from benchmarks.metrics import mean_distance
from core.edit import edit
from core.settings import EditSettings

from . import made

SETTINGS = EditSettings(steps=4, strength=1.0)


def run(name, scene, loaded=None, settings=SETTINGS):
    return METHODS[name](Context(scene, loaded, settings))


def test_identity_is_the_source():
    scene = made.scene()
    outcome = run("identity", scene)
    np.testing.assert_array_equal(outcome.image, scene.source)
    assert outcome.evaluations == 0
    assert mean_distance(scene, outcome.image)[1] == pytest.approx(1)


@pytest.mark.parametrize("way", [(24, 8), (-13, 5), (60, 0)])
def test_cut_and_paste_on_a_flat_ground_is_the_true_edit(way):
    scene = made.scene(way=way)
    np.testing.assert_allclose(run("cut_paste", scene).image, scene.target, atol=1e-5)


def test_shifted_latents_on_a_flat_ground_are_the_true_edit():
    # Whole cells, and an autoencoder without loss.
    scene = made.scene(box=(16, 16, 40, 32), way=(24, 8))
    loaded = made.toy_model(made.LOSSLESS)
    np.testing.assert_allclose(run("latent_shift_raw", scene, loaded).image, scene.target, atol=2e-3)
    assert loaded.evaluations == 0


def test_the_ceiling_of_an_autoencoder_without_loss_is_the_true_edit():
    scene = made.scene()
    for name in ("autoencoder", "autoencoder_raw"):
        outcome = run(name, scene, made.toy_model(made.LOSSLESS))
        np.testing.assert_allclose(outcome.image, scene.target, atol=2e-3)


@pytest.mark.parametrize("size", [(64, 80), (61, 75)])
@pytest.mark.parametrize("name", sorted(set(METHODS) - {f"{name}_composite" for name in DECODED}))
def test_every_method_gives_a_picture_of_the_source_s_size(name, size):
    scene = made.scene(size=size)
    outcome = run(name, scene, None if name in WITHOUT_MODEL else made.toy_model())
    assert outcome.image.shape == (*size, 3)
    assert np.isfinite(outcome.image).all()
    assert outcome.image.min() >= 0 and outcome.image.max() <= 1


@pytest.mark.parametrize("name", ["fastdrag", "fastdrag_move", "latent_shift", "autoencoder"])
def test_composited_methods_keep_the_source_s_pixels(name):
    scene = made.scene(ground=made.texture(64, 80, seed=8))
    loaded = made.toy_model()
    context = Context(scene, loaded, SETTINGS)
    plain, kept = METHODS[f"{name}_raw"](context), METHODS[name](context)
    outside = true_region(scene, SETTINGS)[0].numpy() == 0
    assert outside.any() and not outside[scene.object_mask > 0].any() and not outside[scene.target_mask > 0].any()
    np.testing.assert_array_equal(kept.image[outside], scene.source[outside])
    assert np.abs(plain.image[outside] - scene.source[outside]).max() > 0.01
    assert kept.evaluations == plain.evaluations


def test_fastdrag_evaluates_at_every_noise_level_of_the_edit():
    loaded = made.toy_model()
    context = Context(made.scene(), loaded, SETTINGS)
    counts = {name: METHODS[name](context).evaluations for name in ("attention_drag", "fastdrag", "fastdrag_move")}
    # Of the edit's own four sampling steps, three have everything held.
    assert counts == {"attention_drag": 5, "fastdrag": 8, "fastdrag_move": 8}


def test_variants_of_one_edit_run_it_once():
    loaded = made.toy_model()
    context = Context(made.scene(ground=made.texture(64, 80, seed=8)), loaded, SETTINGS)
    names = ("attention_drag_finished", "attention_drag_composite", "attention_drag_raw")
    outcomes = [METHODS[name](context) for name in names]
    assert loaded.evaluations == 5
    assert [outcome.evaluations for outcome in outcomes] == [5, 5, 5]
    finished, composite, raw = (outcome.image for outcome in outcomes)
    outside = outcomes[0].region == 0
    assert outside.any()
    for image in (finished, composite):
        np.testing.assert_array_equal(image[outside], context.scene.source[outside])
    assert np.abs(raw[outside] - context.scene.source[outside]).max() > 0.01
    assert not np.array_equal(finished, composite)


@pytest.mark.parametrize("name", ["fastdrag_move", "latent_shift", "autoencoder"])
def test_finished_methods_keep_the_element_s_own_pixels(name):
    scene = made.scene(way=(24, 8))
    context = Context(scene, made.toy_model(), SETTINGS)
    composite, finished = METHODS[f"{name}_composite"](context).image, METHODS[f"{name}_finished"](context).image
    # Off the rim, where both mix.
    inside = np.zeros(scene.size, bool)
    inside[16 + 8 + 3 : 40 + 8 - 3, 16 + 24 + 3 : 32 + 24 - 3] = True
    np.testing.assert_allclose(finished[inside], scene.target[inside], atol=1e-3)
    assert np.abs(composite[inside] - scene.target[inside]).max() > 0.02
    hole = np.zeros(scene.size, bool)
    hole[17:39, 17:31] = True
    np.testing.assert_array_equal(finished[hole], composite[hole])


def test_attention_drag_is_the_core_s_edit():
    scene = made.scene()
    outcome = run("attention_drag", scene, made.toy_model())
    wanted = edit(made.toy_model().host, scene.image, scene.points, SETTINGS)
    np.testing.assert_array_equal(outcome.image, wanted.image[0].numpy())
    np.testing.assert_array_equal(outcome.mask, wanted.mask[0].numpy())


def test_the_true_mask_is_used_where_it_says_so():
    scene = made.scene()
    outcome = run("attention_drag_truemask", scene, made.toy_model())
    np.testing.assert_array_equal(outcome.mask, (scene.object_mask > 0.5).astype(np.float32))


def test_counting_counts_what_runs():
    loaded = made.toy_model()
    for _ in range(3):
        loaded.host.denoiser.denoise(torch.zeros(1, 4, 4, 4), 1.0)
    assert loaded.evaluations == 3
