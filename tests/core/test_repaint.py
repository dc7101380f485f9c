"""What the model paints before the way back: which cells, from which noise, and how it shows in the user's pixels."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from core import edit as stations
from core.attention.plan import Footprint
from core.diffusion.cost import cost_of
from core.diffusion.dragged import DraggedLatent, apply
from core.diffusion.repaint import Repainting, RepaintSettings, repaint, strengths, surroundings
from core.diffusion.sampling import BEFORE, SampleSettings, sample
from core.errors import InputError
from core.fill.background import FillSettings
from core.hosts.direct import DirectHost
from core.motion.field import plan_movement
from core.pixels.detail import detail
from core.pixels.repainted import light, repainted
from core.settings import EditSettings
from core.space.grid import Grid
from tests.core.builders import box, drags, inversion, normal, uniform
from tests.core.toy_unet import LAYERS, Patchify, ToyUNet, sigma_of

SIZE = (16, 20)
GRID = Grid.padded(SIZE[0] * 8, SIZE[1] * 8)
ELEMENT = box(GRID, 6, 3, 9, 6)
LEVELS = torch.tensor([4.0, 3.0, 2.0, 1.0, 0.5, 0.0])
"""Five levels of ten: strength 0.5."""
BOTH = RepaintSettings(revealed=0.5, surroundings=0.3, extent=1.0, steps=10, control=False)
CPU = torch.device("cpu")


class Oracle:
    """Says of every latent that it is ``picture``, plus ``bias``; remembers what it was shown."""

    layers, prediction = LAYERS, "epsilon"

    def __init__(self, picture: torch.Tensor, bias: float = 0.0):
        self.picture, self.bias, self.seen = picture, bias, []

    def denoise(self, x, sigma, hooks=None):
        self.seen.append((x.clone(), sigma))
        return self.picture + self.bias


class Reading(Oracle):
    """Says what the picture is that it is shown, as far as it knows the noise, a shadow at one cell included."""

    def __init__(self, noise: torch.Tensor, bias: float, shadow: torch.Tensor):
        super().__init__(noise, bias)
        self.shadow = shadow

    def denoise(self, x, sigma, hooks=None):
        clean = x - sigma * self.picture
        # A shadow where the element is now, six cells to the right of where it was.
        there = clean[:, :1, 7:8, 10:11] > 5
        return clean + sigma * (self.bias + torch.where(there, self.shadow, 0.0))


def moved(source, way=(6.0, 0.0)) -> DraggedLatent:
    points = drags(GRID, ((4.5, 7.5), (4.5 + way[0], 7.5 + way[1])))
    movement = plan_movement(torch.ones(1, 1, *SIZE), ELEMENT, GRID, points)
    return apply(source, movement, source.clean * 0)


def made():
    source = inversion([2.0, 1.0, 0.0], uniform(1, 4, *SIZE, seed=1) + 10 * GRID.image_mask_to_cells(ELEMENT)[:, None])
    return source, moved(source)


def test_each_kind_of_cell_has_its_strength():
    _, dragged = made()
    strength = strengths(dragged, BOTH)[0]
    assert strength[7, 4] == 0.5, "revealed"
    assert strength[7, 10] == 0, "the element where it arrived"
    assert strength[4, 10] == pytest.approx(0.3) and strength[11, 4] == pytest.approx(0.3), "round new and old place"
    assert strength[15, 19] == 0 and strength[0, 0] == 0, "beyond its size"
    reached = surroundings(dragged, 1.0)[0]
    rows = reached.any(1).nonzero()
    # Three cells square: its size is three cells.
    assert (rows.min(), rows.max()) == (3, 11)
    nothing = strengths(dragged, RepaintSettings(revealed=0.0, surroundings=0.4))
    assert nothing[0, 7, 4] == 0 and nothing[0, 4, 10] == pytest.approx(0.4), "each by itself"
    alone = strengths(dragged, RepaintSettings(revealed=0.4))
    assert alone[0, 7, 4] == pytest.approx(0.4) and alone[0, 4, 10] == 0


def test_painted_cells_are_the_models_and_all_others_what_they_were():
    source, dragged = made()
    picture = torch.full_like(source.clean, 3.0)
    result = repaint(Oracle(picture), source, dragged, Repainting(BOTH, LEVELS), CPU)
    painted = strengths(dragged, BOTH)[:, None] > 0
    assert painted.any() and not painted.all()
    # The last step ends at the clean estimate.
    torch.testing.assert_close(result.clean[painted.expand_as(picture)], picture[painted.expand_as(picture)])
    touched = dragged.movement.free[:, None] > 0
    known = torch.where(touched, dragged.clean, source.clean)
    assert torch.equal(torch.where(painted, 0.0, result.clean), torch.where(painted, 0.0, known))


def test_a_cell_waits_for_its_level():
    source, dragged = made()
    oracle = Oracle(torch.full_like(source.clean, 3.0))
    repaint(oracle, source, dragged, Repainting(BOTH, LEVELS), CPU)
    assert [sigma for _, sigma in oracle.seen] == LEVELS[:-1].tolist()
    touched = dragged.movement.free[:, None] > 0
    known = torch.where(touched, dragged.clean, source.clean)
    for number, (x, sigma) in enumerate(oracle.seen):
        held = known + sigma * dragged.noise
        around, hidden, own = ((0, slice(None), *cell) for cell in ((4, 10), (7, 4), (7, 10)))
        assert torch.equal(x[own], held[own])
        # Three of ten levels are the last three of five.
        assert torch.equal(x[around], held[around]) == (number <= 2)
        assert torch.equal(x[hidden], held[hidden]) == (number == 0)


def test_what_the_model_makes_of_the_source_too_is_no_light():
    source, dragged = made()
    noise, shadow = dragged.noise, torch.tensor(-0.5)
    plain = replace(BOTH, revealed=0.0)
    known = torch.where(dragged.movement.free[:, None] > 0, dragged.clean, source.clean)
    around = (strengths(dragged, plain)[:, None] > 0) & (dragged.movement.leaving[:, None] <= 0.02)
    levels = LEVELS[-4:]
    biased = Reading(noise, 0.7, torch.tensor(0.0))
    without = repaint(biased, source, dragged, Repainting(plain, levels), CPU).clean - known
    with_control = repaint(biased, source, dragged, Repainting(replace(plain, control=True), levels), CPU).clean - known
    assert without[around.expand_as(without)].abs().min() > 0.5
    far = around & (known == source.clean).all(1, keepdim=True)
    assert far.any()
    assert with_control[far.expand_as(known)].abs().max() < 1e-4
    shaded = repaint(
        Reading(noise, 0.7, shadow), source, dragged, Repainting(replace(plain, control=True), levels), CPU
    )
    change = (shaded.clean - known)[far.expand_as(known)]
    assert change.abs().min() > 0.3 and change.std() < 1e-3, "the shadow alone, as it is"


def test_looks_are_averaged_round_the_element_and_not_behind_it():
    source, dragged = made()
    net = ToyUNet()
    one = repaint(net, source, dragged, Repainting(BOTH, LEVELS), CPU).clean
    three = repaint(net, source, dragged, Repainting(replace(BOTH, looks=3), LEVELS), CPU).clean
    assert torch.equal(one[0, :, 7, 4], three[0, :, 7, 4])
    assert not torch.equal(one[0, :, 4, 10], three[0, :, 4, 10])


@pytest.mark.parametrize(
    ("settings", "levels"),
    [(BOTH, LEVELS), (replace(BOTH, control=True), LEVELS), (replace(BOTH, control=True, looks=2), LEVELS),
     (replace(BOTH, surroundings=0.0, control=True, looks=2), LEVELS)],
)  # fmt: skip
def test_it_tells_how_many_evaluations_it_takes(settings, levels):
    source, dragged = made()
    oracle = Oracle(torch.zeros_like(source.clean))
    repaint(oracle, source, dragged, Repainting(settings, levels), CPU)
    assert len(oracle.seen) == settings.evaluations


def test_sampling_starts_from_what_was_painted_and_keeps_it_while_all_is_held():
    source, dragged = made()
    net = ToyUNet()
    held, painting = SampleSettings(hold_rest=1.0), Repainting(BOTH, LEVELS)
    painted = repaint(net, source, dragged, Repainting(BOTH, LEVELS), CPU)
    result = sample(net, source, dragged.at(source, 0), dragged, None, held, repainting=painting)
    strength = painted.painted[:, None] > 0
    torch.testing.assert_close(torch.where(strength, result, 0.0), torch.where(strength, painted.clean, 0.0))
    outside = ~painted.touched[:, None].expand_as(result)
    assert torch.equal(result[outside], source.clean[outside])


def test_a_users_free_cells_limit_it():
    source, dragged = made()
    limit = torch.zeros(1, *SIZE)
    limit[:, :, :8] = 1
    result = repaint(ToyUNet(), source, dragged, Repainting(BOTH, LEVELS), CPU, limit)
    assert (result.painted[..., 8:] == 0).all() and (result.painted[..., :8] > 0).any()


def test_nan_is_refused():
    source, dragged = made()
    with pytest.raises(InputError, match="NaN"):
        repaint(Oracle(torch.full_like(source.clean, float("nan"))), source, dragged, Repainting(BOTH, LEVELS), CPU)


@pytest.mark.parametrize("wrong", [{"revealed": 1.2}, {"surroundings": -0.1}, {"extent": -1.0}, {"looks": 0}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        RepaintSettings(**wrong)


# ---- in pixels


def texture(seed: int = 3) -> torch.Tensor:
    """A picture of fine texture, (1, H, W, 3) in 0.3..0.8."""
    return 0.3 + 0.5 * uniform(1, *GRID.image_size, 3, seed=seed)


def coarse(picture: torch.Tensor) -> torch.Tensor:
    """What an autoencoder leaves of it: means of 8 x 8 pixels."""
    means = torch.nn.functional.avg_pool2d(picture.movedim(-1, 1), 8)
    return torch.nn.functional.interpolate(means, scale_factor=8.0).movedim(1, -1)


def with_pixels() -> tuple[torch.Tensor, DraggedLatent]:
    source, dragged = made()
    picture, behind = texture(), texture(4)
    plain = coarse(picture)
    return picture, replace(dragged, plain=plain, detail=detail(picture, plain, dragged.movement, behind))


def shade() -> torch.Tensor:
    """Darker by a third below row 88, softly; (1, H, W, 1)."""
    rows = torch.arange(GRID.image_size[0])[:, None, None]
    return (1 - ((rows - 80) / 16).clamp(0, 1) / 3).expand(1, -1, GRID.image_size[1], 1)


def test_light_falls_on_the_sources_own_pixels():
    picture, dragged = with_pixels()
    settings = RepaintSettings(surroundings=0.3, extent=3.0)
    # The model darkened the ground, and drew another texture.
    edited = dragged.plain * shade() + 0.02 * normal(*picture.shape, seed=9)
    result, changed = repainted(picture, edited, dragged, settings)
    place = torch.zeros(1, *GRID.image_size, dtype=torch.bool)
    place[:, 104:, 70:96] = True
    wanted = picture * shade()
    error = (result - wanted)[place].abs().mean()
    assert error < 0.25 * (edited - wanted)[place].abs().mean(), "its texture stays the source's"
    assert error < 0.25 * (picture - wanted)[place].abs().mean(), "and gets the light"
    assert changed[place].mean() > 0.9
    unlit = torch.zeros_like(place)
    unlit[:, 8:40, 90:150] = True
    assert changed[unlit].max() == 0 and torch.equal(result[unlit], picture[unlit]), "what did not change is put back"


def test_light_ends_at_the_reach():
    picture, dragged = with_pixels()
    near = RepaintSettings(surroundings=0.3, extent=0.5)
    result, changed = repainted(picture, dragged.plain * 0.5, dragged, near)
    beyond = GRID.spread_cells(surroundings(dragged, 0.5)) == 0
    assert beyond.any()
    within = GRID.spread_cells((dragged.movement.free > 0).float()) > 0
    assert (changed[beyond & ~within] == 0).all()
    assert torch.equal(result[beyond & ~within], picture[beyond & ~within])


def test_an_unchanged_latent_changes_nothing():
    picture, dragged = with_pixels()
    both = RepaintSettings(revealed=0.5, surroundings=0.3)
    result, changed = repainted(picture, dragged.plain, dragged, both)
    outside = GRID.spread_cells((dragged.movement.free > 0).float()) == 0
    assert changed[outside].max() == 0
    expected = dragged.plain + dragged.detail
    torch.testing.assert_close(result[~outside], expected[~outside], atol=1e-5, rtol=1e-5)


def test_a_repainted_hole_has_none_of_the_fillings_detail():
    picture, dragged = with_pixels()
    hidden = (slice(None), slice(56, 64), slice(32, 40))
    for change, kept in ((0.0, 1.0), (0.3, 0.0)):
        edited = dragged.plain + change
        result, _ = repainted(picture, edited, dragged, RepaintSettings(revealed=0.5))
        torch.testing.assert_close(result[hidden], (edited + kept * dragged.detail)[hidden], atol=1e-4, rtol=0)


def test_black_gives_no_light():
    black = torch.zeros(1, 32, 32, 3)
    ratio = light(black, black, torch.ones(1, 32, 32))
    assert torch.equal(ratio, torch.ones_like(ratio))
    nothing = light(torch.ones(1, 32, 32, 3), black, torch.zeros(1, 32, 32))
    assert torch.equal(nothing, torch.ones_like(nothing)), "where nothing tells"


# ---- the whole


def test_an_edit_paints_and_shows_it():
    size = GRID.image_size
    picture = uniform(1, *size, 3, seed=2)
    host = DirectHost(ToyUNet(), Patchify(), sigma_of, "toy")
    points = drags(GRID, ((4.5, 7.5), (10.5, 7.5)))
    held = EditSettings(steps=10, fill=FillSettings(method="smooth"), sample=SampleSettings(hold_rest=1.0))
    paint = RepaintSettings(revealed=0.5, surroundings=0.5, extent=0.5, steps=10)
    painted = replace(held, repaint=paint)
    before, after = (stations.edit(host, picture, points, one, ELEMENT) for one in (held, painted))
    assert not torch.equal(before.image, after.image)
    untouched = after.shown == 0
    assert untouched.any() and torch.equal(after.image[untouched], picture[untouched])
    assert (after.shown >= before.shown - 1e-6).all()


def test_painting_can_be_watched_and_stopped():
    source, dragged = made()
    seen = []
    painting = Repainting(replace(BOTH, control=True), LEVELS)
    start = dragged.at(source, 0)
    held = SampleSettings(hold_rest=1.0)
    sample(ToyUNet(), source, start, dragged, None, held, lambda *step: seen.append(step), repainting=painting)
    assert [index for index, _, _ in seen] == [BEFORE] * painting.settings.evaluations + list(range(source.steps))

    def stop(index, *_):
        raise KeyboardInterrupt

    net = Oracle(torch.zeros_like(source.clean))
    with pytest.raises(KeyboardInterrupt):
        sample(net, source, start, dragged, None, held, stop, repainting=painting)
    assert len(net.seen) == 1


def test_the_least_strength_paints_over_one_level():
    source, dragged = made()
    least = replace(BOTH, revealed=0.001, surroundings=0.0)
    assert least.evaluations == 1
    picture = torch.full_like(source.clean, 3.0)
    result = repaint(Oracle(picture), source, dragged, Repainting(least, LEVELS[-2:]), CPU)
    assert torch.equal(result.clean[0, :, 7, 4], picture[0, :, 7, 4])


def test_the_plan_counts_it():
    told = cost_of(Footprint(0, 0, "off"), 20, repaint=BOTH)
    assert told.repainting == BOTH.evaluations == 5 and told.total == told.inversion + told.sampling + 5
    assert "5 to paint before" in str(told)
    beside = cost_of(Footprint(0, 0, "off"), 20, painter=True, repaint=BOTH)
    assert (beside.painting, beside.repainting) == (10, 0), "a painter paints what was hidden from noise"


def test_painting_what_was_hidden_leaves_the_seam_to_sampling():
    picture, dragged = with_pixels()
    edited = dragged.plain + 0.1
    result, _ = repainted(picture, edited, dragged, RepaintSettings(revealed=0.5))
    # Free cells begin at row 40, what is filled four px from the element, at 44.
    seam = (slice(None), slice(40, 44), slice(24, 48))
    torch.testing.assert_close(result[seam], (edited + dragged.detail)[seam], atol=1e-5, rtol=0)


def test_light_changes_where_a_mask_says_and_nowhere_else():
    source, dragged = made()
    corner = torch.zeros(1, *SIZE)
    corner[:, 13:, 16:] = 1
    around = RepaintSettings(surroundings=0.5, steps=10, control=False)
    assert strengths(dragged, around)[0, 15, 19] == 0
    strength = strengths(dragged, around, corner)
    assert torch.equal(strength > 0, corner > 0)
    picture = torch.full_like(source.clean, 3.0)
    result = repaint(Oracle(picture), source, dragged, Repainting(around, LEVELS, corner), CPU)
    painted = (corner > 0)[:, None].expand_as(picture)
    torch.testing.assert_close(result.clean[painted], picture[painted])
    touched = dragged.movement.free[:, None] > 0
    assert torch.equal(result.clean[~painted], torch.where(touched, dragged.clean, source.clean)[~painted])


def test_stations_take_the_mask_in_pixels_and_refuse_others():
    source, dragged = made()
    picture = uniform(1, *GRID.image_size, 3)
    for mask, said in ((torch.ones(8, 8), "8x8 px"), (torch.ones(3, *GRID.image_size), "3 masks for 1")):
        with pytest.raises(InputError, match=f"light_mask: .*{said}"):
            stations.check_lit(mask, GRID, 1)
    broken = torch.full(GRID.image_size, float("nan"))
    with pytest.raises(InputError, match="NaN"):
        stations.check_lit(broken, GRID, 1)
    # A decoder that shows the first channel: brighter by half everywhere.
    plain = torch.full_like(picture, 0.4)
    known = replace(dragged, plain=plain, detail=detail(picture, plain, dragged.movement, picture))
    settings = EditSettings(repaint=RepaintSettings(surroundings=0.5, steps=10))
    lit = torch.zeros(1, *GRID.image_size)
    lit[:, 100:, 120:] = 1
    done = stations.finished(picture, plain * 1.5, known, settings, lit=lit)
    assert (done.light[lit > 0] > 0).any() and (done.light[:, :90, :] == 0).all()
    assert torch.equal(done.image[:, :40, 130:], picture[:, :40, 130:])
    inside = (slice(None), slice(110, 120), slice(130, 150))
    torch.testing.assert_close(done.image[inside], (picture[inside] * 1.5 / 1.03).clamp(0, 1), atol=0.06, rtol=0)
