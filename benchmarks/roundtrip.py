"""How exactly an inversion samples back: ``python -m benchmarks.roundtrip --scenes DIR --out TABLE``.

Every picture is encoded, inverted and sampled back with nothing dragged, over the ``steps`` of the settings (50), for
every choice of

- guess: the latent that a step of the inversion is first evaluated on (``core.inversion``),
- refinements: 0, 1 and 2 more evaluations per step,
- strength: 0.4, 0.7 and 1.0 of the noise schedule.

Prints a Markdown table of means over the scenes and writes TABLE.json (all figures of all scenes, and intervals),
rewritten after each scene, and TABLE.md. Figures, once with self-attention left alone ("off") and once reading the
source's keys and values ("kv", consistency "replace"):

- latent error: ||x' - x|| / ||x|| of the latent that comes back.
- PSNR: of the decoded round trip to the source, dB.
- loss: what of that the latent costs, the PSNR of the autoencoder's own round trip minus it, dB. Below 0 the
  inversion's error happened to undo some of the autoencoder's.
- to AE: PSNR of the decoded round trip to the autoencoder's own round trip, dB: the latent's error alone.
- evaluations of the U-Net: of the inversion, and of each of the two ways back.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch

from core.diffusion import sampling
from core.diffusion.inversion import Guess, Inversion, invert
from core.diffusion.sampling import SampleSettings
from core.settings import EditSettings
from core.space.grid import CELL, Grid

from . import metrics, model, report, settings
from .scene import Scene, SceneError, load_scenes, scene_folders
from .scenes import add_model_arguments, load_model, set_threads

STRENGTHS = (0.4, 0.7, 1.0)
REFINEMENTS = (0, 1, 2)
GUESSES: tuple[Guess, ...] = get_args(Guess)
WAYS = {"off": SampleSettings(source_attention="off"), "kv": SampleSettings(source_attention="replace")}
COLUMNS = (
    ("latent_error_off", "latent error, off", "{:.5f}"),
    ("latent_error_kv", "kv", "{:.5f}"),
    ("psnr_off", "PSNR, off", "{:.2f}"),
    ("psnr_kv", "kv", "{:.2f}"),
    ("loss_off", "loss, off", "{:.3f}"),
    ("loss_kv", "kv", "{:.3f}"),
    ("to_autoencoder_off", "to AE, off", "{:.2f}"),
    ("to_autoencoder_kv", "kv", "{:.2f}"),
    ("inversion_evaluations", "evals in", "{:.0f}"),
    ("sampling_evaluations_off", "back, off", "{:.0f}"),
    ("sampling_evaluations_kv", "kv", "{:.0f}"),
)
FIGURES = tuple(name for name, _, _ in COLUMNS)


@dataclass(frozen=True)
class Case:
    """One way to invert."""

    strength: float
    refinements: int
    guess: Guess

    @property
    def name(self) -> str:
        """For tables and reports."""
        return f"strength {self.strength:g}, refinements {self.refinements}, {self.guess}"


def cases(
    strengths: Sequence[float] = STRENGTHS,
    refinements: Sequence[int] = REFINEMENTS,
    guesses: Sequence[Guess] = GUESSES,
) -> list[Case]:
    """Every choice, in the order of the table."""
    return [Case(*choice) for choice in product(strengths, refinements, guesses)]


class Pictures:
    """A scene's source with its latent and what the autoencoder alone makes of it."""

    def __init__(self, scene: Scene, loaded: model.Model):
        self.host = loaded.host
        self.grid = Grid.padded(*scene.size, CELL)
        self.source = scene.source
        self.latent = self.host.encode(self.grid.pad_image(scene.image)).float()
        self.autoencoder = self.decoded(self.latent)

    def decoded(self, latent: torch.Tensor) -> np.ndarray:
        """A latent as a picture of the source's size, (H, W, 3) in 0..1."""
        return self.grid.crop_image(self.host.decode(latent)).clamp(0, 1)[0].float().cpu().numpy()


def measure(pictures: Pictures, loaded: model.Model, base: EditSettings, case: Case) -> dict[str, float]:
    """The figures of one case on one scene."""
    before = loaded.evaluations
    inversion = invert(
        loaded.counter, pictures.latent, loaded.host.sigmas(base.steps, case.strength), base.capture,
        case.refinements, guess_from=case.guess,
    )  # fmt: skip
    figures = {"inversion_evaluations": loaded.evaluations - before}
    for way, chosen in WAYS.items():
        figures |= {f"{name}_{way}": value for name, value in _back(pictures, loaded, inversion, chosen).items()}
    return figures


def _back(
    pictures: Pictures, loaded: model.Model, inversion: Inversion, chosen: SampleSettings
) -> dict[str, float]:
    latent, before = pictures.latent, loaded.evaluations
    start = inversion.noisy.to(latent.device)
    # No drag and no region: nothing is put back, so that the whole error shows.
    result = sampling.sample(loaded.counter, inversion, start, None, None, chosen)
    picture = pictures.decoded(result)
    psnr = metrics.psnr(picture, pictures.source)
    return {
        "latent_error": float((result - latent).norm() / latent.norm()),
        "psnr": psnr,
        "loss": metrics.psnr(pictures.autoencoder, pictures.source) - psnr,
        "to_autoencoder": metrics.psnr(picture, pictures.autoencoder),
        "sampling_evaluations": loaded.evaluations - before,
    }


def run(
    root: Path, loaded: model.Model, base: EditSettings, chosen: Sequence[Case], limit: int | None = None
) -> Iterator[dict[str, Any]]:
    """Runs all cases on all scenes; yields the report after each scene.

    A report is ``{"cases": {name: {figure: {mean, ci_low, ci_high, n}}}, "scenes": {scene: {name: {figure: value}}},
    "failed": [{scene, error}], "settings": ...}``.

    Raises:
        SceneError: ``root`` holds no scenes.
    """
    rows: dict[str, dict[str, dict[str, float]]] = {}
    failed: list[dict[str, str]] = []
    total = len(scene_folders(root, limit))
    for number, scene in enumerate(load_scenes(root, limit), start=1):
        start = time.perf_counter()
        if isinstance(scene, SceneError):
            failed.append({"scene": str(scene).split(":", 1)[0], "error": str(scene)})
        else:
            pictures = Pictures(scene, loaded)
            rows[scene.name] = {case.name: measure(pictures, loaded, base, case) for case in chosen}
            sys.stderr.write(f"[{number}/{total}] {scene.name}: {time.perf_counter() - start:.1f} s\n")
        yield {
            "cases": {
                case.name: report.summarise([row[case.name] for row in rows.values()], FIGURES) for case in chosen
            },
            "scenes": rows,
            "failed": failed,
            "settings": settings.as_dict(base),
            "model": loaded.description,
            "versions": model.versions(),
            "threads": torch.get_num_threads(),
        }


def table(written: Mapping[str, Any], chosen: Sequence[Case]) -> str:
    """The means as a Markdown table."""
    lines = [["strength", "refinements", "guess", *(title for _, title, _ in COLUMNS)]]
    for case in chosen:
        figures = written["cases"][case.name]
        cells = [
            shown.format(figures[name]["mean"]) if name in figures else "-" for name, _, shown in COLUMNS
        ]  # fmt: skip
        lines.append([f"{case.strength:g}", str(case.refinements), case.guess, *cells])
    return report.markdown(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 0 unless there is nothing to run on."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.roundtrip", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--scenes", type=Path, required=True, metavar="DIR")
    parser.add_argument("--out", type=Path, default=Path("roundtrip"), metavar="TABLE")
    parser.add_argument("--count", "--limit", type=int, help="only the first N scenes")
    parser.add_argument("--strength", type=float, nargs="+", default=STRENGTHS)
    parser.add_argument("--refinements", type=int, nargs="+", default=REFINEMENTS)
    parser.add_argument("--guess", choices=GUESSES, nargs="+", default=GUESSES)
    add_model_arguments(parser)
    args = parser.parse_args(arguments)
    set_threads(args.threads)
    chosen = cases(args.strength, args.refinements, args.guess)
    written: dict[str, Any] = {}
    try:
        base = settings.override(EditSettings(), args.settings)
        loaded = load_model(args)
        args.out.parent.mkdir(parents=True, exist_ok=True)
        for written in run(args.scenes, loaded, base, chosen, args.count):
            args.out.with_suffix(".json").write_text(json.dumps(written, indent=1) + "\n", "utf-8")
    except (SceneError, FileNotFoundError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    args.out.with_suffix(".md").write_text(table(written, chosen) + "\n", "utf-8")
    sys.stdout.write(f"{len(written['scenes'])} scenes\n\n{table(written, chosen)}\n")
    for failure in written["failed"]:
        sys.stdout.write(f"failed: {failure['error']}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
