"""The three grids of one edit, and every conversion between them.

- *Image pixels*: what the user sees, (height, width).
- *Latent cells*: what the U-Net works on; a cell covers ``cell`` x ``cell`` pixels (8 for Stable Diffusion).
- *Attention tokens*: what one self-attention layer works on; cells pooled 1, 2, 4 or 8 times, rounded up.

An image whose sides are no multiples of ``cell`` is padded at the right and the bottom (``pad_image``) and
cropped back exactly (``crop_image``). ComfyUI's own VAE Encode crops such an image round its centre instead;
``Grid.between`` recognises both, so latents of either kind keep their place under the picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from ..errors import InputError
from ..planes.warp import coordinates
from .points import DragPair, Point

CELL = 8

LEAST_REACH = 0.75
"""Cells that a radius reaches at least: the handle's own cell always moves with it."""


@dataclass(frozen=True)
class Grid:
    """Where the latent's cells lie over the image.

    Attributes:
        image_height, image_width: the image, pixels.
        latent_height, latent_width: the latent, cells.
        offset_y, offset_x: pixel of the image at which cell (0, 0) begins; above 0 when the latent was cropped.
        cell: pixels a cell covers along one side.
    """

    image_height: int
    image_width: int
    latent_height: int
    latent_width: int
    offset_y: int = 0
    offset_x: int = 0
    cell: int = CELL

    @classmethod
    def padded(cls, image_height: int, image_width: int, cell: int = CELL) -> Grid:
        """The grid of an image that is padded to whole cells."""
        return cls(
            image_height,
            image_width,
            math.ceil(image_height / cell),
            math.ceil(image_width / cell),
            cell=cell,
        )

    @classmethod
    def between(
        cls,
        image_size: tuple[int, int],
        latent_size: tuple[int, int],
        cell: int = CELL,
        input: str = "points",
    ) -> Grid:
        """The grid of an image (height, width) and the latent (height, width) made of it.

        Raises:
            InputError: the latent is neither the padded nor the centre-cropped image's.
        """
        offsets = []
        for image, latent in zip(image_size, latent_size, strict=True):
            if math.ceil(image / cell) == latent:
                offsets.append(0)
            elif image // cell == latent:
                offsets.append(image % cell // 2)
            else:
                raise InputError(
                    input,
                    f"set on an image of {image_size[1]}x{image_size[0]} px, but the inverted latent covers "
                    f"{latent_size[1] * cell}x{latent_size[0] * cell} px.",
                    "Link the image that was encoded and inverted.",
                )
        (height, width), (rows, columns), (top, left) = image_size, latent_size, offsets
        return cls(height, width, rows, columns, top, left, cell)

    @property
    def latent_size(self) -> tuple[int, int]:
        """(height, width) of the latent in cells."""
        return self.latent_height, self.latent_width

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) of the image in pixels."""
        return self.image_height, self.image_width

    @property
    def covered_size(self) -> tuple[int, int]:
        """(height, width) in pixels of what the latent decodes to."""
        return self.latent_height * self.cell, self.latent_width * self.cell

    # ---- points

    def to_cells(self, point: Point) -> tuple[float, float]:
        """A normalised image point (x, y) in cells (x, y); cell i spans i to i + 1, so its centre is i + 0.5."""
        x = (point[0] * self.image_width - self.offset_x) / self.cell
        y = (point[1] * self.image_height - self.offset_y) / self.cell
        return x, y

    def displacement(self, pair: DragPair) -> tuple[float, float]:
        """Target minus handle in cells, (dx, dy)."""
        (x0, y0), (x1, y1) = self.to_cells(pair.handle), self.to_cells(pair.target)
        return x1 - x0, y1 - y0

    def radius_in_cells(self, radius: float) -> float:
        """A radius given as a share of the image's shorter side, in cells."""
        return radius * min(self.image_height, self.image_width) / self.cell

    def cell_centres(self, device: torch.device | str = "cpu") -> tuple[torch.Tensor, torch.Tensor]:
        """(y, x) of every cell's centre in cells, each (latent_height, latent_width) float32."""
        y, x = coordinates(*self.latent_size, device)
        return y + 0.5, x + 0.5

    def pixel_centres_in_cells(self, device: torch.device | str = "cpu") -> tuple[torch.Tensor, torch.Tensor]:
        """(y, x) in cells of every image pixel's centre, each (image_height, image_width) float32."""
        y, x = coordinates(*self.image_size, device)
        return (y + 0.5 - self.offset_y) / self.cell, (x + 0.5 - self.offset_x) / self.cell

    def pixel_at(self, point: Point) -> tuple[int, int]:
        """(y, x) of the pixel that a normalised image point lies in."""
        y = min(int(point[1] * self.image_height), self.image_height - 1)
        x = min(int(point[0] * self.image_width), self.image_width - 1)
        return y, x

    def reach(self, pair: DragPair, pixels: bool = False) -> torch.Tensor:
        """Float32 on the CPU, 1 where a centre lies within the pair's radius, 0 beyond; all 1 without a radius.

        Of cells, (latent_height, latent_width), or of the image's pixels, (image_height, image_width).
        """
        y, x = self.pixel_centres_in_cells() if pixels else self.cell_centres()
        if pair.radius is None:
            return torch.ones_like(y)
        handle_x, handle_y = self.to_cells(pair.handle)
        distance = torch.hypot(x - handle_x, y - handle_y)
        return (distance <= max(self.radius_in_cells(pair.radius), LEAST_REACH)).float()

    # ---- fields

    def image_mask_to_cells(self, mask: torch.Tensor) -> torch.Tensor:
        """A mask at image size (B, H, W) as the share of each cell that it covers, (B, h, w)."""
        covered = self._cover(mask[:, None].float())
        return F.avg_pool2d(covered, self.cell)[:, 0]

    def cells_to_image_mask(self, cells: torch.Tensor) -> torch.Tensor:
        """A field on cells (B, h, w) at image size (B, H, W), bilinear between the cells' centres."""
        return self._uncover(
            F.interpolate(cells[:, None].float(), size=self.covered_size, mode="bilinear", align_corners=False)
        )[:, 0]

    def spread_cells(self, cells: torch.Tensor) -> torch.Tensor:
        """A field on cells (B, h, w) at image size (B, H, W), each pixel with its own cell's value."""
        return self._uncover(F.interpolate(cells[:, None].float(), size=self.covered_size, mode="nearest"))[:, 0]

    def crop_image(self, image: torch.Tensor) -> torch.Tensor:
        """A decoded image (B, covered_height, covered_width, C) at the source's size (B, H, W, C).

        A margin that the latent does not cover (centre-cropped latents) repeats the border.
        """
        return self._uncover(image.movedim(-1, 1)).movedim(1, -1)

    def pad_image(self, image: torch.Tensor) -> torch.Tensor:
        """An image (B, H, W, C) as what the latent covers, (B, covered_height, covered_width, C), borders repeated."""
        return self._cover(image.movedim(-1, 1)).movedim(1, -1)

    def _cover(self, planes: torch.Tensor) -> torch.Tensor:
        height, width = self.covered_size
        planes = planes[..., self.offset_y : self.offset_y + height, self.offset_x : self.offset_x + width]
        return _extend(planes, 0, height - planes.shape[-2], 0, width - planes.shape[-1])

    def _uncover(self, planes: torch.Tensor) -> torch.Tensor:
        bottom = self.image_height - self.offset_y - planes.shape[-2]
        right = self.image_width - self.offset_x - planes.shape[-1]
        planes = _extend(planes, self.offset_y, max(bottom, 0), self.offset_x, max(right, 0))
        return planes[..., : self.image_height, : self.image_width]


def check_image(image: torch.Tensor, input: str = "image") -> None:
    """Raises an ``InputError`` unless ``image`` is a finite batch (B, H, W, 3) that isn't empty."""
    if image.ndim != 4 or image.shape[-1] != 3 or 0 in image.shape:
        raise InputError(input, f"shape {tuple(image.shape)}.", "Use an RGB image (no alpha channel).")
    if not all_finite(image):
        raise InputError(input, "it holds NaN or infinite values.", "Check the node that made it.")


def all_finite(values: torch.Tensor) -> bool:
    """Whether none of the values is NaN or infinite."""
    if values.device.type != "cpu" or not values.numel():
        return bool(torch.isfinite(values).all())
    # Both ends hand NaN on; on a large picture a tenth of the time that a mask of it takes, and none of its memory.
    return bool(torch.isfinite(torch.stack(values.aminmax())).all())


def token_grid(latent_size: tuple[int, int], tokens: int) -> tuple[int, int] | None:
    """(height, width) of a layer's token grid from its number of tokens, or None if no pooling of the latent fits.

    The U-Net halves its grid with stride-2 convolutions, which round up.
    """
    height, width = latent_size
    for _ in range(8):
        if height * width == tokens:
            return height, width
        height, width = math.ceil(height / 2), math.ceil(width / 2)
    return None


def _extend(planes: torch.Tensor, top: int, bottom: int, left: int, right: int) -> torch.Tensor:
    if not (top or bottom or left or right):
        return planes
    return F.pad(planes, (left, right, top, bottom), mode="replicate")
