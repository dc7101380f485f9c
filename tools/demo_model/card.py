"""Writes what was measured into the card: ``python -m tools.demo_model.card MEASURED/report.json``.

Everything between the two marks of MODEL_CARD.md is replaced, those of the painter's part by a painter's report. The
report's pictures go beside the card as ``measured.jpg`` or ``painter.jpg``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from .measure import sheet
from .measure.holes import STRENGTHS
from .measure.report import PLACES, STARTS, TARGETS

CARD = Path(__file__).parent / "MODEL_CARD.md"
PICTURES = "measured.jpg"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
PAINTER, PAINTER_PICTURES = "painter", "painter.jpg"
"""The report's name of a painter, which also names its marks."""
TITLES = {
    "noise": ("Error of the predicted noise", "below 333", "below 666", "below 999", "all"),
    "pictures": ("Autoencoder", "psnr", "mean", "std"),
    "lettering": ("Capitals of 12 px", "psnr", "read", "before"),
    "roundtrip": ("Round trip at the default settings, against the autoencoder's own picture", "to autoencoder",
                  "latent error"),
    "attention": ("Mean IoU from one click", "rule", "no edges"),
}  # fmt: skip
DECIBELS = ("psnr", "to autoencoder")
HEADS = {
    "psnr": "PSNR, dB", "mean": "latents' mean", "std": "deviation", "read": "letters read right", "before": "before",
    "to autoencoder": "PSNR, dB", "rule": "present rule", "no edges": "picture edges off",
}  # fmt: skip


def with_interval(figure: Mapping[str, float], digits: int = 2) -> str:
    """A mean with its interval."""
    if figure["n"] < 2:
        return f"{figure['mean']:.{digits}f}"
    return f"{figure['mean']:.{digits}f} ({figure['ci_low']:.{digits}f} to {figure['ci_high']:.{digits}f})"


def table(rows: list[list[str]]) -> str:
    """Markdown; the first row is the head."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def _holes(found: Mapping[str, Any]) -> str:
    rows = [["place, painted", "grounds", "n", "fill, dB", *(f"{start}, gain" for start in STARTS), "wanted"]]
    for place, hole in PLACES:
        for ground in ("all", "textured"):
            entry = found.get(f"{place}, {hole}, {ground}")
            if entry:
                wanted = TARGETS["textured" if ground == "textured" else place]
                painted = "object alone" if hole == "alone" else "object and shadow"
                rows.append([
                    f"{place}'s place, {painted}", ground, str(entry["fill"]["n"]), f"{entry['fill']['mean']:.1f}",
                    *(with_interval(entry[start]["gain"]) for start in STARTS), f">= {wanted:g}",
                ])  # fmt: skip
    strengths = ", ".join(map(str, STRENGTHS))
    return (
        "Holes: PSNR of OpenCV's fill, and what the model gains over it, painting from noise or from that fill at "
        f"strength {strengths}; dB, paired 95 % intervals.\n\n{table(rows)}"
    )


def _shadows(found: Mapping[str, Any]) -> str:
    rows = [["new shadow painted from", "n", "error against no shadow", "of the sums", "wanted"]]
    names = {"start at 0.6": "the place without one, strength 0.6", "autoencoder": "(the autoencoder alone)"}
    rows += [
        [names.get(name, name), str(entry["ratio"]["n"]),
         with_interval(entry["ratio"]), f"{entry['pooled']:.2f}", "" if name == "autoencoder" else "<= 0.6"]
        for name, entry in found.items()
    ]  # fmt: skip
    return table(rows)


def pictures(folder: Path) -> Image.Image | None:
    """What ``evaluate`` drew, samples above and holes below, as wide as the narrower; None where there is nothing."""
    paths = [folder / name for name in ("samples.png", "holes.png")]
    drawn = [Image.open(path).convert("RGB") for path in paths if path.exists()]
    width = min((image.width for image in drawn), default=0)
    fitted = [image.resize((width, round(image.height * width / image.width))) for image in drawn]
    return sheet.stacked(fitted) if fitted else None


def text(report: Mapping[str, Any], pictured: str | None = None) -> str:
    """The section, without its marks; ``pictured``: the file that its pictures are in, if any."""
    settings = report["settings"]
    files = ", ".join(f"`{name}` {digest[:12]}" for name, digest in settings["model"].get("files", {}).items())
    parts = [
        f"Weights: {files or settings['model']['name']}. Means with 95 % intervals over scenes; painting in "
        f"{settings['steps']} steps of the whole schedule, mean of {settings['seeds']} seeds."
    ]
    if "holes" in report:
        parts.append(_holes(report["holes"]))
    if report.get("shadows"):
        parts.append(_shadows(report["shadows"]))
    for part, (title, *columns) in TITLES.items():
        if part in report:
            rows = [[title, "n", *(HEADS.get(column, column) for column in columns)]]
            for domain, figures in report[part].items():
                cells = [with_interval(figures[name], 2 if name in DECIBELS else 3) for name in columns]
                rows.append([domain, str(figures[columns[0]]["n"]), *cells])
            parts.append(table(rows))
    if pictured:
        parts.append(
            f"![Drawn out of noise; holes painted]({pictured})\n\nAbove, pictures out of noise alone. Below, a row "
            "a world: source; without the thing; the thing's hole by the fill, and by the model from the fill; the "
            "hole of thing and shadow by the fill, and by the model."
        )
    return "\n\n".join(parts)


def replaced(card: str, section: str, painter: bool = False) -> str:
    """The card with another section between its marks, or the painter's.

    Raises:
        ValueError: it has no marks.
    """
    begin, end = (mark.replace("measured", PAINTER) if painter else mark for mark in (BEGIN, END))
    if card.count(begin) != 1 or card.count(end) != 1:
        raise ValueError(f"{CARD.name} must have one line '{begin}' and one '{end}'.")
    before, _, rest = card.partition(begin)
    return f"{before}{begin}\n{section}\n{end}{rest.partition(end)[2]}"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.demo_model.card", description=__doc__)
    parser.add_argument("report", type=Path, help="report.json of tools.demo_model.evaluate")
    parser.add_argument("--card", type=Path, default=CARD)
    args = parser.parse_args(arguments)
    report = json.loads(args.report.read_text("utf-8"))
    painter = report["settings"]["model"]["name"] == PAINTER
    shown, name = pictures(args.report.parent), PAINTER_PICTURES if painter else PICTURES
    if shown is not None:
        shown.save(args.card.parent / name, quality=85)
    section = text(report, None if shown is None else name)
    args.card.write_text(replaced(args.card.read_text("utf-8"), section, painter), "utf-8")


if __name__ == "__main__":
    main()
