"""Drags, anchors and clicks drawn over a picture, with the marks of the picker (web/picker/mark.js, clickmark.js)."""

from __future__ import annotations

import math

import numpy as np
import torch
from PIL import Image, ImageDraw

from ..core.space.drags import Click, DragPair, DragPoints

PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#FFFFFF")
"""Okabe and Ito's colours, told apart by colour-blind eyes (jfly.uni-koeln.de/color)."""

Place = tuple[float, float]

# Lengths of a wave's half and of its bow, in units of the marks.
_HALF_WAVE = 1.6
_BOW = 0.8

# From one dash to the next.
_DASH = 2.4


def draw_arrows(image: torch.Tensor, points: DragPoints) -> torch.Tensor:
    """Drags as numbered arrows, anchors as squares and clicks as plus and minus over (B, H, W, 3) in 0..1.

    Returns the same shape on the CPU.
    """
    pictures = []
    for picture in image.cpu():
        canvas = Image.fromarray((picture.clamp(0, 1) * 255).round().byte().numpy(), "RGB")
        _Pen(canvas).points(points)
        pictures.append(torch.from_numpy(np.asarray(canvas).copy()).float() / 255)
    return torch.stack(pictures)


class _Pen:
    """Draws on one picture. All lengths are in ``unit``, about a hundredth of the shorter side."""

    def __init__(self, canvas: Image.Image) -> None:
        self.width, self.height = canvas.size
        self.unit = max(2.0, min(canvas.size) / 100)
        self.draw = ImageDraw.Draw(canvas)

    def points(self, points: DragPoints) -> None:
        for index, pair in enumerate(points.pairs):
            fill = PALETTE[index % len(PALETTE)]
            if pair.radius is not None:
                self._ring(self._at(pair.handle), pair.radius * min(self.width, self.height), fill)
            if pair.is_anchor:
                self._anchor(self._at(pair.handle), fill)
            else:
                self._arrow(pair, fill)
            number = str(index + 1) if pair.size == 0 else f"{index + 1} {pair.size:+d}"
            self._number(self._at(pair.handle), number, pair.group, fill)
        for index, click in enumerate(points.clicks):
            self._click(click)
            self._number(self._at(click.at), str(index + 1), click.group, "white")

    def _at(self, point: Place) -> Place:
        return point[0] * self.width, point[1] * self.height

    def _arrow(self, pair: DragPair, fill: str) -> None:
        start, end = self._at(pair.handle), self._at(pair.target)
        for pen, line, head in (("black", 1.2, 4.6), (fill, 0.6, 4.0)):
            for shaft in self._shafts(start, end, pair.motion):
                self.draw.line(shaft, fill=pen, width=max(1, round(line * self.unit)), joint="curve")
            self._head(start, end, head * self.unit, pen)
        radius = 2 * self.unit
        self.draw.ellipse([start[0] - radius, start[1] - radius, start[0] + radius, start[1] + radius], fill, "black")

    def _shafts(self, start: Place, end: Place, motion: str | None) -> list[list[Place]]:
        """One line, two of a "move", a wave of a "reshape", dashes of a "push": up to where the head begins."""
        length = math.dist(start, end)
        along = (end[0] - start[0]) / length, (end[1] - start[1]) / length
        reach = max(0.0, length - 2 * self.unit)

        def at(way: float, across: float) -> Place:
            return start[0] + way * along[0] - across * along[1], start[1] + way * along[1] + across * along[0]

        if motion == "move":
            return [[at(0, across), at(reach, across)] for across in (-0.9 * self.unit, 0.9 * self.unit)]
        if motion == "reshape":
            bows = max(1, round(reach / (_HALF_WAVE * self.unit)))
            steps = 8 * bows
            bow = _BOW * self.unit
            return [[at(reach * n / steps, bow * math.sin(math.pi * bows * n / steps)) for n in range(steps + 1)]]
        if motion == "push":
            count = max(1, round(reach / (_DASH * self.unit)))
            step = reach / count
            return [[at(step * n, 0), at(step * (n + 0.6), 0)] for n in range(count)]
        return [[start, at(reach, 0)]]

    def _head(self, start: Place, end: Place, size: float, fill: str) -> None:
        length = math.dist(start, end)
        size = min(size, length)
        dx, dy = (end[0] - start[0]) / length, (end[1] - start[1]) / length
        base = (end[0] - dx * size, end[1] - dy * size)
        side = (-dy * size / 2, dx * size / 2)
        corners = [end, (base[0] + side[0], base[1] + side[1]), (base[0] - side[0], base[1] - side[1])]
        self.draw.polygon(corners, fill=fill)

    def _anchor(self, at: Place, fill: str) -> None:
        for half, inside, line, pen in ((3.2, None, 1.2, "black"), (3.0, None, 0.6, fill), (1.8, fill, 0.3, "black")):
            reach = half * self.unit
            box = [at[0] - reach, at[1] - reach, at[0] + reach, at[1] + reach]
            self.draw.rectangle(box, inside, pen, max(1, round(line * self.unit)))

    def _ring(self, at: Place, radius: float, fill: str) -> None:
        self.draw.ellipse([at[0] - radius, at[1] - radius, at[0] + radius, at[1] + radius], outline=fill)

    def _click(self, click: Click) -> None:
        """A white disc with a plus, or a black diamond with a minus."""
        x, y = self._at(click.at)
        adds = click.kind == "add"
        ground, sign = ("white", "black") if adds else ("black", "white")
        for reach, fill in ((2.4, sign), (2.0, ground)):
            if adds:
                r = reach * self.unit
                self.draw.ellipse([x - r, y - r, x + r, y + r], fill=fill)
            else:
                r = 1.25 * reach * self.unit
                self.draw.polygon([(x, y - r), (x + r, y), (x, y + r), (x - r, y)], fill=fill)
        half, line = 1.1 * self.unit, max(1, round(0.6 * self.unit))
        self.draw.line([(x - half, y), (x + half, y)], fill=sign, width=line)
        if adds:
            self.draw.line([(x, y - half), (x, y + half)], fill=sign, width=line)

    def _number(self, at: Place, number: str, group: int | None, fill: str) -> None:
        self.draw.text(
            (at[0] + 2.5 * self.unit, at[1] - 2.5 * self.unit),
            number if group is None else f"{number} G{group}",
            fill=fill,
            anchor="lb",
            stroke_width=max(1, round(self.unit / 3)),
            stroke_fill="black",
            font_size=max(10, round(5 * self.unit)),
        )
