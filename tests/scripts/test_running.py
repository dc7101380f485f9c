"""The stages of scripts/test.sh: what fails in one is told, and keeps no other from running."""

from __future__ import annotations

import re

import pytest

from scripts import run_tests


@pytest.fixture
def stages(tmp_path, monkeypatch):
    """Three stages of one test each: one passes, one fails, one tells that the first has begun."""
    bodies = {
        "core": f"open({str(tmp_path / 'begun')!r}, 'w').close()",
        "comfy": "assert False, 'broken'",
        "browser": f"import os, time\n    while not os.path.exists({str(tmp_path / 'begun')!r}): time.sleep(0.01)",
    }
    for name, body in bodies.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / f"test_{name}.py").write_text(f"def test_{name}():\n    {body}\n")
    monkeypatch.setattr(run_tests, "STAGES", {name: (name,) for name in bodies})
    monkeypatch.setattr(run_tests, "REPOSITORY", tmp_path)
    monkeypatch.setattr(run_tests, "ensure_browser", lambda: True)
    for name in ("OMP_NUM_THREADS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD"):
        monkeypatch.setenv(name, "1")
    return monkeypatch


@pytest.mark.parametrize("arguments", [[], ["--together"]], ids=["in a row", "together"])
def test_all_run_and_a_failure_is_told(stages, capfd, arguments):
    stages.setattr("sys.argv", ["run_tests", *arguments])
    assert run_tests.main() == 1
    told = capfd.readouterr().out
    assert "broken" in told
    assert [told.count(f"===== {name}: {name}") for name in run_tests.STAGES] == [1, 1, 1]
    last = told.strip().splitlines()[-3:]
    assert [re.sub(r" +[0-9]+ s +", ": ", line).rpartition(" in ")[0] for line in last] == [
        "core: 1 passed", "comfy: 1 failed", "browser: 1 passed",
    ]  # fmt: skip
