"""Random walks over the pieces of a picture, along its attention and within its edges.

A walker goes from piece p to q in proportion to

    w[p, q] = a[p, q] + ``LOCAL`` c[p, q],    a = area[p] area[q] S[p, q]^``POWER``,

S the symmetrised self-attention, every row scaled to a mean of 1, and c what two neighbours share in border, less the
more their colours differ. At the picture's border it may leave for good. The chance that a walker from p comes to h
before it leaves is G[h, p] / G[h, h], G the inverse of the walk's Laplacian: the method's A[h, p] / A[h, h] with
all ways from h to p in the place of the direct one (random walker segmentation: Grady 2006; attention as a walk: M2N2,
CVPR 2025). One factorisation serves all handles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from scipy import sparse

from ..space.grid import Grid
from .superpixels import Superpixels

POWER = 3.0
"""Attention is blurred: many weak ways to foreign things would outweigh the few strong ones to its own."""

LEAVING = 0.05
"""Chance to leave at the picture's border, in units of the mean weight of a piece."""
LOST = 0.002
"""The same anywhere."""

MOST_TOKENS = 1024
LEAST_TOKENS = 128
"""Token grids that are read: finer ones are pooled, coarser ones tell little of a single thing."""


@dataclass(frozen=True, eq=False)
class Relations:
    """How the pieces of one picture belong together, (N, N) float32 each.

    Attributes:
        related: S, about 1 in the mean.
        attention: a, of a mean sum of 1 over each row; 0 on the diagonal.
        colour: c, likewise at most.
    """

    related: torch.Tensor
    attention: torch.Tensor
    colour: torch.Tensor


def relations(maps: Mapping[tuple[int, int], torch.Tensor], grid: Grid, pieces: Superpixels) -> Relations:
    """From the attention maps of one picture, token grid -> (n, n)."""
    every = {size: attention for size, attention in maps.items() if size[0] * size[1] >= LEAST_TOKENS} or maps
    total = pieces.area.new_zeros(pieces.count, pieces.count)
    for size, attention in sorted(every.items()):
        size, attention = _pooled(size, attention, pieces.area)
        attention = attention / attention.mean(-1, keepdim=True).clamp_min(1e-12)
        total = total + _between(_tokens(size, grid, pieces), attention)
    return related_by((total + total.T) / (2 * len(every)), pieces)


def related_by(related: torch.Tensor, pieces: Superpixels) -> Relations:
    """From symmetrised attention (N, N) between pieces, about 1 in the mean."""
    return Relations(related, _attention(related, pieces), _colour(pieces))


def reached(related: Relations, pieces: Superpixels, seeds: torch.Tensor, local: float) -> torch.Tensor:
    """Chance (K, N) that a walker from each piece comes to each of the pieces ``seeds`` (K,) long, before it leaves.

    ``local`` is how much neighbours of like colour count against attention.
    """
    weights = related.attention + local * related.colour
    border = pieces.border / (pieces.border.sum() / (pieces.border > 0).sum())
    leaving = LEAVING * border + LOST * pieces.area / pieces.area.mean()
    laplacian = torch.diag(weights.sum(-1) + leaving + 1e-6) - weights
    factor, _ = torch.linalg.cholesky_ex(laplacian)
    own = (seeds[:, None] == torch.arange(pieces.count, device=seeds.device)).to(laplacian)
    ways = torch.cholesky_solve(own.T, factor).T
    return (ways / (ways * own).sum(-1, keepdim=True)).clamp(1e-9, 1)


def _pooled(size: tuple[int, int], attention: torch.Tensor, like: torch.Tensor) -> tuple[tuple[int, int], torch.Tensor]:
    """A map (n, n) of at most ``MOST_TOKENS`` tokens, squares of tokens as one, as ``like`` is in type and device."""
    while size[0] * size[1] > MOST_TOKENS and min(size) > 1:
        height, width = ((side + 1) // 2 for side in size)
        # The rows of four tokens are summed before anything is converted: a fine map is large.
        rows = attention.view(*size, -1)
        if (2 * height, 2 * width) != size:
            rows = _repeated(rows, 2 * height, 2 * width)
        rows = rows.view(height, 2, width, 2, -1)
        first, second = (rows[:, one, :, 0].to(like) + rows[:, one, :, 1].to(like) for one in (0, 1))
        columns = (first + second).view(-1, 1, *size)
        attention = F.avg_pool2d(columns, 2, ceil_mode=True, count_include_pad=False).flatten(1) / 4
        size = (height, width)
    return size, attention.to(like)


def _repeated(rows: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """(height, width, n): the last row and column of tokens stand for those that an odd grid lacks."""
    rows = torch.cat([rows, rows[-1:]][: 1 + height - rows.shape[0]])
    return torch.cat([rows, rows[:, -1:]][: 1 + width - rows.shape[1]], 1)


def _tokens(size: tuple[int, int], grid: Grid, pieces: Superpixels) -> torch.Tensor:
    """(N, n) share of each token in each piece, bilinear between tokens' centres; rows sum to 1."""
    height, width = pieces.labels.shape
    device, tokens = pieces.labels.device, size[0] * size[1]
    sides = []
    for pixels, length, offset, cells, count in (
        (height, grid.image_height, grid.offset_y, grid.latent_height, size[0]),
        (width, grid.image_width, grid.offset_x, grid.latent_width, size[1]),
    ):
        place = (torch.arange(pixels, device=device) + 0.5) * length / pixels
        place = ((place - offset) / grid.cell * count / cells - 0.5).clamp(0, count - 1)
        low = place.floor().clamp(max=max(count - 2, 0))
        sides.append((low.long(), (low.long() + 1).clamp(max=count - 1), place - low))
    (top, bottom, down), (left, right, along) = sides
    shares = torch.zeros(pieces.count * tokens, device=device)
    for row, share_y in ((top, 1 - down), (bottom, down)):
        for column, share_x in ((left, 1 - along), (right, along)):
            token = row[:, None] * size[1] + column
            shares.index_add_(0, (pieces.labels * tokens + token).flatten(), (share_y[:, None] * share_x).flatten())
    return shares.view(pieces.count, tokens) / pieces.area.clamp_min(1)[:, None]


def _between(shares: torch.Tensor, attention: torch.Tensor) -> torch.Tensor:
    """(N, N) the attention (n, n) of pieces' tokens, by their shares (N, n): shares @ attention @ shares.T.

    A piece has a dozen tokens of a thousand: on the host the others are passed over, in a third of the time.
    """
    if shares.device.type != "cpu":
        return shares @ attention @ shares.T
    few = sparse.csr_array(shares.numpy())
    half = few @ attention.numpy()
    return torch.from_numpy((few @ half.T).T)


def _attention(related: torch.Tensor, pieces: Superpixels) -> torch.Tensor:
    area = pieces.area / pieces.area.mean()
    ways = related.clamp_min(0) ** POWER * area[:, None] * area
    ways = ways - torch.diag(ways.diagonal())
    return ways / ways.sum(-1).mean().clamp_min(1e-12)


def _colour(pieces: Superpixels) -> torch.Tensor:
    """Border shared, less with the difference of the two pieces' colours and of their pixels at it."""
    apart = pieces.apart
    touching = (pieces.shared > 0).float()
    pairs = touching.sum().clamp_min(1)
    typical = (apart * touching).sum() / pairs, (pieces.step * touching).sum() / pairs
    alike = (-apart / (2 * typical[0]).clamp_min(1e-6) - pieces.step / (2 * typical[1]).clamp_min(1e-6)).exp()
    return pieces.shared * alike / pieces.shared.sum(-1).mean().clamp_min(1e-12)
