"""Which of an edit's points are asked about together, and what pieces each handle gets by the answers.

A handle is asked with the clicks that mend its object, with the anchors that may hold some of it, and against handles
that are said to be on other objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..space.points import Click, DragPair, DragPoints
from .belonging import NEAREST, Asked, belonging
from .choice import best, figures_of
from .cut import candidates, connected
from .sight import Sight

COLOUR, COLOURED = 9, 0.3
"""The clue that is a difference in colour, and what it counts for beside the walk where two clicks contend."""


def objects_in(sight: Sight, points: DragPoints, keep_connected: bool) -> torch.Tensor:
    """(P, N) of 0 and 1: the pieces that belong to each pair; what belongs to a handle is what moves with it.

    Handles on one thing are asked together where each, asked alone, finds the others: they get one answer.
    """
    pieces, views = sight.pieces, sight.views
    numbers = range(len(points.pairs))
    others = [_handles_of_others(points.pairs[index], points) for index in numbers]
    clicks = [_clicks_of(index, points.pairs[index], points) for index in numbers]
    kinds = {number: click.kind for number, click in enumerate(points.clicks, start=len(points.pairs))}
    adds = [[index, *(one for one in clicks[index] if kinds[one] == "add")] for index in numbers]
    leaves = [[*others[index], *(one for one in clicks[index] if kinds[one] != "add")] for index in numbers]
    stays = [_anchors_of(pair, points) for pair in points.pairs]
    odds = belonging(sight, [([index], others[index], stays[index]) for index in numbers])
    told = _Told(list(odds), [_most(adds[index], sight.points) for index in numbers], {}, {})
    # Where a click leaves out, what belongs to that is asked as well.
    refused = [index for index in numbers if len(leaves[index]) > len(others[index])]
    mended, sets = [index for index in numbers if clicks[index]], _sets_of(points)
    again: list[Asked] = [(adds[index], leaves[index], stays[index]) for index in mended]
    again += [_united(one, adds, leaves, stays) for one in sets]
    again += [(leaves[index], adds[index], []) for index in refused]
    if again:
        before = [odds[index] for index in mended] + [torch.stack([odds[at] for at in one]).amax(0) for one in sets]
        before += [torch.zeros_like(odds[0])] * len(refused)
        every = iter(belonging(sight, again, torch.stack(before)))
        for index in mended:
            told.odds[index] = next(every)
        for one in sets:
            _tell_together(told, next(every), _find_each_other(odds, sight, one, points), one)
        told.against.update(zip(refused, every, strict=True))
    found: list[torch.Tensor] = []
    for index in numbers:
        first, together = told.first.get(index, (index, None))
        if points.pairs[first].size != points.pairs[index].size:
            together = None
        # On the host it is known at once whether the first one's answer goes for this one.
        if together is not None and together.device.type == "cpu" and together:
            found.append(found[first])
            continue
        needed, against = told.needed[index], told.against.get(index)
        # Where two clicks lie on one piece, the one that adds has it.
        allowed = torch.maximum(_allowed(sight, adds[index], leaves[index], others[index], against), needed)
        if stays[index] and points.pairs[index].size == 0:
            # What speaks for a cut speaks for whole things, and here a part may be meant: that was asked.
            inside = torch.maximum((told.odds[index] > 0) * allowed, needed)
        else:
            cuts = candidates(told.odds[index], views[index].orders, allowed, needed, pieces)
            figures = figures_of(cuts, told.odds[index], views[index], sight.related, pieces)
            inside = best(cuts, figures, pieces, points.pairs[index].size)
        inside = connected(inside, needed, pieces) if keep_connected else inside
        found.append(inside if together is None else torch.where(together, found[first], inside))
    return torch.stack(found)


@dataclass
class _Told:
    """What is known of every handle so far.

    Attributes:
        odds: (N,) logarithm of those that each piece belongs.
        needed: (N,) of 0 and 1, the pieces that must.
        against: of some, (N,) logarithm of the odds that a piece belongs to what is left out.
        first: of some, the first handle of its set, and () bool, whether the set has one answer.
    """

    odds: list[torch.Tensor]
    needed: list[torch.Tensor]
    against: dict[int, torch.Tensor]
    first: dict[int, tuple[int, torch.Tensor]]


def _tell_together(told: _Told, joint: torch.Tensor, together: torch.Tensor, numbers: Sequence[int]) -> None:
    """Puts the joint answer in the place of each handle's own, where they are one thing."""
    needed = torch.stack([told.needed[number] for number in numbers]).amax(0)
    for number in numbers:
        told.odds[number] = torch.where(together, joint, told.odds[number])
        told.needed[number] = torch.where(together, needed, told.needed[number])
        if number != numbers[0]:
            told.first[number] = numbers[0], together


def _sets_of(points: DragPoints) -> list[list[int]]:
    """Numbers of the handles, two and more, that may be on one thing: of one group, and all move or all hold."""
    kinds: dict[tuple[int | None, bool], list[int]] = {}
    for number, pair in enumerate(points.pairs):
        kinds.setdefault((pair.group, pair.is_anchor), []).append(number)
    return [numbers for numbers in kinds.values() if len(numbers) > 1]


def _united(numbers: Sequence[int], adds: list[list[int]], leaves: list[list[int]], stays: list[list[int]]) -> Asked:
    """What is asked of some handles together; what any of them adds, none leaves out."""
    own, other, still = (
        list(dict.fromkeys(one for number in numbers for one in lists[number])) for lists in (adds, leaves, stays)
    )
    return own, [one for one in other if one not in own], still


def _find_each_other(odds: torch.Tensor, sight: Sight, numbers: Sequence[int], points: DragPoints) -> torch.Tensor:
    """() bool: whether each of some handles, alone (P, N), finds all the others; those of a group are said to."""
    if points.pairs[numbers[0]].group is not None:
        return torch.ones((), dtype=torch.bool, device=odds.device)
    seeds = torch.stack([sight.views[number].seed for number in numbers])
    own = torch.stack([odds[number] for number in numbers])
    return (own.index_select(1, seeds) > 0).all()


def _allowed(
    sight: Sight, adds: list[int], leaves: list[int], others: list[int], against: torch.Tensor | None
) -> torch.Tensor:
    """(N,) of 0 and 1: the pieces that may belong to a pair.

    Args:
        sight: of the picture.
        adds, leaves: numbers of the points that say what belongs to it, its handle first, and what does not.
        others: of those that leave out, the handles on other objects.
        against: (N,) logarithm of the odds that a piece belongs to what is left out; None where no click says so.
    """
    walk = torch.stack([view.clue[:, NEAREST] for view in sight.views])
    allowed = torch.ones_like(walk[0])
    if others:
        # A piece is the nearer handle's, by the walk.
        allowed = (walk[adds[0]] < _least(others, walk)).to(walk)
    if leaves:
        allowed = allowed * (1 - _most(leaves, sight.points))
    if against is not None:
        # What would be either's is the nearer click's, by the walk and by colour.
        near = walk + COLOURED * torch.stack([view.clue[:, COLOUR] for view in sight.views])
        allowed = allowed * (1 - ((against > 0) & (_least(leaves, near) < _least(adds, near))).to(walk))
    return allowed


def _least(numbers: Sequence[int], planes: torch.Tensor) -> torch.Tensor:
    """(N,) the smallest of some of the planes (K, N)."""
    return torch.stack([planes[number] for number in numbers]).amin(0)


def _most(numbers: Sequence[int], planes: torch.Tensor) -> torch.Tensor:
    """(N,) the largest of some of the planes (K, N)."""
    return torch.stack([planes[number] for number in numbers]).amax(0)


def _handles_of_others(pair: DragPair, points: DragPoints) -> list[int]:
    """Numbers of the handles that are said to be on another object than a pair's."""
    if pair.group is None:
        return []
    return [number for number, other in enumerate(points.pairs) if other.group not in (None, pair.group)]


def _anchors_of(pair: DragPair, points: DragPoints) -> list[int]:
    """Numbers of the anchors that may hold something of what a handle moves."""
    if pair.is_anchor:
        return []
    anchors = [(number, other) for number, other in enumerate(points.pairs) if other.is_anchor]
    return [number for number, other in anchors if pair.group is None or other.group in (None, pair.group)]


def _clicks_of(index: int, pair: DragPair, points: DragPoints) -> list[int]:
    """Numbers, among handles and then clicks, of the clicks that mend a pair's object, in their order.

    A click without a group is the nearest handle's where it adds, and everybody's where it leaves out.
    """
    numbers = []
    for number, click in enumerate(points.clicks, start=len(points.pairs)):
        named = click.group is not None and any(other.group == click.group for other in points.pairs)
        if click.kind == "leave_out":
            own = click.group is None or click.group == pair.group
        else:
            own = click.group == pair.group if named else _nearest(click, points) == index
        if own:
            numbers.append(number)
    return numbers


def _nearest(click: Click, points: DragPoints) -> int:
    height, width = points.image_size or (1, 1)
    away = [
        ((click.at[0] - pair.handle[0]) * width) ** 2 + ((click.at[1] - pair.handle[1]) * height) ** 2
        for pair in points.pairs
    ]
    return min(range(len(away)), key=away.__getitem__)
