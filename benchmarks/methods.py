"""The methods that are compared. Each turns a scene into a picture (H, W, 3) in 0..1.

Ours:

attention_drag
    ``core.edit.edit`` with the given settings, from one click a drag, with its automatic mask.

Ours with one part changed for another, which tells who earned a figure (``benchmarks.switches``):

ours_true_mask
    The true mask in place of the automatic one.
ours_true_field
    The true mask, and the truth's own flow as the movement.
ours_model_off, ours_model_off_true_mask
    What sampling gives is replaced by the composed clean latent, then finished as ever: what is left is image
    processing (behind the mask that attention found, or the true one).
ours_painter, ours_painter_true_field
    The demo model's inpainting twin paints what is revealed, from noise, which is then held (with the true flow).
ours_attention_off
    In finding the region, attention's correlation is replaced by mere nearness to the handle, exp(-distance / a tenth
    of the shorter side); the picture's edges and colours do the rest.
ours_picture_off
    The region is attention's alone: it doesn't follow the picture's edges.

Others:

identity
    The source.
cut_paste
    Pixels moved by whole pixels with the true mask, the hole inpainted by OpenCV (``benchmarks.pasting``).
cut_paste_automatic
    The same with attention_drag's automatic mask.
rigid_warp
    Pixels moved by the true flow's best affine map with the true mask: the strongest paste.
paste_img2img, paste_img2img_true_mask
    A paste by the drags with attention_drag's automatic mask (the true one), then masked denoising of hole and rim by
    the same model, at as many evaluations as attention_drag takes (``benchmarks.img2img``).
latent_shift
    Clean latents moved by whole cells with the true mask, hole = the background's mean, decoded: no diffusion.
fastdrag
    FastDrag (``benchmarks.fastdrag``) with the true mask as its region, stretching as in its general formula. It
    inverts and samples over the same noise levels, so at the same number of evaluations, with keys and values of the up
    blocks replaced by those of the inversion at every step; it blends no background.
fastdrag_move
    The same with its special case for moving a whole object (every warpage vector is the drag itself).
geodrag
    GeoDrag's plane field (``benchmarks.geodrag``) with the true mask as its region, over its own 7 of 10 steps, keys
    and values as for fastdrag.
autoencoder
    decode(encode(true edit)): the ceiling of everything that is decoded.
truth
    The true edit itself, for self-checks.

What is decoded can be finished in three ways, and a comparison is fair only within one of them:

``_raw``
    As the decoder gives it.
``_composite``
    The source's own pixels outside the region of the edit: attention_drag's own region, the *true* one (same margin,
    same feather) for the others.
``_finished``
    In addition the moved element's own pixels at its destination, by the true mask; attention_drag by its own, as
    ``EditSettings.restore_detail`` says, which gives its filled background the detail back as well.

``attention_drag`` alone is finished as its settings say; ``fastdrag``, ``fastdrag_move``, ``geodrag``, ``latent_shift``
and ``autoencoder`` alone are the composite, since that is the least an editor would do for them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from core.attention.plan import CapturePlan
from core.diffusion.inversion import Inversion
from core.diffusion.sampling import SampleSettings
from core.motion.field import plan_movement
from core.motion.movement import Movement
from core.pixels.composite import composite, shown_mask
from core.pixels.detail import own_pixels
from core.settings import EditSettings
from core.space.grid import CELL, Grid

from . import fastdrag, geodrag, img2img, pasting, switches
from .context import Context, Outcome
from .scene import Scene
from .switches import Variant

TOUCHED = 0.05
"""Share of a cell from which latent_shift takes it for the object's."""
Method = Callable[[Context], Outcome]


def ours(variant: Variant, **finish: bool) -> Method:
    """Ours, as a variant; ``finish`` replaces ``source_background`` and ``restore_detail``."""
    return lambda context: switches.run(context, variant, replace(context.settings, **finish))


def fastdrag_stretch(context: Context) -> Outcome:
    """FastDrag's general formula, decoded."""
    return _fastdrag(context, True)


def fastdrag_move(context: Context) -> Outcome:
    """FastDrag moving a whole object, decoded."""
    return _fastdrag(context, False)


def geodrag_plane(context: Context) -> Outcome:
    """GeoDrag's plane field, decoded."""
    scene, host = context.scene, context.needed.host
    grid = _grid(scene)
    plan = CapturePlan(map_steps=1, source_sides=("up",))

    def run() -> np.ndarray:
        latent = host.encode(grid.pad_image(scene.image))
        inversion = host.invert(latent, host.sigmas(geodrag.STEPS, geodrag.STRENGTH), plan, 0, None)
        start = geodrag.warp(
            inversion.noisy, inversion.clean, float(inversion.sigmas[0]), *_true_mask_in_cells(scene)
        )
        return _sampled_as_they_do(context, inversion, start)

    return context.timed(run)


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
    pasted, cost = context.measured(lambda: pasting.cut_and_paste(context.scene, context.scene.object_mask))
    return Outcome(pasted.image, cost.seconds, cost.evaluations, region=pasted.free)


def rigid_warp(context: Context) -> Outcome:
    """Pixels moved by the true flow's best affine map, hole inpainted."""
    truth = context.truth
    pasted, cost = context.measured(lambda: pasting.rigid_warp(context.scene, truth))
    return Outcome(pasted.image, cost.seconds, cost.evaluations, region=pasted.free)


def cut_paste_automatic(context: Context) -> Outcome:
    """The same with our automatic mask."""
    found, cost = switches.found(context, "automatic")
    mask = found.element[0].cpu().numpy()
    pasted, own = context.measured(lambda: pasting.cut_and_paste(context.scene, mask))
    return Outcome(pasted.image, (cost + own).seconds, (cost + own).evaluations, mask, pasted.free)


def paste_img2img(true_mask: bool) -> Method:
    """A paste, hole and rim repainted by the model."""

    def run(context: Context) -> Outcome:
        scene, host = context.scene, context.needed.host
        mask = scene.object_mask if true_mask else switches.found(context, "automatic")[0].element[0].cpu().numpy()
        evaluations = switches.evaluations(context)
        strength = float(context.options.get("paste_img2img_strength", img2img.STRENGTH))
        # The mask is given to it, as a person's would be: only its own work is counted.
        (image, free), cost = context.measured(
            lambda: img2img.repaint(host, pasting.cut_and_paste(scene, mask), evaluations, strength)
        )
        return Outcome(image, cost.seconds, cost.evaluations, None if true_mask else mask, free)

    return run


def identity(context: Context) -> Outcome:
    """Nothing done."""
    outcome = context.timed(lambda: context.scene.source)
    return replace(outcome, region=np.zeros(context.scene.size, np.float32))


def truth(context: Context) -> Outcome:
    """The true edit."""
    outcome = context.timed(lambda: context.scene.target)
    return replace(outcome, region=context.truth.changed.astype(np.float32))


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


DECODED: dict[str, Method] = {
    "fastdrag": fastdrag_stretch,
    "fastdrag_move": fastdrag_move,
    "geodrag": geodrag_plane,
    "latent_shift": latent_shift,
    "autoencoder": autoencoder,
}
METHODS: dict[str, Method] = {
    "attention_drag": ours(Variant()),
    "attention_drag_finished": ours(Variant(), source_background=True, restore_detail=True),
    "attention_drag_composite": ours(Variant(), source_background=True, restore_detail=False),
    "attention_drag_raw": ours(Variant(), source_background=False, restore_detail=False),
    "ours_true_mask": ours(Variant("true_mask")),
    "ours_true_field": ours(Variant("true_field")),
    "ours_model_off": ours(Variant(model=False)),
    "ours_model_off_true_mask": ours(Variant("true_mask", model=False)),
    "ours_painter": ours(Variant(painter=True)),
    "ours_painter_true_field": ours(Variant("true_field", painter=True)),
    "ours_attention_off": ours(Variant("attention_off")),
    "ours_picture_off": ours(Variant("picture_off")),
    "identity": identity,
    "cut_paste": cut_paste,
    "cut_paste_automatic": cut_paste_automatic,
    "rigid_warp": rigid_warp,
    "paste_img2img": paste_img2img(true_mask=False),
    "paste_img2img_true_mask": paste_img2img(true_mask=True),
    **{name: composited(method) for name, method in DECODED.items()},
    **{f"{name}_composite": composited(method) for name, method in DECODED.items()},
    **{f"{name}_finished": composited(method, element=True) for name, method in DECODED.items()},
    **{f"{name}_raw": plain(method) for name, method in DECODED.items()},
    "truth": truth,
}
WITHOUT_MODEL = frozenset({"cut_paste", "rigid_warp", "identity", "truth"})
NEED_NO_TRUTH = frozenset(
    {"attention_drag", "attention_drag_finished", "attention_drag_composite", "attention_drag_raw", "ours_model_off",
     "ours_painter", "ours_attention_off", "ours_picture_off", "cut_paste_automatic", "paste_img2img", "identity",
     "fastdrag_raw", "fastdrag_move_raw", "geodrag_raw", "latent_shift_raw"}
)  # fmt: skip
"""Methods for pictures of which nobody knows the true edit. FastDrag's and GeoDrag's region is there the user's mask of
what may change, as in their papers."""


def _shared(context: Context, method: Method) -> Outcome:
    return context.once(f"method {method.__name__}", lambda: method(context))[0]


def _true_mask_in_cells(scene: Scene) -> tuple[np.ndarray, list[tuple[float, float]], list[tuple[float, float]]]:
    """(mask (h, w) bool, handles, targets) with points as indices of cells."""
    grid = _grid(scene)
    mask = grid.image_mask_to_cells(scene.mask)[0].numpy() >= 0.5
    ends = [
        [tuple(value - 0.5 for value in grid.to_cells(point)) for point in points]
        for points in ([pair.handle for pair in scene.points.pairs], [pair.target for pair in scene.points.pairs])
    ]
    return mask, ends[0], ends[1]


def _up_blocks(inversion: Inversion) -> Inversion:
    """An inversion of which the up blocks' keys and values alone are read."""
    layers = tuple(layer for layer in inversion.source_layers if layer.side == "up")
    names = {layer.name for layer in layers}
    tokens = inversion.tokens
    if tokens is not None:
        tokens = tuple({name: kept for name, kept in step.items() if name in names} for step in tokens)
    return replace(inversion, source_layers=layers, tokens=tokens)


def _sampled_as_they_do(context: Context, inversion: Inversion, start: torch.Tensor) -> np.ndarray:
    """The picture of a dragged latent, sampled with the inversion's keys and values in the up blocks."""
    host, grid = context.needed.host, _grid(context.scene)
    sampling = SampleSettings(source_attention="replace", source_attention_share=1.0, hold_element=0.0)
    return _picture(grid.crop_image(host.decode(host.sample(_up_blocks(inversion), start, None, None, sampling, None))))


def _fastdrag(context: Context, stretch: bool) -> Outcome:
    # Where the source lies does not depend on what is recorded: ours and theirs share the inversion.
    inversion, cost = switches.inverted(context)

    def run() -> np.ndarray:
        mask, handles, targets = _true_mask_in_cells(context.scene)
        return _sampled_as_they_do(context, inversion, fastdrag.warp(inversion.noisy, mask, handles, targets, stretch))

    image, own = context.measured(run)
    return Outcome(image, (cost + own).seconds, (cost + own).evaluations)


def _grid(scene: Scene) -> Grid:
    return Grid.padded(*scene.size, CELL)


def _picture(image: torch.Tensor) -> np.ndarray:
    return image[0].detach().cpu().float().clamp(0, 1).numpy()
