"""What an edit will keep and how often it will ask the model, told before it runs."""

from __future__ import annotations

from dataclasses import dataclass

from ..attention.plan import MEGABYTE, Footprint
from .kept import steps_of
from .repaint import RepaintSettings
from .sampling import SampleSettings


@dataclass(frozen=True)
class Cost:
    """The evaluations of an edit, and what it keeps between its two ways.

    Attributes:
        steps: noise levels, each way.
        inversion: evaluations of the way into the noise.
        sampling: evaluations of the way back.
        recomputed: evaluations of the way back that are there only because the keys and values weren't kept.
        footprint: what is kept.
        painting: evaluations in which a painter paints before the way back (``repaint``).
        repainting: those of the model itself, without a painter.
        again: those that invert what was moved.
    """

    steps: int
    inversion: int
    sampling: int
    recomputed: int
    footprint: Footprint
    painting: int = 0
    repainting: int = 0
    again: int = 0

    @property
    def total(self) -> int:
        """All evaluations, of both models."""
        return self.inversion + self.sampling + self.recomputed + self.painting + self.repainting + self.again

    def __str__(self) -> str:
        kept, whole = self.footprint, self.steps
        tokens = f"keys and values of {kept.kept_steps} of {whole} steps {_megabytes(kept.tokens)} ({kept.storage})"
        if not kept.kept_steps:
            tokens = f"no keys and values ({kept.storage})"
        again = f" and {self.recomputed} again for keys and values that aren't kept" if self.recomputed else ""
        again += f", and {self.painting} of the painter" if self.painting else ""
        again += f", and {self.repainting} to paint before" if self.repainting else ""
        again += f", and {self.again} to invert what was moved" if self.again else ""
        return (
            f"{whole} steps each way; {self.inversion} evaluations to invert, {self.sampling} to sample back{again}; "
            f"keeps {_megabytes(kept.total)} (attention maps {_megabytes(kept.maps)}, {tokens})"
        )


def cost_of(
    footprint: Footprint,
    steps: int,
    refinements: int = 0,
    settings: SampleSettings | None = None,
    painter: bool = False,
    repaint: RepaintSettings | None = None,
    again: bool = False,
) -> Cost:
    """What an edit of a dragged latent will cost.

    Args:
        footprint: of ``attention.plan.plan_footprint``, for the same steps.
        steps: noise levels, each way.
        refinements: extra evaluations per inversion step.
        settings: of the way back. Steps in which all of it is held are not evaluated.
        painter: whether a second model paints, and not the model itself.
        repaint: what is painted.
        again: whether what was moved is inverted (``move.start``).
    """
    settings = settings or SampleSettings()
    first = min(steps_of(settings.hold_element, steps), steps_of(settings.hold_rest, steps))
    read = steps_of(settings.source_attention_share, steps)
    if settings.source_attention == "off" or footprint.storage == "off":
        read = 0
    # Kept are the last ones; read are those from the first evaluated to the last that source attention is on for.
    recomputed = max(0, min(read, steps - footprint.kept_steps) - first)
    before = (repaint or RepaintSettings()).beside(painter).evaluations
    theirs, own = (before, 0) if painter else (0, before)
    return Cost(
        steps, steps * (refinements + 1), steps - first, recomputed, footprint, theirs, own, steps if again else 0
    )


def _megabytes(count: int) -> str:
    return f"{count / MEGABYTE:.0f} MB"
