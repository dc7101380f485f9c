"""Speed and memory of one edit, printed as JSON: ``python -m benchmarks.speed``.

Everything is measured interleaved, since a machine's speed drifts: after every step of an edit one evaluation of the
bare U-Net (no hooks) is timed, and after every step of a captured inversion the same step of a plain one. The time of
these probes is taken out of what they interrupt. Figures are medians over ``--repeats``.

- ``phases``: seconds of encode, invert, correlate (with the mask), move, sample, decode, other (the composite and
  what is left).
- ``edit_ratio``: whole edit / (evaluations x one evaluation). By the mean of the probes, since a sum of times
  compares with a mean; ``edit_ratio_by_median`` takes their median.
- ``capture_overhead``: captured inversion / plain DDIM inversion - 1.
- ``memory``: bytes that the inversion keeps, the growth of the process' peak while capturing (Linux, else null), and
  what a naive capture would keep: dense N x N maps of every layer, head and step in the model's precision.
- ``region_and_field``: seconds of both for several pictures, objects and numbers of handles (``benchmarks.phases``).
- ``large``: seconds of the processor and memory of edits of large pictures in a window, beyond evaluations and
  autoencoder, one row a side in px (``benchmarks.beyond``).
- ``planned_512``: the default plan at 512 px with Stable Diffusion 1.5's layers, from ``core.capture.plan_footprint``.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.attention.plan import CapturePlan, plan_footprint
from core.diffusion import schedule
from core.diffusion.dragged import DraggedLatent
from core.diffusion.inversion import Inversion
from core.diffusion.repaint import Repainting
from core.diffusion.sampling import SampleSettings
from core.edit import EditResult, edit, find, move
from core.families import DEMO, Schedule
from core.hosts.direct import DirectHost
from core.model.layers import Layer
from core.model.protocols import OnStep
from core.settings import EditSettings
from core.space.grid import CELL, Grid
from core.space.points import DragPoints, make_points

from . import beyond, model, phases, settings
from .arguments import add_model_arguments, load_model, set_threads
from .scene import SceneError, load_scene, scene_folders

WANTED = {"edit_ratio": 1.10, "capture_overhead": 0.05, "planned_512_bytes": 1024**3}


class TimedHost:
    """A host whose parts are timed; seconds spent in ``probe`` don't count."""

    def __init__(self, host: DirectHost):
        self._host = host
        self.seconds = dict.fromkeys(("encode", "invert", "sample", "decode"), 0.0)
        self.probing = 0.0
        self.paints = host.paints

    def encode(self, image: torch.Tensor) -> torch.Tensor:
        return self._timed("encode", lambda: self._host.encode(image))

    def decode(self, latent: torch.Tensor) -> torch.Tensor:
        return self._timed("decode", lambda: self._host.decode(latent))

    def sigmas(self, steps: int, strength: float, schedule: Schedule = "full") -> torch.Tensor:
        return self._host.sigmas(steps, strength, schedule)

    def invert(
        self, latent: torch.Tensor, sigmas: torch.Tensor, plan: CapturePlan, refinements: int, on_step: OnStep | None,
        noise_mask: torch.Tensor | None = None,
    ) -> Inversion:
        return self._timed("invert", lambda: self._host.invert(latent, sigmas, plan, refinements, on_step, noise_mask))

    def sample(
        self, inversion: Inversion, x: torch.Tensor, dragged: DraggedLatent | None, free: torch.Tensor | None,
        settings: SampleSettings, on_step: OnStep | None, repainting: Repainting | None = None,
    ) -> torch.Tensor:
        return self._timed(
            "sample", lambda: self._host.sample(inversion, x, dragged, free, settings, on_step, repainting)
        )

    def _timed(self, name: str, run: Callable[[], Any]) -> Any:
        probing = self.probing
        seconds, result = clocked(run)
        self.seconds[name] += seconds - (self.probing - probing)
        return result


def clocked(run: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds and the result."""
    start = time.perf_counter()
    result = run()
    return time.perf_counter() - start, result


def timed_edit(
    loaded: model.Model, image: torch.Tensor, points: DragPoints, chosen: EditSettings
) -> tuple[dict[str, Any], EditResult]:
    """One edit with a bare evaluation after every step."""
    host = TimedHost(loaded.host)
    probes: list[float] = []

    def probe(done: int, x: torch.Tensor, denoised: torch.Tensor) -> None:
        before = time.perf_counter()
        probes.append(evaluation(loaded, x))
        host.probing += time.perf_counter() - before

    counted = loaded.evaluations
    whole, result = clocked(lambda: edit(host, image, points, chosen, on_step=probe))
    evaluations = loaded.evaluations - counted - len(probes)
    whole -= host.probing
    grid = result.movement.grid
    bound = points.on_image(*grid.image_size)
    finding, found = clocked(lambda: find(result.inversion, grid, bound, chosen, image))
    moved, _ = clocked(lambda: move(result.inversion, found, chosen))
    phases = {**host.seconds, "find": finding, "move": moved}
    phases["other"] = whole - sum(phases.values())
    return {"phases": phases, "edit": whole, "evaluations": evaluations, "probes": probes}, result


def evaluation(loaded: model.Model, x: torch.Tensor) -> float:
    """Seconds of one bare evaluation."""
    return clocked(lambda: loaded.host.denoiser.denoise(x.float(), 1.0))[0]


def capture_overhead(loaded: model.Model, image: torch.Tensor, chosen: EditSettings) -> tuple[float, float]:
    """Seconds of a captured inversion and of a plain one, step by step in turn."""
    host = loaded.host
    grid = Grid.padded(image.shape[1], image.shape[2], CELL)
    latent = host.encode(grid.pad_image(image))
    sigmas = host.sigmas(chosen.steps, chosen.strength)
    ascending = sigmas.flip(0).tolist()
    plain = [latent.float()]
    times: list[float] = []

    def plain_step(done: int, x: torch.Tensor, denoised: torch.Tensor) -> None:
        def run() -> None:
            level, above = ascending[done - 1], ascending[done]
            current = plain[0]
            guess = schedule.at_level(current, level, above)
            for attempt in range(chosen.refinements + 1):
                clean = host.denoiser.denoise(guess, above)
                if attempt == 0:
                    eps = schedule.first_epsilon(current, clean, level, above, host.denoiser.prediction)
                else:
                    eps = schedule.epsilon(guess, clean, above)
                guess = schedule.step(current, eps, level, above)
            plain[0] = guess

        times.append(clocked(run)[0])

    captured, _ = clocked(lambda: host.invert(latent, sigmas, chosen.capture, chosen.refinements, plain_step))
    return captured - sum(times), sum(times)


def memory(result: EditResult, loaded: model.Model, chosen: EditSettings, image: torch.Tensor) -> dict[str, Any]:
    """Bytes kept, the growth of the process' peak, and what a naive capture would keep."""
    inversion = result.inversion
    tokens = sum(
        tensor.numel() * tensor.element_size() for step in inversion.tokens or () for tensor in step.values()
    )
    host = loaded.host
    grid = result.movement.grid
    latent = host.encode(grid.pad_image(image))
    sigmas = host.sigmas(chosen.steps, chosen.strength)
    _, grown = beyond.peak_growth(lambda: host.invert(latent, sigmas, chosen.capture, chosen.refinements, None))
    return {
        "kept": {
            "attention_maps": sum(plane.numel() * plane.element_size() for plane in inversion.maps.values()),
            "tokens": tokens,
            "trajectory": inversion.trajectory.numel() * inversion.trajectory.element_size(),
        },
        "planned": {"attention_maps": inversion.footprint.maps, "tokens": inversion.footprint.tokens,
                    "storage": inversion.footprint.storage},
        "peak_growth": grown,
        "naive": naive(inversion.layers, inversion.latent_size, inversion.steps, inversion.batch, 4),
    }  # fmt: skip


def naive(
    layers: Sequence[Layer], latent_size: tuple[int, int], steps: int, batch: int, element: int
) -> dict[str, int]:
    """Bytes of dense maps of every layer, head and step, and of all keys and values, at ``element`` bytes a number."""
    tokens = [(layer, layer.tokens(latent_size)) for layer in layers]
    return {
        "attention_maps": batch * steps * element * sum(layer.heads * count**2 for layer, count in tokens),
        "keys_values": batch * steps * element * sum(2 * count * layer.channels for layer, count in tokens),
    }


def sd15_layers() -> tuple[Layer, ...]:
    """Stable Diffusion 1.5's sixteen self-attention layers."""
    layers = []
    for level, width in enumerate((320, 640, 1280)):
        layers += [Layer(f"down.{2 * level + index}.0", "down", level, width, 8) for index in range(2)]
    layers.append(Layer("middle.0.0", "middle", 3, 1280, 8))
    for position, (level, width) in enumerate(((2, 1280), (1, 640), (0, 320))):
        layers += [Layer(f"up.{3 * position + index}.0", "up", level, width, 8) for index in range(3)]
    return tuple(layers)


def planned_512(chosen: EditSettings) -> dict[str, Any]:
    """The plan's footprint at 512 px with Stable Diffusion 1.5's layers, and a naive capture's (float16)."""
    steps = len(schedule.timesteps(chosen.steps, chosen.strength))
    footprint = plan_footprint(chosen.capture, sd15_layers(), 1, (64, 64), steps)
    return {
        "steps": steps, "attention_maps": footprint.maps, "tokens": footprint.tokens,
        "storage": footprint.storage, "total": footprint.total, "naive": naive(sd15_layers(), (64, 64), steps, 1, 2),
    }  # fmt: skip


def picture(size: tuple[int, int]) -> tuple[torch.Tensor, DragPoints]:
    """A drawn picture (1, H, W, 3) of a disc on a soft ground, and its drag."""
    height, width = size
    y, x = np.mgrid[:height, :width]
    ground = np.stack([x / width, y / height, 0.5 + 0.2 * np.sin(x / 17)], -1)
    disc = np.hypot(x - 0.35 * width, y - 0.5 * height) < 0.15 * min(height, width)
    ground[disc] = (0.9, 0.2, 0.1)
    image = torch.from_numpy(ground.astype(np.float32))[None]
    return image, make_points([((0.35, 0.5), (0.6, 0.55))]).on_image(height, width)


def measure(
    loaded: model.Model, image: torch.Tensor, points: DragPoints, chosen: EditSettings, repeats: int
) -> dict[str, Any]:
    """All figures (see the module's docstring)."""
    # What is loaded and compiled at the first call belongs to no phase.
    edit(loaded.host, image, points, replace(chosen, steps=2, strength=1.0))
    runs, captures = [], []
    result = None
    for _ in range(repeats):
        run, result = timed_edit(loaded, image, points, chosen)
        runs.append(run)
        captures.append(capture_overhead(loaded, image, chosen))
    probes = [probe for run in runs for probe in run["probes"]]
    ratios = [run["edit"] / (run["evaluations"] * statistics.mean(run["probes"])) for run in runs]
    by_median = [run["edit"] / (run["evaluations"] * statistics.median(run["probes"])) for run in runs]
    overheads = [captured / plain - 1 for captured, plain in captures]
    planned = planned_512(chosen)
    figures = {
        "image": [image.shape[2], image.shape[1]],
        "phases": {name: _median(run["phases"][name] for run in runs) for name in runs[0]["phases"]},
        "edit_seconds": _median(run["edit"] for run in runs),
        "evaluations": runs[0]["evaluations"],
        "one_evaluation_seconds": {
            "median": statistics.median(probes), "mean": statistics.mean(probes), "n": len(probes)
        },
        "edit_ratio": statistics.median(ratios),
        "edit_ratio_by_median": statistics.median(by_median),
        "inversion_seconds": {
            "captured": _median(captured for captured, _ in captures), "plain": _median(plain for _, plain in captures)
        },
        "capture_overhead": statistics.median(overheads),
        "repeats": {"edit_ratio": ratios, "capture_overhead": overheads},
        "memory": memory(result, loaded, chosen, image),
        "planned_512": planned,
    }  # fmt: skip
    reached = {**figures, "planned_512_bytes": planned["total"]}
    figures["wanted"] = {
        name: {"at_most": limit, "is": reached[name], "met": reached[name] <= limit} for name, limit in WANTED.items()
    }
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--scenes", type=Path, metavar="DIR", help="take the first scene's picture and drags")
    parser.add_argument("--size", default="256x256", metavar="WxH", help="of a drawn picture, without --scenes")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--sides", type=int, nargs="*", default=list(phases.SIZES), metavar="PX",
                        help="of the pictures that region and field are timed on (%(default)s)")  # fmt: skip
    parser.add_argument("--large", type=int, nargs="*", default=list(beyond.SIDES), metavar="PX",
                        help="sides of the large pictures that are edited in a window (%(default)s)")  # fmt: skip
    parser.add_argument("--native", type=int, default=DEMO.native_px, metavar="PX",
                        help="side of the pictures that the model was trained on (%(default)s)")  # fmt: skip
    parser.add_argument("--limit", type=int, default=1, help="take the N-th scene")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="write the JSON here, too")
    add_model_arguments(parser)
    args = parser.parse_args(arguments)
    set_threads(args.threads)
    try:
        chosen = settings.override(EditSettings(), args.settings)
        if args.scenes is not None:
            scene = load_scene(scene_folders(args.scenes, args.limit)[-1])
            image, points = scene.image, scene.points
        else:
            width, height = (int(side) for side in args.size.lower().split("x"))
            image, points = picture((height, width))
        loaded = load_model(args)
        figures = measure(loaded, image, points, chosen, max(1, args.repeats))
        if args.large:
            figures["large"] = beyond.table(loaded.host, [(side, side) for side in args.large], args.native, chosen)
        figures["region_and_field"] = phases.measure(chosen, args.sides, args.repeats)
    except (SceneError, FileNotFoundError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    figures["settings"] = settings.as_dict(chosen)
    figures["model"], figures["versions"] = loaded.description, model.versions()
    figures["machine"] = {"threads": torch.get_num_threads(), "processor": platform.machine()}
    text = json.dumps(figures, indent=1)
    if args.out is not None:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(text + "\n", "utf-8")
    sys.stdout.write(text + "\n")
    return 0


def _median(values: Any) -> float:
    return statistics.median(list(values))


if __name__ == "__main__":
    raise SystemExit(main())
