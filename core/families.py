"""What suits each family of models, in one table. Nodes, command line, API and benchmarks read it; users overrule it.

| family      | known by                                        | native px | schedule  | steps | strength |
|-------------|-------------------------------------------------|-----------|-----------|-------|----------|
| sd1         | text of width 768, four resolutions             | 512       | full      | 50    | 0.4      |
| sd2         | text of width 1024, noise prediction            | 512       | full      | 50    | 0.4      |
| sd2_v       | text of width 1024, v-prediction                | 768       | full      | 50    | 0.4      |
| sdxl        | text of width 2048                              | 1024      | full      | 50    | 0.4      |
| sdxl_zsnr_v | the same, v-prediction, zero terminal SNR       | 1024      | full      | 50    | 0.4      |
| demo        | text of width 768, fewer resolutions            | 256       | full      | 50    | 0.4      |
| (distilled) | any of these, LCM, Turbo, Lightning or Hyper    | its own   | distilled | 10    | 0.4      |

What of that is measured, and what is reasoned:

- demo: steps and strength were *measured* (``benchmarks/ABLATION.md``).
- sd1, sd2, sdxl: *reasoned*, carried over. 50 steps are DDIM's usual number. A given noise hides less of a larger
  picture (Hoogeboom et al. 2023, arXiv 2301.11093): what 0.4 hides of 256 px takes ``equal_strength``, 0.61 at 512 px
  and 0.78 at 1024 px. Nobody has measured whether that is better here, it takes 1.5 to 2 times the evaluations, and 0.4
  errs on the side that keeps the picture: so 0.4 stands, and ``scripts/prove.sh`` measures both on a checkpoint.
- sdxl_zsnr_v: *reasoned*. At the last timestep there is no picture left, and no noise that could be followed back; 50
  steps and any strength end before it (at timestep 981), so nothing else needs to differ.
- distilled: *reasoned*. Their users sample 4 to 10 steps at guidance 1, FastDrag and GeoDrag invert LCM over 10. The
  levels count down from the last timestep ("trailing"), which is where these models were trained. 0.4 of 10 steps
  reaches timestep 399, as deep as the others' 381.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from .options import check_choice

Schedule = Literal["full", "distilled"]
ScheduleChoice = Literal["auto", "full", "distilled"]

AUTOMATIC_STEPS = 0
"""Number of steps that stands for the family's own."""

LEVELS = 4
"""Resolutions of Stable Diffusion 1's U-Net; the demo model, of the same text width, has fewer."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """One row of the table.

    Attributes:
        name: as in the table.
        title: as users read it.
        native_px: side of the pictures that it was trained on.
        schedule: "full", or "distilled" for models that were trained to sample in a few steps.
        steps: noise levels over the whole schedule.
        strength: share of them that is inverted and sampled.
        measured: whether steps and strength were measured on this family; else they are reasoned.
    """

    name: str
    title: str
    native_px: int
    schedule: Schedule = "full"
    steps: int = 50
    strength: float = 0.4
    measured: bool = False

    def distilled(self) -> Family:
        """The same model after distillation to few steps."""
        return replace(self, title=f"{self.title}, distilled", schedule="distilled", steps=10, measured=False)


SD1 = Family(name="sd1", title="Stable Diffusion 1.x", native_px=512)
SD2 = Family(name="sd2", title="Stable Diffusion 2.x", native_px=512)
SD2_V = Family(name="sd2_v", title="Stable Diffusion 2.x, v-prediction", native_px=768)
SDXL = Family(name="sdxl", title="SDXL", native_px=1024)
SDXL_ZSNR_V = Family(name="sdxl_zsnr_v", title="SDXL, zero-SNR v-prediction", native_px=1024)
DEMO = Family(name="demo", title="the demo model", native_px=256, measured=True)

FAMILIES = {family.name: family for family in (SD1, SD2, SD2_V, SDXL, SDXL_ZSNR_V, DEMO)}


def family_of(
    context_width: int,
    levels: int,
    v_prediction: bool = False,
    zero_snr: bool = False,
    distilled: bool = False,
    native_px: int | None = None,
) -> Family:
    """The row of a model, by what every host can tell of it.

    Args:
        context_width: of the text embeddings.
        levels: resolutions of the U-Net.
        v_prediction, zero_snr: of its noise schedule.
        distilled: whether it was trained to sample in a few steps, as far as its own data say.
        native_px: where the model itself states it.
    """
    if context_width >= 2048:
        family = SDXL_ZSNR_V if v_prediction and zero_snr else SDXL
    elif context_width >= 1024:
        family = SD2_V if v_prediction else SD2
    else:
        family = SD1 if levels >= LEVELS else DEMO
    if distilled:
        family = family.distilled()
    return family if native_px is None else replace(family, native_px=native_px)


def chosen(family: Family, schedule: ScheduleChoice = "auto", steps: int = AUTOMATIC_STEPS) -> tuple[Schedule, int]:
    """The schedule and number of steps of a user's choice, "auto" and 0 being the family's own.

    Raises:
        InputError: another schedule.
    """
    check_choice("schedule", schedule, ScheduleChoice)
    if schedule == "auto":
        schedule = family.schedule
    own = family if schedule == family.schedule else family.distilled() if schedule == "distilled" else SD1
    return schedule, own.steps if steps == AUTOMATIC_STEPS else steps


def equal_strength(sigma_of: Callable[[int], float], native_px: int, timesteps: int = 1000) -> float:
    """The strength that hides as much of a picture of ``native_px`` as the demo model's default does of its own.

    Noise is averaged out over as many more pixels as the picture has: the level grows with the side (Hoogeboom et al.
    2023, arXiv 2301.11093, section 3.1).
    """
    wanted = float(sigma_of(round(DEMO.strength * timesteps))) * native_px / DEMO.native_px
    above = next((step for step in range(1, timesteps) if float(sigma_of(step)) >= wanted), timesteps - 1)
    return round(above / timesteps, 2)
