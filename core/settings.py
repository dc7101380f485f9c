"""Everything that can be set about an edit, in one frozen object that nodes, API and command line fill in."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from .attention.correlation import CorrelationSettings
from .attention.plan import CapturePlan
from .diffusion.repaint import RepaintSettings
from .diffusion.sampling import SampleSettings
from .families import SD1, Family, Schedule
from .fill.background import FillSettings
from .motion.field import MoveSettings
from .options import check_choice, check_not_negative
from .region.found import ElementSettings


@dataclass(frozen=True, kw_only=True)
class EditSettings:
    """Settings of the five stations (``core.edit``). Strength, what is held, source attention and margins were chosen
    on five validation scenes (``benchmarks.ablation``).

    Attributes:
        steps: noise levels over the whole schedule.
        schedule: how they lie on it: "full", or "distilled" for models of few steps (``families``).
        strength: share of the schedule that is inverted and sampled.
        refinements: extra evaluations per inversion step.
        capture: of ``invert``.
        correlation, element: of ``find``.
        move, fill, seed: of ``move``; the seed is of the fresh noise in what is vacated.
        sample: of ``sample``.
        repaint: what the model, or a painter, paints before that; without a painter nothing by default.
        source_background: outside what is shown the picture is the source's own, bit for bit.
        restore_detail: give the moved element, and what the hole was filled with, the detail back that the autoencoder
            loses; what sampling changed is seen as it is. Off, all of it is as the decoder shows it.
        shown_margin, shown_feather: px round what left and what arrived that are shown of the edit, and the soft edge
            outside of that.
    """

    steps: int = SD1.steps
    strength: float = SD1.strength
    refinements: int = 0
    capture: CapturePlan = field(default_factory=CapturePlan)
    correlation: CorrelationSettings = field(default_factory=CorrelationSettings)
    element: ElementSettings = field(default_factory=ElementSettings)
    move: MoveSettings = field(default_factory=MoveSettings)
    fill: FillSettings = field(default_factory=FillSettings)
    seed: int = 0
    sample: SampleSettings = field(default_factory=SampleSettings)
    source_background: bool = True
    restore_detail: bool = True
    shown_margin: int = 2
    shown_feather: int = 4
    schedule: Schedule = SD1.schedule
    repaint: RepaintSettings = field(default_factory=RepaintSettings)

    def __post_init__(self):
        check_choice("schedule", self.schedule, Schedule)
        check_not_negative("shown_margin", self.shown_margin, "px")
        check_not_negative("shown_feather", self.shown_feather, "px")

    def beside(self, painter: bool) -> EditSettings:
        """The settings where a painter is there, or is not (``repaint``)."""
        return replace(self, repaint=self.repaint.beside(painter))

    @classmethod
    def of(cls, family: Family, **changes: Any) -> EditSettings:
        """The defaults of a family of models (``families``), with ``changes``."""
        own = {"schedule": family.schedule, "steps": family.steps, "strength": family.strength}
        return cls(**own | changes)
