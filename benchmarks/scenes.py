"""Quality on scenes whose true edit is known, and a look at pictures of which it is not::

    python -m benchmarks.scenes --scenes WORLDS PHOTOGRAPHIC DRAWN --out report.json --sheet sheet.png --processes 2
    python -m benchmarks.scenes --pictures DIR --out pictures.json --sheet pictures.png
    python -m benchmarks.scenes --scenes WORLDS --self-check

Runs each method on each scene through the Python core, prints tables and writes a report::

    {"groups": {GROUP: {"scenes": count,                          "all", each domain, each family ("worlds/slide")
                        "methods": {NAME: {FIGURE: {mean, ci_low, ci_high, n}}},    95 % bootstrap over scenes
                        "differences": {NAME: {FIGURE: {...}}}}}, the reference's minus NAME's, on the same scenes
     "worst": {WHOLE: {NAME: {FIGURE: {mean, group}}}},           the worst domain of all, the worst family of a domain
     "failures": {NAME: count}, "failed": [{scene, method, error}],
     "self_check": [{question, holds, detail}],
     "scenes": {SCENE: {domain, family, size, pixels, source_errors, methods: {NAME: {FIGURE: value, errors}}}},
     "pictures": {"groups", "failures", "failed", "scenes"},      of --pictures
     "settings": {...}}                                           every parameter, the model's hashes, versions

What each figure means is told in ``benchmarks.judging``, ``benchmarks.tracking`` and ``benchmarks.metrics``, what each
method does in ``benchmarks.methods``. Beside the report lies a folder with a file and the results' pictures for each
scene: a run that was stopped goes on from there (``benchmarks.running``).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.errors import InputError
from core.settings import EditSettings

from . import img2img, judging, metrics, model, pasting, report, running, self_check, settings, sheet, tracking
from .arguments import add_model_arguments, load_model, set_threads
from .methods import METHODS, NEED_NO_TRUTH, WITHOUT_MODEL
from .running import Item, Job
from .scene import SceneError

DEFAULT_METHODS = (
    "attention_drag,ours_true_mask,ours_true_field,ours_model_off,ours_model_off_true_mask,ours_attention_off,"
    "ours_picture_off,paste_img2img,paste_img2img_true_mask,rigid_warp,cut_paste,geodrag,fastdrag,latent_shift,"
    "autoencoder,identity"
)
DEFAULT_METHODS_OF_PICTURES = (
    "attention_drag,ours_model_off,ours_attention_off,ours_picture_off,paste_img2img,cut_paste_automatic,fastdrag_raw,"
    "geodrag_raw,identity"
)
REFERENCE = "attention_drag"


@dataclass
class Results:
    """What has been measured so far; ``scenes`` by name, pictures without a truth apart."""

    methods: list[str]
    methods_of_pictures: list[str] = field(default_factory=list)
    scenes: dict[str, dict[str, Any]] = field(default_factory=dict)
    pictures: dict[str, dict[str, Any]] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    broken_pictures: dict[str, str] = field(default_factory=dict)

    def add(self, item: Item, entry: dict[str, Any]) -> None:
        """Takes one scene's entry; a scene that couldn't be read counts as failed for every method."""
        if "broken" in entry:
            (self.broken if item.known else self.broken_pictures)[item.name] = entry["broken"]
        else:
            (self.scenes if item.known else self.pictures)[item.name] = entry

    def as_report(self, parameters: dict[str, Any], against: str | None = REFERENCE) -> dict[str, Any]:
        """The report's layout (see the module's docstring)."""
        written = self._part(self.methods, self.scenes, self.broken, against)
        if self.scenes:
            found = self_check.check(written["scenes"])
            written["self_check"] = [vars(finding) for finding in found]
        if self.pictures or self.broken_pictures:
            written["pictures"] = self._part(
                self.methods_of_pictures, self.pictures, self.broken_pictures, None
            )
        written["settings"] = parameters
        return written

    @staticmethod
    def _part(
        methods: Sequence[str], scenes: Mapping[str, dict[str, Any]], broken: Mapping[str, str], against: str | None
    ) -> dict[str, Any]:
        # Files of earlier runs may hold methods that nobody asked for now.
        shown = {
            name: {
                **scenes[name],
                "methods": {key: row for key in methods if (row := scenes[name]["methods"].get(key))},
            }
            for name in sorted(scenes)
        }
        failed = [
            {"scene": name, "method": method, "error": why}
            for name, why in sorted(broken.items())
            for method in methods
        ]
        failed += [
            {"scene": name, "method": method, "error": why}
            for name, entry in shown.items()
            for method, why in entry["failed"].items()
            if method in methods
        ]
        groups = report.grouped(shown, methods, against) if shown else {}
        return {
            "groups": groups,
            "worst": report.worst(groups),
            "failures": {name: sum(entry["method"] == name for entry in failed) for name in methods},
            "failed": failed,
            "scenes": shown,
        }


def parser_of_arguments() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scenes", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--scenes", type=Path, nargs="+", default=[], metavar="DIR", help="folders of scenes")
    parser.add_argument("--pictures", type=Path, nargs="+", default=[], metavar="DIR",
                        help="folders of pictures with drags and no true edit (benchmarks.photographs)")  # fmt: skip
    parser.add_argument("--side", type=int, help="shrink --pictures to this shorter side, px")
    parser.add_argument("--methods", help=f"any of {', '.join(METHODS)}; default for --scenes: {DEFAULT_METHODS}; "
                                          f"for --pictures: {DEFAULT_METHODS_OF_PICTURES}")  # fmt: skip
    parser.add_argument("--against", default=REFERENCE, help="whose differences from the others are told")
    parser.add_argument("--out", type=Path, default=Path("report.json"))
    parser.add_argument("--work", type=Path, metavar="DIR", help="the scenes' files; default: beside --out")
    parser.add_argument("--markdown", type=Path, metavar="FILE.md", help="the README's tables")
    parser.add_argument("--sheet", type=Path, metavar="FILE.png", help="pictures of every family side by side")
    parser.add_argument("--sheet-rows", type=int, default=24)
    parser.add_argument("--sheet-methods", help="columns of the sheet; default: all methods")
    parser.add_argument("--limit", type=int, help="only the first N scenes of each folder")
    parser.add_argument("--per-family", type=int, help="only the first N scenes of each family")
    parser.add_argument("--processes", type=int, default=1, help="split the scenes over N processes of one thread each")
    parser.add_argument("--no-features", action="store_true", help="don't follow points by the model's features")
    parser.add_argument("--img2img-strength", type=float, default=img2img.STRENGTH, help="of paste_img2img")
    parser.add_argument("--self-check", action="store_true",
                        help=f"run {', '.join(self_check.METHODS)} alone (or --methods), and fail unless scenes and "
                             "figures can be trusted (benchmarks.self_check)")  # fmt: skip
    add_model_arguments(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 0 unless there is nothing to run on, or a self-check fails."""
    parser = parser_of_arguments()
    args = parser.parse_args(arguments)
    if not args.scenes and not args.pictures:
        parser.error("give --scenes or --pictures")
    methods = _names(args.methods or (
        ",".join(self_check.METHODS) if args.self_check else DEFAULT_METHODS if args.scenes else ""
    ))  # fmt: skip
    of_pictures = [name for name in _names(args.methods or DEFAULT_METHODS_OF_PICTURES) if name in NEED_NO_TRUTH]
    columns = _names(args.sheet_methods or "")
    for name in (*methods, *columns):
        if name not in METHODS:
            parser.error(f"no such method: {name}; there are {', '.join(METHODS)}")
    if args.pictures and not of_pictures:
        parser.error(f"no method for --pictures; there are {', '.join(sorted(NEED_NO_TRUTH))}")
    work = args.work or args.out.with_suffix("")
    set_threads(args.threads)
    try:
        edit_settings = settings.override(EditSettings(), args.settings)
        needs_model = bool(set(methods if args.scenes else ()) - WITHOUT_MODEL or args.pictures)
        loaded = load_model(args) if needs_model and args.processes <= 1 else None
        common = {
            "settings": edit_settings, "work": work, "model": _model_arguments(args) if needs_model else None,
            "options": {"paste_img2img_strength": args.img2img_strength}, "features": not args.no_features,
            "side": args.side, "threads": args.threads,
        }  # fmt: skip
        parts = []
        if args.scenes:
            items = running.items_of(args.scenes, args.limit, per_family=args.per_family)
            parts.append((items, Job(tuple(methods), **common)))
        if args.pictures:
            items = running.items_of(args.pictures, args.limit, known=False, per_family=args.per_family)
            parts.append((items, Job(tuple(of_pictures), **common)))
        results = Results(methods if args.scenes else [], of_pictures if args.pictures else [])
        done = 0
        for items, job in parts:
            for item, entry in running.run(items, job, args.processes, loaded):
                results.add(item, entry)
                done += 1
                sys.stderr.write(f"[{done}/{sum(len(items) for items, _ in parts)}]\n")
    except (SceneError, InputError, FileNotFoundError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    written = results.as_report(_parameters(args, edit_settings, loaded), args.against)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(written, indent=1) + "\n", "utf-8")
    if args.markdown is not None:
        args.markdown.write_text(report.as_markdown(written), "utf-8")
    if args.sheet is not None:
        _write_sheets(args, parts, results, work, columns)
    sys.stdout.write(summary(written) + "\n")
    return 1 if args.self_check and any(one["holds"] is False for one in written.get("self_check", [])) else 0


def summary(written: Mapping[str, Any]) -> str:
    """The printed tables of a report."""
    parts = []
    groups = written["groups"]
    only = sum("/" not in name for name in groups) == 2
    for domain in [name for name in groups if "/" not in name]:
        group = groups[domain]
        if domain == "all" and only:
            continue
        failures = written["failures"] if domain == "all" or only else None
        parts += [f"{domain}: {group['scenes']} scenes",
                  report.table(group, written["worst"].get(domain), failures), ""]  # fmt: skip
        if domain != "all":
            parts += [f"{domain}: where the truth changed, dB, by family",
                      report.by_family(groups, domain, "changed_psnr"), ""]  # fmt: skip
        if group.get("differences"):
            parts += [f"{domain}: differences on the same scenes (* where the interval leaves 0 out)",
                      report.differences(group), ""]  # fmt: skip
    if written.get("pictures"):
        pictures = written["pictures"]
        if pictures["groups"]:
            group = pictures["groups"]["all"]
            parts += [f"pictures without a truth: {group['scenes']}",
                      report.table(group, None, pictures["failures"], report.SHOWN_OF_PICTURES), ""]  # fmt: skip
    if written.get("self_check"):
        parts += [self_check.told([self_check.Finding(**one) for one in written["self_check"]]), ""]
    failed = [*written["failed"], *written.get("pictures", {}).get("failed", [])]
    if failed:
        parts.append("failed:")
        together: dict[tuple[str, str], list[str]] = {}
        for entry in failed:
            together.setdefault((entry["scene"], entry["error"]), []).append(entry["method"])
        parts += [f"  {scene} ({', '.join(names)}): {error}" for (scene, error), names in together.items()]
    return "\n".join(parts).rstrip()


def _write_sheets(
    args: argparse.Namespace, parts: Sequence[tuple[list[Item], Job]], results: Results, work: Path,
    columns: Sequence[str],
) -> None:
    """The sheet of the scenes; that of the pictures, too, under the same name or with "-pictures" in it."""
    for items, job in parts:
        known = items[0].known
        entries = results.scenes if known else results.pictures
        if not entries:
            continue
        names = [name for name in columns if name in job.methods] or list(job.methods)
        by_name = {item.name: item for item in items}
        order = {name: entries[name] for name in by_name if name in entries}
        shown = [by_name[name] for name in sheet.chosen(order, args.sheet_rows)]
        path = args.sheet
        if not known and args.scenes:
            path = path.with_name(f"{path.stem}-pictures{path.suffix}")
        rows = sheet.rows_of(shown, entries, work, names, args.side)
        sheet.write(path, rows, ["source", *(["true edit"] if known else []), *names])


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _model_arguments(args: argparse.Namespace) -> dict[str, Any]:
    return {"path": args.model, "weights": args.weights, "stand_in": args.stand_in, "device": args.device}


def _parameters(args: argparse.Namespace, edit_settings: EditSettings, loaded: model.Model | None) -> dict[str, Any]:
    return {
        "edit": settings.as_dict(edit_settings),
        "scenes": [str(path) for path in args.scenes],
        "pictures": [str(path) for path in args.pictures],
        "side": args.side,
        "limit": args.limit,
        "per_family": args.per_family,
        "pasting": {"inpaint": "Navier-Stokes", "radius": pasting.INPAINT_RADIUS},
        "paste_img2img": {
            "strength": args.img2img_strength, "rim_out_px": img2img.RIM_OUT, "rim_in_px": img2img.RIM_IN
        },
        "metrics": {
            "psnr_cap_db": judging.PSNR_CAP, "whole_psnr_cap_db": metrics.PSNR_CAP, "seam_px": judging.SEAM,
            "ring_px": judging.RING, "low_px": judging.LOW, "slack": judging.SLACK, "points": tracking.POINTS,
            "patch_px": tracking.PATCH, "unique_ncc": tracking.UNIQUE, "background_margin_px":
            metrics.BACKGROUND_MARGIN, "bootstrap_resamples": report.RESAMPLES, "confidence": report.CONFIDENCE,
        },
        "model": loaded.description if loaded is not None else _described(args),
        "versions": model.versions(),
        "processes": args.processes,
    }  # fmt: skip


def _described(args: argparse.Namespace) -> dict[str, Any]:
    return {"name": "demo model, narrow" if args.model is None else args.model.name}


if __name__ == "__main__":
    raise SystemExit(main())
