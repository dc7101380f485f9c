"""Presets: a table of options, and the published steps written out."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from core import api, cli
from core import edit as stations
from core.attention.plan import CapturePlan
from core.attention.tokens import TokenInjector
from core.diffusion.sampling import SampleSettings
from core.errors import InputError
from core.motion.field import MoveSettings
from core.options import choices
from core.presets import PRESETS, Preset, applied, check_not_overruled, overruled, value_of
from core.region.found import ElementSettings
from core.settings import EditSettings
from core.space.grid import Grid
from tests.core import toy_unet
from tests.core.builders import drags, uniform
from tests.core.test_null_prompt import POINTS, model

OF_THE_INVERSION = {"steps", "strength", "schedule", "refinements", "capture"}


def test_every_preset_is_in_the_table_and_no_other():
    assert list(PRESETS) == choices(Preset)


@pytest.mark.parametrize("preset", choices(Preset))
def test_a_preset_sets_what_the_table_says_and_nothing_else(preset):
    settings = EditSettings(seed=7, element=ElementSettings(grow=3), sample=SampleSettings(hold_element=0.3))
    changed = applied(settings, preset)
    table = PRESETS[preset]
    for option, value in table.items():
        assert value_of(changed, option) == value
    for field in dataclasses.fields(EditSettings):
        before, after = getattr(settings, field.name), getattr(changed, field.name)
        if not dataclasses.is_dataclass(before):
            assert field.name in table or after == before
            continue
        for part in dataclasses.fields(before):
            option = f"{field.name}.{part.name}"
            assert option in table or value_of(changed, option) == value_of(settings, option)
    assert not OF_THE_INVERSION & {option.partition(".")[0] for option in table}, "another preset inverts nothing again"


def test_auto_leaves_everything_as_it_is_set():
    settings = EditSettings(sample=SampleSettings(hold_element=0.3))
    assert applied(settings, "auto") == settings


def test_keep_holds_the_element_whatever_was_set():
    loose = EditSettings(sample=SampleSettings(hold_element=0.0, hold_rest=0.0), move=MoveSettings(start="pixels"))
    kept = applied(loose, "keep")
    assert (kept.sample.hold_element, kept.sample.hold_rest, kept.move.start) == (1.0, 0.75, "latents")


def test_what_would_not_count_is_named():
    settings = EditSettings(sample=SampleSettings(hold_element=0.3), element=ElementSettings(rule="threshold"))
    assert overruled(settings, "auto") == ()
    # rule is what 'paper' sets it to.
    assert overruled(settings, "paper") == ("sample.hold_element",)
    with pytest.raises(InputError, match="preset: 'paper' sets hold_element by itself"):
        check_not_overruled(settings, "paper")
    check_not_overruled(EditSettings(), "paper")
    with pytest.raises(InputError, match="Use one of auto, keep, paper"):
        applied(settings, "papyrus")


TAU = 0.85
SIDE = 16
HANDLE, TARGET = (5.5, 6.5), (10.5, 7.5)


@pytest.fixture(scope="module")
def paper():
    """The published steps on a small model whose attention is read at the latent's own grid: settings, host, edit."""
    settings = EditSettings(
        steps=6,
        strength=0.7,
        capture=CapturePlan(levels=(0,), map_steps=1, storage="device"),
        element=ElementSettings(tau=TAU),
    )
    settings = applied(settings, "paper")
    host, image = toy_unet.host(), uniform(1, 8 * SIDE, 8 * SIDE, 3)
    grid = Grid.padded(8 * SIDE, 8 * SIDE)
    # Random weights look everywhere: a radius keeps what moves away from the rest.
    points = drags(grid, (HANDLE, TARGET), radius=0.2)
    return settings, host, stations.edit(host, image, points, settings)


@pytest.fixture(scope="module")
def ratio(paper):
    """A[h, p] / A[h, h] of every cell, off the recorded map."""
    [attention] = paper[-1].inversion.maps.values()
    column, row = (int(value) for value in HANDLE)
    read = attention[0].float()[row * SIDE + column].reshape(SIDE, SIDE)
    return (read / read[row, column]).clamp(0, 1)


def test_paper_correlation_and_mask(paper, ratio):
    found, movement = paper[-1].found, paper[-1].movement
    torch.testing.assert_close(found.correlation[0, 0], ratio)
    reach = found.grid.reach(found.points.pairs[0], pixels=True) > 0
    inside = reach[4::8, 4::8]
    # The mask is cut at the picture's own size: in the middle of a cell the correlation is nearly the cell's.
    clear = inside & ((ratio - TAU).abs() > 0.03)
    middles = found.element[0, 4::8, 4::8] > 0.5
    assert (middles == (ratio > TAU))[clear].float().mean() > 0.9
    assert not (found.element[0] * ~reach).sum() and 0 < middles.sum() < inside.sum()
    assert (ratio > TAU)[movement.leaving[0] > 0].all(), "what moves is above the threshold, cell by cell"


def test_paper_moves_every_cell_its_share_of_the_way(paper, ratio):
    movement = paper[-1].movement
    moves = movement.leaving[0] > 0
    drag = [there - here for here, there in zip(HANDLE, TARGET, strict=True)]
    expected = torch.stack([ratio * length for length in drag])
    assert moves.any()
    torch.testing.assert_close(movement.way[0][:, moves], expected[:, moves], atol=1e-4, rtol=1e-4)


def test_paper_moves_the_inverted_latent(paper):
    """z_T where something arrives whole: the source's z0 and noise of where it came from, between cells bilinear."""
    result = paper[-1]
    inversion, movement = result.inversion, result.movement
    start, sigma = result.dragged.at(inversion, 0), float(inversion.sigmas[0])
    whole = (movement.arriving[0] > 0.9999).nonzero().tolist()
    for y, x in whole:
        from_x, from_y = (torch.tensor([x, y]) - movement.way_in[0, :, y, x]).tolist()
        low_x, low_y = math.floor(from_x), math.floor(from_y)
        value, noise, square = torch.zeros(4), torch.zeros(4), 0.0
        for at_y, share_y in ((low_y, 1 - from_y + low_y), (low_y + 1, from_y - low_y)):
            for at_x, share_x in ((low_x, 1 - from_x + low_x), (low_x + 1, from_x - low_x)):
                cell = min(max(at_y, 0), SIDE - 1), min(max(at_x, 0), SIDE - 1)
                clean = inversion.clean[0, :, cell[0], cell[1]]
                share = share_y * share_x
                value += share * clean
                noise += share * (inversion.noisy[0, :, cell[0], cell[1]] - clean) / sigma
                square += share**2
        torch.testing.assert_close(start[0, :, y, x], value + sigma * noise / square**0.5, atol=1e-3, rtol=1e-3)
    assert whole


def test_paper_interpolates_what_is_left_empty_by_attention(paper):
    """The sum of A[p, q] z0[q] over what is known, cell by cell."""
    settings, _, result = paper
    inversion, movement = result.inversion, result.movement
    [attention] = inversion.maps.values()
    hole = movement.hole_cells(settings.fill.hole_margin)[0].flatten()
    empty = (hole.reshape(SIDE, SIDE) & (movement.arriving[0] == 0)).flatten()
    clean, got = inversion.clean[0].flatten(1), result.dragged.clean[0].flatten(1)
    for p in empty.nonzero().flatten().tolist():
        weights = attention[0, p].float() * ~hole
        torch.testing.assert_close(got[:, p], clean @ weights / weights.sum(), atol=1e-3, rtol=1e-2)
    assert empty.any()


def test_paper_replaces_keys_and_values_at_every_step_and_holds_nothing(paper):
    settings, host, result = paper
    inversion = result.inversion
    assert len(inversion.tokens) == inversion.steps and all(len(step) == 5 for step in inversion.tokens)
    x = result.dragged.at(inversion, 0)
    levels = inversion.sigmas.tolist()
    for sigma, below, tokens in zip(levels, levels[1:], inversion.tokens, strict=False):
        denoised = host.denoiser.denoise(x, sigma, TokenInjector(tokens, "replace"))
        x = x + (below - sigma) * (x - denoised) / sigma
    got = stations.sample(host, inversion, result.dragged, settings)
    torch.testing.assert_close(got, x, atol=1e-5, rtol=1e-5)
    outside = (result.movement.free == 0)[:, None].expand_as(got)
    assert (got - inversion.clean)[outside].abs().max() > 1e-4, "not even the background is put back"
    assert torch.equal(result.image, host.decode(got).clamp(0, 1)), "and the picture is the decoder's"


def test_keep_is_not_paper_and_auto_is_the_default():
    host, image = toy_unet.host(), uniform(1, 64, 64, 3)
    points = api.make_points([((0.3, 0.5), (0.6, 0.5))])
    pictures = {
        preset: stations.edit(host, image, points, applied(EditSettings(steps=6, strength=0.7), preset)).image
        for preset in choices(Preset)
    }
    assert torch.equal(pictures["auto"], stations.edit(host, image, points, EditSettings(steps=6, strength=0.7)).image)
    assert not torch.equal(pictures["paper"], pictures["keep"])


def test_a_noise_mask_limits_what_is_not_held():
    """A user's own limit counts, whatever the preset."""
    host = toy_unet.host()
    settings = applied(EditSettings(steps=4, strength=0.7), "paper")
    limit = torch.zeros(1, 64, 64)
    limit[:, :, :32] = 1
    image = uniform(1, 64, 64, 3)
    inversion = stations.invert(host, host.encode(image), settings, noise_mask=limit)
    grid = Grid.padded(64, 64)
    points = api.make_points([((0.2, 0.5), (0.4, 0.5))]).on_image(64, 64)
    dragged = stations.move(inversion, stations.find(inversion, grid, points, settings, image), settings)
    latent = stations.sample(host, inversion, dragged, settings)
    assert torch.equal(latent[..., 4:], inversion.clean[..., 4:]) and not torch.equal(latent, inversion.clean)


def test_the_api_and_the_command_line_take_it():
    image = torch.rand(1, 32, 48, 3, generator=torch.Generator().manual_seed(0))
    small = model("sd15")
    settings = EditSettings(steps=4, strength=0.5)
    by_hand = api.edit(small, image, POINTS, settings=applied(settings, "paper"))
    named = api.edit(small, image, POINTS, settings=settings, preset="paper")
    assert torch.equal(by_hand.image, named.image)
    assert not torch.equal(named.image, api.edit(small, image, POINTS, settings=settings).image)

    def read(*more: str) -> EditSettings:
        line = ["any", "a.png", "--out", "o", "--drag=0.2,0.3,0.6,0.3", *more]
        return cli.read_settings(cli.build_parser().parse_args(line))

    assert read("--preset=paper") == applied(read(), "paper")
    assert read("--preset=paper", "--rule=threshold", "--seed=3").seed == 3
    with pytest.raises(InputError, match="'paper' sets hold_element"):
        read("--preset=paper", "--hold-element=0.5")
