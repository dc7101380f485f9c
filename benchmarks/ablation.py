"""Variants of the settings on validation scenes: ``python -m benchmarks.ablation --scenes DIR --out TABLE``.

Each variant is a name and settings to replace::

    python -m benchmarks.ablation --scenes DIR --out ablation \\
        --variant default --variant "no K/V: sample.source_attention=off" \\
        --variant "preserve 0.5: sample.hold_element=0.5"

or a JSON file, ``{"name": {"sample.hold_element": 0.5}, ...}``, with ``--variants FILE``. Writes TABLE.json (all
figures), TABLE.csv and TABLE.md. Scenes are the outer loop, and the files are rewritten after each, so that a run
that is stopped has a table of the scenes it saw, each with all variants.

A variant that leaves the inversion's settings (steps, strength, refinements, capture) as another one's runs on that
one's inversion: only what follows it is repeated (``core.edit.edit`` itself, handed that inversion). The table's
evaluations and seconds are those of that rest, with the inversion's apart.

``--mask-only`` measures the automatic mask alone: mean intersection over union with the true mask for ``--clicks``
clicks per object, drawn with a seed from its inside (at least two pixels from its border, where there are such), and
the share of clicks with less than 0.5. One inversion a scene serves all variants that agree on steps, strength and
refinements, whatever they capture: attention is kept by layer and step, and each variant's maps are put together from
it.
``oracle`` variants ("best tau: element.tau=oracle") take each click's best threshold on the plain scores: what a better
rule could gain at most without looking at the picture's edges.

``--true-mask`` moves by the true mask, so that movement, filling and sampling are judged apart from the mask.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from core.attention.correlation import correlate
from core.attention.maps import AttentionMaps
from core.attention.plan import CapturePlan
from core.diffusion.inversion import Inversion
from core.edit import edit
from core.hosts.direct import DirectHost
from core.model.protocols import OnStep
from core.region.found import find_element
from core.settings import EditSettings
from core.space.grid import CELL, Grid
from core.space.points import DragPair, DragPoints

from . import metrics, model, report, settings
from .arguments import add_model_arguments, load_model, set_threads
from .maps import MapStore, map_store
from .scene import Scene, SceneError, load_scenes, scene_folders

ORACLE = "oracle"
ORACLE_LEVELS = np.concatenate([np.geomspace(0.002, 0.1, 14), np.linspace(0.12, 0.95, 24)])
QUALITY = ("target_psnr", "vacated_psnr", "seam_mae", "target_ssim", "background_psnr", "mean_distance_px",
           "mean_distance_ratio", "mask_iou", "evaluations", "seconds", "inversion_evaluations",
           "inversion_seconds")  # fmt: skip
MASKS = ("mask_iou", "mask_iou_low")


@dataclass(frozen=True)
class Variant:
    """A name, the settings, and whether the threshold is the best one of each click (mask only)."""

    name: str
    settings: EditSettings
    oracle: bool = False

    @property
    def trajectory_key(self) -> tuple[int, float, int]:
        """Equal for variants whose inversions go through the same latents."""
        return self.settings.steps, self.settings.strength, self.settings.refinements

    @property
    def inversion_key(self) -> str:
        """Equal for variants that can share an inversion."""
        return repr((self.trajectory_key, self.settings.capture))


def parse_variant(text: str, base: EditSettings) -> Variant:
    """``"name: a=1 b.c=2"``, ``"a=1"`` (its own name) or ``"name"`` (the base itself)."""
    name, separator, values = text.partition(":")
    if not separator and "=" in text:
        values = text
    overrides = {}
    for item in values.split():
        key, equals, value = item.partition("=")
        if not equals:
            raise settings.OverrideError(f"variant '{text}': '{item}' is no name=value.")
        overrides[key] = settings.parse_value(value)
    return make_variant(name.strip(), overrides, base)


def make_variant(name: str, overrides: Mapping[str, Any], base: EditSettings) -> Variant:
    """A variant of ``base``; ``element.tau`` may be "oracle"."""
    overrides = dict(overrides)
    oracle = overrides.get("element.tau") == ORACLE
    if oracle:
        del overrides["element.tau"]
    return Variant(name, settings.override(base, overrides), oracle)


class Inversions:
    """One scene's inversions, made when first asked for."""

    def __init__(self, scene: Scene, loaded: model.Model):
        self.scene, self.model = scene, loaded
        self.grid = Grid.padded(*scene.size, CELL)
        self._kept: dict[str, tuple[Inversion, float, int]] = {}
        self._maps: dict[tuple[int, float, int], MapStore] = {}
        self._latent: torch.Tensor | None = None

    @property
    def latent(self) -> torch.Tensor:
        """The scene's clean latent."""
        if self._latent is None:
            self._latent = self.model.host.encode(self.grid.pad_image(self.scene.image))
        return self._latent

    def record(self, variant: Variant, variants: Sequence[Variant]) -> AttentionMaps:
        """The attention that the variant captures, put together from one inversion for all of ``variants``."""
        key = variant.trajectory_key
        if key not in self._maps:
            plans = [other.settings.capture for other in variants if other.trajectory_key == key]
            self._maps[key] = map_store(self.model, self.latent, *key, plans)
        return self._maps[key].record(variant.settings.capture)

    def get(self, variant: Variant) -> tuple[Inversion, float, int]:
        """The inversion, its seconds and its evaluations."""
        if variant.inversion_key not in self._kept:
            host, chosen = self.model.host, variant.settings
            start, before = time.perf_counter(), self.model.evaluations
            inversion = host.invert(
                self.latent, host.sigmas(chosen.steps, chosen.strength), chosen.capture, chosen.refinements, None
            )
            seconds = time.perf_counter() - start
            self._kept[variant.inversion_key] = (inversion, seconds, self.model.evaluations - before)
        return self._kept[variant.inversion_key]


class Replay:
    """A host (``core.hosts.Host``) that hands out a finished inversion instead of inverting."""

    def __init__(self, host: DirectHost, inversion: Inversion):
        self._inversion = inversion
        self.sigmas, self.sample, self.encode, self.decode = host.sigmas, host.sample, host.encode, host.decode
        self.paints = host.paints

    def invert(
        self, latent: torch.Tensor, sigmas: torch.Tensor, plan: CapturePlan, refinements: int,
        on_step: OnStep | None = None, noise_mask: torch.Tensor | None = None,
    ) -> Inversion:
        return self._inversion


def edit_figures(inversions: Inversions, variant: Variant, true_mask: bool) -> dict[str, Any]:
    """Quality of one variant on one scene."""
    scene = inversions.scene
    inversion, inversion_seconds, inversion_evaluations = inversions.get(variant)
    host = Replay(inversions.model.host, inversion)
    mask = (scene.mask > 0.5).float() if true_mask else None
    start, before = time.perf_counter(), inversions.model.evaluations
    result = edit(host, scene.image, scene.points, variant.settings, mask=mask)
    seconds = time.perf_counter() - start
    return {
        **metrics.measure(scene, result.image[0].numpy()),
        "mask_iou": metrics.iou(result.element[0].numpy(), scene.object_mask),
        "evaluations": inversions.model.evaluations - before,
        "seconds": seconds,
        "inversion_evaluations": inversion_evaluations,
        "inversion_seconds": inversion_seconds,
    }


def mask_figures(
    inversions: Inversions, variant: Variant, variants: Sequence[Variant], clicks: Sequence[tuple[float, float]]
) -> dict[str, Any]:
    """Agreement of one variant's automatic mask with the true one, averaged over clicks."""
    scene, grid = inversions.scene, inversions.grid
    record = inversions.record(variant, variants)
    values = []
    for x, y in clicks:
        click = (x / scene.size[1], y / scene.size[0])
        points = DragPoints((DragPair(click, (click[0] + 0.1, click[1])),), scene.size)
        scores = correlate(record, grid, points, variant.settings.correlation)
        if variant.oracle:
            values.append(best_iou(grid.cells_to_image_mask(scores[0])[0].numpy(), scene.object_mask, (x, y)))
        else:
            element = variant.settings.element
            found = find_element(scores, grid, points, element, scene.image, record)[0].numpy()
            values.append(metrics.iou(found, scene.object_mask))
    return {
        "mask_iou": float(np.mean(values)),
        "mask_iou_low": float(np.mean([value < 0.5 for value in values])),
        "clicks": values,
    }


def best_iou(scores: np.ndarray, truth: np.ndarray, click: tuple[float, float]) -> float:
    """The best agreement that any threshold on (H, W) scores gives, of the part connected to the click (x, y) in px."""
    best = 0.0
    x, y = int(click[0]), int(click[1])
    for tau in ORACLE_LEVELS:
        inside = (scores >= tau).astype(np.uint8)
        inside[y, x] = 1
        _, labels = cv2.connectedComponents(inside, connectivity=8)
        best = max(best, metrics.iou(labels == labels[y, x], truth))
    return best


def clicks_inside(mask: np.ndarray, count: int, seed: int) -> list[tuple[float, float]]:
    """``count`` points (x, y) in px inside the mask, drawn with a seed, off its border where it is wide enough."""
    inside = (mask > 0.5).astype(np.uint8)
    depth = cv2.distanceTransform(np.pad(inside, 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    ys, xs = np.nonzero(depth > min(2.0, depth.max() * 0.5))
    generator = np.random.default_rng(seed)
    chosen = generator.choice(len(xs), size=min(count, len(xs)), replace=False)
    return [(float(xs[index]) + 0.5, float(ys[index]) + 0.5) for index in chosen]


def run(
    root: Path, loaded: model.Model, variants: Sequence[Variant], limit: int | None = None, clicks: int = 0,
    true_mask: bool = False, seed: int = 0, out: Path | None = None,
) -> dict[str, Any]:
    """Runs all variants on all scenes; ``clicks`` above 0 measures masks alone.

    Returns:
        ``{"variants": {name: {metric: {mean, ci_low, ci_high, n}}}, "against_first": ..., "scenes": ...,
        "failed": [...]}``; ``against_first`` holds the paired differences to the first variant.
    """
    rows: dict[str, dict[str, dict[str, Any]]] = {variant.name: {} for variant in variants}
    failed: list[dict[str, str]] = []
    names = MASKS if clicks else QUALITY
    total = len(scene_folders(root, limit))
    written: dict[str, Any] = {}
    for number, scene in enumerate(load_scenes(root, limit), start=1):
        if isinstance(scene, SceneError):
            failed.append({"scene": str(scene), "variant": "", "error": str(scene)})
            continue
        start = time.perf_counter()
        inversions = Inversions(scene, loaded)
        places = clicks_inside(scene.object_mask, clicks, seed) if clicks else []
        for variant in variants:
            try:
                if clicks:
                    figures = mask_figures(inversions, variant, variants, places)
                else:
                    figures = edit_figures(inversions, variant, true_mask)
            except Exception as error:  # one variant that can't run must not cost the others
                failed.append(
                    {"scene": scene.name, "variant": variant.name, "error": f"{type(error).__name__}: {error}"}
                )
                continue
            rows[variant.name][scene.name] = figures
        written = _results(variants, rows, names, failed)
        if out is not None:
            write(out, written, names)
        sys.stderr.write(f"[{number}/{total}] {scene.name}: {time.perf_counter() - start:.1f} s\n")
    return written


def write(out: Path, written: Mapping[str, Any], names: Sequence[str]) -> None:
    """TABLE.json, TABLE.csv and TABLE.md."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.with_suffix(".json").write_text(json.dumps(written, indent=1) + "\n", "utf-8")
    lines = table(written, names)
    out.with_suffix(".md").write_text(report.markdown(lines) + "\n", "utf-8")
    with out.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["variant", *names])
        for name, values in written["variants"].items():
            writer.writerow([name, *(values.get(metric, {}).get("mean") for metric in names)])


def table(written: Mapping[str, Any], names: Sequence[str]) -> list[list[str]]:
    """Lines of cells: the mean, and in brackets the interval of the paired difference to the first variant."""
    lines = [["variant", *names, "n"]]
    for name, values in written["variants"].items():
        line = [name]
        for metric in names:
            value, difference = values.get(metric), written["against_first"].get(name, {}).get(metric)
            if value is None:
                line.append("-")
                continue
            cell = f"{value['mean']:.4g}"
            if difference is not None and difference["ci_high"] != difference["ci_low"]:
                cell += f" ({difference['ci_low']:+.2g}..{difference['ci_high']:+.2g})"
            line.append(cell)
        lines.append([*line, str(max((value["n"] for value in values.values()), default=0))])
    return lines


def _results(
    variants: Sequence[Variant], rows: Mapping[str, Mapping[str, Mapping[str, Any]]], names: Sequence[str],
    failed: list[dict[str, str]],
) -> dict[str, Any]:
    first = rows[variants[0].name]
    differences = {}
    for variant in variants[1:]:
        own = rows[variant.name]
        paired = [
            {metric: _difference(own[scene].get(metric), first[scene].get(metric)) for metric in names}
            for scene in own
            if scene in first
        ]
        differences[variant.name] = report.summarise(paired, names)
    return {
        "variants": {name: report.summarise(list(values.values()), names) for name, values in rows.items()},
        "against_first": differences,
        "settings": {variant.name: settings.as_dict(variant.settings) for variant in variants},
        "scenes": rows,
        "failed": failed,
    }


def _difference(value: float | None, other: float | None) -> float | None:
    return None if value is None or other is None else value - other


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ablation", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--scenes", type=Path, required=True, metavar="DIR")
    parser.add_argument("--variant", action="append", default=[], metavar="'NAME: A=1 B.C=2'")
    parser.add_argument("--variants", type=Path, metavar="FILE.json")
    parser.add_argument("--out", type=Path, default=Path("ablation"), metavar="TABLE")
    parser.add_argument("--limit", type=int, help="only the first N scenes")
    parser.add_argument("--mask-only", action="store_true")
    parser.add_argument("--clicks", type=int, default=5, help="clicks per scene with --mask-only")
    parser.add_argument("--true-mask", action="store_true")
    parser.add_argument("--seed", type=int, default=0, help="of the clicks")
    add_model_arguments(parser)
    args = parser.parse_args(arguments)
    set_threads(args.threads)
    try:
        base = settings.override(EditSettings(), args.settings)
        variants = [parse_variant(text, base) for text in args.variant]
        if args.variants is not None:
            stored = json.loads(args.variants.read_text("utf-8"))
            variants += [make_variant(name, values, base) for name, values in stored.items()]
        variants = variants or [Variant("default", base)]
        if len({variant.name for variant in variants}) < len(variants):
            parser.error("two variants have the same name")
        if any(variant.oracle for variant in variants) and not args.mask_only:
            parser.error("element.tau=oracle is for --mask-only")
        loaded = load_model(args)
        written = run(
            args.scenes, loaded, variants, args.limit, args.clicks if args.mask_only else 0, args.true_mask,
            args.seed, args.out,
        )  # fmt: skip
    except (SceneError, FileNotFoundError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    names = MASKS if args.mask_only else QUALITY
    written["model"], written["versions"] = loaded.description, model.versions()
    written["threads"] = torch.get_num_threads()
    write(args.out, written, names)
    sys.stdout.write(report.aligned(table(written, names)) + "\n")
    for failure in written["failed"]:
        sys.stdout.write(f"failed: {failure['scene']} {failure['variant']}: {failure['error']}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
