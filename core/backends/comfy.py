"""ComfyUI as a host: a MODEL's U-Net, reached through a SAMPLER.

Both ways run as a ``KSAMPLER`` function under a guider, so that loading, conditioning, guidance, previews and
other packs' wrappers are ComfyUI's own. Patches are put into the ``model_options`` of single denoiser calls:
the MODEL, its options and its clones are never written to, and there is nothing to take back after an error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import comfy.model_management
import comfy.model_sampling
import comfy.samplers
import torch
from comfy.ldm.modules.attention import optimized_attention

from .. import sampling, schedule
from ..capture import CapturePlan
from ..drag import Drag
from ..errors import InputError, UnsupportedModelError
from ..fingerprint import digest, patched
from ..hooks import AttentionHooks, Layer
from ..host import OnStep
from ..inversion import Inversion, invert
from ..sampling import SampleSettings

SUPPORTED = "Use a Stable Diffusion 1.x, 2.x or SDXL checkpoint, or another with a U-Net of that family."
NULL_TOKENS = 77
POOLED_WIDTH = 1280
UNET_PREFIX = "diffusion_model."

BlockKey = tuple[str, int, int]


class ComfyDenoiser:
    """The U-Net of a running sampler (a ``core.hooks.Denoiser``); made anew for each run, never kept.

    Args:
        model: what a KSAMPLER function is given to call.
        extra_args: keyword arguments that it is to be called with.
    """

    def __init__(self, model: Any, extra_args: dict[str, Any]):
        self._model = model
        self._extra_args = extra_args
        base_model = model.inner_model.inner_model
        self._keys = attention_layers(base_model)
        self.layers = tuple(self._keys.values())
        v_prediction = isinstance(base_model.model_sampling, comfy.model_sampling.V_PREDICTION)
        self.prediction = "v" if v_prediction else "epsilon"
        self.fingerprint = fingerprint(base_model)

    def denoise(self, x: torch.Tensor, sigma: float, hooks: AttentionHooks | None = None) -> torch.Tensor:
        comfy.model_management.throw_exception_if_processing_interrupted()
        extra_args = self._extra_args
        if hooks is not None:
            options = patched_options(extra_args.get("model_options", {}), hooks, self._keys)
            extra_args = {**extra_args, "model_options": options}
        return self._model(x, x.new_full((x.shape[0],), sigma), **extra_args).float()


def attention_layers(base_model: Any) -> dict[BlockKey, Layer]:
    """The self-attention layers of a loaded model by ComfyUI's block key (name, id, transformer index).

    Raises:
        UnsupportedModelError: it has none, or isn't a U-Net, or its noise isn't additive (flow models).
    """
    unet = base_model.diffusion_model
    if isinstance(base_model.model_sampling, comfy.model_sampling.CONST) or not hasattr(unet, "input_blocks"):
        raise UnsupportedModelError(
            "model",
            f"{type(base_model).__name__} ({type(unet).__name__}) is no U-Net with self-attention.",
            SUPPORTED,
        )
    layers: dict[BlockKey, Layer] = {}
    level = 0

    def visit(block: Any, side: str, number: int) -> None:
        nonlocal level
        name = {"down": "input", "middle": "middle", "up": "output"}[side]
        for module in block:
            for index, transformer in enumerate(getattr(module, "transformer_blocks", ())):
                attention = getattr(transformer, "attn1", None)
                if attention is None or getattr(transformer, "disable_self_attn", False):
                    continue
                layers[(name, number, index)] = Layer(
                    f"{side}.{number}.{index}", side, level, attention.to_q.in_features, attention.heads
                )
            kind = type(module).__name__
            if kind == "Downsample":
                level += 1
            elif kind == "Upsample":
                level -= 1

    for number, block in enumerate(unet.input_blocks):
        visit(block, "down", number)
    if unet.middle_block is not None:
        visit(unet.middle_block, "middle", 0)
    for number, block in enumerate(unet.output_blocks):
        visit(block, "up", number)
    if not layers:
        raise UnsupportedModelError("model", f"{type(unet).__name__} has no self-attention.", SUPPORTED)
    return layers


def patched_options(
    model_options: dict[str, Any], hooks: AttentionHooks, keys: dict[BlockKey, Layer]
) -> dict[str, Any]:
    """A copy of ``model_options`` whose self-attention calls ``hooks``; what others patched stays in force."""
    transformer_options = dict(model_options.get("transformer_options", {}))
    patches = dict(transformer_options.get("patches", {}))
    patches["attn1_patch"] = [*patches.get("attn1_patch", []), _tokens_patch(hooks, keys)]
    transformer_options["patches"] = patches

    wanted = [key for key, layer in keys.items() if hooks.wants_projections(layer)]
    if wanted:
        replacements = dict(transformer_options.get("patches_replace", {}))
        slots = dict(replacements.get("attn1", {}))
        for key in wanted:
            # ComfyUI looks for the transformer's own key first, then for the block's.
            other = slots.get(key, slots.get(key[:2]))
            slots[key] = _projections_patch(hooks, keys[key], other)
        replacements["attn1"] = slots
        transformer_options["patches_replace"] = replacements
    return {**model_options, "transformer_options": transformer_options}


def _tokens_patch(hooks: AttentionHooks, keys: dict[BlockKey, Layer]) -> Callable:
    def patch(n, context, value, extra_options):
        block = extra_options.get("block")
        layer = keys.get((*block, extra_options.get("block_index", 0))) if block is not None else None
        if layer is None:
            return n, context, value
        rows = _positive_rows(n.shape[0], extra_options)
        changed = hooks.tokens(layer, context, rows)
        if changed is None:
            return n, context, value
        return n, changed, changed if value is context else hooks.tokens(layer, value, rows)

    return patch


def _projections_patch(hooks: AttentionHooks, layer: Layer, other: Callable | None) -> Callable:
    def attend(q, k, v, extra_options):
        hooks.projections(layer, q, k, _positive_rows(q.shape[0], extra_options))
        if other is not None:
            return other(q, k, v, extra_options)
        return optimized_attention(q, k, v, layer.heads, attn_precision=extra_options.get("attn_precision"))

    return attend


def _positive_rows(batch: int, extra_options: dict[str, Any]) -> slice | None:
    """Rows of the positive conditioning in a batch that may hold several after each other."""
    parts = extra_options.get("cond_or_uncond") or [0]
    if 0 not in parts:
        return None
    rows = batch // len(parts)
    first = list(parts).index(0) * rows
    return slice(first, first + rows)


def fingerprint(base_model: Any) -> str:
    """Tells models apart, and a model from itself with LoRAs or merges on it (``core.fingerprint``).

    ComfyUI applies weight patches to the weights themselves, or while it runs where memory is short: which of both
    must not matter. So the weights are read as they were before, and the patches by what they hold.
    """
    patcher = getattr(base_model, "current_patcher", None)
    backup = getattr(patcher, "backup", {})
    layout = [*attention_layers(base_model).items()]
    layout.append(isinstance(base_model.model_sampling, comfy.model_sampling.V_PREDICTION))
    weights = []
    for name, parameter in base_model.diffusion_model.named_parameters():
        # Compiled modules wear another name.
        kept = backup.get(UNET_PREFIX + name.replace("_orig_mod.", ""))
        weights.append(parameter if kept is None else kept.weight)
    return patched(digest(weights, layout), _patches_digest(getattr(patcher, "patches", {})))


def _patches_digest(patches: dict[str, list]) -> str:
    """Of a ModelPatcher's weight patches: by content, as a LoRA that is loaded again is the same LoRA."""
    tensors: list[torch.Tensor] = []

    def described(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            tensors.append(value)
            return "tensor"
        if isinstance(value, (list, tuple)):
            return [described(part) for part in value]
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        # LoRAs and their kin hold their tensors and numbers in `weights`; functions have a name.
        name = getattr(value, "__qualname__", type(value).__qualname__)
        return [name, described(getattr(value, "weights", None))]

    layout = [[key, described(patches[key])] for key in sorted(patches) if key.startswith(UNET_PREFIX)]
    return digest(tensors, layout) if layout else ""


def null_conditioning(model: Any) -> list:
    """Zeros of the model's context width, as CONDITIONING: what "nothing linked" means.

    A pooled output goes with it for models that take one (SDXL).
    """
    unet = model.get_model_object("diffusion_model")
    width = 768
    for module in unet.modules():
        cross_attention = getattr(module, "attn2", None)
        if cross_attention is not None:
            width = cross_attention.to_k.in_features
            break
    return [[torch.zeros(1, NULL_TOKENS, width), {"pooled_output": torch.zeros(1, POOLED_WIDTH)}]]


def check_latent(model: Any, latent: dict[str, Any]) -> torch.Tensor:
    """The samples of a LATENT, or an ``InputError`` if the model doesn't take them."""
    samples = latent["samples"]
    channels = model.get_model_object("latent_format").latent_channels
    if samples.ndim != 4 or samples.shape[1] != channels:
        raise InputError(
            "latent",
            f"shape {tuple(samples.shape)}, but this model takes (batch, {channels}, height, width).",
            "Encode the image with the VAE of the same checkpoint.",
        )
    if not torch.isfinite(samples).all():
        raise InputError("latent", "it holds NaN or infinite values.", "Check the image and the VAE.")
    return samples


def sampling_sigmas(model: Any, steps: int, strength: float) -> torch.Tensor:
    """Descending noise levels of a MODEL (see ``core.schedule``)."""
    attention_layers(model.model)
    model_sampling = model.get_model_object("model_sampling")
    return schedule.sampling_sigmas(
        lambda timestep: float(model_sampling.sigma(torch.tensor(float(timestep)))),
        schedule.timesteps(steps, strength),
    )


def drag_sampler(
    inversion: Inversion,
    drag: Drag | None,
    region: torch.Tensor | None,
    settings: SampleSettings,
    after_step: OnStep | None = None,
) -> comfy.samplers.KSAMPLER:
    """A SAMPLER that samples a dragged latent back; runs under any guider that takes ComfyUI's."""

    def sample(model, x, sigmas, extra_args=None, callback=None, disable=None, **_):
        denoiser = ComfyDenoiser(model, extra_args or {})
        inversion.check_model(denoiser.fingerprint)
        sampling.check_sigmas(inversion, sigmas)

        def on_step(index: int, latent: torch.Tensor, denoised: torch.Tensor) -> None:
            if callback is not None:
                callback({"i": index, "denoised": denoised, "x": latent, "sigma": sigmas[index]})
            if after_step is not None:
                after_step(index, latent, denoised)

        return sampling.sample(denoiser, inversion, x, drag, region, settings, on_step)

    return comfy.samplers.KSAMPLER(sample)


class ComfyHost:
    """A MODEL with its conditioning, and optionally its VAE (a ``core.host.Host``).

    Latents that it is given and gives are in the model's own scale; ``LATENT`` dictionaries hold them divided by
    the scale factor (``to_latent``, ``from_latent``).

    Args:
        model: ComfyUI MODEL (a ModelPatcher); used, never changed, and not to be kept after the run.
        vae: needed for ``encode`` and ``decode`` only.
        positive, negative: CONDITIONING or None for the null conditioning.
        cfg: guidance scale of the way back; 1 doesn't evaluate the negative. Inversion always runs at 1.
        progress: called by ComfyUI's samplers with (step, clean estimate, latent, steps).
    """

    def __init__(
        self,
        model: Any,
        vae: Any = None,
        positive: list | None = None,
        negative: list | None = None,
        cfg: float = 1.0,
        inversion_progress: Callable | None = None,
        sampling_progress: Callable | None = None,
    ):
        self._model = model
        self._vae = vae
        self._positive = positive
        self._negative = negative
        self._cfg = cfg
        self._inversion_progress = inversion_progress
        self._sampling_progress = sampling_progress

    def to_latent(self, x: torch.Tensor) -> torch.Tensor:
        """Model scale -> LATENT samples."""
        return self._model.get_model_object("latent_format").process_out(x)

    def from_latent(self, samples: torch.Tensor) -> torch.Tensor:
        """LATENT samples -> model scale."""
        return self._model.get_model_object("latent_format").process_in(samples)

    def encode(self, image: torch.Tensor) -> torch.Tensor:
        return self.from_latent(self._vae.encode(image))

    def decode(self, latent: torch.Tensor) -> torch.Tensor:
        return self._vae.decode(self.to_latent(latent))

    def sigmas(self, steps: int, strength: float) -> torch.Tensor:
        return sampling_sigmas(self._model, steps, strength)

    def invert(
        self,
        latent: torch.Tensor,
        sigmas: torch.Tensor,
        plan: CapturePlan,
        refinements: int,
        on_step: OnStep | None = None,
        limit: torch.Tensor | None = None,
    ) -> Inversion:
        """Inverts in one run of the guider; ``limit`` as in ``Inversion``."""
        result: list[Inversion] = []

        def run(model, x, ascending, extra_args=None, callback=None, disable=None, **_):
            denoiser = ComfyDenoiser(model, extra_args or {})

            def after(done: int, latent_now: torch.Tensor, denoised: torch.Tensor) -> None:
                if callback is not None:
                    callback({"i": done - 1, "denoised": denoised, "x": latent_now, "sigma": ascending[done]})
                if on_step is not None:
                    on_step(done, latent_now, denoised)

            result.append(invert(denoiser, x, ascending.flip(0), plan, refinements, after, denoiser.fingerprint, limit))
            return result[0].noisy.to(x)

        self._run(comfy.samplers.KSAMPLER(run), latent, sigmas.flip(0), 1.0, self._inversion_progress)
        return result[0]

    def sample(
        self,
        inversion: Inversion,
        x: torch.Tensor,
        drag: Drag | None,
        region: torch.Tensor | None,
        settings: SampleSettings,
        on_step: OnStep | None = None,
    ) -> torch.Tensor:
        sampler = drag_sampler(inversion, drag, region, settings, on_step)
        return self._run(sampler, x, inversion.sigmas, self._cfg, self._sampling_progress)

    def _run(
        self,
        sampler: comfy.samplers.KSAMPLER,
        x: torch.Tensor,
        sigmas: torch.Tensor,
        cfg: float,
        callback: Callable | None,
    ) -> torch.Tensor:
        guider = comfy.samplers.CFGGuider(self._model)
        positive = self._positive if self._positive is not None else null_conditioning(self._model)
        negative = self._negative if self._negative is not None else null_conditioning(self._model)
        guider.set_conds(positive, negative)
        guider.set_cfg(cfg)
        samples = self.to_latent(x)
        # Noise is none: the latent already carries its own.
        out = guider.sample(
            torch.zeros_like(samples), samples, sampler, sigmas, callback=callback, disable_pbar=True, seed=0
        )
        return self.from_latent(out.to(comfy.model_management.intermediate_device()))
