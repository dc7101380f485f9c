"""The sizes in README are those that the deciding code reckons."""

from __future__ import annotations

from pathlib import Path

from benchmarks import memory
from core.families import SD1, SDXL

README = Path(__file__).parents[2] / "README.md"


def test_readme_shows_the_table():
    text = README.read_text("utf-8")
    for row in memory.table():
        assert row in text, row


def test_layers_are_the_families_own():
    # Self-attention layers and their tokens' widths, as the published configurations have them.
    sd1, sdxl = memory.layers_of(SD1), memory.layers_of(SDXL)
    assert len(sd1) == 16 and sum(layer.channels for layer in sd1) == 5 * (320 + 640 + 1280) + 1280
    assert len(sdxl) == 70 and [layer.channels for layer in sdxl].count(640) == 10
    assert len({layer.name for layer in sdxl}) == 70
