"""The method for Python programs that have diffusers models::

    from attention_drag import api

    model = api.load("models/stable-diffusion-v1-5")
    result = api.edit(model, "cat.png", [((0.30, 0.50), (0.60, 0.50))])
    api.save_image(result.image, "moved.png")

or step by step, with everything dear done once::

    source = api.invert(model, "cat.png")
    found = api.find(source, points)
    dragged = api.move(source, found)
    image = api.sample(model, source, dragged)

``edit`` takes a picture larger than the model's own size in a window round what moves (``window``); step by step that
is ``look``, ``crop`` and ``stitch``, with the steps above on ``crop.image`` and ``crop.points`` between them::

    seen = api.look(model, "large.png")
    crop = api.crop(model, "large.png", points, seen)
    source = api.invert(model, crop.image)
    ...
    image = api.stitch(crop, image, dragged).image

Points are (x, y) as shares of the image's width and height, (0, 0) its top left corner.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from PIL import Image, ImageOps

from . import edit as stations
from . import windowed
from .attention.correlation import correlate as _correlate
from .attention.plan import plan_footprint
from .diffusion.cost import Cost, cost_of
from .diffusion.dragged import DraggedLatent
from .diffusion.inversion import Inversion
from .diffusion.schedule import timesteps
from .edit import EditResult, Found
from .errors import InputError
from .families import Family
from .hosts.diffusers import (
    Components,
    Conditioning,
    DiffusersDenoiser,
    DiffusersPainter,
    DiffusersVae,
    check_painter,
    context_width,
    extra_channels,
)
from .hosts.diffusers import from_pipeline as _components_of
from .hosts.diffusers import load as _load
from .hosts.direct import DirectHost
from .model.protocols import Autoencoder, OnStep
from .pixels.composite import shown_mask
from .presets import Preset, applied
from .settings import EditSettings
from .space.grid import Grid, check_image
from .space.points import DragPoints, Point, make_points, parse_points, points_from_data
from .window.crop import Crop
from .window.plan import Context, overview
from .window.stitch import Stitched
from .windowed import Look

ImageLike: TypeAlias = "str | Path | Image.Image | np.ndarray | torch.Tensor"
PointsLike: TypeAlias = "DragPoints | str | Mapping[str, Any] | Iterable[tuple[Point, Point]]"


@dataclass(frozen=True, eq=False)
class Model:
    """A loaded model; made by ``load`` or ``from_pipeline``.

    Attributes:
        components: diffusers' own objects, for whatever diffusers can do with them, and the kind of model.
        fingerprint: tells its U-Net from another's; in every report.
    """

    components: Components

    @property
    def fingerprint(self) -> str:
        extra = extra_channels(self.components)
        shown = torch.zeros(1, extra, 1, 1) if extra else None
        return DiffusersDenoiser(self.components.unet, self.components.scheduler, shown=shown).fingerprint

    @property
    def family(self) -> Family:
        """Which kind of model it is, as far as its own data say (``families``)."""
        return self.components.family

    @property
    def defaults(self) -> EditSettings:
        """The settings that suit it; used where none are given."""
        return EditSettings.of(self.family)

    def host(
        self,
        prompt: str | None = None,
        negative_prompt: str | None = None,
        guidance: float = 1.0,
        source_prompt: str | None = None,
        painter: Model | None = None,
        restyle: str | None = None,
    ) -> DirectHost:
        """The model with its prompts, as the stations use it; see ``edit`` for the arguments."""
        name, text = ("prompt", prompt) if source_prompt is None else ("source_prompt", source_prompt)
        described = self._encoded(name, text)
        source = self._told(described)
        name, shown = ("prompt", prompt) if restyle is None else ("restyle", restyle)
        wanted = self._encoded(name, shown)
        unwanted = self._encoded("negative_prompt", negative_prompt) if guidance != 1 else None
        target = DiffusersDenoiser(self.components.unet, self.components.scheduler, wanted, unwanted, guidance)
        vae = DiffusersVae(self.components.vae)
        painting = None
        if painter is not None:
            check_painter(self.components, painter.components)
            wanted = self._worded_for(painter, name, shown)
            unwanted = self._worded_for(painter, "negative_prompt", negative_prompt if guidance != 1 else None)
            painting = DiffusersPainter(painter.components, wanted, unwanted, guidance)
        return DirectHost(
            source, vae, source.sigma, source.fingerprint, target, vae.device, described, self._told, painting
        )

    def _told(self, conditioning: Conditioning | None) -> DiffusersDenoiser:
        """The model under a conditioning that an inversion kept."""
        return DiffusersDenoiser(self.components.unet, self.components.scheduler, conditioning)

    def _worded_for(self, painter: Model, name: str, prompt: str | None) -> Conditioning | None:
        """A prompt as the painter takes it: by its own text encoder, or this model's where that is as wide."""
        alike = context_width(painter.components.unet) == context_width(self.components.unet)
        encoder = self if painter.components.encode is None and alike else painter
        return encoder._encoded(name if encoder is self else "painter", prompt)

    def _encoded(self, name: str, prompt: str | None) -> Conditioning | None:
        if not prompt:
            return self.components.empty_text
        if self.components.encode is None:
            raise InputError(
                name, f"'{prompt}', but the model came without a text encoder.",
                "Load a diffusers folder with text_encoder and tokenizer, or leave the prompt out.",
            )
        return self.components.encode(prompt)


@dataclass(frozen=True, eq=False)
class Source:
    """An inverted picture: what every edit of it starts from, whatever its points.

    Attributes:
        image: (B, H, W, 3) float32 in 0..1 on the CPU.
        grid: the latent's cells over the image.
        inversion: trajectory and recorded attention.
        autoencoder: the model's, for the filling of what a drag leaves.
    """

    image: torch.Tensor
    grid: Grid
    inversion: Inversion
    autoencoder: Autoencoder


def load(path: str | Path, device: str | torch.device | None = None, dtype: torch.dtype | None = None) -> Model:
    """Loads a Stable Diffusion 1.x, 2.x or SDXL model from local files.

    Args:
        path: a diffusers folder, or a checkpoint in one .safetensors file (which has no tokenizer: no prompts).
            Only safetensors are read; nothing is downloaded.
        device: where to run it; None takes the machine's accelerator, or the CPU.
        dtype: precision to run it in; None takes float16 on an accelerator and float32 on the CPU.

    Raises:
        InputError: nothing there, pickled weights, or another kind of model.
    """
    if device is None:
        accelerator = getattr(torch, "accelerator", None)
        device = accelerator.current_accelerator() if accelerator and accelerator.is_available() else "cpu"
    device = torch.device(device)
    if dtype is None:
        dtype = torch.float32 if device.type == "cpu" else torch.float16
    return Model(_load(Path(path), device, dtype))


def from_pipeline(pipe: Any) -> Model:
    """The model of a diffusers pipeline that is already loaded, with its LoRAs and optimisations.

    Args:
        pipe: a ``StableDiffusionPipeline``, ``StableDiffusionXLPipeline`` or one of their relatives; it stays
            usable, and nothing of it is changed between calls.
    """
    return Model(_components_of(pipe))


def cost(
    model: Model,
    image: ImageLike,
    settings: EditSettings | None = None,
    painter: Model | None = None,
    window: Context = "auto",
    mask: torch.Tensor | None = None,
) -> Cost:
    """What an edit of a picture will keep and how often it will ask the U-Net, before it runs; prints as a sentence.

    Of a window, at its largest; what a look takes, which there is without a ``mask``, is counted as inversion.

    Raises:
        InputError: it would not fit ``settings.capture.budget_mb``.
    """
    settings = settings or model.defaults
    pixels = read_image(image)
    # Without prompts: a text encoder need not be loaded for this.
    layers = model._told(None).layers

    def count(own: EditSettings) -> int:
        return len(timesteps(own.steps, own.strength, schedule=own.schedule))

    size, native = (pixels.shape[1], pixels.shape[2]), model.family.native_px
    looks = 0
    if windowed.needs_look(size, native, window):
        size = overview(size, native).edited
        looks = 0 if mask is not None else count(windowed.of_look(settings))
    steps = count(settings)
    cells = Grid.padded(*size).latent_size
    footprint = plan_footprint(settings.capture, layers, pixels.shape[0], cells, steps)
    again = settings.move.start == "inverted"
    paints = painter is not None
    told = cost_of(footprint, steps, settings.refinements, settings.sample, paints, settings.repaint, again)
    return replace(told, inversion=told.inversion + looks)


def look(model: Model, image: ImageLike, prompt: str | None = None, settings: EditSettings | None = None) -> Look:
    """Looks at all of a large picture at the model's size, in a few evaluations, for ``crop`` to know what is where.

    One look goes for all points on the picture.
    """
    return windowed.look(model.host(prompt), read_image(image), model.family.native_px, settings or model.defaults)


def crop(
    model: Model,
    image: ImageLike,
    points: PointsLike,
    look: Look | None = None,
    settings: EditSettings | None = None,
    mask: torch.Tensor | None = None,
    window: Context = "auto",
) -> Crop:
    """The window of an edit; costs no evaluation. Where ``crop.window`` is the same for other points, an inversion of
    ``crop.image`` goes for them, too.

    Args:
        look: of ``look``, which tells how large the element is; None for handles, targets and ``mask`` alone.
        settings: ``correlation`` and ``element`` of it are used.
        mask: as for ``edit``.
        window: as for ``edit``.
    """
    drags = read_points(points)
    return windowed.take(
        read_image(image), drags, model.family.native_px, window, settings or model.defaults, mask, look
    )


def stitch(
    crop: Crop, edited: ImageLike, dragged: DraggedLatent | None = None, settings: EditSettings | None = None
) -> Stitched:
    """Puts an edited window back: outside of it the picture bit for bit, inside at full resolution.

    Args:
        edited: the window as it became, of ``sample``.
        dragged: of ``move``; None for a window that something else edited.
        settings: ``source_background``, ``restore_detail``, ``shown_margin`` and ``shown_feather`` of it are used.
    """
    settings, became = settings or EditSettings(), read_image(edited, "edited")
    if dragged is None:
        return windowed.put_back(crop, became, None, (), settings)
    movements = [one.movement for one in dragged.pictures or [dragged]]
    shown = torch.cat([shown_mask(one, settings.shown_margin, settings.shown_feather) for one in movements])
    return windowed.put_back(crop, became, shown, movements, settings)


def invert(
    model: Model,
    image: ImageLike,
    prompt: str | None = None,
    settings: EditSettings | None = None,
    on_step: OnStep | None = None,
) -> Source:
    """Encodes a picture and inverts it, recording the self-attention. The dear half of an edit, once a picture.

    Args:
        image: a file, a PIL image, or an array or tensor (H, W, 3) or (B, H, W, 3), uint8 or float in 0..1.
        prompt: what the picture shows; helps little, and is best left out when nothing is to be restyled. None as for
            ``edit``.
        settings: ``steps``, ``strength``, ``schedule``, ``refinements`` and ``capture`` of it are used; None takes
            ``model.defaults``.
        on_step: called with (steps done, latent, clean estimate); may raise to stop.
    """
    pixels = read_image(image)
    grid = Grid.padded(*pixels.shape[1:3])
    host = model.host(prompt)
    inversion = stations.invert(
        host, host.encode(grid.pad_image(pixels)), settings or model.defaults, on_step=on_step
    )
    return Source(pixels, grid, inversion, host.autoencoder)


def correlate(source: Source, points: PointsLike, settings: EditSettings | None = None) -> torch.Tensor:
    """How strongly every latent cell belongs to every handle, (B, P, h, w) in 0..1; costs no evaluation.

    ``settings.correlation`` is used.
    """
    settings = settings or EditSettings()
    return _correlate(source.inversion.maps, source.grid, _bound(source, points), settings.correlation)


def find(
    source: Source, points: PointsLike, settings: EditSettings | None = None, mask: torch.Tensor | None = None
) -> Found:
    """What belongs to the handles; costs no evaluation.

    Args:
        settings: ``correlation`` and ``element`` of it are used.
        mask: (B or 1, H, W) or (H, W) in 0..1 to move instead of what the attention finds.
    """
    return stations.find(source.inversion, source.grid, _bound(source, points), settings, source.image, mask)


def move(
    source: Source, found: Found, settings: EditSettings | None = None, clean_plate: ImageLike | None = None
) -> DraggedLatent:
    """Moves the element in the inverted latent and fills what it leaves; costs no evaluation.

    Args:
        settings: ``move``, ``fill`` and ``seed`` of it are used.
        clean_plate: as for ``edit``.
    """
    plate = None if clean_plate is None else read_image(clean_plate, "clean_plate")
    return stations.move(source.inversion, found, settings, source.image, source.autoencoder, clean_plate=plate)


def sample(
    model: Model,
    source: Source,
    dragged: DraggedLatent,
    prompt: str | None = None,
    negative_prompt: str | None = None,
    guidance: float = 1.0,
    settings: EditSettings | None = None,
    on_step: OnStep | None = None,
    painter: Model | None = None,
    restyle: str | None = None,
    light_mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """Samples a dragged latent back to a picture, (B, H, W, 3) float32 in 0..1 on the CPU.

    Args:
        model: the one that inverted the source; with other LoRAs than it had then a warning is logged.
        prompt, negative_prompt, guidance, restyle: as for ``edit``.
        settings: ``sample``, ``restore_detail``, ``source_background``, ``shown_margin`` and ``shown_feather`` of it
            are used.
        on_step: called with (steps done, latent, clean estimate); may raise to stop.
        painter, light_mask: as for ``edit``.
    """
    host = model.host(prompt, negative_prompt, guidance, painter=painter, restyle=restyle)
    latent = stations.sample(host, source.inversion, dragged, settings, on_step=on_step, lit=light_mask)
    settings = (settings or EditSettings()).beside(host.paints)
    return stations.finish(source.image, host.decode(latent), dragged, settings, lit=light_mask)


def edit(
    model: Model,
    image: ImageLike,
    points: PointsLike,
    prompt: str | None = None,
    negative_prompt: str | None = None,
    guidance: float = 1.0,
    source_prompt: str | None = None,
    settings: EditSettings | None = None,
    mask: torch.Tensor | None = None,
    on_step: OnStep | None = None,
    painter: Model | None = None,
    clean_plate: ImageLike | None = None,
    restyle: str | None = None,
    window: Context = "auto",
    preset: Preset = "auto",
    light_mask: torch.Tensor | None = None,
) -> EditResult:
    """Drags what belongs to each handle to its target: all of the above in one call.

    Args:
        image: a file, a PIL image, or an array or tensor (H, W, 3) or (B, H, W, 3), uint8 or float in 0..1.
        points: ``DragPoints``, [((x, y), (x, y)), ...] from handles to targets, or their JSON.
        prompt: what the picture shows, both ways; None for the empty text, as the model's own text encoder encodes it,
            or zeros for SDXL and models that came without one.
        negative_prompt: what the edited part shall not show; used when ``guidance`` isn't 1.
        guidance: classifier-free guidance of the way back; inversion always runs without. Above about 3 an inverted
            trajectory breaks (google/prompt-to-prompt#27).
        source_prompt: for the inversion, in ``prompt``'s place; None takes ``prompt``, "" takes no text.
        settings: see ``EditSettings``; None takes ``model.defaults``.
        mask: (B or 1, H, W) or (H, W) in 0..1 to move instead of what the attention finds.
        on_step: called with (steps done of inversion and sampling, latent, clean estimate); may raise to stop.
        painter: a second model of the same family that paints in this one's place (``settings.repaint``), what the
            drag reveals in any case: an inpainting checkpoint (9 channels), best. A single file takes prompts by
            ``model``'s text encoder.
        clean_plate: your own picture of what is behind, of the picture's size, in the place of a filling.
        restyle: what the edited part shall look like, in ``prompt``'s place on the way back alone. It is seen in free
            cells only, the more, the less ``settings.sample`` holds.
        window: a picture larger than the model's own size is edited in a window at that size and stitched back, a
            ``WindowedResult``: "auto" takes as much round what moves as an edit may need, a number that many px,
            "whole" the picture as it is. Without a ``mask`` a look at the whole picture takes a few evaluations more.
        preset: changes to ``settings``, see ``presets``: "keep", or "paper" for the published steps. The single steps
            take ``presets.applied(settings, preset)``.
        light_mask: (B or 1, H, W) or (H, W) in 0..1, where the light may change (``settings.repaint.surroundings``), in
            place of all round as far as its ``extent``.

    Raises:
        InputError: anything that the caller can mend; the message says how.
    """
    host = model.host(prompt, negative_prompt, guidance, source_prompt, painter, restyle)
    plate = None if clean_plate is None else read_image(clean_plate, "clean_plate")
    return windowed.edit_anywhere(
        host, read_image(image), read_points(points), model.family.native_px, window,
        applied(settings or model.defaults, preset), mask, on_step, plate,
        light_mask,
    )


def read_image(image: ImageLike, input: str = "image") -> torch.Tensor:
    """(B, H, W, 3) float32 in 0..1 of a file (turned upright by its EXIF tag), a PIL image, an array or a tensor;
    ``input`` is what an error calls it.

    Raises:
        InputError: no picture, or not three channels.
    """
    if isinstance(image, (str, Path)):
        try:
            with Image.open(image) as opened:
                image = ImageOps.exif_transpose(opened)
                image = image.convert("RGB")
        except OSError as error:
            raise InputError(input, f"{image} can't be read ({error}).", "Give a picture file.") from error
    if isinstance(image, Image.Image):
        image = np.array(image.convert("RGB"))
    tensor = torch.from_numpy(image) if isinstance(image, np.ndarray) else image
    tensor = tensor.float() / 255 if tensor.dtype == torch.uint8 else tensor.float()
    tensor = tensor[None] if tensor.ndim == 3 else tensor
    check_image(tensor, input)
    return tensor.cpu()


def save_image(image: torch.Tensor, path: str | Path) -> None:
    """Writes the first picture of (B, H, W, 3), or the first mask of (B, H, W), as 8 bit."""
    to_pil(image).save(path)


def to_pil(image: torch.Tensor) -> Image.Image:
    """The first picture of (B, H, W, 3), or the first mask of (B, H, W), as 8 bit."""
    return Image.fromarray((image[0].clamp(0, 1) * 255).round().to("cpu", torch.uint8).numpy())


def read_points(points: PointsLike) -> DragPoints:
    """Drags of any of their forms, checked."""
    if isinstance(points, DragPoints):
        return points
    if isinstance(points, str):
        return parse_points(points)
    if isinstance(points, Mapping):
        return points_from_data(points)
    return make_points(points)


def _bound(source: Source, points: PointsLike) -> DragPoints:
    return read_points(points).on_image(*source.grid.image_size)
