"""Pictures larger than the model's own size, edited in a window: ``python -m benchmarks.large CUTOUTS PHOTOGRAPHS``.

Scenes are made here: an object cut out (a PNG with alpha, ``tools.scenes``) at two places of a photograph of ``--size``
px, so that the true edit is known. Printed as JSON:

- ``quality``: peak signal-to-noise ratios in dB on what moved (the object's alpha above a half where it arrives) and
  on all that changes in the truth, of the window's edit (``window``), and of the whole picture edited at the
  model's size and scaled up by Lanczos (``small``), each with the object's mask given and the outside the source's own.
- ``border``: mean absolute error within 16 px of the borders of the window, and that of the source there; the same
  where the truth is the source and the edit leaves no frame.
- ``beyond``: seconds of CPU of an edit without a mask beyond those of evaluations and autoencoder, by side in px.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from core.edit import edit
from core.families import DEMO
from core.hosts.direct import DirectHost
from core.space.points import DragPoints, make_points
from core.window.plan import Window
from core.windowed import WindowedResult, edit_anywhere

from . import model

BORDER = 16


class Timed:
    """Something whose calls of some names are timed; CPU seconds."""

    def __init__(self, inner: Any, *names: str):
        self._inner, self._names = inner, names
        self.seconds = 0.0

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        if name not in self._names:
            return value

        def timed(*given: Any, **more: Any) -> Any:
            begun = time.process_time()
            try:
                return value(*given, **more)
            finally:
                self.seconds += time.process_time() - begun

        return timed


class Scene:
    """An object that goes from one place of a photograph to another."""

    def __init__(self, cutout: Path, photograph: Path, size: int, seed: int, share: float = 0.34):
        chosen = random.Random(seed)
        ground = Image.open(photograph).convert("RGB")
        side = min(ground.size)
        left, top = ((length - side) // 2 for length in ground.size)
        ground = ground.crop((left, top, left + side, top + side)).resize((size, size), Image.Resampling.LANCZOS)
        thing = Image.open(cutout).convert("RGBA")
        scale = share * size / max(thing.size)
        thing = thing.resize(tuple(round(length * scale) for length in thing.size), Image.Resampling.LANCZOS)
        width, height = thing.size
        x, y = chosen.randrange(size // 16, size // 4), chosen.randrange(size // 16, size - height - size // 16)
        far = chosen.uniform(0.25, 0.45) * size
        dx, dy = round(far), round(chosen.uniform(-0.1, 0.1) * size)
        dy = min(max(dy, -y), size - height - y)
        dx = min(dx, size - width - x)
        self.source, self.mask = _pasted(ground, thing, x, y)
        self.truth, self.arrived = _pasted(ground, thing, x + dx, y + dy)
        handle = self._handle(thing, x, y)
        ends = (handle, (handle[0] + dx, handle[1] + dy))
        first, last = ((px / size, py / size) for px, py in ends)
        self.points: DragPoints = make_points([(first, last)])

    @staticmethod
    def _handle(thing: Image.Image, x: int, y: int) -> tuple[float, float]:
        rows, columns = np.nonzero(np.asarray(thing)[..., 3] > 127)
        nearest = np.hypot(columns - columns.mean(), rows - rows.mean()).argmin()
        return x + columns[nearest] + 0.5, y + rows[nearest] + 0.5


def _pasted(ground: Image.Image, thing: Image.Image, x: int, y: int) -> tuple[torch.Tensor, torch.Tensor]:
    picture, alpha = ground.copy(), Image.new("L", ground.size)
    picture.paste(thing, (x, y), thing)
    alpha.paste(thing.getchannel("A"), (x, y))
    return tensor(picture), tensor(alpha)


def tensor(image: Image.Image) -> torch.Tensor:
    """(1, H, W, ...) float in 0..1."""
    return torch.from_numpy(np.asarray(image).copy())[None].float() / 255


def resized(image: torch.Tensor, size: int) -> torch.Tensor:
    """A picture (1, H, W, 3) or mask (1, H, W) at another size, by Lanczos in 8 bit."""
    picture = Image.fromarray((image[0].clamp(0, 1) * 255).round().byte().numpy())
    return tensor(picture.resize((size, size), Image.Resampling.LANCZOS))


def psnr(one: torch.Tensor, other: torch.Tensor, where: torch.Tensor) -> float:
    """In dB, over the pixels (1, H, W) bool."""
    return float(-10 * ((one - other) ** 2).mean(-1)[where].mean().log10())


def quality(host: DirectHost, scene: Scene, native: int) -> dict[str, Any]:
    """Of one scene."""
    size = scene.source.shape[1]
    result = edit_anywhere(host, scene.source, scene.points, native, mask=scene.mask)
    assert isinstance(result, WindowedResult)
    small = edit(host, resized(scene.source, native), scene.points, mask=resized(scene.mask, native))
    shown = resized(small.shown, size)[..., None]
    enlarged = scene.source + shown * (resized(small.image, size) - scene.source)
    moved = scene.arrived > 0.5
    changes = (scene.truth - scene.source).abs().amax(-1) > 2 / 255
    ring = near_border(result.window)[None]
    told: dict[str, Any] = {"scale": result.window.scale}
    for name, picture in (("window", result.image), ("small", enlarged)):
        told[name] = {"moved": psnr(picture, scene.truth, moved), "changes": psnr(picture, scene.truth, changes)}
    if ring.any():
        error, own = ((one - scene.truth).abs().mean(-1)[ring].mean() for one in (result.image, scene.source))
        told["border"] = [float(error), float(own)]
    return told


def near_border(window: Window) -> torch.Tensor:
    """(H, W) bool: within ``BORDER`` px of the window's border inside the picture, to its inside."""
    height, width = window.picture
    y, x = torch.arange(height)[:, None], torch.arange(width)
    inside = (
        (y >= window.top) & (y < window.top + window.height) & (x >= window.left) & (x < window.left + window.width)
    )
    sides = []
    if window.top > 0:
        sides.append(y - window.top < BORDER)
    if window.top + window.height < height:
        sides.append(window.top + window.height - y <= BORDER)
    if window.left > 0:
        sides.append(x - window.left < BORDER)
    if window.left + window.width < width:
        sides.append(window.left + window.width - x <= BORDER)
    near = torch.zeros(height, width, dtype=torch.bool)
    for side in sides:
        near |= inside & side
    return near


def beyond(host: DirectHost, scene: Scene, native: int) -> dict[str, float]:
    """CPU seconds of an edit beyond its evaluations and the autoencoder, and the process' peak memory so far."""
    denoiser, autoencoder = Timed(host.denoiser, "denoise"), Timed(host.autoencoder, "encode", "decode")
    timed = DirectHost(denoiser, autoencoder, host.sigma_of)
    begun = time.process_time()
    edit_anywhere(timed, scene.source, scene.points, native)
    taken = time.process_time() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    return {
        "seconds": taken - denoiser.seconds - autoencoder.seconds, "evaluations": denoiser.seconds,
        "autoencoder": autoencoder.seconds, "peak_gb": peak,
    }  # fmt: skip


def main() -> None:
    """Prints what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cutouts", type=Path, help="folder of PNG files with alpha")
    parser.add_argument("photographs", type=Path, help="folder of pictures, searched to its depths")
    parser.add_argument("--size", type=int, default=1024, help="px a side, default: %(default)s")
    parser.add_argument("--scenes", type=int, default=8, help="how many, default: %(default)s")
    parser.add_argument(
        "--share", type=float, default=0.34, help="of the picture's side that objects are long: a tenth of its area by "
        "default"
    )
    parser.add_argument("--sides", type=int, nargs="*", default=[512, 1024, 2048, 4096], help="to time, px a side")
    options = parser.parse_args()
    cutouts = sorted(options.cutouts.glob("*.png"))
    photographs = sorted(options.photographs.rglob("*.jpg"))
    host, native = model.load().host, DEMO.native_px
    rows = []
    for number in range(options.scenes):
        cutout, photograph = cutouts[number * 7 % len(cutouts)], photographs[number % len(photographs)]
        scene = Scene(cutout, photograph, options.size, number, options.share)
        rows.append(quality(host, scene, native))
        print(json.dumps(rows[-1]), flush=True)
    report: dict[str, Any] = {}
    if rows:
        report["quality"] = {
            f"{name} {part}": round(statistics.mean(row[name][part] for row in rows), 2)
            for name in ("window", "small") for part in ("moved", "changes")
        }  # fmt: skip
        report["better"] = round(statistics.mean(row["window"]["moved"] - row["small"]["moved"] for row in rows), 2)
        borders = [row["border"] for row in rows if "border" in row]
        report["border"] = [statistics.mean(row[at] for row in borders) for at in (0, 1)] if borders else None
        report["scale"] = round(statistics.mean(row["scale"] for row in rows), 3)
    for side in options.sides:
        scene = Scene(cutouts[0], photographs[0], side, 0)
        report[f"beyond {side}"] = {key: round(value, 2) for key, value in beyond(host, scene, native).items()}
        print(side, report[f"beyond {side}"], flush=True)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
