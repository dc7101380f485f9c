"""What both trainings share: device and precision, schedule, averages, checkpoints, the clock of a piece.

A training is a number of samples long (``--until``), whatever the clock says; a piece of it ends after so many minutes
(``--minutes``) and the next goes on bit for bit where it ended, on the same kind of device: random numbers are drawn
anew from the step's own number. Torch and the standard library alone.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn


def add_arguments(parser: argparse.ArgumentParser, until: int, batch: int, rate: float, average: float) -> None:
    """The options that both trainings have."""
    parser.add_argument("--out", type=Path, required=True, help="folder for the checkpoint and the log")
    parser.add_argument("--until", type=int, default=until, help="samples that the whole training spans")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="of this piece")
    parser.add_argument("--batch", type=int, default=batch)
    parser.add_argument("--rate", type=float, default=rate, help="highest learning rate")
    parser.add_argument("--warm-up", type=int, default=3200, help="samples")
    parser.add_argument("--hold", type=float, default=0.5, help="share of the training before the rate falls")
    parser.add_argument("--average", type=float, default=average, help="decay of the averaged weights, a step")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto", help="auto takes an accelerator where there is one")
    parser.add_argument("--precision", choices=("auto", "bfloat16", "float32"), default="auto",
                        help="of the forward pass; auto is bfloat16 where the device computes in it")  # fmt: skip
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--compile", action="store_true", help="by torch.compile")
    parser.add_argument("--save-every", type=float, default=3.0, metavar="MINUTES")
    parser.add_argument("--log-every", type=int, default=50, metavar="STEPS")
    parser.add_argument("--validate-every", type=float, default=5.0, metavar="MINUTES")


def device_of(name: str) -> torch.device:
    """The device that ``--device`` names."""
    if name != "auto":
        return torch.device(name)
    accelerator = getattr(torch, "accelerator", None)
    if accelerator is not None and accelerator.is_available():
        return torch.device(accelerator.current_accelerator())
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def has_bfloat16(device: torch.device) -> bool:
    """Whether a device computes in bfloat16, rather than pretending to."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    if device.type != "cpu":
        return False
    # No public question exists for processors.
    asked = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(question() for question in asked if question is not None)


def autocast(device: torch.device, precision: str) -> AbstractContextManager:
    """The context of a forward pass; may be entered again and again."""
    enabled = precision == "bfloat16" or (precision == "auto" and has_bfloat16(device))
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)


def generator_of(device: torch.device, seed: int, step: int, rank: int = 0) -> torch.Generator:
    """The random numbers of one step of one worker: the same whether or not the training was broken off before."""
    return torch.Generator(device).manual_seed((seed * 1_000_003 + step) * 64 + rank)


def learning_rate(
    samples: int, until: int, peak: float, warm_up: int = 3200, hold: float = 0.5, since: int = 0
) -> float:
    """Rises linearly over ``warm_up`` samples, stays until ``hold`` of the training, then falls as a cosine to 1 %.

    ``since``: the sample at which the optimiser began anew, and with it the rise.
    """
    fall = min(1.0, max(0.0, (samples / until - hold) / (1 - hold)))
    rise = min(1.0, (samples - since + 1) / max(1, warm_up))
    return peak * rise * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * fall)))


@torch.no_grad()
def average_into(average: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    """Exponential average of the weights; at first a shorter one, so that the start is forgotten."""
    decay = min(decay, (step + 1) / (step + 10))
    torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), 1 - decay)


class Clock:
    """Seconds of this piece, and whether something is due again."""

    def __init__(self, minutes: float) -> None:
        self.began, self.limit, self.last = time.monotonic(), 60 * minutes, {}

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    @property
    def over(self) -> bool:
        return self.seconds >= self.limit

    def due(self, name: str, minutes: float) -> bool:
        """True the first time after ``minutes`` since it was true before, or since the beginning."""
        if self.seconds - self.last.get(name, 0.0) < 60 * minutes:
            return False
        self.last[name] = self.seconds
        return True


class Optimiser(Protocol):
    """What a checkpoint needs of an optimiser."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: dict[str, Any]) -> None: ...


class Progress:
    """Steps, samples and seconds of the whole training, its checkpoint and its log."""

    def __init__(self, out: Path, name: str) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self.checkpoint, self.log = out / f"{name}.pt", out / f"{name}.jsonl"
        self.step, self.samples, self.seconds, self.since = 0, 0, 0.0, 0

    def resume(self, model: nn.Module, average: nn.Module, optimiser: Optimiser) -> bool:
        """Goes on from the checkpoint, if there is one; a light one (``carry``) has no moments, which begin anew."""
        if not self.checkpoint.exists():
            return False
        state = torch.load(self.checkpoint, weights_only=True, map_location="cpu")
        model.load_state_dict(state["model"])
        average.load_state_dict(state["ema"])
        self.step, self.samples, self.seconds = int(state["step"]), int(state["samples"]), float(state["seconds"])
        self.since = int(state.get("since", 0))
        if "optimiser" in state:
            optimiser.load_state_dict(state["optimiser"])
        else:
            self.since = self.samples
        return True

    def rate(self, args: argparse.Namespace) -> float:
        """The learning rate of the next step."""
        return learning_rate(self.samples, args.until, args.rate, args.warm_up, args.hold, self.since)

    def save(self, model: nn.Module, average: nn.Module, optimiser: Optimiser, seconds: float) -> None:
        """The checkpoint; ``seconds`` of this piece. It is whole or the one before."""
        state = {"model": model.state_dict(), "ema": average.state_dict(), "optimiser": optimiser.state_dict(),
                 "step": self.step, "samples": self.samples, "seconds": self.seconds + seconds,
                 "since": self.since}  # fmt: skip
        half = self.checkpoint.with_suffix(".part")
        torch.save(state, half)
        half.replace(self.checkpoint)

    def write(self, **row: object) -> None:
        """A line of the log."""
        with self.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": self.step, "samples": self.samples, **row}) + "\n")


def start_state(path: Path) -> dict[str, Tensor]:
    """The averaged weights of a checkpoint, float32."""
    state = torch.load(path, weights_only=True, map_location="cpu")["ema"]
    return {key: value.float() for key, value in state.items()}


def trainable(model: nn.Module) -> Iterable[Tensor]:
    """Parameters that learn."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]
