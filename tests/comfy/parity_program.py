"""Runs the same weights through both hosts and writes how far apart they are; a program of its own, because
ComfyUI's modules belong into a process that is theirs: ``python parity_program.py COMFYUI RESULT.json``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
STEPS, STRENGTH, GUIDANCE = 10, 0.6, 3.0
SIZE = (9, 14)
POINTS = [((0.3, 0.4), (0.7, 0.5))]
MATCHING = {
    # Width of ComfyUI's normalisation groups, and of its SDXL size embedding, which are fixed.
    "sd15": {"norm_num_groups": 32},
    "sd2": {"norm_num_groups": 32},
    "sdxl": {
        "norm_num_groups": 32,
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 1280 + 6 * 256,
    },
}


def main(comfyui: str, result: str) -> None:
    """Compares every family, and the demo model's stand-in, and writes the figures."""
    sys.argv = ["comfyui", "--cpu", "--force-fp32"]
    sys.path[0] = comfyui
    # By its own folder: ComfyUI has a package "tests", too.
    sys.path += [str(ROOT), str(ROOT / "tests" / "core")]
    import comfy.options

    comfy.options.enable_args_parsing()
    import torch

    torch.set_grad_enabled(False)
    figures = {family: compare_family(family) for family in MATCHING}
    figures["stand-in"] = compare_stand_in(Path(result).parent)
    Path(result).write_text(json.dumps(figures))


def compare_family(family: str) -> dict:
    """A small random U-Net with text conditioning and guidance, an odd latent size and two images."""
    import diffusers_models as models
    import torch

    from core.hosts.comfy.host import ComfyHost
    from core.hosts.diffusers import Conditioning, DiffusersDenoiser
    from core.hosts.direct import DirectHost

    unet = models.unet(family, **MATCHING[family])
    generator = torch.Generator().manual_seed(5)
    width = models.LAYOUTS[family]["cross_attention_dim"]
    texts = [torch.randn(1, 77, width, generator=generator) for _ in range(2)]
    pooled = [torch.randn(1, 1280, generator=generator) for _ in range(2)]

    scheduler = models.scheduler(models.PREDICTION[family])
    spoken = [Conditioning(text, pool if family == "sdxl" else None) for text, pool in zip(texts, pooled, strict=True)]
    plain = DiffusersDenoiser(unet, scheduler, spoken[0])
    guided = DiffusersDenoiser(unet, scheduler, *spoken, GUIDANCE)
    direct = DirectHost(plain, None, plain.sigma, "", guided)

    conditioning = [[[text, {"pooled_output": pool}]] for text, pool in zip(texts, pooled, strict=True)]
    model = native_model(family, unet, models.PREDICTION[family])
    native = ComfyHost(model, None, *conditioning, GUIDANCE)
    latent = torch.randn(2, 4, *SIZE, generator=generator)
    return compare(direct, native, latent, SIZE)


def compare_stand_in(folder: Path) -> dict:
    """The demo model's layout with untrained weights, VAE included, and whole edits."""
    import torch

    from core import api
    from core.edit import edit
    from core.hosts.comfy.host import ComfyHost
    from core.hosts.comfy.loading import load_model
    from core.settings import EditSettings
    from tools.demo_model import write

    write.main(
        [
            "--stand-in",
            "--comfy",
            str(folder / "demo.safetensors"),
            "--diffusers",
            str(folder / "demo"),
            "--dtype",
            "fp32",
        ]
    )
    image = 0.3 * torch.rand(1, 60, 88, 3, generator=torch.Generator().manual_seed(0))
    # In nothing but noise there is no thing to find.
    image[:, 14:36, 16:38, 0] += 0.6
    settings = EditSettings(steps=6, strength=0.5)
    direct = api.load(folder / "demo", "cpu").host()
    figures = {}
    edits = {"direct": edit(direct, image, api.make_points(POINTS), settings)}
    for name, path in (("file", folder / "demo.safetensors"), ("folder", folder / "demo")):
        model, _, vae = load_model(path)
        native = ComfyHost(model, vae)
        edits[name] = edit(native, image, api.make_points(POINTS), settings)
        figures[name] = {
            "latent": error(edits[name].inversion.clean, edits["direct"].inversion.clean),
            "trajectory": error(edits[name].inversion.trajectory, edits["direct"].inversion.trajectory),
            "scores": (edits[name].found.correlation - edits["direct"].found.correlation).abs().max().item(),
            "image": (edits[name].image - edits["direct"].image).abs().max().item(),
            "changed": (edits[name].image - image).abs().max().item(),
        }
    single = api.load(folder / "demo.safetensors", "cpu")
    figures["single file"] = (
        (api.edit(single, image, POINTS, settings=settings).image - edits["direct"].image).abs().max().item()
    )
    return figures


def compare(direct, native, latent, size) -> dict:
    """Inversion, captured attention, captured tokens and guided, consistent sampling."""
    import torch

    from core.attention.plan import CapturePlan
    from core.diffusion.sampling import SampleSettings

    sigmas = [host.sigmas(STEPS, STRENGTH) for host in (direct, native)]
    plan = CapturePlan(storage="cpu")
    ours, theirs = (host.invert(latent, sigmas[0], plan, 1, None) for host in (direct, native))
    figures = {
        "same layers": ours.layers == theirs.layers,
        "layers": len(ours.layers),
        "sigmas": error(sigmas[0][:-1], sigmas[1][:-1]),
        "trajectory": error(ours.trajectory, theirs.trajectory),
        "attention": max(
            (
                (ours.maps[grid].float() - theirs.maps[grid].float()).abs().max()
                * ours.maps[grid].shape[-1]
            ).item()
            for grid in theirs.maps
        ),
        "tokens": max(
            error(ours.tokens[step][name].float(), tokens.float())
            for step, kept in enumerate(theirs.tokens)
            for name, tokens in kept.items()
        ),
    }
    start = ours.noisy + 0.3 * torch.randn(ours.noisy.shape, generator=torch.Generator().manual_seed(1))
    for mode in ("off", "extend", "replace"):
        settings = SampleSettings(source_attention=mode)
        sampled = [
            host.sample(inversion, start, None, None, settings, None)
            for host, inversion in ((direct, ours), (native, theirs))
        ]
        figures[f"sampled, {mode}"] = error(*sampled)
        figures[f"result, {mode}"] = sampled[0].flatten()[:50].tolist()
    return figures


def native_model(family: str, unet, prediction: str, dtype=None, cast=None):
    """A ComfyUI MODEL with the weights of a diffusers U-Net too small for ComfyUI's detection.

    ``dtype`` is that of the weights (float32), ``cast`` what ComfyUI's operations cast them to (None: nothing).
    """
    import comfy.model_patcher
    import comfy.supported_models
    import torch

    from core.hosts.comfy.loading import _layout, _with_sampling, rename_unet

    config = dict(unet.config)
    heads = unet.config.attention_head_dim
    layout = {
        **_layout(config),
        "image_size": 32,
        "in_channels": config["in_channels"],
        "out_channels": 4,
        "model_channels": config["block_out_channels"][0],
        "context_dim": config["cross_attention_dim"],
        "use_linear_in_transformer": config["use_linear_projection"],
        "use_spatial_transformer": True,
        "use_checkpoint": False,
        "legacy": False,
        "use_temporal_attention": False,
        "adm_in_channels": config["projection_class_embeddings_input_dim"] if family == "sdxl" else None,
    }
    if family == "sdxl":
        layout["num_classes"] = "sequential"
    kinds = {"sd15": "SD15", "sd2": "SD20", "sdxl": "SDXL"}
    known = getattr(comfy.supported_models, kinds[family])(layout)
    if isinstance(heads, int):
        known.unet_config |= {"num_heads": heads, "num_head_channels": -1}
    else:
        known.unet_config |= {"num_heads": -1, "num_head_channels": config["block_out_channels"][0] // heads[0]}
    known.set_inference_dtype(dtype or torch.float32, cast)
    known.unet_config["dtype"] = dtype or torch.float32
    state = rename_unet(unet.state_dict(), config)
    model = known.get_model(state, "")
    model.load_model_weights(state, "")
    cpu = torch.device("cpu")
    patcher = comfy.model_patcher.ModelPatcher(model, load_device=cpu, offload_device=cpu)
    schedule = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
    return _with_sampling(patcher, {**schedule, "prediction_type": prediction})


def error(ours, theirs) -> float:
    """Relative error, in the Euclidean norm."""
    return ((ours - theirs).norm() / theirs.norm()).item()


if __name__ == "__main__":
    main(*sys.argv[1:])
