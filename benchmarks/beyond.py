"""What an edit of a large picture takes beyond the model's evaluations and its autoencoder.

    python -m benchmarks.beyond 1024x1024 8192x8192 8192x1024        # benchmarks.speed prints the table of squares

In seconds of the processor (all threads together), so that what else a machine does makes no difference, and in bytes
that the process' peak rises above what it held before, evaluations included.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.families import DEMO
from core.hosts.direct import DirectHost
from core.settings import EditSettings
from core.space.points import DragPoints, make_points
from core.windowed import edit_anywhere

from .arguments import add_model_arguments, load_model, set_threads
from .settings import override

SIDES = (512, 1024, 2048, 4096)
SHARE = 0.1
"""Of the picture's area that the thing has that is moved."""
WANTED = {"side": 4096, "seconds": 8.0, "bytes": 4 * 1024**3}


class Timed:
    """Something whose calls of some names are timed, in seconds of the processor."""

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


def drawn(height: int, width: int) -> tuple[torch.Tensor, DragPoints]:
    """A picture (1, height, width, 3) of a grainy ground with a disc of a tenth of its area, and the disc's drag."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 24, 24, generator=generator) * 0.4
    planes = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear")
    radius = min(math.sqrt(SHARE * height * width / math.pi), 0.45 * min(height, width))
    x, y = 0.3 * width, 0.5 * height
    rows, columns = np.ogrid[:height, :width]
    planes[:, :, torch.from_numpy(np.hypot(columns - x, rows - y) < radius)] = 0.7
    planes += torch.rand(1, 1, height, width, generator=generator) * 0.1
    # To the right, or to the middle where that is too narrow for it.
    target = (0.65, 0.55) if width >= height else (0.5, 0.5 + 0.3 * width / height)
    return planes.movedim(1, -1).contiguous(), make_points([((0.3, 0.5), target)])


def beyond(
    host: DirectHost,
    image: torch.Tensor,
    points: DragPoints,
    native_px: int = DEMO.native_px,
    settings: EditSettings | None = None,
) -> dict[str, Any]:
    """Of one edit, with its window taken by itself."""
    denoiser, autoencoder = Timed(host.denoiser, "denoise"), Timed(host.autoencoder, "encode", "decode")
    timed = DirectHost(denoiser, autoencoder, host.sigma_of)

    def run() -> tuple[float, Any]:
        begun = time.process_time()
        result = edit_anywhere(timed, image, points, native_px, settings=settings)
        return time.process_time() - begun, result

    (seconds, result), grown = peak_growth(run)
    window = getattr(result, "window", None)
    return {
        "image": [image.shape[2], image.shape[1]],
        "seconds": seconds - denoiser.seconds - autoencoder.seconds,
        "evaluations": denoiser.seconds,
        "autoencoder": autoencoder.seconds,
        "bytes": grown,
        "edited": None if window is None else [window.edited[1], window.edited[0]],
        "scale": None if window is None else window.scale,
    }


def table(
    host: DirectHost,
    sizes: Sequence[tuple[int, int]],
    native_px: int = DEMO.native_px,
    settings: EditSettings | None = None,
) -> dict[str, Any]:
    """One row for each size (height, width), after an edit that doesn't count; ``growing`` holds how many times the
    time and the pixels of the row before each row has."""
    edit_anywhere(host, *drawn(native_px, native_px), native_px, settings=settings)
    sizes = sorted(sizes, key=math.prod)
    rows = [beyond(host, *drawn(*size), native_px, settings) for size in sizes]
    growing = [
        [later["seconds"] / earlier["seconds"], math.prod(later["image"]) / math.prod(earlier["image"])]
        for earlier, later in zip(rows, rows[1:], strict=False)
    ]
    return {"rows": rows, "growing": growing, "wanted": judged(rows, growing)}


def judged(rows: Sequence[dict[str, Any]], growing: Sequence[Sequence[float]]) -> dict[str, Any]:
    """What is wanted of the table's largest picture, where it is there, and of how its time grows."""
    found: dict[str, Any] = {"no faster than the pixels": all(time <= pixels for time, pixels in growing)}
    for row in rows:
        if row["image"] == [WANTED["side"]] * 2:
            for name in ("seconds", "bytes"):
                met = row[name] is not None and row[name] <= WANTED[name]
                found[name] = {"at_most": WANTED[name], "is": row[name], "met": met}
    return found


def peak_growth(run: Callable[[], Any]) -> tuple[Any, int | None]:
    """The result, and how far the process' peak memory rises above what it held before, bytes.

    None where Linux' /proc isn't there.
    """
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    try:
        reset.write_text("5")
    except OSError:
        return run(), None
    before = _status(status, "VmRSS")
    result = run()
    return result, _status(status, "VmHWM") - before


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.beyond", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sizes", nargs="*", default=[f"{side}x{side}" for side in SIDES], metavar="WxH")
    add_model_arguments(parser)
    args = parser.parse_args(arguments)
    set_threads(args.threads)
    sizes = []
    for size in args.sizes:
        width, height = (int(side) for side in size.lower().split("x"))
        sizes.append((height, width))
    chosen = override(EditSettings(), args.settings)
    sys.stdout.write(json.dumps(table(load_model(args).host, sizes, settings=chosen), indent=1) + "\n")
    return 0


def _status(path: Path, name: str) -> int:
    for line in path.read_text("ascii").splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"{path} has no {name}")


if __name__ == "__main__":
    raise SystemExit(main())
