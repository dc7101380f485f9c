"""Files in and out of the command line: drags of one or many pictures, results, and reports to resume by."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import InputError
from .space.points import DragPoints, points_from_data, points_to_json

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
COLUMNS = ("handle_x", "handle_y", "target_x", "target_y")


@dataclass(frozen=True)
class Job:
    """One picture to edit.

    Attributes:
        image: its file.
        name: path of its results below the output folder, without an ending.
        points: its drags.
    """

    image: Path
    name: str
    points: DragPoints


def read_points_file(path: Path) -> DragPoints | dict[str, DragPoints]:
    """Drags of a .json or .csv file: one set for every picture, or one for each by its name.

    JSON holds one set, ``{"version": 1, "pairs": [...]}``, or several, ``{"images": {"a.png": {...}, ...}}``.
    CSV has the columns handle_x, handle_y, target_x, target_y, optionally radius, group, motion and size, and
    optionally image; lines of one image are the drags of one edit.

    Raises:
        InputError: not there, another format, or drags that ``space.points`` doesn't take; names file and line.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("points", f"{path} can't be read ({error}).", "Give a .json or .csv file.") from error
    if path.suffix.lower() == ".csv":
        return parse_csv(text, str(path))
    try:
        data = json.loads(text)
    except ValueError as error:
        raise InputError("points", f"{path} is no valid JSON ({error}).", "Give a .json or .csv file.") from error
    if isinstance(data, Mapping) and "images" in data:
        if not isinstance(data["images"], Mapping):
            raise InputError("points", f"{path}: 'images' is no object.", "Use picture names as its keys.")
        return {str(name): _located(f"{path}, '{name}'", entry) for name, entry in data["images"].items()}
    return _located(str(path), data)


def parse_csv(text: str, where: str = "the CSV") -> DragPoints | dict[str, DragPoints]:
    """As ``read_points_file``, of a CSV's text."""
    try:
        return _parse_csv(text, where)
    except csv.Error as error:
        raise InputError("points", f"{where} is no valid CSV ({error}).", "Save it as plain CSV again.") from error


def _parse_csv(text: str, where: str) -> DragPoints | dict[str, DragPoints]:
    reader = csv.DictReader(io.StringIO(text, newline=None), skipinitialspace=True)
    columns = [name.strip() for name in reader.fieldnames or ()]
    missing = [name for name in COLUMNS if name not in columns]
    if missing:
        raise InputError(
            "points", f"{where} has no column {', '.join(missing)}.",
            f"Begin it with a line like image,{','.join(COLUMNS)}.",
        )
    reader.fieldnames = columns
    pairs: dict[str, list[dict[str, Any]]] = {}
    for row in reader:
        place = f"{where}, line {reader.line_num}"
        values = {name: _number(place, name, row.get(name)) for name in COLUMNS}
        entry: dict[str, Any] = {
            "handle": [values["handle_x"], values["handle_y"]],
            "target": [values["target_x"], values["target_y"]],
        }
        if (row.get("radius") or "").strip():
            entry["radius"] = _number(place, "radius", row["radius"])
        for name in ("group", "size"):
            if (row.get(name) or "").strip():
                value = _number(place, name, row[name])
                entry[name] = int(value) if value.is_integer() else value
        if (row.get("motion") or "").strip():
            entry["motion"] = row["motion"].strip()
        name = (row.get("image") or "").strip()
        if "image" in columns and not name:
            raise InputError("points", f"{place}: 'image' is empty.", "Name the picture, or delete the line.")
        pairs.setdefault(name, []).append(entry)
    found = {
        name: _located(f"{where}, '{name}'" if name else where, {"version": 2, "pairs": entries})
        for name, entries in pairs.items()
    }
    if "image" in columns:
        return found
    return found[""] if found else _located(where, {"version": 2, "pairs": []})


def plan_jobs(source: Path, points: DragPoints | dict[str, DragPoints]) -> list[Job]:
    """Which pictures are edited, and how.

    Args:
        source: a picture, or a folder of pictures (its subfolders are not searched, but may be named).
        points: of ``read_points_file``; one set goes for every picture.

    Raises:
        InputError: no picture, drags for a picture that isn't there, or a name that leads out of the folder.
    """
    if source.is_file():
        if isinstance(points, dict):
            if source.name not in points:
                named = ", ".join(sorted(points)) or "none"
                raise InputError("points", f"there are none for {source.name} (but for {named}).", "Add it.")
            points = points[source.name]
        return [Job(source, source.name, points)]
    if not source.is_dir():
        raise InputError("input", f"there is no picture or folder {source}.", "Check the path.")
    if isinstance(points, DragPoints):
        files = sorted(file for file in source.iterdir() if file.suffix.lower() in PICTURES and file.is_file())
        if not files:
            raise InputError("input", f"{source} holds no picture.", f"Use {', '.join(PICTURES)}.")
        return [Job(file, file.name, points) for file in files]
    jobs = []
    for name, own in points.items():
        file = source / name
        if not file.resolve().is_relative_to(source.resolve()):
            raise InputError("points", f"'{name}' leads out of {source}.", "Name pictures in the folder.")
        if not file.is_file():
            raise InputError("points", f"{source} holds no '{name}'.", "Check the name, or delete its drags.")
        jobs.append(Job(file, name, own))
    return jobs


def job_key(job: Job, parameters: Mapping[str, Any]) -> str:
    """Tells whether a finished result is of this very job: picture, drags and parameters."""
    digest = hashlib.sha256(job.image.read_bytes())
    digest.update(points_to_json(job.points).encode())
    digest.update(json.dumps(parameters, sort_keys=True).encode())
    return digest.hexdigest()


def checksum(file: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def outputs(folder: Path, job: Job) -> dict[str, Path]:
    """Where a job's results go; the report is written last."""
    base = folder / job.name
    return {kind: base.with_name(f"{base.name}{ending}") for kind, ending in
            (("image", ".dragged.png"), ("mask", ".mask.png"), ("report", ".json"))}


def is_done(paths: Mapping[str, Path], key: str) -> bool:
    """Whether all results are there and the report is of the same job."""
    if not all(path.is_file() for path in paths.values()):
        return False
    try:
        return json.loads(paths["report"].read_text("utf-8")).get("job") == key
    except (ValueError, AttributeError):
        return False


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Lets ``write`` make a file beside ``path`` that then takes its place; never leaves half a file there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
    os.close(handle)
    try:
        write(Path(name))
        # mkstemp makes files that only their owner may read.
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Writes a report, atomically."""
    text = json.dumps(data, indent=2) + "\n"
    write_atomically(path, lambda file: file.write_text(text, "utf-8"))


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def _located(where: str, data: Any) -> DragPoints:
    try:
        return points_from_data(data)
    except InputError as error:
        raise InputError("points", f"{where}: {error.problem}", error.mend) from error


def _number(place: str, column: str, text: Any) -> float:
    try:
        return float(text)
    except (TypeError, ValueError) as error:
        raise InputError("points", f"{place}: '{column}' is {text!r}.", "Use a number.") from error
