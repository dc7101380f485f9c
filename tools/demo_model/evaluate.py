"""Measure what the demo model knows, on scene folders; goes on where it was broken off.

    python -m tools.demo_model.evaluate --worlds WORLDS --others DRAWN PHOTOGRAPHIC --out MEASURED
    python -m tools.demo_model.card MEASURED/report.json

WORLDS are pairs of tools.worlds that tools.worlds.without has completed. MEASURED gets ``rows.json`` (every scene's own
figures), ``report.json`` (means with 95 % intervals), ``samples.png`` (drawn from noise alone) and ``holes.png``.

| part | |
|---|---|
| holes | the object, or it and its shadow, painted away; PSNR in its place, against OpenCV's Navier-Stokes fill |
| shadows | the new shadow cut out of the true edit and painted; error against that of no shadow |
| noise | error of the predicted noise by thirds of the timesteps |
| pictures | PSNR of the autoencoder |
| lettering | the same of letters 12 px high, and the share of them that is still read right |
| roundtrip | inverted and sampled back at the default settings, against the autoencoder's own picture |
| attention | IoU from one click, by the present rule and with picture edges off |
| sheet | the two pictures |
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import model as benchmark_model
from benchmarks.scene import Scene, load_scene, scene_folders

from .load import NarrowModel, load_narrow, load_painter
from .measure import fidelity, holes, sheet
from .measure.report import report
from .packs import checksum
from .weights import AUTOENCODER_FILE, FOLDER, PAINTER_FILE

PARTS = ("holes", "shadows", "noise", "pictures", "lettering", "roundtrip", "attention", "sheet")
WORLDS_ALONE = ("holes", "shadows")
OF_PAINTERS = ("holes", "shadows", "sheet")


class Evaluation:
    """One model, the rows that were measured of it, and where they are kept."""

    def __init__(self, weights: Path, out: Path, steps: int, seeds: int, painter: bool = False) -> None:
        self.model: NarrowModel = (load_painter if painter else load_narrow)(weights)
        self.loaded = benchmark_model.load(weights=weights)
        self.out, self.steps, self.seeds = out, steps, seeds
        out.mkdir(parents=True, exist_ok=True)
        self.file = out / "rows.json"
        described = {"name": "painter", "files": files(weights)} if painter else self.loaded.description
        settings = {"model": described, "steps": steps, "seeds": seeds}
        kept = json.loads(self.file.read_text("utf-8")) if self.file.exists() else {"settings": settings, "parts": {}}
        if kept["settings"] != settings:
            raise SystemExit(f"error: {self.file} was measured with {kept['settings']}; name another folder.")
        self.settings, self.parts = settings, kept["parts"]

    def measured(self, part: str, name: str, domain: str, figures: Callable[[], dict[str, Any]]) -> None:
        """Measures one scene unless that was done, and keeps it."""
        rows = self.parts.setdefault(part, {})
        if name in rows:
            return
        rows[name] = {"domain": domain, **figures()}
        for path, value in ((self.file, {"settings": self.settings, "parts": self.parts}),
                            (self.out / "report.json", {"settings": self.settings, **report(self.parts)})):  # fmt: skip
            half = path.with_suffix(".part")
            half.write_text(json.dumps(value, indent=1) + "\n", "utf-8")
            half.replace(path)
        print(f"{part} {name}", flush=True)

    def scene(self, part: str, scene: Scene, folder: Path) -> dict[str, Any]:
        """One part of one scene."""
        if part == "holes":
            figures, shown = holes.hole_figures(self.model, scene, folder, self.steps, self.seeds)
            (self.out / "holes").mkdir(exist_ok=True)
            sheet.row(list(shown.values())).save(self.out / "holes" / f"{scene.name}.png")
            return figures
        if part == "shadows":
            return holes.shadow_figures(self.model, scene, self.steps, self.seeds)
        if part == "noise":
            return fidelity.noise_figures(self.model, self.model.vae.encode(holes.tensor(scene.source)))
        if part == "pictures":
            return fidelity.picture_figures(self.model, holes.tensor(scene.source))
        if part == "roundtrip":
            return fidelity.roundtrip_figures(self.loaded, scene)
        return fidelity.attention_figures(self.loaded, scene)


def files(weights: Path) -> dict[str, str]:
    """Checksums of a painter's files."""
    return {name: checksum(weights / name) for name in (PAINTER_FILE, AUTOENCODER_FILE)}


def named(folder: Path) -> str:
    """A scene's name with those of the two folders it lies in, since two sets may number alike."""
    return "/".join(folder.resolve().parts[-3:])


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.demo_model.evaluate", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--worlds", type=Path, nargs="*", default=[], help="folders of rendered pairs")
    parser.add_argument("--others", type=Path, nargs="*", default=[], help="folders of drawn or photographic scenes")
    parser.add_argument("--weights", type=Path, default=FOLDER)
    parser.add_argument("--painter", action="store_true", help="measure the inpainting twin: holes, shadows, sheet")
    parser.add_argument("--parts", nargs="+", choices=PARTS, help="all by default")
    parser.add_argument("--count", type=int, help="scenes of each folder at most, spread over it")
    parser.add_argument("--split", choices=("validation", "test"), default="test", help="of the letters")
    parser.add_argument("--letters", type=int, default=16, help="pictures of letters")
    parser.add_argument("--steps", type=int, default=20, help="of the whole schedule, in painting")
    parser.add_argument("--seeds", type=int, default=holes.SEEDS, help="paintings of each hole")
    parser.add_argument("--samples", type=int, default=32, help="pictures out of noise on the sheet")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(arguments)
    torch.set_num_threads(args.threads)
    allowed = OF_PAINTERS if args.painter else PARTS
    if args.parts is None:
        args.parts = allowed
    elif not set(args.parts) <= set(allowed):
        parser.error(f"--parts: of a painter {', '.join(OF_PAINTERS)} are measured.")
    evaluation = Evaluation(args.weights, args.out, args.steps, args.seeds, args.painter)
    places = [(folder, True) for root in args.worlds for folder in spread(scene_folders(root), args.count)]
    places += [(folder, False) for root in args.others for folder in spread(scene_folders(root), args.count)]
    for part in args.parts:
        if part == "lettering":
            for number in range(args.letters):
                evaluation.measured(
                    part, str(number), part,
                    lambda number=number: fidelity.lettering_figures(evaluation.model, number, args.split),
                )  # fmt: skip
        elif part == "sheet":
            sheet.write(evaluation.model, args.out, args.samples, args.steps)
        else:
            for folder, world in places:
                if part in WORLDS_ALONE and not world or part == "holes" and not (folder / "without.png").exists():
                    continue
                scene = load_scene(folder)
                evaluation.measured(
                    part, named(folder), scene.domain,
                    lambda scene=scene, folder=folder, part=part: evaluation.scene(part, scene, folder),
                )  # fmt: skip


def spread(folders: list[Path], count: int | None) -> list[Path]:
    """At most ``count`` of them, evenly spread."""
    if count is None or count >= len(folders):
        return folders
    return [folders[number] for number in np.linspace(0, len(folders) - 1, count).round().astype(int)]


if __name__ == "__main__":
    main()
