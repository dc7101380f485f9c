"""A ComfyUI base directory of our own: models, input, output, user and custom_nodes.

ComfyUI takes all of these from ``--base-directory`` (0.3.52 and 0.3.75 alike), so neither the demo nor the
tests write anything into the ComfyUI they run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from scripts.environment import REPOSITORY

PACK_NAME = "ComfyUI-AttentionDrag"


@dataclass(frozen=True)
class BaseDirectory:
    """Paths below a base directory made by `make_base_directory`."""

    root: Path

    @property
    def checkpoints(self) -> Path:
        return self.root / "models" / "checkpoints"

    @property
    def loras(self) -> Path:
        return self.root / "models" / "loras"

    @property
    def input(self) -> Path:
        return self.root / "input"

    @property
    def output(self) -> Path:
        return self.root / "output"

    @property
    def user(self) -> Path:
        return self.root / "user"

    @property
    def custom_nodes(self) -> Path:
        return self.root / "custom_nodes"

    @property
    def log(self) -> Path:
        return self.root / "server.log"


def make_base_directory(root: Path, packs: Iterable[Path] = ()) -> BaseDirectory:
    """Make (or complete) a base directory whose ``custom_nodes`` links to this pack and to ``packs``."""
    base = BaseDirectory(root.resolve())
    for folder in (base.checkpoints, base.loras, base.input, base.output, base.user, base.custom_nodes):
        folder.mkdir(parents=True, exist_ok=True)
    for name, source in {PACK_NAME: REPOSITORY, **{Path(p).name: Path(p) for p in packs}}.items():
        link = base.custom_nodes / name
        if link.is_symlink() and link.resolve() != source.resolve():
            link.unlink()
        if not link.exists():
            link.symlink_to(source.resolve(), target_is_directory=True)
    return base
