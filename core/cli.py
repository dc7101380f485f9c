"""The command line: ``python -m attention_drag MODEL INPUT --out DIR (--points FILE | --drag X,Y,X,Y ...)``.

In a clone of the repository it is ``python -m core``; installed (``pip install .``) it is also ``attention-drag``.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.metadata
import json
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from . import api, batch
from .attention.tokens import SourceAttention
from .batch import Job
from .diffusion.cost import Cost
from .diffusion.schedule import timesteps
from .edit import EditResult, check_one_behind
from .errors import InputError
from .families import AUTOMATIC_STEPS, SD1, Family, ScheduleChoice, chosen
from .motion.field import Falloff, Motion, Start
from .options import choices
from .presets import Preset, applied, check_not_overruled
from .region.found import Rule
from .settings import EditSettings
from .space.points import DragPoints, points_from_data, points_to_json
from .window.plan import read_context
from .windowed import WindowedResult

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
DISTRIBUTION = "comfyui-attentiondrag"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns its exit code: 0, 1 when pictures failed, 2 when nothing could begin."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    try:
        # Before anything is loaded: a mistyped option should not cost that.
        read_settings(options)
        read_context(options.window)
        jobs = batch.plan_jobs(options.input, read_drags(options))
        mask, plate = _mask("mask", options.mask, jobs), _plate(options, jobs)
        lit = _mask("light_mask", options.light_mask, jobs)
        dtype = DTYPES[options.dtype] if options.dtype else None
        model = api.load(options.model, options.device, dtype)
        painter = api.load(options.painter, options.device, dtype) if options.painter else None
        return run(model, jobs, options, read_settings(options, model.family), Given(mask, plate, painter, lit))
    except InputError as error:
        sys.stderr.write(f"{parser.prog}: {error}\n")
        return 2


@dataclasses.dataclass(frozen=True, eq=False)
class Given:
    """What is given beside model, pictures and drags.

    Attributes:
        mask, plate: (1, H, W) and (1, H, W, 3) in 0..1, for a single picture.
        painter: the second model.
        lit: (1, H, W) in 0..1, for a single picture.
    """

    mask: torch.Tensor | None = None
    plate: torch.Tensor | None = None
    painter: api.Model | None = None
    lit: torch.Tensor | None = None


def build_parser() -> argparse.ArgumentParser:
    """The options; every default is ``EditSettings``'s own."""
    default = EditSettings()
    parser = argparse.ArgumentParser(
        prog="attention_drag",
        description="Drags parts of pictures with a diffusion model's own attention. Points are shares of width and "
        "height, (0, 0) the top left corner. Finished pictures are skipped when run again.",
    )
    parser.add_argument("model", type=Path, help="diffusers folder, or a checkpoint in one .safetensors file")
    parser.add_argument("input", type=Path, help="a picture, or a folder of pictures")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where results go")
    drags = parser.add_mutually_exclusive_group(required=True)
    drags.add_argument("--points", type=Path, metavar="FILE", help="drags as .json or .csv")
    drags.add_argument(
        "--drag", action="append", metavar="X,Y,X,Y[,R]",
        help="from handle to target, with an optional radius; may be given several times",
    )
    for kind, said in (("add", "what is there belongs to what moves"), ("leave-out", "what is there doesn't")):
        parser.add_argument(
            f"--{kind}", action="append", default=[], metavar="X,Y", help=f"{said}; goes with --drag, several times"
        )
    parser.add_argument(
        "--size", type=int, default=0, metavar="N",
        help="so many times the next larger thing (below 0: smaller) than what is found; goes with --drag",
    )
    parser.add_argument("--mask", type=Path, help="a picture whose white moves, instead of what the attention finds")
    parser.add_argument(
        "--clean-plate", type=Path, metavar="FILE", help="a picture of what is behind, of the picture's size, in the "
        "place of a filling",
    )
    parser.add_argument(
        "--painter", type=Path, metavar="MODEL", help="a second model of the same family, an inpainting checkpoint at "
        "best, that paints in its place: what the drag reveals, and with --light the light",
    )
    parser.add_argument(
        "--window", default="auto", metavar="auto|whole|PX", help="pictures larger than the model's own size are "
        "edited in a window round what moves: as much as an edit may need, the whole picture after all, or so many px "
        "of surroundings; default: %(default)s",
    )
    parser.add_argument("--prompt", help="what the picture shows (default: the text encoder's empty text)")
    parser.add_argument("--negative-prompt", help="what the edited part shall not show; needs --guidance")
    parser.add_argument("--source-prompt", help="for the inversion alone, in the prompt's place (default: the prompt)")
    parser.add_argument(
        "--restyle", metavar="PROMPT", help="what the edited part shall look like, in the prompt's place on the way "
        "back alone; lower --hold-element for it",
    )
    parser.add_argument(
        "--guidance", type=float, default=1.0, help="towards --restyle or the prompt on the way back; above about 3 an "
        "inverted picture breaks; default: %(default)s",
    )
    parser.add_argument(
        "--schedule", choices=choices(ScheduleChoice), default="auto",
        help="'distilled' for LCM, Turbo, Lightning and Hyper, which a diffusers folder may tell of itself, and a "
        "single file never does; default: %(default)s",
    )
    parser.add_argument(
        "--steps", type=int, default=AUTOMATIC_STEPS,
        help=f"over the whole schedule; default: {default.steps}, distilled {SD1.distilled().steps}",
    )
    parser.add_argument("--strength", type=float, default=default.strength, help="0..1, default: %(default)s")
    parser.add_argument(
        "--refinements", type=int, default=default.refinements, help="a step of the inversion, default: %(default)s"
    )
    parser.add_argument(
        "--preset", choices=choices(Preset), default="auto", help="'keep' holds what moves exactly, 'paper' takes the "
        "published steps; both set several of the options below, which then can't be given; default: %(default)s",
    )
    parser.add_argument("--tau", type=float, help="correlation from which a pixel moves (default: chosen by itself)")
    parser.add_argument(
        "--rule", choices=choices(Rule), default=default.element.rule, help="how it is found, default: %(default)s"
    )
    parser.add_argument("--grow", type=int, default=default.element.grow, metavar="PX", help="widens the mask")
    parser.add_argument(
        "--falloff", choices=choices(Falloff), default=default.move.falloff, help="default: %(default)s"
    )
    parser.add_argument(
        "--motion", choices=choices(Motion), default=default.move.motion,
        help="how objects move, default: %(default)s",
    )
    parser.add_argument(
        "--perspective", action="store_true", help="what a single handle moves gets smaller up the picture"
    )
    parser.add_argument(
        "--start", choices=choices(Start), default=default.move.start,
        help="what is moved: inverted latents, or pixels, encoded or encoded and inverted again, default: %(default)s",
    )
    parser.add_argument(
        "--source-attention", "--consistency", choices=choices(SourceAttention),
        default=default.sample.source_attention,
        help="the source's keys and values in self-attention, default: %(default)s",
    )
    parser.add_argument(
        "--source-queries", type=float, default=default.sample.source_queries,
        help="0..1, with 'follow': how far what arrived asks as its source did, default: %(default)s",
    )
    parser.add_argument(
        "--hold-element", "--preserve", type=float, default=default.sample.hold_element,
        help="0..1, how long what moves is held to what it was, default: %(default)s",
    )
    parser.add_argument(
        "--hold-rest", "--hold", type=float, default=default.sample.hold_rest,
        help="0..1, how long what the element leaves is held to its filling, default: %(default)s",
    )
    parser.add_argument(
        "--paint", type=float, default=default.repaint.revealed, metavar="STRENGTH",
        help="0..1, how strongly the model paints what was hidden, over its filling, default: %(default)s",
    )
    parser.add_argument(
        "--light", type=float, default=default.repaint.surroundings, metavar="STRENGTH",
        help="0..1, how strongly the model may change the light round the element, default: %(default)s",
    )
    parser.add_argument(
        "--light-extent", type=float, default=default.repaint.extent, metavar="SIZES",
        help="how far that reaches, in sizes of the element, default: %(default)s",
    )
    parser.add_argument(
        "--light-mask", type=Path, metavar="FILE", help="a picture whose white is where that may change the light"
    )
    parser.add_argument("--seed", type=int, default=default.seed, help="of what was hidden, default: %(default)s")
    parser.add_argument("--budget-mb", type=int, default=default.capture.budget_mb, help="default: %(default)s")
    parser.add_argument(
        "--no-source-background", "--no-keep-pixels", action="store_true", help="decode the background, too"
    )
    parser.add_argument("--device", help="default: the machine's accelerator, or the CPU")
    parser.add_argument("--dtype", choices=DTYPES, help="default: float16, on the CPU float32")
    parser.add_argument("--overwrite", action="store_true", help="edit finished pictures again")
    return parser


def read_settings(options: argparse.Namespace, family: Family = SD1) -> EditSettings:
    """The options as settings; what isn't an option stays at the default of the model's family."""
    default = EditSettings.of(family)
    schedule, steps = chosen(family, options.schedule, options.steps)
    given = dataclasses.replace(
        default,
        schedule=schedule,
        steps=steps,
        strength=options.strength,
        refinements=options.refinements,
        capture=dataclasses.replace(default.capture, budget_mb=options.budget_mb),
        element=dataclasses.replace(default.element, tau=options.tau, grow=options.grow, rule=options.rule),
        move=dataclasses.replace(
            default.move,
            falloff=options.falloff,
            motion=options.motion,
            perspective=options.perspective,
            start=options.start,
        ),
        seed=options.seed,
        sample=dataclasses.replace(
            default.sample,
            source_attention=options.source_attention,
            source_queries=options.source_queries,
            hold_element=options.hold_element,
            hold_rest=options.hold_rest,
        ),
        source_background=not options.no_source_background,
        repaint=dataclasses.replace(
            default.repaint, revealed=options.paint, surroundings=options.light, extent=options.light_extent
        ),
    )
    check_not_overruled(given, options.preset, default)
    return applied(given, options.preset)


def read_drags(options: argparse.Namespace) -> DragPoints | dict[str, DragPoints]:
    """Drags of ``--points``, or of ``--drag`` with ``--size`` and the clicks of ``--add`` and ``--leave-out``."""
    clicks = [
        {"at": _numbers(name, text, "X,Y", 2), "kind": kind}
        for name, kind, texts in (("add", "add", options.add), ("leave-out", "leave_out", options.leave_out))
        for text in texts
    ]
    if options.points is not None:
        if clicks or options.size:
            raise InputError("points", "--add, --leave-out and --size go with --drag.", "Write them into the file.")
        return batch.read_points_file(options.points)
    pairs = []
    for text in options.drag:
        numbers = _numbers("drag", text, "X,Y,X,Y or X,Y,X,Y,R", 4, 5)
        pair: dict[str, Any] = {"handle": numbers[:2], "target": numbers[2:4]}
        pairs.append(pair | {"size": options.size} | ({"radius": numbers[4]} if len(numbers) == 5 else {}))
    return points_from_data({"version": 2, "pairs": pairs, "clicks": clicks})


def _numbers(input: str, text: str, form: str, *counts: int) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise InputError(input, f"'{text}' isn't made of numbers.", f"Give {form}.") from error
    if len(numbers) not in counts:
        raise InputError(input, f"'{text}' has {len(numbers)} numbers.", f"Give {form}.")
    return numbers


def run(
    model: api.Model, jobs: list[Job], options: argparse.Namespace, settings: EditSettings, given: Given
) -> int:
    """Edits every picture that isn't finished; one that fails is told and doesn't hold up the others."""
    parameters = _parameters(model, options, settings, given)
    failed = 0
    with tqdm(jobs, unit="picture") as bar:
        for job in bar:
            bar.set_description(job.name)
            paths = batch.outputs(options.out, job)
            try:
                key = batch.job_key(job, parameters)
                if not options.overwrite and batch.is_done(paths, key):
                    continue
                bar.write(f"{job.name}: {_cost(model, job, options, settings, given)}", sys.stderr)
                _edit(model, job, options, settings, given, parameters, paths, key)
            except (InputError, OSError) as error:
                failed += 1
                bar.write(f"{job.name}: {error}", sys.stderr)
    return 1 if failed else 0


def _cost(model: api.Model, job: Job, options: argparse.Namespace, settings: EditSettings, given: Given) -> Cost:
    return api.cost(model, job.image, settings, given.painter, read_context(options.window), given.mask)


def _edit(
    model: api.Model, job: Job, options: argparse.Namespace, settings: EditSettings, given: Given,
    parameters: dict[str, Any], paths: dict[str, Path], key: str,
) -> None:
    begun = time.perf_counter()
    each_way = len(timesteps(settings.steps, settings.strength, schedule=settings.schedule))
    with tqdm(total=2 * each_way, unit="step", leave=False) as steps:
        result = api.edit(
            model, job.image, job.points, options.prompt, options.negative_prompt, options.guidance,
            options.source_prompt, settings, given.mask, lambda *_: steps.update(), given.painter, given.plate,
            options.restyle, read_context(options.window), light_mask=given.lit,
        )
    if isinstance(result, WindowedResult):
        tqdm.write(f"{job.name}: {result.window}", sys.stderr)
    batch.write_atomically(paths["image"], lambda file: api.save_image(result.image, file))
    batch.write_atomically(paths["mask"], lambda file: api.save_image(result.element, file))
    seconds = time.perf_counter() - begun
    batch.write_json(paths["report"], _report(job, result, parameters, paths, key, seconds))


def _parameters(
    model: api.Model, options: argparse.Namespace, settings: EditSettings, given: Given
) -> dict[str, Any]:
    """All that a result depends on besides the picture and its drags, as JSON holds it."""
    return {
        "model": _described(options.model, model),
        "painter": _described(options.painter, given.painter) if given.painter else None,
        "prompts": {
            "prompt": options.prompt, "negative_prompt": options.negative_prompt, "guidance": options.guidance,
            "source_prompt": options.source_prompt, "restyle": options.restyle,
        },
        "mask": batch.checksum(options.mask) if options.mask else None,
        "clean_plate": batch.checksum(options.clean_plate) if options.clean_plate else None,
        "light_mask": batch.checksum(options.light_mask) if options.light_mask else None,
        "window": options.window,
        "settings": dataclasses.asdict(settings),
    }


def _described(path: Path, model: api.Model) -> dict[str, str]:
    return {"path": str(path), "fingerprint": model.fingerprint, "dtype": str(model.components.unet.dtype)}


def _report(
    job: Job, result: EditResult, parameters: dict[str, Any], paths: dict[str, Path], key: str, seconds: float
) -> dict[str, Any]:
    inversion = result.inversion
    height, width = result.image.shape[1:3]
    return {
        "job": key,
        "image": {
            "file": str(job.image), "sha256": batch.checksum(job.image), "width": width, "height": height
        },
        "points": json.loads(points_to_json(job.points)),
        **parameters,
        "versions": _versions(),
        "result": {
            "image": paths["image"].name,
            "mask": paths["mask"].name,
            "window": dataclasses.asdict(result.window) if isinstance(result, WindowedResult) else None,
            "moved_share": float(result.element.mean()),
            "sigmas": inversion.sigmas.tolist(),
            "inversion_evaluations": inversion.evaluations,
            "storage": inversion.footprint.storage,
            "captured_bytes": inversion.footprint.total,
            "seconds": round(seconds, 3),
        },
    }


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    for name in (DISTRIBUTION, "diffusers"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def _mask(name: str, file: Path | None, jobs: list[Job]) -> torch.Tensor | None:
    if file is None:
        return None
    if len(jobs) > 1:
        raise InputError(name, f"one for {len(jobs)} pictures.", "Edit a single picture with it.")
    return api.read_image(file, name).mean(-1)


def _plate(options: argparse.Namespace, jobs: list[Job]) -> torch.Tensor | None:
    if options.clean_plate is None:
        return None
    if len(jobs) > 1:
        raise InputError("clean_plate", f"one for {len(jobs)} pictures.", "Edit a single picture with it.")
    if options.painter is not None:
        check_one_behind(True)
    return api.read_image(options.clean_plate, "clean_plate")
