"""Every language says everything, with the same blanks to fill in; and names every node and input there is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser

from tests.browser.bench import open_bench
from tests.browser.conftest import FrontEnds

LOCALES = Path(__file__).resolve().parents[2] / "locales"
DOCS = LOCALES.parent / "web" / "docs"


def words(language: str) -> dict[str, str]:
    return json.loads((LOCALES / language / "main.json").read_text(encoding="utf-8"))["attentionDrag"]


@pytest.fixture(scope="module")
def english(browser: Browser) -> dict[str, str]:
    bench = open_bench(browser)
    found = bench.page.evaluate("import('/picker/text.js').then((module) => module.ENGLISH)")
    bench.page.context.close()
    return found


def test_the_english_file_says_what_the_picker_says_by_itself(english):
    assert words("en") == english


@pytest.mark.parametrize("language", ["ja", "zh"])
def test_other_languages_are_complete(english, language):
    translated = words(language)
    assert translated.keys() == english.keys()
    for key, sentence in english.items():
        assert set(re.findall(r"{\w+}", translated[key])) == set(re.findall(r"{\w+}", sentence)), key


def test_every_node_has_a_help_page_and_its_names_in_other_languages(front_ends: FrontEnds):
    info = requests.get(f"{front_ends.page('pinned').url}/object_info", timeout=120).json()
    ours = {name: entry for name, entry in info.items() if entry["python_module"].endswith("ComfyUI-AttentionDrag")}
    # Edit's stages are in no menu.
    ours = {name: entry for name, entry in ours.items() if not (entry.get("dev_only") or entry.get("deprecated"))}
    assert {"AttentionDragPoints", "AttentionDragEdit"} <= ours.keys()
    for language in ("ja", "zh"):
        names = json.loads((LOCALES / language / "nodeDefs.json").read_text(encoding="utf-8"))
        assert names.keys() == ours.keys()
        for node, entry in ours.items():
            inputs = {name for group in ("required", "optional") for name in entry["input"].get(group, {})}
            assert names[node]["inputs"].keys() == inputs, (language, node)
            assert len(names[node]["outputs"]) == len(entry["output"]), (language, node)
    for node, entry in ours.items():
        page = (DOCS / f"{node}.md").read_text(encoding="utf-8")
        for group in ("required", "optional"):
            for name in entry["input"].get(group, {}):
                assert re.search(rf"\b{name}\b", page), (node, name)


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
