"""The benchmark on your own checkpoint, in about a quarter of an hour on a GPU; leaves a table and a sheet to send us::

    scripts/prove.sh --model CHECKPOINT --out proof

CHECKPOINT is a .safetensors file or a diffusers folder. Scenes are drawn (``tools.scenes``: no renderer, no downloads)
and enlarged to the size that the model was trained on; ``--scenes`` takes other folders of scenes instead. Everything
runs three times: at the family's defaults (``core.families``), at the strength that hides as much of a picture of that
size as the measured default does of the demo model's, and with the model painting what was hidden and the light around
(``diffusion.repaint``); which is best nobody knows before it was run. A quarter of an hour is reckoned for 12 scenes at
1024 px and a third of a second per evaluation, not measured. A run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image

from core import api
from core.errors import InputError
from core.families import Family, ScheduleChoice, chosen, equal_strength
from core.options import choices
from tools.scenes import __main__ as drawn

from . import scenes

METHODS = "attention_drag,ours_true_mask,ours_model_off,rigid_warp,cut_paste,autoencoder,identity"
COUNT = 12
PAINTED = ("repaint.revealed=0.6", "repaint.surroundings=0.5", "sample.hold_rest=1.0")
"""What the model paints in the third run."""


def enlarged(source: Path, target: Path, side: int) -> Path:
    """Copies a folder of scenes with every picture at ``side`` px; points are shares of the picture and stay.

    Raises:
        InputError: a scene knows its flow, which is told in px.
    """
    for scene in sorted(path for path in source.iterdir() if path.is_dir()):
        if (scene / "flow.npz").exists():
            raise InputError("scenes", f"{scene.name} knows its flow in px.", "Render it at the size, or use --size 0.")
        (target / scene.name).mkdir(parents=True, exist_ok=True)
        for file in scene.iterdir():
            if file.suffix != ".png":
                shutil.copy2(file, target / scene.name / file.name)
                continue
            with Image.open(file) as picture:
                smooth = Image.Resampling.LANCZOS if picture.mode.startswith("RGB") else Image.Resampling.BILINEAR
                picture.resize((side, side), smooth).save(target / scene.name / file.name)
    return target


def settings_of(
    family: Family, schedule: ScheduleChoice, sigma_of: Callable[[int], float], steps: int | None = None
) -> dict[str, list[str]]:
    """Name of a run -> its settings, as ``benchmarks.scenes`` takes them."""
    kind, own = chosen(family, schedule)
    steps = steps or own
    deeper = equal_strength(sigma_of, family.native_px)
    runs = {"defaults": family.strength}
    if deeper > family.strength:
        runs["deeper"] = deeper
    found = {
        name: [f"schedule={kind}", f"steps={steps}", f"strength={strength}"] for name, strength in runs.items()
    }
    return {**found, "painted": [*found["defaults"], *PAINTED]}


def prove(args: argparse.Namespace) -> int:
    """Runs it; returns the exit code."""
    args.out.mkdir(parents=True, exist_ok=True)
    loaded = api.load(args.model, args.device)
    family, sigma_of = loaded.family, loaded.host().sigma_of
    side = family.native_px if args.size is None else args.size
    runs = settings_of(family, args.schedule, sigma_of, args.steps)
    sigma_of = loaded = None  # the benchmark loads the model again, by itself
    folders = args.scenes or [args.out / "drawn"]
    if not args.scenes:
        drawn.main(["--split", "test", "--count", str(args.count), "--out", str(folders[0])])
    if side:
        folders = [enlarged(folder, args.out / f"scenes-{side}" / folder.name, side) for folder in folders]
    told = [f"# {args.model.name}", "", f"{family.title}; pictures of {side or 'their own'} px. Send us this folder's "
            "`proof.md` and its `sheet-*.png`; `report-*.json` holds every figure.", ""]  # fmt: skip
    failed = 0
    for name, chosen_settings in runs.items():
        sys.stderr.write(f"{name}: {', '.join(chosen_settings)}\n")
        report, table = args.out / f"report-{name}.json", args.out / f"table-{name}.md"
        options = ["--scenes", *map(str, folders), "--limit", str(args.count), "--methods", METHODS]
        options += ["--out", str(report), "--markdown", str(table), "--sheet", str(args.out / f"sheet-{name}.png")]
        options += ["--sheet-rows", "8", "--model", str(args.model), "--settings", *chosen_settings]
        if args.device:
            options += ["--device", args.device]
        failed = scenes.main(options) or failed
        if report.is_file():
            versions = json.loads(report.read_text("utf-8"))["settings"]["versions"]
            told += [f"## {name}: {', '.join(chosen_settings)}", "", table.read_text("utf-8"), "",
                     ", ".join(f"{package} {version}" for package, version in versions.items()), ""]  # fmt: skip
    (args.out / "proof.md").write_text("\n".join(told), "utf-8")
    sys.stdout.write(f"{args.out / 'proof.md'}: please send it with the sheets beside it\n")
    return failed


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="scripts/prove.sh", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--model", type=Path, required=True, help="a diffusers folder or one .safetensors checkpoint")
    parser.add_argument("--out", type=Path, default=Path("proof"), metavar="DIR")
    parser.add_argument("--device", help="cuda, mps, cpu; default: the accelerator, if any")
    parser.add_argument("--schedule", choices=choices(ScheduleChoice), default="auto",
                        help="'distilled' for LCM, Turbo, Lightning and Hyper")  # fmt: skip
    parser.add_argument("--steps", type=int, help="default: the family's")
    parser.add_argument("--scenes", type=Path, nargs="+", metavar="DIR", help="instead of drawn ones")
    parser.add_argument("--count", type=int, default=COUNT, help="scenes (of each folder), default: %(default)s")
    parser.add_argument("--size", type=int, help="px; default: the family's own; 0 leaves scenes as they are")
    args = parser.parse_args(arguments)
    try:
        return prove(args)
    except InputError as error:
        sys.stderr.write(f"{parser.prog}: {error}\n")
        return 2


if __name__ == "__main__":
    raise SystemExit(main())
