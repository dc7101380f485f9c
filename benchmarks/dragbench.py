"""DragBench, for who has it: ``python -m benchmarks.dragbench --data DIR --out report.json``.

DIR holds ``<category>/<sample>/{original_image.png, user_drag.png, meta_data.pkl}``; the pickle holds the prompt, the
points (handle and target in turn, (x, y) in px) and the mask. It is read by an unpickler that builds plain containers,
numbers and numpy arrays and refuses everything else.

Two figures, each only when what it needs is on this machine (nothing is downloaded; the report tells the reason of what
is left out):

- ``mean_distance_px``: the handle's DIFT feature (Tang et al. 2023, arXiv 2306.03881) is looked for in the result by
  cosine similarity; the distance of the best match from the target, averaged over the drags, as DragBench has it
  (arXiv 2306.14435): Stable Diffusion 2.1 (``--dift DIR``, a local diffusers folder with its text encoder), timestep
  261, output of up block 1, mean over 8 noises, features brought to image size bilinearly.
- ``image_fidelity``: 1 - LPIPS (AlexNet) between source and result, with the package ``lpips`` and torchvision's
  AlexNet weights in torch's hub folder. It rewards doing nothing: read it next to the distance and to ``identity``.
"""

from __future__ import annotations

import argparse
import io
import json
import pickle
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from core.settings import EditSettings
from core.space.points import DragPoints, make_points

from . import model, report, settings
from .methods import METHODS, WITHOUT_MODEL, Context
from .scene import Scene
from .scenes import add_model_arguments, load_model, set_threads

USABLE = ("attention_drag", "attention_drag_composite", "attention_drag_raw", "attention_drag_truemask",
          "fastdrag_raw", "fastdrag_move_raw", "latent_shift_raw", "cut_paste", "identity")  # fmt: skip
METRICS = ("mean_distance_px", "image_fidelity", "unet_evaluations", "seconds")
DIFT_TIMESTEP = 261
DIFT_BLOCK = 1
DIFT_NOISES = 8
MAX_PICKLE_BYTES = 256 * 1024**2


class SampleError(ValueError):
    """A sample that can't be read; the message names its folder."""


@dataclass(frozen=True, eq=False)
class Sample:
    """One picture of DragBench.

    Attributes:
        name: category/sample.
        image: (H, W, 3) float32 in 0..1.
        handles, targets: (n, 2) in px, (x, y).
        mask: (H, W) float32, what may change.
        prompt: describes the picture.
    """

    name: str
    image: np.ndarray
    handles: np.ndarray
    targets: np.ndarray
    mask: np.ndarray
    prompt: str = ""

    @property
    def points(self) -> DragPoints:
        """The drags as the core takes them."""
        height, width = self.image.shape[:2]
        size = np.array([width, height], dtype=np.float64)
        pairs = [
            ((float(h[0]), float(h[1])), (float(t[0]), float(t[1])))
            for h, t in zip((self.handles + 0.5) / size, (self.targets + 0.5) / size, strict=True)
        ]
        return make_points(pairs).on_image(height, width)

    def as_scene(self) -> Scene:
        """For the methods: the mask stands for both the object's, and there is no true edit."""
        return Scene(self.name, self.image, self.image, self.mask, self.mask, self.points)


class _PlainUnpickler(pickle.Unpickler):
    """Builds plain containers, numbers and numpy arrays."""

    ALLOWED = {
        ("numpy", "ndarray"), ("numpy", "dtype"),
        ("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct"),
        ("numpy.core.multiarray", "scalar"), ("numpy._core.multiarray", "scalar"),
        ("numpy.core.numeric", "_frombuffer"), ("numpy._core.numeric", "_frombuffer"),
    }  # fmt: skip

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("_codecs", "encode"):
            return _latin1
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"it wants {module}.{name}, which is no plain data")
        # Old pickles name numpy's former private package, which newer numpy only warns about.
        module = module.replace("numpy.core", "numpy._core") if hasattr(np, "_core") else module
        return super().find_class(module, name)


def _latin1(text: Any, encoding: Any = "latin1") -> bytes:
    """How old pickles spell bytes."""
    if not isinstance(text, str) or encoding != "latin1":
        raise pickle.UnpicklingError("it wants _codecs.encode for something else than bytes")
    return text.encode("latin1")


def read_plain_pickle(data: bytes) -> Any:
    """What a pickle of plain containers, numbers and numpy arrays holds.

    Raises:
        pickle.UnpicklingError: it wants anything else, or is broken.
    """
    try:
        value = _PlainUnpickler(io.BytesIO(data)).load()
    except pickle.UnpicklingError:
        raise
    except Exception as error:  # a broken pickle raises nearly anything
        raise pickle.UnpicklingError(f"broken: {type(error).__name__}: {error}") from error
    return value


def load_sample(folder: Path, name: str | None = None) -> Sample:
    """Reads one sample.

    Raises:
        SampleError: files are missing or hold something else.
    """
    folder = Path(folder)
    try:
        with Image.open(folder / "original_image.png") as picture:
            image = np.asarray(picture.convert("RGB"), dtype=np.float32) / 255
        if (folder / "meta_data.pkl").stat().st_size > MAX_PICKLE_BYTES:
            raise SampleError(f"{folder}: meta_data.pkl is larger than {MAX_PICKLE_BYTES} bytes.")
        meta = read_plain_pickle((folder / "meta_data.pkl").read_bytes())
    except (OSError, pickle.UnpicklingError) as error:
        raise SampleError(f"{folder}: {error}") from error
    if not isinstance(meta, dict) or "points" not in meta:
        raise SampleError(f"{folder}: meta_data.pkl holds no points.")
    try:
        points = np.asarray(meta["points"], dtype=np.float64).reshape(-1, 2)
        mask = np.asarray(meta.get("mask", np.ones(image.shape[:2])), dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise SampleError(f"{folder}: meta_data.pkl: {error}") from error
    if len(points) < 2 or len(points) % 2 or not np.isfinite(points).all():
        raise SampleError(f"{folder}: {len(points)} points; they come in pairs of handle and target.")
    if mask.ndim == 3:
        mask = mask.max(-1)
    if mask.shape != image.shape[:2]:
        raise SampleError(f"{folder}: the mask is {mask.shape}, the image {image.shape[:2]}.")
    return Sample(
        name or folder.name, image, points[0::2], points[1::2], (mask > 0).astype(np.float32),
        str(meta.get("prompt", "")),
    )  # fmt: skip


def load_samples(root: Path, limit: int | None = None) -> Iterator[Sample | SampleError]:
    """All samples below ``root``, a broken one as its error.

    Raises:
        SampleError: there are none.
    """
    folders = sorted(path.parent for path in Path(root).glob("*/*/meta_data.pkl"))
    if not folders:
        raise SampleError(f"{root}: no <category>/<sample>/meta_data.pkl below it.")
    for folder in folders[:limit]:
        try:
            yield load_sample(folder, f"{folder.parent.name}/{folder.name}")
        except SampleError as error:
            yield error


class DiftMeter:
    """Mean distance by DIFT features."""

    def __init__(self, unet: Any, vae: Any, scheduler: Any, embed: Any, seed: int = 0):
        """Args:
        unet, vae, scheduler: diffusers' of Stable Diffusion 2.1.
        embed: prompt -> text embeddings (1, L, width).
        seed: of the noises; source and result get the same.
        """
        self._unet, self._vae, self._scheduler, self._embed, self._seed = unet, vae, scheduler, embed, seed

    @classmethod
    def load(cls, folder: Path) -> DiftMeter:
        """From a local diffusers folder.

        Raises:
            FileNotFoundError, ImportError, OSError: parts are missing.
        """
        from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
        from transformers import CLIPTextModel, CLIPTokenizer

        folder = Path(folder)
        if not (folder / "unet").is_dir():
            raise FileNotFoundError(f"{folder} is no diffusers folder")
        local = {"local_files_only": True}
        tokenizer = CLIPTokenizer.from_pretrained(folder, subfolder="tokenizer", **local)
        text_encoder = CLIPTextModel.from_pretrained(folder, subfolder="text_encoder", **local).eval()
        unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet", **local).eval()
        vae = AutoencoderKL.from_pretrained(folder, subfolder="vae", **local).eval()
        scheduler = DDIMScheduler.from_pretrained(folder, subfolder="scheduler", **local)

        def embed(prompt: str) -> torch.Tensor:
            tokens = tokenizer(prompt, padding="max_length", max_length=tokenizer.model_max_length,
                               truncation=True, return_tensors="pt")  # fmt: skip
            return text_encoder(tokens.input_ids)[0]

        return cls(unet, vae, scheduler, embed)

    @torch.no_grad()
    def features(self, image: np.ndarray, prompt: str) -> torch.Tensor:
        """(C, H, W) features at image size, mean over the noises."""
        height, width = image.shape[:2]
        pixels = torch.from_numpy(image).movedim(-1, 0)[None] * 2 - 1
        # The VAE and the U-Net halve six times between them.
        pixels = F.pad(pixels, (0, -width % 64, 0, -height % 64), mode="replicate")
        latent = self._vae.encode(pixels).latent_dist.mode() * self._vae.config.scaling_factor
        embedding = self._embed(prompt)
        timestep = torch.tensor([DIFT_TIMESTEP])
        generator = torch.Generator("cpu").manual_seed(self._seed)
        kept: list[torch.Tensor] = []
        handle = self._unet.up_blocks[DIFT_BLOCK].register_forward_hook(lambda *call: kept.append(call[-1]))
        try:
            for _ in range(DIFT_NOISES):
                noise = torch.randn(latent.shape, generator=generator).to(latent)
                noisy = self._scheduler.add_noise(latent, noise, timestep)
                self._unet(noisy, timestep, encoder_hidden_states=embedding)
        finally:
            handle.remove()
        mean = torch.stack(kept).mean(0)
        return F.interpolate(mean, size=pixels.shape[-2:], mode="bilinear")[0, :, :height, :width]

    def distance(self, sample: Sample, result: np.ndarray) -> float:
        """Mean distance in px."""
        return feature_distance(
            self.features(sample.image, sample.prompt), self.features(result, sample.prompt),
            sample.handles, sample.targets,
        )  # fmt: skip


def feature_distance(source: torch.Tensor, result: torch.Tensor, handles: np.ndarray, targets: np.ndarray) -> float:
    """How far from each target the result's best match of the handle's feature lies, averaged.

    Args:
        source, result: (C, H, W).
        handles, targets: (n, 2) in px, (x, y).
    """
    height, width = source.shape[-2:]
    normalised = F.normalize(result.flatten(1), dim=0)
    distances = []
    for (x, y), target in zip(handles, targets, strict=True):
        column = min(max(int(x), 0), width - 1)
        row = min(max(int(y), 0), height - 1)
        best = int((F.normalize(source[:, row, column], dim=0) @ normalised).argmax())
        distances.append(np.hypot(best % width - target[0], best // width - target[1]))
    return float(np.mean(distances))


def fidelity_meter() -> Any:
    """(first, second) -> 1 - LPIPS of two pictures (H, W, 3) in 0..1.

    Raises:
        ImportError, FileNotFoundError: the package or AlexNet's weights aren't there.
    """
    import lpips

    folder = Path(torch.hub.get_dir()) / "checkpoints"
    if not list(folder.glob("alexnet-*.pth")):
        raise FileNotFoundError(f"torchvision's AlexNet weights are not in {folder}")
    network = lpips.LPIPS(net="alex", verbose=False).eval()

    def measure(first: np.ndarray, second: np.ndarray) -> float:
        pair = [torch.from_numpy(image).movedim(-1, 0)[None].float() * 2 - 1 for image in (first, second)]
        with torch.no_grad():
            return 1 - float(network(*pair))

    return measure


def run(
    root: Path, methods: Sequence[str], loaded: model.Model | None, chosen: EditSettings, dift: DiftMeter | None,
    fidelity: Any, limit: int | None = None, pictures: Path | None = None,
) -> dict[str, Any]:
    """Runs the methods on all samples; the report without its settings."""
    rows: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in methods}
    failed = []
    for sample in load_samples(root, limit):
        if isinstance(sample, SampleError):
            failed.append({"sample": str(sample).split(":", 1)[0], "method": "", "error": str(sample)})
            continue
        context = Context(sample.as_scene(), loaded, chosen)
        for name in methods:
            try:
                outcome = METHODS[name](context)
                row = {"unet_evaluations": outcome.evaluations, "seconds": outcome.seconds}
                if dift is not None:
                    row["mean_distance_px"] = dift.distance(sample, outcome.image)
                if fidelity is not None:
                    row["image_fidelity"] = fidelity(sample.image, outcome.image)
            except Exception as error:  # whatever breaks on one sample must not cost the others
                failed.append({"sample": sample.name, "method": name, "error": f"{type(error).__name__}: {error}"})
                continue
            rows[name][sample.name] = row
            if pictures is not None:
                path = pictures / name / f"{sample.name}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.rint(outcome.image * 255).astype(np.uint8)).save(path)
        sys.stderr.write(f"{sample.name}\n")
    return {
        "methods": {name: report.summarise(list(values.values()), METRICS) for name, values in rows.items()},
        "failed": failed,
        "samples": rows,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dragbench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument("--methods", default="attention_drag,identity", help=f"any of {', '.join(USABLE)}")
    parser.add_argument("--dift", type=Path, metavar="DIR", help="Stable Diffusion 2.1, a local diffusers folder")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="write the results here")
    parser.add_argument("--out", type=Path, default=Path("dragbench.json"))
    parser.add_argument("--limit", type=int, help="only the first N samples")
    add_model_arguments(parser)
    args = parser.parse_args(arguments)
    methods = [name.strip() for name in args.methods.split(",") if name.strip()]
    if unknown := [name for name in methods if name not in USABLE]:
        parser.error(f"not usable here: {', '.join(unknown)}; there are {', '.join(USABLE)}")
    set_threads(args.threads)
    left_out, dift, fidelity = {}, None, None
    if args.dift is None:
        left_out["mean_distance_px"] = "needs --dift DIR"
    else:
        try:
            dift = DiftMeter.load(args.dift)
        except (ImportError, OSError, ValueError) as error:
            left_out["mean_distance_px"] = str(error)
    try:
        fidelity = fidelity_meter()
    except (ImportError, OSError) as error:
        left_out["image_fidelity"] = str(error)
    try:
        chosen = settings.override(EditSettings(), args.settings)
        loaded = load_model(args) if set(methods) - WITHOUT_MODEL else None
        written = run(args.data, methods, loaded, chosen, dift, fidelity, args.limit, args.pictures)
    except (SampleError, FileNotFoundError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    written["left_out"] = left_out
    written["settings"] = {
        "edit": settings.as_dict(chosen), "model": loaded.description if loaded else None,
        "versions": model.versions(),
    }  # fmt: skip
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(written, indent=1) + "\n", "utf-8")
    lines = [["method", *METRICS]]
    for name, values in written["methods"].items():
        cells = [values.get(metric, {}).get("mean") for metric in METRICS]
        lines.append([name, *("-" if cell is None else f"{cell:.4g}" for cell in cells)])
    sys.stdout.write(report.aligned(lines) + "\n")
    for metric, reason in left_out.items():
        sys.stdout.write(f"left out: {metric}: {reason}\n")
    for failure in written["failed"]:
        sys.stdout.write(f"failed: {failure['sample']} {failure['method']}: {failure['error']}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
