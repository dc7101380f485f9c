"""Run in a process of its own: what ComfyUI's own code computes from a checkpoint.

    python comfyui_outputs.py COMFYUI CHECKPOINT INPUTS OUTPUTS
"""

from __future__ import annotations

import sys


def main() -> None:
    comfyui, checkpoint, inputs, outputs = sys.argv[1:]
    sys.argv = [sys.argv[0], "--cpu", "--force-fp32"]
    sys.path.insert(0, comfyui)
    import comfy.options

    comfy.options.enable_args_parsing()
    import comfy.sd
    import torch
    from safetensors.torch import load_file, save_file

    given = load_file(inputs)
    patcher, _, vae, _ = comfy.sd.load_checkpoint_guess_config(checkpoint, output_clip=False)
    with torch.no_grad():
        model = patcher.model.diffusion_model.float()
        noise = model(given["noisy"], given["timesteps"], context=given["context"])
        latent = vae.encode(given["image"].movedim(1, -1)) * patcher.model.latent_format.scale_factor
        decoded = vae.decode(latent / patcher.model.latent_format.scale_factor).movedim(-1, 1)
    results = {"noise": noise, "latent": latent, "decoded": decoded}
    save_file({key: value.float().contiguous() for key, value in results.items()}, outputs)


if __name__ == "__main__":
    main()
