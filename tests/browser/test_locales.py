"""The picker says everything in every language, with the same blanks to fill in."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.browser.bench import Benches

LOCALES = Path(__file__).resolve().parents[2] / "locales"
DOCS = LOCALES.parent / "web" / "docs"


def words(language: str) -> dict[str, str]:
    return json.loads((LOCALES / language / "main.json").read_text(encoding="utf-8"))["attentionDrag"]


@pytest.fixture(scope="module")
def english(benches: Benches) -> dict[str, str]:
    bench = benches.open()
    found = bench.page.evaluate("import('/picker/text.js').then((module) => module.ENGLISH)")
    benches.give_back(bench)
    return found


def test_the_english_file_says_what_the_picker_says_by_itself(english):
    assert words("en") == english


@pytest.mark.parametrize("language", ["ja", "zh"])
def test_other_languages_are_complete(english, language):
    translated = words(language)
    assert translated.keys() == english.keys()
    for key, sentence in english.items():
        assert set(re.findall(r"{\w+}", translated[key])) == set(re.findall(r"{\w+}", sentence)), key


def test_pictures_of_the_help_pages_exist_and_are_small():
    linked = 0
    for page in DOCS.rglob("*.md"):
        for target in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
            # ComfyUI resolves links against the folder docs/ for every language.
            file = (DOCS / target).resolve()
            assert file.is_file(), (page.name, target)
            assert file.stat().st_size < 300_000, file.name
            linked += 1
    assert linked
