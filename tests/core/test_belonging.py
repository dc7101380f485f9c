"""The network that tells what belongs to clicks: its arithmetic, and what must hold whatever its numbers are."""

from __future__ import annotations

import math

import torch
from safetensors.torch import load_file

from core.attention.correlation import correlate
from core.region.belonging import (
    FAR,
    GATES,
    NEAREST,
    NUMBERS,
    ROUNDS,
    SEED,
    TELLS,
    answered,
    belonging,
    joined,
    said,
    surroundings,
    weights_on,
)
from core.region.sight import sights_of
from tests.core.builders import normal, uniform
from tests.core.test_walked import FAR as APART
from tests.core.test_walked import GRID, RED, WHOLE, attending, painted, points_at

PIECES, NEAR = 9, 4


def random_graph(seed: int):
    """Neighbours (N, M), figures (N, M, 7), ways (N, N) and area (N,)."""
    generator = torch.Generator().manual_seed(seed)
    near = torch.randint(PIECES, (PIECES, NEAR), generator=generator)
    ways = uniform(PIECES, PIECES, seed=seed + 1)
    figures, area = normal(PIECES, NEAR, 7, seed=seed + 2), uniform(PIECES, seed=seed) + 1
    return near, figures, ways / ways.sum(-1, keepdim=True), area


def by_hand(weights, asked, near, figures, ways, area):
    """The last odds of one question (N, 35), piece by piece and number by number, in Python's own arithmetic."""
    w = {name: value.tolist() for name, value in weights.items()}
    area = (area / area.mean()).tolist()

    def linear(name, values):
        rows = zip(w[f"{name}.weight"], w[f"{name}.bias"], strict=True)
        return [sum(a * b for a, b in zip(row, values, strict=True)) + offset for row, offset in rows]

    def scaled(name, values):
        every = zip(values, w[f"{name}.mean"], w[f"{name}.spread"], strict=True)
        return [max(-5.0, min(5.0, (value - mean) / spread)) for value, mean, spread in every]

    def normalised(name, values):
        mean = sum(values) / len(values)
        spread = math.sqrt(sum((value - mean) ** 2 for value in values) / len(values) + 1e-5)
        every = zip(values, w[f"{name}.weight"], w[f"{name}.bias"], strict=True)
        return [(value - mean) / spread * slope + offset for value, slope, offset in every]

    sigmoid = lambda value: 1 / (1 + math.exp(-value))  # noqa: E731
    state = [linear("into", scaled("asked", one)) for one in asked.tolist()]
    for at in range(ROUNDS):
        own = [normalised(f"{at}.norm", one) for one in state]
        share = [sigmoid(linear(f"{at}.read", one)[0]) * size for one, size in zip(own, area, strict=True)]
        width = len(own[0])
        whole = [sum(s * one[k] for s, one in zip(share, own, strict=True)) / sum(share) for k in range(width)]
        after = []
        for piece in range(PIECES):
            gates = [
                [sigmoid(value) for value in linear(f"{at}.gate.out", [
                    math.tanh(value) for value in linear(f"{at}.gate.into", scaled("figures", one))
                ])]
                for one in figures[piece].tolist()
            ]  # fmt: skip
            told = [linear(f"{at}.tell", own[other]) for other in near[piece].tolist()]
            heard = []
            for k in range(width):
                gate = [one[k // (width // GATES)] for one in gates]
                heard.append(sum(g * one[k] for g, one in zip(gate, told, strict=True)) / max(sum(gate), 1e-3))
            seen = [sum(ways[piece, other].item() * own[other][k] for other in range(PIECES)) for k in range(width)]
            mixed = [max(0.0, value) for value in linear(f"{at}.mix", own[piece] + heard + whole + seen)]
            after.append([a + b for a, b in zip(state[piece], linear(f"{at}.out", mixed), strict=True)])
        state = after
    return torch.tensor([linear(f"{ROUNDS}.read", one)[0] for one in state])


def test_the_network_is_what_its_formulas_say():
    weights = weights_on(torch.zeros(1))
    near, figures, ways, area = random_graph(3)
    asked = 2 * normal(2, PIECES, 35, seed=5)
    odds = answered(weights, asked, near, figures, ways, area)
    assert len(odds) == ROUNDS + 1
    for own, question in zip(odds[-1], asked, strict=True):
        torch.testing.assert_close(own, by_hand(weights, question, near, figures, ways, area), rtol=2e-3, atol=2e-3)


def test_pieces_may_be_counted_in_any_order():
    weights = weights_on(torch.zeros(1))
    near, figures, ways, area = random_graph(7)
    asked = normal(1, PIECES, 35, seed=8)
    order = torch.randperm(PIECES, generator=torch.Generator().manual_seed(1))
    back = order.argsort()
    again = answered(weights, asked[:, order], back[near[order]], figures[order], ways[order][:, order], area[order])
    own = answered(weights, asked, near, figures, ways, area)[-1]
    torch.testing.assert_close(again[-1][0], own[0, order], rtol=1e-4, atol=1e-4)


def test_a_piece_hears_the_nearest_click_of_every_kind():
    told = normal(6, PIECES, 18, seed=2)
    told[..., SEED] = 0
    told[range(6), range(6), SEED] = 1
    asked = joined(told, [0, 2], [1, 3], [4, 5])
    count = len(TELLS)
    for piece in range(PIECES):
        own = min((0, 2), key=lambda number, piece=piece: float(told[number, piece, NEAREST]))
        other = min((1, 3), key=lambda number, piece=piece: float(told[number, piece, NEAREST]))
        assert torch.equal(asked[piece, :SEED], told[own, piece, :SEED])
        assert torch.equal(asked[piece, SEED + 1 : 18], told[own, piece, SEED + 1 :])
        still = min((4, 5), key=lambda number, piece=piece: float(told[number, piece, NEAREST]))
        assert torch.equal(asked[piece, 18 : 18 + count], told[other, piece, list(TELLS)])
        assert torch.equal(asked[piece, 20 + count : 20 + 2 * count], told[still, piece, list(TELLS)])
    assert asked[:, SEED].tolist() == [1, 0, 1] + [0] * (PIECES - 3)
    leaves, stays = asked[:, 18 + count : 20 + count], asked[:, -3:-1]
    assert leaves[:, 0].tolist() == [0, 1, 0, 1] + [0] * (PIECES - 4) and bool((leaves[:, 1] == 1).all())
    assert stays[:, 0].tolist() == [0, 0, 0, 0, 1, 1] + [0] * (PIECES - 6) and bool((stays[:, 1] == 1).all())
    assert torch.equal(joined(told, [2, 0], [3, 1], [5, 4]), asked), "in any order"
    alone = joined(told, [0], [])
    assert not alone[:, -1].any()
    assert torch.equal(joined(told, [0], [], before=torch.arange(9.0))[:, -1], torch.arange(9.0).clamp(max=8) / 3)
    for beside in alone[:, 18:-1].chunk(2, -1):
        assert bool((beside[:, :-2] == FAR).all()) and not beside[:, -2:].any()


def test_what_is_asked_together_is_answered_as_alone():
    picture, maps = painted((WHOLE, RED), (APART, RED)), attending(WHOLE, APART)
    points = points_at((4.5, 7), (13, 13))
    sight = sights_of(maps, correlate(maps, GRID, points), GRID, points, picture)[0]
    questions = [((0,), (), ()), ((1,), (0,), ()), ((0, 1), (), ()), ((0,), (), (1,))]
    both = belonging(sight, questions)
    for own, question in zip(both, questions, strict=True):
        torch.testing.assert_close(own, belonging(sight, [question])[0], rtol=1e-4, atol=1e-4)
    assert said(sight).shape == (2, sight.pieces.count, 18)
    near, figures, ways = surroundings(sight.pieces, sight.related)
    assert torch.isfinite(figures).all()
    torch.testing.assert_close(ways.sum(-1), torch.ones(len(near)))
    inside = sight.pieces.average(WHOLE.float()) > 0.5
    assert ((both[0] > 0) == inside).float().mean() > 0.97


def test_the_numbers_are_few_and_finite():
    every = load_file(NUMBERS)
    assert NUMBERS.stat().st_size < 120_000
    assert all(torch.isfinite(value).all() for value in every.values())
    on = weights_on(torch.zeros(1, dtype=torch.float64))
    assert {name: value.shape for name, value in on.items()} == {name: value.shape for name, value in every.items()}
    assert all(value.dtype == torch.float64 for value in on.values())
    for name, value in every.items():
        assert torch.equal(on[name], value.double()), name
