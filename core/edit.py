"""The whole method in one call: encode, invert, find the region, move it, sample back, decode."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch

from . import composite as compositing
from . import drag as dragging
from . import mask as masking
from . import movement as moving
from .capture import CapturePlan
from .correlation import CorrelationSettings, correlate
from .drag import Drag, FillSettings
from .errors import InputError
from .grid import CELL, Grid
from .host import Autoencoder, Host, OnStep
from .inversion import Inversion
from .mask import MaskSettings
from .movement import Movement, MoveSettings
from .points import DragPoints
from .sampling import SampleSettings


@dataclass(frozen=True, kw_only=True)
class EditSettings:
    """Everything that can be set about an edit. Strength, preservation, consistency and margins were
    chosen on five validation scenes (``benchmarks.ablation``).

    Attributes:
        steps: noise levels over the whole schedule.
        strength: share of the schedule that is inverted and sampled.
        refinements: extra evaluations per inversion step.
        capture, correlation, mask, move, fill, sample: see there.
        keep_pixels: composite with the source's own pixels outside the edit region.
        keep_element: give the moved element, and what the background was continued with, the detail back that the
            autoencoder loses; what sampling changed is seen as it is. Off, all of it is as the decoder shows it.
        margin, feather: of the composite round what left and what arrived, px.
    """

    steps: int = 50
    strength: float = 0.4
    refinements: int = 0
    capture: CapturePlan = field(default_factory=CapturePlan)
    correlation: CorrelationSettings = field(default_factory=CorrelationSettings)
    mask: MaskSettings = field(default_factory=MaskSettings)
    move: MoveSettings = field(default_factory=MoveSettings)
    fill: FillSettings = field(default_factory=FillSettings)
    sample: SampleSettings = field(default_factory=SampleSettings)
    keep_pixels: bool = True
    keep_element: bool = True
    margin: int = 2
    feather: int = 4

    def __post_init__(self):
        for name in ("margin", "feather"):
            if getattr(self, name) < 0:
                raise InputError(name, f"{getattr(self, name)} px.", "Use 0 or more.")


@dataclass(frozen=True, eq=False)
class EditResult:
    """What an edit gives; tensors on the CPU, float32.

    Attributes:
        image: (B, H, W, 3) in 0..1, the source's size.
        mask: (B, H, W) what was moved.
        region: (B, H, W) what was allowed to change, softly.
        scores: (B, P, h, w) correlation of every cell with every handle.
        inversion, movement, drag: intermediate results, to go on from.
    """

    image: torch.Tensor
    mask: torch.Tensor
    region: torch.Tensor
    scores: torch.Tensor
    inversion: Inversion
    movement: Movement
    drag: Drag


def edit(
    host: Host,
    image: torch.Tensor,
    points: DragPoints,
    settings: EditSettings | None = None,
    mask: torch.Tensor | None = None,
    on_step: OnStep | None = None,
) -> EditResult:
    """Drags what belongs to the handles to the targets.

    Args:
        host: the model (``core.host.DirectHost``, or a backend's own).
        image: (B, H, W, 3) in 0..1, any size; all images of a batch are dragged alike.
        points: the drags.
        settings: see ``EditSettings``.
        mask: (B or 1, H, W) to move instead of the automatic region.
        on_step: called with (steps done so far of inversion and sampling, latent, clean estimate); may raise to
            stop.

    Raises:
        InputError: anything the user can mend.
    """
    settings = settings or EditSettings()
    check_image(image)
    grid = Grid.padded(image.shape[1], image.shape[2], CELL)
    points = points.on_image(*grid.image_size)
    # Before the inversion: a mask that can't be used should not cost one.
    given = None if mask is None else given_region(mask, grid, image.shape[0])
    sigmas = host.sigmas(settings.steps, settings.strength)
    latent = host.encode(grid.pad_image(image))
    inversion = host.invert(latent, sigmas, settings.capture, settings.refinements, on_step)

    scores = correlate(inversion.record, grid, points, settings.correlation)
    moved = masking.region(scores, grid, points, settings.mask, image.cpu()) if given is None else given
    movement = moving.plan(scores, moved, grid, points, settings.move)
    drag = moved_drag(host, image, inversion, movement, settings.fill)

    def sampled(index: int, x: torch.Tensor, denoised: torch.Tensor) -> None:
        if on_step is not None:
            on_step(inversion.steps + index + 1, x, denoised)

    start = drag.at(inversion, 0).to(latent.device)
    result = host.sample(inversion, start, drag, None, settings.sample, sampled)
    edited = finish(host, image, result, drag, settings)
    region = compositing.region_mask(movement, settings.margin, settings.feather)
    return EditResult(edited, moved, region, scores, inversion, movement, drag)


def moved_drag(
    autoencoder: Autoencoder, image: torch.Tensor, inversion: Inversion, movement: Movement, settings: FillSettings
) -> Drag:
    """``drag.apply`` with the background continued where ``settings.space`` says, and the drag's own detail."""
    grid = movement.grid
    picture = background = None
    if settings.space == "pixels":
        picture = dragging.background_picture(image, movement, settings)
        background = autoencoder.encode(grid.pad_image(picture))
    drag = dragging.apply(inversion, movement, settings, background)
    plain = _decoded(autoencoder, drag.clean if background is None else drag.clean.to(background.device), grid)
    return replace(drag, detail=compositing.detail(image.cpu().float(), plain, movement, picture))


def finish(
    autoencoder: Autoencoder,
    image: torch.Tensor,
    latent: torch.Tensor,
    drag: Drag,
    settings: EditSettings,
) -> torch.Tensor:
    """Decodes a sampled latent and puts it together with the source's pixels; (B, H, W, 3) in 0..1 on the CPU."""
    movement = drag.movement
    image = image.cpu().float()
    edited = _decoded(autoencoder, latent, movement.grid)
    if settings.keep_element:
        edited = compositing.keep_element(image, edited, drag)
    edited = edited.clamp(0, 1)
    if settings.keep_pixels:
        region = compositing.region_mask(movement, settings.margin, settings.feather)
        edited = compositing.composite(image, edited, region)
    return edited


def _decoded(autoencoder: Autoencoder, latent: torch.Tensor, grid: Grid) -> torch.Tensor:
    """The picture (B, H, W, 3) float32 on the CPU, cropped; not clipped."""
    return grid.crop_image(autoencoder.decode(latent).cpu().float())


def given_region(mask: torch.Tensor, grid: Grid, batch: int, input: str = "mask") -> torch.Tensor:
    """A mask that someone gave, as the region that is to move.

    Args:
        mask: (B or 1, H, W) or (H, W) at image size in 0..1.
        grid: of the image.
        batch: B, the number of images.
        input: what the user knows the mask by.

    Returns:
        (B, H, W) float32 on the CPU, a copy.

    Raises:
        InputError: another size or batch, values that aren't finite, or less than one latent cell covered in
            every image: nothing would be seen to move. Single images of a batch may be left as they are.
    """
    region = masking.combine(torch.zeros(batch, *grid.image_size), mask, "replace")
    cells = float(grid.image_mask_to_cells(region).sum((-2, -1)).max())
    # One cell's worth that lies over several sums up to 1 but for rounding.
    if cells < 1 - 1e-4:
        what = "it is empty" if cells == 0 else f"it covers {cells * grid.cell**2:.3g} px"
        raise InputError(
            input,
            f"{what}, and nothing moves that is smaller than a latent cell ({grid.cell}x{grid.cell} px).",
            "Paint what is to move, or make the mask larger (grow it, lower tau).",
        )
    return region


def check_image(image: torch.Tensor, input: str = "image") -> None:
    """Raises an ``InputError`` unless ``image`` is a finite batch (B, H, W, 3) that isn't empty."""
    if image.ndim != 4 or image.shape[-1] != 3 or 0 in image.shape:
        raise InputError(input, f"shape {tuple(image.shape)}.", "Use an RGB image (no alpha channel).")
    if not torch.isfinite(image).all():
        raise InputError(input, "it holds NaN or infinite values.", "Check the node that made it.")
