"""Turn training checkpoints into the shipped narrow weights: U-Nets in eight bits, autoencoder in float16."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from .autoencoder import AutoencoderConfig
from .weights import AUTOENCODER_FILE, FOLDER, PAINTER_FILE, UNET_FILE, autoencoder_state, in_eight_bits, read


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.demo_model.export", description=__doc__)
    parser.add_argument("--unet", type=Path, required=True, help="unet.pt of tools.demo_model.train_unet")
    parser.add_argument("--autoencoder", type=Path, default=FOLDER, help="checkpoint, or a folder of weights")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--start", type=Path, help="folder of weights that the U-Net's training began from")
    parser.add_argument("--painter", action="store_true", help="--unet is the inpainting twin's; it alone is written")
    args = parser.parse_args(arguments)
    name = PAINTER_FILE if args.painter else UNET_FILE
    began = args.start / (name if (args.start / name).exists() else UNET_FILE) if args.start else None
    before = read(began)[1] if began else {}
    args.out.mkdir(parents=True, exist_ok=True)
    state = torch.load(args.unet, weights_only=True)
    steps, samples = int(before.get("steps", 0)) + state["step"], int(before.get("samples", 0)) + state["samples"]
    about = {"steps": str(steps), "samples": str(samples), "license": "see MODEL_CARD.md"}
    save_file(in_eight_bits(state["ema"]), args.out / name, about)
    if args.painter:
        return
    weights = autoencoder_state(args.autoencoder)
    tensors = {key: value.half().contiguous() for key, value in weights.items()}
    config = json.dumps(AutoencoderConfig().to_dict())
    save_file(tensors, args.out / AUTOENCODER_FILE, {"config": config, "license": "see MODEL_CARD.md"})


if __name__ == "__main__":
    main()
