"""What is covered of a training picture, for the painter to paint: shapes of edits, and other holes.

An inpainting U-Net is shown which cells are covered, and the picture without them. What it learns to paint is what is
under the covers in its training, so they are those of an edit:

| cover      |                                                                                                      |
|------------|------------------------------------------------------------------------------------------------------|
| of an edit | a thing of the picture stays to be seen; covered is what lies round it, where its shadow falls, and  |
|            | round a second place of its shape, which it might have been moved from, that place included          |
| hole       | a thing of another picture, or an ellipse, put anywhere                                              |
| all        | everything                                                                                           |

A thing that a hole covers whole is uncovered again: what is covered whole must not come back, or a painter would draw
things where some were moved from.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

SHARES = {"edit": 0.57, "hole": 0.4, "all": 0.03}
"""How often each is drawn; without a thing to be seen it is a hole."""
THING = (4, 260)
"""Cells that a thing has at least and at most to be the one of an edit."""
NARROW = 0.3
"""Share of edits that cover the second place alone, without what lies round."""
FARTHEST = 16
"""Cells a side that the second place is away at most."""
WHOLE = 0.6
"""Share of a thing from which it is covered whole."""


def widened(cells: Tensor, by: int) -> Tensor:
    """Bool (h, w) widened by so many cells, cornered."""
    return max_pool2d(cells.float()[None, None], 2 * by + 1, 1, by)[0, 0] > 0 if by > 0 else cells


def shifted(cells: Tensor, down: int, right: int) -> Tensor:
    """Bool (h, w) moved by whole cells; what leaves is lost."""
    high, wide = cells.shape
    moved = torch.zeros_like(cells)
    rows, columns = max(0, high - abs(down)), max(0, wide - abs(right))
    to_row, to_column, from_row, from_column = max(0, down), max(0, right), max(0, -down), max(0, -right)
    moved[to_row : to_row + rows, to_column : to_column + columns] = cells[
        from_row : from_row + rows, from_column : from_column + columns
    ]
    return moved


def quarters(whose: Tensor, thing: int) -> Tensor:
    """(h, w) share of each cell that a thing has, of ``whose`` (2 h, 2 w)."""
    high, wide = whose.shape
    return (whose == thing).view(high // 2, 2, wide // 2, 2).float().mean((1, 3))


def things(whose: Tensor) -> list[int]:
    """Numbers of the things that are to be seen."""
    return [thing for thing in whose.unique().tolist() if thing]


class Dice:
    """Numbers of one generator."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator

    def share(self) -> float:
        return float(torch.rand((), generator=self.generator))

    def whole(self, low: int, high: int) -> int:
        """From ``low`` to ``high``, both included."""
        return int(torch.randint(low, high + 1, (), generator=self.generator))


def ellipse(size: tuple[int, int], dice: Dice) -> Tensor:
    """Bool (h, w)."""
    high, wide = size
    row, column = (torch.arange(length) + 0.5 for length in size)
    centre, radii = (high * dice.share(), wide * dice.share()), (1 + 6 * dice.share(), 1 + 6 * dice.share())
    return (((row[:, None] - centre[0]) / radii[0]) ** 2 + ((column - centre[1]) / radii[1]) ** 2) <= 1


def of_edit(whose: Tensor, dice: Dice) -> Tensor | None:
    """The cover of an edit of one of the picture's things, bool (h, w); None where it has none of a fitting size."""
    shares = [quarters(whose, thing) for thing in things(whose)]
    fitting = [share for share in shares if THING[0] <= int((share >= 0.5).sum()) <= THING[1]]
    if not fitting:
        return None
    own = fitting[dice.whole(0, len(fitting) - 1)]
    seen, touched = own >= 0.5, own > 0
    other = shifted(touched, dice.whole(-FARTHEST, FARTHEST), dice.whole(-FARTHEST, FARTHEST))
    if dice.share() < NARROW:
        covered = widened(other, dice.whole(0, 1))
    else:
        covered = widened(touched | other, max(1, round(dice.share() * float(seen.sum()) ** 0.5)))
    return uncovered(covered & ~seen, [share for share in shares if share is not own])


def uncovered(covered: Tensor, shares: list[Tensor]) -> Tensor:
    """The cover without the things, given by their shares of the cells, that it hides whole."""
    for share in shares:
        if float((share * covered).sum()) > WHOLE * float(share.sum()):
            covered = covered & ~(share > 0)
    return covered


def hole(whose: Tensor, shapes: Tensor, dice: Dice) -> Tensor:
    """A hole with the outline of a thing of one of other pictures (N, 2 h, 2 w), or an ellipse; bool (h, w)."""
    other = shapes[dice.whole(0, len(shapes) - 1)]
    size = (whose.shape[0] // 2, whose.shape[1] // 2)
    numbers = things(other)
    covered = ellipse(size, dice)
    if numbers and dice.share() < 0.75:
        outline = quarters(other, numbers[dice.whole(0, len(numbers) - 1)]) > 0
        covered = shifted(outline, dice.whole(-FARTHEST, FARTHEST), dice.whole(-FARTHEST, FARTHEST))
    covered = widened(covered, dice.whole(0, 2))
    return uncovered(covered, [quarters(whose, thing) for thing in things(whose)])


def cover(whose: Tensor, shapes: Tensor, generator: torch.Generator) -> Tensor:
    """One cover, bool (h, w), never empty.

    Args:
        whose: (2 h, 2 w) uint8, which thing each quarter of a cell shows, 0 for none.
        shapes: (N, 2 h, 2 w) the same of pictures whose things lend holes their outline.
        generator: of the processor.
    """
    dice = Dice(generator)
    size = (whose.shape[0] // 2, whose.shape[1] // 2)
    drawn = dice.share()
    if drawn < SHARES["all"]:
        return torch.ones(size, dtype=torch.bool)
    covered = of_edit(whose, dice) if drawn < SHARES["all"] + SHARES["edit"] else None
    if covered is None:
        covered = hole(whose, shapes, dice)
    while not covered.any():
        covered = ellipse(size, dice)
    return covered


def covers(whose: Tensor, generator: torch.Generator) -> Tensor:
    """(B, 1, h, w) float32, 1 where a batch's pictures (B, 2 h, 2 w) are covered."""
    whose = whose.cpu()
    return torch.stack([cover(own, whose, generator) for own in whose])[:, None].float()
