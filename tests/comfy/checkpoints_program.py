"""Checkpoints as people have them under ComfyUI's own operations; a program of its own, like ``parity_program``:
``python checkpoints_program.py COMFYUI RESULT.json [KIND ...]``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SIZE = (8, 12)


def main(comfyui: str, result: str, *kinds: str) -> None:
    """Runs these kinds, or all, and writes what came of them."""
    sys.argv = ["comfyui", "--cpu", "--force-fp32"]
    sys.path[0] = comfyui
    # By its own folder: ComfyUI has a package "tests", too.
    sys.path += [str(ROOT), str(ROOT / "tests" / "core"), str(ROOT / "tests" / "comfy")]
    import comfy.options

    comfy.options.enable_args_parsing()
    import torch

    torch.set_grad_enabled(False)
    all_kinds = {
        "fp8": lambda: eight_bits(torch.float8_e4m3fn),
        "fp8 e5m2": lambda: eight_bits(torch.float8_e5m2),
        "packed": packed,
        "wrapped": wrapped,
        "families": families,
        "lcm": lcm,
        "inpainting": inpainting,
        "painter": painter,
        "conditioning": conditioning,
        "vae": vae,
    }
    figures = {kind: all_kinds[kind]() for kind in kinds or all_kinds}
    Path(result).write_text(json.dumps(figures))


def small_unet(family: str = "sd15", **changes):
    """As the parity program's."""
    import diffusers_models as models
    from parity_program import MATCHING

    return models.unet(family, **{**MATCHING[family], **changes})


def round_trip(model, steps: int = 8, schedule: str = "full", like=None) -> dict:
    """Inverts a latent and samples it back with the source's keys and values, everything free."""
    import torch

    from core.attention.plan import CapturePlan
    from core.diffusion.sampling import SampleSettings
    from core.hosts.comfy.host import ComfyHost

    host = ComfyHost(model)
    latent = torch.randn(1, 4, *SIZE, generator=torch.Generator().manual_seed(3))
    sigmas = host.sigmas(steps, 0.5, schedule)
    inversion = host.invert(latent, sigmas, CapturePlan(storage="cpu"), 2)
    back = host.sample(inversion, inversion.noisy, None, torch.ones(1, *SIZE), SampleSettings(source_attention="off"))
    held = host.sample(inversion, inversion.noisy, None, torch.ones(1, *SIZE), SampleSettings())
    stored = {str(tokens.dtype) for step in inversion.tokens for tokens in step.values()}
    figures = {
        "steps": inversion.steps,
        "layers": [[layer.name, layer.channels, layer.heads] for layer in inversion.layers],
        "fingerprint": inversion.model_fingerprint,
        "stored": sorted(stored),
        "error": error(back, latent),
        "error with source attention": error(held, latent),
    }
    if like is not None:
        other = ComfyHost(like).invert(latent, sigmas, CapturePlan(storage="cpu"), 2)
        figures["apart"] = error(inversion.trajectory, other.trajectory)
        figures["attention apart"] = max(error(inversion.maps[grid].float(), other.maps[grid].float())
                                         for grid in other.maps)  # fmt: skip
    return figures


def eight_bits(dtype) -> dict:
    """fp8 weights under manual cast, beside the same values in float32."""
    import torch
    from parity_program import native_model

    unet = small_unet()
    rounded = small_unet()
    for parameter in rounded.parameters():
        parameter.copy_(parameter.to(dtype).float())
    model = native_model("sd15", unet, "epsilon", dtype, torch.float32)
    again = native_model("sd15", small_unet(), "epsilon", dtype, torch.float32)
    figures = round_trip(model, like=native_model("sd15", rounded, "epsilon"))
    weights = {str(parameter.dtype) for parameter in model.model.diffusion_model.parameters()}
    other = small_unet()
    other.conv_in.weight[0] *= 2
    different = native_model("sd15", other, "epsilon", dtype, torch.float32)
    return figures | {
        "weights": sorted(weights),
        "same": fingerprint(again) == fingerprint(model),
        "other": fingerprint(different) == fingerprint(model),
    }


def packed() -> dict:
    """Every projection replaced by one that keeps its weight in bytes and tells no in_features, as GGUF's and NF4's."""
    import torch
    from parity_program import native_model

    class PackedLinear(torch.nn.Module):
        def __init__(self, linear):
            super().__init__()
            codes = linear.weight.detach().half().contiguous().view(torch.uint8)
            self.weight = torch.nn.Parameter(codes, requires_grad=False)
            self.bias = linear.bias

        def forward(self, x):
            weight = self.weight.view(torch.float16).to(x)
            return torch.nn.functional.linear(x, weight, self.bias)

    def pack(model):
        for module in list(model.model.diffusion_model.modules()):
            for name, child in list(module.named_children()):
                if isinstance(child, torch.nn.Linear):
                    setattr(module, name, PackedLinear(child))
        return model

    halved = small_unet()
    for module in halved.modules():
        if isinstance(module, torch.nn.Linear):
            module.weight.copy_(module.weight.half().float())
    model = pack(native_model("sd15", small_unet(), "epsilon"))
    # ComfyUI knows the text width by its configuration; this one has lost that, too.
    figures = round_trip(model, like=native_model("sd15", halved, "epsilon"))
    left = sum(hasattr(module, "in_features") for module in model.model.diffusion_model.modules())
    return figures | {
        "linear layers left": left,
        "same": fingerprint(pack(native_model("sd15", small_unet(), "epsilon"))) == fingerprint(model),
        "other": fingerprint(pack(native_model("sd15", small_unet(seed=1), "epsilon"))) == fingerprint(model),
    }


def wrapped() -> dict:
    """ComfyUI's QuantizedTensor, a tensor class without storage of its own, where this ComfyUI has it."""
    import torch

    from core.model.fingerprint import digest

    try:
        from comfy.quant_ops import QuantizedTensor
    except ImportError:
        return {}

    def weight(seed: int, scale: float = 1.0):
        values = torch.randn(6, 5, generator=torch.Generator().manual_seed(seed)).to(torch.float8_e4m3fn)
        params = {"scale": torch.tensor(scale), "orig_dtype": torch.float32}
        return torch.nn.Parameter(QuantizedTensor(values, "TensorCoreFP8Layout", params), requires_grad=False)

    mark = digest([weight(0)])
    return {
        "same": digest([weight(0)]) == mark,
        "other values": digest([weight(1)]) == mark,
        "other scale": digest([weight(0, 2.0)]) == mark,
    }


def families() -> dict:
    """What each kind is taken for."""
    from comfy_extras.nodes_model_advanced import ModelSamplingDiscrete
    from parity_program import native_model

    from core.hosts.comfy.family import family

    def told(model):
        found = family(model)
        return [found.name, found.schedule, found.steps, found.native_px]

    patch = ModelSamplingDiscrete().patch
    levels = {
        "block_out_channels": (32, 32, 32, 32),
        "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    }
    # The widths by which a family is known; the small models' own are smaller.
    four = native_model("sd15", small_unet(cross_attention_dim=768, **levels), "epsilon")
    sd2 = native_model("sd2", small_unet("sd2", cross_attention_dim=1024), "v_prediction")
    sdxl = native_model("sdxl", small_unet("sdxl", cross_attention_dim=2048), "epsilon")
    return {
        "sd1": told(four),
        "demo": told(native_model("sd15", small_unet(cross_attention_dim=768), "epsilon")),
        "sd2 v": told(sd2),
        "sd2": told(patch(sd2, "eps", False)[0]),
        "sdxl": told(sdxl),
        "sdxl zero-SNR v": told(patch(sdxl, "v_prediction", True)[0]),
        "sdxl v": told(patch(sdxl, "v_prediction", False)[0]),
        "lcm": told(patch(four, "lcm", False)[0]),
    }


def lcm() -> dict:
    """Few steps under LCM's own sampling: the model is asked at levels that it knows."""
    from comfy_extras.nodes_model_advanced import ModelSamplingDiscrete
    from parity_program import native_model

    from core.hosts.comfy.inputs import sampling_sigmas

    model = ModelSamplingDiscrete().patch(native_model("sd15", small_unet(), "epsilon"), "lcm", False)[0]
    sampling = model.get_model_object("model_sampling")
    figures = {"known": {}}
    for steps in (4, 8, 10):
        sigmas = sampling_sigmas(model, steps, 1.0, "distilled")[:-1]
        figures["known"][steps] = bool((sigmas[:, None] - sampling.sigmas[None].cpu()).abs().amin(1).max() < 1e-4)
    return figures | {str(steps): round_trip(model, steps, "distilled") for steps in (4, 10)}


def inpainting() -> dict:
    """Nine channels: refused before anything runs."""
    from parity_program import native_model

    from core.errors import InputError
    from core.hosts.comfy.host import ComfyHost

    model = native_model("sd15", small_unet(in_channels=9), "epsilon")
    try:
        ComfyHost(model).sigmas(8, 0.5)
    except InputError as refused:
        return {"error": type(refused).__name__, "text": str(refused)}
    return {}


def painter() -> dict:
    """A nine-channel model paints what a drag of another model reveals."""
    import builders
    import torch
    from parity_program import native_model

    from core.attention.plan import CapturePlan
    from core.diffusion.dragged import apply
    from core.diffusion.repaint import OWN, Repainting, RepaintSettings
    from core.diffusion.sampling import SampleSettings
    from core.errors import InputError
    from core.hosts.comfy.host import ComfyHost
    from core.motion.field import plan_movement
    from core.space.grid import Grid

    model = native_model("sd15", small_unet(), "epsilon")
    inpainting = native_model("sd15", small_unet(seed=2, in_channels=9), "epsilon")
    grid = Grid.padded(SIZE[0] * 8, SIZE[1] * 8)
    points = builders.drags(grid, ((3, 4), (8, 4)))
    latent = torch.randn(1, 4, *SIZE, generator=torch.Generator().manual_seed(3))
    host = ComfyHost(model)
    inversion = host.invert(latent, host.sigmas(8, 0.5), CapturePlan(storage="cpu"), 0)
    movement = plan_movement(torch.ones(1, 1, *SIZE), builders.box(grid, 3, 2, 6, 5), grid, points)
    dragged = apply(inversion, movement, inversion.clean)
    start = dragged.at(inversion, 0)
    painting = Repainting(RepaintSettings(steps=4).beside(True), host.sigmas(4, 1.0))
    asked = []
    inpainting.model.diffusion_model.register_forward_pre_hook(lambda module, given: asked.append(given[0].clone()))
    marks = [fingerprint(one) for one in (model, inpainting)]
    figures = {}
    for name, settings in (("held", SampleSettings(hold_rest=1.0)), ("free", SampleSettings(hold_rest=0.0))):
        asked.clear()
        evaluations = []
        hook = model.model.diffusion_model.register_forward_pre_hook(lambda *_: evaluations.append(1))  # noqa: B023
        alone = host.sample(inversion, start, dragged, None, settings)
        evaluations.clear()
        both = ComfyHost(model, painter=inpainting).sample(
            inversion, start, dragged, None, settings, repainting=painting
        )
        hook.remove()
        apart = (both - alone).abs().amax(1)
        hole = dragged.revealed > OWN
        figures[name] = {
            "cells": int(hole.sum()),
            "outside": float(apart[~hole].max()),
            "inside": float(apart[hole].min()),
            "finite": bool(torch.isfinite(both).all()),
            "asked": len(asked),
            "evaluations": len(evaluations),
            "channels": sorted({int(x.shape[1]) for x in asked}),
            "mask": max(error(x[:, 4], hole.float()) for x in asked),
            "picture": max(float((x[:, 5:] - dragged.clean)[:, :, ~hole[0]].abs().max()) for x in asked),
            "blank": [round(float(value), 3) for value in asked[0][0, 5:, hole[0]].mean(1)],
        }
    figures["unharmed"] = marks == [fingerprint(one) for one in (model, inpainting)]
    figures["left behind"] = list(model.additional_models)
    plain = ComfyHost(model, painter=native_model("sd15", small_unet(seed=3), "epsilon"))
    figures["plain painter"] = bool(
        torch.isfinite(plain.sample(inversion, start, dragged, None, settings, repainting=painting)).all()
    )
    for name, other in (("itself", model.clone()), ("family", native_model("sdxl", small_unet("sdxl"), "epsilon"))):
        try:
            ComfyHost(model, painter=other)
        except InputError as refused:
            figures[name] = str(refused)
    return figures


def conditioning() -> dict:
    """Keys and values under the inversion's prompt alone, with another one and guidance on the way back."""
    from dataclasses import replace

    import torch
    from comfy.samplers import CFGGuider
    from parity_program import native_model

    from core.attention.plan import CapturePlan
    from core.attention.tokens import TokenRecorder
    from core.diffusion.sampling import SampleSettings
    from core.hosts.comfy.host import ComfyHost, drag_sampler

    def worded(seed: int) -> list:
        # 24 is the small model's text width.
        return [[torch.randn(1, 77, 24, generator=torch.Generator().manual_seed(seed)) * 5, {}]]

    model = native_model("sd15", small_unet(), "epsilon")
    described, edited, negative = worded(1), worded(2), worded(3)
    plain = ComfyHost(model, positive=described)
    latent = torch.randn(1, 4, *SIZE, generator=torch.Generator().manual_seed(3))
    inversion = plain.invert(latent, plain.sigmas(6, 0.5), CapturePlan(storage="cpu"), 0)
    free, settings = torch.ones(1, *SIZE), SampleSettings()

    def exactly(words: list) -> tuple:
        """Every step's tokens in float32, of a run under these words alone."""
        steps = []
        for x, sigma in zip(inversion.trajectory[:-1], inversion.sigmas[:-1].tolist(), strict=True):

            def record(model, now, sigmas, extra_args=None, callback=None, disable=None, x=x, sigma=sigma, **_):
                from core.hosts.comfy.denoiser import ComfyDenoiser

                recorder = TokenRecorder(frozenset(inversion.source_layers), inversion.latent_size)
                ComfyDenoiser(model, extra_args or {}).denoise(x.to(now), sigma, recorder)
                steps.append({name: tokens.clone() for name, tokens in recorder.kept.items()})
                return now

            import comfy.samplers

            sampler, told = comfy.samplers.KSAMPLER(record), (words, None)
            ComfyHost(model)._run(sampler, x, inversion.sigmas, 1.0, None, told)
        return tuple(steps)

    def sampled(tokens, host: ComfyHost) -> torch.Tensor:
        return host.sample(replace(inversion, tokens=tokens), inversion.noisy, None, free, settings)

    guided = ComfyHost(model, positive=edited, negative=negative, cfg=4.0)
    recomputed = sampled(None, guided)
    # By a stranger's guider, which knows nothing of the inversion's prompt.
    guider = CFGGuider(model)
    guider.set_conds(edited, negative)
    guider.set_cfg(4.0)
    sampler = drag_sampler(replace(inversion, tokens=None), None, free, settings)
    noisy = plain.to_latent(inversion.noisy)
    foreign = plain.from_latent(guider.sample(torch.zeros_like(noisy), noisy, sampler, inversion.sigmas, seed=0))
    same = ComfyHost(model, positive=described)
    figures = {
        "kept": inversion.conditioning is described,
        "apart": error(recomputed, sampled(exactly(described), guided)),
        "the way back's own": error(recomputed, sampled(exactly(edited), guided)),
        "foreign": error(foreign, recomputed),
        "same prompt": error(sampled(None, same), sampled(exactly(described), same)),
    }
    with_models = replace(inversion, tokens=None, conditioning=[[described[0][0], {"control": object()}]])
    try:
        guided.sample(with_models, inversion.noisy, None, free, settings)
    except Exception as told:
        figures["control"] = [type(told).__name__, str(told)]
    return figures


def vae() -> dict:
    """A VAE that overflows, both ways."""
    import torch
    from parity_program import native_model

    from core.errors import InputError
    from core.hosts.comfy.host import ComfyHost

    class Overflowing:
        def encode(self, image):
            return torch.full((1, 4, 2, 2), float("nan"))

        def decode(self, samples):
            return torch.full((1, 16, 16, 3), float("inf"))

    host = ComfyHost(native_model("sd15", small_unet(), "epsilon"), Overflowing())
    figures = {}
    for way, given in (("encode", torch.zeros(1, 16, 16, 3)), ("decode", torch.zeros(1, 4, 2, 2))):
        try:
            getattr(host, way)(given)
        except InputError as told:
            figures[way] = [told.input, told.problem, told.mend]
    return figures


def fingerprint(model) -> str:
    """Of a MODEL that isn't running."""
    from core.hosts.comfy.fingerprint import fingerprint as of

    return of(model.model)


def error(ours, theirs) -> float:
    """Relative error, in the Euclidean norm."""
    return ((ours - theirs).norm() / theirs.norm()).item()


if __name__ == "__main__":
    main(*sys.argv[1:])
