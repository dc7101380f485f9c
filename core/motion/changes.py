"""How an object changes, from two handles: the likeliest of the ways in which things change.

Two handles fix four of the six numbers of an affine map. What they leave open is filled in by what things do: one gets
taller, or wider, or larger, standing where it stands; it turns in the picture's plane; or it turns away from the
camera, and then no map of its pixels is right (``turns_away``). Each is a linear model of the handles' ways,

    way = (A - 1) (handle - foot) + t + noise,

with normal priors of A's entries and of t, the way of the object's foot, in sizes of the object; t is small of what
stands, or large of what is carried. The likeliest model (its evidence, in closed form, times how often such a thing is
asked for) gives A, its mean given the handles. What it leaves between the handles is taken up along the line between
them, so that both reach their targets.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from .rigid import similarity

FOOT = 0.12
"""Of its height, how far above its lowest row an object's middle stands on the ground."""

NOISE = 0.012
"""Standard deviation of the handles' ways, in sizes of the object."""

LOCKED = 1e-3
"""Standard deviation of what a model does not know of."""

STANDS, CARRIED = (0.03, 0.7), (0.5, 0.3)
"""Standard deviation of the foot's way in sizes of the object, and how often that is so."""

UNLIKE = 0.25
"""Of three and more drags, what the best similarity may leave of them, in the root mean square, to be their meaning."""

MOST = 4.0
"""Most, and in its inverse least, that two handles may scale an object by their model."""

TURN = 0.6
"""Standard deviation in radians of a turn in the picture's plane, no linear model: the handles are turned first."""

# Turned first and turned away last. Standard deviations of A - 1 (x by x, y by x, x by y, y by y), of growth in
# both axes and of a small turn; how often.
_MODELS = {
    "turned": ((0.03, LOCKED, LOCKED, 0.03, 0.1, LOCKED), 0.05),
    "taller": ((LOCKED, LOCKED, 0.05, 0.3, LOCKED, 0.02), 0.25),
    "wider": ((0.3, 0.1, LOCKED, LOCKED, LOCKED, 0.02), 0.25),
    "larger": ((0.03, LOCKED, LOCKED, 0.03, 0.3, 0.03), 0.25),
    "turned away": ((0.5, 0.25, 0.6, 0.1, LOCKED, LOCKED), 0.2),
}


@dataclass(frozen=True, eq=False)
class Change:
    """What two handles mean.

    Attributes:
        matrix: (B, 2, 2) of the object's map, both handles exact.
        turns_away: (B,) bool, whether it is likelier than all else that the object turns away from the camera, or that
            no map of the handles makes sense.
    """

    matrix: torch.Tensor
    turns_away: torch.Tensor


def change_of(element: torch.Tensor, handles: torch.Tensor, targets: torch.Tensor) -> Change:
    """The likeliest change of an object that two handles drag.

    Args:
        element: (B, H, W) in 0..1, the object.
        handles, targets: (B, 2, 2) px, (x, y); an anchor's are the same.
    """
    foot, size = _standing(element)
    between, after = handles[:, 1] - handles[:, 0], targets[:, 1] - targets[:, 0]
    # Handles far off the object, or an empty one: sizes are told by the handles.
    size = torch.maximum(size, 0.5 * torch.linalg.vector_norm(between, dim=-1)).clamp_min(1)
    size = size[:, None, None]
    matrix, away = _likeliest((handles - foot[:, None]) / size, (targets - foot[:, None]) / size)
    square = (between**2).sum(-1).clamp_min(1e-6)
    rest = after - torch.einsum("bij,bj->bi", matrix, between)
    exact = matrix + rest[:, :, None] * between[:, None] / square[:, None, None]
    # What would turn it over or leave little of it can't be meant.
    meant = _fine(exact)
    plain = similarity(0.5 * torch.stack([-between, between], 1), 0.5 * torch.stack([-after, after], 1))
    return Change(torch.where(meant[:, None, None], exact, plain), away | ~meant)


def disagree(handles: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """(B,) bool: whether no similarity explains drags (B, n, 2), n of at least 3: they move nothing as one piece."""
    origin, image = handles.mean(1, keepdim=True), targets.mean(1, keepdim=True)
    matrix = similarity(handles - origin, targets - image)
    placed = image + torch.einsum("bij,bnj->bni", matrix, handles - origin)
    left, ways = ((one**2).sum((1, 2)) for one in (targets - placed, targets - handles))
    return left > UNLIKE**2 * ways


def _standing(element: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(B, 2) where an object stands, px, and (B,) its size, the root of its box's area."""
    ends = []
    for along in (-1, -2):
        there = (element > 0.5).any(along).float()
        length = there.shape[-1]
        first = length - (there * torch.arange(length, 0, -1, device=there.device)).amax(-1)
        last = (there * torch.arange(1, length + 1, device=there.device)).amax(-1)
        ends.append((torch.minimum(first, last), last))
    (top, bottom), (left, right) = ends
    foot = torch.stack([(left + right) / 2, bottom - FOOT * (bottom - top)], -1)
    return foot, ((bottom - top) * (right - left)).sqrt()


def _likeliest(places: torch.Tensor, ends: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(B, 2, 2) of the likeliest model but turning away, and (B,) whether that is likelier than all others together.

    Args:
        places, ends: (B, 2, 2) handles and targets from the foot, in sizes.
    """
    spread, often = _table(places.device)
    between, after = places[:, 1] - places[:, 0], ends[:, 1] - ends[:, 0]
    angle = _angle(between, after)
    turned = torch.einsum("bij,bnj->bni", _turn(angle), places)
    own = torch.stack([turned] * 2 + [places] * (len(often) - 2), 1)
    ways = (ends[:, None] - own).flatten(2)
    x, y = own.unbind(-1)
    one, none = torch.ones_like(x), torch.zeros_like(x)
    across = torch.stack([x, none, y, none, x, -y, one, none], -1)
    down = torch.stack([none, x, none, y, y, x, none, one], -1)
    design = torch.stack([across, down], 3).flatten(2, 3)
    covariance = torch.einsum("bmik,mk,bmjk->bmij", design, spread**2, design)
    covariance = covariance + NOISE**2 * torch.eye(4, device=places.device)
    weights, determinant = _solved(covariance, ways)
    evidence = often.log() - 0.5 * (weights * ways).sum(-1) - 0.5 * determinant.log()
    # Of a turn, the angle's own chance, and how narrowly the handles tell it (Laplace's approximation).
    told = math.sqrt(2) * NOISE / torch.linalg.vector_norm(between, dim=-1).clamp_min(NOISE)
    turning = (told / TURN).log() - 0.5 * (angle / TURN) ** 2
    evidence = torch.cat([evidence[:, :2] + turning[:, None], evidence[:, 2:]], 1)
    away = evidence.softmax(-1)[:, -2:].sum(-1) > 0.5
    entries = spread**2 * torch.einsum("bmik,bmi->bmk", design, weights)
    chosen = evidence[:, :-2].argmax(-1)
    xx, yx, xy, yy, both, small = entries.gather(1, chosen[:, None, None].expand(-1, 1, 8))[:, 0, :6].unbind(-1)
    rows = [torch.stack([1 + xx + both, xy - small], -1), torch.stack([yx + small, 1 + yy + both], -1)]
    return torch.stack(rows, 1) @ _turn(torch.where(chosen < 2, angle, torch.zeros_like(angle))), away


def _table(device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """(M, 8) standard deviations and (M,) frequencies of the models, each standing and carried, in their order."""
    rows = [
        ((*spread, foot, foot), often * share)
        for spread, often in _MODELS.values()
        for foot, share in (STANDS, CARRIED)
    ]
    spread, often = zip(*rows, strict=True)
    return torch.tensor(spread, device=device), torch.tensor(often, device=device)


def _solved(matrix: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Solution (..., n) and determinant (...) of a positive definite system (..., n, n): elimination, no waiting."""
    size = matrix.shape[-1]
    rows = [torch.cat([matrix[..., i, :], values[..., i, None]], -1) for i in range(size)]
    determinant = torch.ones_like(values[..., 0])
    for i in range(size):
        pivot = rows[i][..., i].clamp_min(1e-12)
        determinant = determinant * pivot
        rows[i] = rows[i] / pivot[..., None]
        rows = [row if j == i else row - row[..., i, None] * rows[i] for j, row in enumerate(rows)]
    return torch.stack([row[..., -1] for row in rows], -1), determinant


def _fine(matrix: torch.Tensor) -> torch.Tensor:
    """(B,) whether a matrix (B, 2, 2) neither turns an object over nor scales it by more than ``MOST``."""
    (a, b), (c, d) = (row.unbind(-1) for row in matrix.unbind(1))
    return (a * d - b * c > 1 / MOST) & ((matrix**2).sum((1, 2)) < 2 * MOST**2)


def turned_by(between: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """(B, 2, 2): a turn, and a stretch along the line alone, that takes one line (B, 2) to another (B, 2)."""
    before = torch.linalg.vector_norm(between, dim=-1).clamp_min(1e-3)
    longer = (torch.linalg.vector_norm(after, dim=-1) / before).clamp(1 / MOST, MOST)
    line = between / before[:, None]
    stretch = (longer - 1)[:, None, None] * line[:, :, None] * line[:, None]
    return _turn(_angle(between, after)) @ (torch.eye(2, device=line.device) + stretch)


def _angle(between: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """(B,) radians from one line (B, 2) to another."""
    across = between[:, 0] * after[:, 1] - between[:, 1] * after[:, 0]
    return torch.atan2(across, (between * after).sum(-1))


def _turn(angle: torch.Tensor) -> torch.Tensor:
    """(B, 2, 2) by angles (B,)."""
    cosine, sine = angle.cos(), angle.sin()
    return torch.stack([torch.stack([cosine, -sine], -1), torch.stack([sine, cosine], -1)], 1)
