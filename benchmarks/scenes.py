"""Quality on scenes whose true edit is known: ``python -m benchmarks.scenes --scenes DIR --out report.json``.

Runs each method on each scene through the Python core, prints a table and writes a report::

    {"methods": {NAME: {METRIC: {mean, ci_low, ci_high, n}}},      over all scenes, 95 % bootstrap intervals
     "backgrounds": {KIND: {NAME: {METRIC: ...}}},                 by the kind of background that meta.json names
     "failures": {NAME: count}, "failed": [{scene, method, error}],
     "scenes": {SCENE: {kind, size, methods: {NAME: {METRIC: value}}}},
     "settings": {...}}                                            every parameter, the model's hashes, versions

What each figure means is told in ``benchmarks.metrics``, what each method does in ``benchmarks.methods``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.settings import EditSettings

from . import metrics, model, report, settings, sheet
from .methods import INPAINT_RADIUS, METHODS, WITHOUT_MODEL, Context, Outcome
from .scene import Scene, SceneError, load_scenes, scene_folders

DEFAULT_METHODS = "attention_drag,fastdrag,cut_paste,latent_shift,identity"
EXTRA_METRICS = ("background_psnr_strict",)


@dataclass
class Results:
    """What has been measured so far."""

    methods: list[str]
    scenes: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed: list[dict[str, str]] = field(default_factory=list)

    def rows(self, method: str, kind: str | None = None) -> list[dict[str, Any]]:
        """One method's figures on every scene (of a kind) on which it ran."""
        return [
            entry["methods"][method]
            for entry in self.scenes.values()
            if method in entry["methods"] and (kind is None or entry["kind"] == kind)
        ]

    def failures(self) -> dict[str, int]:
        """Number of failed scenes of each method."""
        return {name: sum(entry["method"] == name for entry in self.failed) for name in self.methods}

    def as_report(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """The report's layout (see the module's docstring)."""
        names = (*report.METRICS, *EXTRA_METRICS)
        kinds = sorted({entry["kind"] for entry in self.scenes.values() if entry["kind"] is not None})
        return {
            "methods": {name: report.summarise(self.rows(name), names) for name in self.methods},
            "backgrounds": {
                kind: {name: report.summarise(self.rows(name, kind), names) for name in self.methods}
                for kind in kinds
            },
            "failures": self.failures(),
            "failed": self.failed,
            "scenes": self.scenes,
            "settings": parameters,
        }


def run_scene(
    scene: Scene, methods: Sequence[str], loaded: model.Model | None, edit_settings: EditSettings, results: Results
) -> dict[str, Outcome]:
    """Runs the methods on one scene into ``results``; gives back what they made."""
    context = Context(scene, loaded, edit_settings)
    entry: dict[str, Any] = {"kind": scene.kind, "size": list(scene.size), "methods": {}}
    results.scenes[scene.name] = entry
    outcomes = {}
    for name in methods:
        try:
            outcome = METHODS[name](context)
            if not np.isfinite(outcome.image).all():
                raise ValueError("the result holds NaN or infinite values")
            figures = metrics.measure(scene, outcome.image)
        except Exception as error:  # whatever breaks on one scene must not cost the others
            results.failed.append(
                {"scene": scene.name, "method": name, "error": f"{type(error).__name__}: {error}"}
            )
            continue
        if outcome.mask is not None:
            figures["mask_iou"] = metrics.iou(outcome.mask, scene.object_mask)
        entry["methods"][name] = {
            **figures, "unet_evaluations": outcome.evaluations, "seconds": outcome.seconds
        }  # fmt: skip
        outcomes[name] = outcome
    return outcomes


def run(
    root: Path, methods: Sequence[str], loaded: model.Model | None, edit_settings: EditSettings,
    limit: int | None = None, sheet_path: Path | None = None, sheet_rows: int = 24,
    after_each: Callable[[Results], None] | None = None,
) -> Results:
    """Runs all scenes under ``root``; a broken folder counts as failed for every method.

    ``after_each`` gets the results so far after each scene, so that a run that is stopped leaves a report.

    Raises:
        SceneError: ``root`` holds no scenes.
    """
    results = Results(list(methods))
    rows = []
    total = len(scene_folders(root, limit))
    for number, scene in enumerate(load_scenes(root, limit), start=1):
        if isinstance(scene, SceneError):
            _note(f"[{number}/{total}] broken scene: {scene}")
            name = str(scene).split(":", 1)[0]
            results.failed += [{"scene": name, "method": method, "error": str(scene)} for method in methods]
            continue
        start = time.perf_counter()
        known = len(results.failed)
        outcomes = run_scene(scene, methods, loaded, edit_settings, results)
        _note(f"[{number}/{total}] {scene.name}: {time.perf_counter() - start:.1f} s")
        for failure in results.failed[known:]:
            _note(f"    {failure['method']}: {failure['error']}")
        if after_each is not None:
            after_each(results)
        if sheet_path is not None and len(rows) < sheet_rows:
            rows.append(sheet.row(scene, outcomes, results.scenes[scene.name]["methods"], methods))
            sheet.write(sheet_path, rows, methods)
    return results


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments by which all benchmarks choose their model and settings."""
    parser.add_argument("--model", type=Path, metavar="DIR", help="a local diffusers folder; default: the demo model")
    parser.add_argument("--weights", type=Path, metavar="DIR", help="folder of the demo model's narrow weights")
    parser.add_argument("--stand-in", action="store_true", help="untrained weights, to try the plumbing")
    parser.add_argument("--settings", nargs="*", default=[], metavar="NAME=VALUE",
                        help="replace settings of EditSettings, e.g. steps=20 sample.hold_element=0.5")  # fmt: skip
    parser.add_argument("--threads", type=int, help="of torch and OpenCV")


def load_model(args: argparse.Namespace) -> model.Model:
    """The model that the arguments name."""
    return model.load(args.model, args.weights, args.stand_in)


def set_threads(count: int | None) -> None:
    """Limits the threads of everything that computes here."""
    if count:
        import cv2

        torch.set_num_threads(count)
        cv2.setNumThreads(count)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 0 unless there is nothing to run on."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scenes", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--scenes", type=Path, required=True, metavar="DIR")
    parser.add_argument("--methods", default=DEFAULT_METHODS, help=f"any of {', '.join(METHODS)}")
    parser.add_argument("--out", type=Path, default=Path("report.json"))
    parser.add_argument("--sheet", type=Path, metavar="FILE.png", help="pictures of the first scenes side by side")
    parser.add_argument("--sheet-rows", type=int, default=24)
    parser.add_argument("--limit", type=int, help="only the first N scenes")
    add_model_arguments(parser)
    args = parser.parse_args(arguments)
    methods = [name.strip() for name in args.methods.split(",") if name.strip()]
    unknown = [name for name in methods if name not in METHODS]
    if unknown:
        parser.error(f"no such method: {', '.join(unknown)}; there are {', '.join(METHODS)}")
    set_threads(args.threads)
    try:
        edit_settings = settings.override(EditSettings(), args.settings)
        loaded = load_model(args) if set(methods) - WITHOUT_MODEL else None
        parameters = _parameters(args, methods, edit_settings, loaded)
        args.out.parent.mkdir(parents=True, exist_ok=True)

        def write(results: Results) -> None:
            args.out.write_text(json.dumps(results.as_report(parameters), indent=1) + "\n", "utf-8")

        results = run(args.scenes, methods, loaded, edit_settings, args.limit, args.sheet, args.sheet_rows, write)
    except (SceneError, FileNotFoundError, ValueError) as error:
        _note(str(error))
        return 2
    write(results)
    sys.stdout.write(summary(results.as_report(parameters)) + "\n")
    return 0


def _parameters(
    args: argparse.Namespace, methods: Sequence[str], edit_settings: EditSettings, loaded: model.Model | None
) -> dict[str, Any]:
    return {
        "edit": settings.as_dict(edit_settings),
        "methods": list(methods),
        "scenes": str(args.scenes),
        "limit": args.limit,
        "cut_paste": {"inpaint": "Navier-Stokes", "radius": INPAINT_RADIUS},
        "metrics": {
            "background_margin_px": metrics.BACKGROUND_MARGIN, "seam_px": metrics.SEAM,
            "psnr_cap_db": metrics.PSNR_CAP, "bootstrap_resamples": report.RESAMPLES,
            "confidence": report.CONFIDENCE,
        },
        "model": loaded.description if loaded is not None else None,
        "versions": model.versions(),
        "threads": torch.get_num_threads(),
    }  # fmt: skip


def summary(written: dict[str, Any]) -> str:
    """The printed tables of a report."""
    parts = [f"{len(written['scenes'])} scenes", report.table(written["methods"], written["failures"])]
    for kind, methods in written["backgrounds"].items():
        count = sum(entry["kind"] == kind for entry in written["scenes"].values())
        parts += ["", f"background: {kind} ({count})", report.table(methods)]
    if written["failed"]:
        parts += ["", "failed:"]
        together: dict[tuple[str, str], list[str]] = {}
        for entry in written["failed"]:
            together.setdefault((entry["scene"], entry["error"]), []).append(entry["method"])
        parts += [f"  {scene} ({', '.join(names)}): {error}" for (scene, error), names in together.items()]
    return "\n".join(parts)


def _note(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
