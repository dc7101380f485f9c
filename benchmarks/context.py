"""What methods are given and what they give back."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from core.settings import EditSettings

from .model import Model
from .scene import Scene
from .truth import Truth, truth_of

T = TypeVar("T")


@dataclass
class Outcome:
    """What a method gave.

    Attributes:
        image: (H, W, 3) float32 in 0..1.
        seconds: it took, as it would alone: what it shares with others on the scene counts for each.
        evaluations: of the U-Net, likewise.
        mask: the automatic mask (H, W), where the method makes one.
        region: what it was allowed to change, (H, W), above 0; None for a method that was free everywhere.
    """

    image: np.ndarray
    seconds: float
    evaluations: int
    mask: np.ndarray | None = None
    region: np.ndarray | None = None


@dataclass(frozen=True)
class Cost:
    """Of a piece of work."""

    seconds: float
    evaluations: int

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.seconds + other.seconds, self.evaluations + other.evaluations)


@dataclass
class Context:
    """One scene, and the work that several methods share on it: each piece is done once and counts for all.

    Attributes:
        scene, model, settings: what to run, on what, and how ours is set.
        options: of the baselines, by name (``paste_img2img_strength``).
    """

    scene: Scene
    model: Model | None
    settings: EditSettings
    options: dict[str, Any] = field(default_factory=dict)
    _kept: dict[str, tuple[Any, Cost]] = field(default_factory=dict, repr=False)

    def once(self, key: str, run: Callable[[], T]) -> tuple[T, Cost]:
        """The result of ``run`` and its own cost; run at the first call only.

        A piece that itself calls ``once`` counts what was new to it: keep pieces flat, and add their costs up.
        """
        if key not in self._kept:
            self._kept[key] = self.measured(run)
        return self._kept[key]

    def measured(self, run: Callable[[], T]) -> tuple[T, Cost]:
        """The result of ``run`` and its cost."""
        before, start = self._evaluations(), time.perf_counter()
        result = run()
        return result, Cost(time.perf_counter() - start, self._evaluations() - before)

    def timed(self, run: Callable[[], np.ndarray]) -> Outcome:
        """The outcome of a method that shares nothing."""
        image, cost = self.measured(run)
        return Outcome(image, cost.seconds, cost.evaluations)

    @property
    def needed(self) -> Model:
        """The model; methods that call for it are only run with one."""
        if self.model is None:
            raise RuntimeError("this method needs a model")
        return self.model

    @cached_property
    def truth(self) -> Truth:
        """The scene's truth."""
        return truth_of(self.scene)

    def _evaluations(self) -> int:
        return self.model.evaluations if self.model is not None else 0
