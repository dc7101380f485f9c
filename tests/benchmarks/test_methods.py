"""The compared methods, where their result is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks import img2img, metrics, pasting, switches
from benchmarks.context import Context
from benchmarks.methods import DECODED, METHODS, WITHOUT_MODEL, true_region
from benchmarks.metrics import mean_distance
from benchmarks.true_motion import movement_of_flow
from core.edit import edit
from core.motion.field import MoveSettings
from core.motion.lookup import carry
from core.settings import EditSettings
from core.space.grid import Grid

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
    # A ground in which random attention finds about the thing, and so leaves some of the picture alone.
    scene = made.scene(ground=made.texture(64, 80, seed=7))
    context = Context(scene, loaded, replace(SETTINGS, move=MoveSettings(motion="move")))
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
    np.testing.assert_array_equal(outcome.mask, wanted.element[0].numpy())


def test_the_true_mask_is_used_where_it_says_so():
    scene = made.scene()
    outcome = run("ours_true_mask", scene, made.toy_model())
    np.testing.assert_array_equal(outcome.mask, (scene.object_mask > 0.5).astype(np.float32))


def test_counting_counts_what_runs():
    loaded = made.toy_model()
    for _ in range(3):
        loaded.host.denoiser.denoise(torch.zeros(1, 4, 4, 4), 1.0)
    assert loaded.evaluations == 3


def test_methods_share_the_inversion_and_count_it_each():
    loaded = made.toy_model()
    context = Context(made.scene(), loaded, SETTINGS)
    names = ("attention_drag", "ours_true_mask", "ours_model_off", "ours_attention_off", "ours_picture_off", "fastdrag")
    counts = {name: METHODS[name](context).evaluations for name in names}
    assert counts == {"attention_drag": 5, "ours_true_mask": 5, "ours_model_off": 4, "ours_attention_off": 5,
                      "ours_picture_off": 5, "fastdrag": 8}  # fmt: skip
    # One inversion, four samplings of a step each, and FastDrag's four.
    assert loaded.evaluations == 4 + 4 * 1 + 4


def test_the_true_field_carries_what_a_drag_cannot():
    scene = made.world(turn=0.5, grown=1.15)
    context = Context(scene, made.toy_model(), SETTINGS)
    truth = context.truth
    movement = movement_of_flow(truth.moved, truth.flow, truth.visible, SETTINGS.move.transition)
    carried, share = carry(scene.image, movement)
    after = scene.target_mask > 0.5
    covered = share[0].numpy() > 0.5
    assert (covered & after).sum() > 0.95 * after.sum() and (covered & ~after).sum() < 0.1 * after.sum()
    inside = metrics.widened(after, -4)
    assert metrics.psnr(carried[0].numpy(), scene.target, inside) > 25
    carried, _ = carry(scene.image, switches.moved(context, "true_mask")[0].movement)
    assert metrics.psnr(carried[0].numpy(), scene.target, inside) < 20


def test_with_a_drag_s_own_flow_the_true_field_is_the_true_mask_s_edit():
    scene = made.scene(way=(24, 8), ground=made.texture(64, 80, seed=8))
    context = Context(scene, made.toy_model(), replace(SETTINGS, move=MoveSettings(motion="move")))
    field, mask = METHODS["ours_true_field"](context), METHODS["ours_true_mask"](context)
    np.testing.assert_allclose(field.image, mask.image, atol=2e-2)


def test_without_attention_the_nearest_is_what_belongs_to_the_handle():
    grid = Grid.padded(64, 80)
    (plane,) = switches.nearness(grid, made.scene().points)[0]
    y, x = divmod(int(plane.argmax()), plane.shape[1])
    handle = made.scene().drags()[0][0] / 8
    assert abs(x + 0.5 - handle[0]) <= 0.5 and abs(y + 0.5 - handle[1]) <= 0.5
    assert (plane > 0).all() and plane.max() <= 1


def test_the_model_paints_hole_and_rim_of_a_paste_and_nothing_else():
    scene = made.scene(size=(64, 112), box=(12, 8, 48, 48), way=(56, 0), ground=made.texture(64, 112, seed=8))
    loaded = made.toy_model()
    pasted = pasting.cut_and_paste(scene, scene.object_mask)
    image, free = img2img.repaint(loaded.host, pasted, 6, 0.5)
    assert loaded.evaluations == 6
    np.testing.assert_array_equal(image[free == 0], scene.source[free == 0])
    area = img2img.painted_area(pasted)
    assert np.abs(image - pasted.image)[area].max() > 0.02
    # The middle of what was pasted, further inside than the rim and its soft edge reach.
    middle = metrics.widened(pasted.element > 0.5, -(img2img.RIM_IN + 10))
    assert middle.any()
    np.testing.assert_array_equal(image[middle], pasted.image[middle])


def test_paste_img2img_takes_as_many_evaluations_as_ours():
    context = Context(made.scene(), made.toy_model(), SETTINGS)
    for name in ("paste_img2img", "paste_img2img_true_mask"):
        assert METHODS[name](context).evaluations == METHODS["attention_drag"](context).evaluations


class Green:
    """A painter whose every hole becomes one latent; counts its evaluations."""

    def __init__(self):
        self.evaluations = 0

    def painting(self, picture, hole, work):
        def denoise(x, sigma):
            self.evaluations += 1
            return torch.full_like(x, 0.25)

        return work(denoise)


def test_the_painter_s_variant_paints_what_was_hidden_and_its_evaluations_count():
    scene = made.scene(ground=made.texture(64, 80, seed=8), box=(16, 16, 40, 32), way=(24, 8))
    loaded = made.toy_model()
    loaded.painter = Green()
    context = Context(scene, loaded, SETTINGS)
    painted, plain = METHODS["ours_painter_true_field"](context), METHODS["ours_true_field"](context)
    levels = SETTINGS.repaint.steps
    # The rest is held.
    assert loaded.painter.evaluations == levels
    assert painted.evaluations == levels + SETTINGS.steps
    hidden = np.zeros(scene.size, bool)
    hidden[18:38, 17:30] = True
    assert np.abs(painted.image[hidden] - plain.image[hidden]).max() > 0.05
    np.testing.assert_array_equal(painted.image[painted.region == 0], scene.source[painted.region == 0])
