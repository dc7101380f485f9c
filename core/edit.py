"""The method: five stations in a row, and ``edit``, which is one walk through them.

``invert``, ``find``, ``move``, ``sample`` and ``finish`` are all there is: the nodes, the API and the command line call
these. README.md beside this file walks one edit through the rooms behind them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F

from .attention.correlation import correlate
from .diffusion.dragged import DraggedLatent, apply
from .diffusion.inversion import Inversion
from .diffusion.repaint import Repainting
from .errors import InputError
from .fill.background import check_clean_plate, continue_background
from .hosts import Host
from .model.protocols import Autoencoder, OnStep
from .motion.field import plan_movement
from .motion.movement import Movement
from .motion.objects import objects_of
from .motion.outline import outlines_of
from .motion.telling import told_motions
from .pixels.composite import composite, shown_mask
from .pixels.detail import composed, detail, restore_detail
from .pixels.repainted import repainted
from .pixels.revealed import revealed_mask, seam_mask
from .region.anchored import going, parts_ways
from .region.found import find_element
from .region.given import Combine, check_mask, combine, given_element, softened
from .region.parts import part_odds
from .region.sight import sights_of
from .region.threshold import automatic_tau
from .settings import EditSettings
from .space.grid import Grid, check_image
from .space.points import DragPoints


@dataclass(frozen=True, eq=False)
class Found:
    """What belongs to the handles; tensors on the CPU, float32.

    Attributes:
        grid, points: of the picture, and the drags on it.
        correlation: (B, P, h, w) in 0..1 of every cell with every handle.
        element: (B, H, W) in 0..1, what is to move.
        objects: the object of every pair, counted from 0 (``motion.objects``); None: not told yet.
        parts: (B, P) logarithm of the odds that it is a part of something (``region.parts``); None: not told yet.
        going: (B, H, W) in 0..1, what of the element goes as one piece where anchors say that something of it stays
            (``region.anchored``); None: not told yet, or all of it.
        pictures: where every picture has drags of its own, what belongs to the handles in each.
    """

    grid: Grid
    points: DragPoints
    correlation: torch.Tensor
    element: torch.Tensor
    objects: tuple[int, ...] | None = None
    parts: torch.Tensor | None = None
    going: torch.Tensor | None = None
    pictures: tuple[Found, ...] = ()


@dataclass(frozen=True, eq=False)
class Finished:
    """A decoded edit put together with the source's pixels; tensors on the CPU, float32.

    Attributes:
        image: (B, H, W, 3) in 0..1.
        shown: (B, H, W) in 0..1 where it shows the edit or, without ``source_background``, would.
        light: (B, H, W) in 0..1 where it differs from what was composed by light alone.
    """

    image: torch.Tensor
    shown: torch.Tensor
    light: torch.Tensor


@dataclass(frozen=True, eq=False)
class EditResult:
    """What an edit gives; tensors on the CPU, float32.

    Attributes:
        image: (B, H, W, 3) in 0..1, the source's size.
        shown: (B, H, W) in 0..1, how far ``image`` is the edit and not the source.
        inversion, found, dragged: what the stations made, to go on from.
        revealed, seam: (B, H, W) in 0..1, where the filling shows, and where things meet (``pixels.revealed``).
        light: (B, H, W) in 0..1, where the light changed round the element.
    """

    image: torch.Tensor
    shown: torch.Tensor
    inversion: Inversion
    found: Found
    dragged: DraggedLatent
    revealed: torch.Tensor
    seam: torch.Tensor
    light: torch.Tensor

    @property
    def element(self) -> torch.Tensor:
        """(B, H, W) what was moved."""
        return self.found.element

    @property
    def movement(self) -> Movement:
        """Where it went."""
        return self.dragged.movement


def edit(
    host: Host,
    image: torch.Tensor,
    points: DragPoints,
    settings: EditSettings | None = None,
    mask: torch.Tensor | None = None,
    on_step: OnStep | None = None,
    clean_plate: torch.Tensor | None = None,
    lit: torch.Tensor | None = None,
) -> EditResult:
    """Drags what belongs to the handles to the targets.

    Args:
        host: the model (``hosts``).
        image: (B, H, W, 3) in 0..1, any size; all images of a batch are dragged alike.
        points: the drags.
        settings: see ``EditSettings``.
        mask: (B or 1, H, W) to move instead of what the attention finds.
        on_step: called with (steps done so far of inversion and sampling, latent, clean estimate); may raise to stop.
        clean_plate: (B or 1, H, W, 3) in 0..1, a picture of what is behind, in the place of a filling.
        lit: (B or 1, H, W) in 0..1, where the light may change, in place of as far as ``repaint.extent``.

    Raises:
        InputError: anything the user can mend.
    """
    settings = settings or EditSettings()
    check_image(image)
    grid = Grid.padded(*image.shape[1:3])
    points = points.on_image(*grid.image_size)
    check_pictures(points, image.shape[0])
    if mask is not None:
        # Before the inversion: a mask that can't be used should not cost one.
        given_element(mask, grid, image.shape[0])
    if clean_plate is not None:
        check_one_behind(host.paints)
        check_clean_plate(clean_plate, grid, image.shape[0])
    if lit is not None:
        check_lit(lit, grid, image.shape[0])

    inversion = invert(host, host.encode(grid.pad_image(image)), settings, on_step=on_step)
    found = find(inversion, grid, points, settings, image, mask)
    dragged = move(inversion, found, settings, image, host, clean_plate=clean_plate)
    after = None if on_step is None else lambda done, *rest: on_step(inversion.steps + done, *rest)
    latent = sample(host, inversion, dragged, settings, on_step=after, lit=lit)
    done = finished(image, host.decode(latent), dragged, settings.beside(host.paints), lit=lit)
    revealed, seam = (mask(dragged, settings.fill).cpu() for mask in (revealed_mask, seam_mask))
    return EditResult(done.image, done.shown, inversion, found, dragged, revealed, seam, done.light)


def invert(
    host: Host,
    latent: torch.Tensor,
    settings: EditSettings | None = None,
    noise_mask: torch.Tensor | None = None,
    on_step: OnStep | None = None,
) -> Inversion:
    """Step 1: from a clean latent to the noise that samples back to it, recording the self-attention (step 2).

    Args:
        host: the model.
        latent: (B, C, h, w) of ``host.encode``.
        settings: ``steps``, ``strength``, ``schedule``, ``refinements`` and ``capture`` of it are used.
        noise_mask: (B or 1, H, W) share in 0..1 that an edit may change at all; None for everything.
        on_step: called with (steps done, latent, clean estimate); may raise to stop.
    """
    settings = settings or EditSettings()
    sigmas = host.sigmas(settings.steps, settings.strength, settings.schedule)
    return host.invert(latent, sigmas, settings.capture, settings.refinements, on_step, noise_mask)


def find(
    inversion: Inversion,
    grid: Grid,
    points: DragPoints,
    settings: EditSettings | None = None,
    image: torch.Tensor | None = None,
    given: torch.Tensor | None = None,
    combining: Combine | None = None,
    input: str = "mask",
) -> Found:
    """Step 3: what belongs to the handles. Costs no evaluation.

    Args:
        inversion: of the source.
        grid: where its latent lies over the picture.
        points: the drags.
        settings: ``correlation`` and ``element`` of it are used.
        image: (B, H, W, 3) in 0..1, the source, whose edges the element then follows.
        given: (B or 1, H, W) in 0..1, a mask that someone else made.
        combining: how it corrects what the attention finds; None moves it instead, to the bit. "soften" replaces it
            and gives a hard mask soft edges from ``image`` (``given.softened``).
        input: what the user knows ``given`` by.
    """
    settings = settings or EditSettings()
    if points.pictures:
        return _find_each(inversion, grid, points, settings, image, given, combining, input)
    every = correlate(inversion.maps, grid, points, settings.correlation)
    correlation, sights = every[:, : len(points)], None
    if given is not None and combining is None:
        element = given_element(given, grid, inversion.batch, input)
    else:
        if image is not None and settings.element.walks:
            sights = sights_of(inversion.maps, every, grid, points, image)
        element = find_element(every, grid, points, settings.element, image, inversion.maps, sights)
        if given is not None and combining is not None:
            element = combine(element, given, combining)
            if combining == "soften":
                if image is None:
                    raise InputError(
                        "combine", "'soften', but there is no picture to soften by.", "Link image, or use 'replace'."
                    )
                element = softened(element, image)
    parts = None if sights is None else part_odds(sights, element.to(correlation), len(points))
    by_itself = goes_by_itself(points, settings)
    goes = going(sights, element, grid, points) if sights is not None and by_itself else None
    return Found(grid, points, correlation, element, objects_of(element, correlation, grid, points), parts, goes)


def move(
    inversion: Inversion,
    found: Found,
    settings: EditSettings | None = None,
    image: torch.Tensor | None = None,
    autoencoder: Autoencoder | None = None,
    movement: Movement | None = None,
    clean_plate: torch.Tensor | None = None,
) -> DraggedLatent:
    """Steps 4 and 5: moves the element in the inverted latent and fills what it leaves. Costs no evaluation.

    Args:
        inversion: of the source.
        found: of ``find``.
        settings: ``move``, ``fill`` and ``seed`` of it are used, and ``element.tau`` where it moves as published.
        image: (B, H, W, 3) in 0..1, the source; with ``autoencoder`` the background is continued in it, and the
            detail that the autoencoder loses is known.
        autoencoder: of the model.
        movement: to follow instead of the one that the drags mean.
        clean_plate: (B or 1, H, W, 3) in 0..1, a picture of what is behind the element, in the place of a filling;
            needs ``image`` and ``autoencoder``.
    """
    settings = settings or EditSettings()
    if found.pictures and movement is None:
        each = enumerate(found.pictures)
        return DraggedLatent.together(
            [
                move(inversion.picture(at), one, settings, _of(image, at), autoencoder, None, _of(clean_plate, at))
                for at, one in each
            ]
        )
    if movement is None:
        movement = planned(found, settings, image, inversion.maps)
    clean = inversion.clean.to(movement.leaving.device)
    background = continue_background(
        movement, clean, settings.fill, image, autoencoder, clean_plate, inversion.maps
    )
    moved = None
    if settings.move.start != "latents" and image is not None and autoencoder is not None:
        behind = background.picture
        if behind is None:
            behind = _picture(autoencoder.decode(background.latent), found.grid)
        whole = composed(image.cpu().float(), movement, behind.cpu().float())
        moved = autoencoder.encode(found.grid.pad_image(whole.clamp(0, 1)))
    dragged = apply(inversion, movement, background.latent, settings.seed, moved)
    dragged = replace(dragged, again=settings.move.start == "inverted" and moved is not None)
    if image is None or autoencoder is None:
        return dragged
    plain = _picture(autoencoder.decode(dragged.clean), found.grid)
    return replace(dragged, plain=plain, detail=detail(image.cpu().float(), plain, movement, background.picture))


def sample(
    host: Host,
    inversion: Inversion,
    dragged: DraggedLatent | None,
    settings: EditSettings | None = None,
    latent: torch.Tensor | None = None,
    free: torch.Tensor | None = None,
    on_step: OnStep | None = None,
    lit: torch.Tensor | None = None,
) -> torch.Tensor:
    """Step 6: samples a dragged latent back; (B, C, h, w) float32.

    Args:
        host: the model of the inversion, with the conditioning of the way back.
        inversion: of the source.
        dragged: of ``move``; None for a latent that someone else changed.
        settings: ``sample``, ``repaint`` and ``schedule`` of it are used.
        latent: (B, C, h, w) to start from; None takes the dragged one at the first noise level.
        free: (B or 1, h, w) share of each cell that may change; None takes the dragged latent's own, or all of them
            without ``sample.hold_background``.
        on_step: called with (steps done, latent, clean estimate); may raise to stop.
        lit: (B or 1, H, W) in 0..1, where the light may change, in place of as far as ``repaint.extent``; needs
            ``dragged``.
    """
    settings = settings or EditSettings()
    if latent is None:
        if dragged is None:
            raise InputError("latent", "neither a dragged nor a changed one.", "Give the one of move, or your own.")
        latent = dragged.at(inversion, 0)
    if free is None and dragged is not None and not settings.sample.hold_background:
        free = torch.ones_like(dragged.movement.free)
    after = None if on_step is None else lambda index, *rest: on_step(index + 1, *rest)
    painting = repainting(host, settings)
    if painting is not None and lit is not None and dragged is not None:
        grid = dragged.movement.grid
        check_lit(lit, grid, inversion.batch)
        painting = replace(painting, lit=grid.image_mask_to_cells(as_masks(lit)))
    return host.sample(inversion, latent, dragged, free, settings.sample, after, painting)


def repainting(host: Host, settings: EditSettings) -> Repainting | None:
    """What is painted before the way back; None for nothing."""
    repaint = settings.repaint.beside(host.paints)
    if repaint.strength == 0:
        return None
    return Repainting(repaint, host.sigmas(repaint.steps, repaint.strength, settings.schedule))


def goes_by_itself(points: DragPoints, settings: EditSettings) -> bool:
    """Whether what belongs to a handle beside anchors is to go as one piece, and not to bend with what they hold."""
    asked = settings.move.motion == "move" or any(pair.motion == "move" for pair in points.pairs)
    return asked and parts_ways(points)


def as_masks(mask: torch.Tensor) -> torch.Tensor:
    """(B or 1, H, W) float32 on the CPU of a mask with or without its first dimension."""
    return mask.reshape(-1, *mask.shape[-2:]).cpu().float()


def check_lit(lit: torch.Tensor, grid: Grid, batch: int) -> None:
    """Raises an ``InputError`` unless a mask of where light may change is of the pictures' size and number."""
    check_mask(as_masks(lit), grid.image_size, batch, "light_mask")


def finish(
    image: torch.Tensor,
    decoded: torch.Tensor,
    dragged: DraggedLatent,
    settings: EditSettings | None = None,
    shown: torch.Tensor | None = None,
    lit: torch.Tensor | None = None,
) -> torch.Tensor:
    """Puts a decoded edit together with the source's pixels; (B, H, W, 3) float32 in 0..1 on the CPU.

    Args:
        image: (B or 1, H, W, 3) in 0..1, the source.
        decoded: (B, H, W, 3) of the host's ``decode``, at the source's size or as large as the latent decodes to.
        dragged: of ``move``.
        settings: ``restore_detail``, ``source_background``, ``shown_margin``, ``shown_feather``,
            ``repaint`` and ``fill`` of it are used; what a painter painted is seen by ``settings.beside(True)``.
        shown: (B or 1, H, W) in 0..1, where to show the edit; None for where it changed the picture.
        lit: that it was sampled with.
    """
    return finished(image, decoded, dragged, settings, shown, lit).image


def finished(
    image: torch.Tensor,
    decoded: torch.Tensor,
    dragged: DraggedLatent,
    settings: EditSettings | None = None,
    shown: torch.Tensor | None = None,
    lit: torch.Tensor | None = None,
) -> Finished:
    """As ``finish``, with where the picture shows the edit, and where its light changed."""
    settings = settings or EditSettings()
    if dragged.pictures:
        each = []
        for at, one in enumerate(dragged.pictures):
            source = image[at % len(image) :][:1]
            each.append(finished(source, decoded[at : at + 1], one, settings, _of(shown, at), _of(lit, at)))
        return Finished(*(torch.cat([getattr(one, name) for one in each]) for name in ("image", "shown", "light")))
    image = image.cpu().float()
    edited = _picture(decoded, dragged.movement.grid)
    changed = None
    if settings.restore_detail:
        repaint = settings.repaint
        if repaint.strength > 0 and dragged.plain is not None and dragged.detail is not None:
            where = None if lit is None else as_masks(lit)
            edited, changed = repainted(image, edited, dragged, repaint, settings.fill, where)
        else:
            edited = restore_detail(image, edited, dragged, settings.fill)
    edited = edited.clamp(0, 1)
    if shown is None:
        shown = shown_mask(dragged.movement, settings.shown_margin, settings.shown_feather).cpu()
        shown = shown if changed is None else torch.maximum(shown, changed.cpu())
    light = torch.zeros_like(edited[..., 0]) if changed is None else changed.cpu()
    return Finished(composite(image, edited, shown) if settings.source_background else edited, shown, light)


def _find_each(
    inversion: Inversion,
    grid: Grid,
    points: DragPoints,
    settings: EditSettings,
    image: torch.Tensor | None,
    given: torch.Tensor | None,
    combining: Combine | None,
    input: str,
) -> Found:
    """``find`` for every picture with its own drags."""
    check_pictures(points, inversion.batch)
    each = tuple(
        find(inversion.picture(at), grid, one, settings, _of(image, at), _of(given, at), combining, input)
        for at, one in enumerate(points.pictures)
    )
    most = max(one.correlation.shape[1] for one in each)
    # A picture with fewer handles than another correlates with none of those that it lacks.
    correlation = [F.pad(one.correlation, (0, 0, 0, 0, 0, most - one.correlation.shape[1])) for one in each]
    element = torch.cat([one.element for one in each])
    return Found(grid, points, torch.cat(correlation), element, pictures=each)


def check_pictures(points: DragPoints, batch: int) -> None:
    """Raises an ``InputError`` unless the drags are for all pictures alike, or for each of ``batch``."""
    if points.pictures and len(points.pictures) != batch:
        raise InputError(
            "points",
            f"drags for {len(points.pictures)} pictures, but there are {batch}.",
            "Give one set for all, or a list with one for each.",
        )


def check_one_behind(painter: bool) -> None:
    """Raises an ``InputError`` for a clean plate where there is a painter, too."""
    if painter:
        raise InputError(
            "clean_plate",
            "a painter is given as well, and would paint over it.",
            "Use one of both: the plate where you know what is behind, the painter where you don't.",
        )


def _of(batch: torch.Tensor | None, at: int) -> torch.Tensor | None:
    """One picture's part of a batch, or of what goes for all of it."""
    return batch if batch is None or batch.ndim < 3 or batch.shape[0] == 1 else batch[at : at + 1]


def planned(
    found: Found,
    settings: EditSettings,
    image: torch.Tensor | None = None,
    maps: Mapping[tuple[int, int], torch.Tensor] | None = None,
) -> Movement:
    """What the drags mean, for one picture or for several with the same drags.

    Args:
        found: of ``find``.
        settings: ``move`` of it is used, and ``element.tau`` where it moves as published.
        image: (B, H, W, 3) in 0..1, the source, by which "auto" tells parts from things and what is reshaped stays on
            what it is a part of; without it all are things.
        maps: token grid -> (B, n, n), of the inversion, by which "auto" tells parts, too, and what goes beside anchors.
    """
    correlation, tau = found.correlation, None
    if settings.move.motion == "paper":
        given = settings.element.tau
        taus = [
            [automatic_tau(one, settings.element.above_otsu) if given is None else given for one in planes]
            for planes in correlation
        ]
        tau = correlation.new_tensor(taus)
    objects = found.objects
    if objects is None:
        objects = objects_of(found.element, correlation, found.grid, found.points)
    outlines = None
    asked = settings.move.motion == "reshape" or any(pair.motion == "reshape" for pair in found.points.pairs)
    auto = settings.move.motion == "auto" and settings.move.falloff == "rigid"
    if image is not None and (asked or auto):
        outlines = outlines_of(found.element, image, correlation, found.grid, found.points, objects)
    odds, goes, told = found.parts, found.going, None
    asks_parts = auto and odds is None
    asks_going = goes is None and goes_by_itself(found.points, settings)
    if image is not None and maps is not None and (asks_parts or asks_going):
        # Whether a thing is a part is told by its handles; what of it goes, by the clicks as well.
        clicked = asks_going and found.points.clicks
        seen = correlate(maps, found.grid, found.points, settings.correlation) if clicked else correlation
        sights = sights_of(maps, seen, found.grid, found.points, image)
        if asks_parts:
            odds = part_odds(sights, found.element.to(correlation), len(found.points))
        if asks_going:
            goes = going(sights, found.element, found.grid, found.points)
    if auto:
        told = told_motions(found.element, correlation, found.grid, found.points, objects, outlines, odds)
    return plan_movement(
        correlation, found.element, found.grid, found.points, settings.move, objects, tau, outlines, told, goes
    )


def _picture(decoded: torch.Tensor, grid: Grid) -> torch.Tensor:
    """A decoded picture at the source's size, float32 on the CPU; not clipped."""
    decoded = decoded.cpu().float()
    return grid.crop_image(decoded) if tuple(decoded.shape[1:3]) == grid.covered_size else decoded
