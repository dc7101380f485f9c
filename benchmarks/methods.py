"""The methods that are compared. Each turns a scene into a picture (H, W, 3) in 0..1.

attention_drag
    ``core.edit.edit`` with the given settings, from one click a drag, with its automatic mask.
fastdrag
    FastDrag (``benchmarks.fastdrag``) with the true mask, stretching as in its general formula. It inverts and samples
    over the same noise levels, so at the same number of evaluations, with keys and values of the up blocks replaced by
    those of the inversion at every step; it blends no background.
fastdrag_move
    The same with its special case for moving a whole object (every warpage vector is the drag itself).
latent_shift
    Clean latents moved by whole cells with the true mask, hole = the background's mean, decoded: no diffusion.
cut_paste
    Pixels moved with the true mask, the hole inpainted by OpenCV (Navier-Stokes): no model at all.
identity
    The source.
autoencoder
    decode(encode(true edit)): the ceiling of everything that is decoded.

What is decoded can be finished in three ways, and a comparison is fair only within one of them:

``_raw``
    As the decoder gives it.
``_composite``
    The source's own pixels outside the region of the edit: attention_drag's own region, the *true* one (same margin,
    same feather) for the others.
``_finished``
    In addition the moved element's own pixels at its destination, by the true mask; attention_drag by its own, as
    ``EditSettings.restore_detail`` says, which gives its filled background the detail back as well.

``attention_drag`` alone is finished as its settings say; ``fastdrag``, ``fastdrag_move``, ``latent_shift`` and
``autoencoder`` alone are the composite, since that is the least an editor would do for them.
``attention_drag_truemask`` is attention_drag with the true mask in place of the automatic one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import torch

from core.attention.plan import CapturePlan
from core.diffusion.sampling import SampleSettings
from core.edit import EditResult, edit, finish
from core.motion.field import plan_movement
from core.motion.movement import Movement
from core.pixels.composite import composite, shown_mask
from core.pixels.detail import own_pixels
from core.settings import EditSettings
from core.space.grid import CELL, Grid

from . import fastdrag
from .model import Model
from .scene import Scene

INPAINT_RADIUS = 5
HOLE_MARGIN = 2
"""Pixels round the object that cut_paste takes for its soft edge: left in, it would be smeared over the hole."""
TOUCHED = 0.05
"""Share of a cell from which latent_shift takes it for the object's."""


@dataclass
class Outcome:
    """What a method gave.

    Attributes:
        image: (H, W, 3) float32 in 0..1.
        seconds: it took.
        evaluations: of the U-Net.
        mask: the automatic mask (H, W), where the method makes one.
        region: what it was allowed to change, (H, W), where it knows.
    """

    image: np.ndarray
    seconds: float
    evaluations: int
    mask: np.ndarray | None = None
    region: np.ndarray | None = None


@dataclass
class Context:
    """One scene and what several methods share on it: the variants of one edit are decoded from one run."""

    scene: Scene
    model: Model | None
    settings: EditSettings
    kept: dict[str, tuple[object, float, int]] = field(default_factory=dict)

    def once(self, key: str, run: Callable[[], object]) -> tuple[object, float, int]:
        """The result of ``run``, its seconds and its evaluations; run at the first call only."""
        if key not in self.kept:
            before, start = self._evaluations(), time.perf_counter()
            result = run()
            self.kept[key] = (result, time.perf_counter() - start, self._evaluations() - before)
        return self.kept[key]

    def timed(self, run: Callable[[], np.ndarray]) -> Outcome:
        """The outcome of a method that shares nothing."""
        before, start = self._evaluations(), time.perf_counter()
        image = run()
        return Outcome(image, time.perf_counter() - start, self._evaluations() - before)

    @property
    def needed(self) -> Model:
        """The model; methods that call for it are only run with one."""
        if self.model is None:
            raise RuntimeError("this method needs a model")
        return self.model

    def _evaluations(self) -> int:
        return self.model.evaluations if self.model is not None else 0


def attention_drag(context: Context) -> Outcome:
    """The method as it is shipped."""
    (result, _), seconds, evaluations = _edited(context, False)
    return _outcome(result.image, result, seconds, evaluations)


def attention_drag_truemask(context: Context) -> Outcome:
    """What a perfect mask would give."""
    (result, _), seconds, evaluations = _edited(context, True)
    return _outcome(result.image, result, seconds, evaluations)


def attention_drag_finished(context: Context) -> Outcome:
    """With the source's pixels in background and element."""
    return _finished(context, replace(context.settings, source_background=True, restore_detail=True))


def attention_drag_composite(context: Context) -> Outcome:
    """With the source's pixels in the background."""
    return _finished(context, replace(context.settings, source_background=True, restore_detail=False))


def attention_drag_raw(context: Context) -> Outcome:
    """The decoder's picture."""
    return _finished(context, replace(context.settings, source_background=False, restore_detail=False))


def fastdrag_stretch(context: Context) -> Outcome:
    """FastDrag's general formula, decoded."""
    return _fastdrag(context, True)


def fastdrag_move(context: Context) -> Outcome:
    """FastDrag moving a whole object, decoded."""
    return _fastdrag(context, False)


def latent_shift(context: Context) -> Outcome:
    """Clean latents moved by whole cells, decoded."""
    scene, host = context.scene, context.needed.host
    grid = _grid(scene)

    def run() -> np.ndarray:
        latent = host.encode(grid.pad_image(scene.image))
        share = grid.image_mask_to_cells(scene.mask)[0].numpy()
        element = share > TOUCHED
        moved = latent.clone()
        background = latent[0][:, ~torch.from_numpy(element)]
        if background.numel():
            moved[0][:, torch.from_numpy(element)] = background.mean(1, keepdim=True)
        pairs = scene.points.pairs
        handles = np.array([grid.to_cells(pair.handle) for pair in pairs])
        ways = np.array([grid.displacement(pair) for pair in pairs])
        height, width = element.shape
        for y, x in zip(*np.nonzero(element), strict=True):
            nearest = np.argmin(np.hypot(x + 0.5 - handles[:, 0], y + 0.5 - handles[:, 1]))
            to_x, to_y = np.floor(np.array([x, y]) + ways[nearest] + 0.5).astype(int)
            if 0 <= to_x < width and 0 <= to_y < height:
                moved[0, :, to_y, to_x] = latent[0, :, y, x]
        return _picture(grid.crop_image(host.decode(moved)))

    return context.timed(run)


def cut_paste(context: Context) -> Outcome:
    """Pixels moved, hole inpainted."""
    scene = context.scene

    def run() -> np.ndarray:
        hole = cv2.dilate((scene.object_mask > 0.05).astype(np.uint8), np.ones((2 * HOLE_MARGIN + 1,) * 2, np.uint8))
        # A plane at a time, since OpenCV inpaints colour only in 8 bits; Telea's method breaks on floats.
        planes = [np.ascontiguousarray(scene.source[..., channel]) for channel in range(3)]
        background = [cv2.inpaint(plane, hole, INPAINT_RADIUS, cv2.INPAINT_NS) for plane in planes]
        result = np.where(hole[..., None] > 0, np.stack(background, -1), scene.source)
        height, width = scene.size
        drags = scene.drags()
        ways = [np.rint(target - handle).astype(int) for handle, target in drags]
        y, x = np.mgrid[:height, :width]
        distances = np.stack([np.hypot(x + 0.5 - handle[0], y + 0.5 - handle[1]) for handle, _ in drags])
        # Strangers' scenes may drag parts of one object apart: each pixel goes with the nearest handle.
        nearest = distances.argmin(0) if len({tuple(way) for way in ways}) > 1 else np.zeros((height, width), int)
        for index, (dx, dy) in enumerate(ways):
            alpha = np.where(nearest == index, scene.object_mask, 0)
            result = _paste(result, scene.source, alpha, int(dx), int(dy))
        return result.astype(np.float32)

    return context.timed(run)


def identity(context: Context) -> Outcome:
    """Nothing done."""
    return context.timed(lambda: context.scene.source)


def autoencoder(context: Context) -> Outcome:
    """The true edit, encoded and decoded."""
    scene, host = context.scene, context.needed.host
    grid = _grid(scene)
    target = torch.from_numpy(scene.target)[None]
    return context.timed(lambda: _picture(grid.crop_image(host.decode(host.encode(grid.pad_image(target))))))


def composited(method: Callable[[Context], Outcome], element: bool = False) -> Callable[[Context], Outcome]:
    """A method whose picture gets the source's own pixels outside the true region of the edit.

    With ``element`` the moved element gets its own, too.
    """

    def run(context: Context) -> Outcome:
        outcome = _shared(context, method)
        start = time.perf_counter()
        movement = true_movement(context.scene, context.settings)
        region = shown_mask(movement, context.settings.shown_margin, context.settings.shown_feather)
        source, image = context.scene.image, torch.from_numpy(outcome.image)[None]
        if element:
            image = own_pixels(source, image, movement)
        image = _picture(composite(source, image, region))
        seconds = outcome.seconds + time.perf_counter() - start
        return replace(outcome, image=image, seconds=seconds, region=region[0].numpy())

    return run


def plain(method: Callable[[Context], Outcome]) -> Callable[[Context], Outcome]:
    """A method as it is; run once for itself and its composited twins."""
    return lambda context: _shared(context, method)


def true_movement(scene: Scene, settings: EditSettings) -> Movement:
    """The movement of the true edit: the true mask, each part of it along the drag whose handle is nearest."""
    grid = _grid(scene)
    y, x = grid.cell_centres()
    handles = [grid.to_cells(pair.handle) for pair in scene.points.pairs]
    scores = torch.stack([1 / (1 + torch.hypot(x - handle[0], y - handle[1])) for handle in handles])[None]
    element = (scene.mask > 0.5).float()
    return plan_movement(scores, element, grid, scene.points, replace(settings.move, falloff="rigid"))


def true_region(scene: Scene, settings: EditSettings) -> torch.Tensor:
    """What the true edit changes as ``core.pixels.composite.shown_mask`` softens it, (1, H, W)."""
    return shown_mask(true_movement(scene, settings), settings.shown_margin, settings.shown_feather)


DECODED: dict[str, Callable[[Context], Outcome]] = {
    "fastdrag": fastdrag_stretch,
    "fastdrag_move": fastdrag_move,
    "latent_shift": latent_shift,
    "autoencoder": autoencoder,
}
METHODS: dict[str, Callable[[Context], Outcome]] = {
    "attention_drag": attention_drag,
    "attention_drag_finished": attention_drag_finished,
    "attention_drag_composite": attention_drag_composite,
    "attention_drag_raw": attention_drag_raw,
    "attention_drag_truemask": attention_drag_truemask,
    **{name: composited(method) for name, method in DECODED.items()},
    **{f"{name}_composite": composited(method) for name, method in DECODED.items()},
    **{f"{name}_finished": composited(method, element=True) for name, method in DECODED.items()},
    **{f"{name}_raw": plain(method) for name, method in DECODED.items()},
    "cut_paste": cut_paste,
    "identity": identity,
}
WITHOUT_MODEL = frozenset({"cut_paste", "identity"})


def _shared(context: Context, method: Callable[[Context], Outcome]) -> Outcome:
    return context.once(method.__name__, lambda: method(context))[0]


def _edited(context: Context, true_mask: bool) -> tuple[tuple[EditResult, torch.Tensor], float, int]:
    scene, host = context.scene, context.needed.host

    def run() -> tuple[EditResult, torch.Tensor]:
        mask = (scene.mask > 0.5).float() if true_mask else None
        result = edit(host, scene.image, scene.points, context.settings, mask=mask)
        return result, host.sampled

    return context.once(f"edit {true_mask}", run)


def _finished(context: Context, settings: EditSettings) -> Outcome:
    (result, latent), seconds, evaluations = _edited(context, False)
    image = finish(context.scene.image, context.needed.host.decode(latent), result.dragged, settings)
    return _outcome(image, result, seconds, evaluations)


def _outcome(image: torch.Tensor, result: EditResult, seconds: float, evaluations: int) -> Outcome:
    return Outcome(_picture(image), seconds, evaluations, result.element[0].numpy(), result.shown[0].numpy())


def _fastdrag(context: Context, stretch: bool) -> Outcome:
    scene, host, settings = context.scene, context.needed.host, context.settings
    grid = _grid(scene)
    plan = CapturePlan(map_steps=1, source_sides=("up",))

    def run() -> np.ndarray:
        latent = host.encode(grid.pad_image(scene.image))
        sigmas = host.sigmas(settings.steps, settings.strength)
        inversion = host.invert(latent, sigmas, plan, settings.refinements, None)
        mask = grid.image_mask_to_cells(scene.mask)[0].numpy() >= 0.5
        handles = [tuple(value - 0.5 for value in grid.to_cells(pair.handle)) for pair in scene.points.pairs]
        targets = [tuple(value - 0.5 for value in grid.to_cells(pair.target)) for pair in scene.points.pairs]
        start = fastdrag.warp(inversion.noisy, mask, handles, targets, stretch).to(latent.device)
        sampling = SampleSettings(source_attention="replace", source_attention_share=1.0, hold_element=0.0)
        return _picture(grid.crop_image(host.decode(host.sample(inversion, start, None, None, sampling, None))))

    return context.timed(run)


def _paste(canvas: np.ndarray, source: np.ndarray, alpha: np.ndarray, dx: int, dy: int) -> np.ndarray:
    height, width = alpha.shape
    top, left, bottom, right = max(dy, 0), max(dx, 0), min(height + dy, height), min(width + dx, width)
    if bottom <= top or right <= left:
        return canvas
    result = canvas.copy()
    share = alpha[top - dy : bottom - dy, left - dx : right - dx, None]
    there = result[top:bottom, left:right]
    result[top:bottom, left:right] = there + share * (source[top - dy : bottom - dy, left - dx : right - dx] - there)
    return result


def _grid(scene: Scene) -> Grid:
    return Grid.padded(*scene.size, CELL)


def _picture(image: torch.Tensor) -> np.ndarray:
    return image[0].detach().cpu().float().clamp(0, 1).numpy()
