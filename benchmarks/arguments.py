"""The arguments that the benchmarks have in common."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import model


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments by which all benchmarks choose their model and settings."""
    parser.add_argument("--model", type=Path, metavar="PATH",
                        help="a diffusers folder or one .safetensors checkpoint; default: the demo model")  # fmt: skip
    parser.add_argument("--device", help="where --model runs (cuda, mps, cpu); default: the accelerator, if any")
    parser.add_argument("--weights", type=Path, metavar="DIR", help="folder of the demo model's narrow weights")
    parser.add_argument("--stand-in", action="store_true", help="untrained weights, to try the plumbing")
    parser.add_argument("--settings", nargs="*", default=[], metavar="NAME=VALUE",
                        help="replace settings of EditSettings, e.g. steps=20 sample.hold_element=0.5")  # fmt: skip
    parser.add_argument("--threads", type=int, help="of torch and OpenCV")


def load_model(args: argparse.Namespace) -> model.Model:
    """The model that the arguments name."""
    return model.load(args.model, args.weights, args.stand_in, args.device)


def set_threads(count: int | None) -> None:
    """Limits the threads of everything that computes here."""
    if count:
        import cv2
        import torch

        torch.set_num_threads(count)
        cv2.setNumThreads(count)
