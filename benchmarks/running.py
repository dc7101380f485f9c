"""Runs methods over scenes, in one process or several, so that a run that was stopped goes on where it was.

Every scene has a file of its own in the work folder, ``LABEL/SCENE.json``, and the results' pictures beside it. A
scene's file is read instead of run again when nothing that its figures depend on has changed: the scene's files,
settings, options, model and the code of core and benchmarks. Methods that it lacks, or that failed, are run and added.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from core.batch import write_json
from core.settings import EditSettings

from . import metrics, photographs
from .arguments import set_threads
from .context import Context, Outcome
from .judging import Judge
from .methods import METHODS, WITHOUT_MODEL
from .model import Model
from .model import load as load_model
from .scene import Scene, SceneError, load_scene, scene_folders

OF_LOOKS_ONLY = frozenset({"report.py", "sheet.py", "scenes.py", "self_check.py", "arguments.py", "ablation.py",
                           "speed.py", "roundtrip.py", "fills.py", "__init__.py"})  # fmt: skip
"""Benchmarks' files that change no figure."""
JPEG_QUALITY = 95


@dataclass(frozen=True)
class Item:
    """One scene to run: its folder, its name in reports, and whether its true edit is known."""

    folder: Path
    name: str
    known: bool = True


@dataclass(frozen=True)
class Job:
    """All that a process needs to run any item.

    Attributes:
        methods: names of ``METHODS``.
        settings: of ours.
        work: folder of the scenes' files; None keeps nothing.
        model: arguments of ``benchmarks.model.load``; None where no method needs one.
        options: of the baselines.
        features: whether points are followed by the model's features, too.
        side: of pictures without a truth (``benchmarks.photographs.load``).
        threads: of each process.
    """

    methods: tuple[str, ...]
    settings: EditSettings
    work: Path | None = None
    model: dict[str, Any] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    features: bool = True
    side: int | None = None
    threads: int | None = None


def items_of(
    roots: Sequence[Path], limit: int | None = None, known: bool = True, per_family: int | None = None
) -> list[Item]:
    """The scenes of several folders, each named after its folder's last parts: "worlds-test/0001".

    ``limit`` counts within each folder, ``per_family`` within each of its families.

    Raises:
        SceneError: a folder holds none.
    """
    items: list[Item] = []
    labels: set[str] = set()
    for root in roots:
        root = Path(root).resolve()
        label = root.name if root.parent.name in ("", "/") else f"{root.parent.name}-{root.name}"
        while label in labels:
            label += "+"
        labels.add(label)
        found = scene_folders(root) if known else photographs.folders(root)
        if per_family is not None:
            found = list(_first_of_each(found, per_family))
        for folder in found[:limit]:
            items.append(Item(folder, f"{label}/{'-'.join(folder.relative_to(root).parts)}", known))
    return items


def run_item(
    item: Item, job: Job, loaded: Model | None, features: Any = None, description: Any = None
) -> dict[str, Any]:
    """One scene's entry, from its file or run.

    ``{"domain", "family", "kind", "size", "points", "source_errors", "pixels", "methods": {name: {figure: value,
    "errors": {area: sum}}}, "failed": {name: why}}``; a scene that can't be read has "broken" alone.
    """
    path = None if job.work is None else job.work / f"{item.name}.json"
    try:
        scene = load_scene(item.folder) if item.known else photographs.load(item.folder, job.side)
    except SceneError as error:
        return {"broken": str(error)}
    key = _key(item, job, description) if path is not None else ""
    entry = _known(path, key)
    if entry is None:
        entry = {"key": key, "domain": scene.domain, "family": scene.family, "kind": scene.kind,
                 "size": list(scene.size), "methods": {}, "failed": {}}  # fmt: skip
    wanted = [name for name in job.methods if name not in entry["methods"]]
    if not wanted:
        return entry
    context = Context(scene, loaded, job.settings, job.options)
    judge = Judge(scene, context.truth) if item.known else None
    truth_features = None
    if judge is not None:
        source = judge.judge(scene.source)
        entry["source_errors"], entry["pixels"] = source.errors, source.pixels
        entry["points"] = {"kept": len(judge.points.kept), "dropped": judge.points.dropped}
        if features is not None and judge.points.kept:
            truth_features = features(scene.target)
    for name in wanted:
        entry["failed"].pop(name, None)
        try:
            outcome = METHODS[name](context)
            if not np.isfinite(outcome.image).all():
                raise ValueError("the result holds NaN or infinite values")
            entry["methods"][name] = _figures(scene, judge, outcome, features, truth_features)
        except Exception as error:  # whatever breaks on one scene must not cost the others
            where = traceback.extract_tb(error.__traceback__)[-1]
            entry["failed"][name] = f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
            continue
        if path is not None:
            _keep_picture(path, name, outcome)
    if path is not None:
        write_json(path, entry)
    return entry


def run(
    items: Sequence[Item], job: Job, processes: int = 1, loaded: Model | None = None
) -> Iterator[tuple[Item, dict[str, Any]]]:
    """The entries of all items, as they are done.

    Args:
        items: to run.
        job: what to run on them.
        processes: more than one splits the items over so many, each with a model of its own.
        loaded: the model, if it is loaded already; used by a single process.
    """
    if processes <= 1:
        worker = _Worker(job, loaded)
        for item in items:
            yield item, worker.run(item)
        return
    # Read when a process starts, before anything could be told to use fewer.
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(job.threads or 1)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, _start, (job,)) as pool:
        waiting = {pool.submit(_run_in_worker, item): item for item in items}
        for done in as_completed(waiting):
            yield waiting[done], done.result()


class _Worker:
    """Runs items with one model."""

    def __init__(self, job: Job, loaded: Model | None = None):
        self._job = job
        set_threads(job.threads)
        if loaded is None and job.model is not None and set(job.methods) - WITHOUT_MODEL:
            loaded = load_model(**job.model)
        self._loaded = loaded
        self._features = None
        if job.features and loaded is not None:
            from .features import Features

            self._features = Features(loaded)

    def run(self, item: Item) -> dict[str, Any]:
        start = time.perf_counter()
        description = None if self._loaded is None else self._loaded.description
        entry = run_item(item, self._job, self._loaded, self._features, description)
        sys.stderr.write(f"{item.name}: {time.perf_counter() - start:.1f} s\n")
        for name, why in entry.get("failed", {}).items():
            sys.stderr.write(f"    {name}: {why}\n")
        if "broken" in entry:
            sys.stderr.write(f"    broken: {entry['broken']}\n")
        return entry


_worker: _Worker | None = None


def _start(job: Job) -> None:
    global _worker
    _worker = _Worker(Job(**{**vars(job), "threads": job.threads or 1}))


def _run_in_worker(item: Item) -> dict[str, Any]:
    assert _worker is not None
    return _worker.run(item)


def _figures(scene: Scene, judge: Judge | None, outcome: Outcome, features: Any, truth_features: Any) -> dict[str, Any]:
    common = {"unet_evaluations": outcome.evaluations, "seconds": outcome.seconds}
    if judge is None:
        return {**photographs.judge(scene, outcome.image), **common}
    judged = judge.judge(outcome.image, outcome.region)
    plain = metrics.measure(scene, outcome.image)
    if scene.domain != "drawn":
        # What is looked for is the source's own look, moved by the drag: with light or perspective no truth keeps it.
        plain["mean_distance_px"] = plain["mean_distance_ratio"] = None
    figures: dict[str, Any] = {**plain, **judged.figures}
    if truth_features is not None:
        from . import tracking

        planes, stride = truth_features
        errors = tracking.feature_errors(judge.points, planes, features(outcome.image)[0], stride)
        figures |= tracking.summary(judge.points, errors, "point_feature")
    if outcome.mask is not None:
        figures["mask_iou"] = metrics.iou(outcome.mask, scene.object_mask)
    return {**figures, **common, "errors": judged.errors}


def picture_path(work: Path, scene: str, method: str) -> Path:
    """Where a result's picture is kept."""
    return work / scene / f"{method}.jpg"


def mask_path(work: Path, scene: str, method: str) -> Path:
    """Where an automatic mask is kept."""
    return work / scene / f"{method}.mask.png"


def _keep_picture(path: Path, name: str, outcome: Outcome) -> None:
    folder = path.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(np.rint(np.clip(outcome.image, 0, 1) * 255).astype(np.uint8))
    picture.save(folder / f"{name}.jpg", quality=JPEG_QUALITY, subsampling=0)
    if outcome.mask is not None:
        Image.fromarray(((outcome.mask > 0.5) * 255).astype(np.uint8)).save(folder / f"{name}.mask.png")


def _known(path: Path | None, key: str) -> dict[str, Any] | None:
    if path is None or not path.exists():
        return None
    try:
        entry = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return entry if isinstance(entry, dict) and entry.get("key") == key else None


def _key(item: Item, job: Job, description: Any) -> str:
    """Tells whether a scene's figures still hold."""
    digest = hashlib.sha256()
    settings = (job.settings, sorted(job.options.items()), job.features, job.side, description)
    digest.update(repr(settings).encode())
    for file in sorted(item.folder.iterdir()):
        if file.is_file():
            digest.update(file.name.encode() + file.read_bytes())
    digest.update(_code().encode())
    return digest.hexdigest()


def _code() -> str:
    global _code_hash
    if _code_hash is None:
        root = Path(__file__).resolve().parent
        digest = hashlib.sha256()
        files = [*sorted(root.glob("*.py")), *sorted((root.parent / "core").rglob("*.py"))]
        for file in files:
            if file.parent != root or file.name not in OF_LOOKS_ONLY:
                digest.update(file.read_bytes())
        _code_hash = digest.hexdigest()
    return _code_hash


_code_hash: str | None = None


def _first_of_each(found: Sequence[Path], count: int) -> Iterator[Path]:
    seen: dict[str, int] = {}
    for folder in found:
        try:
            meta = json.loads((folder / "meta.json").read_text("utf-8"))
            family = str(meta.get("family") or meta.get("background") or "").split(":")[0]
        except (OSError, ValueError, AttributeError):
            family = folder.name.rsplit("_", 1)[0] if (folder / "points.json").exists() else ""
        seen[family] = seen.get(family, 0) + 1
        if seen[family] <= count:
            yield folder
