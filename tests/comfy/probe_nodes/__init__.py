"""A stranger's node pack: what other packs do to a MODEL, made to be seen.

Loaded by the test server beside the real pack.
"""

from __future__ import annotations

import gc
import hashlib
import time
from pathlib import Path

import comfy.patcher_extension
import comfy.samplers
import folder_paths
import torch
from comfy.ldm.modules.attention import optimized_attention
from comfy.model_management import processing_interrupted, throw_exception_if_processing_interrupted
from comfy.model_patcher import ModelPatcher
from comfy_execution.graph_utils import GraphBuilder

import nodes as comfyui_nodes

CALLS: dict[str, int] = {}


class ProbeAttentionReplace:
    """Puts a function of this pack into every self-attention block's attn1_replace slot.

    It computes ordinary attention times ``gain`` and counts its calls under ``name``.
    """

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "model": ("MODEL",),
                "name": ("STRING", {"default": "probe"}),
                "gain": ("FLOAT", {"default": 1.0, "min": 0.0, "max": 10.0, "step": 0.01}),
            }
        }

    RETURN_TYPES = ("MODEL",)
    FUNCTION = "patch"
    CATEGORY = "probe"

    def patch(self, model, name, gain):
        CALLS[name] = 0

        def attention(q, k, v, extra_options):
            CALLS[name] += 1
            return optimized_attention(q, k, v, heads=extra_options["n_heads"]) * gain

        model = model.clone()
        for block, number in (
            *(("input", n) for n in range(12)),
            ("middle", 0),
            *(("output", n) for n in range(12)),
        ):
            model.set_model_attn1_replace(attention, block, number)
        return (model,)


class ProbeCountEvaluations:
    """A MODEL that counts its U-Net's evaluations under ``name``."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",), "name": ("STRING", {"default": "probe"})}}

    RETURN_TYPES = ("MODEL",)
    FUNCTION = "patch"
    CATEGORY = "probe"

    def patch(self, model, name):
        CALLS[name] = 0

        def evaluate(apply_model, arguments):
            CALLS[name] += 1
            return apply_model(arguments["input"], arguments["timestep"], **arguments["c"])

        model = model.clone()
        model.set_model_unet_function_wrapper(evaluate)
        return (model,)


class ProbeGuidance:
    """A MODEL with somebody's own guidance, by each of the ways in that ComfyUI has for it; all of them loud."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",), "how": (["post", "cfg", "pre", "conds", "wrapper"],)}}

    RETURN_TYPES = ("MODEL",)
    FUNCTION = "patch"
    CATEGORY = "probe"

    def patch(self, model, how):
        model = model.clone()

        def again(args):
            # A second evaluation, as guidance of attention makes it, of another latent.
            (out,) = comfy.samplers.calc_cond_batch(
                args["model"], [args["cond"]], args["input"] * 0.5, args["sigma"], args["model_options"]
            )
            return args["denoised"] * 1.5 - out

        def all_conds(args):
            out = comfy.samplers.calc_cond_batch(
                args["model"], args["conds"], args["input"], args["sigma"], args["model_options"]
            )
            return [one * 1.5 for one in out]

        def predicting(executor, *args, **kwargs):
            return executor(*args, **kwargs) * 1.5

        if how == "post":
            model.set_model_sampler_post_cfg_function(again, disable_cfg1_optimization=True)
        elif how == "cfg":
            model.set_model_sampler_cfg_function(lambda args: args["cond"] * 1.5, disable_cfg1_optimization=True)
        elif how == "pre":
            model.set_model_sampler_pre_cfg_function(lambda args: [one * 1.5 for one in args["conds_out"]])
        elif how == "conds":
            model.model_options["sampler_calc_cond_batch_function"] = all_conds
        else:
            model.add_wrapper(comfy.patcher_extension.WrappersMP.PREDICT_NOISE, predicting)
        return (model,)


class ProbeInversion:
    """Reports the SHA-256 of all tensors that an INVERSION holds, and the evaluations that it took."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"inversion": ("INVERSION",)}}

    RETURN_TYPES = ()
    FUNCTION = "digest"
    OUTPUT_NODE = True
    CATEGORY = "probe"

    def digest(self, inversion):
        real = inversion[0]
        tensors = [real.sigmas, real.trajectory, *real.maps.values()]
        tensors += [kept[name] for kept in real.tokens for name in sorted(kept)]
        digest = hashlib.sha256()
        for tensor in tensors:
            digest.update(tensor.detach().cpu().float().contiguous().numpy().tobytes())
        return {"ui": {"digest": [digest.hexdigest(), len(tensors)], "evaluations": [real.evaluations]}}


class ProbeAttentionOverride:
    """A MODEL with somebody's own attention function for all of it, which counts its calls under ``name``."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",), "name": ("STRING", {"default": "probe"})}}

    RETURN_TYPES = ("MODEL",)
    FUNCTION = "patch"
    CATEGORY = "probe"

    def patch(self, model, name):
        CALLS[name] = 0

        def attention(func, *args, **kwargs):
            CALLS[name] += 1
            return func(*args, **kwargs)

        model = model.clone()
        options = model.model_options.setdefault("transformer_options", {})
        options["optimized_attention_override"] = attention
        return (model,)


class ProbeCacheSize:
    """What ComfyUI's RAM-pressure cache takes an INVERSION for, and what it is, in bytes."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"inversion": ("INVERSION",)}}

    RETURN_TYPES = ()
    FUNCTION = "weigh"
    OUTPUT_NODE = True
    CATEGORY = "probe"

    def weigh(self, inversion):
        def in_lists(output):
            if isinstance(output, (list, tuple)):
                return sum(map(in_lists, output))
            return output.numel() * output.element_size() if isinstance(output, torch.Tensor) else 0

        real = inversion[0]
        maps = sum(one.nbytes for one in real.maps.values())
        kept = real.trajectory.nbytes + maps + sum(one.nbytes for step in real.tokens for one in step.values())
        return {"ui": {"bytes": [in_lists([inversion]), inversion.get_ram_usage(), kept]}}


class ProbeEditWithObjects:
    """Expands into an Edit whose MODEL, VAE, IMAGE and DRAG_POINTS are the objects themselves instead of links."""

    @classmethod
    def INPUT_TYPES(cls):
        edit = comfyui_nodes.NODE_CLASS_MAPPINGS["AttentionDragEdit"].INPUT_TYPES()["required"]
        return {"required": edit}

    RETURN_TYPES = ("IMAGE", "MASK", "IMAGE")
    FUNCTION = "expand"
    CATEGORY = "probe"

    def expand(self, **inputs):
        graph = GraphBuilder()
        edit = graph.node("AttentionDragEdit", **inputs)
        return {"result": (edit.out(0), edit.out(1), edit.out(2)), "expand": graph.finalize()}


class ProbeCalls:
    """Reports how often the function registered under ``name`` ran; ``after`` only orders the run."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"after": ("LATENT,IMAGE",), "name": ("STRING", {"default": "probe"})}}

    RETURN_TYPES = ()
    FUNCTION = "report"
    OUTPUT_NODE = True
    CATEGORY = "probe"

    @classmethod
    def IS_CHANGED(cls, **kwargs):
        return float("nan")

    def report(self, after, name):
        return {"ui": {"calls": [CALLS.get(name, 0)]}}


class ProbeBrokenModel:
    """A MODEL whose U-Net raises, or returns NaN, from its ``call``-th evaluation on (counted from 1); or waits in it
    until the run is interrupted, and goes on."""

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "model": ("MODEL",),
                "call": ("INT", {"default": 3, "min": 1, "max": 10000}),
                "how": (["raise", "nan", "wait"],),
            }
        }

    RETURN_TYPES = ("MODEL",)
    FUNCTION = "patch"
    CATEGORY = "probe"

    def patch(self, model, call, how):
        count = 0

        def evaluate(apply_model, arguments):
            nonlocal count
            count += 1
            if count >= call and how == "raise":
                raise RuntimeError(f"the probe broke evaluation {count}")
            while count == call and how == "wait" and not processing_interrupted():
                time.sleep(0.02)
            result = apply_model(arguments["input"], arguments["timestep"], **arguments["c"])
            return result * float("nan") if count >= call and how == "nan" else result

        model = model.clone()
        model.set_model_unet_function_wrapper(evaluate)
        return (model,)


class ProbeTransformerModel:
    """A real diffusion transformer of ComfyUI's (SD 3's), one block deep, random weights."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}

    RETURN_TYPES = ("MODEL",)
    FUNCTION = "make"
    CATEGORY = "probe"

    def make(self):
        import comfy.supported_models

        config = comfy.supported_models.SD3(
            {
                "in_channels": 16,
                "patch_size": 2,
                "depth": 1,
                "input_size": None,
                "adm_in_channels": 2048,
                "num_patches": 36864,
                "pos_embed_max_size": 192,
                "pos_embed_scaling_factor": None,
                "context_embedder_config": {
                    "target": "torch.nn.Linear",
                    "params": {"in_features": 4096, "out_features": 64},
                },
            }
        )
        config.unet_config["dtype"] = torch.float32
        model = config.get_model({}, device=torch.device("cpu"))
        return (ModelPatcher(model, load_device=torch.device("cpu"), offload_device=torch.device("cpu")),)


class ProbeLatent:
    """Random latents of any shape, for those that do not fit."""

    @classmethod
    def INPUT_TYPES(cls):
        size = {"default": 8, "min": 1, "max": 512}
        return {
            "required": {
                "batch": ("INT", {"default": 1, "min": 1, "max": 64}),
                "channels": ("INT", {"default": 4, "min": 1, "max": 64}),
                "height": ("INT", size),
                "width": ("INT", size),
                "value": ("FLOAT", {"default": 0.0, "min": -1e9, "max": 1e9}),
                "nan": ("BOOLEAN", {"default": False}),
            }
        }

    RETURN_TYPES = ("LATENT",)
    FUNCTION = "make"
    CATEGORY = "probe"

    def make(self, batch, channels, height, width, value, nan):
        generator = torch.Generator().manual_seed(0)
        samples = torch.randn(batch, channels, height, width, generator=generator) + value
        if nan:
            samples[..., 0, 0] = float("nan")
        return ({"samples": samples},)


class ProbeConditioning:
    """Random text conditioning, since the test checkpoint has no text encoder."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"seed": ("INT", {"default": 0, "min": 0, "max": 1000})}}

    RETURN_TYPES = ("CONDITIONING",)
    FUNCTION = "make"
    CATEGORY = "probe"

    def make(self, seed):
        generator = torch.Generator().manual_seed(seed)
        return ([[torch.randn(1, 77, 768, generator=generator), {}]],)


class ProbeClip:
    """A CLIP that knows texts by their length, as far as nodes use one; ``name`` notes how often it encoded."""

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "width": ("INT", {"default": 768, "min": 1, "max": 4096}),
                "name": ("STRING", {"default": "clip"}),
            }
        }

    RETURN_TYPES = ("CLIP",)
    FUNCTION = "make"
    CATEGORY = "probe"

    def make(self, width, name):
        CALLS[name] = 0

        class Clip:
            def tokenize(self, text, **_):
                return text

            def encode_from_tokens_scheduled(self, tokens, **_):
                CALLS[name] += 1
                generator = torch.Generator().manual_seed(1000 + len(tokens))
                encoded = torch.randn(1, 77, width, generator=generator)
                return [[encoded, {"pooled_output": torch.zeros(1, width)}]]

        return (Clip(),)


class ProbeObjects:
    """Counts the live objects of some classes, after a full collection."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"classes": ("STRING", {"default": "ModelPatcher"})}}

    RETURN_TYPES = ()
    FUNCTION = "count"
    OUTPUT_NODE = True
    CATEGORY = "probe"

    @classmethod
    def IS_CHANGED(cls, **kwargs):
        return float("nan")

    def count(self, classes):
        gc.collect()
        found = [type(thing).__name__ for thing in gc.get_objects()]
        return {"ui": {"counts": [found.count(name) for name in classes.split()]}}


class ProbeText:
    """Shows a text."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"text": ("STRING", {"forceInput": True})}}

    RETURN_TYPES = ()
    FUNCTION = "show"
    OUTPUT_NODE = True
    CATEGORY = "probe"

    def show(self, text):
        return {"ui": {"text": [text]}}


class ProbeChecksum:
    """Reports a picture's SHA-256, of its floats: a saved file would round them."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": ("IMAGE",)}}

    RETURN_TYPES = ()
    FUNCTION = "digest"
    OUTPUT_NODE = True
    CATEGORY = "probe"

    def digest(self, image):
        values = image.detach().cpu().float().contiguous().numpy()
        return {"ui": {"checksum": [hashlib.sha256(values.tobytes()).hexdigest()], "shape": list(values.shape)}}


class ProbeWait:
    """Passes a picture on as soon as there is a file of that name in the input folder."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": ("IMAGE",), "file": ("STRING", {"default": "go"})}}

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "wait"
    CATEGORY = "probe"

    def wait(self, image, file):
        while not Path(folder_paths.get_input_directory(), file).exists():
            throw_exception_if_processing_interrupted()
            time.sleep(0.05)
        return (image,)


NODE_CLASS_MAPPINGS = {
    node.__name__: node
    for node in (
        ProbeAttentionReplace,
        ProbeCountEvaluations,
        ProbeGuidance,
        ProbeInversion,
        ProbeAttentionOverride,
        ProbeCacheSize,
        ProbeEditWithObjects,
        ProbeCalls,
        ProbeBrokenModel,
        ProbeTransformerModel,
        ProbeLatent,
        ProbeConditioning,
        ProbeClip,
        ProbeObjects,
        ProbeText,
        ProbeChecksum,
        ProbeWait,
    )
}
