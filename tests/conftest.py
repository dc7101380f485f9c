"""Shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

REPOSITORY = Path(__file__).resolve().parent.parent

# No deadline: a slow machine is not a wrong result.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ci" if os.environ.get("CI") else "default")


class PlainRoot:
    """The repository is a package for ComfyUI alone: pytest would import its __init__.py, and so ComfyUI."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collect_directory(self, path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        return pytest.Dir.from_parent(parent, path=path) if path == REPOSITORY else None


def pytest_configure(config: pytest.Config) -> None:
    # Registered, and not written as a hook here: a conftest's hooks are not asked about folders above it.
    config.pluginmanager.register(PlainRoot())
